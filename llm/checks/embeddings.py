"""Checks of the Embeddings exercise: one-hot rows, cosines, tokens with places, sinusoids.

The learner writes:

- ``one_hot(token_ids, vocab_size)``: ``(B, T)`` to ``(B, T, V)``, the rows that pick a row of the
  table when multiplied by it;
- ``cosines(vector, table)``: the cosine of ``vector (C)`` with each row of ``table (V, C)``;
- ``embedding(token_ids, table, positions)``: rows of ``table (V, C)`` times √d_model, plus the
  first T rows of ``positions (T_max, C)``: ``(B, T)`` to ``(B, T, C)``;
- ``sinusoidal(n_positions, d_model)``: the table ``(n_positions, d_model)`` of sines and cosines.
"""

from builtins import callable, isinstance, len, list, tuple  # noqa: UP029  bound now, as elsewhere
from collections.abc import Callable
from functools import wraps
from random import Random

import torch
from torch import Tensor

from llm.checks import embeddings_bugs as known
from llm.checks.base import Catalogue, Passed, check_function, plain, shown
from llm.checks.watching import Seen

_isclose, _float32 = torch.isclose, torch.float32


def check_one_hot(one_hot: Callable[[Tensor, int], Tensor], seed: int = 0) -> Passed:
    """Check ``one_hot(torch.tensor([[2, 0]]), 3)``, which is ``[[[0, 0, 1], [1, 0, 0]]]``."""
    cases = [(draw_ids(sizes, seed + i), sizes[2]) for i, sizes in enumerate(sizes_of(seed))]
    return check_tensors(one_hot, known.one_hot, known.ONE_HOT_BUGS, cases)


def check_cosines(cosines: Callable[[Tensor, Tensor], Tensor], seed: int = 0) -> Passed:
    """Check ``cosines(x, table)``; for ``x = (3, 4)`` and the row ``(4, 3)`` it is 0.96."""
    cases = []
    for i, (_, _, V, C) in enumerate(sizes_of(seed)):
        generator = generator_of(seed + i)
        lengths = 1 + 3 * torch.rand(V, 1, generator=generator)
        table = lengths * torch.randn(V, C, generator=generator)
        cases.append((3 * torch.randn(C, generator=generator), table))
    return check_tensors(cosines, known.cosines, known.COSINE_BUGS, cases)


def check_embedding(
    embedding: Callable[[Tensor, Tensor, Tensor], Tensor], seed: int = 0, scale: bool = True
) -> Passed:
    """Check ``embedding(token_ids, table, positions)`` for sizes that all differ.

    The table of positions is longer than the text, as it is in a model. Without ``scale`` the token
    rows are not multiplied by √d_model.
    """
    cases = []
    for i, sizes in enumerate(sizes_of(seed)):
        _, T, V, C = sizes
        generator = generator_of(seed + i)
        tables = [torch.randn(rows, C, generator=generator) for rows in (V, T + 2)]
        cases.append((draw_ids(sizes, seed + i), *tables))
    if scale:
        return check_tensors(embedding, known.embedding, known.EMBEDDING_BUGS, cases)
    return check_tensors(embedding, known.unscaled, known.UNSCALED_BUGS, cases)


def check_sinusoidal(sinusoidal: Callable[[int, int], Tensor], seed: int = 0) -> Passed:
    """Check ``sinusoidal(2, 4)``, whose rows are 0, 1, 0, 1 and .8415, .5403, .0100, 1.0000."""
    random = Random(seed)
    cases = [(2, 4)] + [(random.randint(3, 9), d_model) for d_model in (6, 8, 14)]
    return check_tensors(sinusoidal, known.sinusoidal, known.SINUSOIDAL_BUGS, cases)


def sizes_of(seed: int) -> list[tuple[int, int, int, int]]:
    """B, T, V and C, four times: all different, so that no two can be confused."""
    random = Random(seed)
    return [(B, *random.sample(range(5, 12), 3)) for B in (2, 3, 4, 2)]


def generator_of(seed: int) -> torch.Generator:
    """A source of random numbers of its own."""
    return torch.Generator().manual_seed(seed)


def draw_ids(sizes: tuple[int, ...], seed: int) -> Tensor:
    """Ids below V, of shape (B, T)."""
    B, T, V, *_ = sizes
    return torch.randint(V, (B, T), generator=generator_of(seed))


def check_tensors(function: Callable, reference: Callable, bugs: Catalogue, cases: list) -> Passed:
    """`check_function` for functions of tensors: it tells the first number that is wrong."""

    def seen(other: Callable) -> Callable:
        return _seen(other, reference)

    known_bugs = {sentence: seen(bug) for sentence, bug in bugs.items()}
    return check_function(seen(function), seen(reference), known_bugs, cases)


def _seen(function: Callable, reference: Callable) -> Callable:
    """A function of the same name that answers with the tensor and where it goes wrong."""
    if not callable(function):
        return function

    @wraps(function)
    def answer(*case):
        right, value = reference(*plain(case)), function(*case)
        if value is None:
            return None
        if not isinstance(value, Tensor):
            return Seen("no tensor", f"{shown(value)}, which is no tensor")
        value = value.detach()
        value = value.to(_float32) if value.is_floating_point() else value
        return Seen(value, _words(value, right))

    return answer


def _words(value: Tensor, right: Tensor) -> str:
    """The shape of ``value``, or the first number in which it differs from ``right``."""
    shape = f"a tensor {tuple(value.shape)}"
    if value.dtype != right.dtype:
        return f"{shape} of {value.dtype}"
    if value.shape != right.shape:
        return shape
    wrong = (~_isclose(value, right, rtol=1e-5, atol=1e-5)).nonzero()
    if not len(wrong):
        return shape
    place = wrong[0].tolist()  # empty where the tensor is one number
    where, at = f" at {shown(place)}" if place else "", tuple(place)
    return f"{shape} with {value[at]:.4f}{where} instead of {right[at]:.4f}"
