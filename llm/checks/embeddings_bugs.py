"""The functions of the Embeddings exercise, right and wrong in all the ways that we have seen.

The right ones are `one_hot`, `cosines`, `embedding` and `sinusoidal`; the dictionaries below them
hold the bugs: a sentence, and a function that has the bug, which is mostly one changed argument.
"""

from functools import partial, wraps
from math import pi, sqrt

import torch
from torch import Tensor, nn

_one_hot = nn.functional.one_hot
_arange, _cat, _stack, _zeros = torch.arange, torch.cat, torch.stack, torch.zeros


def one_hot(
    token_ids: Tensor,
    vocab_size: int,
    *,
    finish=lambda rows: rows.float(),
    shift: int = 0,
) -> Tensor:
    shifted = (token_ids + shift) % vocab_size
    return finish(_one_hot(shifted, vocab_size))  # (B, T) -> (B, T, V)


ONE_HOT_BUGS = {
    "it is transposed; the row of a token is the last axis, (B, T, V).": partial(
        one_hot, finish=lambda rows: rows.float().transpose(1, 2)
    ),
    "it is transposed; positions come before the vocabulary and the batch first.": partial(
        one_hot, finish=lambda rows: rows.float().permute(2, 0, 1)
    ),
    "the numbers are integers; a product with the table needs .float().": partial(
        one_hot, finish=lambda rows: rows
    ),
    "the numbers are booleans; a product with the table needs .float().": partial(
        one_hot, finish=lambda rows: rows.bool()
    ),
    "the 1 stands one place too far; ids begin at 0.": partial(one_hot, shift=1),
    "the 1 stands one place too early; ids begin at 0.": partial(one_hot, shift=-1),
    "0 and 1 are exchanged.": partial(one_hot, finish=lambda rows: 1.0 - rows.float()),
    "the rows of a text are added up; each position keeps its own.": partial(
        one_hot, finish=lambda rows: rows.float().sum(1)
    ),
    "the rows of a text are averaged; each position keeps its own.": partial(
        one_hot, finish=lambda rows: rows.float().mean(1)
    ),
    "batch and positions are joined; keep them apart, (B, T, V).": partial(
        one_hot, finish=lambda rows: rows.float().flatten(0, 1)
    ),
}


def cosines(
    vector: Tensor,
    table: Tensor,
    *,
    top=lambda vector, table: table @ vector,
    own=lambda vector: vector.norm(),
    others=lambda table: table.norm(dim=-1),
    finish=lambda values: values,
) -> Tensor:
    return finish(top(vector, table) / (own(vector) * others(table)))  # (C), (V, C) -> (V)


COSINE_BUGS = {
    "it is the bare product; divide by both lengths.": partial(
        cosines, own=lambda vector: 1.0, others=lambda table: 1.0
    ),
    "it is not divided by the lengths of the table's rows.": partial(
        cosines, others=lambda table: 1.0
    ),
    "it is not divided by the length of the vector.": partial(cosines, own=lambda vector: 1.0),
    "the lengths are not rooted; a length is the root of the sum of squares.": partial(
        cosines,
        own=lambda vector: vector.square().sum(),
        others=lambda table: table.square().sum(-1),
    ),
    "one length stands for the whole table; each row has its own.": partial(
        cosines, others=lambda table: table.norm()
    ),
    "lengths are sums of absolute values; take the root of the sum of squares.": partial(
        cosines,
        own=lambda vector: vector.abs().sum(),
        others=lambda table: table.abs().sum(-1),
    ),
    "the sign is lost; opposite vectors have cosine -1.": partial(
        cosines, finish=lambda values: values.abs()
    ),
    "it is a distance, 1 minus the cosine.": partial(cosines, finish=lambda values: 1 - values),
    "it is the distance between the vectors, not the cosine of their angle.": partial(
        cosines,
        top=lambda vector, table: (table - vector).norm(dim=-1),
        own=lambda vector: 1.0,
        others=lambda table: 1.0,
    ),
    "it is sorted; keep the order of the table.": partial(
        cosines, finish=lambda values: values.sort(descending=True).values
    ),
    "it is the angle, not its cosine.": partial(
        cosines, finish=lambda values: values.clamp(-1, 1).acos()
    ),
}


