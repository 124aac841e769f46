"""The functions of the embeddings assignment that work on tables of rows, right and wrong.

The right ones are `look_up`, `table_gradient`, `nearest` and `count_places`; the dictionaries below
them hold the bugs: a sentence, and a function that has the bug, which is mostly one changed
argument.
"""

from builtins import (  # noqa: UP029  bound now, so that replacing them later changes nothing
    float,
    len,
    zip,
)
from functools import partial

import torch
from torch import Tensor, nn

_one_hot = nn.functional.one_hot
_arange, _stack, _zeros = torch.arange, torch.stack, torch.zeros


def look_up(token_ids: Tensor, table: Tensor, *, shift: int = 0, finish=lambda x: x) -> Tensor:
    rows = _one_hot((token_ids + shift) % len(table), len(table)).float()  # (B, T) -> (B, T, V)
    return finish(rows @ table)  # (B, T, V) @ (V, C) -> (B, T, C)


LOOK_UP_BUGS = {
    "it is the one-hot rows; multiply them by the table.": lambda token_ids, table: _one_hot(
        token_ids, len(table)
    ).float(),
    "each id picks the row after its own; ids begin at 0.": partial(look_up, shift=1),
    "each id picks the row before its own; ids begin at 0.": partial(look_up, shift=-1),
    "the rows of a text are added up; each position keeps its own.": partial(
        look_up, finish=lambda x: x.sum(1)
    ),
    "batch and positions are joined; keep them apart, (B, T, C).": partial(
        look_up, finish=lambda x: x.flatten(0, 1)
    ),
    "positions come before the batch; give (B, T, C).": partial(
        look_up, finish=lambda x: x.transpose(0, 1)
    ),
    "the features come before the positions; give (B, T, C).": partial(
        look_up, finish=lambda x: x.transpose(1, 2)
    ),
    "only the first text is looked up.": partial(look_up, finish=lambda x: x[0]),
}


def _add_rows(token_ids: Tensor, gradient: Tensor, vocab_size: int) -> Tensor:
    rows = _one_hot(token_ids.flatten(), vocab_size).to(gradient.dtype)  # (B T, V)
    return rows.T @ gradient.flatten(0, 1)  # (V, B T) @ (B T, C) -> (V, C)


def table_gradient(
    token_ids: Tensor,
    gradient: Tensor,
    vocab_size: int,
    *,
    add=_add_rows,
    finish=lambda x, token_ids: x,
) -> Tensor:
    return finish(add(token_ids, gradient, vocab_size), token_ids)


def _last_wins(token_ids: Tensor, gradient: Tensor, vocab_size: int) -> Tensor:
    rows = _zeros(vocab_size, gradient.shape[-1])
    for i, row in zip(token_ids.flatten().tolist(), gradient.flatten(0, 1), strict=True):
        rows[i] = row
    return rows


def _first_wins(token_ids: Tensor, gradient: Tensor, vocab_size: int) -> Tensor:
    return _last_wins(token_ids.flip(0, 1), gradient.flip(0, 1), vocab_size)


def _times(x: Tensor, token_ids: Tensor) -> Tensor:
    return _one_hot(token_ids, len(x)).sum((0, 1)).clamp(min=1)[:, None]  # (V, 1)


