"""llm.huggingface: the numbers of Hugging Face's GPT-2 and LLaMA, both ways."""

import json
import re
from copy import deepcopy

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
)

import llm
from llm import GPT, Llama, ModelConfig, Transformer, from_huggingface, generate, to_huggingface
from llm.data import stories, story_ids

GPT2 = {"vocab_size": 61, "n_positions": 24, "n_embd": 32, "n_layer": 3, "n_head": 4}
LLAMA = {
    "vocab_size": 61,
    "max_position_embeddings": 24,
    "hidden_size": 32,
    "intermediate_size": 56,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
}
CONFIGS = {
    "gpt2": GPT2Config(**GPT2),
    "gpt2, untied": GPT2Config(**GPT2, tie_word_embeddings=False),
    "gpt2, n_inner and eps": GPT2Config(**GPT2, n_inner=50, layer_norm_epsilon=1e-2),
    "gpt2, erf": GPT2Config(**GPT2, activation_function="gelu"),
    "gpt2, relu": GPT2Config(**GPT2, activation_function="relu"),
    "llama": LlamaConfig(**LLAMA),
    "llama, grouped": LlamaConfig(**LLAMA, num_key_value_heads=2, rms_norm_eps=1e-2),
    "llama, one key head, tied": LlamaConfig(
        **LLAMA, num_key_value_heads=1, tie_word_embeddings=True
    ),
    "llama, theta and head size": LlamaConfig(
        **LLAMA, head_dim=12, rope_parameters={"rope_type": "default", "rope_theta": 300.0}
    ),
    "llama, biases": LlamaConfig(**LLAMA, attention_bias=True, mlp_bias=True),
    "mistral, window": MistralConfig(
        **LLAMA, num_key_value_heads=2, sliding_window=5, attn_implementation="eager"
    ),
    "mistral, no window": MistralConfig(
        **LLAMA, num_key_value_heads=4, sliding_window=None, head_dim=12
    ),
    "qwen2": Qwen2Config(**LLAMA, num_key_value_heads=2, rope_theta=300.0),
    "qwen2, tied": Qwen2Config(**LLAMA, num_key_value_heads=1, tie_word_embeddings=True),
}
EACH = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
ONE_OF_EACH = pytest.mark.parametrize(
    "name", ["gpt2", "llama, grouped", "mistral, window", "qwen2"]
)


@pytest.fixture
def theirs(disturb):
    """Make a Hugging Face model of a configuration with disturbed weights."""

    def make(config):
        return disturb(AutoModelForCausalLM.from_config(deepcopy(config))).eval()

    return make


def load(model):
    return from_huggingface(model.state_dict(), model.config.to_dict())


def assert_same_logits(ours, theirs, vocab_size=61, max_len=24):
    """Equal within 1e-5 at every position, for one token, some, and as many as there may be."""
    assert not ours.training
    for T in (1, 9, max_len):
        ids = torch.randint(vocab_size, (2, T))
        with torch.no_grad():
            expected = theirs(ids).logits
            assert expected.std() > 0.1
            torch.testing.assert_close(ours(ids), expected, atol=1e-5, rtol=0)


@EACH
def test_logits_equal_hugging_face_s(theirs, config):
    model = theirs(config)
    assert_same_logits(load(model), model)


@EACH
def test_a_model_sent_there_and_back_is_the_same(theirs, config):
    ours = load(theirs(config))
    state, written = to_huggingface(ours)
    again = AutoModelForCausalLM.from_config(AutoConfig.for_model(**written)).eval()
    again.load_state_dict(state, strict=True)
    assert_same_logits(ours, again)
    back = from_huggingface(state, json.loads(json.dumps(written)))
    assert back.config == ours.config
    for name, tensor in ours.state_dict().items():
        assert torch.equal(back.state_dict()[name], tensor), name


OURS = {
    "GPT": lambda: GPT(vocab_size=61, max_seq_len=24, d_model=32, d_ff=40, dropout=0.1),
    "Llama": lambda: Llama(vocab_size=61, max_seq_len=24, d_model=32, n_heads=8, n_kv_heads=2),
    "Llama, tied": lambda: Llama(
        vocab_size=61, max_seq_len=24, d_model=32, tie_embeddings=True, bias=True, head_dim=6
    ),
}


@pytest.mark.parametrize("make", OURS.values(), ids=OURS)
def test_a_model_of_ours_loads_in_transformers(disturb, make, tmp_path):
    ours = disturb(make()).eval()
    state, written = to_huggingface(ours)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**written)).eval()
    model.load_state_dict(state, strict=True)
    assert_same_logits(ours, model)
    model.save_pretrained(tmp_path)
    assert_same_logits(from_huggingface(tmp_path), model)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_greedy_text_equals_hugging_face_s(theirs, config):
    model = theirs(config)
    model.generation_config.eos_token_id = None
    prompt = torch.randint(61, (2, 5))
    options = {"max_new_tokens": 19, "do_sample": False, "pad_token_id": 0}
    expected = model.generate(prompt, attention_mask=torch.ones_like(prompt), **options)
    assert torch.equal(generate(load(model), prompt, 19, temperature=0), expected)


