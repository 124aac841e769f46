"""llm.embeddings: tables, and six ways to tell where a token stands."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb
from transformers.models.t5.modeling_t5 import T5Attention

from llm import (
    LearnedPositionalEmbedding,
    RotaryPositionalEmbedding,
    SinusoidalPositionalEncoding,
    TokenEmbedding,
    alibi_bias,
    relative_bias,
)
from llm.embeddings import rotation_frequencies

LAYOUTS = ["half", "interleaved"]


def test_token_embedding_looks_up_rows_and_scales_them_by_root_d_model():
    table, scaled = TokenEmbedding(10, 16), TokenEmbedding(10, 16, scale=True)
    scaled.load_state_dict(table.state_dict())
    ids = torch.tensor([[3, 0], [9, 3]])
    assert torch.equal(table(ids), table.weight[ids])
    torch.testing.assert_close(scaled(ids), 4 * table.weight[ids])


@pytest.mark.parametrize(
    "ids, parts",
    [
        (torch.tensor([0, 10]), ["token id 10", "0 … 9", "vocab_size=10"]),
        (torch.tensor([-1]), ["token id -1", "vocab_size=10"]),
        (torch.tensor([1.0]), ["float32", ".long()"]),
        (torch.tensor([True]), ["bool", ".long()"]),
    ],
)
def test_ids_outside_the_vocabulary_and_other_dtypes_are_named(ids, parts):
    with pytest.raises(ValueError) as error:
        TokenEmbedding(10, 4)(ids)
    assert all(part in str(error.value) for part in parts), error.value


@pytest.mark.parametrize("kind", [SinusoidalPositionalEncoding, LearnedPositionalEmbedding])
def test_positions_past_the_table_are_named(kind):
    with pytest.raises(ValueError, match=r"position 8 .*max_seq_len=8"):
        kind(4, 8)(torch.tensor([8]))


def test_sinusoidal_encoding_has_the_paper_s_numbers():
    table = SinusoidalPositionalEncoding(4, 50)(torch.tensor([0, 1, 49]))
    hand = [
        [f(p / 10000 ** (i / 2)) for i in (0, 1) for f in (math.sin, math.cos)] for p in (0, 1, 49)
    ]
    torch.testing.assert_close(table, torch.tensor(hand))
    assert table[0].tolist() == [0, 1, 0, 1]
    assert table[1, :2].tolist() == pytest.approx([0.841471, 0.540302], abs=1e-6)


@pytest.mark.parametrize("p, k", [(0, 5), (7, 1), (100, 400)])
def test_a_shift_of_sinusoidal_positions_is_a_rotation_of_each_pair(p, k):
    d_model = 32
    angles = rotation_frequencies(d_model, 10000.0, torch.float64) * k
    c, s = angles.cos(), angles.sin()
    table = SinusoidalPositionalEncoding(d_model, 512)
    now, later = table(torch.tensor([p, p + k])).double().view(2, -1, 2)  # pairs (sin, cos)
    turned = torch.stack([now[:, 0] * c + now[:, 1] * s, now[:, 1] * c - now[:, 0] * s], dim=-1)
    torch.testing.assert_close(turned, later, atol=1e-6, rtol=0)  # the table is kept in float32


def test_an_odd_width_has_no_pairs():
    with pytest.raises(ValueError, match="even.*got 5"):
        SinusoidalPositionalEncoding(5, 8)
    with pytest.raises(ValueError, match="even.*got 5"):
        RotaryPositionalEmbedding(5, 8)


def test_sinusoidal_table_is_no_parameter_and_not_saved():
    table = SinusoidalPositionalEncoding(4, 8)
    assert not list(table.parameters()) and not table.state_dict()


def complex_rope(x, positions, theta, layout):
    """An oracle: features as complex numbers, multiplied by exp(i · p · frequency)."""
    D = x.shape[-1]
    pairs = (
        x.unflatten(-1, (2, D // 2)).transpose(-1, -2)
        if layout == "half"
        else x.unflatten(-1, (-1, 2))
    )
    z = torch.view_as_complex(pairs.double().contiguous())
    frequency = torch.tensor([theta ** (-2 * i / D) for i in range(D // 2)], dtype=torch.float64)
    turned = z * torch.exp(1j * positions[..., None].double() * frequency)
    pairs = torch.view_as_real(turned)
    return pairs.transpose(-1, -2).flatten(-2) if layout == "half" else pairs.flatten(-2)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("theta", [10000.0, 500.0])
def test_rope_equals_multiplication_by_complex_numbers(layout, theta):
    rope = RotaryPositionalEmbedding(8, 64, theta, layout)
    x, positions = torch.randn(2, 3, 5, 8), torch.tensor([0, 1, 9, 40, 63])
    expected = complex_rope(x, positions, theta, layout)
    torch.testing.assert_close(rope(x, positions).double(), expected, atol=2e-5, rtol=0)
    torch.testing.assert_close(rope(x.double(), positions), expected)


def test_rope_equals_hugging_face_s():
    x, positions = torch.randn(2, 3, 7, 16), torch.arange(7)
    angles = positions[:, None].float() * rotation_frequencies(16, 10000.0, torch.float32)
    angles = torch.cat([angles, angles], dim=-1)[None]
    theirs, _ = apply_rotary_pos_emb(x, x, angles.cos(), angles.sin())
    torch.testing.assert_close(RotaryPositionalEmbedding(16, 7)(x), theirs, atol=1e-6, rtol=0)


@pytest.mark.parametrize("layout", LAYOUTS)
@given(i=st.integers(0, 500), j=st.integers(0, 500), shift=st.integers(0, 500))
def test_rope_scores_depend_on_differences_only(layout, i, j, shift):
    rope = RotaryPositionalEmbedding(8, 1024, layout=layout)
    q, k = torch.randn(2, 1, 8, dtype=torch.float64)

    def score(i, j):
        return rope(q, torch.tensor([i])) @ rope(k, torch.tensor([j])).T

    torch.testing.assert_close(score(i, j), score(i + shift, j + shift))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rope_keeps_norms_and_leaves_position_0_alone(layout):
    rope, x = RotaryPositionalEmbedding(8, 64, layout=layout), torch.randn(2, 64, 8)
    torch.testing.assert_close(rope(x).norm(dim=-1), x.norm(dim=-1))
    assert torch.equal(rope(x)[:, 0], x[:, 0])
    assert not torch.allclose(rope(x)[:, 1], x[:, 1])


def test_the_layouts_differ_by_a_permutation_of_features():
    order = torch.tensor([0, 4, 1, 5, 2, 6, 3, 7])  # interleaved feature n is half feature order[n]
    half, interleaved = (RotaryPositionalEmbedding(8, 32, layout=name) for name in LAYOUTS)
    x = torch.randn(3, 32, 8)
    torch.testing.assert_close(interleaved(x[..., order]), half(x)[..., order])
    assert not torch.allclose(interleaved(x), half(x))


@pytest.mark.parametrize("dtype, tolerance", [(torch.float16, 2e-3), (torch.bfloat16, 2e-2)])
def test_rope_stays_exact_at_far_positions_in_half_precision(dtype, tolerance):
    x, positions = torch.randn(4, 64).to(dtype), torch.tensor([0, 1023, 4095, 8191])
    turned = RotaryPositionalEmbedding(64, 8192).to(dtype)(x, positions)
    assert turned.dtype == dtype
    expected = complex_rope(x, positions, 10000.0, "half")
    torch.testing.assert_close(turned.double(), expected, atol=tolerance, rtol=tolerance)


def test_rope_takes_positions_for_each_row():
    rope, x = RotaryPositionalEmbedding(8, 32), torch.randn(2, 3, 4, 8)
    positions = torch.tensor([[0, 1, 2, 3], [5, 6, 7, 8]])
    together = rope(x, positions[:, None])
    for row in range(2):
        torch.testing.assert_close(together[row], rope(x[row], positions[row]))


def test_rope_refuses_what_does_not_fit():
    rope = RotaryPositionalEmbedding(8, 4)
    with pytest.raises(ValueError, match="6 features.*head_dim is 8"):
        rope(torch.randn(3, 6))
    with pytest.raises(ValueError, match="5 positions.*max_seq_len is 4"):
        rope(torch.randn(5, 8))
    with pytest.raises(ValueError, match="'half' or 'interleaved', got 'full'"):
        RotaryPositionalEmbedding(8, 4, layout="full")


@pytest.mark.parametrize(
    "n_heads, slopes",
    [
        (1, [2**-8]),
        (8, [2**-n for n in range(1, 9)]),
        (12, [2**-n for n in range(1, 9)] + [2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5]),
    ],
)
def test_alibi_has_the_paper_s_slopes(n_heads, slopes):
    bias = alibi_bias(n_heads, 3)
    assert bias.shape == (n_heads, 3, 3)
    torch.testing.assert_close(-bias[:, 1, 0], torch.tensor(slopes))
    torch.testing.assert_close(bias[:, 2, 0], 2 * bias[:, 1, 0])


def test_alibi_takes_positions_of_queries_and_keys():
    full = alibi_bias(4, 9)
    assert torch.equal(alibi_bias(4, torch.arange(6, 9), torch.arange(9)), full[:, 6:])
    assert alibi_bias(4, torch.arange(3).expand(2, 3)).shape == (2, 4, 3, 3)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("n_buckets, max_distance", [(32, 128), (16, 40)])
def test_relative_bias_uses_the_buckets_of_t5(bidirectional, n_buckets, max_distance):
    T = 150
    numbers = torch.arange(n_buckets).float()[:, None]  # so that a bias is its bucket's number
    ours = relative_bias(numbers, T, bidirectional=bidirectional, max_distance=max_distance)
    distance = torch.arange(T)[None, :] - torch.arange(T)[:, None]
    theirs = T5Attention._relative_position_bucket(distance, bidirectional, n_buckets, max_distance)
    assert torch.equal(ours[0].long(), theirs)


def test_relative_bias_learns_and_has_one_column_a_head():
    table = torch.randn(32, 3, requires_grad=True)
    bias = relative_bias(table, torch.arange(4, 6), torch.arange(6))
    assert bias.shape == (3, 2, 6)
    assert torch.equal(bias[:, 0, 4], table[0]) and torch.equal(bias[:, 1, 2], table[3])
    bias.sum().backward()
    assert table.grad[0].tolist() == [3.0] * 3  # two at distance 0, one key ahead
