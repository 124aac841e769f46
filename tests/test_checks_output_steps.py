"""The steps of the Output assignment: each bug gets its name, and right solutions pass."""

import math
import re
from functools import partial

import pytest
import torch
from planted import assert_named_alone
from torch.nn import functional as F

import llm
from llm import checks
from llm.checks import CheckFailed
from llm.checks import output_steps_bugs as known

SEEDS = range(15)
CHOICES = {
    checks.check_token_costs: ("unit", known.cost_bugs, ("nats", "bits")),
    checks.check_grade: ("unit", known.grade_bugs, ("nats", "bits")),
    checks.check_training_pair: ("where", known.shift_bugs, ("labels", "inputs")),
}
CATALOGUES = {
    checks.check_log_softmax: known.LOG_SOFTMAX_BUGS,
    checks.check_loss_gradient: known.GRADIENT_BUGS,
    checks.check_warm_chances: known.WARM_BUGS,
    checks.check_keep_top_k: known.TOP_K_BUGS,
    checks.check_keep_top_p: known.TOP_P_BUGS,
    checks.check_keep_min_p: known.MIN_P_BUGS,
    checks.check_pick: known.PICK_BUGS,
    checks.check_mean_over_batches: known.BATCH_MEAN_BUGS,
} | {
    partial(check, **{name: option}): bugs(option)
    for check, (name, bugs, options) in CHOICES.items()
    for option in options
}
PLANTED = [(check, sentence) for check, bugs in CATALOGUES.items() for sentence in bugs]


@pytest.mark.parametrize("check, sentence", PLANTED, ids=[s[:40] for _, s in PLANTED])
def test_each_bug_gets_its_name_and_no_other(check, sentence):
    assert_named_alone(check, CATALOGUES[check], sentence, SEEDS)


def test_sentences_are_short():
    assert len(PLANTED) >= 120
    assert all(len(sentence) < 100 and sentence.endswith(".") for _, sentence in PLANTED)


# Solutions as a learner may write them, apart from the references of the checks


def costs_from_scores(log_p, targets):
    """Log-probabilities are scores as well: their own log-softmax is the same."""
    return F.cross_entropy(log_p.transpose(1, 2), targets, reduction="none")


def costs_by_pytorch(log_p, targets, unit=1.0):
    return F.nll_loss(log_p.transpose(1, 2), targets, reduction="none") / unit


def grade_by_a_loop(costs, targets, base=math.e):
    real = [
        c for c, y in zip(costs.flatten(), targets.flatten().tolist(), strict=True) if y != -100
    ]
    mean = sum(real) / len(real)
    return mean, base**mean


def pair_by_padding(rows):
    longer = F.pad(rows, (0, 1), value=-100)
    return torch.where(rows == -100, 7, rows), longer[:, 1:]


def pair_by_slices(rows):
    inputs = rows[:, :-1].clone()
    inputs[inputs == -100] = 3
    return inputs, rows[:, 1:]


def gradient_by_autograd(logits, targets):
    z = logits.clone().requires_grad_()
    F.cross_entropy(z.transpose(1, 2), targets).backward()
    return z.grad


def top_k_by_threshold(logits, k):
    ordered = logits.sort(-1, descending=True).values
    least = ordered.gather(-1, k[:, None] - 1)
    return torch.where(logits >= least, logits, -math.inf)


def row_by_row(keep):
    return lambda logits, limits: torch.stack(
        [keep(z, amount) for z, amount in zip(logits, limits.tolist(), strict=True)]
    )


def pick_by_counting(weights, u):
    sums = (weights / weights.sum(-1, keepdim=True)).cumsum(-1)
    return (sums <= u[:, None]).sum(-1)


SOLUTIONS = [
    (checks.check_log_softmax, partial(F.log_softmax, dim=-1)),
    (checks.check_log_softmax, lambda x: x - x.logsumexp(-1, keepdim=True)),
    (checks.check_token_costs, costs_by_pytorch),
    (checks.check_token_costs, costs_from_scores),
    (partial(checks.check_token_costs, unit="bits"), partial(costs_by_pytorch, unit=math.log(2))),
    (checks.check_grade, grade_by_a_loop),
    (partial(checks.check_grade, unit="bits"), partial(grade_by_a_loop, base=2)),
    (checks.check_training_pair, pair_by_padding),
    (partial(checks.check_training_pair, where="inputs"), pair_by_slices),
    (checks.check_loss_gradient, gradient_by_autograd),
    (checks.check_warm_chances, row_by_row(lambda z, T: llm.softmax(z / T))),
    (checks.check_keep_top_k, top_k_by_threshold),
    (checks.check_keep_top_k, row_by_row(llm.top_k_filter)),
    (checks.check_keep_top_p, row_by_row(llm.top_p_filter)),
    (checks.check_keep_min_p, row_by_row(llm.min_p_filter)),
    (checks.check_pick, pick_by_counting),
    (checks.check_mean_over_batches, lambda batches: torch.cat(batches).mean()),
]


@pytest.mark.parametrize("check, solution", SOLUTIONS)
def test_right_solutions_pass(check, solution):
    for seed in SEEDS:
        passed = check(solution, seed=seed)
    assert re.fullmatch(r"✓ \w+ is correct in all \d+ cases", repr(passed))


@pytest.mark.parametrize("name", ["unit", "where"])
def test_a_solution_of_one_choice_is_named_by_the_other(name):
    pairs = {"unit": (costs_by_pytorch, "nats"), "where": (pair_by_padding, "both keep T")}
    solution, words = pairs[name]
    check = {"unit": checks.check_token_costs, "where": checks.check_training_pair}[name]
    with pytest.raises(CheckFailed, match=words):
        check(solution, **{name: {"unit": "bits", "where": "inputs"}[name]})


@pytest.mark.parametrize(
    "check, solution, message",
    [
        (checks.check_grade, lambda costs, targets: costs.mean(), "not two numbers"),
        (checks.check_training_pair, lambda rows: rows, "not a pair of tensors"),
        (checks.check_training_pair, lambda rows: None, "is the return missing"),
        (checks.check_grade, lambda costs, targets: None, "is the return missing"),
        (checks.check_pick, lambda weights, u: u, "should be"),
        (checks.check_keep_top_k, lambda logits: logits, "TypeError"),
    ],
)
def test_other_mistakes_are_shown(check, solution, message):
    with pytest.raises(CheckFailed, match=message):
        check(solution)
