"""Each catalogued bug gets its name and no other; right solutions pass however they are written."""

import pytest
import torch
from planted import assert_named_alone, named, planted
from torch.nn import functional as F

from llm import checks
from llm.checks import CheckFailed
from llm.checks import finetuning_bugs as known
from llm.finetuning import LoRALinear, dpo_loss, instruction_batch

SEEDS = range(20)
CATALOGUES = {
    checks.check_answer_targets: known.ANSWER_TARGETS_BUGS,
    checks.check_lora: known.LORA_BUGS,
    checks.check_dpo_loss: known.DPO_BUGS,
}
PLANTED = planted(CATALOGUES)


@pytest.mark.parametrize("check, sentence, bug", PLANTED, ids=[s[:40] for _, s, _ in PLANTED])
def test_each_bug_gets_its_name_and_no_other(check, sentence, bug):
    assert_named_alone(check, CATALOGUES[check], sentence, SEEDS)


def test_the_catalogue_is_large():
    assert len(PLANTED) >= 30
    assert all(len(sentence) < 100 and sentence.endswith(".") for _, sentence, _ in PLANTED)


def targets_by_the_book(prompt, answer):
    inputs, targets = instruction_batch([(prompt, answer)])
    return inputs[0].tolist(), targets[0].tolist()


def targets_token_by_token(prompt, answer):
    ids, inputs, targets = [*prompt, *answer], [], []
    for t in range(len(ids) - 1):
        inputs.append(ids[t])
        targets.append(ids[t + 1] if t + 1 >= len(prompt) else -100)
    return inputs, targets


def lora_by_module(x, weight, A, B, alpha):
    linear = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    linear.weight.data = weight
    layer = LoRALinear(linear, len(A), alpha)
    layer.A.data, layer.B.data = A, B
    return layer(x).detach()


def lora_merged(x, weight, A, B, alpha):
    return F.linear(x, weight + alpha / A.shape[0] * B @ A)


def dpo_by_exp(chosen, rejected, old_chosen, old_rejected, beta):
    margin = (chosen - old_chosen) - (rejected - old_rejected)
    return torch.log1p(torch.exp(-beta * margin)).mean()


SOLUTIONS = [
    (checks.check_answer_targets, targets_by_the_book, 4),
    (checks.check_answer_targets, targets_token_by_token, 4),
    (checks.check_lora, lora_by_module, 3),
    (checks.check_lora, lora_merged, 3),
    (checks.check_dpo_loss, dpo_loss, 3),
    (checks.check_dpo_loss, dpo_by_exp, 3),
]


@pytest.mark.parametrize("check, solution, cases", SOLUTIONS)
def test_right_solutions_pass(check, solution, cases):
    for seed in SEEDS:
        assert check(solution, seed=seed).cases == cases
    name = check.__name__.removeprefix("check_")
    assert repr(check(solution)) == f"✓ {name} is correct in all {cases} cases"


def mask_before_the_shift_forgotten(prompt, answer):
    inputs = (prompt + answer)[:-1]
    targets = (prompt + answer)[1:]
    targets[: len(prompt)] = [-100] * len(prompt)
    return inputs, targets


def dpo_without_reference(chosen, rejected, old_chosen, old_rejected, beta):
    return -F.logsigmoid(beta * (chosen - rejected)).mean()


LEARNERS = [
    (checks.check_answer_targets, mask_before_the_shift_forgotten, "first token of the answer"),
    (checks.check_lora, lambda x, w, A, B, alpha: x @ w.T + x @ A.T @ B.T, "scale is missing"),
    (checks.check_dpo_loss, dpo_without_reference, "the old model is not used"),
]


@pytest.mark.parametrize("check, wrong, says", LEARNERS)
def test_learners_bugs_are_named(check, wrong, says):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match=says):
            check(wrong, seed=seed)


FOREIGN = [
    (checks.check_answer_targets, lambda prompt, answer: (prompt, answer[::-1]), "should be"),
    (checks.check_lora, lambda x, w, A, B, alpha: x.tanh(), r"yours is -?\d.* at \[0, 0, 0\]"),
    (checks.check_lora, lambda x, w, A, B, alpha: x[0], r"yours is a tensor \(3, 6\)"),
    (checks.check_dpo_loss, lambda c, r, oc, orj, beta: c.mean(), "in place of"),
    (checks.check_dpo_loss, lambda c, r, oc, orj, beta: c, r"yours is a tensor \(\d,\)"),
]


@pytest.mark.parametrize("check, wrong, says", FOREIGN)
def test_a_wrong_answer_outside_the_catalogue_is_refused(check, wrong, says):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match=says) as caught:
            check(wrong, seed=seed)
        assert not named(CATALOGUES[check], str(caught.value))


def test_what_is_no_answer_is_told():
    for check in CATALOGUES:
        with pytest.raises(CheckFailed, match="is the return missing"):
            check(lambda *_: None)
        with pytest.raises(CheckFailed, match="pass the function itself"):
            check(3)
