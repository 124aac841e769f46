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

from builtins import (  # noqa: UP029  bound now, as in the other checks
    all,
    any,
    bool,
    dict,
    enumerate,
    float,
    int,
    isinstance,
    len,
    list,
    max,
    range,
    set,
    sorted,
    tuple,
    zip,
)
from collections.abc import Callable
from functools import partial, update_wrapper
from random import Random
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from llm.checks import training_steps_bugs as known
from llm.checks.base import Passed, same, shown
from llm.checks.training import check_in_turn
from llm.checks.watching import (
    Seen,
    Task,
    WatchedModel,
    look_at_losses,
    look_at_number,
    look_at_weights,
)

IGNORE = -100
DRAWS = 60


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
    return check_in_turn(draw_rows, known.draw_rows, [(_look_at_rows, known.ROWS_BUGS, cases)])


def check_gradients_in_parts(gradients: Callable, seed: int = 0, mean: str = "tokens") -> Passed:
    """Check ``gradients_in_parts(model, inputs, targets, parts)``, where ``mean`` counts alike.

    The gradients are those of one batch, however the batch before ended, and the loss is the mean
    over it. With ``mean="tokens"`` each real target counts alike, with ``"rows"`` each row.
    """
    random, cases = Random(seed), []
    for batch_size, parts in ((5, 2), (7, 3)):
        sizes = (batch_size, random.randint(4, 6), random.randint(7, 9))
        cases.append((Task(*sizes, seed=random.randrange(1000), parts=parts),))
    reference = _named(known.gradients_in_parts, share=known.SHARES[mean])
    bugs = known.parts_bugs(mean)
    looks = [(look, bugs, cases) for look in (_look_at_gradients, _look_at_part_losses)]
    return check_in_turn(gradients, reference, looks)


def check_adamw_update(update: Callable, seed: int = 0) -> Passed:
    """Check ``update(weight, gradient, (step, m, v), lr, decay)`` in three updates.

    The betas are 0.9 and 0.95 and epsilon is 1e-8; the first state is ``(0, 0, 0)`` in size.
    """
    return _check_update(update, known.adamw_update, known.ADAMW_BUGS, _zeros_of_adamw, seed)


def check_sgd_update(update: Callable, seed: int = 0) -> Passed:
    """Check ``update(weight, gradient, (velocity,), lr, decay)`` in three updates, momentum 0.9."""
    return _check_update(update, known.sgd_update, known.SGD_BUGS, _zeros_of_sgd, seed)


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
    return check_in_turn(clip, known.clip, [(_look_at_clip, known.CLIP_BUGS, cases)])


def check_validation_loss(validation_loss: Callable, seed: int = 0) -> Passed:
    """Check ``validation_loss(model, batches)``, on a model in training mode and in evaluation."""
    cases = [(seed, True), (seed + 1, False)]
    looks = [(_look_at_validation, known.VALIDATION_BUGS, cases)]
    return check_in_turn(validation_loss, known.validation_loss, looks)


def check_save_and_load(save: Callable, load: Callable, seed: int = 0) -> Passed:
    """Check ``saved = save(run)`` and ``load(run, saved)``.

    A run has ``.model``, ``.states`` (name to tensors), ``.step`` and ``.dice``, a generator. What
    was saved must stay as it is while the first run, or one that has loaded it, goes on.
    """
    bugs = {sentence: _both(*pair) for sentence, pair in known.RESUME_BUGS.items()}
    looks = [(_look_at_resume, bugs, [(seed,), (seed + 1,)])]
    return check_in_turn(_both(save, load), _both(known.save, known.load), looks)


def check_clipped_step(clipped_step: Callable, seed: int = 0) -> Passed:
    """Check ``clipped_step(model, optimizer, inputs, targets, most)`` in three updates."""
    random, tasks = Random(seed), []
    for batch_size in (2, 5):
        sizes = (batch_size, random.choice([3, 4, 5]), random.randint(8, 11))
        tasks.append((Task(*sizes, seed=random.randrange(1000)),))
    looks = [(_clipped(look_at_weights), known.CLIPPED_STEP_BUGS, tasks)]
    looks += [(_clipped(look_at_losses), {}, tasks)]
    return check_in_turn(clipped_step, known.clipped_step, looks)


