"""The functions of the assignment *Build attention*, right and wrong in the ways that we expect.

They are built from those of the chapter's exercises (`attention_bugs`): the dictionaries hold a
sentence and a function with that bug. Where the assignment leaves a choice, there are two of each:
a mask of booleans or one to add, rotary pairs that are half or interleaved.
"""

from builtins import len, max  # noqa: UP029  bound now, as in the checks
from collections.abc import Callable
from functools import partial, wraps
from math import inf, sqrt

import torch
from torch import Tensor

from llm.checks import attention_bugs as known

THETA = 100.0  # the storyteller's
_arange, _exp, _eye, _matmul = torch.arange, torch.exp, torch.eye, torch.matmul
_softmax, _tensor, _zeros = torch.softmax, torch.tensor, torch.zeros


def to_add(mask: Tensor) -> Tensor:
    """A boolean mask as 0 and -inf."""
    return _zeros(mask.shape).masked_fill(~mask, -inf)


def _for_adding(bugs: dict[str, Callable], turned: str, numbers: str) -> dict[str, Callable]:
    """A catalogue of boolean masks as one of masks to add, with what is different there."""
    same = {s: partial(bug, write=to_add) for s, bug in bugs.items() if s not in (turned, numbers)}
    right = next(iter(bugs.values())).func
    return {
        "the mask is the wrong way round; what may be seen gets 0, the rest -inf.": partial(
            bugs[turned], write=to_add
        ),
        "hidden keys have a large number below 0; set them to -inf.": partial(
            right, write=lambda mask: to_add(mask).clamp(min=-1e9)
        ),
        "the mask holds 1 and 0; what may be seen gets 0, the rest -inf.": partial(
            right, write=lambda mask: mask.float()
        ),
        **same,
    }


def past_mask(
    T: int,
    S: int,
    *,
    first=lambda T, S: S - T,
    allowed=lambda key, query: key <= query,
    finish=lambda mask, T: mask,
    write=lambda mask: mask,
) -> Tensor:
    query = _arange(T)[:, None] + first(T, S)
    return write(finish(allowed(_arange(S), query), T))


@wraps(past_mask)
def past_mask_to_add(T: int, S: int) -> Tensor:
    return past_mask(T, S, write=to_add)


_past = partial(partial, past_mask)
_TURNED = "the mask is the wrong way round; True means that a key may be seen."
_NUMBERS = "the mask holds numbers; make it boolean, for instance with .bool()."

PAST_MASK_BUGS = {
    _TURNED: _past(allowed=lambda key, query: key > query),
    _NUMBERS: _past(write=lambda mask: mask.float()),
    "the triangle sits at the upper left; query i stands at place S - T + i.": _past(
        first=lambda T, S: 0
    ),
    "the queries stand one place too early; the last one stands at place S - 1.": _past(
        first=lambda T, S: S - T - 1
    ),
    "a query sees one key too many, the one after it.": _past(
        allowed=lambda key, query: key <= query + 1
    ),
    "every key is open; a query must not see what stands after it.": _past(
        allowed=lambda key, query: key == key + 0 * query
    ),
    "a query sees itself and what comes later; rows are queries, columns are keys.": _past(
        allowed=lambda key, query: key >= query
    ),
    "queries and keys have changed places; the shape is (T, S).": _past(
        finish=lambda mask, T: mask.T
    ),
    "the earlier keys are missing; the shape is (T, S).": _past(
        finish=lambda mask, T: mask[:, -T:]
    ),
    "the earlier keys are hidden; every query sees all that came before it.": _past(
        finish=lambda mask, T: mask & (_arange(len(mask[0])) >= len(mask[0]) - T)
    ),
}
PAST_MASK_TO_ADD_BUGS = _for_adding(PAST_MASK_BUGS, _TURNED, _NUMBERS)


def batch_mask(
    lengths: list[int],
    *,
    real=lambda place, lengths, S: place >= S - lengths,
    join=lambda past, real: past & real[:, None],
    finish=lambda mask: mask[:, None],
    write=lambda mask: mask,
) -> Tensor:
    S = max(lengths)
    is_real = real(_arange(S), _tensor(lengths)[:, None], S)  # (B, S)
    return write(finish(join(past_mask(S, S), is_real)))


@wraps(batch_mask)
def batch_mask_to_add(lengths: list[int]) -> Tensor:
    return batch_mask(lengths, write=to_add)


