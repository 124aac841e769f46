"""Each catalogued bug gets its name and no other; right solutions pass however they are written."""

import pytest
import torch
from planted import assert_named_alone, named, planted
from torch.nn import functional as F

from llm import checks
from llm.checks import CheckFailed
from llm.checks import interpretability_bugs as known

SEEDS = range(20)
CATALOGUES = {
    checks.check_lens: known.LENS_BUGS,
    checks.check_attribute: known.ATTRIBUTE_BUGS,
    checks.check_effect: known.EFFECT_BUGS,
    checks.check_induction_score: known.INDUCTION_BUGS,
}
PLANTED = planted(CATALOGUES)


@pytest.mark.parametrize("check, sentence, bug", PLANTED, ids=[s[:40] for _, s, _ in PLANTED])
def test_each_bug_gets_its_name_and_no_other(check, sentence, bug):
    assert_named_alone(check, CATALOGUES[check], sentence, SEEDS)


def test_the_catalogue_is_large():
    assert len(PLANTED) >= 30
    assert all(len(sentence) < 100 and sentence.endswith(".") for _, sentence, _ in PLANTED)


# Solutions as a learner may write them, apart from the references of the checks


def score_in_loops(weights, token_ids):
    ids, rows = token_ids.tolist(), []
    for t, token in enumerate(ids):
        places = [s + 1 for s in range(t) if ids[s] == token]
        if places:
            rows.append(weights[:, t, places].sum(-1))
    return torch.stack(rows).mean(0)


def attribute_by_cutting(parts, weight, eps, row):
    divisor = ((parts.sum(0) ** 2).sum() / parts.shape[1] + eps) ** 0.5
    return torch.stack([(part * weight * row).sum() / divisor for part in parts])


SOLUTIONS = [
    (checks.check_lens, lambda x, w, eps, head: F.linear(F.rms_norm(x, w.shape, w, eps), head)),
    (checks.check_lens, known.lens),
    (checks.check_attribute, attribute_by_cutting),
    (checks.check_effect, lambda p, clean, corrupted: 1 - (clean - p) / (clean - corrupted)),
    (checks.check_induction_score, score_in_loops),
]


@pytest.mark.parametrize("check, solution", SOLUTIONS)
def test_right_solutions_pass(check, solution):
    for seed in SEEDS:
        assert check(solution, seed=seed).cases == 3


def test_the_score_is_that_of_the_package(tiny):
    from llm import text_head_scores, trace

    model, ids = tiny(), torch.tensor([[3, 1, 3, 3, 2, 1, 3]])
    with torch.no_grad(), trace(model) as acts:
        model(ids)
    mine = known.induction_score(acts["blocks.1.attention.weights"][0], ids[0])
    torch.testing.assert_close(mine, text_head_scores(model, ids).induction[1])


# Bugs written as learners write them


def first_repetition(weights, token_ids):
    same = (token_ids[:, None] == token_ids).tril(-1)
    return (weights * same).sum(-1)[:, same.any(-1)].mean(-1)


LEARNERS = [
    (checks.check_lens, lambda x, w, eps, head: x @ head.T, "the final norm is missing"),
    (
        checks.check_lens,
        lambda x, w, eps, head: (F.rms_norm(x, w.shape, w, eps) @ head.T).softmax(-1),
        "the result is probabilities",
    ),
    (
        checks.check_attribute,
        lambda parts, w, eps, row: F.rms_norm(parts, w.shape, w, eps) @ row,
        "each part is divided by its own RMS",
    ),
    (checks.check_effect, lambda p, clean, corrupted: p / clean, "the share of the clean metric"),
    (checks.check_induction_score, first_repetition, "not at the one that followed"),
]


@pytest.mark.parametrize("check, wrong, says", LEARNERS)
def test_learners_bugs_are_named(check, wrong, says):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match=says):
            check(wrong, seed=seed)


FOREIGN = [
    (checks.check_lens, lambda x, w, eps, head: x.tanh() @ head.T),
    (checks.check_attribute, lambda parts, w, eps, row: parts @ (row * w) / 7),
    (checks.check_effect, lambda p, clean, corrupted: (p - corrupted) ** 2),
    (checks.check_induction_score, lambda weights, ids: weights[:, -1, 0]),
]


@pytest.mark.parametrize("check, wrong", FOREIGN)
def test_a_wrong_answer_outside_the_catalogue_is_refused(check, wrong):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match=r"should be a tensor.* in place of") as caught:
            check(wrong, seed=seed)
        assert not named(CATALOGUES[check], str(caught.value))


def test_shapes_and_the_first_wrong_number_are_told():
    with pytest.raises(CheckFailed, match=r"parts \(\d, \d\), weight \(\d,\), eps=0\.\d\d, row"):
        checks.check_attribute(lambda parts, w, eps, row: parts[:, 0])
    with pytest.raises(CheckFailed, match=r"yours is a tensor \(\d, \d\) of torch.float32"):
        checks.check_effect(lambda p, clean, corrupted: p.T)
    with pytest.raises(CheckFailed, match="is the return missing"):
        checks.check_lens(lambda *_: None)
    with pytest.raises(CheckFailed, match="not a tensor"):
        checks.check_induction_score(lambda *_: 0.5)
