"""llm.config: usual values, refusals, other projects' names, counts by formula."""

import dataclasses
import json

import pytest
import torch

from llm import ModelConfig, SimpleLLM, Transformer
from llm.config import OTHER_NAMES, PRESETS


def test_none_takes_the_usual_values():
    config = ModelConfig(vocab_size=10, d_model=96, n_heads=6, dropout=0.1, bias=False)
    assert (config.n_kv_heads, config.head_dim, config.d_ff) == (6, 16, 384)
    assert (config.qkv_bias, config.attention_dropout) == (False, 0.1)


@pytest.mark.parametrize(
    "d_model, d_ff", [(96, 256), (128, 344), (4096, 10928), (8, 24), (100, 272)]
)
def test_swiglu_width_is_eight_thirds_rounded_up_to_a_multiple_of_8(d_model, d_ff):
    assert ModelConfig(vocab_size=10, d_model=d_model, n_heads=1, ffn="swiglu").d_ff == d_ff


@pytest.mark.parametrize(
    "fields, parts",
    [
        ({"vocab_size": 0}, ["vocab_size", "0", "positive"]),
        ({"n_layers": 2.0}, ["n_layers", "2.0", "integer"]),
        ({"n_heads": True}, ["n_heads", "True"]),
        ({"d_ff": -4}, ["d_ff", "-4"]),
        ({"attention_window": 0}, ["attention_window", "0"]),
        ({"dropout": 1.0}, ["dropout", "1.0", "below 1"]),
        ({"attention_dropout": -0.1}, ["attention_dropout", "-0.1"]),
        ({"norm_eps": 0.0}, ["norm_eps", "positive"]),
        ({"rope_theta": -1.0}, ["rope_theta", "-1.0"]),
        ({"position": "rotary"}, ["position", "'rotary'", "rope", "alibi"]),
        ({"norm": "batchnorm"}, ["norm", "'batchnorm'", "rmsnorm"]),
        ({"norm_position": "mid"}, ["norm_position", "'mid'", "post"]),
        ({"ffn": "silu"}, ["ffn", "'silu'", "swiglu"]),
        ({"rope_layout": "whole"}, ["rope_layout", "'whole'", "interleaved"]),
        ({"d_model": 30, "n_heads": 4}, ["30", "n_heads=4", "head_dim"]),
        ({"n_heads": 4, "n_kv_heads": 3}, ["n_heads=4", "n_kv_heads=3"]),
        ({"n_kv_heads": 8}, ["n_heads=4", "n_kv_heads=8"]),
        ({"position": "rope", "head_dim": 5}, ["head_dim=5", "odd", "even"]),
        ({"position": "sinusoidal", "d_model": 15, "n_heads": 3}, ["d_model=15", "odd", "even"]),
    ],
)
def test_bad_sizes_and_choices_are_named(fields, parts):
    with pytest.raises(ValueError) as error:
        ModelConfig(**{"vocab_size": 10} | fields)
    assert all(part in str(error.value) for part in parts), error.value


def test_a_config_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ModelConfig(vocab_size=10).d_model = 3


def test_replace_works_out_the_usual_values_anew_and_keeps_given_ones():
    config = ModelConfig(vocab_size=10, d_model=64, n_heads=4, head_dim=8)
    wider = config.replace(d_model=128, n_heads=8)
    assert (wider.d_ff, wider.n_kv_heads, wider.head_dim) == (512, 8, 8)
    assert (config.d_model, config.d_ff) == (64, 256)
    with pytest.raises(ValueError, match="unknown field width: ModelConfig has vocab_size"):
        config.replace(width=3)


@pytest.mark.parametrize("name", PRESETS)
def test_a_config_survives_json(name):
    config = ModelConfig.preset(name)
    assert ModelConfig(**json.loads(json.dumps(config.to_dict()))) == config
    assert hash(config) == hash(ModelConfig.preset(name))


def test_an_unknown_preset_or_field_is_named():
    with pytest.raises(ValueError, match="'gpt5'.*gpt2"):
        ModelConfig.preset("gpt5")
    with pytest.raises(ValueError, match="unknown field width"):
        ModelConfig.gpt2(width=1)


@pytest.mark.parametrize(
    "theirs",
    [
        {"n_embd": 48, "block_size": 32, "n_layer": 3, "n_head": 6},
        {"hidden_size": 48, "max_position_embeddings": 32, "num_hidden_layers": 3}
        | {"num_attention_heads": 6},
        {"emb_dim": 48, "context_length": 32, "n_layers": 3, "num_heads": 6},
    ],
)
def test_other_projects_names_are_understood(theirs):
    expected = ModelConfig(vocab_size=9, d_model=48, max_seq_len=32, n_layers=3, n_heads=6)
    assert ModelConfig.from_names(vocab_size=9, **theirs) == expected


def test_every_other_name_maps_to_one_field_only():
    others = [name for names in OTHER_NAMES.values() for name in names]
    fields = {field.name for field in dataclasses.fields(ModelConfig)}
    assert len(others) == len(set(others))
    assert set(OTHER_NAMES) <= fields and not set(others) & fields


def test_names_that_clash_or_mean_nothing_are_refused():
    with pytest.raises(ValueError, match="'d_model'"):
        ModelConfig.from_names(vocab_size=9, n_embd=32, d_model=32)
    with pytest.raises(ValueError, match="unknown field n_experts"):
        ModelConfig.from_names(vocab_size=9, n_experts=3)


PUBLISHED = {
    "simple_llm": (ModelConfig.simple_llm(), 123_653_376),
    "sinusoidal, untied": (ModelConfig.simple_llm(tie_embeddings=False), 162_250_752),
    "learned, tied": (ModelConfig.gpt2(), 124_439_808),
    "learned, untied": (ModelConfig.gpt2(tie_embeddings=False), 163_037_184),
    "LLaMA-7B": (ModelConfig.llama_7b(), 6_738_415_616),
    "Llama-2-7B": (ModelConfig.llama2_7b(), 6_738_415_616),
    "Llama-2-70B": (ModelConfig.llama2_70b(), 68_976_648_192),
}


@pytest.mark.parametrize("config, count", PUBLISHED.values(), ids=PUBLISHED)
def test_published_counts_hold_by_formula_and_in_the_model(config, count):
    assert config.n_params() == count
    with torch.device("meta"):
        assert Transformer(config).n_params() == count


@pytest.mark.parametrize(
    "fields, count",
    [
        ({}, 123_653_376),
        ({"tie_embeddings": False}, 162_250_752),
        ({"use_learned_pe": True}, 124_439_808),
        ({"use_learned_pe": True, "tie_embeddings": False}, 163_037_184),
    ],
)
def test_simple_llm_has_the_published_counts(fields, count):
    with torch.device("meta"):
        assert SimpleLLM(**fields).n_params() == count
