"""Checks of the Training assignment: the parts of a run that is stopped and goes on.

The learner writes:

- ``draw_rows(table (N, L), batch_size, generator)``: inputs and targets of rows drawn at random;
- ``gradients_in_parts(model, inputs, targets, parts)``: the gradients of a batch whose parts are
  unequal, and its loss;
- ``adamw_update(weight, gradient, state, lr, decay)`` or ``sgd_update``: the new weight and state;
- ``schedule(step, warmup, total, max_lr, min_lr)``: the learning rate, from the first step on;
- ``clip(gradients, most)``: the gradients with one norm of at most ``most``, and the norm before;
- ``validation_loss(model, batches)``: the mean loss, without a trace left behind;
- ``save(run)`` and ``load(run, saved)``: all that a run needs to go on;
- ``clipped_step(model, optimizer, inputs, targets, most)``, ``decay_groups(model, decay)``.
"""

from builtins import enumerate, iter, next, range, tuple  # noqa: UP029  bound now, as in the other checks
from collections.abc import Callable
from functools import partial, update_wrapper
from random import Random

import torch

from llm.checks import training_steps_bugs as known
from llm.checks.base import Passed
from llm.checks.training import check_in_turn
from llm.checks.training_looks import (
    Batch,
    Standing,
    both,
    clipped,
    look_at_clip,
    look_at_gradients,
    look_at_groups,
    look_at_part_losses,
    look_at_resume,
    look_at_rows,
    look_at_traces,
    look_at_updates,
    look_at_validation,
    zeros_of_adamw,
    zeros_of_sgd,
)
from llm.checks.watching import Task, look_at_losses, look_at_number, look_at_weights

IGNORE = -100


def check_draw_rows(draw_rows: Callable, seed: int = 0) -> Passed:
    """Check ``draw_rows(table, 3, generator)``: rows of stories, cut at the longest that came."""
    random, cases = Random(seed), []
    for N, L, B in ((5, 6, 2), (6, 8, 3)):
        tokens = iter(random.sample(range(1, 200), N * L))
        rows = [[next(tokens) for _ in range(L)] for _ in range(N)]
        for i, row in enumerate(rows[:-1]):
            n = 3 + i % (L - 3)
            row[n:] = [IGNORE] * (L - n)
        random.shuffle(rows)
        cases.append((torch.tensor(rows), B))
    return check_in_turn(draw_rows, known.draw_rows, [(look_at_rows, known.ROWS_BUGS, cases)])


def check_gradients_in_parts(gradients: Callable, seed: int = 0, mean: str = "tokens") -> Passed:
    """Check ``gradients_in_parts(model, inputs, targets, parts)``, where ``mean`` counts alike.

    The gradients are those of one batch, however the batch before ended, and the loss is the mean
    over it. With ``mean="tokens"`` each real target counts alike, with ``"rows"`` each row.
    """
    random, cases = Random(seed), []
    for batch_size, parts in ((5, 2), (7, 3)):
        sizes = (batch_size, random.randint(4, 6), random.randint(7, 9))
        cases.append((Batch(*sizes, seed=random.randrange(1000), parts=parts),))
    reference = _named(known.gradients_in_parts, share=known.SHARES[mean])
    bugs = known.parts_bugs(mean)
    looks = [(look, bugs, cases) for look in (look_at_gradients, look_at_part_losses)]
    return check_in_turn(gradients, reference, looks)


def check_adamw_update(update: Callable, seed: int = 0) -> Passed:
    """Check ``update(weight, gradient, (step, m, v), lr, decay)`` in three updates.

    The betas are 0.9 and 0.95 and epsilon is 1e-8; the first state is ``(0, 0, 0)`` in size.
    """
    return _check_update(update, known.adamw_update, known.ADAMW_BUGS, zeros_of_adamw, seed)


def check_sgd_update(update: Callable, seed: int = 0) -> Passed:
    """Check ``update(weight, gradient, (velocity,), lr, decay)`` in three updates, momentum 0.9."""
    return _check_update(update, known.sgd_update, known.SGD_BUGS, zeros_of_sgd, seed)


