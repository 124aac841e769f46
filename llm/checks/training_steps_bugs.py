"""The functions of the Training assignment, right and wrong in all the ways that we have seen.

As in `training_bugs`: the right functions, and below each a dictionary from a sentence to a
function that has the bug. What a teacher may choose (what is averaged, the optimizer, the schedule)
has a function, or an argument, for each choice.
"""

from builtins import (  # noqa: UP029  bound now, as in the checks
    dict,
    float,
    int,
    len,
    list,
    max,
    min,
    setattr,
    sum,
    zip,
)
from copy import deepcopy
from functools import partial
from math import cos, pi, sqrt

import torch
from torch import Tensor, nn

_cross_entropy = nn.functional.cross_entropy
_clip_norm, _clip_value = nn.utils.clip_grad_norm_, nn.utils.clip_grad_value_
_no_grad, _randint, _norm = torch.no_grad, torch.randint, torch.linalg.vector_norm
IGNORE = -100


def draw_rows(
    table: Tensor,
    batch_size: int,
    generator: torch.Generator | None = None,
    *,
    n_rows=len,
    n_drawn=lambda batch_size: batch_size,
    own=lambda generator: generator,
    cut=lambda rows: rows[:, : int((rows != IGNORE).sum(-1).max())],
    pair=lambda rows: (rows[:, :-1].clamp(min=0), rows[:, 1:]),
) -> tuple[Tensor, Tensor]:
    places = _randint(n_rows(table), (n_drawn(batch_size),), generator=own(generator))
    return pair(cut(table[places.repeat(batch_size // len(places))]))


_rows = partial(partial, draw_rows)

ROWS_BUGS = {
    "the columns that are padding in all rows are still there; cut at the longest row.": _rows(
        cut=lambda rows: rows
    ),
    "the table is cut at the shortest row; the longest must be whole.": _rows(
        cut=lambda rows: rows[:, : int((rows != IGNORE).sum(-1).min())]
    ),
    "the inputs still hold -100, and no table has such a row; put an id there, say 0.": _rows(
        pair=lambda rows: (rows[:, :-1], rows[:, 1:])
    ),
    "padding is asked for as token 0; a target that does not count stays -100.": _rows(
        pair=lambda rows: (rows[:, :-1].clamp(min=0), rows[:, 1:].clamp(min=0))
    ),
    "nothing is shifted; the target of a token is the one after it.": _rows(
        pair=lambda rows: (rows[:, :-1].clamp(min=0), rows[:, :-1])
    ),
    "the shift is twice too far; the target of a token is the one after it.": _rows(
        pair=lambda rows: (rows[:, :-2].clamp(min=0), rows[:, 2:])
    ),
    "the last row is never drawn; torch.randint leaves out its upper end by itself.": _rows(
        n_rows=lambda table: len(table) - 1
    ),
    "all rows of a batch are the same; draw a place for each row.": _rows(
        n_drawn=lambda batch_size: 1
    ),
    "a batch is one block of the table, its rows always neighbours; draw each by itself.": (
        lambda table, batch_size, generator: _without_dice(
            table[int(_randint(len(table) - batch_size + 1, (), generator=generator)) :][
                :batch_size
            ]
        )
    ),
    "every call gives the same batch; use the generator that is handed in.": _rows(
        own=lambda generator: torch.Generator().manual_seed(0)
    ),
    "the generator is not used; hand it to torch.randint.": _rows(own=lambda generator: None),
    "always the first rows are taken; draw them.": lambda table, batch_size, generator: (
        _without_dice(table[:batch_size])
    ),
}


def _without_dice(rows: Tensor) -> tuple[Tensor, Tensor]:
    rows = rows[:, : int((rows != IGNORE).sum(-1).max())]
    return rows[:, :-1].clamp(min=0), rows[:, 1:]


def _costs(logits: Tensor, targets: Tensor) -> Tensor:
    return _cross_entropy(logits.transpose(1, 2), targets, reduction="none")  # (B, T)


def _of_tokens(costs: Tensor, part: Tensor, whole: Tensor, parts: int) -> Tensor:
    return costs.sum() / (whole != IGNORE).sum()


def _of_rows(costs: Tensor, part: Tensor, whole: Tensor, parts: int) -> Tensor:
    return (costs.sum(-1) / (part != IGNORE).sum(-1)).sum() / len(whole)


def _part_mean(costs: Tensor, part: Tensor) -> Tensor:
    return costs.sum() / (part != IGNORE).sum()


SHARES = {"tokens": _of_tokens, "rows": _of_rows}


def gradients_in_parts(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    parts: int,
    *,
    share=_of_tokens,
    cut=Tensor.chunk,
    zero: str = "before",
    learns=lambda number: True,
    report=sum,
) -> float:
    if zero == "before":
        model.zero_grad()
    losses = []
    for x, y in zip(cut(inputs, parts), cut(targets, parts), strict=True):
        if zero == "within":
            model.zero_grad()
        loss = share(_costs(model(x), y), y, targets, parts)
        losses.append(loss.detach())
        if learns(len(losses)):
            loss.backward()
    return float(report(losses))


_OTHER_SHARE = {
    "tokens": ("each row counts alike, however long; here each real target counts alike.", "rows"),
    "rows": ("each real target counts alike; here each row does, however long it is.", "tokens"),
}


def parts_bugs(mean: str) -> dict:
    """Bugs of :func:`gradients_in_parts` where each of ``mean`` counts alike."""
    sentence, other = _OTHER_SHARE[mean]
    bug = partial(partial, gradients_in_parts, share=SHARES[mean])
    return {
        sentence: bug(share=SHARES[other]),
        "the means of the parts are averaged, though the parts are unequal.": bug(
            share=lambda costs, part, whole, parts: _part_mean(costs, part) / parts
        ),
        "the means of the parts are added up; each may count only for its share.": bug(
            share=lambda costs, part, whole, parts: _part_mean(costs, part)
        ),
        "the parts are weighed by their rows, padding and all.": bug(
            share=lambda costs, part, whole, parts: _part_mean(costs, part) * len(part) / len(whole)
        ),
        "padding is counted; leave out targets of -100 where you divide.": bug(
            share=lambda costs, part, whole, parts: costs.sum() / whole.numel()
        ),
        "the costs are added up; divide, so that the loss is a mean.": bug(
            share=lambda costs, part, whole, parts: costs.sum()
        ),
        "the sum of all costs is divided by the number of rows alone.": bug(
            share=lambda costs, part, whole, parts: costs.sum() / len(whole)
        ),
        "the gradients of the batch before are still there: call model.zero_grad().": bug(zero=""),
        "only the last part counts; zero_grad() belongs before the loop.": bug(zero="within"),
        "only the first part counts; the loop must reach all of them.": bug(
            learns=lambda number: number == 1
        ),
        "backward() is missing, so there are no gradients.": bug(learns=lambda number: False),
        "the batch is worked on in one piece; cut its rows into parts.": bug(
            cut=lambda rows, parts: [rows]
        ),
        "the loss of the last part is returned; return the sum of all shares.": bug(
            report=lambda losses: losses[-1]
        ),
    }


def adamw_update(
    weight: Tensor,
    gradient: Tensor,
    state: tuple,
    lr: float,
    decay: float,
    *,
    betas: tuple[float, float] = (0.9, 0.95),
    count=lambda step: step + 1,
    mix=lambda old, new, beta: beta * old + (1 - beta) * new,
    seen=lambda gradient, weight, decay: gradient,
    square=lambda gradient: gradient**2,
    unbias=lambda mean, beta, step: mean / (1 - beta**step),
    ratio=lambda m, v: m / (v.sqrt() + 1e-8),
    shrink=lambda weight, lr, decay: lr * decay * weight,
    sign: int = -1,
) -> tuple[Tensor, tuple]:
    step, m, v = state
    step, gradient = count(step), seen(gradient, weight, decay)
    m = mix(m, gradient, betas[0])
    v = mix(v, square(gradient), betas[1])
    way = ratio(unbias(m, betas[0], step), unbias(v, betas[1], step))
    return weight + sign * lr * way - shrink(weight, lr, decay), (step, m, v)


_adam = partial(partial, adamw_update)
_NO_SHRINK = {"shrink": lambda weight, lr, decay: 0 * weight}

ADAMW_BUGS = {
    "the means are not corrected for their start at 0; divide by 1 - beta ** step.": _adam(
        unbias=lambda mean, beta, step: mean
    ),
    "only the mean of the squares is corrected; correct both.": _adam(
        unbias=lambda mean, beta, step: mean if beta == 0.9 else mean / (1 - beta**step)
    ),
    "only the mean of the gradients is corrected; correct both.": _adam(
        unbias=lambda mean, beta, step: mean if beta == 0.95 else mean / (1 - beta**step)
    ),
    "the step is counted from 0, so the correction divides by 0; add 1 first.": _adam(
        count=lambda step: step,
        unbias=lambda mean, beta, step: mean / (1 - beta**step) if step else mean / 0,
    ),
    "the state keeps the corrected means; correct them only for this step's way.": (
        lambda *case: _corrected(case)
    ),
    "the step does not go on; the new state begins with step + 1.": lambda *case: _stopped(case),
    "the decay is added to the gradient, as in Adam; in AdamW it shrinks the weight.": _adam(
        seen=lambda gradient, weight, decay: gradient + decay * weight, **_NO_SHRINK
    ),
    "the weight does not decay; it shrinks by lr * decay of itself.": _adam(**_NO_SHRINK),
    "the decay is not multiplied by lr.": _adam(shrink=lambda weight, lr, decay: decay * weight),
    "the weight grows by its decay; it shrinks.": _adam(
        shrink=lambda weight, lr, decay: -lr * decay * weight
    ),
    "the small number stands under the root; it is added to the root.": _adam(
        ratio=lambda m, v: m / (v + 1e-8).sqrt()
    ),
    "the root of the mean square is missing.": _adam(ratio=lambda m, v: m / (v + 1e-8)),
    "it is not divided by the root of the mean square; that is momentum alone.": _adam(
        ratio=lambda m, v: m
    ),
    "the gradients are not squared in the second mean.": _adam(square=lambda gradient: gradient),
    "the two betas are interchanged; gradients have 0.9, squares 0.95.": _adam(betas=(0.95, 0.9)),
    "the old and the new are mixed the wrong way round; the old mean keeps beta.": _adam(
        mix=lambda old, new, beta: (1 - beta) * old + beta * new
    ),
    "the new gradient is added whole; it is mixed in with 1 - beta.": _adam(
        mix=lambda old, new, beta: beta * old + new
    ),
    "the step goes up the slope; subtract it.": _adam(sign=1),
}


def _corrected(case: tuple) -> tuple[Tensor, tuple]:
    weight, (step, m, v) = adamw_update(*case)
    return weight, (step, m / (1 - 0.9**step), v / (1 - 0.95**step))


def _stopped(case: tuple) -> tuple[Tensor, tuple]:
    weight, (_, m, v) = adamw_update(*case)
    return weight, (case[2][0], m, v)


def sgd_update(
    weight: Tensor,
    gradient: Tensor,
    state: tuple,
    lr: float,
    decay: float,
    *,
    momentum: float = 0.9,
    mix=lambda old, new, momentum: momentum * old + new,
    seen=lambda gradient, weight, decay: gradient,
    way=lambda velocity, gradient: velocity,
    shrink=lambda weight, lr, decay: lr * decay * weight,
    sign: int = -1,
) -> tuple[Tensor, tuple]:
    velocity = mix(state[0], seen(gradient, weight, decay), momentum)
    moved = weight + sign * lr * way(velocity, gradient) - shrink(weight, lr, decay)
    return moved, (velocity,)


_sgd = partial(partial, sgd_update)

SGD_BUGS = {
    "there is no momentum; the velocity is 0.9 of the old one plus the gradient.": _sgd(
        mix=lambda old, new, momentum: new
    ),
    "the gradient is mixed in with 0.1, as in Adam; here it is added whole.": _sgd(
        mix=lambda old, new, momentum: momentum * old + (1 - momentum) * new
    ),
    "nothing is forgotten; the old velocity is multiplied by 0.9.": _sgd(momentum=1.0),
    "the gradient is multiplied by 0.9 and the old velocity is not.": _sgd(
        mix=lambda old, new, momentum: old + momentum * new
    ),
    "the decay is added to the gradient; here it shrinks the weight by itself.": _sgd(
        seen=lambda gradient, weight, decay: gradient + decay * weight,
        **_NO_SHRINK,
    ),
    "the weight does not decay; it shrinks by lr * decay of itself.": _sgd(**_NO_SHRINK),
    "the decay is not multiplied by lr.": _sgd(shrink=lambda weight, lr, decay: decay * weight),
    "the weight grows by its decay; it shrinks.": _sgd(
        shrink=lambda weight, lr, decay: -lr * decay * weight
    ),
    "the step goes up the slope; subtract it.": _sgd(sign=1),
    "the state has one part, the velocity, in a tuple; the three of AdamW are not asked for.": (
        adamw_update
    ),
    "this looks two steps ahead, as Nesterov does; step along the velocity alone.": _sgd(
        way=lambda velocity, gradient: gradient + 0.9 * velocity
    ),
}


ADAMW_BUGS["this is descent with momentum; this variant asks for AdamW."] = sgd_update


def schedule(
    step: int,
    warmup: int,
    total: int,
    max_lr: float,
    min_lr: float,
    *,
    rise=lambda step, warmup: (step + 1) / warmup,
    progress=lambda step, warmup, total: (step - warmup) / (total - warmup),
    shape=lambda progress: (1 + cos(pi * progress)) / 2,
    scale=lambda share, max_lr, min_lr: min_lr + (max_lr - min_lr) * share,
    end=lambda max_lr, min_lr: min_lr,
    warm: bool = True,
    stops: bool = True,
) -> float:
    if warm and step < warmup:
        return max_lr * rise(step, warmup)
    if stops and step >= total:
        return end(max_lr, min_lr)
    return scale(shape(progress(step, warmup, total)), max_lr, min_lr)


def _last_fifth(progress: float) -> float:
    return min(1.0, 5 * (1 - progress))


SHAPES = {"cosine": lambda progress: (1 + cos(pi * progress)) / 2, "trapezoid": _last_fifth}
_OTHER_SHAPE = {
    "cosine": {
        "the rate is level and then falls in a line; here it follows half a cosine.": _last_fifth,
        "the rate falls in a line; here it follows half a cosine.": lambda progress: 1 - progress,
        "this is the whole cosine, which rises again; take half of it.": (
            lambda progress: (1 + cos(2 * pi * progress)) / 2
        ),
        "the cosine has no pi; half a turn is cos(pi * progress).": (
            lambda progress: (1 + cos(progress)) / 2
        ),
        "this is a quarter of a cosine; half of it is (1 + cos(pi * progress)) / 2.": (
            lambda progress: cos(pi * progress / 2)
        ),
        "the cosine is twice too high; 1 + cos goes from 2 to 0, so halve it.": (
            lambda progress: 1 + cos(pi * progress)
        ),
    },
    "trapezoid": {
        "the rate follows a cosine; here it is level, then falls in a line.": SHAPES["cosine"],
        "the rate falls from the warmup on; it is level for four fifths of the way.": (
            lambda progress: 1 - progress
        ),
        "the fall takes four fifths of the way; it takes the last fifth.": (
            lambda progress: min(1.0, (1 - progress) / 0.8)
        ),
        "the rate stays level to the end; in the last fifth it falls.": lambda progress: 1.0,
        "the fall is a jump to the lowest rate; it goes down in a line.": (
            lambda progress: float(progress < 0.8)
        ),
    },
}


def schedule_bugs(shape: str) -> dict:
    """Bugs of :func:`schedule` of a shape, apart for the warmup, the way down and the end."""
    bug = partial(partial, schedule, shape=SHAPES[shape])
    warmup = {
        "the first step is lost at a rate of 0; here it is (step + 1) / warmup.": bug(
            rise=lambda step, warmup: step / warmup
        ),
        "the warmup never gets to max_lr; here it is (step + 1) / warmup.": bug(
            rise=lambda step, warmup: (step + 1) / (warmup + 1)
        ),
        "there is no warmup; the rate rises in a line over the first steps.": bug(
            rise=lambda step, warmup: 1
        ),
        "the warmup falls; it must rise.": bug(rise=lambda step, warmup: 1 - step / warmup),
    }
    down = {sentence: bug(shape=other) for sentence, other in _OTHER_SHAPE[shape].items()} | {
        "the way down ends at 0; it goes from max_lr to min_lr.": bug(
            scale=lambda share, max_lr, min_lr: max_lr * share
        ),
        "the way down ends at 0 and is cut off at min_lr; let it end there.": bug(
            scale=lambda share, max_lr, min_lr: max(min_lr, max_lr * share)
        ),
        "the way down starts at max_lr + min_lr; its height is max_lr - min_lr.": bug(
            scale=lambda share, max_lr, min_lr: min_lr + max_lr * share
        ),
        "progress is counted from step 0; it is 0 at the end of the warmup.": bug(
            progress=lambda step, warmup, total: step / total
        ),
        "progress is divided by total; the way down has only total - warmup steps.": bug(
            progress=lambda step, warmup, total: (step - warmup) / total
        ),
        "the way down is a step ahead; at step warmup the rate is still max_lr.": bug(
            progress=lambda step, warmup, total: (step + 1 - warmup) / (total - warmup)
        ),
    }
    end = {
        "the rate goes on after total; there it stays at min_lr.": bug(stops=False),
        "the rate is 0 from total on; there it stays at min_lr.": bug(end=lambda high, low: 0.0),
        "the rate is max_lr from total on; there it stays at min_lr.": bug(
            end=lambda high, low: high
        ),
    }
    if shape == "cosine":
        sentence = "the warmup is skipped: the cosine is drawn to the left of it as well."
        warmup[sentence] = bug(warm=False)
    return {"warmup": warmup, "down": down, "end": end}


def clip(
    gradients: list[Tensor],
    most: float,
    *,
    norm=lambda gradients: sqrt(sum([float(g.square().sum()) for g in gradients])),
    factor=lambda norm, most: min(1.0, most / norm),
    change=lambda gradient, factor: gradient * factor,
    report=lambda norm, factor: norm,
) -> tuple[list[Tensor], float]:
    length = norm(gradients)
    scale = factor(length, most)
    return [change(gradient, scale) for gradient in gradients], report(length, scale)


_clip = partial(partial, clip)

CLIP_BUGS = {
    "each gradient is cut down alone; the norm is that of all together.": lambda gradients, most: (
        [clip([g], most)[0][0] for g in gradients],
        clip(gradients, most)[1],
    ),
    "short gradients are lengthened; below the limit they stay as they are.": _clip(
        factor=lambda norm, most: most / norm
    ),
    "they become of length 1, whatever the limit; scale them to the limit.": _clip(
        factor=lambda norm, most: 1 / norm if norm > most else 1.0
    ),
    "the entries are cut off one by one; scale all by one factor.": lambda gradients, most: (
        [g.clamp(-most, most) for g in gradients],
        clip(gradients, most)[1],
    ),
    "the root is missing; the norm is the root of the sum of squares.": _clip(
        norm=lambda gradients: sum([float(g.square().sum()) for g in gradients])
    ),
    "the norms of the tensors are added up; add up the squares of all entries.": _clip(
        norm=lambda gradients: sum([float(_norm(g)) for g in gradients])
    ),
    "the greatest of the norms is taken; all entries together have one norm.": _clip(
        norm=lambda gradients: max([float(_norm(g)) for g in gradients])
    ),
    "the absolute values are added up; the norm is the root of the sum of squares.": _clip(
        norm=lambda gradients: sum([float(g.abs().sum()) for g in gradients])
    ),
    "nothing is cut down.": _clip(factor=lambda norm, most: 1.0),
    "the norm after clipping is returned; return the one before, which tells of spikes.": _clip(
        report=lambda norm, factor: norm * factor
    ),
}


def validation_loss(
    model: nn.Module,
    batches: list,
    *,
    quiet: bool = True,
    grad=_no_grad,
    back: bool = True,
    count=lambda y: int((y != IGNORE).sum()),
    mean=lambda sums, counts: sum(sums) / sum(counts),
) -> float:
    was_training, sums, counts = model.training, [], []
    if quiet:
        model.eval()
    with grad():
        for x, y in batches:
            sums.append(float(_costs(model(x), y).detach().sum()))
            counts.append(count(y))
    if back:
        model.train(was_training)
    return mean(sums, counts)


def _by_rows(model: nn.Module, batches: list) -> float:
    means = [validation_loss(model, [batch]) * len(batch[0]) for batch in batches]
    return sum(means) / sum([len(x) for x, _ in batches])


_valid = partial(partial, validation_loss)

VALIDATION_BUGS = {
    "the model is in training mode, so dropout is at work; call model.eval() first.": _valid(
        quiet=False
    ),
    "the model is left in evaluation mode; put it back into the mode it came in.": _valid(
        back=False
    ),
    "gradients are recorded; wrap the loop in torch.no_grad().": _valid(grad=torch.enable_grad),
    "the means of the batches are averaged; each real target counts alike.": _valid(
        mean=lambda sums, counts: (
            sum([s / n for s, n in zip(sums, counts, strict=True)]) / len(sums)
        )
    ),
    "padding is counted; divide by the number of targets that are not -100.": _valid(
        count=lambda y: y.numel()
    ),
    "the mean of each batch is weighed by its rows; each real target counts alike.": (
        lambda model, batches: _by_rows(model, batches)
    ),
    "the costs are added up; divide by the number of real targets.": _valid(
        mean=lambda sums, counts: sum(sums)
    ),
    "only the last batch counts; add up over all.": _valid(
        mean=lambda sums, counts: sums[-1] / counts[-1]
    ),
    "always training mode comes after; put it back into the mode it came in.": (
        lambda model, batches: (validation_loss(model, batches), model.train())[0]
    ),
}


def save(run, *, kept: str = "model states step dice", copied=deepcopy) -> dict:
    parts = {
        "model": lambda: copied(run.model.state_dict()),
        "states": lambda: copied(run.states),
        "step": lambda: run.step,
        "dice": lambda: run.dice.get_state(),
    }
    return {name: parts[name]() for name in kept.split()}


def load(run, saved: dict, *, used: str = "model states step dice") -> None:
    parts = {
        "model": lambda value: run.model.load_state_dict(value),
        "states": lambda value: setattr(run, "states", deepcopy(value)),
        "step": lambda value: setattr(run, "step", value),
        "dice": lambda value: run.dice.set_state(value),
    }
    for name in [name for name in used.split() if name in saved]:
        parts[name](saved[name])


def _without(name: str) -> tuple:
    kept = " ".join([part for part in ("model", "states", "step", "dice") if part != name])
    return partial(save, kept=kept), load


def _shared_states(run) -> dict:
    return save(run) | {"states": run.states}


RESUME_BUGS = {
    "the weights are not those that were saved.": _without("model"),
    "the optimizer's states are not those that were saved.": _without("states"),
    "the step is not the one that was saved, so the learning rate is another.": _without("step"),
    "the generator's state is not the one that was saved, so other batches are drawn.": (
        _without("dice")
    ),
    "what was saved changes as training goes on; state_dict() is no copy, so deepcopy it.": (
        lambda run: save(run) | {"model": run.model.state_dict()},
        load,
    ),
    "what was saved, weights and states, changes as training goes on; deepcopy it.": (
        lambda run: _shared_states(run) | {"model": run.model.state_dict()},
        load,
    ),
    "the saved states change as training goes on; deepcopy them.": (_shared_states, load),
    "what is loaded is used up by the run that goes on; copy it in load, too.": (
        save,
        lambda run, saved: (load(run, saved), setattr(run, "states", saved["states"]))[0],
    ),
    "the other run is as it was; load must change its parts, not only its own name for it.": (
        lambda run: {"step": run.step},
        lambda run, saved: None,
    ),
}


_DO = {
    "zero": lambda model, most: model.zero_grad(),
    "clip": lambda model, most: _clip_norm(model.parameters(), most),
    "values": lambda model, most: _clip_value(model.parameters(), most),
    "each": lambda model, most: [_clip_norm([p], most) for p in model.parameters()],
}


def clipped_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    inputs: Tensor,
    targets: Tensor,
    most: float,
    *,
    order: str = "zero backward clip step",
) -> Tensor:
    loss = _cross_entropy(model(inputs).transpose(1, 2), targets)
    actions = {"backward": loss.backward, "step": optimizer.step}
    for name in order.split():
        actions[name]() if name in actions else _DO[name](model, most)
    return loss.detach()


_ordered = partial(partial, clipped_step)

CLIPPED_STEP_BUGS = {
    "the step takes the gradient in full; clip between backward() and step().": _ordered(
        order="zero backward step clip"
    ),
    "the entries are cut off one by one; clip the norm.": _ordered(
        order="zero backward values step"
    ),
    "each tensor is clipped alone; hand all parameters to clip_grad_norm_ at once.": _ordered(
        order="zero backward each step"
    ),
    "the gradients of the step before are still there, clipped: call zero_grad().": _ordered(
        order="backward clip step"
    ),
    "zero_grad() comes between backward() and step() and wipes the gradients out.": _ordered(
        order="backward clip zero step"
    ),
    "optimizer.step() is missing, so no weight moves.": _ordered(order="zero backward clip"),
}


def decay_groups(
    model: nn.Module, decay: float, *, decays=lambda name, p: p.dim() >= 2, other: float = 0.0
) -> list[dict]:
    named = list(model.named_parameters())
    return [
        {"params": [p for name, p in named if decays(name, p)], "weight_decay": decay},
        {"params": [p for name, p in named if not decays(name, p)], "weight_decay": other},
    ]


_groups = partial(partial, decay_groups)

GROUPS_BUGS = {
    "everything decays, the gains of the norms and the biases too.": (
        lambda model, decay: [{"params": list(model.parameters()), "weight_decay": decay}]
    ),
    "nothing decays; the matrices should.": _groups(decays=lambda name, p: False),
    "the matrices are spared and the vectors decay; it is the other way round.": _groups(
        decays=lambda name, p: p.dim() < 2
    ),
    "biases are spared, but the gains of the norms still decay.": _groups(
        decays=lambda name, p: not name.endswith("bias")
    ),
    "the gains are spared, but biases still decay.": _groups(
        decays=lambda name, p: p.dim() >= 2 or name.endswith("bias")
    ),
    "the vectors are left out, so they are never trained; give them a group without decay.": (
        lambda model, decay: decay_groups(model, decay)[:1]
    ),
    "the decay is not the one that was asked for.": lambda model, decay: decay_groups(model, 0.1),
}
