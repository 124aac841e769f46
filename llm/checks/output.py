"""Checks of the Output exercise: probabilities, their cost, and the distribution to draw from.

The learner writes:

- ``softmax(x)``: probabilities along the last dimension of ``x (…, V)``;
- ``cross_entropy(logits, targets)``: the mean of −ln p of the targets ``(B, T)`` for logits
  ``(B, T, V)``, in nats; −100 is padding, which does not count; nothing is shifted;
- ``next_token_loss(logits, token_ids)``: the mean cost of every token but the first, given the
  logits ``(B, T, V)`` of a model that has read ``token_ids (B, T)``;
- ``sampling(logits, temperature, top_k, top_p)``: probabilities ``(…, V)`` to draw from, after the
  temperature, top-k and top-p in this order; None leaves a filter out.
"""

from builtins import (  # noqa: UP029  bound now, as in the other checks
    callable,
    isinstance,
    list,
    range,
    round,
    zip,
)
from collections.abc import Callable, Sequence
from functools import wraps
from math import prod
from random import Random

import torch
from torch import Tensor

from llm.checks import output_bugs as known
from llm.checks.base import Catalogue, Passed, check_function, same, shown
from llm.checks.watching import Seen, look_at_number

Look = tuple[Catalogue, Sequence[tuple]]  # known bugs, cases; nested lists stand for tensors


def check_softmax(softmax: Callable[[Tensor], Tensor], seed: int = 0) -> Passed:
    """Check ``softmax(torch.tensor([2.0, 1.0, 0.0]))``, about 0.67, 0.24, 0.09; large ones too."""
    random = Random(seed)
    cases = [([2.0, 1.0, 0.0],), ([122.0, 120.0, 120.0],), ([[120.0, 119.0], [0.0, 1.0]],)]
    cases += [([-120.0, -121.0],), ([400.0, 0.0, 0.0, 0.0],)]
    cases += [(scores(random, *sizes),) for sizes in ((5,), (2, 3), (3, 5), (2, 3, 4))]
    return check_in_turn(softmax, known.softmax, numbers_of, [(known.SOFTMAX_BUGS, cases)])


def check_cross_entropy(cross_entropy: Callable[..., Tensor | float], seed: int = 0) -> Passed:
    """Check ``cross_entropy(logits (B, T, V), targets (B, T))``: right, then padded, then large.

    For four equal logits and any target it is ln 4 = 1.386.
    """
    random = Random(seed)
    plain = [batch(random, *sizes) for sizes in ((1, 3, 4), (2, 3, 5), (4, 5, 3))]
    plain[2][1][0][0] = 0  # a real token that a bug may take for padding
    padded = [batch(random, B, T, V) for B, T, V in ((2, 3, 5), (4, 5, 3))]
    for _, targets in padded:
        targets[0][1:] = [-100] * len(targets[0][1:])
    high = [[[300.0, 0.0, -300.0], [0.0, 1.0, 120.0]]]
    large = [(high, [[0, 2]]), (high, [[1, 0]])]
    looks = [
        (known.LOSS_BUGS | known.MEAN_BUGS, plain),
        (known.PADDING_BUGS, padded),
        (known.LARGE_BUGS, large),
    ]
    return check_in_turn(cross_entropy, known.cross_entropy, _number_of, looks)


def check_next_token_loss(loss: Callable[[Tensor, Tensor], Tensor | float], seed: int = 0):
    """Check ``next_token_loss(logits (B, T, V), token_ids (B, T))``: row t predicts token t + 1."""
    random = Random(seed)
    cases = [batch(random, *sizes) for sizes in ((2, 4, 5), (3, 5, 4))]
    return check_in_turn(loss, known.next_token_loss, _number_of, [(known.SHIFT_BUGS, cases)])


def check_sampling(sampling: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``sampling(logits, temperature, top_k, top_p)``: each alone, then all together.

    For the logits of 0.5, 0.3, 0.2 and a ``top_p`` of 0.6 it is 0.625, 0.375, 0.
    """
    random = Random(seed)
    sizes = ((5,), (2, 6), (3, 7))
    heat = [(scores(random, *s), T, None, None) for s in sizes for T in (0.5, 2.0)]
    top_k = [(scores(random, *s), 1.0, k, None) for s in sizes for k in (2, 3)]
    half = [0.2, 0.5, 0.3]
    by_hand = [round(p, 4) for p in torch.tensor(half).log().tolist()]
    top_p = [(by_hand, 1.0, None, p) for p in (0.4, 0.6, 0.9, 1.0)]
    top_p += [(scores(random, *s), 1.0, None, p) for s in sizes for p in (0.3, 0.8)]
    rests = ((0.5, 3, 0.6), (2.0, 3, 0.5), (1.0, 2, 0.95))
    both = [([2.0, 1.8, 1.6, 1.4, 0.0], *rest) for rest in rests]
    both += [(scores(random, 2, 6), T, k, p) for T in (0.5, 2.0) for k, p in ((3, 0.6), (4, 0.7))]
    looks = [
        (known.TEMPERATURE_BUGS, heat),
        (known.TOP_K_BUGS, top_k),
        (known.TOP_P_BUGS, top_p),
        (known.ORDER_BUGS, both),
    ]
    return check_in_turn(sampling, known.sampling, numbers_of, looks)


def scores(random: Random, *sizes: int) -> list:
    """Numbers from -4 to 4, all different, in nested lists of these sizes."""
    values = torch.tensor(random.sample(range(-400, 400), prod(sizes)), dtype=torch.float64)
    return (values / 100).view(*sizes).tolist()


def batch(random: Random, B: int, T: int, V: int) -> tuple[list, list]:
    """Logits (B, T, V) and ids (B, T)."""
    return scores(random, B, T, V), [[random.randrange(V) for _ in range(T)] for _ in range(B)]


def check_in_turn(function: Callable, reference: Callable, look: Callable, looks: Sequence[Look]):
    """Check one thing after the other, so that each bug is named apart from what it leads to."""
    cases = 0
    for bugs, arguments in looks:
        seen = {sentence: _seen(bug, look) for sentence, bug in bugs.items()}
        passed = check_function(_seen(function, look), _seen(reference, look), seen, arguments)
        cases += passed.cases
    return Passed(reference.__name__, cases)


def _seen(function: Callable, look: Callable) -> Callable:
    """A function of the same name that takes lists and answers with what ``look`` sees."""
    if not callable(function):
        return function

    @wraps(function)
    def answer(*case):
        tensors = [torch.tensor(part) if isinstance(part, list) else part for part in case]
        before = [t.clone() if isinstance(t, Tensor) else t for t in tensors]
        seen = look(function, *tensors)
        for number, (old, new) in enumerate(zip(before, tensors, strict=True), start=1):
            if not same(old, new):
                return Seen(f"changed {number}", f"an answer, but argument {number} is changed")
        return seen

    return answer


_number_of = look_at_number


def numbers_of(function: Callable, *arguments) -> Seen | None:
    """The tensor that ``function`` returns, with its shape."""
    value = function(*arguments)
    if value is None:
        return None
    if not isinstance(value, Tensor):
        return Seen("no tensor", f"{shown(value)}, which is no tensor")
    values = value.detach().float()
    rounded = [round(number, 4) for number in values.flatten().tolist()]
    return Seen(values, f"{shown(rounded)} in shape {tuple(values.shape)}")
