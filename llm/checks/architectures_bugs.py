"""The functions of the exercise on three families, right and wrong in the ways that we have seen.

The right ones are `hide`, `cross_attention` and `prefix_mask`; the dictionaries below them hold the
bugs: a sentence, and a function that has the bug, which is mostly one changed argument.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

_ones, _where, _full_like, _arange = torch.ones, torch.where, torch.full_like, torch.arange
_softmax, _causal = torch.softmax, torch.tril
_Function = Callable[[Tensor], Tensor]


def hide(
    token_ids: Tensor,
    chosen: Tensor,
    fate: Tensor,
    strangers: Tensor,
    mask_id: int,
    *,
    masked=0.8,
    strange=0.9,
    cover=lambda chosen: chosen,
    change=lambda new, old, strangers: strangers,
    target=lambda ids, hidden, chosen: _where(chosen, ids, _full_like(ids, -100)),
) -> tuple[Tensor, Tensor]:
    other = change(token_ids, token_ids, strangers)
    new = _where(fate < masked, _full_like(token_ids, mask_id), token_ids)
    new = _where((fate >= masked) & (fate < strange), other, new)
    inputs = _where(cover(chosen), new, token_ids)
    return inputs, target(token_ids, inputs, chosen)


_hide = partial(partial, hide)


def _swapped(token_ids, chosen, fate, strangers, mask_id):
    inputs, targets = hide(token_ids, chosen, fate, strangers, mask_id)
    return targets, inputs


def _shifted(ids: Tensor, hidden: Tensor, chosen: Tensor) -> Tensor:
    return _where(chosen, ids, _full_like(ids, -100)).roll(-1, -1)


HIDE_BUGS = {
    "targets and inputs have changed places; return the inputs first.": _swapped,
    "the targets hold every token; where none was chosen they are -100.": _hide(
        target=lambda ids, hidden, chosen: ids
    ),
    "the targets are taken after the covering; keep the tokens that stood there.": _hide(
        target=lambda ids, hidden, chosen: _where(chosen, hidden, _full_like(ids, -100))
    ),
    "the targets are moved on by one; an encoder answers in place.": _hide(target=_shifted),
    "the targets are filled up with 0, which is a token; use -100.": _hide(
        target=lambda ids, hidden, chosen: _where(chosen, ids, _full_like(ids, 0))
    ),
    "targets stand where nothing was chosen, and -100 where something was.": _hide(
        target=lambda ids, hidden, chosen: _where(chosen, _full_like(ids, -100), ids)
    ),
    "only changed tokens are targets; a chosen token that stays is asked for, too.": _hide(
        target=lambda ids, hidden, chosen: _where(
            chosen & (hidden != ids), ids, _full_like(ids, -100)
        )
    ),
    "every chosen token is masked; a tenth becomes a stranger and a tenth stays.": _hide(masked=2),
    "no chosen token stays; fate from 0.9 on leaves it as it is.": _hide(strange=2),
    "no chosen token becomes a stranger; fate from 0.8 to 0.9 does that.": _hide(strange=0),
    "tokens that were not chosen are covered, too.": _hide(
        cover=lambda chosen: _full_like(chosen, True)
    ),
    "what was chosen stays and the rest is covered.": _hide(cover=lambda chosen: ~chosen),
}


def cross_attention(
    x: Tensor,
    context: Tensor,
    q_proj: _Function,
    k_proj: _Function,
    v_proj: _Function,
    out_proj: _Function,
    *,
    sources=lambda x, context: (x, context, context),
    scale=lambda D: D**-0.5,
    mask=lambda scores: scores,
    dim=-1,
    finish=lambda out_proj, out: out_proj(out),
) -> Tensor:
    for_q, for_k, for_v = sources(x, context)
    q, k, v = q_proj(for_q), k_proj(for_k), v_proj(for_v)
    scores = mask(q @ k.transpose(-2, -1) * scale(q.shape[-1]))
    return finish(out_proj, _softmax(scores, dim) @ v)


def _triangle(scores: Tensor) -> Tensor:
    allowed = _causal(_ones(scores.shape[-2:])) > 0
    return _where(allowed, scores, _full_like(scores, -float("inf")))


def _swapped_maps(x, context, q_proj, k_proj, v_proj, out_proj):
    return cross_attention(x, context, k_proj, q_proj, v_proj, out_proj)


_cross = partial(partial, cross_attention)

CROSS_ATTENTION_BUGS = {
    "x and context have changed places; the queries come from x.": _cross(
        sources=lambda x, context: (context, x, x)
    ),
    "this is self-attention of x; keys and values come from context.": _cross(
        sources=lambda x, context: (x, x, x)
    ),
    "this is self-attention of context; the queries come from x.": _cross(
        sources=lambda x, context: (context, context, context)
    ),
    "there is a causal mask; the whole of context may be seen.": _cross(mask=_triangle),
    "the scores are not divided by √D.": _cross(scale=lambda D: 1.0),
    "the scores are divided by D; divide by √D.": _cross(scale=lambda D: 1 / D),
    "the scores are multiplied by √D; divide by it.": _cross(scale=lambda D: D**0.5),
    "softmax runs over the queries; each query shares out 1 among the keys.": _cross(dim=-2),
    "softmax runs over the batch; it runs over the keys, the last dimension.": _cross(dim=0),
    "out_proj is missing.": _cross(finish=lambda out_proj, out: out),
    "x is added at the end; the residual belongs to the block.": lambda x, *rest: (
        x + cross_attention(x, *rest)
    ),
    "q_proj and k_proj have changed places.": _swapped_maps,
}


def prefix_mask(S: int, T: int, *, see=lambda q, k, S: (k <= q) | (k < S)) -> Tensor:
    places = _arange(S + T)
    return see(places[:, None], places[None, :], S)


_mask = partial(partial, prefix_mask)

PREFIX_MASK_BUGS = {
    "the prefix does not see ahead; its S tokens see each other both ways.": _mask(
        see=lambda q, k, S: k <= q
    ),
    "everything is open; what follows the prefix must not see ahead.": _mask(
        see=lambda q, k, S: k >= 0 * q
    ),
    "it is turned round; rows look and columns are looked at.": _mask(
        see=lambda q, k, S: (q <= k) | (q < S)
    ),
    "True and False have changed places; True means may be seen.": _mask(
        see=lambda q, k, S: ~((k <= q) | (k < S))
    ),
    "a token does not see itself; the diagonal is open.": _mask(
        see=lambda q, k, S: (k < q) | (k < S)
    ),
    "the prefix is one token too long; it has S tokens.": _mask(
        see=lambda q, k, S: (k <= q) | (k <= S)
    ),
    "the prefix is one token too short; it has S tokens.": _mask(
        see=lambda q, k, S: (k <= q) | (k < S - 1)
    ),
    "what follows does not see the prefix; it reads all of it.": _mask(
        see=lambda q, k, S: ((k <= q) & (k >= S) & (q >= S)) | ((k < S) & (q < S))
    ),
    "the prefix sees what follows; that would show it the answer.": _mask(
        see=lambda q, k, S: (k <= q) | (q < S)
    ),
    "the mask has T rows only; it has a row for each of the S + T tokens.": lambda S, T: (
        prefix_mask(S, T)[S:]
    ),
}
