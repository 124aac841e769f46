"""The functions of the Attention exercises, right and wrong in all the ways that we have seen.

The right ones are `causal_mask`, `attention`, `split_heads`, `merge_heads`, `multi_head`, `rope`
and `attend_newest`; the dictionary below each holds its bugs: a sentence, and a function that has
the bug, which is mostly one changed argument.
"""

from builtins import len  # noqa: UP029  bound now, as in the checks
from collections.abc import Callable
from functools import partial, wraps
from math import inf, sqrt

import torch
from torch import Tensor

_arange, _cat, _dropout, _eye = torch.arange, torch.cat, torch.nn.functional.dropout, torch.eye
_matmul, _ones, _softmax, _stack = torch.matmul, torch.ones, torch.softmax, torch.stack
_zeros = torch.zeros


def causal_mask(T: int, *, draw=lambda ones: ones.tril()) -> Tensor:
    return draw(_ones(T, T, dtype=torch.bool))


_masked = partial(partial, causal_mask)

MASK_BUGS = {
    "the mask is the wrong way round; True means that a key may be seen.": _masked(
        draw=lambda ones: ones.triu(1)
    ),
    "the diagonal is hidden; a token sees itself too.": _masked(draw=lambda ones: ones.tril(-1)),
    "a token sees itself and what comes later; rows are queries, columns are keys.": _masked(
        draw=lambda ones: ones.triu()
    ),
    "each token sees one token too many, the one after it.": _masked(
        draw=lambda ones: ones.tril(1)
    ),
    "every token sees every other; hide what comes later.": _masked(draw=lambda ones: ones),
    "the mask holds numbers; make it boolean, for instance with .bool().": _masked(
        draw=lambda ones: ones.float().tril()
    ),
    "the mask holds whole numbers; make it boolean, for instance with .bool().": _masked(
        draw=lambda ones: ones.long().tril()
    ),
    "this is a mask to add, 0 and -inf; here True means that a key may be seen.": _masked(
        draw=lambda ones: _zeros(ones.shape).masked_fill(ones.triu(1), -inf)
    ),
}


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor,
    *,
    match=lambda q, k: _matmul(q, k.transpose(-2, -1)),
    scale=lambda q, v: 1 / sqrt(q.shape[-1]),
    hide=lambda scores, mask: scores.masked_fill(~mask, -inf),
    share=lambda scores: _softmax(scores, -1),
    mix=lambda weights, k, v, mask: _matmul(weights, v),
) -> Tensor:
    scores = match(q, k) * scale(q, v)
    return mix(share(hide(scores, mask)), k, v, mask)


def _over_all(scores: Tensor) -> Tensor:
    return _softmax(scores.flatten(-2), -1).view(scores.shape)


def _open(scores: Tensor, mask: Tensor) -> Tensor:
    return scores


_changed = partial(partial, attention)

