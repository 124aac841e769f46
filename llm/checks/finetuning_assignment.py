"""Checks of the Fine-tuning assignment: rows of a conversation, an adapter, a loop, two losses.

The learner writes:

- ``ask(turns)``: ``turns`` is a list of ``(ids, asked)``. Two lists, inputs and targets with −100
  where nothing is asked, or (``by="weights"``) three, inputs, targets and weights of 1 and 0;
- ``answer_loss(logits, targets)``, or with ``weights``: the mean loss of what is asked for;
- ``train_only(model, *words)``: freezes all parameters but those whose names contain a word;
- ``start(n_in, n_out, rank, generator)``: the factors ``down (in, rank)`` and ``up (rank, out)``;
- ``adapt(x, weight, down, up, alpha)`` and ``fold(weight, down, up, alpha)``, scaled by
  ``alpha / rank``, or (``scale="root"``) by alpha over its root;
- ``room(weight, down, up, scale)``: the weight that leaves room for an adapter's product;
- ``tune(model, parameters, batches, loss, lr)`` and ``tune_but(model, frozen, batches, loss, lr)``;
- ``story_loss(model, rows)``: nats a token; ``doubtful_dpo_loss(…, beta, doubt)``.
"""

from builtins import (  # noqa: UP029  bound now, as elsewhere
    all,
    any,
    bool,
    callable,
    enumerate,
    float,
    id,
    isinstance,
    iter,
    len,
    list,
    max,
    next,
    range,
    str,
    tuple,
    zip,
)
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random

import torch
from torch import Tensor, nn

from llm.checks import finetuning_layer_bugs as layers
from llm.checks import finetuning_rows_bugs as rows
from llm.checks.base import CheckFailed, Passed, check_function, shown
from llm.checks.layer_block import CASES, Case, check_tensors
from llm.checks.watching import Seen

IGNORE = -100
_equal, _zeros = torch.equal, torch.zeros_like
_cross_entropy = nn.functional.cross_entropy


def check_ask(ask: Callable[..., tuple], seed: int = 0, by: str = "ignore") -> Passed:
    """Check ``ask(turns)``, on conversations of two or three asked turns, of ids that differ."""
    random, cases = Random(seed), []
    for pattern in ("TATA", "TATTA", "TAATA"):  # told, asked
        ids = iter(random.sample(range(1, 90), 4 * len(pattern)))
        lengths = [random.randint(2, 4) for _ in pattern]
        turns = [
            ([next(ids) for _ in range(n)], k == "A") for n, k in zip(lengths, pattern, strict=True)
        ]
        cases.append((turns,))
    form = {"ignore": rows.by_ignore, "weights": rows.by_weights}[by]
    bugs = {sentence: _lists(bug) for sentence, bug in rows.ASK_BUGS[by].items()}
    return check_function(_lists(ask), _lists(partial(rows.ask, form=form)), bugs, cases)


def _lists(function: Callable) -> Callable:
    """The same function, whose weights may be of any number type."""
    if not callable(function):
        return function

    @_called("ask")
    def answer(turns):
        value = function(turns)
        if isinstance(value, tuple) and len(value) == 3:
            return (*value[:2], [float(weight) for weight in value[2]])
        return value

    return answer


def check_answer_loss(loss: Callable[..., Tensor], seed: int = 0, by: str = "ignore") -> Passed:
    """Check ``answer_loss(logits, targets)``, or with ``weights``; rows of unlike length."""
    random, cases = Random(seed), []
    for B, T, V in ((2, 5, 4), (3, 6, 5), (2, 7, 6)):
        generator = torch.Generator().manual_seed(random.randrange(10**6))
        logits = 2 * torch.randn(B, T, V, generator=generator)
        targets = torch.randint(V, (B, T), generator=generator)
        counts = torch.arange(T) >= torch.tensor([T - 1, 2, 3][:B])[:, None]
        if by == "ignore":
            arguments = (logits, targets.masked_fill(~counts, IGNORE))
        else:
            arguments = (logits, targets, counts.float())
        names = ("logits", "targets", "weights")[: len(arguments)]
        cases.append(Case(names, arguments))
    reference = _called("answer_loss")(rows.answer_loss[by])
    return check_tensors(loss, reference, rows.ANSWER_LOSS_BUGS[by], cases)


