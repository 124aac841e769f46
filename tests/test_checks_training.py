"""Each catalogued bug gets its name and no other; right solutions pass however they are written."""

import math
import random
import re

import pytest
import torch
from torch.nn import functional as F

from llm import checks, cosine_schedule, cross_entropy
from llm import get_batch as books_get_batch
from llm.checks import CheckFailed
from llm.checks import training_bugs as known

SEEDS = range(10)
CATALOGUES = {
    checks.check_get_batch: [known.BATCH_BUGS],
    checks.check_cosine_schedule: [known.WARMUP_BUGS, known.DECAY_BUGS, known.END_BUGS],
    checks.check_train_step: [known.STEP_BUGS, known.STEP_LOSS_BUGS],
    checks.check_accumulate: [known.PARTS_BUGS, known.PARTS_LOSS_BUGS],
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


def batch_by_indices(data, batch_size, seq_len, generator=None):
    starts = torch.randint(0, len(data) - seq_len, (batch_size, 1), generator=generator)
    places = starts + torch.arange(seq_len)
    return data[places], data[places + 1]


def batch_by_permutation(data, batch_size, seq_len, generator=None):
    windows = data.unfold(0, seq_len + 1, 1)
    chosen = [
        windows[torch.randperm(len(windows), generator=generator)[0]] for _ in range(batch_size)
    ]
    return [torch.stack([w[:-1] for w in chosen]), torch.stack([w[1:] for w in chosen])]


def schedule_by_clamping(step, warmup, total, max_lr, min_lr):
    if step < warmup:
        return torch.tensor(max_lr) * step / warmup
    progress = min(1, (step - warmup) / (total - warmup))
    return max_lr - (max_lr - min_lr) * math.sin(math.pi * progress / 2) ** 2


def step_zero_first(model, optimizer, inputs, targets):
    model.train()
    optimizer.zero_grad()
    logits = model(inputs)
    loss = F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1))
    loss.backward()
    optimizer.step()
    return loss


def step_zero_last(model, optimizer, inputs, targets):
    loss = F.cross_entropy(model(inputs).transpose(1, 2), targets)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)
    return loss.item()


def step_with_the_books_loss(model, optimizer, inputs, targets):
    loss = cross_entropy(model(inputs).log_softmax(-1), targets)
    for parameter in model.parameters():
        parameter.grad = None
    loss.backward()
    optimizer.step()
    return loss.detach()


def parts_by_chunks(model, optimizer, inputs, targets, parts):
    optimizer.zero_grad()
    total = 0.0
    for x, y in zip(inputs.chunk(parts), targets.chunk(parts), strict=True):
        loss = F.cross_entropy(model(x).transpose(1, 2), y) / parts
        loss.backward()
        total += loss.item()
    optimizer.step()
    return total


def parts_by_slices(model, optimizer, inputs, targets, parts):
    size, losses = len(inputs) // parts, []
    for start in range(0, len(inputs), size):
        rows = slice(start, start + size)
        loss = F.cross_entropy(
            model(inputs[rows]).flatten(0, 1), targets[rows].flatten(), reduction="sum"
        )
        (loss / targets.numel()).backward()
        losses.append(loss.detach())
    optimizer.step()
    optimizer.zero_grad()
    return sum(losses) / targets.numel()


