"""The functions of the Output assignment, right and wrong in all the ways that we have seen.

As in `output_bugs`: the right functions, and below each a dictionary from a sentence to a function
that has the bug. What a teacher may choose (nats or bits, where the shift is made) is an argument.
"""

from builtins import float, len, sum, zip  # noqa: UP029  bound now, as in the checks
from functools import partial
from math import e, inf, log

import torch
from torch import Tensor

_exp, _log, _softmax, _log_softmax = torch.exp, torch.log, torch.softmax, torch.log_softmax
_arange, _cat, _full, _sort, _stack = (
    torch.arange,
    torch.cat,
    torch.full_like,
    torch.sort,
    torch.stack,
)
_where, _zeros = torch.where, torch.zeros_like


def _greatest(x: Tensor) -> Tensor:
    return x.amax(-1, keepdim=True)


def log_softmax(
    x: Tensor,
    *,
    ready=lambda x: x - _greatest(x),
    total=lambda z: _log(_exp(z).sum(-1, keepdim=True)),
    finish=lambda z, total: z - total,
) -> Tensor:
    z = ready(x)
    return finish(z, total(z))


_soft = partial(partial, log_softmax)

LOG_SOFTMAX_BUGS = {
    "a probability that is rounded to 0 has the logarithm -inf; subtract ln of the sum.": (
        lambda x: _softmax(x, -1).log()
    ),
    "large scores overflow in e^x; subtract the greatest first, then take x - ln of the sum.": (
        lambda x: (_exp(x) / _exp(x).sum(-1, keepdim=True)).log()
    ),
    "a small number is added to the probabilities; subtract ln of the sum instead.": (
        lambda x: (_softmax(x, -1) + 1e-9).log()
    ),
    "large scores overflow; subtract the greatest of each row before exp.": _soft(
        ready=lambda x: x
    ),
    "the mean is subtracted, so large scores still overflow; subtract the greatest.": _soft(
        ready=lambda x: x - x.mean(-1, keepdim=True)
    ),
    "one number is subtracted from all rows; take the greatest of each row.": _soft(
        ready=lambda x: x - x.max()
    ),
    "these are probabilities; the logarithm is missing.": lambda x: _softmax(x, -1),
    "these are bits; take the natural logarithm.": lambda x: _log_softmax(x, -1) / log(2),
    "the wrong axis is summed; sum over the last, dim=-1.": lambda x: _log_softmax(x, 0),
    "the sum runs over all rows; each row has its own, dim=-1.": _soft(
        total=lambda z: _log(_exp(z).sum())
    ),
    "the sum has lost its axis; keep it with keepdim=True.": _soft(
        total=lambda z: _log(_exp(z).sum(-1))
    ),
    "the sum of the powers is not subtracted; ln of it must be.": _soft(total=_zeros),
    "the sum itself is subtracted; subtract its logarithm.": _soft(
        total=lambda z: _exp(z).sum(-1, keepdim=True)
    ),
    "the logarithm of the sum is added; subtract it.": _soft(finish=lambda z, total: z + total),
    "the greatest is subtracted within the sum alone; subtract it from the scores, too.": (
        lambda x: x - _log(_exp(x - _greatest(x)).sum(-1, keepdim=True))
    ),
    "the greatest is subtracted twice; ln of the sum must be of the shifted scores.": (
        lambda x: x - _greatest(x) - x.logsumexp(-1, keepdim=True)
    ),
}


def token_costs(
    log_p: Tensor,
    targets: Tensor,
    *,
    unit: float = 1.0,
    charged=lambda log_p, y: log_p.gather(-1, y.clamp(min=0)[..., None])[..., 0],
    cost=lambda log_p: -log_p,
    real=lambda y: y != -100,
    finish=lambda costs, real: _where(real, costs, 0.0),
) -> Tensor:
    costs = cost(charged(log_p, targets)) / unit
    return finish(costs, real(targets))


UNITS = {"nats": 1.0, "bits": log(2)}
_OTHER_UNIT = {
    "nats": ("these are bits; here a cost is counted in nats, -ln p.", log(2)),
    "bits": ("these are nats; here a cost is counted in bits, so divide by ln 2.", 1.0),
}


