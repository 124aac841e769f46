"""The checks of *Build attention*: bugs get their names, and choices are told apart."""

import math

import pytest
import torch
import torch.nn.functional as F
from planted import assert_named_alone

from llm import MultiHeadAttention, RotaryPositionalEmbedding, causal_mask, checks
from llm.attention import masked_softmax, padding_mask
from llm.checks import CheckFailed, attention_bugs
from llm.checks import attention_assignment_bugs as known

SEEDS = range(3)
CATALOGUES = [
    (checks.check_past_mask, {"additive": False}, known.PAST_MASK_BUGS),
    (checks.check_past_mask, {"additive": True}, known.PAST_MASK_TO_ADD_BUGS),
    (checks.check_batch_mask, {"additive": False}, known.BATCH_MASK_BUGS),
    (checks.check_batch_mask, {"additive": True}, known.BATCH_MASK_TO_ADD_BUGS),
    (checks.check_softmax_or_nothing, {}, known.SOFTMAX_BUGS),
    (checks.check_attention_weights, {"additive": False}, known.ATTENTION_WEIGHTS_BUGS),
    (checks.check_attention_weights, {"additive": True}, known.ATTENTION_WEIGHTS_TO_ADD_BUGS),
    (checks.check_attend_last, {}, known.ATTEND_LAST_BUGS),
    (checks.check_head_weights, {}, known.HEAD_WEIGHTS_BUGS),
    (checks.check_rotary_scores, {}, known.ROTARY_SCORES_BUGS),
    (checks.check_rope, {"layout": "interleaved"}, attention_bugs.INTERLEAVED_BUGS),
    (checks.check_rope, {"before": (2, 3)}, attention_bugs.ROPE_BUGS),
    *(
        (
            checks.check_self_attention,
            {"layout": layout, "additive": additive},
            known.self_attention_bugs(layout, additive),
        )
        for layout in ("half", "interleaved")
        for additive in (False, True)
    ),
]
PLANTED = [
    (check, options, bugs, sentence) for check, options, bugs in CATALOGUES for sentence in bugs
]


@pytest.mark.parametrize("check, options, bugs, sentence", PLANTED)
def test_each_bug_gets_its_name_and_no_other(check, options, bugs, sentence):
    said = assert_named_alone(check, bugs, sentence, SEEDS, **options)
    assert len(sentence) < 100 and sentence.endswith(".")
    assert not any("yours raises" in text for text in said)  # else it would name others' errors


# Solutions as a student may write them, apart from the references of the checks


def past_mask(T, S):
    return torch.ones(T, S).tril(S - T).bool()


def past_mask_to_add(T, S):
    return torch.full((T, S), -math.inf).triu(S - T + 1)


def batch_mask(lengths):
    return (causal_mask(max(lengths)) & padding_mask(lengths)[:, None])[:, None]


def batch_mask_to_add(lengths):
    return torch.zeros(batch_mask(lengths).shape).masked_fill(~batch_mask(lengths), -math.inf)


def attention_weights(q, k, mask):
    return masked_softmax(q @ k.mT * q.shape[-1] ** -0.5, mask)


def attend_last(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, past_mask(q.shape[-2], k.shape[-2]))


def head_weights(x, w_q, w_k, n_heads):
    q, k = ((x @ w).unflatten(-1, (n_heads, -1)).transpose(1, 2) for w in (w_q, w_k))
    return masked_softmax(q @ k.mT / math.sqrt(q.shape[-1]), causal_mask(x.shape[1]))


def rotary_scores(x, w_q, w_k, positions, turn):
    q, k = turn(x @ w_q, positions), turn(x @ w_k, positions)
    return q @ k.T / q.shape[-1] ** 0.5


def self_attention_of(layout):
    def self_attention(x, layer, positions, mask):
        """The book's own layer, with the weights of the given one."""
        rope = RotaryPositionalEmbedding(layer.head_dim, 99, 100.0, layout)
        C = x.shape[-1]
        books = MultiHeadAttention(C, layer.n_heads, causal=False, rope=rope)
        books.load_state_dict(layer.state_dict())
        return books(x, mask=mask, positions=positions[None])

    return self_attention


