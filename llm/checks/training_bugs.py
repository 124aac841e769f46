"""The functions of the Training exercise, right and wrong in all the ways that we have seen.

The right ones are `get_batch`, `cosine_schedule`, `train_step` and `accumulate`; the dictionaries
below them hold the bugs: a sentence, and a function that has the bug, which is mostly one changed
argument.
"""

from builtins import len, list, max, zip  # noqa: UP029  bound now, as in the checks
from functools import partial
from math import cos, pi

import torch
from torch import Tensor, nn

_cross_entropy = nn.functional.cross_entropy
_randint, _stack = torch.randint, torch.stack


def get_batch(
    data: Tensor,
    batch_size: int,
    seq_len: int,
    generator: torch.Generator | None = None,
    *,
    first: int = 0,
    spare: int = 0,
    shift: int = 1,
    n_starts=lambda batch_size: batch_size,
    own=lambda generator: generator,
    finish=lambda inputs, targets: (inputs, targets),
) -> tuple[Tensor, Tensor]:
    end = len(data) - seq_len - max(shift, 1) + 1 - spare
    starts = _randint(first, end, (n_starts(batch_size),), generator=own(generator)).tolist()
    starts = starts * (batch_size // len(starts))
    inputs = _stack([data[s : s + seq_len] for s in starts])
    targets = _stack([data[s + shift : s + shift + seq_len] for s in starts])
    return finish(inputs, targets)


BATCH_BUGS = {
    "the targets are the inputs themselves; take them one place further on.": partial(
        get_batch, shift=0
    ),
    "the targets are two places after the inputs; one place is enough.": partial(
        get_batch, shift=2
    ),
    "the targets are one place before the inputs; they must be one place after.": partial(
        get_batch, shift=-1, first=1
    ),
    "the last target of a row is its first input; roll wraps round at the end.": partial(
        get_batch, finish=lambda x, y: (x, x.roll(-1, dims=1))
    ),
    "a row has just one target, its last; every position needs a target.": partial(
        get_batch, finish=lambda x, y: (x, y[:, -1])
    ),
    "a row has just one target, in a column; every position needs a target.": partial(
        get_batch, finish=lambda x, y: (x, y[:, -1:])
    ),
    "the last target of a row stands at every position; each needs its own.": partial(
        get_batch, finish=lambda x, y: (x, y[:, -1:].expand(y.shape))
    ),
    "the tensors are (T, B); stack the windows as rows, (B, T).": partial(
        get_batch, finish=lambda x, y: (x.T, y.T)
    ),
    "all rows have the same window; draw a start for each row.": partial(
        get_batch, n_starts=lambda batch_size: 1
    ),
    "every call gives the same batch; use the generator that is handed in.": partial(
        get_batch, own=lambda generator: torch.Generator().manual_seed(0)
    ),
    "the generator is not used; hand it to torch.randint.": partial(
        get_batch, own=lambda generator: None
    ),
    "some windows run past the end; a start is at most len(data) - seq_len - 1.": partial(
        get_batch, spare=-1
    ),
    "the last window is never drawn; a start is at most len(data) - seq_len - 1.": partial(
        get_batch, spare=1
    ),
    "the first window is never drawn; the lowest start is 0.": partial(get_batch, first=1),
}


def cosine_schedule(
    step: int,
    warmup: int,
    total: int,
    max_lr: float,
    min_lr: float,
    *,
    rise=lambda step, warmup: step / warmup,
    over=lambda step, warmup, total: (step - warmup) / (total - warmup),
    wave=lambda progress: (1 + cos(pi * progress)) / 2,
    scale=lambda share, max_lr, min_lr: min_lr + (max_lr - min_lr) * share,
    warm=lambda step, warmup: step < warmup,
    done=lambda step, total: step >= total,
) -> float:
    if warm(step, warmup):
        return max_lr * rise(step, warmup)
    if done(step, total):
        return min_lr
    return scale(wave(over(step, warmup, total)), max_lr, min_lr)


def _from_min(step, warmup, total, max_lr, min_lr):
    return min_lr + (max_lr - min_lr) * step / warmup


def _ends_with(end):
    """A schedule that is right until ``total``."""

    def schedule(step, warmup, total, max_lr, min_lr):
        case = (step, warmup, total, max_lr, min_lr)
        return end(max_lr) if step >= total else cosine_schedule(*case)

    return schedule


_changed = partial(partial, cosine_schedule)
_NEVER = {"warm": lambda step, warmup: False}

WARMUP_BUGS = {
    "there is no warmup; below warmup the rate is max_lr * step / warmup.": _changed(
        over=lambda step, warmup, total: step / total, **_NEVER
    ),
    "there is no warmup; the cosine is drawn to the left of warmup as well.": _changed(**_NEVER),
    "the rate is max_lr from the start; in the warmup it rises in a line from 0.": _changed(
        rise=lambda step, warmup: 1
    ),
    "the warmup falls from max_lr; it must rise from 0.": _changed(
        rise=lambda step, warmup: 1 - step / warmup
    ),
    "the warmup is one step ahead; at step 0 the rate is 0.": _changed(
        rise=lambda step, warmup: (step + 1) / warmup
    ),
    "the warmup is (step + 1) / (warmup + 1); here it is step / warmup.": _changed(
        rise=lambda step, warmup: (step + 1) / (warmup + 1)
    ),
    "the warmup stays at 0; // drops the fraction, so divide with /.": _changed(
        rise=lambda step, warmup: step // warmup
    ),
    "the warmup starts at min_lr; it rises from 0.": _from_min,
    "the warmup divides by total; it is over at step warmup.": lambda step, *case: (
        case[2] * step / case[1]
    ),
}

DECAY_BUGS = {
    "it divides by a warmup of 0; when step equals warmup, the warmup is over.": _changed(
        warm=lambda step, warmup: step <= warmup
    ),
    "this is the whole cosine, which rises again; take half of it, cos(pi * progress).": _changed(
        wave=lambda progress: (1 + cos(2 * pi * progress)) / 2
    ),
    "this is a quarter of a cosine; take half of it, (1 + cos(pi * progress)) / 2.": _changed(
        wave=lambda progress: cos(pi * progress / 2)
    ),
    "the cosine ends at 0; it goes from max_lr to min_lr.": _changed(
        scale=lambda share, max_lr, min_lr: max_lr * share
    ),
    "the cosine goes to 0 and is cut off at min_lr; let it end there.": _changed(
        scale=lambda share, max_lr, min_lr: max(min_lr, max_lr * share)
    ),
    "the cosine starts at max_lr + min_lr; its height is max_lr - min_lr.": _changed(
        scale=lambda share, max_lr, min_lr: min_lr + max_lr * share
    ),
    "progress is counted from step 0; it is 0 at the end of the warmup.": _changed(
        over=lambda step, warmup, total: step / total
    ),
    "progress is divided by total; the cosine is only total - warmup steps long.": _changed(
        over=lambda step, warmup, total: (step - warmup) / total
    ),
    "the cosine has no pi; half a turn is cos(pi * progress).": _changed(
        wave=lambda progress: (1 + cos(progress)) / 2
    ),
    "the cosine is given degrees; half a turn is pi, not 180.": _changed(
        wave=lambda progress: (1 + cos(180 * progress)) / 2
    ),
    "the cosine rises from min_lr to max_lr; it is 1 + cos, not 1 - cos.": _changed(
        wave=lambda progress: (1 - cos(pi * progress)) / 2
    ),
    "the cosine is twice too high; 1 + cos goes from 2 to 0, so halve it.": _changed(
        wave=lambda progress: 1 + cos(pi * progress)
    ),
    "the cosine goes from 1 to -1; (1 + cos(pi * progress)) / 2 goes from 1 to 0.": _changed(
        wave=lambda progress: cos(pi * progress)
    ),
    "the rate falls in a line; it should follow a cosine.": _changed(
        wave=lambda progress: 1 - progress
    ),
    "the rate stays at max_lr after the warmup.": _changed(wave=lambda progress: 1),
}

END_BUGS = {
    "the rate rises again after total; there it stays at min_lr.": _changed(
        done=lambda step, total: False
    ),
    "the rate is 0 from total on; there it stays at min_lr.": _ends_with(lambda max_lr: 0.0),
    "the rate is max_lr from total on; there it stays at min_lr.": _ends_with(
        lambda max_lr: max_lr
    ),
}


def _mean_loss(logits: Tensor, targets: Tensor, inputs: Tensor, **settings) -> Tensor:
    return _cross_entropy(logits.flatten(0, 1), targets.flatten(), **settings)


_DO = {
    "zero": lambda model, optimizer: optimizer.zero_grad(),
    "step": lambda model, optimizer: optimizer.step(),
    "eval": lambda model, optimizer: model.eval(),
}


def accumulate(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    inputs: Tensor,
    targets: Tensor,
    parts: int,
    *,
    loss_of=_mean_loss,
    cut=Tensor.chunk,
    share=lambda loss, parts, rows: loss / parts,
    before: str = "zero",
    within: str = "",
    each: str = "",
    after: str = "step",
    learns=lambda number, parts: True,
    report=lambda losses, parts: losses.mean(),
) -> Tensor:
    """Actions of `_DO` come before the loop, within it around ``backward()``, and after it."""

    def do(actions: str) -> None:
        for action in actions.split():
            _DO[action](model, optimizer)

    do(before)
    losses: list[Tensor] = []
    for x, y in zip(cut(inputs, parts), cut(targets, parts), strict=True):
        do(within)
        loss = loss_of(model(x), y, x)
        losses.append(loss.detach())
        if learns(len(losses), parts):
            share(loss, parts, len(inputs)).backward()
        do(each)
    do(after)
    return report(_stack(losses), parts)


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    inputs: Tensor,
    targets: Tensor,
    **changes,
) -> Tensor:
    return accumulate(model, optimizer, inputs, targets, 1, **changes)