ATTENTION_BUGS = {
    "the scores are not divided by the square root of head_dim.": _changed(scale=lambda q, v: 1),
    "the scores are divided by head_dim; divide by its square root.": _changed(
        scale=lambda q, v: 1 / q.shape[-1]
    ),
    "the scores are multiplied by the square root of head_dim; divide by it.": _changed(
        scale=lambda q, v: sqrt(q.shape[-1])
    ),
    "the scores are divided by the root of the number of tokens; take q.shape[-1].": _changed(
        scale=lambda q, v: 1 / sqrt(q.shape[-2])
    ),
    "the scores are divided by the root of the length of v; take q.shape[-1].": _changed(
        scale=lambda q, v: 1 / sqrt(v.shape[-1])
    ),
    "the weights are divided by the root of head_dim; divide the scores, before softmax.": _changed(
        scale=lambda q, v: 1,
        mix=lambda weights, k, v, mask: _matmul(weights / sqrt(k.shape[-1]), v),
    ),
    "the mask is not used; a hidden score must become -inf.": _changed(hide=_open),
    "the mask is the wrong way round; True means that a key may be seen.": _changed(
        hide=lambda scores, mask: scores.masked_fill(mask, -inf)
    ),
    "the diagonal is hidden; a token sees itself too.": _changed(
        hide=lambda scores, mask: scores.masked_fill(
            ~mask | _eye(len(mask[0]), dtype=torch.bool), -inf
        )
    ),
    "the mask comes after the softmax, so rows add up to less than 1; mask the scores.": _changed(
        hide=_open, mix=lambda weights, k, v, mask: _matmul(weights * mask, v)
    ),
    "hidden scores are set to 0, and softmax makes e^0 = 1 of it; set them to -inf.": _changed(
        hide=lambda scores, mask: scores * mask
    ),
    "the softmax runs over the queries; each query shares 1 among the keys, dim=-1.": _changed(
        share=lambda scores: _softmax(scores, -2)
    ),
    "the softmax runs over axis 0; each query shares 1 among the keys, dim=-1.": _changed(
        share=lambda scores: _softmax(scores, 0)
    ),
    "the softmax runs over all scores at once; each query shares 1 among the keys.": _changed(
        share=_over_all
    ),
    "there is no softmax; the scores themselves are used as weights.": _changed(
        share=lambda scores: scores
    ),
    "queries and keys are swapped; rows of q @ k.transpose(-2, -1) are queries.": _changed(
        match=lambda q, k: _matmul(k, q.transpose(-2, -1))
    ),
    "the queries are compared with themselves; compare them with the keys.": _changed(
        match=lambda q, k: _matmul(q, q.transpose(-2, -1))
    ),
    "the weights mix the keys; they should mix the values.": _changed(
        mix=lambda weights, k, v, mask: _matmul(weights, k)
    ),
    "the weights are turned over before they mix the values; rows are queries.": _changed(
        mix=lambda weights, k, v, mask: _matmul(weights.transpose(-2, -1), v)
    ),
    "it returns the weights; multiply them by v.": _changed(
        mix=lambda weights, k, v, mask: weights
    ),
}


def split_heads(x: Tensor, n_heads: int) -> Tensor:
    return x.unflatten(-1, (n_heads, -1)).transpose(1, 2)  # (B, T, C) -> (B, H, T, D)


SPLIT_BUGS = {
    "view alone cuts the tokens, not the features; view to (B, T, H, D), then transpose.": (
        lambda x, n_heads: x.reshape(len(x), n_heads, x.shape[1], -1)
    ),
    "the heads stand behind the tokens, (B, T, H, D); transpose 1 and 2.": (
        lambda x, n_heads: x.unflatten(-1, (n_heads, -1))
    ),
    "a head gets every n_heads-th feature; it should get neighbours: view to (B, T, H, D).": (
        lambda x, n_heads: x.unflatten(-1, (-1, n_heads)).permute(0, 3, 1, 2)
    ),
    "n_heads and head_dim are exchanged; view to (B, T, H, D).": (
        lambda x, n_heads: x.unflatten(-1, (-1, n_heads)).transpose(1, 2)
    ),
    "the heads stand before the batch, (H, B, T, D); it should be (B, H, T, D).": (
        lambda x, n_heads: x.unflatten(-1, (n_heads, -1)).permute(2, 0, 1, 3)
    ),
    "features and tokens are exchanged, (B, H, D, T); it should be (B, H, T, D).": (
        lambda x, n_heads: x.unflatten(-1, (n_heads, -1)).permute(0, 2, 3, 1)
    ),
    "every head gets all features; each gets its share of head_dim.": (
        lambda x, n_heads: x[:, None].expand(-1, n_heads, -1, -1)
    ),
}


def merge_heads(heads: Tensor) -> Tensor:
    return heads.transpose(1, 2).flatten(2)  # (B, H, T, D) -> (B, T, C)


MERGE_BUGS = {
    "view alone mixes the tokens; transpose 1 and 2 first, then join.": (
        lambda heads: heads.reshape(len(heads), heads.shape[2], -1)
    ),
    "the heads are averaged; they stand side by side, (B, T, H * D).": (
        lambda heads: heads.mean(1)
    ),
    "the heads are added up; they stand side by side, (B, T, H * D).": lambda heads: heads.sum(1),
    "only the first head is left; all stand side by side.": lambda heads: heads[:, 0],
    "the heads are not joined yet, (B, T, H, D); flatten the last two axes.": (
        lambda heads: heads.transpose(1, 2)
    ),
    "the heads are joined along the tokens; they stand side by side, (B, T, H * D).": (
        lambda heads: heads.flatten(1, 2)
    ),
    "the features of the heads alternate; a head's features stay together.": (
        lambda heads: heads.permute(0, 2, 3, 1).flatten(2)
    ),
}