def _called(name: str) -> Callable:
    """Give a function the name that messages use."""

    def rename(function: Callable) -> Callable:
        function.__name__ = name
        return function

    return rename


@dataclass(frozen=True, repr=False)
class Call:
    """Words for a call whose arguments are made anew each time it is run."""

    words: str
    seed: int = 0
    more: tuple = ()

    def __repr__(self) -> str:
        return self.words


class Toy(nn.Module):
    """A table, a middle and a head: the smallest model with something to freeze."""

    def __init__(self, seed: int):
        super().__init__()
        self.table, self.middle = nn.Embedding(7, 4), nn.Linear(4, 4)
        self.norm, self.head = nn.LayerNorm(4), nn.Linear(4, 7, bias=False)
        generator = torch.Generator().manual_seed(seed)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)
        self.noisy = False

    def forward(self, token_ids: Tensor) -> Tensor:
        x = self.norm(self.middle(self.table(token_ids)))
        return self.head(2 * x if self.noisy and self.training else x)


def check_train_only(train_only: Callable[..., list], seed: int = 0) -> Passed:
    """Check ``train_only(model, *words)``, on a model with frozen parts and old gradients."""
    words = (("head",), ("bias", "table"), ("mid", "norm"), ("weight",))
    cases = []
    for named in Random(seed).sample(words, len(words)):
        said = ", ".join(["model", *[f"{word!r}" for word in named]])
        cases.append((Call(said, seed, named),))
    bugs = {sentence: _trained(bug) for sentence, bug in layers.TRAIN_ONLY_BUGS.items()}
    return check_function(_trained(train_only), _trained(layers.train_only), bugs, cases)


def _trained(function: Callable) -> Callable:
    """What ``train_only`` has done: the names that are trained, returned, and have a gradient."""
    if not callable(function):
        return function

    @_called("train_only")
    def answer(call: Call) -> Seen | None:
        model = Toy(call.seed)
        for number, parameter in enumerate(model.parameters()):
            parameter.grad = torch.ones_like(parameter)
            parameter.requires_grad_(number % 2 == 0)
        value = function(model, *call.more)
        if value is None:
            return None
        fact = (_learning(model), _returned(model, value), _gradients(model))
        return Seen(fact, "training {}, returning {}, with gradients {}".format(*fact))

    return answer


def _learning(model: nn.Module) -> str:
    return " ".join([name for name, p in model.named_parameters() if p.requires_grad]) or "nothing"


def _returned(model: nn.Module, value) -> str:
    names = {id(p): name for name, p in model.named_parameters()}
    words = [names.get(id(item), shown(item, 20)) for item in value]
    return " ".join(words) or "nothing"


def _gradients(model: nn.Module) -> str:
    kinds = ["none", "of zeros", "left from before"]
    found = [0]
    for parameter in model.parameters():
        if parameter.grad is not None:
            found.append(2 if bool(parameter.grad.any()) else 1)
    return kinds[max(found)]


def check_start(start: Callable[..., tuple], seed: int = 0, zero: str = "up") -> Passed:
    """Check ``start(n_in, n_out, rank, generator)``; the factor called ``zero`` starts at 0."""
    random, cases = Random(seed), []
    for n_in, n_out, rank in ((5, 3, 2), (7, 4, 3), (6, 8, 2)):
        draw = random.randrange(10**6)
        cases.append((Call(f"{n_in}, {n_out}, {rank}, generator", draw, (n_in, n_out, rank)),))
    bugs = {sentence: _started(bug) for sentence, bug in layers.START_BUGS[zero].items()}
    right = partial(layers.start, zero=zero)
    return check_function(_started(start), _started(right), bugs, cases)


