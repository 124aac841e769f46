"""llm.probes: every named activation can be seen, edited, and left alone again."""

import pytest
import torch

from llm import KVCache, ModelConfig, Probe, Transformer, TransformerBlock, generate, trace

IDS = torch.tensor([[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]])
B, T, C, H, H_KV, D, F, V = 2, 5, 16, 4, 2, 4, 64, 13
SHAPES = {
    "embeddings": (B, T, C),
    "blocks.{i}.residual_pre": (B, T, C),
    "blocks.{i}.attention.q": (B, H, T, D),
    "blocks.{i}.attention.k": (B, H_KV, T, D),
    "blocks.{i}.attention.v": (B, H_KV, T, D),
    "blocks.{i}.attention.scores": (B, H, T, T),
    "blocks.{i}.attention.weights": (B, H, T, T),
    "blocks.{i}.attention.output": (B, T, C),
    "blocks.{i}.residual_mid": (B, T, C),
    "blocks.{i}.ffn.hidden": (B, T, F),
    "blocks.{i}.ffn.output": (B, T, C),
    "blocks.{i}.residual_post": (B, T, C),
    "final_norm": (B, T, C),
    "logits": (B, T, V),
}
ALL = {name.format(i=i): shape for name, shape in SHAPES.items() for i in (0, 1)}
WEIGHTS = "blocks.0.attention.weights"


@pytest.mark.parametrize("norm_position", ["pre", "post"])
def test_every_named_activation_is_recorded_with_its_shape(tiny, norm_position):
    model = tiny(n_kv_heads=2, norm_position=norm_position)
    with trace(model) as acts:
        logits = model(IDS)
    assert {name: tuple(value.shape) for name, value in acts.items()} == ALL
    assert torch.equal(acts["logits"], logits)


def test_the_activations_fit_together(tiny):
    model = tiny(n_kv_heads=2, position="rope")
    with trace(model) as acts:
        model(IDS)
    block, at = model.blocks[0], lambda name: acts[f"blocks.0.{name}"]
    close = torch.testing.assert_close
    close(at("residual_pre"), acts["embeddings"])
    close(at("residual_mid"), at("residual_pre") + at("attention.output"))
    close(at("residual_post"), at("residual_mid") + at("ffn.output"))
    close(acts["blocks.1.residual_pre"], at("residual_post"))
    keys = at("attention.k").repeat_interleave(2, dim=1)
    close(at("attention.scores"), at("attention.q") @ keys.transpose(-2, -1) / 2)
    close(at("attention.weights").sum(-1), torch.ones(B, H, T))
    assert (at("attention.weights").triu(1) == 0).all()
    heads = at("attention.weights") @ at("attention.v").repeat_interleave(2, dim=1)
    close(at("attention.output"), block.attention.out_proj(heads.transpose(1, 2).flatten(2)))
    close(acts["logits"], model.lm_head(acts["final_norm"]))


def test_q_and_k_are_recorded_after_rope(tiny):
    model = tiny(position="rope")
    with trace(model) as acts:
        model(IDS)
    attention = model.blocks[0].attention
    x = model.blocks[0].attention_norm(acts["embeddings"])
    q = attention.q_proj(x).unflatten(-1, (H, D)).transpose(1, 2)
    torch.testing.assert_close(acts["blocks.0.attention.q"], attention.rope(q))


def zero_head(head):
    def edit(weights):
        return weights.index_fill(1, torch.tensor([head]), 0.0)

    return edit


def test_an_ablated_head_equals_zeroed_columns_of_out_proj(tiny):
    model = tiny()
    with trace(model, edits={WEIGHTS: zero_head(2)}) as acts:
        ablated = model(IDS)
    assert (acts[WEIGHTS][:, 2] == 0).all()
    intact = model(IDS)
    with torch.no_grad():
        model.blocks[0].attention.out_proj.weight[:, 2 * D : 3 * D] = 0
    torch.testing.assert_close(ablated, model(IDS))
    assert not torch.allclose(ablated, intact)


@pytest.mark.parametrize("name", ALL)
def test_an_edit_anywhere_is_recorded_and_carries_on(tiny, name):
    model = tiny(n_kv_heads=2)
    with torch.no_grad():
        before = model(IDS)
        with trace(model, edits={name: lambda x: x * 0.5 + 0.1 * torch.rand_like(x)}) as acts:
            after = model(IDS)
        assert not torch.allclose(before, after)
        fixed = acts[name].clone()
        with trace(model, edits={name: lambda x: fixed}) as again:
            assert torch.equal(model(IDS), after)
        assert torch.equal(again[name], fixed)
        assert torch.equal(model(IDS), before)