SOLUTIONS = [
    (checks.check_past_mask, {}, past_mask),
    (checks.check_past_mask, {}, causal_mask),
    (checks.check_past_mask, {"additive": True}, past_mask_to_add),
    (checks.check_batch_mask, {}, batch_mask),
    (checks.check_batch_mask, {"additive": True}, batch_mask_to_add),
    (checks.check_softmax_or_nothing, {}, masked_softmax),
    (checks.check_attention_weights, {}, attention_weights),
    (checks.check_attention_weights, {"additive": True}, attention_weights),
    (checks.check_attend_last, {}, attend_last),
    (checks.check_head_weights, {}, head_weights),
    (checks.check_rotary_scores, {}, rotary_scores),
    (
        checks.check_rope,
        {"layout": "interleaved", "before": (2,)},
        lambda x, at, theta: RotaryPositionalEmbedding(x.shape[-1], 99, theta, "interleaved")(
            x, at
        ),
    ),
    (checks.check_self_attention, {}, self_attention_of("half")),
    (checks.check_self_attention, {"additive": True}, self_attention_of("half")),
    (checks.check_self_attention, {"layout": "interleaved"}, self_attention_of("interleaved")),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("check, options, solution", SOLUTIONS)
def test_right_solutions_pass(check, options, solution):
    for seed in SEEDS:
        passed = check(solution, seed=seed, **options)
        assert passed.name == check.__name__.removeprefix("check_")


@pytest.mark.parametrize(
    "check, options, solution, message",
    [
        (checks.check_past_mask, {"additive": True}, past_mask, "this mask is boolean"),
        (checks.check_past_mask, {}, past_mask_to_add, "this mask is one to add"),
        (checks.check_batch_mask, {"additive": True}, batch_mask, "this mask is boolean"),
        (checks.check_batch_mask, {}, batch_mask_to_add, "this mask is one to add"),
        (
            checks.check_attention_weights,
            {"additive": True},
            known.attention_weights,
            "taken for a boolean one",
        ),
        (
            checks.check_attention_weights,
            {},
            known.attention_weights_to_add,
            "the mask is added to the scores; here it is boolean",
        ),
        (checks.check_rope, {"layout": "interleaved"}, attention_bugs.rope, "i and i . D/2"),
        (checks.check_rope, {}, attention_bugs.rope_interleaved, "2i and 2i . 1 form a pair"),
    ],
)
def test_a_solution_of_the_other_choice_is_told_so(check, options, solution, message):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match=message):
            check(solution, seed=seed, **options)


@pytest.mark.parametrize(
    "late",
    [
        lambda scores: scores.softmax(-1).nan_to_num(0.0),
        lambda scores: torch.where(
            (scores == -math.inf).all(-1, keepdim=True), 0.0, scores.softmax(-1)
        ),
    ],
)
def test_weights_that_training_cannot_use_are_told_so(late):
    with pytest.raises(CheckFailed, match="their gradient is not a number"):
        checks.check_softmax_or_nothing(late)


def written_into(scores):
    weights = torch.where(scores.isneginf(), -1e9, scores).softmax(-1)
    weights[scores.isneginf()] = 0
    return weights


@pytest.mark.parametrize(
    "broken, message",
    [
        (written_into, "backward.. fails: numbers are written into"),
        (lambda scores: masked_softmax(scores.detach()), "fails: no gradient comes back"),
    ],
)
def test_weights_that_stop_a_backward_pass_are_told_so(broken, message):
    with pytest.raises(CheckFailed, match=message):
        checks.check_softmax_or_nothing(broken)


def not_written(*arguments):
    raise NotImplementedError


@pytest.mark.parametrize("check, options", [case[:2] for case in CATALOGUES])
def test_what_is_not_written_is_told_so(check, options):
    with pytest.raises(CheckFailed, match="not written yet"):
        check(not_written, **options)
    with pytest.raises(CheckFailed, match="is the return missing"):
        check(lambda *arguments: None, **options)


def test_replacing_torchs_functions_fools_nothing(monkeypatch):
    for name in ("allclose", "isclose", "isfinite", "equal"):
        monkeypatch.setattr(torch, name, lambda *_, **__: torch.tensor(True))
    for name in ("softmax", "matmul", "exp"):
        monkeypatch.setattr(torch, name, lambda x, *_: x * 0)
    for check, options, bugs in CATALOGUES:
        with pytest.raises(CheckFailed):
            check(list(bugs.values())[-1], **options)
    with pytest.raises(CheckFailed, match="gradient"):
        checks.check_softmax_or_nothing(lambda scores: scores.softmax(-1).nan_to_num(0.0))


@pytest.mark.parametrize(
    "given, message",
    [
        (None, "not answered yet"),
        (6, "five old ones too"),
        (15, "themselves and each other"),
        (18, "Each token sees itself too"),
        (23, "the one after it"),
        (24, "The first two"),
        (36, "three new tokens only"),
        (7, "is not it"),
        ("21", "of type str; give a plain number"),
        ([20], "of type list; give a plain number"),
    ],
)
def test_a_wrong_count_of_pairs_hears_why_and_not_the_answer(given, message):
    with pytest.raises(CheckFailed, match=message) as caught:
        checks.check_open_pairs(given)
    assert given == "21" or "21" not in str(caught.value)


def test_the_right_count_of_pairs_passes():
    assert repr(checks.check_open_pairs(sum([6, 7, 8]))) == "✓ open_pairs is right"
