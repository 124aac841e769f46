"""llm.attention: the readable attention against PyTorch's kernel, masks, heads, the cache."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from llm import (
    CausalSelfAttention,
    CrossAttention,
    GroupedQueryAttention,
    KVCache,
    MultiHeadAttention,
    RotaryPositionalEmbedding,
    alibi_bias,
    causal_mask,
    padding_mask,
    scaled_dot_product_attention,
    trace,
)

close = torch.testing.assert_close


def qkv(*leading, T=5, S=7, D=8, D_v=6):
    return torch.randn(*leading, T, D), torch.randn(*leading, S, D), torch.randn(*leading, S, D_v)


MASKS = {
    "none": lambda T, S: None,
    "bool": lambda T, S: (torch.rand(T, S) > 0.4) | torch.eye(T, S, dtype=torch.bool),
    "float": lambda T, S: torch.randn(T, S),
    "float with -inf": lambda T, S: torch.zeros(T, S).masked_fill(~causal_mask(T, S), -math.inf),
    "causal": lambda T, S: causal_mask(T, S),
    "window": lambda T, S: causal_mask(T, S, window=2),
    "blind row": lambda T, S: causal_mask(T, S) & (torch.arange(T) != 2)[:, None],
}


@pytest.mark.parametrize("leading", [(), (3,), (2, 3), (2, 2, 3)], ids=str)
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("scale", [None, 0.3])
def test_explicit_attention_equals_pytorch_s(kind, leading, scale):
    q, k, v = qkv(*leading)
    mask = MASKS[kind](5, 7)
    output, weights = scaled_dot_product_attention(q, k, v, mask, scale)
    close(output, F.scaled_dot_product_attention(q, k, v, mask, scale=scale))
    sums = weights.sum(-1)
    blind = torch.zeros(5, dtype=torch.bool) if kind != "blind row" else torch.arange(5) == 2
    close(sums, (~blind).float().expand_as(sums))
    if mask is not None and mask.dtype == torch.bool:
        assert (weights[..., ~mask] == 0).all()
    assert (output[..., blind, :] == 0).all()


def test_attention_by_hand():
    q, k = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    v = torch.tensor([[10.0], [20.0]])
    output, weights = scaled_dot_product_attention(q, k, v)
    high = math.exp(1 / math.sqrt(2))
    close(weights, torch.tensor([[high, 1]]) / (high + 1))
    close(output, torch.tensor([[(10 * high + 20) / (high + 1)]]))


@pytest.mark.parametrize("as_float", [False, True])
def test_a_query_that_may_see_nothing_gives_zeros_and_finite_gradients(as_float):
    tensors = [t.requires_grad_() for t in qkv(2)]
    mask = torch.ones(5, 7, dtype=torch.bool)
    mask[1] = False
    if as_float:
        mask = torch.zeros(5, 7).masked_fill(~mask, -math.inf)
    output, weights = scaled_dot_product_attention(*tensors, mask)
    assert (output[:, 1] == 0).all() and (weights[:, 1] == 0).all()
    output.sum().backward()
    assert all(t.grad.isfinite().all() for t in tensors)
    assert (tensors[0].grad[:, 1] == 0).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_float32_mask_serves_other_precisions(dtype):
    q, k, v = (t.to(dtype) for t in qkv(2))
    output, weights = scaled_dot_product_attention(q, k, v, torch.zeros(5, 7))
    assert output.dtype == weights.dtype == dtype


@pytest.mark.parametrize(
    "mask, parts",
    [
        (torch.ones(5, 7, dtype=torch.long), ["int64", "bool", "float"]),
        (torch.ones(7, 5, dtype=torch.bool), ["(7, 5)", "(2, 5, 7)"]),
        (torch.ones(3, 2, 5, 7), ["(3, 2, 5, 7)", "broadcast"]),
    ],
)
def test_masks_of_integers_or_of_other_shapes_are_refused(mask, parts):
    with pytest.raises(ValueError) as error:
        scaled_dot_product_attention(*qkv(2), mask)
    assert all(part in str(error.value) for part in parts), error.value


@pytest.mark.parametrize("sizes", [(8, 9, 7, 7), (8, 8, 7, 6)])
def test_q_k_v_that_do_not_fit_are_refused(sizes):
    D_q, D_k, S_k, S_v = sizes
    with pytest.raises(ValueError, match="do not fit"):
        scaled_dot_product_attention(
            torch.randn(5, D_q), torch.randn(S_k, D_k), torch.randn(S_v, 4)
        )


def test_causal_masks_by_hand():
    assert causal_mask(3).int().tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert causal_mask(2, 4).int().tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert causal_mask(2, 4, window=2).int().tolist() == [[0, 1, 1, 0], [0, 0, 1, 1]]
    assert causal_mask(3, window=1).int().tolist() == torch.eye(3).int().tolist()
    with pytest.raises(ValueError, match="4 positions.*3 keys"):
        causal_mask(4, 3)


def test_padding_masks_by_hand():
    assert padding_mask([1, 3]).int().tolist() == [[0, 0, 1], [1, 1, 1]]
    assert padding_mask(torch.tensor([1, 3]), side="right").int().tolist() == [[1, 0, 0], [1] * 3]
    with pytest.raises(ValueError, match="'left' or 'right', got 'top'"):
        padding_mask([1], side="top")


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("causal", [True, False])
def test_multi_head_attention_equals_pytorch_s(disturb, bias, causal):
    ours = disturb(MultiHeadAttention(24, 4, causal=causal, bias=bias))
    theirs = nn.MultiheadAttention(24, 4, bias=bias, batch_first=True)
    projections = ours.q_proj, ours.k_proj, ours.v_proj
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([p.weight for p in projections]))
        theirs.out_proj.weight.copy_(ours.out_proj.weight)
        if bias:
            theirs.in_proj_bias.copy_(torch.cat([p.bias for p in projections]))
            theirs.out_proj.bias.copy_(ours.out_proj.bias)
    x = torch.randn(2, 6, 24)
    forbidden = ~causal_mask(6) if causal else None
    expected, weights = theirs(x, x, x, attn_mask=forbidden, average_attn_weights=False)
    with trace(ours) as acts:
        close(ours(x), expected)
    close(acts["weights"], weights)


def test_cross_attention_equals_pytorch_s(disturb):
    ours = disturb(CrossAttention(24, 4))
    theirs = nn.MultiheadAttention(24, 4, batch_first=True)
    projections = ours.q_proj, ours.k_proj, ours.v_proj
    theirs.load_state_dict(
        {
            "in_proj_weight": torch.cat([p.weight for p in projections]),
            "in_proj_bias": torch.cat([p.bias for p in projections]),
            "out_proj.weight": ours.out_proj.weight,
            "out_proj.bias": ours.out_proj.bias,
        }
    )
    x, context, real = torch.randn(2, 5, 24), torch.randn(2, 9, 24), torch.rand(2, 9) > 0.3
    expected, _ = theirs(x, context, context, key_padding_mask=~real)
    close(ours(x, context, mask=real[:, None, None]), expected)


OPTIONS = {
    "causal": {},
    "bidirectional": {"causal": False},
    "grouped": {"n_kv_heads": 2},
    "one key head": {"n_kv_heads": 1},
    "window": {"window": 3},
    "alibi": {"alibi": True},
    "alibi, window": {"alibi": True, "window": 3},
    "rope": {"rope": RotaryPositionalEmbedding(6, 32)},
    "scale": {"scale": 0.7},
    "wide heads, normed": {"head_dim": 10, "qk_norm_eps": 1e-5},
}
SHAPED_MASKS = {
    "no mask": None,
    "padding": padding_mask([6, 2, 4])[:, None, None],
    "each head": torch.rand(4, 6, 6, generator=torch.Generator().manual_seed(1)) > 0.4,
    "float": torch.randn(6, 6, generator=torch.Generator().manual_seed(2)),
}


@pytest.mark.parametrize("mask", SHAPED_MASKS.values(), ids=SHAPED_MASKS)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_the_fused_and_the_explicit_path_agree_in_values_and_gradients(disturb, options, mask):
    attention = disturb(MultiHeadAttention(24, 4, **options))
    x = torch.randn(3, 6, 24, requires_grad=True)
    fused = attention(x, mask=mask)
    with trace(attention) as acts:
        explicit = attention(x, mask=mask)
    close(explicit, fused)
    assert "weights" in acts and not attention.weights.watched
    direction = torch.randn_like(fused)
    (by_fused,) = torch.autograd.grad(fused, x, direction)
    (by_explicit,) = torch.autograd.grad(explicit, x, direction)
    assert by_fused.isfinite().all()
    close(by_explicit, by_fused, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("options", [{}, {"alibi": True}, {"window": 2}])
def test_both_paths_run_in_other_precisions(options, dtype):
    attention = MultiHeadAttention(8, 2, **options).to(dtype)
    x, mask = torch.randn(1, 4, 8, dtype=dtype), torch.zeros(4, 4)
    with trace(attention):
        explicit = attention(x, mask=mask)
    assert explicit.dtype == dtype
    close(explicit, attention(x, mask=mask), atol=2e-2, rtol=2e-2)


def test_heads_are_split_and_merged_by_consecutive_features():
    attention = MultiHeadAttention(6, 3, causal=False, bias=False)
    with torch.no_grad():
        for projection in (attention.q_proj, attention.k_proj, attention.v_proj):
            projection.weight.copy_(torch.eye(6))
        attention.out_proj.weight.copy_(torch.eye(6))
    x = torch.tensor([[[0.0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]])
    with trace(attention) as acts:
        output = attention(x)
    assert acts["q"].tolist() == [[[[0, 1], [6, 7]], [[2, 3], [8, 9]], [[4, 5], [10, 11]]]]
    heads = [scaled_dot_product_attention(*[x[0, :, i : i + 2]] * 3)[0] for i in (0, 2, 4)]
    close(output[0], torch.cat(heads, dim=-1))


def test_grouped_heads_share_neighbouring_keys(disturb):
    grouped = disturb(GroupedQueryAttention(16, 4, 2))
    full = CausalSelfAttention(16, 4)
    state = grouped.state_dict()
    for name in ("k_proj.weight", "k_proj.bias", "v_proj.weight", "v_proj.bias"):
        heads = state[name].unflatten(0, (2, 4)).repeat_interleave(2, dim=0)  # 0 0 1 1
        state[name] = heads.flatten(0, 1)
    full.load_state_dict(state)
    x = torch.randn(2, 5, 16)
    close(grouped(x), full(x))


def test_alibi_is_added_to_the_scores(disturb):
    plain, alibi = MultiHeadAttention(16, 4), MultiHeadAttention(16, 4, alibi=True)
    alibi.load_state_dict(disturb(plain).state_dict())
    x = torch.randn(2, 5, 16)
    with trace(plain) as without:
        plain(x)
    with trace(alibi) as with_alibi:
        alibi(x)
    bias = alibi_bias(4, 5).expand(2, 4, 5, 5)
    close(with_alibi["scores"] - without["scores"], bias, atol=1e-5, rtol=0)


def test_dropout_acts_on_the_weights_in_training_only():
    attention = MultiHeadAttention(16, 2, dropout=0.5)
    x = torch.randn(1, 8, 16)
    assert not torch.equal(attention(x), attention(x))
    attention.eval()
    assert torch.equal(attention(x), attention(x))
    attention.train()
    with trace(attention) as acts:
        attention(x)
    close(acts["weights"].sum(-1), torch.ones(1, 2, 8))


@given(chunks=st.lists(st.integers(1, 4), min_size=1, max_size=5))
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_cache_changes_nothing(options, chunks):
    if options.get("causal") is False:
        return
    attention = MultiHeadAttention(24, 4, **options)
    x, cache = torch.randn(2, sum(chunks), 24), KVCache()
    parts = [attention(part, cache=cache) for part in x.split(chunks, dim=1)]
    close(torch.cat(parts, dim=1), attention(x), atol=1e-5, rtol=1e-4)
    assert cache.length == sum(chunks)


def test_the_cache_appends_truncates_and_keeps_layers_apart():
    cache, k, v = KVCache(), torch.randn(2, 1, 5, 4), torch.randn(2, 1, 5, 4)
    assert cache.length == 0
    cache.update(0, k[:, :, :3], v[:, :, :3])
    cache.update(1, v[:, :, :2], k[:, :, :2])
    assert (cache.length, cache.layer_length(0), cache.layer_length(7)) == (2, 3, 0)
    all_k, all_v = cache.update(0, k[:, :, 3:], v[:, :, 3:])
    assert torch.equal(all_k, k) and torch.equal(all_v, v)
    cache.truncate(1)
    assert cache.layer_length(0) == cache.layer_length(1) == 1
    assert torch.equal(cache.update(0, k[:, :, 1:], v[:, :, 1:])[0], k)


def test_the_cache_refuses_what_does_not_fit():
    cache = KVCache()
    cache.update(0, torch.randn(2, 1, 3, 4), torch.randn(2, 1, 3, 4))
    with pytest.raises(ValueError, match="batch of 2, got 1"):
        cache.update(0, torch.randn(1, 1, 1, 4), torch.randn(1, 1, 1, 4))
    for n in (-1, 4):
        with pytest.raises(ValueError, match=f"{n} tokens.*holds 3"):
            cache.truncate(n)


@pytest.mark.parametrize(
    "arguments, parts",
    [
        ({"d_model": 10, "n_heads": 4}, ["d_model=10", "n_heads=4"]),
        ({"d_model": 8, "n_heads": 0}, ["n_heads=0", "at least 1"]),
        ({"d_model": 8, "n_heads": 4, "n_kv_heads": 3}, ["n_heads=4", "n_kv_heads=3"]),
        ({"d_model": 8, "n_heads": 2, "window": 0}, ["window=0"]),
        ({"d_model": 8, "n_heads": 2, "window": 2, "causal": False}, ["window=2", "causal=True"]),
    ],
)
def test_heads_and_windows_that_do_not_fit_are_refused(arguments, parts):
    with pytest.raises(ValueError) as error:
        MultiHeadAttention(**arguments)
    assert all(part in str(error.value) for part in parts), error.value


def test_inputs_that_do_not_fit_are_refused():
    attention, x = MultiHeadAttention(8, 2), torch.randn(1, 4, 8)
    with pytest.raises(ValueError, match=r"x must be \(B, T, 8\), got \(1, 4, 6\)"):
        attention(torch.randn(1, 4, 6))
    with pytest.raises(ValueError, match=r"x must be \(B, T, 8\), got \(4, 8\)"):
        attention(x[0])
    with pytest.raises(ValueError, match="causal=False"):
        attention(x, context=x)
    with pytest.raises(ValueError, match="int64.*bool"):
        attention(x, mask=torch.ones(4, 4, dtype=torch.long))
    with pytest.raises(ValueError, match=r"\(3, 3\).*\(1, 2, 4, 4\)"):
        attention(x, mask=torch.ones(3, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="4 positions.*max_seq_len=3"):
        MultiHeadAttention(8, 2, rope=RotaryPositionalEmbedding(4, 3))(x)
