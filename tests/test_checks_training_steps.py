"""The parts of the Training assignment: each bug gets its name, and right solutions pass."""

import copy
import math
import re
from functools import partial

import pytest
import torch
from planted import assert_named_alone
from torch import nn
from torch.nn import functional as F

from llm import checks
from llm.checks import CheckFailed
from llm.checks import training_steps_bugs as known

SEEDS = range(8)
IGNORE = -100
TOKENS = partial(checks.check_gradients_in_parts, mean="tokens")
ROWS = partial(checks.check_gradients_in_parts, mean="rows")
COSINE = partial(checks.check_schedule, shape="cosine")
TRAPEZOID = partial(checks.check_schedule, shape="trapezoid")


def check_resume(pair, seed=0):
    return checks.check_save_and_load(*pair, seed=seed)


def all_of(bugs):
    return {sentence: bug for phase in bugs.values() for sentence, bug in phase.items()}


CATALOGUES = {
    checks.check_draw_rows: known.ROWS_BUGS,
    TOKENS: known.parts_bugs("tokens"),
    ROWS: known.parts_bugs("rows"),
    checks.check_adamw_update: known.ADAMW_BUGS,
    checks.check_sgd_update: known.SGD_BUGS,
    COSINE: all_of(known.schedule_bugs("cosine")),
    TRAPEZOID: all_of(known.schedule_bugs("trapezoid")),
    checks.check_clip: known.CLIP_BUGS,
    checks.check_validation_loss: known.VALIDATION_BUGS,
    check_resume: known.RESUME_BUGS,
    checks.check_clipped_step: known.CLIPPED_STEP_BUGS,
    checks.check_decay_groups: known.GROUPS_BUGS,
}
PLANTED = [(check, sentence) for check, bugs in CATALOGUES.items() for sentence in bugs]


@pytest.mark.parametrize("check, sentence", PLANTED, ids=[s[:40] for _, s in PLANTED])
def test_each_bug_gets_its_name_and_no_other(check, sentence):
    assert_named_alone(check, CATALOGUES[check], sentence, SEEDS)


def test_sentences_are_short():
    assert len(PLANTED) >= 110
    assert all(len(sentence) < 100 and sentence.endswith(".") for _, sentence in PLANTED)


# Solutions as a learner may write them, apart from the references of the checks


def rows_by_permutation(table, batch_size, generator):
    rows = table[torch.randperm(len(table), generator=generator)[:batch_size]]
    filled = (rows != IGNORE).any(0)
    rows = rows[:, filled]
    return torch.where(rows < 0, 3, rows)[:, :-1], rows[:, 1:].clone()


def parts_by_slices(model, inputs, targets, parts):
    for p in model.parameters():
        p.grad = None
    size, total = math.ceil(len(inputs) / parts), 0.0
    for start in range(0, len(inputs), size):
        x, y = inputs[start : start + size], targets[start : start + size]
        costs = F.cross_entropy(model(x).flatten(0, 1), y.flatten(), reduction="sum")
        loss = costs / int((targets >= 0).sum())
        loss.backward()
        total += loss.item()
    return total


def parts_by_rows(model, inputs, targets, parts):
    model.zero_grad(set_to_none=False)
    total = torch.tensor(0.0)
    for x, y in zip(inputs.tensor_split(parts), targets.tensor_split(parts), strict=True):
        for row, asked in zip(x, y, strict=True):
            loss = F.cross_entropy(model(row[None])[0], asked) / len(inputs)
            loss.backward()
            total += loss.detach()
    return total


def by_pytorch(make):
    """An update as ``torch.optim`` makes it, from all gradients up to now."""

    def update(weight, gradient, state, lr, decay):
        past = getattr(update, "past", []) if bool((state[-1] != 0).any()) else []
        update.past = [*past, gradient]
        p = nn.Parameter(update.first if past else weight)
        update.first = p.detach().clone()
        optimizer = make([p], lr, decay)
        for p.grad in update.past:
            optimizer.step()
        return p.detach(), tuple(torch.ones_like(part) for part in map(torch.as_tensor, state))

    return update


def adamw(params, lr, decay):
    return torch.optim.AdamW(params, lr=lr, betas=(0.9, 0.95), eps=1e-8, weight_decay=decay)


class DecoupledSGD(torch.optim.SGD):
    def __init__(self, params, lr, decay):
        super().__init__(params, lr=lr, momentum=0.9)
        self.shrink = 1 - lr * decay

    def step(self):
        for p in self.param_groups[0]["params"]:
            p.data.mul_(self.shrink)
        super().step()


def cosine_by_cases(step, warmup, total, max_lr, min_lr):
    if step < warmup:
        return max_lr * (step + 1) / warmup
    progress = min(1, (step - warmup) / (total - warmup))
    return max_lr - (max_lr - min_lr) * math.sin(math.pi * progress / 2) ** 2


