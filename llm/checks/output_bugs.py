"""The functions of the Output exercise, right and wrong in all the ways that we have seen.

The right ones are `softmax`, `cross_entropy`, `next_token_loss` and `sampling`; the dictionaries
below them hold the bugs: a sentence, and a function that has the bug, which is mostly one changed
argument.
"""

from builtins import len  # noqa: UP029  bound now, as in the checks
from functools import partial
from math import inf, log

import torch
from torch import Tensor

_exp, _log_softmax, _softmax = torch.exp, torch.log_softmax, torch.softmax
_arange, _sort, _topk, _zeros = torch.arange, torch.sort, torch.topk, torch.zeros_like


def softmax(
    x: Tensor,
    *,
    ready=lambda x: x - x.amax(-1, keepdim=True),
    power=_exp,
    total=lambda powers: powers.sum(-1, keepdim=True),
) -> Tensor:
    powers = power(ready(x))
    return powers / total(powers)


_soft = partial(partial, softmax)

SOFTMAX_BUGS = {
    "large scores overflow; subtract the greatest of each row before exp.": _soft(
        ready=lambda x: x
    ),
    "the mean is subtracted, so large scores still overflow; subtract the greatest.": _soft(
        ready=lambda x: x - x.mean(-1, keepdim=True)
    ),
    "one number is subtracted from all rows; take the greatest of each row.": _soft(
        ready=lambda x: x - x.max()
    ),
    "scores are divided by the greatest; subtract it.": _soft(
        ready=lambda x: x / x.amax(-1, keepdim=True)
    ),
    "the wrong axis adds up to 1; sum over the last, dim=-1.": _soft(
        ready=lambda x: x - x.amax(0, keepdim=True), total=lambda e: e.sum(0, keepdim=True)
    ),
    "all numbers together add up to 1; each row must, so sum over dim=-1.": _soft(
        total=lambda e: e.sum()
    ),
    "the powers are not divided by their sum.": _soft(total=lambda e: 1),
    "the powers are divided by how many there are; divide by their sum.": _soft(
        total=lambda e: e.shape[-1]
    ),
    "the scores are divided by their sum; raise e to them first.": _soft(
        ready=lambda x: x, power=lambda x: x
    ),
    "2 is raised to the scores; softmax raises e.": _soft(power=lambda x: 2.0**x),
    "the sign is turned round; the greatest score must get the most.": _soft(
        ready=lambda x: x.amin(-1, keepdim=True) - x
    ),
    "these are logarithms of probabilities; leave out the last log.": lambda x: _log_softmax(x, -1),
    "each score goes through a sigmoid alone; divide the powers by their sum.": Tensor.sigmoid,
    "the sum has lost its axis; keep it with keepdim=True.": _soft(total=lambda e: e.sum(-1)),
}


def cross_entropy(
    logits: Tensor,
    targets: Tensor,
    *,
    rows=lambda logits, targets: (logits, targets),
    log_p=lambda logits: _log_softmax(logits, -1),
    counts=lambda targets: targets != -100,
    mean=lambda costs, logits, targets: costs.mean(),
) -> Tensor:
    logits, targets = rows(logits, targets)
    kept = counts(targets)
    chosen = log_p(logits)[kept].gather(-1, targets[kept].clamp(min=0)[:, None])
    return mean(-chosen, logits, targets)


_cost = partial(partial, cross_entropy)

