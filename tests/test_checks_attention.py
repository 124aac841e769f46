"""Each catalogued bug gets its name and no other; right solutions pass however they are written."""

import math
import re

import pytest
import torch
import torch.nn.functional as F
from planted import assert_named_alone, named

from llm import RotaryPositionalEmbedding, checks, scaled_dot_product_attention
from llm import causal_mask as books_causal_mask
from llm.checks import CheckFailed
from llm.checks import attention_bugs as known

SEEDS = range(20)
CATALOGUES = {
    checks.check_causal_mask: known.MASK_BUGS,
    checks.check_attention: known.ATTENTION_BUGS,
    checks.check_split_heads: known.SPLIT_BUGS,
    checks.check_merge_heads: known.MERGE_BUGS,
    checks.check_multi_head: known.MULTI_HEAD_BUGS,
    checks.check_rope: known.ROPE_BUGS,
    checks.check_attend_newest: known.NEWEST_BUGS,
}
PLANTED = [(check, *bug) for check, catalogue in CATALOGUES.items() for bug in catalogue.items()]


@pytest.mark.parametrize("check, sentence, bug", PLANTED, ids=[s[:40] for _, s, _ in PLANTED])
def test_each_bug_gets_its_name_and_no_other(check, sentence, bug):
    assert_named_alone(check, CATALOGUES[check], sentence, SEEDS)


def test_the_catalogue_is_large():
    assert len(PLANTED) >= 70
    assert all(len(sentence) < 100 and sentence.endswith(".") for _, sentence, _ in PLANTED)


# Solutions as a learner may write them, apart from the references of the checks


def mask_by_comparing(T):
    place = torch.arange(T)
    return place[None, :] <= place[:, None]


def attention_in_a_loop(q, k, v, mask):
    output = torch.zeros(*q.shape[:-1], v.shape[-1])
    for i in range(q.shape[-2]):
        allowed = mask[i]
        scores = (k * q[..., i : i + 1, :]).sum(-1) / math.sqrt(q.shape[-1])
        powers = scores.exp() * allowed
        weights = powers / powers.sum(-1, keepdim=True)
        output[..., i, :] = (weights[..., None] * v).sum(-2)
    return output


def attention_by_the_kernel(q, k, v, mask):
    return F.scaled_dot_product_attention(q, k, v, mask)


def attention_with_a_large_number(q, k, v, mask):
    scores = q @ k.mT / k.size(-1) ** 0.5
    return scores.masked_fill(mask == 0, -1e9).softmax(-1) @ v


def attention_by_einsum(q, k, v, mask):
    scores = torch.einsum("...id,...jd->...ij", q, k) * q.shape[-1] ** -0.5
    weights = torch.where(mask, scores, -math.inf).softmax(dim=-1)
    return torch.einsum("...ij,...jd->...id", weights, v)


def split_by_view(x, n_heads):
    B, T, C = x.shape
    return x.view(B, T, n_heads, C // n_heads).transpose(1, 2)


def split_by_chunks(x, n_heads):
    return torch.stack(x.chunk(n_heads, dim=-1), dim=1)


def merge_by_view(heads):
    B, H, T, D = heads.shape
    return heads.transpose(1, 2).contiguous().view(B, T, H * D)


def merge_by_concatenating(heads):
    return torch.cat([heads[:, h] for h in range(heads.shape[1])], dim=-1)


def multi_head_by_the_kernel(x, w_q, w_k, w_v, w_o, n_heads, dropout, training):
    q, k, v = (split_by_view(x @ w, n_heads) for w in (w_q, w_k, w_v))
    p = dropout if training else 0.0
    heads = F.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=True)
    return merge_by_view(heads) @ w_o


def multi_head_one_by_one(x, w_q, w_k, w_v, w_o, n_heads, dropout, training):
    D, T, heads = x.shape[-1] // n_heads, x.shape[1], []
    for h in range(n_heads):
        own = slice(h * D, (h + 1) * D)
        q, k, v = x @ w_q[:, own], x @ w_k[:, own], x @ w_v[:, own]
        scores = (q @ k.mT / D**0.5).masked_fill(~mask_by_comparing(T), -math.inf)
        weights = F.dropout(scores.softmax(-1), dropout, training=training)
        heads.append(weights @ v)
    return torch.cat(heads, -1) @ w_o