def check_decay_groups(decay_groups: Callable, seed: int = 0) -> Passed:
    """Check ``decay_groups(model, 0.1)``: groups for an optimizer; only matrices decay."""
    cases = [(seed, 0.25), (seed + 1, 0.05)]
    looks = [(_look_at_groups, known.GROUPS_BUGS, cases)]
    return check_in_turn(decay_groups, known.decay_groups, looks)


def _named(function: Callable, **changes) -> Callable:
    return update_wrapper(partial(function, **changes), function)


# Rows drawn at random


def _look_at_rows(draw_rows: Callable, table: Tensor, batch_size: int) -> Seen | None:
    drawn = _drawn(draw_rows, table, batch_size)
    if drawn[0] is None:
        return None
    for pair in drawn:
        wrong = _wrong_pair(pair, table)
        if wrong:
            return wrong
    rows = [[_row_of(table, int(first)) for first in inputs[:, 0]] for inputs, _ in drawn]
    wrong = _wrong_rows(rows, len(table), batch_size)
    if wrong is None:
        again = _drawn(draw_rows, table, batch_size)
        if not same([list(pair) for pair in drawn], [list(pair) for pair in again]):
            wrong = Seen("generator", "other rows for a generator of the same seed")
    return wrong or Seen("right", "rows of the table, cut at the longest, with the next tokens")


def _drawn(draw_rows: Callable, table: Tensor, batch_size: int) -> list:
    generator = torch.Generator().manual_seed(0)
    return [draw_rows(table.clone(), batch_size, generator) for _ in range(DRAWS)]


def _row_of(table: Tensor, token: int) -> int:
    """The row that holds a token, or -1."""
    found = (table == token).any(-1).nonzero().flatten().tolist()
    return found[0] if found and token != IGNORE else -1


def _wrong_pair(pair, table: Tensor) -> Seen | None:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        return Seen("no pair", f"{shown(pair)}, not a pair (inputs, targets)")
    if not all([isinstance(part, Tensor) and part.dim() == 2 for part in pair]):
        return Seen("no tensors", "a pair that is not of two tensors (B, T)")
    inputs, targets = pair
    rows = [_row_of(table, int(token)) for token in inputs[:, 0]]
    if -1 in rows or any([int(table[r, 0]) != int(x[0]) for r, x in zip(rows, inputs)]):  # noqa: B905
        return Seen("start", "inputs that do not begin with the first token of a row")
    shift = table[rows[0]].tolist().index(int(targets[0, 0]))
    if shift != 1:
        return Seen(shift, f"targets {shift} places after the inputs")
    chosen = table[rows]
    width = int((chosen != IGNORE).sum(-1).max()) - 1
    for name, part in (("inputs", inputs), ("targets", targets)):
        if part.shape[1] != width:
            sign = "more" if part.shape[1] > width else "fewer"
            return Seen((name, sign), f"{name} with {sign} places than the longest row needs")
    return _wrong_places(inputs, targets, chosen[:, : width + 1])


def _wrong_places(inputs: Tensor, targets: Tensor, rows: Tensor) -> Seen | None:
    if bool((inputs < 0).any()):
        return Seen("inputs", "inputs that hold a number below 0")
    real = rows[:, :-1] != IGNORE
    if not same(inputs.long()[real], rows[:, :-1][real]):
        return Seen("other inputs", "inputs that are not the row")
    if not same(targets.long(), rows[:, 1:]):
        wrong = targets[rows[:, 1:] != targets]
        return Seen(
            sorted(set(wrong.tolist()))[:1], f"targets that hold {wrong[0]} at a wrong place"
        )
    return None


def _wrong_rows(rows: list[list[int]], n_rows: int, batch_size: int) -> Seen | None:
    if all([batch == list(range(batch_size)) for batch in rows]):
        return Seen("first", "the first rows in every call")
    if all([batch == rows[0] for batch in rows]):
        return Seen("one batch", "the same batch in every call")
    if all([len(set(batch)) == 1 for batch in rows]):
        return Seen("one row", "the same row throughout a batch")
    seen = set([row for batch in rows for row in batch])
    if len(seen) < n_rows:
        never = sorted(set(range(n_rows)) - seen)
        return Seen(never, f"never the rows {never}")
    return None