_batch = partial(partial, batch_mask)

BATCH_MASK_BUGS = {
    _TURNED: _batch(finish=lambda mask: ~mask[:, None]),
    _NUMBERS: _batch(write=lambda mask: mask.float()),
    "the right end is taken for padding; here the padding stands on the left.": _batch(
        real=lambda place, lengths, S: place < lengths
    ),
    "the lengths are taken for the number of padding tokens; that is S - length.": _batch(
        real=lambda place, lengths, S: place >= lengths
    ),
    "one real token is hidden as padding; there are S - length of them.": _batch(
        real=lambda place, lengths, S: place > S - lengths
    ),
    "one token of padding is open; there are S - length of them.": _batch(
        real=lambda place, lengths, S: place >= S - lengths - 1
    ),
    "later tokens may be seen; a key must be real and not after the query.": _batch(
        join=lambda past, real: (past | True) & real[:, None]
    ),
    "later tokens may be seen, and the shape is not (B, 1, S, S).": _batch(
        join=lambda past, real: real[:, None]
    ),
    "padding may be seen; a key must be real and not after the query.": _batch(
        join=lambda past, real: past & (real[:, None] | True)
    ),
    "a key may be real or not after the query; it must be both.": _batch(
        join=lambda past, real: past | real[:, None]
    ),
    "the rows of padding are hidden; hide its columns, rows are queries.": _batch(
        join=lambda past, real: past & real[:, :, None]
    ),
    "a token of padding sees itself; padding is seen by nobody.": _batch(
        join=lambda past, real: past & (real[:, None] | _eye(len(past), dtype=torch.bool))
    ),
    "the axis of the heads is missing; the shape is (B, 1, S, S).": _batch(
        finish=lambda mask: mask
    ),
    "the axis of the heads stands before the batch; the shape is (B, 1, S, S).": _batch(
        finish=lambda mask: mask[None]
    ),
}
BATCH_MASK_TO_ADD_BUGS = _for_adding(BATCH_MASK_BUGS, _TURNED, _NUMBERS)


def softmax_or_nothing(scores: Tensor) -> Tensor:
    blind = (scores == -inf).all(-1, keepdim=True)
    return _softmax(scores.masked_fill(blind, 0.0), -1).masked_fill(blind, 0.0)


def _without_a_shift(scores: Tensor) -> Tensor:
    powers = _exp(scores)
    return powers / powers.sum(-1, keepdim=True).clamp(min=1e-30)


SOFTMAX_BUGS = {
    "a row that sees nothing is not a number; its weights are 0.": lambda scores: _softmax(
        scores, -1
    ),
    "a row that sees nothing looks evenly at what is hidden; its weights are 0.": (
        lambda scores: _softmax(scores.clamp(min=-1e9), -1)
    ),
    "a row that sees nothing has weights of 1; they are 0.": lambda scores: softmax_or_nothing(
        scores
    ).masked_fill((scores == -inf).all(-1, keepdim=True), 1.0),
    "hidden scores count as 0, and e^0 = 1; only a row that sees nothing is special.": (
        lambda scores: _softmax(scores.masked_fill(scores == -inf, 0.0), -1)
    ),
    "the softmax runs over the queries; each query shares 1 among the keys, dim=-1.": (
        lambda scores: _softmax(scores, -2)
    ),
    "all rows are 0 if one sees nothing; look at each row by itself.": (
        lambda scores: softmax_or_nothing(scores) * (not (scores == -inf).all(-1).any())
    ),
    "large scores overflow: take off the largest of a row before the powers.": _without_a_shift,
    "it returns scores; the powers are missing.": lambda scores: scores.masked_fill(
        (scores == -inf).all(-1, keepdim=True), 0.0
    ),
}


def attention_weights(
    q: Tensor,
    k: Tensor,
    mask: Tensor,
    *,
    match=lambda q, k: _matmul(q, k.transpose(-2, -1)),
    scale=lambda q, k: 1 / sqrt(q.shape[-1]),
    hide=lambda scores, mask: scores.masked_fill(~mask, -inf),
    share=softmax_or_nothing,
    finish=lambda weights, q, mask: weights,
) -> Tensor:
    scores = hide(match(q, k) * scale(q, k), mask)
    return finish(share(scores), q, mask)


_ADD = {"hide": lambda scores, mask: scores + mask}


