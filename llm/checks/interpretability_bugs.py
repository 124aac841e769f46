"""The functions of the Looking inside exercise, right and wrong in all the ways that we have seen.

The right ones are `lens`, `attribute`, `effect` and `induction_score`; the dictionaries below them
hold the bugs: a sentence, and a function that has the bug, which is mostly one changed argument.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

_sqrt, _mean, _exp = torch.sqrt, torch.mean, torch.exp


def _rms(x: Tensor, eps: float, dim=-1) -> Tensor:
    return _sqrt(_mean(x**2, dim, keepdim=True) + eps)


def _rms_outside(x: Tensor, eps: float) -> Tensor:
    return _sqrt(_mean(x**2, -1, keepdim=True)) + eps


def _length(x: Tensor, eps: float) -> Tensor:
    return _sqrt((x**2).sum(-1, keepdim=True) + eps)


def _chances(logits: Tensor) -> Tensor:
    powers = _exp(logits - logits.amax(-1, keepdim=True))
    return powers / powers.sum(-1, keepdim=True)


def _no_mean(x: Tensor) -> Tensor:
    return x - _mean(x, -1, keepdim=True)


def lens(
    stream: Tensor,
    weight: Tensor,
    eps: float,
    head: Tensor,
    *,
    size: Callable[..., Tensor] = _rms,
    ready=lambda x: x,
    weighed=lambda x, w: x * w,
    finish=lambda logits: logits,
    times: int = 1,
) -> Tensor:
    x = ready(stream)
    for _ in range(times):
        x = weighed(x / size(x, eps), weight)
    return finish(x @ head.T)


LENS_BUGS = {
    "the final norm is missing; the head never sees the bare stream.": partial(
        lens, size=lambda x, eps: 1.0, weighed=lambda x, w: x
    ),
    "the norm's weights multiply, but nothing is divided by the RMS.": partial(
        lens, size=lambda x, eps: 1.0
    ),
    "the weights of the norm are forgotten.": partial(lens, weighed=lambda x, w: x),
    "the norm is applied twice.": partial(lens, times=2),
    "the RMS is taken over tokens, not over the C features of one.": partial(
        lens, size=partial(_rms, dim=1)
    ),
    "the RMS is taken over all tokens at once; each has its own.": partial(
        lens, size=partial(_rms, dim=(1, 2))
    ),
    "it divides by the length of the row; the RMS is the root of a mean.": partial(
        lens, size=_length
    ),
    "the mean is subtracted: that is LayerNorm, this is RMSNorm.": partial(lens, ready=_no_mean),
    "eps stands outside the root.": partial(lens, size=_rms_outside),
    "the result is probabilities; the lens gives logits.": partial(lens, finish=_chances),
}


def attribute(
    parts: Tensor,
    weight: Tensor,
    eps: float,
    row: Tensor,
    *,
    whole=lambda parts: parts.sum(0),
    size: Callable[..., Tensor] = _rms,
    weighed=lambda x, w: x * w,
    ready=lambda parts: parts,
    finish=lambda brought: brought,
) -> Tensor:
    divisor = size(whole(parts), eps)
    return finish((weighed(ready(parts), weight) / divisor) @ row)


ATTRIBUTE_BUGS = {
    "each part is divided by its own RMS; the norm divides by that of the sum.": partial(
        attribute, whole=lambda parts: parts
    ),
    "it divides by the RMS of the last part; the norm sees the sum.": partial(
        attribute, whole=lambda parts: parts[-1]
    ),
    "it divides by the RMS of the mean of the parts; the norm sees their sum.": partial(
        attribute, whole=lambda parts: _mean(parts, 0)
    ),
    "the divisor of the norm is missing.": partial(attribute, size=lambda x, eps: 1.0),
    "the weights of the norm are forgotten.": partial(attribute, weighed=lambda x, w: x),
    "norm and weights are both missing: that is parts @ row.": partial(
        attribute, size=lambda x, eps: 1.0, weighed=lambda x, w: x
    ),
    "the parts are summed before they are read: that gives what each sum says.": partial(
        attribute, ready=lambda parts: parts.cumsum(0)
    ),
    "all is added up to the logit; keep one number for each part.": partial(
        attribute, finish=lambda brought: brought.sum()
    ),
    "shares of the logit are given; keep the numbers themselves.": partial(
        attribute, finish=lambda brought: brought / brought.sum()
    ),
    "the sign is lost; a part may speak against the word.": partial(
        attribute, finish=lambda brought: brought.abs()
    ),
}


def effect(patched: Tensor, clean: float, corrupted: float) -> Tensor:
    return (patched - corrupted) / (clean - corrupted)


EFFECT_BUGS = {
    "clean and corrupted are swapped: nothing brought back should give 0.": (
        lambda p, clean, corrupted: (p - clean) / (corrupted - clean)
    ),
    "the sign is wrong: bringing all back should give 1.": (
        lambda p, clean, corrupted: (p - corrupted) / (corrupted - clean)
    ),
    "it is not divided by the difference of the two runs.": (
        lambda p, clean, corrupted: p - corrupted
    ),
    "it divides by the clean metric; take the difference of the two runs.": (
        lambda p, clean, corrupted: (p - corrupted) / clean
    ),
    "the corrupted metric is not subtracted above: nothing should give 0.": (
        lambda p, clean, corrupted: p / (clean - corrupted)
    ),
    "it is the share of the clean metric; the corrupted one is forgotten.": (
        lambda p, clean, corrupted: p / clean
    ),
    "effects are cut off at 0 and 1; what goes beyond means something.": (
        lambda p, clean, corrupted: effect(p, clean, corrupted).clamp(0, 1)
    ),
    "the sign is lost; a patch may lead further away.": (
        lambda p, clean, corrupted: effect(p, clean, corrupted).abs()
    ),
}


def induction_score(
    weights: Tensor,
    token_ids: Tensor,
    *,
    shift: int = 1,
    strictly: int = -1,
    only=lambda keys: keys,
    mean=lambda rows, seen: rows[:, seen].mean(-1),
) -> Tensor:
    T = len(token_ids)
    same = (token_ids[:, None] == token_ids[None]).tril(strictly)  # (T, S)
    keys = torch.zeros_like(same)
    keys[:, max(shift, 0) :] = same[:, : T - shift] if shift >= 0 else same
    if shift < 0:
        keys[:, :shift] = same[:, -shift:]
    keys = only(keys.tril())
    return mean((weights * keys).sum(-1), keys.any(-1))


def _latest(keys: Tensor) -> Tensor:
    order = keys * torch.arange(1, keys.shape[1] + 1)
    return keys & (order == order.amax(-1, keepdim=True))


INDUCTION_BUGS = {
    "it looks at the same token, not at the one that followed.": partial(induction_score, shift=0),
    "it looks at the token before the earlier one, not at the one after.": partial(
        induction_score, shift=-1
    ),
    "only the latest repetition counts; add up the weights on all.": partial(
        induction_score, only=_latest
    ),
    "queries whose token is new count as well; leave them out of the mean.": partial(
        induction_score, mean=lambda rows, seen: rows.mean(-1)
    ),
    "the scores are added up; take their mean over the queries.": partial(
        induction_score, mean=lambda rows, seen: rows[:, seen].sum(-1)
    ),
    "the best query counts alone; take the mean.": partial(
        induction_score, mean=lambda rows, seen: rows[:, seen].amax(-1)
    ),
    "the heads are averaged too; give a score for each.": partial(
        induction_score, mean=lambda rows, seen: rows[:, seen].mean()
    ),
}