LOSS_BUGS = {
    "softmax comes twice; log_softmax and F.cross_entropy want the logits.": _cost(
        log_p=lambda z: _log_softmax(_softmax(z, -1), -1)
    ),
    "the logits are taken for probabilities; apply log_softmax first.": _cost(log_p=lambda z: z),
    "the logarithm is missing; the cost of a word is -ln p.": _cost(
        log_p=lambda z: _softmax(z, -1)
    ),
    "the minus sign is missing; the cost of a word is -ln p.": _cost(
        mean=lambda costs, *_: -costs.mean()
    ),
    "the loss is in bits; take the natural logarithm, not log2.": _cost(
        mean=lambda costs, *_: costs.mean() / log(2)
    ),
    "the logarithm is that of base 10; take the natural one.": _cost(
        mean=lambda costs, *_: costs.mean() / log(10)
    ),
    "this is the perplexity; leave out the last exp.": _cost(
        mean=lambda costs, *_: costs.mean().exp()
    ),
    "softmax runs over the positions; it runs over the vocabulary, dim=-1.": _cost(
        log_p=lambda z: _log_softmax(z, -2)
    ),
    "the targets are shifted; they hold the next token already.": _cost(
        rows=lambda z, y: (z[..., :-1, :], y[..., 1:])
    ),
    "the probabilities are averaged before the logarithm; average the costs.": _cost(
        mean=lambda costs, *_: -(-costs).exp().mean().log()
    ),
    "token 0 is left out as if it were padding; padding is -100.": _cost(counts=lambda y: y > 0),
    "every entry of the vocabulary is charged; only the target's counts.": (
        lambda logits, targets: -_log_softmax(logits, -1).mean()
    ),
    "the most probable token is charged; charge the target.": (
        lambda logits, targets: -_log_softmax(logits, -1).amax(-1).mean()
    ),
    "this is the entropy of the prediction; charge the target alone.": (
        lambda logits, targets: -(_softmax(logits, -1) * _log_softmax(logits, -1)).sum(-1).mean()
    ),
}

MEAN_BUGS = {
    "the costs are added up; take their mean.": _cost(mean=lambda costs, *_: costs.sum()),
    "the sum is divided by the number of rows; divide by the number of targets.": _cost(
        mean=lambda costs, z, y: costs.sum() / len(y)
    ),
    "the sum is divided by the vocabulary; divide by the number of targets.": _cost(
        mean=lambda costs, z, y: costs.sum() / z.shape[-1]
    ),
    "only the last position counts; take the mean over all.": _cost(
        rows=lambda z, y: (z[..., -1:, :], y[..., -1:])
    ),
}

PADDING_BUGS = {
    "padding costs 0 but is counted; divide by the number of real targets.": _cost(
        mean=lambda costs, z, y: costs.sum() / y.numel()
    ),
    "padding is charged as if it were token 0; leave out targets of -100.": _cost(
        counts=lambda y: y > -999
    ),
    "padding is charged as the last token; an index of -100 counts from the end.": _cost(
        rows=lambda z, y: (z, y % z.shape[-1])
    ),
    "each row is averaged alone, then the rows; average over all real targets.": (
        lambda logits, targets: torch.stack(
            [cross_entropy(z, y) for z, y in zip(logits, targets, strict=True)]
        ).mean()
    ),
}

LARGE_BUGS = {
    "a probability of 0 costs infinity; use log_softmax in place of log(softmax).": _cost(
        log_p=lambda z: _softmax(z, -1).log()
    ),
    "large logits overflow; subtract the greatest, or use log_softmax.": _cost(
        log_p=lambda z: z - z.exp().sum(-1, keepdim=True).log()
    ),
    "a small number is added to the probability; use log_softmax instead.": _cost(
        log_p=lambda z: (_softmax(z, -1) + 1e-9).log()
    ),
}


def next_token_loss(
    logits: Tensor,
    token_ids: Tensor,
    *,
    pair=lambda z, ids: (z[:, :-1], ids[:, 1:]),
    cost=cross_entropy,
) -> Tensor:
    return cost(*pair(logits, token_ids))


_shift = partial(partial, next_token_loss)

SHIFT_BUGS = {
    "nothing is shifted; row t of the logits predicts token t + 1.": _shift(
        pair=lambda z, ids: (z, ids)
    ),
    "the shift is twice too far; row t of the logits predicts token t + 1.": _shift(
        pair=lambda z, ids: (z[:, :-2], ids[:, 2:])
    ),
    "the shift goes the wrong way; row t of the logits predicts token t + 1.": _shift(
        pair=lambda z, ids: (z[:, 1:], ids[:, :-1])
    ),
    "both are shifted, so they still stand face to face; cut one at each end.": _shift(
        pair=lambda z, ids: (z[:, 1:], ids[:, 1:])
    ),
    "both lose their last place, so nothing is shifted; cut one at each end.": _shift(
        pair=lambda z, ids: (z[:, :-1], ids[:, :-1])
    ),
    "the first token is the target of the last row; roll wraps round.": _shift(
        pair=lambda z, ids: (z, ids.roll(-1, dims=1))
    ),
    "only the last prediction counts; take all positions.": _shift(
        pair=lambda z, ids: (z[:, -2:-1], ids[:, -1:])
    ),
    "the rows of the batch are shifted; shift the positions, dimension 1.": _shift(
        pair=lambda z, ids: (z[:-1], ids[1:])
    ),
    "softmax comes before cross_entropy, which has one inside.": _shift(
        pair=lambda z, ids: (_softmax(z[:, :-1], -1), ids[:, 1:])
    ),
    "the costs are added up; take their mean.": _shift(
        cost=_cost(mean=lambda costs, *_: costs.sum())
    ),
}


