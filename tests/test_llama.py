"""From GPT to LLaMA: switches counted on built models, layouts and experts held to transformers."""

import csv
from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llm import GPT, Llama, ModelConfig, RotaryPositionalEmbedding, SwiGLU, Transformer, trace
from llm.config import GPT_STYLE, LLAMA_STYLE
from llm.llama import (
    SWITCHES,
    MixtureOfExperts,
    convert_rope,
    flops_per_token,
    param_terms,
    rope_order,
    switch,
)
from llm.pretrained import ASSETS
from llm.scaling import kv_cache_bytes
from llm.views.switch_view import chance, changes

SIZES = {"vocab_size": 50, "max_seq_len": 16, "d_model": 32, "n_layers": 2, "n_heads": 4}
WAYS = [on for n in range(7) for on in combinations(SWITCHES, n)]


def test_the_ends_are_gpt_and_llama():
    gpt = ModelConfig(**GPT_STYLE | SIZES)
    assert switch(gpt) == gpt == GPT(**SIZES).config
    llama = ModelConfig(**LLAMA_STYLE | SIZES | {"n_kv_heads": 2})
    assert switch(gpt, *SWITCHES) == llama == Llama(**SIZES, n_kv_heads=2).config


@pytest.mark.parametrize("on", WAYS, ids=lambda on: "+".join(on) or "none")
def test_terms_and_flops_are_those_of_the_model_built(on):
    config = switch(ModelConfig(**GPT_STYLE | SIZES), *on)
    model, terms = Transformer(config), param_terms(config)
    assert sum(terms.values()) == model.n_params() == config.n_params()
    sizes = {name: p.numel() for name, p in model.named_parameters()}
    matrices = sum(n for name, n in sizes.items() if "_proj.weight" in name)
    assert terms["attention"] + terms["ffn"] == matrices
    assert terms["biases"] == sum(n for name, n in sizes.items() if name.endswith("bias"))
    norms = sum(n for name, n in sizes.items() if name.endswith("norm.weight"))
    assert terms["norms"] == norms
    assert flops_per_token(config, 0) == 2 * (matrices + 50 * 32)


def test_flops_are_those_that_pytorch_counts():
    from torch.utils.flop_counter import FlopCounterMode

    model = Transformer(switch(ModelConfig(**GPT_STYLE | SIZES), *SWITCHES))
    with FlopCounterMode(display=False) as counter, trace(model):  # no fused kernel: products only
        model(torch.zeros(3, 16, dtype=torch.long))
    assert counter.get_total_flops() == 3 * 16 * flops_per_token(model.config, 16)


def test_a_cache_holds_what_the_formula_says():
    from llm import KVCache

    model = Transformer(switch(ModelConfig(**GPT_STYLE | SIZES), "heads", group=4))
    cache = KVCache()
    model(torch.zeros(1, 5, dtype=torch.long), cache=cache)
    held = sum(t.numel() * t.element_size() for pair in cache._layers.values() for t in pair)
    assert held == kv_cache_bytes(model.config, 5, 4)


def test_published_counts():
    assert sum(param_terms(ModelConfig.llama_7b()).values()) == 6_738_415_616
    large = ModelConfig.llama2_70b()
    assert sum(param_terms(large).values()) == 68_976_648_192
    assert kv_cache_bytes(large, 1) == 320 * 1024
    assert kv_cache_bytes(large.replace(n_kv_heads=64), 1) == 2560 * 1024


def test_the_terms_count_what_else_a_config_can_have():
    config = ModelConfig(**SIZES, norm_position="post", qk_norm=True, qkv_bias=False)
    assert sum(param_terms(config).values()) == Transformer(config).n_params()


def test_what_does_not_fit_is_refused():
    config = ModelConfig(**SIZES)
    with pytest.raises(ValueError, match="no switch 'norms': choose from positions, norm"):
        switch(config, "norms")
    with pytest.raises(ValueError, match="group=3 must divide n_heads=4"):
        switch(config, "heads", group=3)
    with pytest.raises(ValueError, match="head_dim=5 must be even"):
        rope_order(5, "half")
    with pytest.raises(ValueError, match="layout='pairs'"):
        rope_order(4, "pairs")
    with pytest.raises(ValueError, match="position='learned'"):
        convert_rope(Transformer(config), "half")
    with pytest.raises(ValueError, match="top_k=5 must be from 1 to n_experts=4"):
        MixtureOfExperts(8, 16, 4, 5)