def _returns_later_loss(model, optimizer, inputs, targets):
    train_step(model, optimizer, inputs, targets)
    return _mean_loss(model(inputs), targets, inputs)


LOSSES = {  # a bug of the loss, in one piece and in parts
    "the loss is shifted twice; targets are one place on already, so compare as they are.": (
        lambda logits, targets, inputs: _mean_loss(logits[:, :-1], targets[:, 1:], inputs)
    ),
    "the loss compares with the inputs; the model is to predict the targets.": (
        lambda logits, targets, inputs: _mean_loss(logits, inputs, inputs)
    ),
    "only the last position is learned from; take the loss at all positions.": (
        lambda logits, targets, inputs: _cross_entropy(logits[:, -1], targets[:, -1])
    ),
    "the loss is a sum; take the mean over all B * T positions.": (
        partial(_mean_loss, reduction="sum")
    ),
    "the loss is a sum over positions; take the mean over those too.": (
        lambda *batch: _mean_loss(*batch, reduction="sum") / len(batch[1])
    ),
    "softmax comes before cross_entropy, which has one inside; give it the logits.": (
        lambda logits, targets, inputs: _mean_loss(logits.softmax(-1), targets, inputs)
    ),
    "rows and positions are mixed up; flatten logits and targets in the same order.": (
        lambda logits, targets, inputs: _mean_loss(logits.transpose(0, 1), targets, inputs)
    ),
    "view only cuts anew; swap the last two dimensions with logits.transpose(1, 2).": (
        lambda logits, targets, inputs: _cross_entropy(
            logits.reshape(len(logits), -1, logits.shape[1]), targets
        )
    ),
    "cross_entropy wants (N, V) and (N,): flatten rows and positions into one.": (
        lambda logits, targets, inputs: _cross_entropy(logits, targets)
    ),
}