def sampling(
    logits: Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    *,
    heat=lambda z, T: z / T,
    cut_k=lambda z, k: z.masked_fill(~_first(z, k), -inf),
    cut_p=lambda z, p: z.masked_fill(~_nucleus(z, p), -inf),
    finish=lambda z: _softmax(z, -1),
    order="heat k p",
) -> Tensor:
    """The steps named in ``order``, then ``finish``."""
    steps = {"heat": (heat, temperature), "k": (cut_k, top_k), "p": (cut_p, top_p)}
    for name in order.split():
        step, amount = steps[name]
        logits = logits if amount is None else step(logits, amount)
    return finish(logits)


def _first(z: Tensor, k: int, largest: bool = True) -> Tensor:
    """Where the k greatest of each row stand."""
    places = _topk(z, min(k, z.shape[-1]), -1, largest).indices
    return _zeros(z).scatter(-1, places, 1.0) > 0


def _nucleus(
    z: Tensor, p: float, *, keep=lambda before, own, p: before < p, upwards=False
) -> Tensor:
    """Where the kept tokens of each row stand; ``keep`` sees each one's mass before it and own."""
    ordered, places = _sort(z, dim=-1, descending=not upwards)
    own = _softmax(ordered, -1)
    before = own.cumsum(-1) - own
    return _zeros(z).scatter(-1, places, keep(before, own, p).float()) > 0


def _in_order(z: Tensor) -> Tensor:
    return _sort(z, dim=-1, descending=True).values


def _flat(kept):
    """The same choice, made among all rows as if they were one."""
    return lambda z, amount: z.masked_fill(~kept(z.flatten(), amount).view_as(z), -inf)


_draw = partial(partial, sampling)
_AS_IT_IS = Tensor.exp  # of logarithms of probabilities that do not add up to 1

TEMPERATURE_BUGS = {
    "the temperature multiplies; divide the logits by it.": _draw(heat=lambda z, T: z * T),
    "the temperature divides probabilities; divide the logits, before softmax.": _draw(
        heat=lambda z, T: _softmax(z, -1).log() - log(T), finish=_AS_IT_IS
    ),
    "the temperature does nothing; divide the logits by it, before softmax.": _draw(
        heat=lambda z, T: z
    ),
    "softmax comes twice; divide the logits, and apply softmax once.": _draw(
        heat=lambda z, T: _softmax(z, -1) / T
    ),
    "softmax comes twice, the temperature in the first; apply softmax once.": _draw(
        heat=lambda z, T: _softmax(z / T, -1)
    ),
    "the temperature is squared; divide by it once.": _draw(heat=lambda z, T: z / T**2),
    "these are scaled logits; softmax makes probabilities of them.": _draw(finish=lambda z: z),
    "the wrong axis adds up to 1; softmax runs over the vocabulary, dim=-1.": _draw(
        finish=lambda z: _softmax(z, 0)
    ),
}

TOP_K_BUGS = {
    "top-k sets the others' logits to 0, which is e^0 = 1; set them to -inf.": _draw(
        cut_k=lambda z, k: z.masked_fill(~_first(z, k), 0.0)
    ),
    "after top-k the rest is not scaled up; it must add up to 1 again.": (
        lambda z, T, k, p: sampling(z, T, None, p) * (1 if k is None else _first(z, k))
    ),
    "top-k does nothing.": _draw(cut_k=lambda z, k: z),
    "top-k keeps the least likely; keep the greatest logits.": _draw(
        cut_k=lambda z, k: z.masked_fill(~_first(z, k, False), -inf)
    ),
    "top-k keeps one too many.": _draw(cut_k=lambda z, k: z.masked_fill(~_first(z, k + 1), -inf)),
    "top-k keeps one too few; the k-th itself stays, so compare with >=.": _draw(
        cut_k=lambda z, k: z.masked_fill(~_first(z, k - 1), -inf)
    ),
    "top-k takes the k greatest of all rows together; take k of each row.": _draw(
        cut_k=_flat(_first)
    ),
    "top-k keeps the first k of the vocabulary; keep the k greatest.": _draw(
        cut_k=lambda z, k: z.masked_fill(_arange(z.shape[-1]) >= k, -inf)
    ),
    "after top-k the tokens stand in order of size; put each back in its place.": _draw(
        cut_k=lambda z, k: _in_order(z.masked_fill(~_first(z, k), -inf))
    ),
    "top-k returns only k numbers; return all V, with 0 for the others.": _draw(
        cut_k=lambda z, k: _topk(z, k, -1).values
    ),
}