def _started(function: Callable) -> Callable:
    """The two factors in words: shape, and zero or how it was drawn."""
    if not callable(function):
        return function

    @_called("start")
    def answer(call: Call) -> Seen | None:
        generators = [torch.Generator().manual_seed(call.seed) for _ in range(2)]
        value = function(*call.more, generators[0])
        if value is None:
            return None
        again = function(*call.more, generators[1])
        if not _two_tensors(value):
            return Seen("no pair", f"{shown(value)}, not two tensors")
        if any([not _equal(one, two) for one, two in zip(value, again, strict=True)]):
            raise CheckFailed(
                "start: two calls with the same seed differ; draw with torch.randn(…, "
                "generator=generator)"
            )
        words = [_drawn(factor) for factor in value]
        numbers = [(tuple(f.shape), f.detach().flatten().sort().values) for f in value]
        return Seen(numbers, " and ".join(words))  # a factor may be drawn in any order

    return answer


def _two_tensors(value) -> bool:
    return (
        isinstance(value, tuple | list)
        and len(value) == 2
        and all([isinstance(factor, Tensor) for factor in value])
    )


def _drawn(factor: Tensor) -> str:
    size = f"({', '.join([str(n) for n in factor.shape])})"
    if _equal(factor, _zeros(factor)):
        return f"{size} of zeros"
    return f"{size} of numbers around {factor.abs().mean():.2f}"


def check_adapt(adapt: Callable[..., Tensor], seed: int = 0, scale: str = "rank") -> Passed:
    """Check ``adapt(x, weight, down, up, alpha)``, with a square weight so that all fits."""
    cases = _adapters(seed, ("x", "weight", "down", "up", "alpha"))
    reference = _called("adapt")(partial(layers.adapt, scale=layers.SCALES[scale]))
    return check_tensors(adapt, reference, layers.ADAPT_BUGS[scale], cases)


def check_fold(fold: Callable[..., Tensor], seed: int = 0, scale: str = "rank") -> Passed:
    """Check ``fold(weight, down, up, alpha)``, with a square weight so that all fits."""
    cases = _adapters(seed, ("weight", "down", "up", "alpha"))
    reference = _called("fold")(partial(layers.fold, scale=layers.SCALES[scale]))
    return check_tensors(fold, reference, layers.FOLD_BUGS[scale], cases)