def embedding(
    token_ids: Tensor,
    table: Tensor,
    positions: Tensor,
    *,
    factor=lambda table: sqrt(table.shape[1]),
    rows=lambda token_ids, positions: positions[: token_ids.shape[1]],
    mix=lambda tokens, places: tokens + places,
) -> Tensor:
    tokens = table[token_ids] * factor(table)  # (B, T) -> (B, T, C)
    return mix(tokens, rows(token_ids, positions))  # + (T, C)


EMBEDDING_BUGS = {
    "the token rows are not multiplied by √d_model.": partial(embedding, factor=lambda table: 1.0),
    "the token rows are divided by √d_model; multiply.": partial(
        embedding, factor=lambda table: 1 / sqrt(table.shape[1])
    ),
    "the token rows are multiplied by d_model; take its root.": partial(
        embedding, factor=lambda table: table.shape[1]
    ),
    "the factor is the root of the vocabulary's size; take that of d_model.": partial(
        embedding, factor=lambda table: sqrt(table.shape[0])
    ),
    "the positions are multiplied by √d_model too; only the token rows are.": partial(
        embedding,
        mix=lambda tokens, places: tokens + places * sqrt(tokens.shape[-1]),
    ),
    "the positions are multiplied by √d_model, in place of the token rows.": partial(
        embedding,
        factor=lambda table: 1.0,
        mix=lambda tokens, places: tokens + places * sqrt(tokens.shape[-1]),
    ),
    "the positions are left out; add their rows.": partial(
        embedding, mix=lambda tokens, places: tokens
    ),
    "the positions replace the tokens; add both rows.": partial(
        embedding, mix=lambda tokens, places: tokens * 0 + places
    ),
    "the rows are put side by side; add them, (B, T, C).": partial(
        embedding,
        mix=lambda tokens, places: _cat([tokens, tokens * 0 + places], dim=-1),
    ),
    "the rows are multiplied; add them.": partial(
        embedding, mix=lambda tokens, places: tokens * places
    ),
    "the positions are subtracted; add them.": partial(
        embedding, mix=lambda tokens, places: tokens - places
    ),
    "positions are counted from 1; the first is 0.": partial(
        embedding, rows=lambda ids, positions: positions[1 : ids.shape[1] + 1]
    ),
    "the last rows of the positions are taken; take the first T.": partial(
        embedding, rows=lambda ids, positions: positions[-ids.shape[1] :]
    ),
    "the positions run backwards; the first token has row 0.": partial(
        embedding, rows=lambda ids, positions: positions[: ids.shape[1]].flip(0)
    ),
    "every token gets row 0 of the positions; each place has its own.": partial(
        embedding, rows=lambda ids, positions: positions[0]
    ),
    "the places are counted down the batch; count along the text.": partial(
        embedding, rows=lambda ids, positions: positions[: ids.shape[0], None]
    ),
    "the count of places goes on from text to text; each begins at 0.": partial(
        embedding,
        rows=lambda ids, positions: positions[
            _arange(ids.numel()).view(ids.shape) % positions.shape[0]
        ],
    ),
    "the row of a position is looked up by the token's id; look it up by its place.": partial(
        embedding, rows=lambda ids, positions: positions[ids % positions.shape[0]]
    ),
    "the texts of the batch are averaged; keep each, (B, T, C).": partial(
        embedding, mix=lambda tokens, places: tokens.mean(0) + places
    ),
    "the answer is (T, B, C); the batch comes first.": partial(
        embedding, mix=lambda tokens, places: (tokens + places).transpose(0, 1)
    ),
}

unscaled = wraps(embedding)(partial(embedding, factor=lambda table: 1.0))
UNSCALED_BUGS = {
    "the token rows are multiplied by √d_model; add them as they are.": embedding,
    "the sum is multiplied by √d_model; add the rows as they are.": partial(
        embedding, mix=lambda tokens, places: tokens + places * sqrt(tokens.shape[-1])
    ),
} | {
    sentence: partial(bug, factor=lambda table: 1.0)
    for sentence, bug in EMBEDDING_BUGS.items()
    if "√" not in sentence and "root" not in sentence
}


