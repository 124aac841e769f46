"""Each catalogued bug gets its name and no other; right solutions pass however they are written."""

import math
import re

import pytest
import torch
from torch.nn import functional as F

import llm
from llm import checks
from llm.checks import CheckFailed
from llm.checks import output_bugs as known

SEEDS = range(20)
CATALOGUES = {
    checks.check_softmax: [known.SOFTMAX_BUGS],
    checks.check_cross_entropy: [
        known.LOSS_BUGS,
        known.MEAN_BUGS,
        known.PADDING_BUGS,
        known.LARGE_BUGS,
    ],
    checks.check_next_token_loss: [known.SHIFT_BUGS],
    checks.check_sampling: [
        known.TEMPERATURE_BUGS,
        known.TOP_K_BUGS,
        known.TOP_P_BUGS,
        known.ORDER_BUGS,
    ],
}
PLANTED = [
    (check, sentence, bug)
    for check, catalogues in CATALOGUES.items()
    for catalogue in catalogues
    for sentence, bug in catalogue.items()
]


def named(check, text: str) -> list[str]:
    """The sentences of the check's catalogue that stand in ``text``."""
    return [s for catalogue in CATALOGUES[check] for s in catalogue if s in text]


@pytest.mark.parametrize("check, sentence, bug", PLANTED, ids=[s[:40] for _, s, _ in PLANTED])
def test_each_bug_gets_its_name_and_no_other(check, sentence, bug):
    for seed in SEEDS:
        with pytest.raises(CheckFailed) as caught:
            check(bug, seed=seed)
        assert named(check, str(caught.value)) == [sentence]


def test_the_catalogue_is_large():
    assert len(PLANTED) >= 70
    assert all(len(sentence) < 100 and sentence.endswith(".") for _, sentence, _ in PLANTED)


# Solutions as a learner may write them, apart from the references of the checks


def softmax_by_logarithms(x):
    return (x - x.logsumexp(-1, keepdim=True)).exp()


def loss_by_rows(logits, targets):
    total, count = 0.0, 0
    for row, answers in zip(logits, targets, strict=True):
        for z, y in zip(row, answers.tolist(), strict=True):
            if y != -100:
                total += float(z.logsumexp(0) - z[y])
                count += 1
    return total / count


def loss_by_pytorch(logits, targets):
    return F.cross_entropy(logits.transpose(1, 2), targets)


def next_by_the_book(logits, token_ids):
    return llm.cross_entropy(logits[:, :-1], token_ids[:, 1:])


def next_by_a_loop(logits, token_ids):
    T = token_ids.shape[1]
    costs = [F.cross_entropy(logits[:, t], token_ids[:, t + 1]).item() for t in range(T - 1)]
    return sum(costs) / len(costs)


def sampling_by_the_book(logits, temperature, top_k, top_p):
    logits = llm.temperature_scale(logits, temperature)
    if top_k is not None:
        logits = llm.top_k_filter(logits, top_k)
    if top_p is not None:
        logits = llm.top_p_filter(logits, top_p)
    return llm.softmax(logits)


def sampling_row_by_row(logits, temperature, top_k, top_p):
    if logits.dim() > 1:
        return torch.stack([sampling_row_by_row(z, temperature, top_k, top_p) for z in logits])
    p = (logits / temperature).softmax(0)
    order = sorted(range(len(p)), key=lambda i: -p[i])[:top_k]
    kept, mass, total = [], 0.0, float(sum(p[i] for i in order))
    for i in order:
        if mass < (top_p or 2) * total:
            kept.append(i)
        mass += float(p[i])
    q = torch.zeros_like(p)
    q[kept] = p[kept]
    return q / q.sum()


