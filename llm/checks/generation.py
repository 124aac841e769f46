"""Checks of the Generation exercise: the greedy loop, the mask behind a cache, the rest.

The learner writes:

- ``write(next_logits, ids, n, limit, stop)``: the list ``ids`` and up to n tokens more, each the
  one with the greatest of ``next_logits(window)``, where the window is the last ``limit`` tokens;
  the first new ``stop`` ends the text, and stands in it;
- ``cached_mask(n_new, n_past)``: ``(n_new, n_past + n_new)``, True for the keys a query may see;
- ``rest(p, q)``, ``(…, V)``: what a refused guess is drawn from.
"""

from builtins import isinstance, len, list, range, sorted  # noqa: UP029  bound now, as elsewhere
from collections.abc import Callable
from functools import wraps
from random import Random

import torch
from torch import Tensor

from llm.checks import generation_bugs as known
from llm.checks.base import Catalogue, Passed, check_function, shown
from llm.checks.watching import Seen

V, CASES = 7, 8
_isclose = torch.isclose


class Table:
    """Logits that hang on the whole window: on its tokens, their order and its length."""

    def __init__(self, seed: int):
        self.seed = seed

    def __call__(self, window: list[int]) -> list[float]:
        random = Random(f"{self.seed} {list(window)}")
        return [random.gauss(0, 1) for _ in range(V)]

    def __repr__(self) -> str:
        return "next_logits"


def check_write(write: Callable[..., list[int]], seed: int = 0) -> Passed:
    """Check ``write(next_logits, ids, n, limit, stop)`` on texts that end in all the ways.

    Some meet a stop token, some outgrow the window, and some have the stop token in the prompt.
    """
    random, cases = Random(seed), []
    while len(cases) < CASES:
        ids = [random.randrange(V) for _ in range(random.randint(2, 5))]
        case = (Table(random.randrange(10**6)), ids, random.randint(5, 8), 4)
        text = known.write(*case, -1)[len(ids) :]
        places = sorted({text.index(token) for token in text if token not in ids})
        early = [place for place in places if place < len(text) - 2]
        if len(cases) < 2 and early:
            cases.append((*case, text[early[-1]]))
        elif len(cases) in (2, 3):
            cases.append((*case, V + 1))  # no stop token comes
        elif len(cases) >= 4 and not {ids[0]} & {*text}:
            cases.append((*case, ids[0]))
    return check_function(write, known.write, known.WRITE_BUGS, cases)


def check_cached_mask(cached_mask: Callable[[int, int], Tensor], seed: int = 0) -> Passed:
    """Check ``cached_mask(n_new, n_past)``, for one new token and for several."""
    random = Random(seed)
    cases = [(random.randint(3, 5), random.randint(2, 4)), (1, random.randint(2, 6)), (3, 0)]
    return check_tensors(cached_mask, known.cached_mask, known.CACHED_MASK_BUGS, cases)


def check_rest(rest: Callable[[Tensor, Tensor], Tensor], seed: int = 0) -> Passed:
    """Check ``rest(p, q)`` on rows of chances, one of which is the same in p and q."""
    generator = torch.Generator().manual_seed(Random(seed).randrange(10**6))
    p, q = torch.randn(2, 3, V, generator=generator).softmax(-1)
    same = torch.where(torch.tensor([[False], [False], [True]]), p, q)
    return check_tensors(rest, known.rest, known.REST_BUGS, [(p, q), (p[0], q[0]), (p, same)])


def check_tensors(function: Callable, reference: Callable, bugs: Catalogue, cases: list) -> Passed:
    """Compare functions whose answer is one tensor, and tell its first wrong entry."""
    seen = {sentence: _seen(bug, reference) for sentence, bug in bugs.items()}
    return check_function(_seen(function, reference), _seen(reference, reference), seen, cases)


def _seen(function: Callable, reference: Callable) -> Callable:
    """A function of the same name whose answer shows its shape or its first wrong entry."""
    if not callable(function):
        return function

    @wraps(reference)
    def answer(*arguments) -> Seen | None:
        value, right = function(*arguments), reference(*arguments)
        return None if value is None else _look(value, right)

    return answer


def _look(value, right: Tensor) -> Seen:
    if not isinstance(value, Tensor):
        return Seen("no tensor", f"{shown(value)}, not a tensor")
    kind = f"a tensor {(*value.shape,)} of {value.dtype}"
    if value.shape != right.shape or value.dtype != right.dtype:
        return Seen(value, kind)
    wrong = (~_isclose(value, right, rtol=1e-5, atol=1e-5, equal_nan=True)).nonzero().tolist()
    if not wrong:
        return Seen(value, kind)
    first = (*wrong[0],)
    return Seen(value, f"{value[first]} at {wrong[0]} in place of {right[first]}, in {kind}")