TOP_P_BUGS = {
    "top-p drops the token that crosses the limit; it must stay.": _draw(
        cut_p=lambda z, p: z.masked_fill(
            ~_nucleus(z, p, keep=lambda before, own, p: before + own <= p), -inf
        )
    ),
    "top-p drops the token that crosses the limit, unless it is the first.": _draw(
        cut_p=lambda z, p: z.masked_fill(
            ~_nucleus(z, p, keep=lambda before, own, p: (before + own <= p) | (before == 0)), -inf
        )
    ),
    "top-p keeps one token after the crossing one.": _draw(
        cut_p=lambda z, p: z.masked_fill(
            ~_nucleus(z, p, keep=lambda before, own, p: before - own.roll(1, -1) < p), -inf
        )
    ),
    "top-p marks places in the sorted list; put the marks back where they came from.": _draw(
        cut_p=lambda z, p: z.masked_fill(
            ~(_softmax(_in_order(z), -1).cumsum(-1) - _softmax(_in_order(z), -1) < p), -inf
        )
    ),
    "after top-p the tokens stand in order of size; put each back in its place.": _draw(
        cut_p=lambda z, p: _in_order(z.masked_fill(~_nucleus(z, p), -inf))
    ),
    "top-p adds up from the least likely; sort in descending order.": _draw(
        cut_p=lambda z, p: z.masked_fill(~_nucleus(z, p, upwards=True), -inf)
    ),
    "top-p adds up in the order of the vocabulary; sort by probability first.": _draw(
        cut_p=lambda z, p: z.masked_fill(_softmax(z, -1).cumsum(-1) - _softmax(z, -1) >= p, -inf)
    ),
    "top-p sets the others' logits to 0, which is e^0 = 1; set them to -inf.": _draw(
        cut_p=lambda z, p: z.masked_fill(~_nucleus(z, p), 0.0)
    ),
    "after top-p the rest is not scaled up; it must add up to 1 again.": (
        lambda z, T, k, p: sampling(z, T, k) * (1 if p is None else _nucleus(z / T, p))
    ),
    "top-p does nothing.": _draw(cut_p=lambda z, p: z),
    "top-p keeps what is more probable than p; add up from the most probable.": _draw(
        cut_p=lambda z, p: z.masked_fill(_softmax(z, -1) < p, -inf)
    ),
    "this is min-p, a share of the greatest; top-p adds up probabilities.": _draw(
        cut_p=lambda z, p: z.masked_fill(z < z.amax(-1, keepdim=True) + log(p), -inf)
    ),
    "top-p adds up over all rows together; each row has its own sum.": _draw(cut_p=_flat(_nucleus)),
    "top-p adds up logits; add up probabilities.": _draw(
        cut_p=lambda z, p: z.masked_fill(~_nucleus(z, p, keep=_sums_of_logits(z)), -inf)
    ),
}


def _sums_of_logits(z: Tensor):
    ordered = _in_order(z)
    return lambda before, own, p: ordered.cumsum(-1) - ordered < p


ORDER_BUGS = {
    "the filters come before the temperature; divide by it first.": _draw(order="k p heat"),
    "top-p adds up the probabilities from before top-k; scale them to 1 first.": _draw(
        order="heat p k"
    ),
    "only top-k is applied where both are given; apply one after the other.": (
        lambda z, T, k, p: sampling(z, T, k, p if k is None else None)
    ),
    "only top-p is applied where both are given; apply one after the other.": (
        lambda z, T, k, p: sampling(z, T, k if p is None else None, p)
    ),
}