GRADIENT_BUGS = {
    "a token that occurs twice keeps only its last gradient; add them up.": partial(
        table_gradient, add=_last_wins
    ),
    "a token that occurs twice keeps only its first gradient; add them up.": partial(
        table_gradient, add=_first_wins
    ),
    "in one text, the last of a token's gradients replaces the others; add them up.": (
        lambda token_ids, gradient, n: _stack(
            [_last_wins(i, g[None], n) for i, g in zip(token_ids, gradient, strict=True)]
        ).sum(0)
    ),
    "the gradients of a token are averaged over its places; add them up.": partial(
        table_gradient, finish=lambda x, token_ids: x / _times(x, token_ids)
    ),
    "it is divided by the number of texts; add over the batch.": partial(
        table_gradient, finish=lambda x, token_ids: x / len(token_ids)
    ),
    "it is divided by the number of all tokens; add over batch and positions.": partial(
        table_gradient, finish=lambda x, token_ids: x / token_ids.numel()
    ),
    "only the first text counts; add over the batch.": lambda token_ids, gradient, n: _add_rows(
        token_ids[:1], gradient[:1], n
    ),
    "each text has a table of its own; add over the batch.": lambda token_ids, gradient, n: _stack(
        [_add_rows(i[None], g[None], n) for i, g in zip(token_ids, gradient, strict=True)]
    ),
    "it is transposed; a token has a row, (V, C).": partial(
        table_gradient, finish=lambda x, token_ids: x.T
    ),
    "the sign is turned; it is the gradient itself, not a step against it.": partial(
        table_gradient, finish=lambda x, token_ids: -x
    ),
    "rows of tokens that are not in the text are left out; they are 0.": partial(
        table_gradient, finish=lambda x, token_ids: x[token_ids.unique()]
    ),
}


def _cosines(table: Tensor, i: int) -> Tensor:
    unit = table / table.norm(dim=-1, keepdim=True)
    return unit @ unit[i]


def nearest(
    token_id: int, table: Tensor, n: int, *, score=_cosines, itself: bool = False, descending=True
) -> list[int]:
    order = score(table, token_id).sort(descending=descending).indices.tolist()
    return [i for i in order if itself or i != token_id][:n]


NEAREST_BUGS = {
    "the bare products are compared, so long rows win; compare cosines.": partial(
        nearest, score=lambda table, i: table @ table[i]
    ),
    "the bare products are compared, and the token itself is there.": partial(
        nearest, score=lambda table, i: table @ table[i], itself=True
    ),
    "the token itself is among its neighbours; leave it out.": partial(nearest, itself=True),
    "the distances are compared; compare cosines.": partial(
        nearest, score=lambda table, i: -(table - table[i]).norm(dim=-1)
    ),
    "those least alike come first; the greatest cosine does.": partial(nearest, descending=False),
    "the sign of the cosine is lost; opposite rows are not alike.": partial(
        nearest, score=lambda table, i: _cosines(table, i).abs()
    ),
    "there is one neighbour too few.": lambda token_id, table, n: nearest(token_id, table, n - 1),
    "there is one neighbour too many.": lambda token_id, table, n: nearest(token_id, table, n + 1),
    "the best is left out as if it were the token; compare the ids.": lambda token_id, table, n: [
        *nearest(token_id, table, n + 1)
    ][1:],
    "the neighbours are listed from the far end; the nearest comes first.": (
        lambda token_id, table, n: nearest(token_id, table, n)[::-1]
    ),
    "it is the cosines; give the ids.": lambda token_id, table, n: [
        float(_cosines(table, token_id)[i]) for i in nearest(token_id, table, n)
    ],
}


def count_places(real: Tensor, *, start: int = 0, least: int = 0) -> Tensor:
    return (real.long().cumsum(1) - 1 + start).clamp(min=least)


PLACES_BUGS = {
    "padding is counted too; the first real token has place 0.": lambda real: _arange(
        real.shape[1]
    ).expand(real.shape),
    "real tokens are counted from 1; the first has place 0.": partial(count_places, start=1),
    "padding gets place -1, which no table has; give it 0.": partial(count_places, least=-1),
    "the count runs down the batch; each text begins at 0.": lambda real: (
        real.long().cumsum(0) - 1
    ).clamp(min=0),
    "the count goes on from text to text; each begins at 0.": lambda real: (
        real.flatten().long().cumsum(0).view(real.shape) - 1
    ).clamp(min=0),
    "the padding is counted, not the real tokens.": lambda real: count_places(~real),
    "the places run backwards; they grow from left to right.": lambda real: count_places(
        real.flip(1)
    ).flip(1),
    "all texts get the places of the first.": lambda real: count_places(real[:1]).expand(
        real.shape
    ),
    "the places are not whole numbers; a table is looked up with integers.": lambda real: (
        count_places(real).float()
    ),
}
