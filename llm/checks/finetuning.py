"""Checks of the Fine-tuning exercise: targets of an answer, a LoRA layer, a loss of preferences.

The learner writes:

- ``answer_targets(prompt, answer)``: two lists of token ids to a list of inputs and a list of
  targets of the same length, −100 where nothing is asked for;
- ``lora(x, weight, A, B, alpha)``: ``x (B, T, in)`` through a frozen ``weight (out, in)`` and the
  adapter ``A (rank, in)``, ``B (out, rank)``;
- ``dpo_loss(chosen, rejected, old_chosen, old_rejected, beta)``: four ``(B,)`` to one number.
"""

from builtins import range  # noqa: UP029  bound now, as elsewhere
from collections.abc import Callable
from random import Random

import torch
from torch import Tensor

from llm.checks import finetuning_bugs as known
from llm.checks.base import Passed, check_function
from llm.checks.layer_block import CASES, Case, check_tensors


def check_answer_targets(answer_targets: Callable[..., tuple], seed: int = 0) -> Passed:
    """Check ``answer_targets(prompt, answer)``, on lists of ids that all differ."""
    random, cases = Random(seed), []
    for n_prompt, n_answer in ((3, 2), (2, 4), (5, 3), (4, 1)):
        ids = random.sample(range(1, 60), n_prompt + n_answer)
        cases.append((ids[:n_prompt], ids[n_prompt:]))
    return check_function(answer_targets, known.answer_targets, known.ANSWER_TARGETS_BUGS, cases)


def check_lora(lora: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``lora(x, weight, A, B, alpha)``, with a square weight so that all products fit."""
    random, cases = Random(seed), []
    for rank in random.sample((2, 3, 4), CASES):
        generator = torch.Generator().manual_seed(random.randrange(10**6))
        sizes = ((2, 3, 6), (6, 6), (rank, 6), (6, rank))
        tensors = [torch.randn(size, generator=generator) for size in sizes]
        alpha = random.uniform(5.0, 7.0)
        cases.append(Case(("x", "weight", "A", "B", "alpha"), (*tensors, alpha)))
    return check_tensors(lora, known.lora, known.LORA_BUGS, cases)


def check_dpo_loss(dpo_loss: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``dpo_loss(chosen, rejected, old_chosen, old_rejected, beta)``."""
    random, cases = Random(seed), []
    for n_pairs in random.sample((2, 3, 4, 5), CASES):
        generator = torch.Generator().manual_seed(random.randrange(10**6))
        four = [-8 * torch.rand(n_pairs, generator=generator) for _ in range(4)]
        names = ("chosen", "rejected", "old_chosen", "old_rejected", "beta")
        cases.append(Case(names, (*four, random.uniform(0.2, 0.6))))
    return check_tensors(dpo_loss, known.dpo_loss, known.DPO_BUGS, cases)