@ONE_OF_EACH
def test_left_padding_equals_hugging_face_s(theirs, name):
    model = theirs(CONFIGS[name])
    ids, mask = torch.randint(61, (2, 6)), torch.tensor([[0, 0, 1, 1, 1, 1], [1] * 6])
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    expected = model(ids, attention_mask=mask, position_ids=positions).logits
    logits = load(model)(ids, padding_mask=mask.bool())
    torch.testing.assert_close(logits[mask.bool()], expected[mask.bool()], atol=1e-5, rtol=0)


@ONE_OF_EACH
@pytest.mark.parametrize("size", ["1GB", "20KB"])
def test_a_saved_folder_loads_sharded_or_whole(theirs, name, size, tmp_path):
    model = theirs(CONFIGS[name])
    model.save_pretrained(tmp_path, max_shard_size=size)
    assert (len(list(tmp_path.glob("*.safetensors"))) > 1) == (size == "20KB")
    assert_same_logits(from_huggingface(tmp_path), model)
    assert_same_logits(from_huggingface(str(tmp_path)), model)


@ONE_OF_EACH
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_checkpoints_are_read_as_float32(theirs, name, kind, tmp_path):
    theirs(CONFIGS[name]).to(kind).save_pretrained(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    assert_same_logits(from_huggingface(tmp_path), model.eval())


def test_the_hub_s_first_names_and_constants_are_understood(theirs):
    model = theirs(CONFIGS["gpt2"])
    state = {k.removeprefix("transformer."): v for k, v in model.state_dict().items()}
    del state["lm_head.weight"]
    for i in range(3):
        state[f"h.{i}.attn.bias"] = torch.ones(24, 24).tril()[None, None]
        state[f"h.{i}.attn.masked_bias"] = torch.tensor(-1e4)
    assert_same_logits(from_huggingface(state, model.config.to_dict()), model)


def test_llama_s_older_configurations_are_understood(theirs):
    model = theirs(CONFIGS["llama, theta and head size"])
    config, state = model.config.to_dict(), model.state_dict()
    config |= {"rope_theta": config.pop("rope_parameters")["rope_theta"], "rope_scaling": None}
    state["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(6)
    assert_same_logits(from_huggingface(state, config), model)


@pytest.mark.parametrize("kept", ["transformer.wte.weight", "lm_head.weight"])
def test_one_name_of_a_tied_matrix_is_enough(theirs, kept):
    model = theirs(CONFIGS["gpt2"])
    dropped = {"transformer.wte.weight", "lm_head.weight"} - {kept}
    state = {k: v for k, v in model.state_dict().items() if k not in dropped}
    assert_same_logits(from_huggingface(state, model.config.to_dict()), model)


@pytest.mark.parametrize(
    "base, setting, parts",
    [
        (
            "llama",
            {"rope_parameters": {"rope_type": "llama3", "factor": 8.0}},
            ["rope_type='llama3'"],
        ),
        ("llama", {"rope_scaling": {"type": "linear", "factor": 2.0}}, ["type='linear'"]),
        ("llama", {"rope_parameters": None, "rope_scaling": {"type": "dynamic"}}, ["'dynamic'"]),
        ("llama", {"attention_bias": True, "mlp_bias": False}, ["mlp_bias=False"]),
        ("llama", {"hidden_act": "gelu"}, ["hidden_act='gelu'", "'silu'"]),
        ("llama", {"model_type": "mamba"}, ["'mamba'", "gpt2, llama, mistral, qwen2"]),
        ("llama", {"model_type": None}, ["None", "gpt2, llama, mistral, qwen2"]),
        ("qwen2", {"use_sliding_window": True}, ["use_sliding_window=True"]),
        ("gpt2", {"activation_function": "silu"}, ["activation_function='silu'", "gelu_new"]),
        ("gpt2", {"scale_attn_weights": False}, ["scale_attn_weights=False"]),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, ["scale_attn_by_inverse_layer_idx"]),
        ("gpt2", {"n_head": 5}, ["n_heads=5"]),
    ],
)
def test_settings_that_the_book_s_model_lacks_are_named(theirs, base, setting, parts):
    model = theirs(CONFIGS[base])
    with pytest.raises(ValueError) as error:
        from_huggingface(model.state_dict(), model.config.to_dict() | setting)
    assert all(part in str(error.value) for part in parts), error.value


@pytest.mark.parametrize("name, key", [("gpt2", "n_embd"), ("llama", "intermediate_size")])
def test_a_configuration_with_a_hole_is_named(theirs, name, key):
    model = theirs(CONFIGS[name])
    config = model.config.to_dict()
    del config[key]
    with pytest.raises(ValueError, match=f"no '{key}'"):
        from_huggingface(model.state_dict(), config)
    with pytest.raises(ValueError, match="hf_config"):
        from_huggingface(model.state_dict())


LAST = {
    "gpt2": "transformer.h.2.mlp.c_fc.weight",
    "llama, grouped": "model.layers.2.mlp.up_proj.weight",
}


@pytest.mark.parametrize("name, tensor", LAST.items())
def test_missing_unknown_and_misshapen_tensors_are_named(theirs, name, tensor):
    model = theirs(CONFIGS[name])
    config, state = model.config.to_dict(), model.state_dict()
    with pytest.raises(ValueError, match=f"missing tensors: {tensor}"):
        from_huggingface({k: v for k, v in state.items() if k != tensor}, config)
    prefix = tensor.split(".")[0]
    with pytest.raises(ValueError, match=f"unknown tensors: {prefix}.extra"):
        from_huggingface(state | {f"{prefix}.extra": torch.ones(1)}, config)
    shape = re.escape(str(tuple(state[tensor].shape)))
    with pytest.raises(ValueError, match=rf"{tensor} has shape \(3, 3\).* asks for {shape}"):
        from_huggingface(state | {tensor: torch.ones(3, 3)}, config)


def test_a_transposed_matrix_is_refused(theirs):
    model = theirs(CONFIGS["gpt2"])
    state, name = model.state_dict(), "transformer.h.0.attn.c_attn.weight"
    with pytest.raises(ValueError, match=r"\(96, 32\), but the config asks for \(32, 96\)"):
        from_huggingface(state | {name: state[name].T}, model.config.to_dict())


def test_a_tied_config_with_two_different_matrices_is_refused(theirs):
    model = theirs(CONFIGS["gpt2, untied"])
    config = model.config.to_dict() | {"tie_word_embeddings": True}
    with pytest.raises(ValueError, match="ties.*differ"):
        from_huggingface(model.state_dict(), config)


@pytest.mark.parametrize("name", ["gpt2", "some-lab/some-model"])
def test_a_name_on_the_hub_is_asked_for_and_its_absence_explained(
    monkeypatch, theirs, name, tmp_path
):
    import huggingface_hub

    def offline(*args, **settings):
        raise OSError("no network\nat all")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(ValueError, match=rf"'{name}' is no folder.*OSError: no network\)"):
        from_huggingface(name)
    model = theirs(CONFIGS["qwen2"])
    model.save_pretrained(tmp_path)
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda asked, **_: tmp_path if asked == name else None
    )
    assert_same_logits(from_huggingface(name), model)


