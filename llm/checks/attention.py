"""Checks of the Attention exercises: the mask, one head, many heads, rotary positions.

The learner writes:

- ``causal_mask(T)``: which keys each of T queries may see, a boolean ``(T, T)``;
- ``attention(q, k, v, mask)``: the output ``(…, T, D_v)`` of q and k ``(…, T, D)``, v
  ``(…, T, D_v)`` and a boolean mask that broadcasts to ``(…, T, T)``, True = may be seen;
- ``split_heads(x, n_heads)``: ``(B, T, C)`` to ``(B, H, T, D)``, and ``merge_heads(heads)`` back;
- ``multi_head(x, w_q, w_k, w_v, w_o, n_heads, dropout, training)``: causal attention of H heads
  with matrices ``(C, C)``, so that queries are ``x @ w_q``; weights are dropped in training;
- ``rope(x, positions, theta)``: x ``(…, T, D)`` turned by its positions ``(T,)``, in pairs;
- ``attend_newest(q, k, v, turn)``: the output ``(1, D)`` for the newest of S tokens, from its query
  ``(1, D)`` and all keys and values ``(S, D)``; ``turn(x, positions)`` works positions in.
"""

from builtins import (  # noqa: UP029  bound now, as in the other checks
    callable,
    dict,
    isinstance,
    list,
    range,
    tuple,
    type,
    zip,
)
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from random import Random
from typing import Any

import torch
from torch import Tensor

from llm.checks import attention_bugs as known
from llm.checks.base import Catalogue, Passed, check_function, same, shown
from llm.checks.watching import Seen

_isclose = torch.isclose


@dataclass(frozen=True, eq=False)
class Inputs:
    """Arguments with their names, shown as shapes."""

    values: dict[str, Any]

    def __repr__(self) -> str:
        return ", ".join([_described(name, value) for name, value in self.values.items()])


def check_causal_mask(causal_mask: Callable[[int], Tensor], seed: int = 0) -> Passed:
    """Check ``causal_mask(3)``, which is ``[[1, 0, 0], [1, 1, 0], [1, 1, 1]]`` as booleans."""
    sizes = Random(seed).sample(range(2, 9), 4)
    cases = [Inputs({"T": T}) for T in sizes]
    return check_tensor(causal_mask, known.causal_mask, known.MASK_BUGS, cases)


