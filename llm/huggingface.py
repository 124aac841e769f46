"""GPT-2, LLaMA, Mistral and Qwen2 checkpoints in Hugging Face's names, in and out.

A family is a table of names and a translation of configurations. Nothing is computed but the
transposes of GPT-2, which stores its matrices as (in, out), and its q, k and v as one.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from llm.config import GPT_STYLE, LLAMA_STYLE, ModelConfig
from llm.model import Transformer

State = dict[str, Tensor]
NOT_WEIGHTS = (".attn.bias", ".attn.masked_bias", "rotary_emb.inv_freq")  # constants, once saved


def from_huggingface(source: str | Path | State, hf_config: dict | None = None) -> Transformer:
    """A :class:`llm.Transformer` with the weights of a checkpoint of :data:`FAMILIES`, to be read.

    ``source`` is a folder with ``config.json`` and safetensors files, a state dict that comes with
    its ``hf_config``, or the name of a model on the Hugging Face Hub, such as ``"gpt2"``: it is
    downloaded once. Raises ``ValueError`` for a family or a setting that the book's model does not
    have, a name that cannot be had, and for tensors that are missing, unknown or of another shape.
    """
    if not isinstance(source, dict):
        source, hf_config = _read_folder(_folder(source), hf_config)
    if hf_config is None:
        raise ValueError("a state dict needs its hf_config: pass model.config.to_dict()")
    kind = hf_config.get("model_type")
    if kind not in FAMILIES:
        raise ValueError(f"model_type={kind!r}: this book reads {', '.join(FAMILIES)}")
    family = FAMILIES[kind]
    try:
        model = Transformer(family.read(hf_config))
    except KeyError as error:
        raise ValueError(f"hf_config has no {error}, which {kind} needs") from None
    model.load_state_dict(_ours(family, model.state_dict(), _complete(family, model, source)))
    return model.eval()


def to_huggingface(model: Transformer) -> tuple[State, dict]:
    """The state dict and configuration with which ``transformers`` holds the same model.

    A LayerNorm model is written as GPT-2, an RMSNorm model as Mistral if it has a window, as Qwen2
    if only q, k and v have biases, and else as LLaMA. Raises ``ValueError`` naming the settings
    that the family's configuration cannot express. These three have no residual dropout.
    """
    config = model.config
    biased = config.qkv_bias and not config.bias
    rms = "mistral" if config.attention_window else "qwen2" if biased else "llama"
    kind = "gpt2" if config.norm == "layernorm" else rms
    family = FAMILIES[kind]
    theirs = {"model_type": kind} | family.write(config)
    back = family.read(theirs).replace(dropout=config.dropout).to_dict()
    lost = [f"{k}={v!r}" for k, v in config.to_dict().items() if back[k] != v]
    if lost:
        raise ValueError(f"a {kind} checkpoint cannot express {', '.join(lost)}")
    ours = model.state_dict()
    state = {}
    for name, parts in _names(family, ours, config.n_layers):
        tensor = torch.cat([ours[part] for part in parts])
        state[name] = tensor.T.contiguous() if family.is_transposed(name) else tensor
    return state, theirs


@dataclass(frozen=True)
class Family:
    """Where a family of checkpoints keeps what: its names to ours, ``{i}`` standing for the layer.

    Several of our tensors may be stored as one, joined in order along their first dimension.
    """

    prefix: str
    whole: dict[str, str]
    block: dict[str, tuple[str, ...]]
    transposed: tuple[str, ...]
    read: Callable[[dict], ModelConfig]
    write: Callable[[ModelConfig], dict]

    def is_transposed(self, name: str) -> bool:
        return name.endswith(tuple(f"{part}.weight" for part in self.transposed))


def _names(family: Family, ours: State, n_layers: int) -> Iterator[tuple[str, list[str]]]:
    """Each of their tensor names with the names of ours that it joins."""
    modules = [(theirs, [name]) for theirs, name in family.whole.items()]
    for i in range(n_layers):
        for theirs, names in family.block.items():
            modules.append((theirs.format(i=i), [f"blocks.{i}.{name}" for name in names]))
    for theirs, names in modules:
        for kind in ("weight", "bias"):
            if f"{names[0]}.{kind}" in ours:
                yield f"{theirs}.{kind}", [f"{name}.{kind}" for name in names]


def _complete(family: Family, model: Transformer, theirs: State) -> State:
    """Their tensors under full names, without constants, a tied head filled in."""
    theirs = {name: t for name, t in theirs.items() if not name.endswith(NOT_WEIGHTS)}
    if not any(name.startswith(family.prefix) for name in theirs):
        theirs = {
            name if name.startswith("lm_head") else family.prefix + name: tensor
            for name, tensor in theirs.items()
        }
    if model.config.tie_embeddings:
        token, head = next(iter(family.whole)) + ".weight", "lm_head.weight"
        theirs = {token: theirs.get(head), head: theirs.get(token)} | theirs
        if theirs[token] is not None and not torch.equal(theirs[token], theirs[head]):
            raise ValueError("the config ties head and embeddings, but their weights differ")
    return theirs


def _ours(family: Family, expected: State, theirs: State) -> State:
    """Their tensors transposed, split and renamed, every shape checked against ``expected``."""
    n_layers = 1 + max(int(name.split(".")[1]) for name in expected if name.startswith("blocks."))
    names = dict(_names(family, expected, n_layers))
    _refuse("missing", [name for name in names if theirs.get(name) is None])
    _refuse("unknown", [name for name in theirs if name not in names])
    ours: State = {}
    for name, parts in names.items():
        tensor = theirs[name].T if family.is_transposed(name) else theirs[name]
        sizes = [len(expected[part]) for part in parts]
        wanted = (sum(sizes), *expected[parts[0]].shape[1:])
        if tensor.shape != wanted:
            got = tuple(theirs[name].shape)
            wanted = wanted[::-1] if family.is_transposed(name) else wanted
            raise ValueError(f"{name} has shape {got}, but the config asks for {wanted}")
        ours |= zip(parts, tensor.split(sizes), strict=True)
    return ours


def _refuse(fault: str, names: list[str]) -> None:
    if names:
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        raise ValueError(f"{fault} tensors: {', '.join(names[:8])}{more}")


def _folder(source: str | Path) -> Path:
    """The folder, or that of a download from the Hub, kept in the cache of its own client."""
    if Path(source).exists() or not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", str(source)):
        return Path(source)
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(source, allow_patterns=["config.json", "*.safetensors"]))
    except Exception as error:  # the client has many: no network, no such model, not installed
        reason = str(error).splitlines()[0][:120]
        raise ValueError(
            f"{source!r} is no folder here, and the Hugging Face Hub gave no model of that name "
            f"({type(error).__name__}: {reason}). It needs a network and `pip install "
            "huggingface_hub`; or save a model with model.save_pretrained(folder)"
        ) from None


def _read_folder(folder: Path, hf_config: dict | None) -> tuple[State, dict]:
    files = sorted(folder.glob("*.safetensors"))
    if not files or not (folder / "config.json").is_file():
        raise ValueError(
            f"{folder} needs config.json and at least one .safetensors file: save the model there "
            "with model.save_pretrained(folder)"
        )
    state: State = {}
    for file in files:
        state |= load_file(file)
    return state, hf_config or json.loads((folder / "config.json").read_text())


def _require(theirs: dict, **wanted) -> None:
    for name, value in wanted.items():
        if theirs.get(name, value) != value:
            raise ValueError(f"{name}={theirs[name]!r} is not supported: only {value!r} is")


GPT2_ACTIVATIONS = {"gelu_new": "gelu_tanh", "gelu": "gelu", "relu": "relu"}


def _read_gpt2(theirs: dict) -> ModelConfig:
    _require(theirs, scale_attn_weights=True, scale_attn_by_inverse_layer_idx=False)
    activation = theirs.get("activation_function", "gelu_new")
    if activation not in GPT2_ACTIVATIONS:
        known = ", ".join(GPT2_ACTIVATIONS)
        raise ValueError(f"activation_function={activation!r} is not supported: only {known} are")
    sizes = {
        "vocab_size": theirs["vocab_size"],
        "max_seq_len": theirs["n_positions"],
        "d_model": theirs["n_embd"],
        "n_layers": theirs["n_layer"],
        "n_heads": theirs["n_head"],
        "d_ff": theirs.get("n_inner"),
        "dropout": theirs.get("resid_pdrop", 0.1),
        "attention_dropout": theirs.get("attn_pdrop", 0.1),
        "norm_eps": theirs.get("layer_norm_epsilon", 1e-5),
        "ffn": GPT2_ACTIVATIONS[activation],
        "tie_embeddings": theirs.get("tie_word_embeddings", True),
    }
    return ModelConfig(**GPT_STYLE | sizes)


def _write_gpt2(config: ModelConfig) -> dict:
    theirs = {ours: name for name, ours in GPT2_ACTIVATIONS.items()}
    return {
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": config.vocab_size,
        "n_positions": config.max_seq_len,
        "n_embd": config.d_model,
        "n_layer": config.n_layers,
        "n_head": config.n_heads,
        "n_inner": config.d_ff,
        "resid_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.attention_dropout,
        "layer_norm_epsilon": config.norm_eps,
        "activation_function": theirs.get(config.ffn, config.ffn),
        "tie_word_embeddings": config.tie_embeddings,
    }


def _read_llama(theirs: dict) -> ModelConfig:
    rope = theirs.get("rope_parameters") or {}
    for turning in (rope, theirs.get("rope_scaling") or {}):
        _require(turning, rope_type="default", type="default")
    bias = theirs.get("attention_bias", False)
    _require(theirs, mlp_bias=bias, hidden_act="silu")
    sizes = {
        "vocab_size": theirs["vocab_size"],
        "max_seq_len": theirs["max_position_embeddings"],
        "d_model": theirs["hidden_size"],
        "n_layers": theirs["num_hidden_layers"],
        "n_heads": theirs["num_attention_heads"],
        "n_kv_heads": theirs.get("num_key_value_heads"),
        "head_dim": theirs.get("head_dim"),
        "d_ff": theirs["intermediate_size"],
        "attention_dropout": theirs.get("attention_dropout", 0.0),
        "norm_eps": theirs.get("rms_norm_eps", 1e-6),
        "rope_theta": rope.get("rope_theta", theirs.get("rope_theta", 10000.0)),
        "bias": bias,
        "tie_embeddings": theirs.get("tie_word_embeddings", False),
    }
    return ModelConfig(**LLAMA_STYLE | sizes)


def _write_llama(config: ModelConfig) -> dict:
    return {
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": config.vocab_size,
        "max_position_embeddings": config.max_seq_len,
        "hidden_size": config.d_model,
        "num_hidden_layers": config.n_layers,
        "num_attention_heads": config.n_heads,
        "num_key_value_heads": config.n_kv_heads,
        "head_dim": config.head_dim,
        "intermediate_size": config.d_ff,
        "attention_dropout": config.attention_dropout,
        "rms_norm_eps": config.norm_eps,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "attention_bias": config.bias,
        "mlp_bias": config.bias,
        "hidden_act": "silu",
        "tie_word_embeddings": config.tie_embeddings,
    }


def _read_mistral(theirs: dict) -> ModelConfig:
    return _read_llama(theirs).replace(attention_window=theirs.get("sliding_window"))


def _write_mistral(config: ModelConfig) -> dict:
    window = {"architectures": ["MistralForCausalLM"], "sliding_window": config.attention_window}
    return _write_llama(config) | window


def _read_qwen2(theirs: dict) -> ModelConfig:
    _require(theirs, use_sliding_window=False)
    return _read_llama(theirs).replace(qkv_bias=True)


def _write_qwen2(config: ModelConfig) -> dict:
    return _write_llama(config) | {"architectures": ["Qwen2ForCausalLM"]}


FAMILIES = {
    "gpt2": Family(
        prefix="transformer.",
        whole={
            "transformer.wte": "embeddings.token",
            "transformer.wpe": "embeddings.position",
            "transformer.ln_f": "final_norm",
            "lm_head": "lm_head",
        },
        block={
            "transformer.h.{i}.ln_1": ("attention_norm",),
            "transformer.h.{i}.attn.c_attn": tuple(f"attention.{letter}_proj" for letter in "qkv"),
            "transformer.h.{i}.attn.c_proj": ("attention.out_proj",),
            "transformer.h.{i}.ln_2": ("ffn_norm",),
            "transformer.h.{i}.mlp.c_fc": ("ffn.up_proj",),
            "transformer.h.{i}.mlp.c_proj": ("ffn.down_proj",),
        },
        transposed=("c_attn", "c_proj", "c_fc"),
        read=_read_gpt2,
        write=_write_gpt2,
    ),
    "llama": Family(
        prefix="model.",
        whole={
            "model.embed_tokens": "embeddings.token",
            "model.norm": "final_norm",
            "lm_head": "lm_head",
        },
        block={
            "model.layers.{i}.input_layernorm": ("attention_norm",),
            "model.layers.{i}.self_attn.q_proj": ("attention.q_proj",),
            "model.layers.{i}.self_attn.k_proj": ("attention.k_proj",),
            "model.layers.{i}.self_attn.v_proj": ("attention.v_proj",),
            "model.layers.{i}.self_attn.o_proj": ("attention.out_proj",),
            "model.layers.{i}.post_attention_layernorm": ("ffn_norm",),
            "model.layers.{i}.mlp.gate_proj": ("ffn.gate_proj",),
            "model.layers.{i}.mlp.up_proj": ("ffn.up_proj",),
            "model.layers.{i}.mlp.down_proj": ("ffn.down_proj",),
        },
        transposed=(),
        read=_read_llama,
        write=_write_llama,
    ),
}
_LLAMA = FAMILIES["llama"]  # the next two have its names
FAMILIES["mistral"] = replace(_LLAMA, read=_read_mistral, write=_write_mistral)
FAMILIES["qwen2"] = replace(_LLAMA, read=_read_qwen2, write=_write_qwen2)