@given(half=st.integers(1, 40))
def test_orders_undo_each_other_and_join_the_same_pairs(half):
    there, back = rope_order(2 * half, "half"), rope_order(2 * half, "interleaved")
    assert torch.equal(there[back], torch.arange(2 * half))
    assert torch.equal(there[:half] + 1, there[half:])


@given(seed=st.integers(0, 10**6))
def test_turning_and_reordering_commute(seed):
    x = torch.randn(3, 7, 8, generator=torch.Generator().manual_seed(seed))
    half, pairs = (RotaryPositionalEmbedding(8, 7, layout=w) for w in ("half", "interleaved"))
    order = rope_order(8, "half")
    assert torch.equal(half(x[..., order]), pairs(x)[..., order])


@pytest.mark.parametrize("fields", [{}, {"bias": True}, {"qk_norm": True, "qkv_bias": True}])
@pytest.mark.parametrize("layout", ["half", "interleaved"])
def test_a_converted_model_gives_the_same_logits(fields, layout):
    torch.manual_seed(0)
    model = Llama(**SIZES, n_kv_heads=2, rope_layout=layout, **fields).double().eval()
    for p in model.parameters():
        torch.nn.init.normal_(p)
    other = {"half": "interleaved", "interleaved": "half"}[layout]
    ids = torch.randint(50, (2, 16))
    converted = convert_rope(model, other)
    assert converted.config.rope_layout == other and not converted.training
    torch.testing.assert_close(converted(ids), model(ids), rtol=1e-12, atol=1e-12)
    back = convert_rope(converted, layout)
    assert all(
        torch.equal(p, q) for p, q in zip(model.parameters(), back.parameters(), strict=True)
    )
    same = convert_rope(model, layout)
    assert torch.equal(same(ids), model(ids)) and same.lm_head.weight is not model.lm_head.weight
    unmoved = Transformer(other_config := converted.config).double().eval()
    unmoved.load_state_dict(model.state_dict())
    assert other_config != model.config
    assert (unmoved(ids) - model(ids)).abs().max() > 0.1


def test_half_is_transformers_layout():
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    rope = RotaryPositionalEmbedding(8, 16)
    q = torch.randn(1, 2, 16, 8)
    angles = torch.arange(16)[:, None] / 10000 ** (torch.arange(0, 8, 2) / 8)
    angles = torch.cat([angles, angles], dim=-1)[None]
    theirs, _ = apply_rotary_pos_emb(q, q, angles.cos(), angles.sin())
    torch.testing.assert_close(rope(q), theirs)


# Experts


def equal_experts(n_experts: int, top_k: int) -> tuple[MixtureOfExperts, SwiGLU]:
    torch.manual_seed(0)
    mixture, one = MixtureOfExperts(8, 20, n_experts, top_k), SwiGLU(8, 20)
    for expert in mixture.experts:
        expert.load_state_dict(one.state_dict())
    return mixture, one


@pytest.mark.parametrize("top_k", [1, 2, 4])
def test_equal_experts_are_one_network(top_k):
    mixture, one = equal_experts(4, top_k)
    x = torch.randn(3, 5, 8)
    torch.testing.assert_close(mixture(x), one(x))


def test_all_experts_are_mixed_by_softmax():
    torch.manual_seed(0)
    mixture, x = MixtureOfExperts(8, 20, 4, 4), torch.randn(3, 5, 8)
    shares = mixture.router(x).softmax(-1)
    dense = sum(shares[..., e, None] * expert(x) for e, expert in enumerate(mixture.experts))
    torch.testing.assert_close(mixture(x), dense)


def test_experts_are_mixtral_s():
    from transformers import MixtralConfig, MixtralForCausalLM
    from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

    torch.manual_seed(0)
    config = MixtralConfig(
        vocab_size=10, hidden_size=8, intermediate_size=20, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, num_local_experts=4, num_experts_per_tok=2,
        experts_implementation="eager",  # the other one needs a newer torch than the oldest
    )  # fmt: skip
    theirs = MixtralForCausalLM(config).model.layers[0].mlp
    state = {name: torch.randn_like(p) for name, p in theirs.state_dict().items()}
    theirs.load_state_dict(state)
    ours = MixtureOfExperts(8, 20, 4, 2)
    ours.router.load_state_dict({"weight": state["gate.weight"]})
    for e, expert in enumerate(ours.experts):
        gate, up = state["experts.gate_up_proj"][e].chunk(2)
        down = state["experts.down_proj"][e]
        names = {"gate_proj.weight": gate, "up_proj.weight": up, "down_proj.weight": down}
        expert.load_state_dict(names)
    x = torch.randn(3, 5, 8)
    found = theirs(x)
    found = found[0] if isinstance(found, tuple) else found
    torch.testing.assert_close(ours(x), found, rtol=1e-4, atol=1e-3)
    logits = ours.router(x).flatten(0, -2)
    loss = load_balancing_loss_func((logits,), num_experts=4, top_k=2)
    torch.testing.assert_close(2 * ours.load_balance_loss(x), loss)