def sinusoidal(
    n_positions: int,
    d_model: int,
    *,
    first: int = 0,
    exponent=lambda pairs, d_model: 2 * pairs / d_model,
    turns: float = 1.0,
    join=lambda sines, cosines: _stack([sines, cosines], dim=-1).flatten(1),
    finish=lambda table: table,
    base: float = 10000.0,
) -> Tensor:
    positions = _arange(first, first + n_positions).double()[:, None]  # (T, 1)
    pairs = _arange(d_model // 2).double()  # (C/2)
    angles = positions * turns / base ** exponent(pairs, d_model)  # (T, C/2)
    return finish(join(angles.sin(), angles.cos()).float())  # (T, C)


def _each_its_own(n_positions: int, d_model: int) -> Tensor:
    """A table in which the cosine of a pair turns more slowly than its sine."""
    positions, features = _arange(n_positions).double()[:, None], _arange(d_model).double()
    angles = positions / 10000.0 ** (features / d_model)  # (T, C)
    even = (_arange(d_model) % 2 == 0).double()
    return (angles.sin() * even + angles.cos() * (1 - even)).float()


SINUSOIDAL_BUGS = {
    "sine and cosine are exchanged; even features are sines.": partial(
        sinusoidal, join=lambda sines, cosines: _stack([cosines, sines], dim=-1).flatten(1)
    ),
    "all sines stand before all cosines; pair i is features 2i and 2i + 1.": partial(
        sinusoidal, join=lambda sines, cosines: _cat([sines, cosines], dim=-1)
    ),
    "all cosines stand before all sines; pair i is features 2i and 2i + 1.": partial(
        sinusoidal, join=lambda sines, cosines: _cat([cosines, sines], dim=-1)
    ),
    "the exponent is i / d_model; it is 2i / d_model for pair i.": partial(
        sinusoidal, exponent=lambda pairs, d_model: pairs / d_model
    ),
    "the exponent is 4i / d_model; it is 2i / d_model for pair i.": partial(
        sinusoidal, exponent=lambda pairs, d_model: 4 * pairs / d_model
    ),
    "the exponent grows within a pair; sine and cosine share 2i / d_model.": _each_its_own,
    "pairs are counted from 1; the first has the exponent 0.": partial(
        sinusoidal, exponent=lambda pairs, d_model: 2 * (pairs + 1) / d_model
    ),
    "the exponent reaches 1; divide by d_model, not by d_model - 2.": partial(
        sinusoidal, exponent=lambda pairs, d_model: 2 * pairs / (d_model - 2)
    ),
    "positions are multiplied by the power of 10000; divide.": partial(
        sinusoidal, exponent=lambda pairs, d_model: -2 * pairs / d_model
    ),
    "all pairs turn equally fast; divide by 10000 ** (2i / d_model).": partial(
        sinusoidal, exponent=lambda pairs, d_model: 0 * pairs
    ),
    "positions are counted from 1; the first is 0.": partial(sinusoidal, first=1),
    "the angle has a factor of 2π too much.": partial(sinusoidal, turns=2 * pi),
    "the angles are in degrees; sin and cos take radians.": partial(sinusoidal, turns=pi / 180),
    "the base is 1000; it is 10000.": partial(sinusoidal, base=1000.0),
    "both features of a pair are sines; the second is the cosine.": partial(
        sinusoidal, join=lambda sines, cosines: _stack([sines, sines], dim=-1).flatten(1)
    ),
    "both features of a pair are cosines; the first is the sine.": partial(
        sinusoidal, join=lambda sines, cosines: _stack([cosines, cosines], dim=-1).flatten(1)
    ),
    "there is one feature a pair; it has two, sine and cosine.": partial(
        sinusoidal, join=lambda sines, cosines: sines
    ),
    "the table is (d_model, n_positions); a position is a row.": partial(
        sinusoidal, finish=lambda table: table.T
    ),
    "there is an axis for the batch; the table is (n_positions, d_model).": partial(
        sinusoidal, finish=lambda table: table[None]
    ),
    "the last position is missing.": partial(sinusoidal, finish=lambda table: table[:-1]),
}
