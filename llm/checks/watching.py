"""What a check sees of functions whose answer is not one value: random batches, changed weights.

Each ``look_at_…`` runs a function and gives back :class:`Seen`: the first thing that is wrong, or
numbers to compare. Two right solutions look the same, however they draw or in which order they
work; so do two solutions with the same bug.
"""

from builtins import (  # noqa: UP029  bound now, so that replacing them later changes nothing
    all,
    any,
    bool,
    enumerate,
    float,
    isinstance,
    len,
    list,
    range,
    set,
    sorted,
    str,
    tuple,
    type,
    zip,
)
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from llm.checks.base import same, shown

DRAWS = 100  # so many that every start comes up
UPDATES = 3
_cross_entropy = nn.functional.cross_entropy


@dataclass(frozen=True, eq=False)
class Seen:
    """A fact about a function, compared closely, and the words for it."""

    fact: Any
    words: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Seen) and same(self.fact, other.fact)

    def __repr__(self) -> str:
        return self.words


def look_at_number(function: Callable, *arguments) -> Seen | None:
    """The number that ``function`` returns, of whatever numeric type."""
    value = function(*arguments)
    return None if value is None else _numbers([value], "")


def _numbers(values: Sequence, before: str) -> Seen:
    values = [value.detach() if isinstance(value, Tensor) else value for value in values]
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError, RuntimeError):
        return Seen("no number", f"{shown(values[0])}, which is not one number")
    words = ", ".join([f"{number:.4g}" for number in numbers])
    return Seen(torch.tensor(numbers), before + words)


# Random batches


def look_at_batches(
    get_batch: Callable, data: Tensor, batch_size: int, seq_len: int
) -> Seen | None:
    """Many batches from ``data``, whose tokens all differ, so that each tells where it was."""
    drawn, errors = _draw(get_batch, data, batch_size, seq_len)
    if not drawn:
        raise errors[0]
    if drawn[0] is None:
        return None
    form = (batch_size, seq_len)
    whole = [pair for pair in drawn if _wrong_form(pair, form) is None]
    if not whole:
        return _wrong_form(drawn[0], form)
    last = len(data) - seq_len - 1
    wrong = _wrong_places(_places(data, whole), last, DRAWS - len(whole))
    if wrong is None:
        again = _draw(get_batch, data, batch_size, seq_len)[0]
        if not same([list(pair) for pair in drawn], [list(pair) for pair in again]):
            wrong = Seen("generator", "other windows for a generator of the same seed")
    return wrong or Seen("right", f"windows from 0 … {last} with targets 1 place after the inputs")


def _draw(get_batch: Callable, data: Tensor, *sizes: int) -> tuple[list, list[Exception]]:
    """What :data:`DRAWS` calls with one generator returned, and the errors of those that failed."""
    generator, drawn, errors = torch.Generator().manual_seed(0), [], []
    for _ in range(DRAWS):
        try:
            drawn.append(get_batch(data, *sizes, generator=generator))
        except Exception as error:
            errors.append(error)
    return drawn, errors


def _wrong_form(pair: Any, form: tuple[int, int]) -> Seen | None:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        return Seen("no pair", f"{shown(pair)}, not a pair (inputs, targets)")
    if not all([isinstance(part, Tensor) for part in pair]):
        return Seen("no tensors", f"a pair of {type(pair[0]).__name__}, not of tensors")
    shapes = [tuple(part.shape) for part in pair]
    if shapes != [form, form]:
        return Seen(shapes, f"inputs of shape {shapes[0]} and targets of shape {shapes[1]}")
    if any([part.dtype != torch.int64 for part in pair]):
        return Seen("type", f"numbers of type {pair[0].dtype} and {pair[1].dtype}")
    return None


def _places(data: Tensor, drawn: list) -> list[list[list[list[int]]]]:
    """Each batch as ``[inputs, targets]``, rows of places in ``data``; -99 for a foreign token."""
    place = {token: i for i, token in enumerate(data.tolist())}
    return [
        [[[place.get(t, -99) for t in row] for row in part.tolist()] for part in pair]
        for pair in drawn
    ]


def _wrong_places(drawn: list, last: int, n_broken: int) -> Seen | None:
    rows = [(x, y) for inputs, targets in drawn for x, y in zip(inputs, targets, strict=True)]
    if any([b - a != 1 for x, _ in rows for a, b in zip(x, x[1:], strict=False)]):
        return Seen("inputs", "inputs that are no neighbours in data")
    shifts = sorted({b - a for x, y in rows for a, b in zip(x, y, strict=True)})
    if shifts != [1]:
        return Seen(shifts, f"targets {_listed(shifts)} places after the inputs")
    if n_broken:
        return Seen("broken", f"an error or short rows in {n_broken} of {DRAWS} calls")
    if all([row == inputs[0] for inputs, _ in drawn for row in inputs]):
        return Seen("one start", "the same window in all rows")
    if all([pair == drawn[0] for pair in drawn]):
        return Seen("one batch", "the same batch in every call")
    starts = sorted(set([x[0] for x, _ in rows]))
    if starts != list(range(last + 1)):
        return Seen(starts, f"windows from {_listed(starts)}")
    return None