def check_attention(attention: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``attention(q, k, v, mask)``, which gives the output and not the weights.

    Every query may see at least itself; there are none, one or two axes before the tokens.
    """
    draw = Draw(seed)
    cases = []
    for n_before, causal in ((0, True), (1, False), (2, True), (2, False)):
        *before, T, D, D_v = draw.sizes(n_before + 3)
        mask = torch.ones(T, T, dtype=torch.bool).tril()
        if not causal:
            mask = (draw.normal(T, T) > 0) | torch.eye(T, dtype=torch.bool)
        q, k = draw.normal(2, *before, T, D).unbind()
        cases.append(Inputs({"q": q, "k": k, "v": draw.normal(*before, T, D_v), "mask": mask}))
    return check_tensor(attention, known.attention, known.ATTENTION_BUGS, cases)


def check_split_heads(split_heads: Callable[[Tensor, int], Tensor], seed: int = 0) -> Passed:
    """Check ``split_heads(x, n_heads)``: head h gets features h·D to (h + 1)·D of each token."""
    draw, cases = Draw(seed), []
    for _ in range(3):
        B, T, H, D = draw.sizes(4)
        cases.append(Inputs({"x": draw.normal(B, T, H * D), "n_heads": H}))
    return check_tensor(split_heads, known.split_heads, known.SPLIT_BUGS, cases)


def check_merge_heads(merge_heads: Callable[[Tensor], Tensor], seed: int = 0) -> Passed:
    """Check ``merge_heads(heads)``, which undoes ``split_heads``."""
    draw = Draw(seed)
    cases = [Inputs({"heads": draw.normal(*draw.sizes(4))}) for _ in range(3)]
    return check_tensor(merge_heads, known.merge_heads, known.MERGE_BUGS, cases)


def check_multi_head(multi_head: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``multi_head(x, w_q, w_k, w_v, w_o, n_heads, dropout, training)``.

    In evaluation it gives the same at each call, whatever ``dropout`` is; in training it does not.
    """
    draw, cases = Draw(seed), []
    for dropout, training in ((0.0, True), (0.5, False), (0.5, True)):
        B, T, H, D = draw.sizes(4)
        matrices = draw.normal(4, H * D, H * D) / (H * D) ** 0.5
        named = dict(zip(("w_q", "w_k", "w_v", "w_o"), matrices.unbind(), strict=True))
        settings = {"n_heads": H, "dropout": dropout, "training": training}
        cases.append(Inputs({"x": 2 * draw.normal(B, T, H * D), **named, **settings}))
    return check_tensor(multi_head, known.multi_head, known.MULTI_HEAD_BUGS, cases)


def check_rope(
    rope: Callable[[Tensor, Tensor, float], Tensor],
    seed: int = 0,
    layout: str = "half",
    before: tuple[int, ...] = (),
) -> Passed:
    """Check ``rope(x, positions, theta)`` on x ``(*before, T, D)`` and positions from anywhere.

    The pairs are i and i + D/2 in the layout ``"half"``, 2i and 2i + 1 in ``"interleaved"``.
    """
    draw, cases = Draw(seed), []
    for theta in (100.0, 500.0):
        T, D = draw.random.randint(3, 5), draw.random.choice([6, 8, 10])
        x, positions = draw.normal(*before, T, D), torch.arange(T) + draw.random.randint(3, 9)
        cases.append(Inputs({"x": x, "positions": positions, "theta": theta}))
    if layout == "half":
        return check_tensor(rope, known.rope, known.ROPE_BUGS, cases)
    return check_tensor(rope, known.rope_interleaved, known.INTERLEAVED_BUGS, cases)


def check_attend_newest(attend_newest: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``attend_newest(q, k, v, turn)``: what a cache does with rotary positions."""
    draw, cases = Draw(seed), []
    for _ in range(3):
        S, D = draw.random.randint(4, 7), draw.random.choice([6, 8, 10])
        q, (k, v) = draw.normal(1, D), draw.normal(2, S, D).unbind()
        turn = partial(known.rope, theta=100.0)
        cases.append(Inputs({"q": q, "k": k, "v": v, "turn": turn}))
    return check_tensor(attend_newest, known.attend_newest, known.NEWEST_BUGS, cases)


class Draw:
    """Numbers for a case, from one seed."""

    def __init__(self, seed: int):
        self.random = Random(seed)
        self.generator = torch.Generator().manual_seed(seed)

    def sizes(self, n: int) -> list[int]:
        """Small sizes that all differ, so that no two axes can be mistaken for one another."""
        return self.random.sample(range(2, 8), n)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator)


def check_tensor(
    function: Callable, reference: Callable, bugs: Catalogue, cases: Sequence[Inputs]
) -> Passed:
    """Compare functions of named inputs whose answer is one tensor; tell its first wrong number."""
    seen = {sentence: _seen(bug, reference) for sentence, bug in bugs.items()}
    arguments = [(case,) for case in cases]
    return check_function(_seen(function, reference), _seen(reference, reference), seen, arguments)


def _seen(function: Callable, reference: Callable) -> Callable:
    """A function with the name of ``reference`` that answers with what is seen of ``function``."""
    if not callable(function):
        return function

    @wraps(reference)
    def answer(inputs: Inputs) -> Seen | None:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            first = _run(function, inputs)
            again = _run(function, inputs)
            right = _run(reference, inputs)
        if first is None:
            return None
        if isinstance(first, Seen):
            return first
        if not same(first, again):
            return Seen("random", "another result at each call")
        return Seen(first, _words(first, right))

    return answer


def _run(function: Callable, inputs: Inputs) -> Tensor | Seen | None:
    """What ``function`` returns, or a word for what is no tensor, or what it did to its input."""
    values = {
        name: value.clone() if isinstance(value, Tensor) else value
        for name, value in inputs.values.items()
    }
    given = function(*list(values.values()))
    if given is not None and not isinstance(given, Tensor):
        return Seen(f"{type(given)}", f"{shown(given)}, not one tensor")
    changed = [name for name in values if not _unchanged(inputs.values[name], values[name])]
    if changed:
        return Seen(f"changes {changed[0]}", f"a change of {changed[0]}; work on a copy instead")
    return given


def _unchanged(before: Any, after: Any) -> bool:
    return not isinstance(before, Tensor) or same(before, after)


def _words(given: Tensor, right: Tensor) -> str:
    """The shape, and the first number that is not right."""
    kind = "" if given.dtype == right.dtype else f" of type {given.dtype}"
    words = f"a tensor {tuple(given.shape)}{kind}"
    if given.shape != right.shape or kind:
        return words
    wrong = ~_isclose(given, right, rtol=1e-5, atol=1e-5, equal_nan=True)
    places = wrong.nonzero().tolist()
    if not places:
        return words
    place = tuple(places[0])
    yours, other = _number(given[place]), _number(right[place])
    return f"{words} with {yours} at {places[0]}, where {other} is right"


def _number(value: Tensor) -> str:
    return f"{value}" if value.dtype == torch.bool else f"{float(value):.4g}"


def _described(name: str, value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{name} {tuple(value.shape)}"
    return name if callable(value) else f"{name}={value}"
