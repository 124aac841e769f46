"""BERT and T5 checkpoints in Hugging Face's names, into the book's two other families.

A table of patterns (``assets/bert_and_t5.json``) turns each of their names into ours; nothing is
computed.
"""

import json
import re
from pathlib import Path

from torch import nn

from llm.architectures import Encoder, EncoderDecoder
from llm.huggingface import State, _read_folder, _refuse, _require

NAMES = Path(__file__).parent / "assets" / "bert_and_t5.json"  # patterns, used in their order


def encoder_from_huggingface(source: str | Path | State, hf_config: dict | None = None) -> Encoder:
    """An :class:`llm.Encoder` with the weights of a ``BertForMaskedLM``, ready to read.

    ``source`` is a folder with ``config.json`` and safetensors files, or a state dict that comes
    with its ``hf_config``. Raises ``ValueError`` for settings and tensors that do not fit.
    """
    source, theirs = _opened(source, hf_config, "bert")
    _require(theirs, hidden_act="gelu", tie_word_embeddings=True)
    sizes = {"d_model": "hidden_size", "n_layers": "num_hidden_layers", "d_ff": "intermediate_size"}
    sizes |= {"n_heads": "num_attention_heads", "max_seq_len": "max_position_embeddings"}
    sizes |= {"vocab_size": "vocab_size", "norm_eps": "layer_norm_eps"}
    sizes |= {"n_segments": "type_vocab_size"}
    return _filled(Encoder, sizes, theirs, source)


def encoder_decoder_from_huggingface(
    source: str | Path | State, hf_config: dict | None = None
) -> EncoderDecoder:
    """An :class:`llm.EncoderDecoder` with the weights of a ``T5ForConditionalGeneration``.

    As :func:`encoder_from_huggingface`.
    """
    source, theirs = _opened(source, hf_config, "t5")
    _require(theirs, feed_forward_proj="relu", relative_attention_num_buckets=32)
    _require(theirs, relative_attention_max_distance=128, num_decoder_layers=theirs["num_layers"])
    _require(theirs, scale_decoder_outputs=True)
    sizes = {"d_model": "d_model", "head_dim": "d_kv", "d_ff": "d_ff", "n_layers": "num_layers"}
    sizes |= {"n_heads": "num_heads", "vocab_size": "vocab_size", "norm_eps": "layer_norm_epsilon"}
    return _filled(EncoderDecoder, sizes, theirs, source)


def _opened(source, hf_config: dict | None, kind: str) -> tuple[State, dict]:
    if not isinstance(source, dict):
        source, hf_config = _read_folder(Path(source), hf_config)
    if (hf_config or {}).get("model_type") != kind:
        raise ValueError(f"this reads model_type={kind!r}: pass hf_config=model.config.to_dict()")
    return source, hf_config


def _filled(kind: type, sizes: dict, theirs: dict, source: State) -> nn.Module:
    """A model of their sizes, with their tensors under our names."""
    model = kind(**{ours: theirs[name] for ours, name in sizes.items()})
    patterns = json.loads(NAMES.read_text())[theirs["model_type"]]
    ours: State = {}
    for name, tensor in source.items():
        for pattern, replacement in patterns.items():
            name = re.sub(pattern, replacement, name)
        ours[name] = tensor
    expected = model.state_dict()
    tied = {"lm_head.weight"}  # with the token table, and so left out of files
    _refuse("missing", [name for name in expected if name not in ours.keys() | tied])
    _refuse("unknown", [name for name in ours if name not in expected])
    model.load_state_dict(ours, strict=False)
    return model.eval()
