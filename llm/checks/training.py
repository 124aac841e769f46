"""Checks of the Training exercise: batches, the learning rate, one update, one update in parts.

The learner writes:

- ``get_batch(data, batch_size, seq_len, generator=None)``: random windows of a row of token ids,
  ``(inputs, targets)``, each ``(B, T)``, targets one place on;
- ``cosine_schedule(step, warmup, total, max_lr, min_lr)``: the learning rate at a step;
- ``train_step(model, optimizer, inputs, targets)``: one update on one batch, for a model in
  training mode; returns the mean loss before the update;
- ``accumulate(model, optimizer, inputs, targets, parts)``: the same update from a batch that is
  worked on in ``parts`` equal pieces.
"""

from builtins import callable, range  # noqa: UP029  bound now, as in the other checks
from collections.abc import Callable, Sequence
from functools import wraps
from random import Random

import torch
from torch import Tensor

from llm.checks import training_bugs as known
from llm.checks.base import Catalogue, Passed, check_function
from llm.checks.watching import (
    Task,
    look_at_batches,
    look_at_losses,
    look_at_number,
    look_at_weights,
)

Look = tuple[Callable, Catalogue, Sequence[tuple]]  # how to look, known bugs, cases


def check_get_batch(get_batch: Callable[..., tuple[Tensor, Tensor]], seed: int = 0) -> Passed:
    """Check ``get_batch(data, 2, 4, generator=g)``: two rows of four ids, and the ids after each.

    However the starts are drawn with ``g``, each from 0 to ``len(data) - 5`` must come up.
    """
    random, cases = Random(seed), []
    for _ in range(4):
        batch_size, seq_len = random.sample(range(2, 5), 2)
        length = seq_len + random.randint(4, 6)
        cases.append((torch.tensor(random.sample(range(100), length)), batch_size, seq_len))
    return check_in_turn(get_batch, known.get_batch, [(look_at_batches, known.BATCH_BUGS, cases)])


def check_cosine_schedule(schedule: Callable[..., float], seed: int = 0) -> Passed:
    """Check ``cosine_schedule(5, 10, 110, 1.0, 0.1)``, which is 0.5; at 60 it is 0.55.

    It rises in a line up to ``warmup``, falls along half a cosine up to ``total`` and stays there.
    """
    random = Random(seed)
    warmup, total = random.randint(4, 7), random.randint(16, 20)
    settings = (warmup, total, random.randint(6, 9) / 10, random.choice([0.07, 0.11, 0.13]))
    phases = {
        range(warmup): known.WARMUP_BUGS,
        range(warmup, total): known.DECAY_BUGS,
        (total, total + 1, total + 5): known.END_BUGS,
    }
    looks = [
        (look_at_number, bugs, [(step, *settings) for step in steps])
        for steps, bugs in phases.items()
    ]
    looks[1][2].append((0, 0, *settings[1:]))  # no warmup at all
    return check_in_turn(schedule, known.cosine_schedule, looks)


def check_train_step(train_step: Callable[..., float | Tensor], seed: int = 0) -> Passed:
    """Check ``train_step(model, optimizer, inputs, targets)`` in three updates, one after another.

    The model gives logits ``(B, T, V)`` and is in training mode. First the weights are compared,
    then the losses that were returned.
    """
    looks = [
        (look_at_weights, known.STEP_BUGS, _tasks(seed)),
        (look_at_losses, known.STEP_LOSS_BUGS, _tasks(seed)),
    ]
    return check_in_turn(train_step, known.train_step, looks)


def check_accumulate(accumulate: Callable[..., float | Tensor], seed: int = 0) -> Passed:
    """Check ``accumulate(model, optimizer, inputs, targets, parts)`` like ``train_step``.

    The rows of the batch can be divided by ``parts``. Weights and loss must be those of one update
    on the whole batch, and the model must never see more than one part at a time.
    """
    tasks = _tasks(seed, parts=(2, 3))
    looks = [
        (look_at_weights, known.PARTS_BUGS, tasks),
        (look_at_losses, known.PARTS_LOSS_BUGS, tasks),
    ]
    return check_in_turn(accumulate, known.accumulate, looks)


def _tasks(seed: int, parts: Sequence[int | None] = (None, None)) -> list[tuple[Task]]:
    """Small tasks of sizes that all differ; rows are a multiple of the parts, not their square."""
    random, tasks = Random(seed), []
    for number in parts:
        seq_len = random.choice([3, 4, 5])
        batch_size = random.choice([6, 12]) if number else random.choice([2, 6, 7])
        sizes = (batch_size, seq_len, random.randint(8, 11))
        tasks.append((Task(*sizes, seed=random.randrange(1000), parts=number),))
    return tasks


def check_in_turn(function: Callable, reference: Callable, looks: Sequence[Look]) -> Passed:
    """Check one thing after the other, so that each bug is named apart from what it leads to."""
    cases = 0
    for look, bugs, arguments in looks:
        seen = {sentence: _seen(bug, look) for sentence, bug in bugs.items()}
        passed = check_function(_seen(function, look), _seen(reference, look), seen, arguments)
        cases += passed.cases
    return Passed(reference.__name__, cases)


def _seen(function: Callable, look: Callable) -> Callable:
    """A function of the same name that answers with what ``look`` sees of ``function``."""
    if not callable(function):
        return function

    @wraps(function)
    def answer(*case):
        return look(function, *case)

    return answer
