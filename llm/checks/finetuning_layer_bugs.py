"""The functions of the Fine-tuning assignment that change a model, right and wrong.

An adapter's start, its product and its merging, in two conventions of scale; what is trained; a
loop of a few steps, with and without frozen weights. The dictionaries hold the bugs: a sentence,
and a function that has the bug.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

_AdamW, _SGD = torch.optim.AdamW, torch.optim.SGD
_randn = torch.randn


def train_only(
    model: nn.Module,
    *words: str,
    matches: Callable = lambda name, words: any(word in name for word in words),
    rest: Callable = lambda p: p.requires_grad_(False),
    chosen: Callable = lambda p: p.requires_grad_(True),
    clear: Callable = lambda p: None,
    returned: Callable = lambda name, p: p,
    kept: Callable = lambda chosen: chosen,
) -> list[Tensor]:
    found = []
    for name, parameter in model.named_parameters():
        hit = matches(name, words)
        (chosen if hit else rest)(parameter)
        parameter.grad = clear(parameter.grad)
        if kept(hit):
            found.append(returned(name, parameter))
    return found


_only = partial(partial, train_only)

TRAIN_ONLY_BUGS = {
    "nothing is frozen; the others still have requires_grad=True.": _only(rest=lambda p: None),
    "what the words name is frozen; all the rest should be.": _only(
        matches=lambda name, words: not any(word in name for word in words)
    ),
    "a name has to contain all of the words; one of them is enough.": _only(
        matches=lambda name, words: all(word in name for word in words)
    ),
    "a name has to begin with a word; it is enough that the word is in it.": _only(
        matches=lambda name, words: name.startswith(words)
    ),
    "a name has to end with a word; it is enough that the word is in it.": _only(
        matches=lambda name, words: name.endswith(words)
    ),
    "a word has to stand whole between two dots; it is enough that the name contains it.": _only(
        matches=lambda name, words: any(word in name.split(".") for word in words)
    ),
    "what was frozen before stays frozen; set requires_grad to True where a word fits.": _only(
        chosen=lambda p: None
    ),
    "old gradients are still there, and would make one more step; set grad to None.": _only(
        clear=lambda grad: grad
    ),
    "old gradients are set to zeros; a gradient of 0 is still a gradient for AdamW. Set None.": (
        _only(clear=lambda grad: grad if grad is None else torch.zeros_like(grad))
    ),
    "it returns names; return the parameters, which the optimizer needs.": _only(
        returned=lambda name, p: name
    ),
    "it returns all parameters; return only those that are trained.": _only(
        kept=lambda chosen: True
    ),
    "it returns the frozen parameters; return those that are trained.": _only(
        kept=lambda chosen: not chosen
    ),
}


def start(
    n_in: int,
    n_out: int,
    rank: int,
    generator: torch.Generator,
    zero: str = "up",
    *,
    root: Callable = lambda n: n**0.5,
    divides: Callable = lambda n_in, n_out, rank: (n_in, n_out),
    shape: Callable = lambda rows, columns: (rows, columns),
    zeros: tuple[str, ...] | None = None,
) -> tuple[Tensor, Tensor]:
    sizes = {"down": (n_in, rank), "up": (rank, n_out)}
    sides = dict(zip(sizes, divides(n_in, n_out, rank), strict=True))
    factors = []
    for name, size in sizes.items():
        if name in ((zero,) if zeros is None else zeros):
            factors.append(torch.zeros(shape(*size)))
        else:
            factors.append(_randn(shape(*size), generator=generator) / root(sides[name]))
    return tuple(factors)


def _start_bugs(zero: str) -> dict[str, Callable]:
    """The catalogue where the factor called ``zero`` starts at 0."""
    other = {"up": "down", "down": "up"}[zero]
    wrong = partial(partial, start, zero=zero)
    return {
        "both factors start at zero. The gradient of each is a product with the other, so neither "
        "would ever move.": wrong(zeros=("down", "up")),
        "no factor starts at zero, so the layer is changed before anything is learned.": wrong(
            zeros=()
        ),
        f"`{other}` starts at zero and `{zero}` at random; in this variant it is the other way "
        "round.": partial(start, zero=other),
        "the random factor is not divided by the root of its longer side.": wrong(
            root=lambda n: 1.0
        ),
        "the random factor is divided by its longer side; divide by the root of it.": wrong(
            root=lambda n: float(n)
        ),
        "the random factor is divided by the root of the rank, its shorter side.": wrong(
            divides=lambda n_in, n_out, rank: (rank, rank)
        ),
        "the random factor is divided by the root of the other factor's longer side.": wrong(
            divides=lambda n_in, n_out, rank: (n_out, n_in)
        ),
        "both factors are transposed; here x @ down @ up is to work.": wrong(
            shape=lambda rows, columns: (columns, rows)
        ),
    }


START_BUGS = {zero: _start_bugs(zero) for zero in ("up", "down")}
SCALES = {
    "rank": lambda alpha, rank: alpha / rank,
    "root": lambda alpha, rank: alpha / rank**0.5,
}
_NAMES = {"rank": "alpha / rank", "root": "alpha over the root of the rank"}


def adapt(
    x: Tensor,
    weight: Tensor,
    down: Tensor,
    up: Tensor,
    alpha: float,
    *,
    scale: Callable = SCALES["rank"],
    rank: int = 1,
    base: Callable = lambda x, weight: x @ weight.T,
    thin: Callable = lambda x, down, up: x @ down @ up,
    join: Callable = lambda old, new: old + new,
) -> Tensor:
    return join(base(x, weight), scale(alpha, down.shape[rank]) * thin(x, down, up))


def fold(
    weight: Tensor,
    down: Tensor,
    up: Tensor,
    alpha: float,
    *,
    scale: Callable = SCALES["rank"],
    rank: int = 1,
    product: Callable = lambda down, up: (down @ up).T,
    join: Callable = lambda old, new: old + new,
) -> Tensor:
    return join(weight, scale(alpha, down.shape[rank]) * product(down, up))


def _scale_bugs(right: str, counts: str) -> dict[str, Callable]:
    other = {"rank": "root", "root": "rank"}[right]
    return {
        f"the scale is missing; {counts} {_NAMES[right]} times.": lambda alpha, rank: 1.0,
        f"the scale is alpha; here it is {_NAMES[right]}.": lambda alpha, rank: alpha,
        f"the scale is {_NAMES[other]}; in this variant it is {_NAMES[right]}.": SCALES[other],
        "the scale is upside down.": lambda alpha, rank: 1 / SCALES[right](alpha, rank),
        "the scale multiplies by the rank where it should divide.": lambda alpha, rank: (
            alpha**2 / SCALES[right](alpha, rank)
        ),
    }


def _adapt_bugs(right: str) -> dict[str, Callable]:
    """The catalogue where the scale is ``SCALES[right]``."""
    wrong = partial(partial, adapt, scale=SCALES[right])
    scales = _scale_bugs(right, "the product of the factors counts")
    return {
        **{sentence: partial(adapt, scale=scale) for sentence, scale in scales.items()},
        "a long side is taken for the rank; down is (in, rank), up is (rank, out).": wrong(rank=0),
        "what the frozen weight gives is scaled as well; only the product is.": (
            lambda x, weight, down, up, alpha: (
                SCALES[right](alpha, down.shape[1]) * (x @ weight.T + x @ down @ up)
            )
        ),
        "the frozen weight is missing; the adapter is added to what it gives.": wrong(
            join=lambda old, new: new
        ),
        "the adapter is missing.": wrong(join=lambda old, new: old),
        "the adapter is taken away; add it.": wrong(join=lambda old, new: old - new),
        "the adapter reads what the weight gives; it reads x.": (
            lambda x, weight, down, up, alpha: (
                x @ weight.T + SCALES[right](alpha, down.shape[1]) * (x @ weight.T @ down @ up)
            )
        ),
        "the weight is not transposed; a linear layer gives x @ weight.T.": wrong(
            base=lambda x, weight: x @ weight
        ),
        "down and up have changed places; x meets down first.": wrong(
            thin=lambda x, down, up: x @ up.T @ down.T
        ),
    }


def _fold_bugs(right: str) -> dict[str, Callable]:
    """The catalogue of merging where the scale is ``SCALES[right]``."""
    wrong = partial(partial, fold, scale=SCALES[right])
    scales = _scale_bugs(right, "in the layer the product counts")
    return {
        **{sentence: partial(fold, scale=scale) for sentence, scale in scales.items()},
        "the product is not transposed; the weight is (out, in), down @ up is (in, out).": wrong(
            product=lambda down, up: down @ up
        ),
        "a long side is taken for the rank; down is (in, rank), up is (rank, out).": wrong(rank=0),
        "the whole result is transposed, (in, out); the layer's weight is (out, in).": (
            lambda *arguments: fold(*arguments, scale=SCALES[right]).T
        ),
        "the old weight is gone; the product is added to it.": wrong(join=lambda old, new: new),
        "the product is missing, so the adapter is lost.": wrong(join=lambda old, new: old),
        "the product is taken away; add it.": wrong(join=lambda old, new: old - new),
        "the product counts twice.": wrong(join=lambda old, new: old + 2 * new),
    }


ADAPT_BUGS = {scale: _adapt_bugs(scale) for scale in SCALES}
FOLD_BUGS = {scale: _fold_bugs(scale) for scale in SCALES}


def room(
    weight: Tensor,
    down: Tensor,
    up: Tensor,
    scale: float,
    *,
    product: Callable = lambda scale, down, up: scale * (down @ up).T,
    join: Callable = lambda weight, product: weight - product,
) -> Tensor:
    return join(weight, product(scale, down, up))


_room = partial(partial, room)

ROOM_BUGS = {
    "the weight is as it was, so the first output is off by what the factors add.": _room(
        join=lambda weight, product: weight
    ),
    "the product is added a second time; the weight has to give way by it.": _room(
        join=lambda weight, product: weight + product
    ),
    "the scale is missing; the layer adds the product that many times.": _room(
        product=lambda scale, down, up: (down @ up).T
    ),
    "the scale divides; the layer adds the product that many times.": _room(
        product=lambda scale, down, up: (down @ up).T / scale
    ),
    "the product is not transposed; the weight is (out, in), down @ up is (in, out).": _room(
        product=lambda scale, down, up: scale * down @ up
    ),
    "only the product is left; it is taken from the weight.": _room(
        join=lambda weight, product: -product
    ),
}


def tune(
    model: nn.Module,
    parameters: list[Tensor],
    batches: list[tuple],
    loss: Callable,
    lr: float,
    *,
    optimizer: Callable = lambda trained, lr: _AdamW(trained, lr=lr, weight_decay=0.0),
    trained: Callable = lambda model, parameters: parameters,
    clear: bool = True,
    anew: bool = False,
    seen: Callable = lambda before, after: before,
    step: bool = True,
    used: Callable = lambda batches: batches,
) -> list[float]:
    chosen, losses = trained(model, parameters), []
    one = optimizer(chosen, lr)
    for inputs, *rest in used(batches):
        one = optimizer(chosen, lr) if anew else one
        if clear:
            one.zero_grad()
        value = loss(model(inputs), *rest)
        value.backward()
        if step:
            one.step()
        losses.append(seen(value, loss(model(inputs), *rest)).item())
    return losses


_tune = partial(partial, tune)

TUNE_BUGS = {
    "the gradients are never cleared, so each step repeats those before.": _tune(clear=False),
    "nothing moves: the step is missing, or the gradients are cleared before it.": _tune(
        step=False
    ),
    "the optimizer is made anew in every step, so AdamW forgets its running means.": _tune(
        anew=True
    ),
    "the optimizer has all parameters of the model; hand it those that were chosen.": _tune(
        trained=lambda model, parameters: [p for p in model.parameters() if p.requires_grad]
    ),
    "AdamW's own weight decay of 0.01 is at work; here it is 0.": _tune(
        optimizer=lambda trained, lr: _AdamW(trained, lr=lr)
    ),
    "it is plain descent; the task says AdamW.": _tune(
        optimizer=lambda trained, lr: _SGD(trained, lr=lr)
    ),
    "lr is not used; AdamW has taken its own of 0.001.": _tune(
        optimizer=lambda trained, lr: _AdamW(trained, weight_decay=0.0)
    ),
    "the losses are those after the step; keep the one that the step was made from.": _tune(
        seen=lambda before, after: after
    ),
    "only the first batch is used, again and again.": _tune(
        used=lambda batches: [batches[0]] * len(batches)
    ),
}


def tune_but(
    model: nn.Module,
    frozen: list[Tensor],
    batches: list[tuple],
    loss: Callable,
    lr: float,
    *,
    decay: float = 0.1,
    clear: bool = True,
    trains: Callable = lambda is_frozen: not is_frozen,
) -> None:
    held = {id(p) for p in frozen}
    chosen = [p for p in model.parameters() if trains(id(p) in held)]
    optimizer = _AdamW(chosen, lr=lr, weight_decay=decay)
    for inputs, *rest in batches:
        if clear:
            model.zero_grad()
        loss(model(inputs), *rest).backward()
        optimizer.step()


def _put_back(model, frozen, batches, loss, lr):
    before = [p.detach().clone() for p in frozen]
    _by_zeros(model, frozen, batches, loss, lr)
    for parameter, old in zip(frozen, before, strict=True):
        parameter.data = old


def _by_zeros(model, frozen, batches, loss, lr):
    optimizer = _AdamW(model.parameters(), lr=lr, weight_decay=0.1)
    for inputs, *rest in batches:
        optimizer.zero_grad()
        loss(model(inputs), *rest).backward()
        for parameter in frozen:
            parameter.grad.zero_()
        optimizer.step()


TUNE_BUT_BUGS = {
    "the frozen weights still shrink; AdamW's decay does not ask for a gradient.": _by_zeros,
    "the frozen weights are put back at the end; in between the rest learned beside moved ones.": (
        _put_back
    ),
    "AdamW's own weight decay of 0.01 is at work; here it is 0.1.": partial(tune_but, decay=0.01),
    "the gradients are never cleared, so each step repeats those before.": partial(
        tune_but, clear=False
    ),
    "the frozen weights are trained with all the rest.": partial(tune_but, trains=lambda f: True),
    "the frozen weights are trained and the rest is not.": partial(tune_but, trains=lambda f: f),
    "the decay is gone for the weights that are trained, too; they keep theirs of 0.1.": partial(
        tune_but, decay=0.0
    ),
    "nothing is trained.": lambda model, frozen, batches, loss, lr: None,
}