SOLUTIONS = [
    (checks.check_get_batch, known.get_batch),
    (checks.check_get_batch, lambda *case, generator: books_get_batch(*case, generator=generator)),
    (checks.check_get_batch, batch_by_indices),
    (checks.check_get_batch, batch_by_permutation),
    (checks.check_cosine_schedule, known.cosine_schedule),
    (checks.check_cosine_schedule, cosine_schedule),
    (checks.check_cosine_schedule, schedule_by_clamping),
    (checks.check_train_step, known.train_step),
    (checks.check_train_step, step_zero_first),
    (checks.check_train_step, step_zero_last),
    (checks.check_train_step, step_with_the_books_loss),
    (checks.check_accumulate, known.accumulate),
    (checks.check_accumulate, parts_by_chunks),
    (checks.check_accumulate, parts_by_slices),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("check, solution", SOLUTIONS)
def test_right_solutions_pass(check, solution):
    for seed in SEEDS:
        passed = check(solution, seed=seed)
    name = check.__name__.removeprefix("check_")
    assert re.fullmatch(rf"✓ {name} is correct in all \d+ cases", repr(passed))


# Bugs written as learners write them


def batch_reads_past_the_end(data, batch_size, seq_len, generator=None):
    starts = torch.randint(len(data), (batch_size, 1), generator=generator)
    places = starts + torch.arange(seq_len)
    return data[places], data[places + 1]  # IndexError


def batch_two_places_on(data, batch_size, seq_len, generator=None):
    starts = torch.randint(len(data) - seq_len, (batch_size,), generator=generator)
    return (
        torch.stack([data[i : i + seq_len] for i in starts]),
        torch.stack([data[i + 2 : i + 2 + seq_len] for i in starts]),  # and past the end
    )


def batch_with_its_own_luck(data, batch_size, seq_len, generator=None):
    starts = [random.randrange(len(data) - seq_len) for _ in range(batch_size)]
    windows = torch.stack([data[i : i + seq_len + 1] for i in starts])
    return windows[:, :-1], windows[:, 1:]


def schedule_without_warmup(step, warmup, total, max_lr, min_lr):
    if step > total:
        return min_lr
    return min_lr + 0.5 * (max_lr - min_lr) * (1 + math.cos(math.pi * step / total))


def schedule_with_a_whole_turn(step, warmup, total, max_lr, min_lr):
    if step < warmup:
        return max_lr * step / warmup
    progress = min(1.0, (step - warmup) / (total - warmup))
    return min_lr + 0.5 * (max_lr - min_lr) * (1 + math.cos(2 * math.pi * progress))


def step_that_forgets_zero(model, optimizer, inputs, targets):
    loss = F.cross_entropy(model(inputs).transpose(1, 2), targets)
    loss.backward()
    optimizer.step()
    return loss.item()


def step_that_shifts_again(model, optimizer, inputs, targets):
    logits = model(inputs[:, :-1])
    loss = F.cross_entropy(logits.flatten(0, 1), targets[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def step_that_views(model, optimizer, inputs, targets):
    logits = model(inputs)
    B, T, V = logits.shape
    optimizer.zero_grad()
    loss = F.cross_entropy(logits.view(B, V, T), targets)
    loss.backward()
    optimizer.step()
    return loss


def parts_each_with_a_step(model, optimizer, inputs, targets, parts):
    for x, y in zip(inputs.chunk(parts), targets.chunk(parts), strict=True):
        step_zero_first(model, optimizer, x, y)
    return 0.0


def parts_zeroed_in_the_loop(model, optimizer, inputs, targets, parts):
    for x, y in zip(inputs.chunk(parts), targets.chunk(parts), strict=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x).transpose(1, 2), y) / parts
        loss.backward()
    optimizer.step()
    return loss


@pytest.mark.parametrize(
    "check, solution, name",
    [
        (checks.check_get_batch, batch_reads_past_the_end, "run past the end"),
        (checks.check_get_batch, batch_two_places_on, "two places after"),
        (checks.check_get_batch, batch_with_its_own_luck, "generator is not used"),
        (checks.check_cosine_schedule, schedule_without_warmup, "there is no warmup"),
        (checks.check_cosine_schedule, schedule_with_a_whole_turn, "the whole cosine"),
        (checks.check_train_step, step_that_forgets_zero, "call optimizer.zero_grad"),
        (checks.check_train_step, step_that_shifts_again, "shifted twice"),
        (checks.check_train_step, step_that_views, "view only cuts anew"),
        (checks.check_accumulate, parts_each_with_a_step, "comes after every part"),
        (checks.check_accumulate, parts_zeroed_in_the_loop, "belongs before the loop"),
    ],
)
def test_learners_bugs_get_their_names(check, solution, name):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match=name):
            check(solution, seed=seed)


def changes_its_input(data, batch_size, seq_len, generator=None):
    data[0] = 0
    return batch_by_indices(data, batch_size, seq_len, generator)


def not_written(*arguments, **keywords):
    raise NotImplementedError


@pytest.mark.parametrize(
    "check, solution, message",
    [
        (checks.check_get_batch, changes_its_input, "changes its argument number 1"),
        (checks.check_get_batch, not_written, "not written yet"),
        (checks.check_get_batch, lambda data, b, t, generator=None: None, "is the return missing"),
        (checks.check_get_batch, lambda data, b, t: data, "raises TypeError: .*'generator'"),
        (checks.check_get_batch, lambda *_, generator: [1, 2, 3], "not a pair"),
        (checks.check_get_batch, lambda *_, generator: ([1], [2]), "a pair of list, not of ten"),
        (
            checks.check_get_batch,
            lambda *case, generator: [x.float() for x in batch_by_indices(*case, generator)],
            "numbers of type torch.float32",
        ),
        (
            checks.check_get_batch,
            lambda data, b, t, generator: batch_by_indices(
                data[torch.randperm(len(data), generator=generator)], b, t, generator
            ),
            "no neighbours in data",
        ),
        (checks.check_cosine_schedule, None, "pass the function itself"),
        (checks.check_cosine_schedule, not_written, "not written yet"),
        (checks.check_cosine_schedule, lambda *_: "0.1", "should be 0, yours is 0.1"),
        (checks.check_cosine_schedule, lambda *_: [0.0], r"yours is \[0.0\], which is not one"),
        (checks.check_cosine_schedule, lambda s, w, *_: s + 7, "(0, .*) should be 0, yours is 7"),
        (checks.check_train_step, not_written, "not written yet"),
        (checks.check_train_step, lambda *_: None, "is the return missing"),
        (checks.check_train_step, lambda *_: 1 / 0, "yours is ZeroDivisionError: division"),
        (checks.check_train_step, lambda *_: 0.0, "0 calls of optimizer.step|step.. is missing"),
        (
            checks.check_train_step,
            lambda *case: 2 * step_zero_first(*case),
            "should be losses .*, yours is losses",
        ),
        (
            checks.check_train_step,
            lambda *case: [step_zero_first(*case)],
            "which is not one number",
        ),
        (checks.check_accumulate, lambda *_: None, "is the return missing"),
        (checks.check_accumulate, lambda *case: 1, r"step\(\) is missing"),
    ],
)
def test_other_mistakes_are_shown(check, solution, message):
    with pytest.raises(CheckFailed, match=message) as caught:
        check(solution)
    assert "Seen" not in str(caught.value)


def test_a_mistake_outside_the_catalogue_shows_the_first_difference():
    def half_a_step(model, optimizer, inputs, targets):
        loss = F.cross_entropy(model(inputs).transpose(1, 2), targets)
        optimizer.zero_grad()
        (loss / 2).backward()
        optimizer.step()
        return loss.item()

    with pytest.raises(CheckFailed, match=r"inputs \(\d, \d\), .* after 3 updates, yours") as found:
        checks.check_train_step(half_a_step)
    assert not named(checks.check_train_step, str(found.value))


def test_checks_leave_the_random_numbers_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    for check, solution in SOLUTIONS:
        check(solution)
    assert torch.equal(torch.rand(3), expected)


def test_replacing_the_loss_fools_nothing(monkeypatch):
    def no_loss(logits, *_, **__):
        return logits.sum() * 0

    monkeypatch.setattr(F, "cross_entropy", no_loss)
    monkeypatch.setattr(torch, "allclose", lambda *_, **__: True)
    with pytest.raises(CheckFailed):
        checks.check_train_step(step_zero_last)