def multi_head(
    x: Tensor,
    w_q: Tensor,
    w_k: Tensor,
    w_v: Tensor,
    w_o: Tensor,
    n_heads: int,
    dropout: float,
    training: bool,
    *,
    split: Callable = split_heads,
    merge: Callable = merge_heads,
    attend: Callable = attention,
    project=lambda x, w: _matmul(x, w),
    last=lambda merged, w_o: _matmul(merged, w_o),
    drop=lambda weights, dropout, training: _dropout(weights, dropout, training),
) -> Tensor:
    q, k, v = [split(project(x, w), n_heads) for w in (w_q, w_k, w_v)]
    heads = attend(
        q,
        k,
        v,
        causal_mask(x.shape[1]),
        mix=lambda weights, k, v, mask: _matmul(drop(weights, dropout, training), v),
    )
    return last(merge(heads), w_o)


_built = partial(partial, multi_head)


def _scaled_by_width(q, k, v, mask, **options):
    return attention(
        q, k, v, mask, scale=lambda q, v: 1 / sqrt(q.shape[1] * q.shape[-1]), **options
    )


MULTI_HEAD_BUGS = {
    "the scores are divided by the root of d_model; a head's product has head_dim terms.": _built(
        attend=_scaled_by_width
    ),
    "the scores are not divided by the square root of head_dim.": _built(
        attend=partial(attention, scale=lambda q, v: 1)
    ),
    "there is no causal mask; a token must not see what comes later.": _built(
        attend=partial(attention, hide=_open)
    ),
    "the heads are cut by view alone; view to (B, T, H, D), then transpose.": _built(
        split=lambda x, n: x.reshape(len(x), n, x.shape[1], -1)
    ),
    "the heads are joined by view alone; transpose 1 and 2 first.": _built(
        merge=lambda heads: heads.reshape(len(heads), heads.shape[2], -1)
    ),
    "the heads are cut and joined by view alone; transpose in both.": _built(
        split=lambda x, n: x.reshape(len(x), n, x.shape[1], -1),
        merge=lambda heads: heads.reshape(len(heads), heads.shape[2], -1),
    ),
    "there is only one head; split q, k and v into n_heads.": _built(
        split=lambda x, n: x[:, None], merge=lambda heads: heads[:, 0]
    ),
    "the last projection is missing; multiply by w_o.": _built(last=lambda merged, w_o: merged),
    "the matrices are transposed; here it is x @ w.": _built(
        project=lambda x, w: _matmul(x, w.T), last=lambda merged, w_o: _matmul(merged, w_o.T)
    ),
    "dropout is at work in evaluation too; hand it training.": _built(
        drop=lambda weights, dropout, training: _dropout(weights, dropout, True)
    ),
    "dropout is never at work; drop weights when training is True.": _built(
        drop=lambda weights, dropout, training: weights
    ),
    "dropout is the wrong way round; it is for training.": _built(
        drop=lambda weights, dropout, training: _dropout(weights, dropout, not training)
    ),
}