@wraps(attention_weights)
def attention_weights_to_add(q: Tensor, k: Tensor, mask: Tensor) -> Tensor:
    return attention_weights(q, k, mask, **_ADD)


def _open(scores: Tensor, mask: Tensor) -> Tensor:
    return scores


_looked = partial(partial, attention_weights)

_WEIGHT_BUGS = {
    "the scores are not divided by the square root of head_dim.": _looked(scale=lambda q, k: 1),
    "the scores are divided by head_dim; divide by its square root.": _looked(
        scale=lambda q, k: 1 / q.shape[-1]
    ),
    "the scores are multiplied by the square root of head_dim; divide by it.": _looked(
        scale=lambda q, k: sqrt(q.shape[-1])
    ),
    "the scores are divided by the root of the number of queries; take q.shape[-1].": _looked(
        scale=lambda q, k: 1 / sqrt(q.shape[-2])
    ),
    "the scores are divided by the root of the number of keys; take q.shape[-1].": _looked(
        scale=lambda q, k: 1 / sqrt(k.shape[-2])
    ),
    "the weights are divided by the root of head_dim; divide the scores.": _looked(
        scale=lambda q, k: 1, finish=lambda weights, q, mask: weights / sqrt(q.shape[-1])
    ),
    "the softmax runs over the queries; each query shares 1 among the keys, dim=-1.": _looked(
        share=lambda scores: softmax_or_nothing(scores.transpose(-2, -1)).transpose(-2, -1)
    ),
    "a row that sees nothing is not a number; use softmax_or_nothing.": _looked(
        share=lambda scores: _softmax(scores, -1)
    ),
    "a row that sees nothing looks evenly at what is hidden; its weights are 0.": _looked(
        share=lambda scores: _softmax(scores.clamp(min=-1e9), -1)
    ),
    "it returns scores; the softmax is missing.": _looked(share=lambda scores: scores),
    "the weights are turned over; rows are queries, columns are keys.": _looked(
        finish=lambda weights, q, mask: weights.transpose(-2, -1)
    ),
}
ATTENTION_WEIGHTS_BUGS = {
    "the mask is not used; a hidden score must become -inf.": _looked(hide=_open),
    "the mask is the wrong way round; True means that a key may be seen.": _looked(
        hide=lambda scores, mask: scores.masked_fill(mask, -inf)
    ),
    "the mask comes after the softmax, so rows add up to less than 1; mask the scores.": _looked(
        hide=_open, finish=lambda weights, q, mask: weights * mask
    ),
    "hidden scores are set to 0, and softmax makes e^0 = 1 of it; set them to -inf.": _looked(
        hide=lambda scores, mask: scores * mask
    ),
    **_WEIGHT_BUGS,
}
ATTENTION_WEIGHTS_TO_ADD_BUGS = {
    "the mask is not used; add it to the scores.": _looked(hide=_open),
    "the mask is subtracted; add it, so that -inf stays below all others.": _looked(
        hide=lambda scores, mask: scores - mask
    ),
    "the mask is added before the scores are divided; its numbers are added as they are.": _looked(
        scale=lambda q, k: 1,
        hide=lambda scores, mask: scores + mask,
        share=lambda scores: scores,
        finish=lambda scores, q, mask: softmax_or_nothing(scores / sqrt(q.shape[-1])),
    ),
    "only -inf is used; the other numbers of the mask are added too.": _looked(
        hide=lambda scores, mask: scores.masked_fill(mask == -inf, -inf)
    ),
    "the weights of hidden keys are set to 0 after the softmax; mask the scores.": _looked(
        hide=_open, finish=lambda weights, q, mask: weights.masked_fill(mask == -inf, 0.0)
    ),
    **{sentence: partial(bug, **_ADD) for sentence, bug in _WEIGHT_BUGS.items()},
}


def attend_last(
    q: Tensor, k: Tensor, v: Tensor, *, mask: Callable = past_mask, attend=known.attention
) -> Tensor:
    return attend(q, k, v, mask(q.shape[-2], k.shape[-2]))


_last = partial(partial, attend_last)

