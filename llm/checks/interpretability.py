"""Checks of the Looking inside exercise: the lens, attribution, the effect of a patch, a score.

The learner writes:

- ``lens(stream, weight, eps, head)``: logits ``(B, T, V)`` of a stream ``(B, T, C)``, through an
  RMSNorm with ``weight (C,)`` and ``eps``, and a head ``(V, C)``;
- ``attribute(parts, weight, eps, row)``: what each of the ``parts (P, C)`` of one token's stream
  brings to the logit of the word with this ``row (C,)`` of the head, ``(P,)``;
- ``effect(patched, clean, corrupted)``: for metrics ``(L, H)`` of patched runs, and two numbers,
  the share of the way back from the corrupted to the clean run;
- ``induction_score(weights, token_ids)``: for ``weights (H, T, T)`` and ``token_ids (T,)`` the mean
  over queries whose token has stood before, of the weight on all tokens that followed it, ``(H,)``.
"""

from builtins import len, range  # noqa: UP029  bound now, as in the other checks
from collections.abc import Callable
from random import Random

import torch
from torch import Tensor

from llm.checks import interpretability_bugs as known
from llm.checks.base import Passed
from llm.checks.layer_block import CASES, Case, check_tensors


def check_lens(lens: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``lens(stream, weight, eps, head)``, with an eps so large that its place tells."""
    cases = []
    for random, draw in _draws(seed):
        B, T, C, V = random.sample(range(2, 9), 4)
        arguments = (draw(B, T, C) + 0.7, 1 + 0.5 * draw(C), random.uniform(0.3, 0.6), draw(V, C))
        cases.append(Case(("stream", "weight", "eps", "head"), arguments))
    return check_tensors(lens, known.lens, known.LENS_BUGS, cases)


def check_attribute(attribute: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``attribute(parts, weight, eps, row)``: its sum is the logit."""
    cases = []
    for random, draw in _draws(seed):
        P, C = random.sample(range(3, 9), 2)
        arguments = (draw(P, C), 1 + 0.5 * draw(C), random.uniform(0.3, 0.6), draw(C))
        cases.append(Case(("parts", "weight", "eps", "row"), arguments))
    return check_tensors(attribute, known.attribute, known.ATTRIBUTE_BUGS, cases)


def check_effect(effect: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``effect(patched, clean, corrupted)``, on patches that lead beyond both runs too."""
    cases = []
    for random, draw in _draws(seed):
        clean, corrupted = random.uniform(4, 6), random.uniform(1, 2)
        patched = 3 + 4 * draw(*random.sample(range(2, 6), 2))
        patched[0] = torch.tensor(clean + 2.0)
        patched[1] = torch.tensor(corrupted - 1.0)
        cases.append(Case(("patched", "clean", "corrupted"), (patched, clean, corrupted)))
    return check_tensors(effect, known.effect, known.EFFECT_BUGS, cases)


def check_induction_score(induction_score: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``induction_score(weights, token_ids)``, on tokens that stand one to four times."""
    cases = []
    for random, draw in _draws(seed):
        ids = [0, 1, 2, 0, 3, 0, 1, 2, 4, 0] + random.sample(range(3), 2)
        T, H = len(ids), random.randint(2, 5)
        ahead = torch.ones(T, T).triu(1).bool()
        weights = draw(H, T, T).masked_fill(ahead, -torch.inf).softmax(-1)
        cases.append(Case(("weights", "token_ids"), (weights, torch.tensor(ids))))
    return check_tensors(induction_score, known.induction_score, known.INDUCTION_BUGS, cases)


def _draws(seed: int):
    """For each case, numbers of its own and a function that draws normal tensors."""
    random = Random(seed)
    for _ in range(CASES):
        generator = torch.Generator().manual_seed(random.randrange(10**6))

        def draw(*sizes: int, generator=generator) -> Tensor:
            return torch.randn(sizes, generator=generator)

        yield random, draw
