"""Checks of the embeddings assignment, on tables of rows.

The learner writes:

- ``look_up(token_ids, table)`` as a product, ``(B, T)`` to ``(B, T, C)``;
- ``table_gradient(token_ids, gradient, vocab_size)``: ``(V, C)``;
- ``nearest(token_id, table, n)``: the ids of the rows with the greatest cosine;
- ``count_places(real)``: the places of the real tokens of a padded batch, ``(B, T)``.
"""

from builtins import (  # noqa: UP029  bound now, so that replacing them later changes nothing
    enumerate,
    range,
)
from collections.abc import Callable
from random import Random

import torch
from torch import Tensor

from llm.checks import embeddings_tables_bugs as known
from llm.checks.base import Passed, check_function
from llm.checks.embeddings import check_tensors, draw_ids, generator_of, sizes_of


def check_look_up(look_up: Callable[[Tensor, Tensor], Tensor], seed: int = 0) -> Passed:
    """Check ``look_up(token_ids, table)``, the rows of the table, ``(B, T)`` to ``(B, T, C)``."""
    cases = []
    for i, (B, T, V, C) in enumerate(sizes_of(seed)):
        table = torch.randn(V, C, generator=generator_of(seed + i))
        cases.append((draw_ids((B, T, V - 1), seed + i), table))  # the last id is in no text
    return check_tensors(look_up, known.look_up, known.LOOK_UP_BUGS, cases)


def check_table_gradient(
    table_gradient: Callable[[Tensor, Tensor, int], Tensor], seed: int = 0
) -> Passed:
    """Check ``table_gradient(token_ids, gradient, vocab_size)``: ids that repeat are added up."""
    cases = []
    for i, (B, T, V, C) in enumerate(sizes_of(seed)):
        ids = draw_ids((B, T, V - 1), seed + i)
        ids[:, -1] = ids[:, 0]
        ids[1] = ids[1].roll(1)
        cases.append((ids, torch.randn(B, T, C, generator=generator_of(seed + i)), V))
    return check_tensors(table_gradient, known.table_gradient, known.GRADIENT_BUGS, cases)


def check_nearest(nearest: Callable[[int, Tensor, int], list[int]], seed: int = 0) -> Passed:
    """Check ``nearest(token_id, table, n)``; some rows are much longer than others."""
    cases = []
    for i in range(5):
        generator, random = generator_of(seed + i), Random(seed + i)
        lengths = 0.2 + 4 * torch.rand(12, 1, generator=generator)
        table = torch.randn(12, 3, generator=generator)
        table = lengths * table / table.norm(dim=-1, keepdim=True)
        cases.append((random.randrange(12), table, random.randint(3, 5)))
    return check_function(nearest, known.nearest, known.NEAREST_BUGS, cases)


def check_count_places(count_places: Callable[[Tensor], Tensor], seed: int = 0) -> Passed:
    """Check ``count_places(real)``, where ``[False, True, True]`` gives 0, 0, 1."""
    cases = [(torch.tensor([[False, True, True]]),)]
    for i in range(3):
        random = Random(seed + i)
        B, T = random.randint(3, 4), random.randint(6, 8)
        padding = random.sample(range(1, T - 1), B - 1) + [0]
        random.shuffle(padding)
        cases.append((torch.arange(T) >= torch.tensor(padding)[:, None],))
    return check_tensors(count_places, known.count_places, known.PLACES_BUGS, cases)
