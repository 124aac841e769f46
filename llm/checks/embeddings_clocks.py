"""Checks of the embeddings assignment, on hands that turn with the position, and arrows.

``omega (C/2)`` holds the angle by which each hand of a clock turns from one position to the next.
The learner writes:

- ``frequencies(d_model)``: omega for a base; ``clock(positions, omega)``: ``(…)`` to ``(…, C)``;
- ``shift_matrix(k, omega)``: the ``(C, C)`` that moves a clock on by k positions;
- ``relative_products(distances, omega)``: the products of two clocks;
- ``turn(x, positions, omega)``: rotary positions, ``(…, T, D)`` to the same;
- ``match(query, key, p, s, omega)``: the product of two turned rows of complex numbers.

Where a clock has its pairs, in neighbours (``"interleaved"``) or in ``"halves"``, is a choice.
"""

from builtins import (  # noqa: UP029  bound now, so that replacing them later changes nothing
    enumerate,
    float,
    len,
    range,
)
from collections.abc import Callable
from functools import partial, wraps
from random import Random

import torch
from torch import Tensor

from llm.checks import embeddings_clocks_bugs as known
from llm.checks.base import Passed
from llm.checks.embeddings import check_tensors, generator_of
from llm.checks.predictions import Right, check_prediction

HANDS = (90, 10)  # degrees a position, of the two hands of the prediction


def check_frequencies(
    frequencies: Callable[[int], Tensor], seed: int = 0, base: int = 10000
) -> Passed:
    """Check ``frequencies(4)``, which is 1 and 1/√base."""
    cases = [(4,), (6,), (2 * Random(seed).randint(4, 20),)]
    right = wraps(known.frequencies)(partial(known.frequencies, base=float(base)))
    return check_tensors(frequencies, right, known.frequency_bugs(base), cases)


def check_clock(
    clock: Callable[[Tensor, Tensor], Tensor], seed: int = 0, layout: str = "interleaved"
) -> Passed:
    """Check ``clock(positions, omega)``; position 0 is 0, 1, 0, 1 … or 0, 0 … 1, 1."""
    cases = [(torch.tensor([0, 2]), torch.tensor([1.0, 0.1]))]
    for i in range(3):
        random = Random(seed + i)
        shape = (random.randint(3, 5),) if i < 2 else (2, 3)
        positions = torch.randint(1, 30, shape, generator=generator_of(seed + i))
        cases.append((positions, _omega(random, seed + i)))
    right = wraps(known.clock)(partial(known.clock, join=known.JOINS[layout]))
    return check_tensors(clock, right, known.clock_bugs(layout), cases)


def check_shift_matrix(
    shift_matrix: Callable[[int, Tensor], Tensor], seed: int = 0, layout: str = "interleaved"
) -> Passed:
    """Check ``shift_matrix(k, omega)``, which times the clock at p is the clock at p + k."""
    cases = [(1, torch.tensor([1.0, 0.1]))]
    for i in range(3):
        random = Random(seed + i)
        cases.append((random.randint(2, 9), _omega(random, seed + i)))
    right = wraps(known.shift_matrix)(partial(known.shift_matrix, layout=layout))
    return check_tensors(shift_matrix, right, known.shift_bugs(layout), cases)


def check_most_alike(most_alike: int) -> Right:
    """Check the distance from 1 to 8 at which two clocks of hands of 90° and 10° agree best."""
    omega = torch.tensor(HANDS) * torch.pi / 180
    products = known.relative_products(torch.arange(1, 9), omega)
    order = [1 + i for i in products.argsort().tolist()]
    wrong = {
        "the slow hand agrees, but what does the fast one do after a quarter of a turn?": 1,
        "there they disagree the most; the fast hand points the other way.": order[0],
        "there the fast hand has gone half way round and points the other way.": 2,
        "the fast hand is back, but the slow one has moved on too far.": order[-2],
        "both are back at 36; the question is about 1 to 8.": 36,
        "that is the product; the question is at which distance.": float(products.max()),
    }
    return check_prediction("most_alike", most_alike, order[-1], wrong)


def check_relative_products(
    relative_products: Callable[[Tensor, Tensor], Tensor], seed: int = 0
) -> Passed:
    """Check ``relative_products(distances, omega)``, which is C/2 at distance 0."""
    cases = [(torch.tensor([0, 3, -3]), torch.tensor([1.0, 0.1]))]
    for i in range(3):
        random = Random(seed + i)
        distances = torch.randint(-9, 20, (random.randint(5, 7),), generator=generator_of(seed + i))
        cases.append((distances, _omega(random, seed + i)))
    right, bugs = known.relative_products, known.PRODUCT_BUGS
    return check_tensors(relative_products, right, bugs, cases)


def check_turn(
    turn: Callable[[Tensor, Tensor, Tensor], Tensor], seed: int = 0, layout: str = "interleaved"
) -> Passed:
    """Check ``turn(x, positions, omega)`` with positions from anywhere, in batches too."""
    cases = []
    for i, before in enumerate([(), (2,), (2, 3)]):
        random = Random(seed + i)
        omega, T = _omega(random, seed + i), random.randint(3, 5)
        x = torch.randn(*before, T, 2 * len(omega), generator=generator_of(seed + i))
        cases.append((x, torch.arange(T) + random.randint(2, 9), omega))
    right = wraps(known.turn)(partial(known.turn, layout=layout))
    return check_tensors(turn, right, known.turn_bugs(layout), cases)


def check_match(match: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``match(query, key, p, s, omega)``, the real product of two turned rows."""
    cases = []
    for i in range(4):
        random, generator = Random(seed + i), generator_of(seed + i)
        omega = _omega(random, seed + i)
        q, k = torch.randn(2, len(omega), dtype=torch.complex64, generator=generator)
        p, s = random.sample(range(1, 9), 2)
        cases.append((q, k, p, s, omega))
    return check_tensors(match, known.match, known.MATCH_BUGS, cases)


def _omega(random: Random, seed: int) -> Tensor:
    """Three to five hands of different speed, in no order."""
    return 0.1 + torch.rand(random.choice([3, 4, 5]), generator=generator_of(seed + 50))