def rope_by_the_book(x, positions, theta):
    return RotaryPositionalEmbedding(x.shape[-1], 99, theta)(x, positions)


def rope_by_complex_numbers(x, positions, theta):
    D = x.shape[-1]
    speed = theta ** (-2 * torch.arange(D // 2) / D)
    turned = torch.complex(x[:, : D // 2], x[:, D // 2 :]) * torch.exp(
        1j * positions[:, None] * speed
    )
    return torch.cat([turned.real, turned.imag], -1)


def newest_with_all_positions(q, k, v, turn):
    places = torch.arange(len(k))
    weights = (turn(q, places[-1:]) @ turn(k, places).T / k.shape[1] ** 0.5).softmax(-1)
    return weights @ v


def newest_by_distance(q, k, v, turn):
    distance = torch.arange(len(k)) - len(k) + 1  # only the difference counts
    return scaled_dot_product_attention(q, turn(k, distance), v)[0]


SOLUTIONS = [
    (checks.check_causal_mask, known.causal_mask),
    (checks.check_causal_mask, books_causal_mask),
    (checks.check_causal_mask, mask_by_comparing),
    (checks.check_attention, known.attention),
    (checks.check_attention, lambda *case: scaled_dot_product_attention(*case)[0]),
    (checks.check_attention, attention_in_a_loop),
    (checks.check_attention, attention_by_the_kernel),
    (checks.check_attention, attention_with_a_large_number),
    (checks.check_attention, attention_by_einsum),
    (checks.check_split_heads, known.split_heads),
    (checks.check_split_heads, split_by_view),
    (checks.check_split_heads, split_by_chunks),
    (checks.check_merge_heads, known.merge_heads),
    (checks.check_merge_heads, merge_by_view),
    (checks.check_merge_heads, merge_by_concatenating),
    (checks.check_multi_head, known.multi_head),
    (checks.check_multi_head, multi_head_by_the_kernel),
    (checks.check_multi_head, multi_head_one_by_one),
    (checks.check_rope, known.rope),
    (checks.check_rope, rope_by_the_book),
    (checks.check_rope, rope_by_complex_numbers),
    (checks.check_attend_newest, known.attend_newest),
    (checks.check_attend_newest, newest_with_all_positions),
    (checks.check_attend_newest, newest_by_distance),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("check, solution", SOLUTIONS)
def test_right_solutions_pass(check, solution):
    for seed in SEEDS:
        passed = check(solution, seed=seed)
    name = check.__name__.removeprefix("check_")
    assert re.fullmatch(rf"✓ {name} is correct in all \d+ cases", repr(passed))


# Bugs written as learners write them


def attention_without_scale(q, k, v, mask):
    weights = torch.softmax((q @ k.mT).masked_fill(mask == 0, float("-inf")), dim=-1)
    return weights @ v


def attention_masked_late(q, k, v, mask):
    weights = F.softmax(q @ k.mT / q.shape[-1] ** 0.5, dim=-1)
    return weights.masked_fill(~mask, 0.0) @ v


def attention_filled_with_zero(q, k, v, mask):
    scores = q @ k.mT / q.shape[-1] ** 0.5
    return scores.masked_fill(~mask, 0).softmax(-1) @ v


def rope_mixed_as_often_seen(x, positions, theta):
    D = x.shape[-1]
    angles = positions[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    cos, sin = torch.cat([angles.cos()] * 2, -1), torch.cat([angles.sin()] * 2, -1)
    half = torch.cat([x[:, D // 2 :], -x[:, : D // 2]], -1)
    return x * cos + half * sin


def newest_at_zero(q, k, v, turn):
    q, k = turn(q, torch.arange(len(q))), turn(k, torch.arange(len(k)))
    return scaled_dot_product_attention(q, k, v)[0]


def heads_by_reshape(x, n_heads):
    B, T, C = x.shape
    return x.reshape(B, n_heads, T, C // n_heads)


def multi_head_always_dropping(x, w_q, w_k, w_v, w_o, n_heads, dropout, training):
    q, k, v = (split_by_view(x @ w, n_heads) for w in (w_q, w_k, w_v))
    heads = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True)
    return merge_by_view(heads) @ w_o


@pytest.mark.parametrize(
    "check, solution, name",
    [
        (checks.check_causal_mask, lambda T: torch.ones(T, T).triu(1).bool(), "wrong way round"),
        (checks.check_attention, attention_without_scale, "not divided by the square root"),
        (checks.check_attention, attention_masked_late, "comes after the softmax"),
        (checks.check_attention, attention_filled_with_zero, "set to 0"),
        (checks.check_split_heads, heads_by_reshape, "view alone cuts the tokens"),
        (checks.check_merge_heads, lambda heads: heads.mean(dim=1), "averaged"),
        (checks.check_multi_head, multi_head_always_dropping, "in evaluation too"),
        (checks.check_rope, rope_mixed_as_often_seen, "sign of the angle"),
        (checks.check_attend_newest, newest_at_zero, "query is not turned"),
    ],
)
def test_learners_bugs_get_their_names(check, solution, name):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match=name):
            check(solution, seed=seed)


def changes_its_input(q, k, v, mask):
    q /= q.shape[-1] ** 0.5
    return attention_by_the_kernel(q * q.shape[-1] ** 0.5, k, v, mask)


def not_written(*arguments):
    raise NotImplementedError


@pytest.mark.parametrize(
    "check, solution, message",
    [
        (checks.check_attention, changes_its_input, "is a change of q; work on a copy"),
        (checks.check_attention, not_written, "not written yet"),
        (checks.check_attention, lambda *_: None, "is the return missing"),
        (checks.check_attention, scaled_dot_product_attention, "not one tensor"),
        (checks.check_attention, lambda q, k, v: v, "yours raises TypeError"),
        (
            checks.check_attention,
            lambda q, k, v, mask: v[..., :1, :],
            r"yours is a tensor \(1, 2\)",
        ),
        (checks.check_attention, lambda *case: known.attention(*case).double(), "of type torch.f"),
        (checks.check_attention, None, "pass the function itself"),
        (checks.check_attention, attention_by_the_kernel(*torch.ones(3, 2, 2), None), "itself"),
        (checks.check_causal_mask, lambda T: torch.eye(T).bool(), "False at .* True is right"),
        (checks.check_rope, lambda x, positions, theta: x, r"with .* at \[0, 0\], where .* right"),
    ],
)
def test_other_mistakes_are_shown(check, solution, message):
    with pytest.raises(CheckFailed, match=message) as caught:
        check(solution)
    assert not named(CATALOGUES[check], str(caught.value)) and "Inputs" not in str(caught.value)


def test_the_first_wrong_number_is_shown_with_its_place():
    def almost(x, n_heads):
        heads = split_by_view(x, n_heads).clone()
        heads[0, 1, 0, 1] = 7
        return heads

    with pytest.raises(CheckFailed, match=r"with 7 at \[0, 1, 0, 1\], where -?\d.* is right"):
        checks.check_split_heads(almost)


def test_checks_leave_the_random_numbers_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    for check, solution in SOLUTIONS:
        check(solution)
    assert torch.equal(torch.rand(3), expected)


def test_replacing_torchs_functions_fools_nothing(monkeypatch):
    for name in ("allclose", "isclose", "equal"):
        monkeypatch.setattr(torch, name, lambda *_, **__: True)
    monkeypatch.setattr(torch, "softmax", lambda x, dim: x * 0)
    monkeypatch.setattr(torch, "matmul", lambda a, b: a)
    for check in CATALOGUES:
        with pytest.raises(CheckFailed):
            check(lambda *case: case[0] * 0)


class EqualsAll(torch.Tensor):
    def __eq__(self, other):
        return True


def test_a_tensor_that_equals_everything_does_not_pass():
    with pytest.raises(CheckFailed):
        checks.check_merge_heads(lambda heads: heads.sum(1).as_subclass(EqualsAll))