ATTEND_LAST_BUGS = {
    "the triangle sits at the upper left, so query 0 sees key 0 alone.": _last(
        mask=_past(first=lambda T, S: 0)
    ),
    "nothing is hidden; a query must not see what stands after it.": _last(
        mask=_past(allowed=lambda key, query: key == key + 0 * query)
    ),
    "a query does not see itself.": _last(mask=_past(allowed=lambda key, query: key < query)),
    "a query sees one key too many, the one after it.": _last(
        mask=_past(allowed=lambda key, query: key <= query + 1)
    ),
    "the mask is the wrong way round.": _last(mask=_past(allowed=lambda key, query: key > query)),
    "the keys before the new tokens are hidden.": _last(
        mask=PAST_MASK_BUGS[
            "the earlier keys are hidden; every query sees all that came before it."
        ]
    ),
    "the scores are not divided by the square root of head_dim.": _last(
        attend=partial(known.attention, scale=lambda q, v: 1)
    ),
    "it returns the weights; they still have to mix the values.": _last(
        attend=lambda q, k, v, mask: attention_weights(q, k, mask)
    ),
}


def head_weights(
    x: Tensor,
    w_q: Tensor,
    w_k: Tensor,
    n_heads: int,
    *,
    split: Callable = known.split_heads,
    scale=lambda q, k: 1 / sqrt(q.shape[-1]),
    mask=lambda T: past_mask(T, T),
    share=lambda scores: _softmax(scores, -1),
) -> Tensor:
    q, k = split(_matmul(x, w_q), n_heads), split(_matmul(x, w_k), n_heads)
    return attention_weights(q, k, mask(q.shape[-2]), scale=scale, share=share)


_headed = partial(partial, head_weights)

HEAD_WEIGHTS_BUGS = {
    "the scores are divided by the root of d_model; a head's product has head_dim terms.": _headed(
        scale=lambda q, k: 1 / sqrt(q.shape[1] * q.shape[-1])
    ),
    "the scores are divided by the root of n_heads; a head's product has head_dim terms.": _headed(
        scale=lambda q, k: 1 / sqrt(q.shape[1])
    ),
    "the scores are not divided by the square root of head_dim.": _headed(scale=lambda q, k: 1),
    "the scores are divided by head_dim; divide by its square root.": _headed(
        scale=lambda q, k: 1 / q.shape[-1]
    ),
    "there is no causal mask.": _headed(mask=lambda T: past_mask(T, T) | True),
    "the heads are cut by view alone; view to (B, T, H, D), then transpose.": _headed(
        split=lambda x, n: x.reshape(len(x), n, x.shape[1], -1)
    ),
    "the softmax runs over the heads; each query shares 1 among the keys, dim=-1.": _headed(
        share=lambda scores: _softmax(scores, 1).nan_to_num(0.0)
    ),
    "it returns the scores; the softmax is missing.": _headed(share=lambda scores: scores),
}


def rotary_scores(
    x: Tensor,
    w_q: Tensor,
    w_k: Tensor,
    positions: Tensor,
    turn: Callable,
    *,
    before=lambda x, turn: x,
    query=lambda q, turn: turn(q),
    key=lambda k, turn: turn(k),
    mirror: int = 1,
    scale=lambda D: 1 / sqrt(D),
) -> Tensor:
    turned = partial(turn, positions=positions)
    x = before(x, turned)
    back = partial(turn, positions=mirror * positions)
    q, k = query(_matmul(x, w_q), turned), key(_matmul(x, w_k), back)
    return _matmul(q, k.transpose(-2, -1)) * scale(q.shape[-1])


def _as_it_is(x: Tensor, turn: Callable) -> Tensor:
    return x


_rotary = partial(partial, rotary_scores)

ROTARY_SCORES_BUGS = {
    "x is turned before the projections; turn what they give, q and k.": _rotary(
        before=lambda x, turn: turn(x), query=_as_it_is, key=_as_it_is
    ),
    "x is turned, and q and k once more; turn q and k alone.": _rotary(
        before=lambda x, turn: turn(x)
    ),
    "only the queries are turned; turn the keys too.": _rotary(key=_as_it_is),
    "only the keys are turned; turn the queries too.": _rotary(query=_as_it_is),
    "nothing is turned; turn q and k.": _rotary(query=_as_it_is, key=_as_it_is),
    "q and k are turned in opposite ways; the same turn belongs to the same place.": _rotary(
        mirror=-1
    ),
    "the scores are not divided by the square root of head_dim.": _rotary(scale=lambda D: 1),
}