def check_schedule(schedule: Callable[..., float], seed: int = 0, shape: str = "cosine") -> Passed:
    """Check ``schedule(step, warmup, total, max_lr, min_lr)`` of a ``shape``, step by step.

    It begins at ``max_lr / warmup``; then comes a cosine, or four fifths level and a line down.
    """
    random = Random(seed)
    warmup, total = random.randint(3, 5), random.randint(33, 41)
    settings = (warmup, total, random.randint(6, 9) / 10, random.choice([0.17, 0.21, 0.23]))
    steps = {
        "warmup": range(warmup),
        "down": range(warmup, total),
        "end": (total, total + 1, total + 5),
    }
    looks = [
        (look_at_number, bugs, [(step, *settings) for step in steps[phase]])
        for phase, bugs in known.schedule_bugs(shape).items()
    ]
    return check_in_turn(schedule, _named(known.schedule, shape=known.SHAPES[shape]), looks)


def check_clip(clip: Callable, seed: int = 0) -> Passed:
    """Check ``clip([tensor([3.0]), tensor([4.0])], 1.0)``: 0.6 and 0.8, and the norm 5."""
    random = Random(seed)
    cases = [([[3.0], [4.0]], 1.0), ([[3.0], [4.0]], 10.0)]
    for most in (0.5, 2.0, 50.0):
        sizes = random.sample(range(2, 6), 3)
        gradients = [[random.randint(-30, 30) / 10 + 0.05 for _ in range(n)] for n in sizes]
        cases.append((gradients, most))
    return check_in_turn(clip, known.clip, [(look_at_clip, known.CLIP_BUGS, cases)])


def check_validation_loss(validation_loss: Callable, seed: int = 0) -> Passed:
    """Check ``validation_loss(model, batches)``, on a model in training mode and in evaluation.

    The number comes first, then what is left behind.
    """
    names = ("model in training mode", "model in evaluation mode")
    cases = [(Standing(seed, name), Standing(seed + 1, "batches")) for name in names]
    watched = (look_at_validation, look_at_traces)
    looks = [(look, known.VALIDATION_BUGS, cases) for look in watched]
    return check_in_turn(validation_loss, known.validation_loss, looks)


def check_save_and_load(save: Callable, load: Callable, seed: int = 0) -> Passed:
    """Check ``saved = save(run)`` and ``load(run, saved)``.

    A run has ``.model``, ``.states`` (name to tensors), ``.step`` and ``.dice``, a generator. What
    was saved must stay as it is while the first run, or one that has loaded it, goes on.
    """
    bugs = {sentence: both(*pair) for sentence, pair in known.RESUME_BUGS.items()}
    looks = [(look_at_resume, bugs, [(Standing(seed + i, "run"),) for i in range(2)])]
    return check_in_turn(both(save, load), both(known.save, known.load), looks)


def check_clipped_step(clipped_step: Callable, seed: int = 0) -> Passed:
    """Check ``clipped_step(model, optimizer, inputs, targets, most)`` in three updates."""
    random, tasks = Random(seed), []
    for batch_size in (2, 5):
        sizes = (batch_size, random.choice([3, 4, 5]), random.randint(8, 11))
        tasks.append((Task(*sizes, seed=random.randrange(1000)),))
    looks = [(clipped(look_at_weights), known.CLIPPED_STEP_BUGS, tasks)]
    looks += [(clipped(look_at_losses), {}, tasks)]
    return check_in_turn(clipped_step, known.clipped_step, looks)


def check_decay_groups(decay_groups: Callable, seed: int = 0) -> Passed:
    """Check ``decay_groups(model, 0.1)``: groups for an optimizer; only matrices decay."""
    cases = [(Standing(seed, "model"), 0.25), (Standing(seed, "model"), 0.05)]
    looks = [(look_at_groups, known.GROUPS_BUGS, cases)]
    return check_in_turn(decay_groups, known.decay_groups, looks)


def _named(function: Callable, **changes) -> Callable:
    return update_wrapper(partial(function, **changes), function)


def _check_update(update, reference, bugs, start, seed) -> Passed:
    random, cases = Random(seed), []
    for n, lr, decay, size in ((1, 0.1, 0.5, 1), (3, 0.05, 0.2, 1), (2, 0.04, 0.1, 1e-4)):
        numbers = [[random.randint(5, 30) / 10 for _ in range(n)] for _ in range(4)]
        numbers[2] = [-number / 2 for number in numbers[2]]  # a gradient the other way
        numbers[1:] = [[round(number * size, 8) for number in row] for row in numbers[1:]]
        cases.append((numbers[0], tuple(numbers[1:]), lr, decay))
    return check_in_turn(update, reference, [(partial(look_at_updates, start), bugs, cases)])