def cost_bugs(unit: str) -> dict:
    """Bugs of :func:`token_costs` where costs are in ``unit``."""
    sentence, other = _OTHER_UNIT[unit]
    bug = partial(partial, token_costs, unit=UNITS[unit])
    bugs = {
        sentence: partial(token_costs, unit=other),
        "the minus sign is missing; a cost is -log p.": bug(cost=lambda z: z),
        "probabilities are given; a cost is -log p.": bug(cost=_exp, unit=1.0),
        "1 - p is charged; a cost is -log p.": bug(cost=lambda z: 1 - _exp(z), unit=1.0),
        "padding is charged as if it were token 0; it costs 0.": bug(real=lambda y: y > -999),
        "token 0 is taken for padding; padding is -100.": bug(real=lambda y: y > 0),
        "padding is left out, and the shape is lost; put 0 in its place.": bug(
            finish=lambda costs, real: costs[real]
        ),
        "this is one number for all; give one cost for each target.": bug(
            finish=lambda costs, real: costs[real].mean()
        ),
        "the most probable token is charged; charge the target.": bug(
            charged=lambda z, y: z.amax(-1)
        ),
        "every token of the vocabulary is charged; charge the target alone.": bug(
            charged=lambda z, y: z.mean(-1)
        ),
        "the targets are shifted once more; they hold the next token already.": bug(
            charged=lambda z, y: z[:, :-1].gather(-1, y[:, 1:].clamp(min=0)[..., None])[..., 0],
            real=lambda y: y[:, 1:] != -100,
        ),
    }
    if unit == "bits":
        bugs["the nats are multiplied by ln 2; divide by it."] = bug(unit=1 / log(2))
    return bugs


def grade(
    costs: Tensor,
    targets: Tensor,
    *,
    base: float = e,
    mean=lambda costs, real: costs.sum() / real.sum(),
    power=lambda base, mean, costs, real: base**mean,
) -> tuple[float, float]:
    real = targets != -100
    average = mean(costs, real)
    return float(average), float(power(base, average, costs, real))


BASES = {"nats": e, "bits": 2.0}
_OTHER_BASE = {
    "nats": "the perplexity is 2 to the mean; the costs are in nats, so it is e to the mean.",
    "bits": "the perplexity is e to the mean; the costs are in bits, so it is 2 to the mean.",
}


def grade_bugs(unit: str) -> dict:
    """Bugs of :func:`grade` where costs are in ``unit``."""
    bug = partial(partial, grade, base=BASES[unit])
    other = BASES["bits" if unit == "nats" else "nats"]
    return {
        _OTHER_BASE[unit]: bug(base=other),
        "padding costs 0 but is counted; divide by the number of real targets.": bug(
            mean=lambda costs, real: costs.mean()
        ),
        "each row is averaged alone, then the rows; average over all real targets.": bug(
            mean=lambda costs, real: (costs.sum(-1) / real.sum(-1)).mean()
        ),
        "a real token that costs 0 is left out; the targets say what is padding.": bug(
            mean=lambda costs, real: costs[costs > 0].mean()
        ),
        "the costs are added up; divide by the number of real targets.": bug(
            mean=lambda costs, real: costs.sum()
        ),
        "the sum is divided by the number of rows; divide by that of the real targets.": bug(
            mean=lambda costs, real: costs.sum() / len(costs)
        ),
        "the second number is the mean again; the perplexity is a power.": bug(
            power=lambda base, mean, *_: mean
        ),
        "the powers are averaged; the perplexity is the power of the mean.": bug(
            power=lambda base, mean, costs, real: (base ** costs[real]).mean()
        ),
        "the exponent has a minus; the perplexity is at least 1.": bug(
            power=lambda base, mean, *_: base**-mean
        ),
        "the two stand in the wrong order; return (mean, perplexity).": (
            lambda costs, targets: grade(costs, targets, base=BASES[unit])[::-1]
        ),
    }


def training_pair(
    rows: Tensor,
    *,
    where: str = "labels",
    shift: int = 1,
    readable=lambda inputs: inputs.clamp(min=0),
    asked=lambda targets: targets,
) -> tuple[Tensor, Tensor]:
    inputs, targets = _SHIFTS[where](rows, shift)
    return readable(inputs), asked(targets)


def _by_labels(rows: Tensor, shift: int) -> tuple[Tensor, Tensor]:
    nothing = _full(rows[:, :shift], -100)
    return rows, _cat([rows[:, shift:], nothing], dim=1)