def _halves(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.chunk(2, -1)


def _neighbours(x: Tensor) -> tuple[Tensor, Tensor]:
    return x[..., 0::2], x[..., 1::2]


def _woven(first: Tensor, second: Tensor) -> Tensor:
    return _stack([first, second], -1).flatten(-2)


def rope(
    x: Tensor,
    positions: Tensor,
    theta: float,
    *,
    power=lambda D: _arange(0, D, 2) / D,
    place=lambda positions: positions,
    pairs=_halves,
    join=lambda first, second: _cat([first, second], -1),
    turn=lambda a, b, cos, sin: (a * cos - b * sin, a * sin + b * cos),
    frequency=lambda theta, power: theta**-power,
) -> Tensor:
    angles = place(positions)[:, None] * frequency(theta, power(x.shape[-1]))  # (T, D/2)
    return join(*turn(*pairs(x), angles.cos(), angles.sin()))


_turned = partial(partial, rope)

TURN_BUGS = {
    "the frequencies fall too slowly, theta^(-i/D); pair i has theta^(-2i/D).": _turned(
        power=lambda D: _arange(D // 2) / D
    ),
    "the frequencies fall too fast, theta^(-4i/D); pair i has theta^(-2i/D).": _turned(
        power=lambda D: 2 * _arange(0, D, 2) / D
    ),
    "all pairs turn equally fast; pair i has theta^(-2i/D).": _turned(
        frequency=lambda theta, power: theta ** (-0.0 * power)
    ),
    "the frequencies grow, theta^(2i/D); the exponent is negative.": _turned(
        frequency=lambda theta, power: theta**power
    ),
    "theta is not used; 10000 stands in the code.": _turned(
        frequency=lambda theta, power: 10000.0**-power
    ),
    "the sign of the angle is wrong; (a, b) becomes (a cos - b sin, a sin + b cos).": _turned(
        turn=lambda a, b, cos, sin: (a * cos + b * sin, b * cos - a * sin)
    ),
    "the minus is missing; (a, b) becomes (a cos - b sin, a sin + b cos).": _turned(
        turn=lambda a, b, cos, sin: (a * cos + b * sin, a * sin + b * cos)
    ),
    "cos and sin are exchanged; (a, b) becomes (a cos - b sin, a sin + b cos).": _turned(
        turn=lambda a, b, cos, sin: (a * sin - b * cos, a * cos + b * sin)
    ),
    "only the first of each pair is turned; the second becomes a sin + b cos.": _turned(
        turn=lambda a, b, cos, sin: (a * cos - b * sin, b)
    ),
    "the second of a pair is turned with the new first one; keep both old numbers.": _turned(
        turn=lambda a, b, cos, sin: (
            a * cos - b * sin,
            (a * cos - b * sin) * sin + b * cos,
        )
    ),
    "the positions are not used; with a cache they do not begin at 0.": _turned(
        place=lambda positions: _arange(len(positions))
    ),
    "every position is one too large; the first is turned by 0.": _turned(
        place=lambda positions: positions + 1
    ),
}

ROPE_BUGS = {
    "features 2i and 2i + 1 form a pair; in this layout it is i and i + D/2.": _turned(
        pairs=_neighbours, join=_woven
    ),
    "the layouts are mixed: pairs are i and i + D/2, but written to 2i and 2i + 1.": _turned(
        join=_woven
    ),
    "the layouts are mixed: pairs are 2i and 2i + 1, but written to i and i + D/2.": _turned(
        pairs=_neighbours
    ),
    **TURN_BUGS,
}

_INTERLEAVED = {"pairs": _neighbours, "join": _woven}


@wraps(rope)
def rope_interleaved(x: Tensor, positions: Tensor, theta: float) -> Tensor:
    return rope(x, positions, theta, **_INTERLEAVED)


INTERLEAVED_BUGS = {
    "features i and i + D/2 form a pair; in this layout it is 2i and 2i + 1.": rope,
    "the layouts are mixed: pairs are 2i and 2i + 1, but written to i and i + D/2.": partial(
        rope, pairs=_neighbours
    ),
    "the layouts are mixed: pairs are i and i + D/2, but written to 2i and 2i + 1.": partial(
        rope, join=_woven
    ),
    **{sentence: partial(bug, **_INTERLEAVED) for sentence, bug in TURN_BUGS.items()},
}


def attend_newest(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    turn: Callable,
    *,
    last=lambda S: S - 1,
    which: str = "qk",
    before=lambda S: _arange(S),
) -> Tensor:
    S = len(k)
    q = turn(q, _arange(last(S), last(S) + 1)) if "q" in which else q
    k = turn(k, before(S)) if "k" in which else k
    v = turn(v, before(S)) if "v" in which else v
    return attention(q, k, v, _ones(1, S, dtype=torch.bool))


_newest = partial(partial, attend_newest)

NEWEST_BUGS = {
    "the values are turned too; positions belong to q and k alone.": _newest(which="qkv"),
    "the keys are not turned; turn q and k.": _newest(which="q"),
    "the query is not turned; its position is S - 1, not 0.": _newest(which="k"),
    "nothing is turned; turn q and k by their positions.": _newest(which=""),
    "the query is one position too far; the newest of S tokens stands at S - 1.": _newest(
        last=lambda S: S
    ),
    "the keys count backwards; the oldest stands at 0.": _newest(
        before=lambda S: _arange(S - 1, -1, -1)
    ),
}