def check_room(room: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``room(weight, down, up, scale)``: with the adapter it is the old weight again."""
    cases = _adapters(seed, ("weight", "down", "up", "scale"))
    return check_tensors(room, layers.room, layers.ROOM_BUGS, cases)


def _adapters(seed: int, names: tuple[str, ...]) -> list[Case]:
    """Tensors of a square layer of 6, an adapter of rank 2 to 4, and a number that scales it."""
    random, cases = Random(seed), []
    for rank in random.sample((2, 3, 4), CASES):
        generator = torch.Generator().manual_seed(random.randrange(10**6))
        sizes = {"x": (2, 3, 6), "weight": (6, 6), "down": (6, rank), "up": (rank, 6)}
        tensors = [torch.randn(sizes[n], generator=generator) for n in names if n in sizes]
        cases.append(Case(names, (*tensors, random.uniform(5.0, 7.0))))
    return cases


def check_tune(tune: Callable[..., list[float]], seed: int = 0) -> Passed:
    """Check ``tune(model, parameters, batches, loss, lr)`` in three steps of AdamW."""
    bugs = {sentence: _tuned(bug) for sentence, bug in layers.TUNE_BUGS.items()}
    return check_function(_tuned(tune), _tuned(layers.tune), bugs, _tasks(seed, "parameters"))


def check_tune_but(tune_but: Callable[..., None], seed: int = 0) -> Passed:
    """Check ``tune_but(model, frozen, batches, loss, lr)``: the frozen stay, bit for bit."""
    bugs = {sentence: _tuned_but(bug) for sentence, bug in layers.TUNE_BUT_BUGS.items()}
    cases = _tasks(seed, "frozen")
    return check_function(_tuned_but(tune_but), _tuned_but(layers.tune_but), bugs, cases)


def _tasks(seed: int, what: str) -> list[tuple[Call]]:
    words = f"model, {what}, batches, loss, 0.05"
    return [(Call(words, Random(seed).randrange(10**6) + number),) for number in range(CASES)]


def _loss(logits: Tensor, *targets: Tensor) -> Tensor:
    flat = logits.reshape(-1, logits.shape[-1])
    return sum([_cross_entropy(flat, one.reshape(-1)) for one in targets])


def _batches(seed: int) -> list[tuple[Tensor, ...]]:
    """Inputs and one or two tensors for the loss."""
    generator, n = torch.Generator().manual_seed(seed), 2 + seed % 2
    return [tuple(torch.randint(7, (n, 2, 5), generator=generator).unbind()) for _ in range(3)]


def _tuned(function: Callable) -> Callable:
    """Losses and weights after some steps on a part of a model."""
    if not callable(function):
        return function

    @_called("tune")
    def answer(call: Call) -> Seen | None:
        model = Toy(call.seed)
        chosen = [*model.middle.parameters(), *model.norm.parameters()]
        value = function(model, chosen, _batches(call.seed), _loss, 0.05)
        if value is None:
            return None
        if not isinstance(value, list | tuple):
            return Seen("no list", f"{shown(value)}, not a list of losses")
        if any([isinstance(loss, Tensor) and loss.requires_grad for loss in value]):
            raise CheckFailed(
                "tune: the losses still hold their graphs, and with them all activations; "
                "append loss.item()"
            )
        losses = torch.tensor([float(loss) for loss in value])
        rounded = ", ".join([f"{loss:.3f}" for loss in losses.tolist()])
        return Seen((losses, _weights(model)), f"losses of {rounded}, weights {_sum(model)}")

    return answer


def _weights(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def _sum(model: nn.Module) -> str:
    return f"that add up to {float(_weights(model).sum()):.4f}"


def _tuned_but(function: Callable) -> Callable:
    """Weights after some steps, and whether the frozen ones are as they were."""
    if not callable(function):
        return function

    @_called("tune_but")
    def answer(call: Call) -> Seen:
        model = Toy(call.seed)
        frozen = [*model.table.parameters(), *model.middle.parameters()]
        before = [parameter.detach().clone() for parameter in frozen]
        function(model, frozen, _batches(call.seed), _loss, 0.05)
        pairs = zip(before, frozen, strict=True)
        stay = all([_equal(old, parameter.detach()) for old, parameter in pairs])
        words = f"frozen weights that {'stay' if stay else 'move'}, and weights {_sum(model)}"
        return Seen((stay, _weights(model)), words)

    return answer


def check_story_loss(story_loss: Callable[..., float], seed: int = 0) -> Passed:
    """Check ``story_loss(model, rows)``, on rows of unlike length, with a model in training."""
    random, cases = Random(seed), []
    for number in range(CASES):
        lengths = random.sample(range(3, 9), 2 + number)
        ids = tuple([[random.randrange(7) for _ in range(length)] for length in lengths])
        said = f"model, rows of {', '.join([f'{length}' for length in lengths])} ids"
        cases.append((Call(said, random.randrange(10**6), ids),))
    bugs = {sentence: _measured(bug) for sentence, bug in rows.STORY_LOSS_BUGS.items()}
    return check_function(_measured(story_loss), _measured(rows.story_loss), bugs, cases)


def _measured(function: Callable) -> Callable:
    if not callable(function):
        return function

    @_called("story_loss")
    def answer(call: Call) -> Seen | None:
        model = Toy(call.seed).train()
        model.noisy = True
        value = function(model, [list(ids) for ids in call.more])
        if value is None:
            return None
        if isinstance(value, Tensor) and value.requires_grad:
            raise CheckFailed(
                "story_loss: the result still holds its graph; measure under torch.no_grad()"
            )
        return Seen(torch.tensor(float(value)), f"{float(value):.4f}")

    return answer


def check_doubtful_dpo_loss(loss: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``doubtful_dpo_loss(chosen, rejected, old_chosen, old_rejected, beta, doubt)``."""
    random, cases = Random(seed), []
    names = ("chosen", "rejected", "old_chosen", "old_rejected", "beta", "doubt")
    for n_pairs in random.sample((2, 3, 4, 5), CASES):
        generator = torch.Generator().manual_seed(random.randrange(10**6))
        four = [-8 * torch.rand(n_pairs, generator=generator) for _ in range(4)]
        more = (random.uniform(0.3, 0.6), random.uniform(0.1, 0.3))
        cases.append(Case(names, (*four, *more)))
    return check_tensors(loss, rows.doubtful_dpo_loss, rows.DOUBTFUL_DPO_BUGS, cases)