def _by_cutting(rows: Tensor, shift: int) -> tuple[Tensor, Tensor]:
    return rows[:, : rows.shape[1] - shift], rows[:, shift:]


def _turned(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Labels that go the wrong way: each position is asked for the token before it."""
    return rows.clamp(min=0), _cat([_full(rows[:, :1], -100), rows[:, :-1]], dim=1)


_SHIFTS = {"labels": _by_labels, "inputs": _by_cutting}
_OTHER_SHIFT = {
    "labels": "both are cut to T - 1; here both keep T, and the last target of a row is -100.",
    "inputs": "both keep T; here both are cut to T - 1, so that no target is made up.",
}
_BACKWARDS = {
    "labels": _turned,
    "inputs": lambda rows: (rows[:, 1:].clamp(min=0), rows[:, :-1]),
}

_UNSHIFTED = {
    "labels": lambda rows: (rows.clamp(min=0), rows),
    "inputs": lambda rows: (rows[:, :-1].clamp(min=0), rows[:, :-1]),
}


def _the_same(targets: Tensor) -> tuple[Tensor, Tensor]:
    return targets.clamp(min=0), targets


def shift_bugs(where: str) -> dict:
    """Bugs of :func:`training_pair` where the shift is made ``where``."""
    bug = partial(partial, training_pair, where=where)
    other = "inputs" if where == "labels" else "labels"
    return {
        _OTHER_SHIFT[where]: bug(where=other),
        "nothing is shifted; the target of a token is the one after it.": _UNSHIFTED[where],
        "the shift is twice too far; the target of a token is the one after it.": bug(shift=2),
        "the shift goes the wrong way; the target of a token is the one after it.": (
            _BACKWARDS[where]
        ),
        "the last target is the first token of the row; roll wraps round.": (
            lambda rows: (rows.clamp(min=0), rows.roll(-1, dims=1))
        ),
        "the inputs still hold -100, and no table has such a row; put an id there, say 0.": bug(
            readable=lambda inputs: inputs
        ),
        "padding is asked for as token 0; a target that does not count stays -100.": bug(
            asked=lambda targets: targets.clamp(min=0)
        ),
        "the rows are shifted; shift the positions, dimension 1.": (
            lambda rows: (rows[:-1].clamp(min=0), rows[1:])
        ),
        "the inputs are the targets: what is written into one tensor changes the other.": (
            lambda rows: _the_same(training_pair(rows, where=where)[1])
        ),
        "the two stand in the wrong order; return (inputs, targets).": (
            lambda rows: training_pair(rows, where=where)[::-1]
        ),
    }


def loss_gradient(
    logits: Tensor,
    targets: Tensor,
    *,
    predicted=lambda z: _softmax(z, -1),
    came=lambda z, y: _zeros(z).scatter(-1, y.clamp(min=0)[..., None], 1.0),
    counted=lambda gradient, real: _where(real[..., None], gradient, 0.0),
    count=lambda real: real.sum(),
) -> Tensor:
    real = targets != -100
    gradient = predicted(logits) - came(logits, targets)
    return counted(gradient, real) / count(real)


_slope = partial(partial, loss_gradient)

GRADIENT_BUGS = {
    "this is the slope of the sum; the loss is a mean, so divide by the real targets.": _slope(
        count=lambda real: 1
    ),
    "it is divided by all targets, padding included; divide by the real ones.": _slope(
        count=lambda real: real.numel()
    ),
    "it is divided by the number of rows; divide by that of the real targets.": _slope(count=len),
    "each row is divided by its own real targets; divide by those of the whole batch.": _slope(
        count=lambda real: real.sum(-1)[:, None, None]
    ),
    "at padding the slope is p, as if no word had come; it is 0 there.": _slope(
        came=lambda z, y: (
            _zeros(z).scatter(-1, y.clamp(min=0)[..., None], 1.0) * (y != -100)[..., None]
        ),
        counted=lambda gradient, real: gradient,
    ),
    "the rows of padding have a slope; they do not count, so it is 0.": _slope(
        counted=lambda gradient, real: gradient
    ),
    "the sign is turned round; it is what was predicted minus what came.": (
        lambda logits, targets: -loss_gradient(logits, targets)
    ),
    "what came is not subtracted; the target's entry is p - 1.": _slope(
        came=lambda z, y: _zeros(z)
    ),
    "the logits are taken for probabilities; apply softmax first.": _slope(predicted=lambda z: z),
    "logarithms of probabilities are taken; it is p, not log p.": _slope(
        predicted=lambda z: _log_softmax(z, -1)
    ),
    "softmax runs over the positions; it runs over the vocabulary, dim=-1.": _slope(
        predicted=lambda z: _softmax(z, -2)
    ),
    "only the target's entry has a slope; every word of the vocabulary has one.": (
        lambda z, y: loss_gradient(z, y) * _zeros(z).scatter(-1, y.clamp(min=0)[..., None], 1.0)
    ),
    "the most probable token is taken for the one that came.": _slope(
        came=lambda z, y: (z == _greatest(z)).float()
    ),
}


def warm_chances(logits: Tensor, temperature: Tensor, *, heat=lambda z, T: z / T) -> Tensor:
    return _softmax(heat(logits, temperature[:, None]), -1)


_warm = partial(partial, warm_chances)

WARM_BUGS = {
    "the temperature does nothing; it must divide the logits, before softmax.": _warm(
        heat=lambda z, T: z
    ),
    "the probabilities are divided, and no longer add up to 1; divide the logits.": (
        lambda z, T: _softmax(z, -1) / T[:, None]
    ),
    "powers of the probabilities need not add up to 1; divide them by their sum.": (
        lambda z, T: _softmax(z, -1) ** (1 / T[:, None])
    ),
    "the temperature multiplies; divide the logits by it.": _warm(heat=lambda z, T: z * T),
    "softmax comes twice; divide the logits, and apply softmax once.": _warm(
        heat=lambda z, T: _softmax(z, -1) / T
    ),
    "the temperature of the first row is used for all; each row has its own.": _warm(
        heat=lambda z, T: z / T[0]
    ),
    "these are scaled logits; softmax makes probabilities of them.": (lambda z, T: z / T[:, None]),
    "the wrong axis adds up to 1; softmax runs over the vocabulary, dim=-1.": (
        lambda z, T: _softmax(z / T[:, None], 0)
    ),
}


def _ranks(logits: Tensor) -> Tensor:
    """The rank of each token in its row: 0 for the greatest."""
    return logits.argsort(-1, descending=True).argsort(-1)


def keep_top_k(
    logits: Tensor,
    k: Tensor,
    *,
    ranks=_ranks,
    each=lambda k: k[:, None],
    fill: float = -inf,
) -> Tensor:
    return logits.masked_fill(ranks(logits) >= each(k), fill)


def _in_order(z: Tensor) -> Tensor:
    return _sort(z, dim=-1, descending=True).values


_k = partial(partial, keep_top_k)

TOP_K_BUGS = {
    "the others' logits are 0, which is e^0 = 1; set them to -inf.": _k(fill=0.0),
    "nothing is dropped.": lambda z, k: z,
    "the least likely are kept; keep the greatest logits.": _k(ranks=lambda z: _ranks(-z)),
    "one too many is kept.": _k(each=lambda k: k[:, None] + 1),
    "one too few is kept; the k-th itself stays.": _k(each=lambda k: k[:, None] - 1),
    "the k of the first row is used for all; each row has its own.": _k(each=lambda k: k[0]),
    "the greatest k is used for all rows; each row has its own.": _k(each=lambda k: k.max()),
    "the first k ids are kept: the marks of the sorted row must be put back in place.": _k(
        ranks=lambda z: _arange(z.shape[-1]).expand_as(z)
    ),
    "argsort says which token has a rank; for the rank of each token, sort once more.": _k(
        ranks=lambda z: z.argsort(-1, descending=True)
    ),
    "the tokens stand in order of size; put each back in its place.": (
        lambda z, k: _in_order(keep_top_k(z, k))
    ),
    "these are probabilities; a filter takes logits and returns logits.": (
        lambda z, k: _softmax(keep_top_k(z, k), -1)
    ),
}


def _kept_by_mass(z: Tensor, limit: Tensor, *, keep, upwards: bool = False) -> Tensor:
    """Logits filtered by what ``keep`` says of each token's mass before it and own."""
    ordered, places = _sort(z, dim=-1, descending=not upwards)
    own = _softmax(ordered, -1)
    before = own.cumsum(-1) - own
    kept = keep(before, own, limit[:, None])
    return z.masked_fill(_zeros(z).scatter(-1, places, kept.float()) == 0, -inf)


def keep_top_p(
    logits: Tensor,
    limit: Tensor,
    *,
    keep=lambda before, own, p: (before < p) | (p >= 1),
    each=lambda limit: limit,
    upwards: bool = False,
) -> Tensor:
    return _kept_by_mass(logits, each(limit), keep=keep, upwards=upwards)


def keep_min_p(
    logits: Tensor,
    limit: Tensor,
    *,
    least=lambda p, limit: limit * _greatest(p),
    each=lambda limit: limit[:, None],
    fill: float = -inf,
) -> Tensor:
    p = _softmax(logits, -1)
    return logits.masked_fill(p < least(p, each(limit)), fill)


def _gathered(z: Tensor, limit: Tensor) -> Tensor:
    ordered, places = _sort(z, dim=-1, descending=True)
    return (_in_order(keep_top_p(ordered, limit)) == -inf).gather(-1, places)


def _dropped(z: Tensor, ordered: Tensor, limit: Tensor) -> Tensor:
    """What is dropped if the masses, in order, are taken for ``ordered``."""
    kept = (ordered.cumsum(-1) - ordered < limit[:, None]) | (limit[:, None] >= 1)
    return _zeros(z).scatter(-1, z.argsort(-1, descending=True), kept.float()) == 0


def _filled_with_0(keep):
    """The bug of a filter that sets what it drops to 0."""
    return lambda z, limit: keep(z, limit).nan_to_num(neginf=0.0)


_p, _min = partial(partial, keep_top_p), partial(partial, keep_min_p)

TOP_P_BUGS = {
    "the token that crosses the limit is dropped; it must stay.": _p(
        keep=lambda before, own, p: (before + own <= p) | (p >= 1)
    ),
    "the token that crosses the limit is dropped, unless it is the first.": _p(
        keep=lambda before, own, p: (before + own <= p) | (before == 0) | (p >= 1)
    ),
    "at a limit of 1 rounding drops the tail; there all tokens stay.": _p(
        keep=lambda before, own, p: before < p
    ),
    "one token after the crossing one is kept.": _p(
        keep=lambda before, own, p: (before - own.roll(1, -1) < p) | (p >= 1)
    ),
    "the marks stand in the order of size; put them back where they came from.": (
        lambda z, limit: z.masked_fill(_in_order(keep_top_p(z, limit)) == -inf, -inf)
    ),
    "the tokens stand in order of size; put each back in its place.": (
        lambda z, limit: _in_order(keep_top_p(z, limit))
    ),
    "the marks are put back the wrong way round; use scatter, or gather with order.argsort().": (
        lambda z, limit: z.masked_fill(_gathered(z, limit), -inf)
    ),
    "logits are added up; add up probabilities.": lambda z, limit: z.masked_fill(
        _dropped(z, _in_order(z), limit), -inf
    ),
    "it adds up from the least likely; sort in descending order.": _p(upwards=True),
    "the limit of the first row is used for all; each row has its own.": _p(
        each=lambda limit: limit[:1]
    ),
    "the others' logits are 0, which is e^0 = 1; set them to -inf.": _filled_with_0(keep_top_p),
    "nothing is dropped.": lambda z, limit: z,
    "this is min-p, a share of the greatest; this variant asks for top-p, a sum.": keep_min_p,
    "this keeps what is more probable than the limit; add up from the most probable.": _min(
        least=lambda p, limit: limit
    ),
    "these are probabilities; a filter takes logits and returns logits.": (
        lambda z, limit: _softmax(keep_top_p(z, limit), -1)
    ),
}

MIN_P_BUGS = {
    "the limit is taken as a probability; it is a share of the most probable token's.": _min(
        least=lambda p, limit: limit
    ),
    "this is top-p, a sum; this variant asks for min-p, a share of the greatest.": keep_top_p,
    "this is top-p, a sum, without its crossing token; this variant asks for min-p.": _p(
        keep=lambda before, own, p: before + own <= p
    ),
    "logits are compared; the limit is a share of probabilities.": (
        lambda z, limit: z.masked_fill(z < limit[:, None] * _greatest(z), -inf)
    ),
    "the limit is added to the logits; in logits it is its logarithm.": (
        lambda z, limit: z.masked_fill(z < _greatest(z) + limit[:, None], -inf)
    ),
    "the limit is subtracted from the greatest; it is a share of it.": _min(
        least=lambda p, limit: _greatest(p) - limit
    ),
    "the greatest of all rows is taken; each row has its own, dim=-1.": _min(
        least=lambda p, limit: limit * p.max()
    ),
    "the limit of the first row is used for all; each row has its own.": _min(
        each=lambda limit: limit[0]
    ),
    "the unlikely are kept and the likely dropped; turn the comparison round.": (
        lambda z, limit: z.masked_fill(keep_min_p(z, limit) > -inf, -inf)
    ),
    "the others' logits are 0, which is e^0 = 1; set them to -inf.": _min(fill=0.0),
    "nothing is dropped.": lambda z, limit: z,
    "these are probabilities; a filter takes logits and returns logits.": (
        lambda z, limit: _softmax(keep_min_p(z, limit), -1)
    ),
}


def pick(
    weights: Tensor,
    u: Tensor,
    *,
    running=lambda w: w.cumsum(-1) / w.sum(-1, keepdim=True),
    reached=lambda sums, u: sums > u,
    each=lambda u: u[:, None],
) -> Tensor:
    return reached(running(weights), each(u)).float().argmax(-1)


_draw = partial(partial, pick)

PICK_BUGS = {
    "at u = 0 a token of weight 0 is drawn; the running sum must be above u, not equal.": _draw(
        reached=lambda sums, u: sums >= u
    ),
    "u is compared with the weights; compare it with their running sum.": _draw(
        running=lambda w: w / w.sum(-1, keepdim=True)
    ),
    "the weights need not add up to 1; divide the running sum by their sum.": _draw(
        running=lambda w: w.cumsum(-1)
    ),
    "softmax changes the weights; divide their running sum by their sum.": _draw(
        running=lambda w: _softmax(w, -1).cumsum(-1)
    ),
    "always the most probable token is taken, whatever u is.": lambda w, u: w.argmax(-1),
    "it is one id too high; take the first whose running sum is above u.": (
        lambda w, u: pick(w, u) + 1
    ),
    "it is one id too low; take the first whose running sum is above u.": (
        lambda w, u: pick(w, u) - 1
    ),
    "the place in the sorted row is returned, not the id; no sorting is needed.": (
        lambda w, u: pick(_in_order(w), u)
    ),
    "the u of the first row is used for all; each row has its own.": _draw(each=lambda u: u[0]),
    "the running sum goes down the rows; it runs over the vocabulary, dim=-1.": _draw(
        running=lambda w: w.cumsum(0) / w.sum(0)
    ),
    "the running sum starts at the end; start at id 0.": _draw(
        running=lambda w: w.flip(-1).cumsum(-1) / w.sum(-1, keepdim=True)
    ),
    "the last token whose running sum is below u is taken; take the first above it.": (
        lambda w, u: (pick(w, u) - 1).clamp(min=0)
    ),
}


def mean_over_batches(batches, *, mean=lambda sums, sizes: sum(sums) / sum(sizes)) -> float:
    sums = [float(batch.sum()) for batch in batches]
    return mean(sums, [len(batch) for batch in batches])


BATCH_MEAN_BUGS = {
    "the means of the batches are averaged, though the last is smaller; add up all costs.": (
        partial(
            mean_over_batches,
            mean=lambda sums, sizes: (
                sum([s / n for s, n in zip(sums, sizes, strict=True)]) / len(sums)
            ),
        )
    ),
    "the sum is divided by the number of batches; divide by that of the costs.": partial(
        mean_over_batches, mean=lambda sums, sizes: sum(sums) / len(sums)
    ),
    "the costs are added up; divide by how many there are.": partial(
        mean_over_batches, mean=lambda sums, sizes: sum(sums)
    ),
    "the smaller last batch is left out; its costs count as well.": partial(
        mean_over_batches, mean=lambda sums, sizes: sum(sums[:-1]) / sum(sizes[:-1])
    ),
    "each batch is divided by the size of the first; divide once, by all.": partial(
        mean_over_batches, mean=lambda sums, sizes: sum(sums) / (sizes[0] * len(sizes))
    ),
}