# Gradients


def _two_batches(gradients: Callable, task: Task) -> tuple[WatchedModel, list]:
    """The model and the losses after two batches, whose rows are padded unequally."""
    generator = torch.Generator().manual_seed(task.seed)
    model, losses = WatchedModel(task, generator), []
    for _ in range(2):
        size = (2, task.batch_size, task.seq_len)
        inputs, targets = torch.randint(task.vocab_size, size, generator=generator).unbind()
        for i, row in enumerate(targets):
            row[task.seq_len - i % (task.seq_len - 1) :] = IGNORE
        losses.append(gradients(model, inputs, targets, task.parts))
    return model, losses


def _look_at_gradients(gradients: Callable, task: Task) -> Seen | None:
    model, losses = _two_batches(gradients, task)
    if losses[0] is None:
        return None
    most = -(-task.batch_size // task.parts)
    rows = max([rows for rows, _ in model.pieces], default=0)
    if rows > most:
        return Seen(("rows", rows), f"{rows} rows at once, where {most} fit")
    if any([p.grad is None for p in model.parameters()]):
        return Seen("none", "no gradients")
    fact = torch.cat([p.grad.flatten() for p in model.parameters()])
    return Seen(fact, f"gradients with a norm of {float(fact.norm()):.4f}")


def _look_at_part_losses(gradients: Callable, task: Task) -> Seen:
    _, losses = _two_batches(gradients, task)
    numbers = [look_at_number(lambda loss=loss: loss) for loss in losses]
    return Seen([number.fact for number in numbers], f"the losses {numbers[0]} and {numbers[1]}")


# Updates


def _zeros_of_adamw(weight: Tensor) -> tuple:
    return 0, torch.zeros_like(weight), torch.zeros_like(weight)


def _zeros_of_sgd(weight: Tensor) -> tuple:
    return (torch.zeros_like(weight),)


def _check_update(update, reference, bugs, start, seed) -> Passed:
    random, cases = Random(seed), []
    for n, lr, decay in ((1, 0.1, 0.5), (3, 0.05, 0.2)):
        numbers = [[random.randint(5, 30) / 10 for _ in range(n)] for _ in range(4)]
        numbers[2] = [-number / 2 for number in numbers[2]]  # a gradient the other way
        cases.append((numbers[0], tuple(numbers[1:]), lr, decay))
    return check_in_turn(update, reference, [(partial(_look_at_updates, start), bugs, cases)])


def _look_at_updates(start, update, weight, gradients, lr, decay) -> Seen | None:
    weight = torch.tensor(weight)
    state, weights = start(weight), []
    for gradient in gradients:
        answer = update(weight.clone(), torch.tensor(gradient), state, lr, decay)
        if answer is None:
            return None
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            return Seen("no pair", f"{shown(answer)}, not a pair (weight, state)")
        weight, state = answer
        weights.append(weight.clone())
    rounded = [[round(number, 4) for number in w.tolist()] for w in weights]
    return Seen(torch.stack(weights), f"the weights {rounded} after each of the updates")


def _look_at_clip(clip: Callable, gradients: list, most: float) -> Seen | None:
    answer = clip([torch.tensor(gradient) for gradient in gradients], most)
    if answer is None:
        return None
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return Seen("no pair", f"{shown(answer)}, not a pair (gradients, norm)")
    clipped, norm = [gradient.detach() for gradient in answer[0]], float(answer[1])
    rounded = [[round(number, 4) for number in gradient.tolist()] for gradient in clipped]
    return Seen([clipped, torch.tensor(norm)], f"{shown(rounded)} and the norm {norm:.4f}")


# Validation


class _Noisy(nn.Module):
    """``(B, T)`` to ``(B, T, V)``; in training mode the logits are halved, as dropout might."""

    def __init__(self, generator: torch.Generator, vocab_size: int = 6):
        super().__init__()
        self.table = nn.Parameter(torch.randn(vocab_size, vocab_size, generator=generator))
        self.recorded = False

    def forward(self, token_ids: Tensor) -> Tensor:
        self.recorded |= torch.is_grad_enabled()
        return self.table[token_ids] * (0.5 if self.training else 1.0)


def _look_at_validation(validation_loss: Callable, seed: int, training: bool) -> Seen | None:
    generator = torch.Generator().manual_seed(seed)
    model, batches = _Noisy(generator).train(training), []
    for rows in (3, 3, 1):
        inputs, targets = torch.randint(6, (2, rows, 4), generator=generator).unbind()
        targets[0, 2:] = IGNORE
        batches.append((inputs, targets))
    loss = validation_loss(model, batches)
    if loss is None:
        return None
    number = look_at_number(lambda: loss)
    mode = "training" if model.training else "evaluation"
    extra = ", and gradients recorded" if model.recorded else ""
    words = f"{number}, the model in {mode} mode afterwards{extra}"
    return Seen([number.fact, model.training, model.recorded], words)


# Saving and going on


def _both(save: Callable, load: Callable) -> Callable:
    def save_and_load():
        return save, load

    return save_and_load


class _Run(SimpleNamespace):
    """A run that changes all it has in place, so that whatever is not copied changes too."""

    def __init__(self, seed: int):
        dice = torch.Generator().manual_seed(seed)
        model = nn.Linear(3, 2)
        states = {}
        for name, p in model.named_parameters():
            p.data = torch.randn(p.shape, generator=dice)
            states[name] = (torch.randn(p.shape, generator=dice),)
        super().__init__(model=model, states=states, step=0, dice=dice)

    def go(self, steps: int) -> "_Run":
        for _ in range(steps):
            for name, p in self.model.named_parameters():
                self.states[name][0].mul_(0.9).add_(torch.randn(p.shape, generator=self.dice))
                p.data.sub_(0.1 * self.states[name][0])
            self.step += 1
        return self

    def seen(self) -> dict:
        return {
            "the weights": [p.detach().clone() for p in self.model.parameters()],
            "the states": [state[0].clone() for state in self.states.values()],
            "the step": self.step,
            "the generator": self.dice.get_state(),
        }


def _look_at_resume(both: Callable, seed: int) -> Seen | None:
    save, load = both()
    first = _Run(seed).go(3)
    moments = {"as saved": first.seen()}
    saved = save(first)
    if saved is None:
        return None
    moments["of a later moment"] = first.go(2).seen()
    found = []
    for number in (1, 2):
        other = _Run(seed + 10 * number).go(number)
        moments["of the new run"] = other.seen()
        load(other, saved)
        found.append(_places(other.seen(), moments))
        other.go(4)
    words = [f"{part} {moment}" for part, moment in found[0].items() if moment != "as saved"]
    words = words or [f"{part} {moment}, loaded again" for part, moment in found[1].items()]
    return Seen(found, ", ".join(words))


def _places(seen: dict, moments: dict) -> dict:
    """For each part of a run the moment at which it was like that."""
    return {
        part: next(
            (name for name, moment in moments.items() if same(moment[part], value)),
            "of no moment",
        )
        for part, value in seen.items()
    }


# Steps and groups


def _clipped(look: Callable) -> Callable:
    """``look`` at a step that gets a limit so low that it always matters."""

    def at(step: Callable, task: Task) -> Seen | None:
        return look(lambda *batch: step(*batch, 0.05), task)

    return at


def _look_at_groups(decay_groups: Callable, seed: int, decay: float) -> Seen | None:
    model = nn.Sequential(nn.Embedding(5, 4), nn.LayerNorm(4), nn.Linear(4, 3), nn.RMSNorm(3))
    groups = decay_groups(model, decay)
    if groups is None:
        return None
    if not isinstance(groups, tuple | list) or not all([isinstance(g, dict) for g in groups]):
        return Seen("no groups", f"{shown(groups)}, not a list of dictionaries")
    names = {p: name for name, p in model.named_parameters()}
    found = {name: [] for name in names.values()}
    for group in groups:
        for p in group["params"]:
            found[names[p]].append(float(group.get("weight_decay", 0.0)))
    return Seen(found, ", ".join([f"{name} {decays}" for name, decays in found.items()]))