SOLUTIONS = [
    (checks.check_softmax, known.softmax),
    (checks.check_softmax, llm.softmax),
    (checks.check_softmax, softmax_by_logarithms),
    (checks.check_softmax, lambda x: F.softmax(x.double(), dim=-1)),
    (checks.check_cross_entropy, known.cross_entropy),
    (checks.check_cross_entropy, llm.cross_entropy),
    (checks.check_cross_entropy, loss_by_rows),
    (checks.check_cross_entropy, loss_by_pytorch),
    (checks.check_next_token_loss, known.next_token_loss),
    (checks.check_next_token_loss, next_by_the_book),
    (checks.check_next_token_loss, next_by_a_loop),
    (checks.check_sampling, known.sampling),
    (checks.check_sampling, sampling_by_the_book),
    (checks.check_sampling, sampling_row_by_row),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("check, solution", SOLUTIONS)
def test_right_solutions_pass(check, solution):
    for seed in SEEDS:
        passed = check(solution, seed=seed)
    name = check.__name__.removeprefix("check_")
    assert re.fullmatch(rf"✓ {name} is correct in all \d+ cases", repr(passed))


# Bugs written as learners write them


def loss_with_softmax_first(logits, targets):
    return F.cross_entropy(logits.softmax(-1).transpose(1, 2), targets)


def loss_by_log_of_softmax(logits, targets):
    kept = targets != -100
    p = logits.softmax(-1)[kept]
    return -p[torch.arange(len(p)), targets[kept]].log().mean()


def loss_that_counts_padding(logits, targets):
    costs = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    return costs.sum() / targets.numel()


def sampling_with_a_strict_limit(logits, temperature, top_k, top_p):
    logits = logits / temperature
    if top_k is not None:
        logits = logits.where(logits > logits.topk(top_k).values[..., -1:], -math.inf)
    return logits.softmax(-1)


def sampling_without_unsorting(logits, temperature, top_k, top_p):
    logits = logits / temperature
    if top_k is not None:
        logits = llm.top_k_filter(logits, top_k)
    if top_p is not None:
        p, _ = logits.softmax(-1).sort(-1, descending=True)
        logits = logits.masked_fill(p.cumsum(-1) - p >= top_p, -math.inf)
    return logits.softmax(-1)


def sampling_by_powers(logits, temperature, top_k, top_p):
    p = logits.softmax(-1) ** temperature
    return p / p.sum(-1, keepdim=True)


@pytest.mark.parametrize(
    "check, solution, name",
    [
        (checks.check_softmax, lambda x: x.exp() / x.exp().sum(-1, keepdim=True), "overflow"),
        (checks.check_softmax, lambda x: x.softmax(0), "the wrong axis"),
        (checks.check_softmax, lambda x: x.log_softmax(-1), "these are logarithms"),
        (checks.check_cross_entropy, loss_with_softmax_first, "softmax comes twice"),
        (checks.check_cross_entropy, loss_by_log_of_softmax, "costs infinity"),
        (checks.check_cross_entropy, loss_that_counts_padding, "but is counted"),
        (
            checks.check_next_token_loss,
            lambda z, ids: loss_by_pytorch(z, ids),
            "nothing is shifted",
        ),
        (checks.check_sampling, sampling_with_a_strict_limit, "one too few"),
        (checks.check_sampling, sampling_without_unsorting, "places in the sorted list"),
        (checks.check_sampling, sampling_by_powers, "the temperature multiplies"),
    ],
)
def test_learners_bugs_get_their_names(check, solution, name):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match=name):
            check(solution, seed=seed)


def changes_its_input(x):
    x -= x.amax(-1, keepdim=True)
    return x.softmax(-1)


def not_written(*arguments):
    raise NotImplementedError


@pytest.mark.parametrize(
    "check, solution, message",
    [
        (checks.check_softmax, changes_its_input, "argument 1 is changed"),
        (checks.check_softmax, not_written, "not written yet"),
        (checks.check_softmax, None, "pass the function itself"),
        (checks.check_softmax, lambda x: None, "is the return missing"),
        (checks.check_softmax, lambda x: x.tolist(), "which is no tensor"),
        (
            checks.check_softmax,
            lambda x: 0.9 * x.softmax(-1),
            r"softmax\(\[5?\d.*\) should be \[.*\] in shape \(\d,\), yours is \[.*\] in shape",
        ),
        (checks.check_cross_entropy, lambda z, y: z, "which is not one number"),
        (checks.check_cross_entropy, lambda z, y: 1 / 0, "ZeroDivisionError"),
        (checks.check_cross_entropy, lambda z, y: 2 * loss_by_pytorch(z, y), "should be .*, yours"),
        (checks.check_next_token_loss, lambda z, ids: 0.0, "should be .*, yours is 0"),
        (checks.check_sampling, lambda z, *_: z.softmax(-1)[..., :2], r"in shape \(2,\)"),
        (checks.check_sampling, lambda z: z, "TypeError"),
    ],
)
def test_other_mistakes_are_shown(check, solution, message):
    with pytest.raises(CheckFailed, match=message) as caught:
        check(solution)
    assert "Seen" not in str(caught.value) and not named(check, str(caught.value))


def test_checks_leave_the_random_numbers_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    for check, solution in SOLUTIONS:
        check(solution)
    assert torch.equal(torch.rand(3), expected)


def test_replacing_torch_fools_nothing(monkeypatch):
    monkeypatch.setattr(torch, "allclose", lambda *_, **__: True)
    monkeypatch.setattr(torch, "softmax", lambda x, dim: x * 0)
    monkeypatch.setattr(torch, "log_softmax", lambda x, dim: x * 0)
    with pytest.raises(CheckFailed):
        checks.check_softmax(lambda x: x * 0)
    with pytest.raises(CheckFailed):
        checks.check_cross_entropy(lambda z, y: z.sum() * 0)
    with pytest.raises(CheckFailed):
        checks.check_sampling(lambda z, *_: z * 0)
