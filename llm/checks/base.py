"""What every check shares: run the learner's function and, if it is wrong, say which bug it has.

A check knows the right function and a catalogue of wrong ones, each with a sentence. When the
learner's answers differ from the right ones, it looks for a wrong function that gives all of the
learner's answers, and says its sentence.

The built-in functions used here are bound when this module is imported, and answers are compared
by exact type and value: replacing ``max`` or ``torch.allclose``, or returning an object that equals
everything, fools nothing.
"""

from builtins import (  # noqa: UP029  bound now, so that replacing them later changes nothing
    all,
    callable,
    dict,
    enumerate,
    isinstance,
    len,
    list,
    min,
    range,
    repr,
    tuple,
    type,
    zip,
)
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

_allclose = torch.allclose
MOST_NUMBERS = 12  # of a tensor that is shown
MOST_SHOWN = 2000  # letters of two answers that look alike
Catalogue = Mapping[str, Callable]  # a sentence about a bug -> a function that has it


class CheckFailed(AssertionError):
    """The learner's function is wrong; a notebook shows the message as one line, no traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"✗ {self}"]


@dataclass(frozen=True, repr=False)
class Passed:
    """What a check returns when all is well; a notebook shows it as one line."""

    name: str
    cases: int

    def __repr__(self) -> str:
        return f"✓ {self.name} is correct in all {self.cases} cases"


@dataclass(frozen=True)
class Raised:
    """Stands for the answer of a function that raised an exception."""

    error: str
    message: str


def check_function(
    function: Callable, reference: Callable, bugs: Catalogue, cases: Sequence[tuple]
) -> Passed:
    """Compare ``function`` with ``reference`` on ``cases``, each a tuple of arguments.

    Raises `CheckFailed` with the sentence of the bug in ``bugs`` that gives the same answers in
    every case, or else with the smallest case that is wrong.
    """
    name = reference.__name__
    if not callable(function):
        raise CheckFailed(f"{name}: pass the function itself, not {shown(function)}")
    right = [answer(reference, case) for case in cases]
    given = [_learners_answer(name, function, case) for case in cases]
    wrong = [i for i in range(len(cases)) if not same(right[i], given[i])]
    if not wrong:
        return Passed(name, len(cases))
    smallest = min(wrong, key=lambda i: len(repr(cases[i])))
    example = _example(name, cases[smallest], right[smallest], given[smallest])
    for sentence, bug in bugs.items():
        if all(same(answer(bug, case), g) for case, g in zip(cases, given, strict=True)):
            raise CheckFailed(f"{name}: {sentence} {example}")
    raise CheckFailed(f"{name}: {example}")


def answer(function: Callable, case: tuple) -> Any:
    """What ``function`` gives for a copy of the arguments, or `Raised`."""
    try:
        return plain(function(*plain(case)))
    except Exception as error:
        return Raised(type(error).__name__, f"{error}")


def plain(value: Any) -> Any:
    """A copy of ``value``, all the way down, in which a `Counter` is a ``dict`` and so on."""
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in dict.items(value)}
    for kind in (list, tuple):
        if isinstance(value, kind):
            return kind([plain(item) for item in value])
    return value.clone() if isinstance(value, torch.Tensor) else value


def same(right: Any, given: Any, tolerance: float = 1e-5) -> bool:
    """Equal in type and value; tensors in shape and type too, and closely enough in value."""
    if type(right) is not type(given):
        return False
    if isinstance(right, torch.Tensor):
        alike = right.shape == given.shape and right.dtype == given.dtype
        return alike and _allclose(right, given, rtol=tolerance, atol=tolerance, equal_nan=True)
    if isinstance(right, Raised):
        return right.error == given.error
    if isinstance(right, dict):
        return len(right) == len(given) and all(
            key in given and same(item, given[key]) for key, item in right.items()
        )
    if isinstance(right, list | tuple):
        return len(right) == len(given) and all(
            same(one, other) for one, other in zip(right, given, strict=True)
        )
    return right == given


def shown(value: Any, longest: int = 90) -> str:
    """``repr(value)``, cut in the middle if it is long; of a large tensor its shape."""
    if isinstance(value, torch.Tensor) and value.numel() > MOST_NUMBERS:
        return f"a tensor {tuple(value.shape)}"
    text = repr(value)
    return text if len(text) <= longest else f"{text[: longest // 2]} … {text[-longest // 2 :]}"


def _learners_answer(name: str, function: Callable, case: tuple) -> Any:
    arguments = plain(case)
    given = answer(lambda *_: function(*arguments), ())
    if given == Raised("NotImplementedError", ""):  # torch has some too, with a message
        raise CheckFailed(f"{name}: not written yet; replace the line with NotImplementedError")
    if isinstance(given, Raised) and given.error == "CheckFailed":  # the check's own words
        raise CheckFailed(given.message)
    if given is None:
        raise CheckFailed(f"{name}: it returns None; is the return missing?")
    for number, (before, after) in enumerate(zip(case, arguments, strict=True), start=1):
        if not same(before, after):
            raise CheckFailed(
                f"{name}: it changes its argument number {number}, from {shown(before)} to "
                f"{shown(after)}; work on a copy instead"
            )
    return given


def _example(name: str, case: tuple, right: Any, given: Any) -> str:
    call = f"{name}({', '.join([shown(argument) for argument in case])})"
    wanted = f"raise {right.error}" if isinstance(right, Raised) else f"be {shown(right)}"
    if isinstance(given, Raised):
        return f"{call} should {wanted}, yours raises {given.error}: {given.message}"
    yours = shown(given)
    if wanted == f"be {yours}":  # they differ where they are cut
        wanted, yours = f"be {shown(right, MOST_SHOWN)}", shown(given, MOST_SHOWN)
    if type(given) is not type(right) and not isinstance(right, Raised):
        yours += f", of type {type(given).__name__} instead of {type(right).__name__}"
    return f"{call} should {wanted}, yours is {yours}"
