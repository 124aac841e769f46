"""Checks of the exercise on three families: covered words, cross-attention, a prefix mask.

The learner writes:

- ``hide(token_ids, chosen, fate, strangers, mask_id)``, which returns ``(inputs, targets)``, all
  ``(B, T)``: of the ``chosen`` tokens, those whose ``fate`` is below 0.8 become ``mask_id``, those
  below 0.9 the token of ``strangers``, the others stay; targets are -100 where none was chosen;
- ``cross_attention(x, context, q_proj, k_proj, v_proj, out_proj)``, one head, ``x (B, T, C)`` and
  ``context (B, S, C)`` to ``(B, T, C)``;
- ``prefix_mask(S, T)``, boolean ``(S + T, S + T)``, True = may be seen.
"""

from builtins import callable, isinstance, len, range, tuple  # noqa: UP029  bound now, as elsewhere
from collections.abc import Callable
from functools import wraps
from random import Random

import torch
from torch import Tensor

from llm.checks import architectures_bugs as known
from llm.checks.base import Passed
from llm.checks.layer_block import CASES, Case, check_tensors, draw_linear

_stack = torch.stack


def check_hide(hide: Callable[..., tuple[Tensor, Tensor]], seed: int = 0) -> Passed:
    """Check ``hide(token_ids, chosen, fate, strangers, mask_id)``, the heart of ``mask_tokens``.

    In what a failed check says, ``[0, …]`` is a place of the inputs, ``[1, …]`` of the targets.
    """
    random, cases = Random(seed), []
    for _ in range(CASES):
        generator = torch.Generator().manual_seed(random.randrange(10**6))
        size = (random.randint(2, 3), random.randint(7, 9))
        ids, strangers = torch.randint(1, 20, (2, *size), generator=generator)
        chosen = torch.rand(size, generator=generator) < 0.6
        fate = torch.rand(size, generator=generator)
        chosen[0, :6] = torch.tensor([True, True, True, True, False, False])
        fate[0, :6] = torch.tensor([0.1, 0.84, 0.95, 0.7, 0.2, 0.84])
        strangers = torch.where(strangers == ids, 21, strangers)
        cases.append(Case(HIDE_NAMES, (ids, chosen, fate, strangers, 20)))
    bugs = {sentence: _joined(bug) for sentence, bug in known.HIDE_BUGS.items()}
    return check_tensors(_joined(hide), _joined(known.hide), bugs, cases)


def check_cross_attention(cross_attention: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``cross_attention(x, context, q_proj, k_proj, v_proj, out_proj)``, one head."""
    random, cases = Random(seed), []
    for _ in range(CASES):
        generator = torch.Generator().manual_seed(random.randrange(10**6))
        B, T, S, C, D = random.randint(2, 3), 4, random.randint(5, 6), 7, random.randint(8, 9)
        x = torch.randn(B, T, C, generator=generator)
        context = torch.randn(B, S, C, generator=generator)
        sizes = {"q_proj": (D, C), "k_proj": (D, C), "v_proj": (D, C), "out_proj": (C, D)}
        maps = [draw_linear(name, generator, *size) for name, size in sizes.items()]
        cases.append(Case(("x", "context", *sizes), (x, context, *maps)))
    return check_tensors(cross_attention, known.cross_attention, known.CROSS_ATTENTION_BUGS, cases)


def check_prefix_mask(prefix_mask: Callable[[int, int], Tensor], seed: int = 0) -> Passed:
    """Check ``prefix_mask(S, T)``."""
    random, cases = Random(seed), []
    for _ in range(CASES):
        cases.append(Case(("S", "T"), (random.randint(3, 5), random.randint(3, 5))))
    return check_tensors(prefix_mask, known.prefix_mask, known.PREFIX_MASK_BUGS, cases)


HIDE_NAMES = ("token_ids", "chosen", "fate", "strangers", "mask_id")


def _joined(function: Callable) -> Callable:
    """A function whose two results, inputs and targets, are one tensor ``(2, B, T)``."""
    if not callable(function):
        return function

    @wraps(function)
    def answer(*arguments):
        value = function(*arguments)
        pair = isinstance(value, tuple) and len(value) == 2
        if pair and isinstance(value[0], Tensor) and isinstance(value[1], Tensor):
            alike = value[0].shape == value[1].shape and value[0].dtype == value[1].dtype
            return _stack([*value]) if alike else value
        return value

    return answer