STEP_BUGS = {
    "the gradients of the step before are still there: call optimizer.zero_grad().": partial(
        train_step, before=""
    ),
    "zero_grad() comes between backward() and step() and wipes the gradients out.": partial(
        train_step, each="zero"
    ),
    "optimizer.step() is missing, so no weight moves.": partial(train_step, after=""),
    "backward() is missing, so there are no gradients.": partial(
        train_step, learns=lambda number, parts: False
    ),
    "step() comes twice; one batch is one update.": partial(train_step, after="step step"),
    "the model is in evaluation mode; it learns in training mode, model.train().": partial(
        train_step, before="zero eval"
    ),
}

STEP_BUGS |= {name: partial(train_step, loss_of=loss) for name, loss in LOSSES.items()}

STEP_LOSS_BUGS = {
    "the loss is measured after the update; return the one that was worked with.": (
        _returns_later_loss
    ),
}

_parts = partial(partial, accumulate)

PARTS_BUGS = {
    "the losses are not divided by parts, so the step is parts times too long.": _parts(
        share=lambda loss, parts, rows: loss
    ),
    "the losses are divided by the number of rows; divide by parts.": _parts(
        share=lambda loss, parts, rows: loss / rows
    ),
    "optimizer.step() comes after every part; call it once, after the loop.": _parts(
        each="step", after=""
    ),
    "only the last part counts; zero_grad() belongs before the loop.": _parts(within="zero"),
    "only the last part counts, and undivided; backward() belongs in the loop, on loss / parts.": (
        _parts(share=lambda loss, parts, rows: loss, within="zero")
    ),
    "only the first part counts; the loop must reach all of them.": _parts(
        learns=lambda number, parts: number == 1
    ),
    "the gradients of the update before are still there: call optimizer.zero_grad().": _parts(
        before=""
    ),
    "zero_grad() comes between backward() and step() and wipes the gradients out.": _parts(
        after="zero step"
    ),
    "optimizer.step() is missing, so no weight moves.": _parts(after=""),
    "backward() is missing, so there are no gradients.": _parts(learns=lambda number, parts: False),
    "the batch is worked on in one piece; cut its rows into parts.": _parts(
        cut=lambda rows, parts: [rows]
    ),
    "split takes the length of a piece; chunk takes the number of pieces.": _parts(
        cut=Tensor.split
    ),
    "the positions are cut into parts; cut the rows, dimension 0.": _parts(
        cut=lambda rows, parts: rows.tensor_split(parts, dim=1)
    ),
}

PARTS_BUGS |= {name: _parts(loss_of=loss) for name, loss in LOSSES.items()}

PARTS_LOSS_BUGS = {
    "the losses of the parts are added up; divide the sum by parts.": _parts(
        report=lambda losses, parts: losses.sum()
    ),
    "the loss of the last part is returned; return the mean over the parts.": _parts(
        report=lambda losses, parts: losses[-1]
    ),
    "the share of the last part is returned; add up the shares of all parts.": _parts(
        report=lambda losses, parts: losses[-1] / parts
    ),
}