def _listed(numbers: list[int]) -> str:
    return ", ".join([str(number) for number in numbers])


# Updates of weights


@dataclass(frozen=True)
class Task:
    """A small model and batches for it; all follow from the sizes and the seed."""

    batch_size: int
    seq_len: int
    vocab_size: int
    seed: int
    parts: int | None = None

    def __repr__(self) -> str:
        shape = (self.batch_size, self.seq_len)
        end = "" if self.parts is None else f", {self.parts}"
        return f"model, optimizer, inputs {shape}, targets {shape}{end}"


class WatchedModel(nn.Module):
    """``(B, T)`` to ``(B, T, V)``, each position alone; notes what it is given to learn from."""

    def __init__(self, task: Task, generator: torch.Generator, width: int = 4):
        super().__init__()
        sizes = {"token": task.vocab_size, "position": task.seq_len, "out": task.vocab_size}
        for name, size in sizes.items():
            values = 0.5 * torch.randn(size, width, generator=generator)
            self.register_parameter(name, nn.Parameter(values))
        self.pieces: list[tuple] = []
        self.modes: list[bool] = []
        self.backwards = 0
        self.out.register_hook(self._count)

    def forward(self, token_ids: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            self.pieces.append(tuple(token_ids.shape))
            self.modes.append(self.training)
        x = self.token[token_ids] + self.position[: token_ids.shape[1]]  # (B, T) -> (B, T, C)
        return x @ self.out.T  # (B, T, C) -> (B, T, V)

    def _count(self, gradient: Tensor) -> None:
        self.backwards += 1


class _Optimizer(torch.optim.SGD):
    """Plain descent that notes for each step whether there were gradients."""

    def __init__(self, model: nn.Module):
        super().__init__(model.parameters(), lr=0.5)
        self.moved: list[bool] = []

    def step(self, closure: Callable | None = None):
        """One step, noted."""
        gradients = [p.grad for group in self.param_groups for p in group["params"]]
        self.moved.append(any([g is not None and bool(g.any()) for g in gradients]))
        return super().step(closure)


def look_at_weights(train: Callable, task: Task) -> Seen | None:
    """The weights after a few updates, or what went wrong on the way."""
    return _look(train, task, lambda model, optimizer, losses, batch: _weights(model, batch))


def look_at_losses(train: Callable, task: Task) -> Seen | None:
    """The losses that ``train`` returned in a few updates."""
    return _look(train, task, lambda model, optimizer, losses, batch: _numbers(losses, "losses "))


def _look(train: Callable, task: Task, result: Callable) -> Seen | None:
    generator = torch.Generator().manual_seed(task.seed)
    model = WatchedModel(task, generator)
    optimizer, losses = _Optimizer(model), []
    parts = () if task.parts is None else (task.parts,)
    for _ in range(UPDATES):
        size = (2, task.batch_size, task.seq_len)
        batch = torch.randint(task.vocab_size, size, generator=generator).unbind()
        try:
            losses.append(train(model, optimizer, *batch, *parts))
        except NotImplementedError:
            raise
        except Exception as error:
            words = f"{type(error).__name__}: {error}"
            return Seen(words, words)
    if losses[0] is None:
        return None
    return _wrong_way(model, optimizer, task) or result(model, optimizer, losses, batch)


def _wrong_way(model: WatchedModel, optimizer: _Optimizer, task: Task) -> Seen | None:
    steps, parts = len(optimizer.moved), task.parts
    if steps != UPDATES:
        return Seen(steps, f"{steps} calls of optimizer.step() in {UPDATES} updates")
    if not model.backwards:
        return Seen("no backward", "an update without a call of backward()")
    if not any(optimizer.moved):
        return Seen("no gradients", "a step with gradients of zero")
    if not all(model.modes):
        return Seen("mode", "a model in evaluation mode")
    pieces = model.pieces[: len(model.pieces) // UPDATES]
    if parts and pieces != [(task.batch_size // parts, task.seq_len)] * parts:
        return Seen(pieces, f"pieces of shape {_listed(pieces)}")
    return None


def _weights(model: WatchedModel, batch: tuple[Tensor, Tensor]) -> Seen:
    with torch.no_grad():
        loss = float(_cross_entropy(model(batch[0]).flatten(0, 1), batch[1].flatten()))
        fact = torch.cat([p.flatten() for p in model.parameters()])
    return Seen(fact, f"weights with a loss of {loss:.5f} after {UPDATES} updates")
