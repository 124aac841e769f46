"""What the checks of predictions share: a value that is right, or wrong in a way that has a name.

Adds to `llm.checks.base`, whose checks show the right answer beside a wrong one: here it stays
hidden, since the value itself is what the learner was asked for.
"""

from builtins import (  # noqa: UP029  bound now, so that replacing them later changes nothing
    abs,
    float,
    int,
    type,
)
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm.checks.base import CheckFailed, same, shown


@dataclass(frozen=True, repr=False)
class Right:
    """What the check of a prediction returns when all is well; a notebook shows one line."""

    name: str

    def __repr__(self) -> str:
        return f"✓ {self.name} is right"


def check_prediction(name: str, given: Any, right: Any, wrong: Mapping[str, Any]) -> Right:
    """Compare ``given`` with ``right``; ``wrong`` maps a sentence to the answer it explains.

    Numbers are right within 0.005, whether whole or not. Raises `CheckFailed` with the sentence of
    the first entry of ``wrong`` that fits, and never with the right answer.
    """
    if given is None:
        raise CheckFailed(f"{name}: not answered yet; replace None")
    if _alike(right, given):
        return Right(name)
    for sentence, answer in wrong.items():
        if _alike(answer, given):
            raise CheckFailed(f"{name}: {sentence} You said {shown(given)}.")
    due = "plain number" if _is_number(right) else type(right).__name__
    if not _is_number(given) if _is_number(right) else type(given) is not type(right):
        kind = type(given).__name__
        raise CheckFailed(f"{name}: {shown(given)} is of type {kind}; give a {due}")
    raise CheckFailed(f"{name}: {shown(given)} is not it; work it out step by step on paper")


def _alike(one: Any, other: Any) -> bool:
    if _is_number(one) and _is_number(other):
        return abs(one - other) < 5e-3
    return same(one, other)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)