def test_the_storyteller_loads_in_transformers_and_says_the_same(tmp_path):
    ours, tokenizer = llm.load("storyteller")
    state, written = to_huggingface(ours)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**written)).eval()
    model.load_state_dict(state, strict=True)
    model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    ids = torch.tensor([story_ids(tokenizer, stories(1).documents[0])])
    with torch.no_grad():
        logits = again(ids).logits
        difference = (ours(ids).log_softmax(-1) - logits.log_softmax(-1)).abs().max()
    assert logits.std() > 1 and difference < 1e-3
    prompt = ids[:, :7]
    expected = again.generate(
        prompt, max_new_tokens=30, do_sample=False, eos_token_id=None, pad_token_id=0
    )
    assert torch.equal(generate(ours, prompt, 30, temperature=0), expected)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(ValueError, match=f"{tmp_path} needs config.json"):
        from_huggingface(tmp_path)


@pytest.mark.parametrize(
    "fields, part",
    [
        ({"position": "sinusoidal"}, "position='sinusoidal'"),
        ({"position": "rope"}, "position='rope'"),
        ({"norm": "rmsnorm", "ffn": "gelu"}, "ffn='gelu'"),
        ({"norm": "layernorm", "ffn": "swiglu"}, "swiglu"),
        ({"bias": False}, "bias=False"),
        ({"n_kv_heads": 2}, "n_kv_heads=2"),
        ({"head_dim": 6}, "head_dim=6"),
        ({"norm_position": "post"}, "norm_position='post'"),
        ({"scale_embeddings": True}, "scale_embeddings=True"),
        ({"qk_norm": True}, "qk_norm=True"),
        ({"attention_window": 4}, "attention_window=4"),
        ({"rope_layout": "interleaved"}, "rope_layout='interleaved'"),
    ],
)
def test_settings_that_a_family_cannot_express_are_named(fields, part):
    model = Transformer(
        ModelConfig(vocab_size=9, d_model=16, ffn=fields.pop("ffn", "gelu_tanh"), **fields)
    )
    with pytest.raises(ValueError, match="cannot express|is not supported") as error:
        to_huggingface(model)
    assert part in str(error.value)


@pytest.mark.parametrize("fields", [{"rope_layout": "interleaved"}, {"qk_norm": True}], ids=str)
def test_a_llama_of_another_kind_is_named(fields):
    with pytest.raises(ValueError, match="llama checkpoint cannot express"):
        to_huggingface(Llama(vocab_size=9, d_model=16, **fields))


def test_what_is_written_shares_no_memory(tiny):
    model = tiny(ffn="gelu_tanh")
    state, _ = to_huggingface(model)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for tensor in state.values():
        tensor.zero_()
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
