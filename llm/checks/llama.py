"""Checks of the exercise From GPT to LLaMA: shared heads, RoPE layouts, counting, experts.

The learner writes

- ``share_heads(k, n_heads)``: ``k (B, H_kv, S, D)`` to ``(B, n_heads, S, D)``, one for each query;
- ``to_half(weight, n_heads)``: the weight ``(H·D, C)`` of a ``q_proj`` or ``k_proj`` that was
  trained with interleaved pairs, its rows in the order of the half layout;
- ``count_params(config)``: the parameters of a LLaMA from its ``config.json``, a dictionary;
- ``mix(scores, top_k)``: router scores ``(N, E)`` to the shares ``(N, E)`` of the experts.
"""

from builtins import range  # noqa: UP029  bound now, as elsewhere
from collections.abc import Callable
from random import Random

import torch
from torch import Tensor

from llm.checks import llama_bugs as known
from llm.checks.base import Passed, check_function
from llm.checks.layer_block import CASES, Case, check_tensors


def check_share_heads(share_heads: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``share_heads(k, n_heads)`` for groups of two and three query heads."""
    random, cases = Random(seed), []
    for group in (2, 3, 2):
        n_kv_heads, S, D = 2 + random.randrange(2), random.randint(4, 5), random.randint(6, 7)
        k = _randn(random, random.randint(2, 3), n_kv_heads, S, D)
        cases.append(Case(("k", "n_heads"), (k, _Whole(group * n_kv_heads))))
    return check_tensors(share_heads, known.share_heads, known.SHARE_HEADS_BUGS, cases)


def check_to_half(to_half: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``to_half(weight, n_heads)`` for several heads of 6 or 8 features."""
    random, cases = Random(seed), []
    for _ in range(CASES):
        n_heads, head_dim = random.randint(2, 3), random.choice([6, 8])
        weight = _randn(random, n_heads * head_dim, 2 * random.randint(5, 7))
        cases.append(Case(("weight", "n_heads"), (weight, _Whole(n_heads))))
    return check_tensors(to_half, known.to_half, known.TO_HALF_BUGS, cases)


def check_count_params(count_params: Callable[[dict], int], seed: int = 0) -> Passed:
    """Check ``count_params(config)`` for small configurations in Hugging Face's names."""
    random = Random(seed)
    configs = [
        known.config_of(random, "group"),
        known.config_of(random, "tied"),
        known.config_of(random, "wide"),
    ]
    cases = [(config,) for config in configs]
    return check_function(count_params, known.count_params, known.COUNT_PARAMS_BUGS, cases)


def check_mix(mix: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``mix(scores, top_k)`` for rows of four to six experts of which two or three are taken.

    The scores of the first expert are high, so that it matters who chooses whom.
    """
    random, cases = Random(seed), []
    for top_k in (2, 3, 2):
        scores = _randn(random, random.randint(7, 9), random.randint(4, 6))
        scores[:, 0] += 2
        cases.append(Case(("scores", "top_k"), (scores, _Whole(top_k))))
    return check_tensors(mix, known.mix, known.MIX_BUGS, cases)


class _Whole(int):
    """An integer that shows itself whole in a :class:`Case`."""

    def __format__(self, spec: str) -> str:
        return int.__format__(self, "d")


def _randn(random: Random, *size: int) -> Tensor:
    generator = torch.Generator().manual_seed(random.randrange(10**6))
    return torch.randn(size, generator=generator)