def trapezoid_by_min(step, warmup, total, max_lr, min_lr):
    left = max(0.0, (total - step) / (0.2 * (total - warmup)))
    return min(max_lr * (step + 1) / warmup, min_lr + (max_lr - min_lr) * min(1, left))


def clip_by_pytorch(gradients, most):
    holders = [nn.Parameter(torch.zeros_like(g)) for g in gradients]
    for holder, gradient in zip(holders, gradients, strict=True):
        holder.grad = gradient
    norm = nn.utils.clip_grad_norm_(holders, most)
    return tuple(holder.grad for holder in holders), norm


@torch.no_grad()
def validation_by_concatenation(model, batches):
    before = model.training
    model.eval()
    costs = [
        F.cross_entropy(model(x).transpose(1, 2), y, reduction="none")[y != IGNORE]
        for x, y in batches
    ]
    model.train(before)
    return torch.cat(costs).mean()


def save_by_clones(run):
    weights = {name: value.clone() for name, value in run.model.state_dict().items()}
    return weights, copy.deepcopy(run.states), run.step, run.dice.get_state()


def load_by_clones(run, saved):
    run.model.load_state_dict(saved[0])
    run.states = {name: tuple(t.clone() for t in state) for name, state in saved[1].items()}
    run.step = saved[2]
    run.dice.set_state(saved[3])


def load_from_whole(run, saved):
    run.__dict__.update(copy.deepcopy(saved.__dict__))


def step_by_pytorch(model, optimizer, inputs, targets, most):
    loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), most)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


def groups_by_dimension(model, decay):
    return [{"params": [p], "weight_decay": decay * (p.dim() > 1)} for p in model.parameters()]


SOLUTIONS = [
    (checks.check_draw_rows, rows_by_permutation),
    (TOKENS, parts_by_slices),
    (ROWS, parts_by_rows),
    (checks.check_adamw_update, by_pytorch(adamw)),
    (checks.check_sgd_update, by_pytorch(DecoupledSGD)),
    (COSINE, cosine_by_cases),
    (TRAPEZOID, trapezoid_by_min),
    (checks.check_clip, clip_by_pytorch),
    (checks.check_validation_loss, validation_by_concatenation),
    (check_resume, (save_by_clones, load_by_clones)),
    (check_resume, (copy.deepcopy, load_from_whole)),
    (checks.check_clipped_step, step_by_pytorch),
    (checks.check_decay_groups, groups_by_dimension),
]
SOLUTIONS += [
    (checks.check_draw_rows, known.draw_rows),
    (checks.check_adamw_update, known.adamw_update),
    (check_resume, (known.save, known.load)),
]


@pytest.mark.parametrize("check, solution", SOLUTIONS)
def test_right_solutions_pass(check, solution):
    for seed in SEEDS:
        passed = check(solution, seed=seed)
    assert re.fullmatch(r"✓ \w+ is correct in all \d+ cases", repr(passed))


@pytest.mark.parametrize(
    "check, solution, name",
    [
        (ROWS, parts_by_slices, "each real target counts alike; here each row"),
        (TOKENS, parts_by_rows, "each row counts alike"),
        (COSINE, trapezoid_by_min, "here it follows half a cosine"),
        (TRAPEZOID, cosine_by_cases, "here it is level"),
    ],
)
def test_a_solution_of_one_choice_is_named_by_the_other(check, solution, name):
    with pytest.raises(CheckFailed, match=name):
        check(solution)


def batch_means_in_training(model, batches):
    model.eval()
    with torch.no_grad():
        means = [F.cross_entropy(model(x).transpose(1, 2), y).item() for x, y in batches]
    model.train()
    return sum(means) / len(means)


def not_written(*arguments):
    raise NotImplementedError


@pytest.mark.parametrize(
    "check, solution, message",
    [
        (checks.check_draw_rows, lambda table, *_: table, "not a pair"),
        (checks.check_draw_rows, lambda *_: None, "is the return missing"),
        (checks.check_draw_rows, lambda table, *_: ([1], [2]), "not of two tensors"),
        (TOKENS, lambda *_: 0.0, "no gradients"),
        (checks.check_adamw_update, lambda weight, *_: weight, "not a pair"),
        (checks.check_clip, lambda gradients, most: gradients[0], "not a pair"),
        (checks.check_validation_loss, lambda *_: None, "is the return missing"),
        (checks.check_validation_loss, batch_means_in_training, "means of the batches"),
        (check_resume, (not_written, not_written), "not written yet"),
        (check_resume, (lambda run: None, lambda *_: None), "is the return missing"),
        (checks.check_clipped_step, lambda *_: None, "is the return missing"),
        (checks.check_decay_groups, lambda model, decay: list(model.parameters()), "not a list of"),
    ],
)
def test_other_mistakes_are_shown(check, solution, message):
    with pytest.raises(CheckFailed, match=message):
        check(solution)