def test_patching_the_last_residual_copies_the_other_run(tiny):
    model, other = tiny(), IDS.flip(0)
    with trace(model) as acts:
        expected = model(other)
    patch = acts["blocks.1.residual_post"]
    with trace(model, edits={"blocks.1.residual_post": lambda x: patch}):
        torch.testing.assert_close(model(IDS), expected)


def test_unknown_names_and_wrong_results_are_refused(tiny):
    model = tiny()
    with pytest.raises(ValueError, match=r"blocks\.9\.ffn\.output; this model has embeddings"):
        with trace(model, edits={"blocks.9.ffn.output": torch.zeros_like}):
            pass
    wrong = {"embeddings": lambda x: x[:, :1], "logits": lambda x: None}
    for name, edit in wrong.items():
        with pytest.raises(ValueError, match=f"edit of {name} must return.*shape"):
            with trace(model, edits={name: edit}):
                model(IDS)
    assert not hooks(model)


def hooks(model):
    return [name for name, module in model.named_modules() if module._forward_hooks]


def test_hooks_go_when_the_block_ends_or_fails(tiny):
    model = tiny()
    with trace(model):
        assert len(hooks(model)) == len(ALL)
    assert not hooks(model)
    with pytest.raises(ZeroDivisionError):
        with trace(model, edits={"logits": lambda x: 1 / 0}):
            model(IDS)
    assert not hooks(model) and not model.blocks[0].attention.weights.watched


def test_traces_nest(tiny):
    model = tiny()
    with trace(model, edits={WEIGHTS: zero_head(0)}):
        outer_only = model(IDS)
        with trace(model, edits={"blocks.1.ffn.output": torch.zeros_like}) as inner:
            both = model(IDS)
        torch.testing.assert_close(model(IDS), outer_only)
    assert (inner[WEIGHTS][:, 0] == 0).all() and (inner["blocks.1.ffn.output"] == 0).all()
    assert not torch.allclose(both, outer_only)
    edits = {WEIGHTS: zero_head(0), "blocks.1.ffn.output": torch.zeros_like}
    with trace(model, edits=edits):
        torch.testing.assert_close(model(IDS), both)


@pytest.mark.parametrize("position", ["learned", "rope", "alibi", "relative"])
def test_an_edit_acts_alike_in_cached_and_uncached_writing(tiny, position):
    model, prompt = tiny(position=position), torch.tensor([[1, 2, 3]])
    plain = generate(model, prompt, 20, temperature=0)
    with trace(model, edits={WEIGHTS: zero_head(1), "blocks.1.ffn.output": lambda x: -x}):
        cached = generate(model, prompt, 20, temperature=0)
        uncached = generate(model, prompt, 20, temperature=0, use_cache=False)
    assert torch.equal(cached, uncached)
    assert not torch.equal(cached, plain)


def test_with_a_cache_keys_include_the_past(tiny):
    model, cache = tiny(), KVCache()
    model(IDS[:, :4], cache=cache)
    with trace(model) as acts:
        model(IDS[:, 4:], cache=cache)
    assert acts["blocks.1.attention.q"].shape == (B, H, 1, D)
    assert acts["blocks.1.attention.k"].shape == (B, H, T, D)
    assert acts[WEIGHTS].shape == (B, H, 1, T)


def test_gradients_reach_recorded_activations_and_flow_through_edits(tiny):
    model = tiny()
    with trace(model) as acts:
        model(IDS)[0, -1].logsumexp(-1).backward(inputs=[acts[WEIGHTS], acts["embeddings"]])
    assert acts[WEIGHTS].grad.abs().sum() > 0
    assert acts["embeddings"].grad[0].abs().sum() > 0
    assert (acts["embeddings"].grad[1] == 0).all()
    scale = torch.ones((), requires_grad=True)
    with trace(model, edits={"blocks.0.ffn.output": lambda x: x * scale}):
        model(IDS).sum().backward()
    assert scale.grad.abs() > 0


def test_a_part_of_a_model_can_be_traced_alone():
    block = TransformerBlock(ModelConfig(vocab_size=5, d_model=8, n_heads=2))
    with trace(block) as acts:
        output = block(torch.randn(1, 3, 8))
    assert torch.equal(acts["residual_post"], output)
    assert acts["attention.weights"].shape == (1, 2, 3, 3)


def test_a_probe_is_an_identity_without_parameters():
    probe, x = Probe(), torch.randn(3)
    assert probe(x) is x and not list(probe.parameters())
    assert not any("residual" in name for name in Transformer(ModelConfig(5)).state_dict())