def self_attention(
    x: Tensor,
    layer,
    positions: Tensor,
    mask: Tensor,
    *,
    split: Callable = known.split_heads,
    merge: Callable = known.merge_heads,
    turn: Callable = known.rope,
    which: str = "qk",
    where=lambda positions: positions,
    look: Callable = attention_weights,
    last=lambda merged, layer: layer.out_proj(merged),
) -> Tensor:
    parts = {"q": layer.q_proj(x), "k": layer.k_proj(x), "v": layer.v_proj(x)}
    heads = {name: split(part, layer.n_heads) for name, part in parts.items()}
    for name in which:
        heads[name] = turn(heads[name], where(positions), THETA)
    weights = look(heads["q"], heads["k"], mask)
    return last(merge(_matmul(weights, heads["v"])), layer)


def _early(x: Tensor, layer, positions: Tensor, mask: Tensor, *, turn=known.rope, look) -> Tensor:
    """Turned as rows of d_model numbers, before they are cut into heads."""
    cut = partial(known.split_heads, n_heads=layer.n_heads)
    q, k = turn(layer.q_proj(x), positions, THETA), turn(layer.k_proj(x), positions, THETA)
    weights = look(cut(q), cut(k), mask)
    return layer.out_proj(known.merge_heads(_matmul(weights, cut(layer.v_proj(x)))))


def _too_early(x: Tensor, layer, positions: Tensor, mask: Tensor, *, turn, look) -> Tensor:
    """Turned before the projections, as rows of d_model numbers."""
    cut, turned = partial(known.split_heads, n_heads=layer.n_heads), turn(x, positions, THETA)
    weights = look(cut(layer.q_proj(turned)), cut(layer.k_proj(turned)), mask)
    return layer.out_proj(known.merge_heads(_matmul(weights, cut(layer.v_proj(x)))))


def _by_view(x: Tensor, n_heads: int) -> Tensor:
    return x.reshape(len(x), n_heads, x.shape[1], -1)


def _joined_by_view(heads: Tensor) -> Tensor:
    return heads.reshape(len(heads), heads.shape[2], -1)


def self_attention_bugs(layout: str = "half", additive: bool = False) -> dict[str, Callable]:
    """The catalogue for one layout of the rotary pairs and one kind of mask."""
    turn = _turn(layout)
    look = attention_weights_to_add if additive else attention_weights
    weights = partial(attention_weights, **(_ADD if additive else {}))
    part = partial(partial, self_attention, turn=turn, look=look)
    return {
        "nothing is turned; turn q and k by their positions.": part(which=""),
        "the values are turned too; positions belong to q and k alone.": part(which="qkv"),
        "the keys are not turned; turn q and k.": part(which="q"),
        "the queries are not turned; turn q and k.": part(which="k"),
        "the positions are not used; they need not count 0, 1, 2.": part(
            where=lambda positions: _arange(len(positions))
        ),
        "q and k are turned before they are split; each head turns its own pairs.": partial(
            _early, turn=turn, look=look
        ),
        "x is turned before the projections; turn q and k.": partial(
            _too_early, turn=turn, look=look
        ),
        "the mask is not used.": part(look=partial(weights, hide=_open)),
        "the mask is a causal one made here; take the one given, which may hide more.": part(
            look=lambda q, k, mask: attention_weights(q, k, past_mask(*[mask.shape[-1]] * 2))
        ),
        "the scores are divided by the root of d_model; a head's product has head_dim terms.": part(
            look=partial(weights, scale=lambda q, k: 1 / sqrt(q.shape[1] * q.shape[-1]))
        ),
        "the scores are not divided by the square root of head_dim.": part(
            look=partial(weights, scale=lambda q, k: 1)
        ),
        "a row that sees nothing is not a number; use softmax_or_nothing.": part(
            look=partial(weights, share=lambda scores: _softmax(scores, -1))
        ),
        "the heads are cut by view alone; use split_heads.": part(split=_by_view),
        "the heads are joined by view alone; use merge_heads.": part(merge=_joined_by_view),
        "the heads are cut and joined by view alone; use split_heads and merge_heads.": part(
            split=_by_view, merge=_joined_by_view
        ),
        "out_proj is missing at the end.": part(last=lambda merged, layer: merged),
    }


def right_self_attention(layout: str = "half", additive: bool = False) -> Callable:
    """The function without a bug, for one layout of the pairs and one kind of mask."""
    look = attention_weights_to_add if additive else attention_weights
    return wraps(self_attention)(partial(self_attention, turn=_turn(layout), look=look))


def _turn(layout: str) -> Callable:
    return known.rope if layout == "half" else known.rope_interleaved