def test_the_balance_loss_is_1_when_even_and_e_when_one_has_all():
    mixture = MixtureOfExperts(4, 8, 4, 1)
    with torch.no_grad():
        mixture.router.weight.copy_(100 * torch.eye(4))
    torch.testing.assert_close(mixture.load_balance_loss(torch.eye(4)), torch.tensor(1.0))
    one = torch.eye(4)[:1].expand(5, 4)
    torch.testing.assert_close(mixture.load_balance_loss(one), torch.tensor(4.0))


def test_only_chosen_experts_learn_from_a_token():
    torch.manual_seed(0)
    mixture, x = MixtureOfExperts(8, 20, 4, 2), torch.randn(1, 8)
    mixture(x).sum().backward()
    chosen = set(mixture.route(x)[1][0].tolist())
    for e, expert in enumerate(mixture.experts):
        learned = any(p.grad is not None and p.grad.any() for p in expert.parameters())
        assert learned == (e in chosen)
    assert mixture.router.weight.grad.any()
    counts = sum(p.numel() for p in mixture.parameters()), mixture.active_params()
    assert counts == (4 * 480 + 32, 2 * 480 + 32)


# The table of runs


def test_the_table_has_all_ways_and_counts_them_right():
    rows = list(csv.DictReader((ASSETS / "llama_steps.csv").open()))
    runs = [(row["on"], row["seed"], row["steps"]) for row in rows]
    ways = ["+".join(on) or "none" for on in WAYS]
    first, last, tied = ways[0], ways[-1], ways[-1].removesuffix("+tying")
    expected = [(on, "0", "300") for on in ways]
    expected += [(on, seed, "300") for seed in "123" for on in (first, last)]
    expected += [(on, "0", "1200") for on in (first, "tying", tied, last)]
    assert runs == expected
    sizes = {"max_seq_len": 64, "d_model": 64, "n_layers": 3, "n_heads": 4, "vocab_size": 653}
    for row in rows:
        on = [] if row["on"] == "none" else row["on"].split("+")
        config = switch(ModelConfig(**GPT_STYLE | sizes), *on)
        counted = config.n_params(), flops_per_token(config, 64), kv_cache_bytes(config, 1)
        assert tuple(int(row[name]) for name in ("params", "flops", "kv_bytes")) == counted


def test_the_table_says_what_the_chapter_says():
    """Untying and RoPE lower the loss, SwiGLU raises it, the rest is within chance."""
    changed = {name: sum(found) / len(found) for name, found in changes().items()}
    assert changed["tying"] < 3 * changed["positions"] < -2 * chance()
    assert changed["activation"] > 3 * chance()
    assert all(abs(changed[name]) < chance() / 2 for name in ("norm", "heads", "biases"))
    assert max(changes()["tying"]) < 0


@pytest.mark.slow
def test_a_run_of_the_table_comes_out_again(monkeypatch):
    """The first row, trained again: processors round differently, so not to the last digit."""
    monkeypatch.syspath_prepend(str(ASSETS.parents[1] / "scripts"))
    import llama_steps

    made = []

    def run_first(gpt, on, seed, longer, table):
        again = [] if made else [run(gpt, on, seed, longer, table)]
        made.extend(again)

    run = llama_steps.run
    monkeypatch.setattr(llama_steps, "run", run_first)
    monkeypatch.setattr(llama_steps, "save_table", lambda path, rows: None)
    llama_steps.main()
    row = next(csv.DictReader((ASSETS / "llama_steps.csv").open()))
    assert {name: str(value) for name, value in made[0].items() if name != "loss"} == {
        name: value for name, value in row.items() if name != "loss"
    }
    assert abs(made[0]["loss"] - float(row["loss"])) < 0.05
