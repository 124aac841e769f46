"""The functions of the Generation exercise, right and wrong in all the ways that we have seen.

The right ones are `write`, `cached_mask` and `rest`; the dictionaries below them hold the bugs: a
sentence, and a function that has the bug, which is mostly one changed argument.
"""

from builtins import len, list, max, min, range  # noqa: UP029  bound now, as elsewhere
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

_arange, _where = torch.arange, torch.where


def _greatest(logits: list[float]) -> int:
    return max(range(len(logits)), key=logits.__getitem__)


def write(
    next_logits: Callable[[list[int]], list[float]],
    ids: list[int],
    n: int,
    limit: int,
    stop: int,
    *,
    choose=_greatest,
    window=lambda ids, limit: ids[-limit:],
    more=0,
    ends=lambda text, token, stop: token == stop,
    keep_stop=True,
    seen=lambda text, ids: text,
    result=lambda text, ids: text,
) -> list[int]:
    text = list(ids)
    for _ in range(n + more):
        token = choose(next_logits(list(window(seen(text, ids), limit))))
        if keep_stop or token != stop:
            text.append(token)
        if ends(text, token, stop):
            break
    return result(text, ids)


WRITE_BUGS = {
    "the least logit is taken; greedy takes the greatest.": partial(
        write, choose=lambda logits: min(range(len(logits)), key=logits.__getitem__)
    ),
    "the model sees the whole text; it can see the last limit tokens.": partial(
        write, window=lambda ids, limit: ids
    ),
    "the window holds the first tokens; it moves with the end of the text.": partial(
        write, window=lambda ids, limit: ids[:limit]
    ),
    "the window is one token too short; it holds limit tokens.": partial(
        write, window=lambda ids, limit: ids[-(limit - 1) :]
    ),
    "the model is shown the newest token alone; without a cache it needs the window.": partial(
        write, window=lambda ids, limit: ids[-1:]
    ),
    "each step asks for the token after the prompt; what is written is not read.": partial(
        write, seen=lambda text, ids: ids
    ),
    "stop is not heeded; the text ends with its first stop token.": partial(
        write, ends=lambda text, token, stop: False
    ),
    "the stop token is left out; it is the last token of the text.": partial(
        write, keep_stop=False
    ),
    "a stop token in the prompt ends the text; only a new one does.": partial(
        write, ends=lambda text, token, stop: stop in text
    ),
    "one token too many is written.": partial(write, more=1),
    "one token too few is written.": partial(write, more=-1),
    "the prompt is missing in the result.": partial(
        write, result=lambda text, ids: text[len(ids) :]
    ),
}


def cached_mask(
    n_new: int,
    n_past: int,
    *,
    first=lambda n_new, n_past: n_past,
    allowed=lambda key, query: key <= query,
    finish=lambda mask, n_past: mask,
) -> Tensor:
    query = _arange(n_new)[:, None] + first(n_new, n_past)
    return finish(allowed(_arange(n_past + n_new), query), n_past)


_mask = partial(partial, cached_mask)

CACHED_MASK_BUGS = {
    "the triangle sits at the upper left, as with is_causal; the queries are the last.": _mask(
        first=lambda n_new, n_past: 0
    ),
    "everything is open; a query may not see the new tokens behind it.": _mask(
        allowed=lambda key, query: key == key + 0 * query
    ),
    "a query does not see itself.": _mask(allowed=lambda key, query: key < query),
    "a query sees one token ahead.": _mask(allowed=lambda key, query: key <= query + 1),
    "the mask is turned round: True is what may be seen.": _mask(
        allowed=lambda key, query: key > query
    ),
    "queries and keys have changed places; the shape is (n_new, n_past + n_new).": _mask(
        finish=lambda mask, n_past: mask.T
    ),
    "the cached keys are missing; the shape is (n_new, n_past + n_new).": _mask(
        finish=lambda mask, n_past: mask[:, n_past:]
    ),
    "the cached keys are hidden; every new query sees all of them.": _mask(
        finish=lambda mask, n_past: mask & (_arange(mask.shape[1]) >= n_past)
    ),
    "the mask is of numbers; True and False are asked for.": _mask(
        finish=lambda mask, n_past: mask.float()
    ),
}


def rest(
    p: Tensor,
    q: Tensor,
    *,
    above=lambda p, q: (p - q).clamp(min=0),
    scale=lambda r: r / r.sum(-1, keepdim=True),
    equal=lambda r, p: _where(r.sum(-1, keepdim=True) > 0, r, p),
) -> Tensor:
    r = above(p, q)
    return equal(_where(r.sum(-1, keepdim=True) != 0, scale(r), r), p)


_rest = partial(partial, rest)

REST_BUGS = {
    "what is below 0 has to become 0 before the sum is taken.": _rest(
        above=lambda p, q: p - q,
        scale=lambda r: r / r.abs().sum(-1, keepdim=True),
        equal=lambda r, p: _where(r.abs().sum(-1, keepdim=True) > 0, r, p),
    ),
    "p and q have changed places; the rest is what p has above q.": _rest(
        above=lambda p, q: (q - p).clamp(min=0)
    ),
    "the difference is taken without its sign; only what p has above q counts.": _rest(
        above=lambda p, q: (p - q).abs()
    ),
    "the rest does not add up to 1; divide by its sum.": _rest(scale=lambda r: r),
    "the rest is p itself; then the draft shines through.": _rest(above=lambda p, q: p),
    "the rest is made of what both have; it is what p has above q.": _rest(
        above=lambda p, q: torch.minimum(p, q)
    ),
    "softmax is no way to scale it; divide by its sum.": _rest(scale=lambda r: r.softmax(-1)),
    "the greatest is scaled to 1; the sum has to be 1.": _rest(
        scale=lambda r: r / r.amax(-1, keepdim=True)
    ),
    "the sum is taken over all rows; each row has its own.": _rest(scale=lambda r: r / r.sum()),
    "where p equals q, 0 is divided by 0; take p there.": _rest(
        equal=lambda r, p: _where(r.sum(-1, keepdim=True) > 0, r, torch.full_like(p, torch.nan))
    ),
    "where p equals q, no word is left; take p there.": _rest(equal=lambda r, p: r),
}
