"""What the checks of the Training assignment see of a function; see `watching`."""

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
    next,
    range,
    round,
    set,
    sorted,
    tuple,
    zip,
)
from collections.abc import Callable

import torch
from torch import Tensor, nn

from llm.checks.base import same, shown
from llm.checks.watching import Seen, Task, WatchedModel, look_at_number

IGNORE = -100
DRAWS = 60


class Standing(int):
    """A seed, shown as the name of what is made with it."""

    def __new__(cls, seed: int, name: str) -> "Standing":
        self = super().__new__(cls, seed)
        self.name = name
        return self

    def __repr__(self) -> str:
        return self.name


# Rows drawn at random


def look_at_rows(draw_rows: Callable, table: Tensor, batch_size: int) -> Seen | None:
    """Many batches of rows, or the first thing that is wrong with them."""
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
    if all([b - a == 1 for batch in rows for a, b in zip(batch, batch[1:])]):  # noqa: B905
        return Seen("neighbours", "rows that stand one below the other in every batch")
    seen = set([row for batch in rows for row in batch])
    if len(seen) < n_rows:
        never = sorted(set(range(n_rows)) - seen)
        return Seen(never, f"never the rows {never}")
    return None


# Gradients


class Batch(Task):
    """A model and batches for it, without an optimizer."""

    def __repr__(self) -> str:
        return super().__repr__().replace("optimizer, ", "")


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


def look_at_gradients(gradients: Callable, task: Task) -> Seen | None:
    """The gradients that are left after two batches."""
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


def look_at_part_losses(gradients: Callable, task: Task) -> Seen:
    """The losses that were returned for two batches."""
    _, losses = _two_batches(gradients, task)
    numbers = [look_at_number(lambda loss=loss: loss) for loss in losses]
    return Seen([number.fact for number in numbers], f"the losses {numbers[0]} and {numbers[1]}")


# Updates


def zeros_of_adamw(weight: Tensor) -> tuple:
    """The first state of AdamW: no step, no means."""
    return 0, torch.zeros_like(weight), torch.zeros_like(weight)


def zeros_of_sgd(weight: Tensor) -> tuple:
    """The first state of descent with momentum."""
    return (torch.zeros_like(weight),)


def look_at_updates(start, update, weight, gradients, lr, decay) -> Seen | None:
    """The weights after each update along some gradients."""
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


def look_at_clip(clip: Callable, gradients: list, most: float) -> Seen | None:
    """The clipped gradients and the norm."""
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


def look_at_validation(validation_loss: Callable, *seeds: Standing) -> Seen | None:
    """The loss of three batches."""
    return _validated(validation_loss, *seeds)[1]


def look_at_traces(validation_loss: Callable, *seeds: Standing) -> Seen:
    """The state in which the model is left."""
    model, _ = _validated(validation_loss, *seeds)
    mode = "training" if model.training else "evaluation"
    extra = ", and gradients recorded" if model.recorded else ""
    return Seen([model.training, model.recorded], f"the model in {mode} mode afterwards{extra}")


def _validated(validation_loss: Callable, seed: Standing, other: Standing) -> tuple:
    model = _Noisy(torch.Generator().manual_seed(seed)).train("training" in seed.name)
    generator, batches = torch.Generator().manual_seed(other), []
    for rows in (3, 3, 1):
        inputs, targets = torch.randint(6, (2, rows, 4), generator=generator).unbind()
        targets[0, 2:] = IGNORE
        batches.append((inputs, targets))
    return model, look_at_number(validation_loss, model, batches)


# Saving and going on


def both(save: Callable, load: Callable) -> Callable:
    """Two functions as one, which gives them back."""

    def save_and_load():
        return save, load

    return save_and_load


class _Run:
    """A run that changes all it has in place, so that whatever is not copied changes too."""

    def __init__(self, seed: int):
        dice = torch.Generator().manual_seed(seed)
        model = nn.Linear(3, 2)
        states = {}
        for name, p in model.named_parameters():
            p.data = torch.randn(p.shape, generator=dice)
            states[name] = (torch.randn(p.shape, generator=dice),)
        self.model, self.states, self.step, self.dice = model, states, 0, dice

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


def look_at_resume(pair: Callable, seed: int) -> Seen | None:
    """Which moment each part of a run is of after it has loaded what another saved, twice."""
    save, load = pair()
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
    once, twice = (
        [f"{part} {moment}" for part, moment in places.items() if moment != "as saved"]
        for places in found
    )
    words = ", ".join(once) or ", ".join(twice) + " when it is loaded again"
    return Seen(found, words if once or twice else "all four parts as saved, loaded twice")


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


def clipped(look: Callable) -> Callable:
    """``look`` at a step that gets a limit so low that it always matters."""

    def at(step: Callable, task: Task) -> Seen | None:
        return look(lambda *batch: step(*batch, 0.05), task)

    return at


def look_at_groups(decay_groups: Callable, seed: int, decay: float) -> Seen | None:
    """The decay of each parameter; a list, since it may be there not once."""
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
