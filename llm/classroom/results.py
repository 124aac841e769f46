"""What the grader found, read from ``graded/STUDENT/NAME/result.json``."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from llm.classroom.assignments import Course
from llm.classroom.bugs import Bug, bug_in, in_words, to_read


@dataclass(frozen=True)
class Step:
    """One graded cell of one student; ``points`` is ``None`` while the teacher has given none."""

    grade_id: str
    title: str
    kind: str
    points: float | None
    max_points: float
    message: str = ""
    answer: str = ""
    comment: str = ""

    @property
    def state(self) -> str:
        """``open``, ``full``, ``part`` or ``lost``."""
        if self.points is None:
            return "open"
        return "full" if self.points >= self.max_points else "part" if self.points > 0 else "lost"

    @property
    def bug(self) -> Bug | None:
        """What went wrong in a test."""
        return bug_in(self.message) if self.message and self.kind == "check" else None

    @property
    def in_words(self) -> tuple[str, str, str]:
        """The message of a test in parts: the function, a sentence, an example."""
        return in_words(self.message)


@dataclass(frozen=True)
class Result:
    """One student's submission of one assignment, graded."""

    student: str
    pseudonym: str
    assignment: str
    variant: int
    notes: tuple[str, ...]
    steps: tuple[Step, ...]

    @property
    def points(self) -> float:
        """All points given so far."""
        return sum(step.points or 0 for step in self.steps)

    @property
    def max_points(self) -> float:
        """All points that can be had."""
        return sum(step.max_points for step in self.steps)

    @property
    def open_points(self) -> float:
        """Points that the teacher has still to give or not."""
        return sum(step.max_points for step in self.steps if step.points is None)

    @property
    def lost(self) -> list[Step]:
        """The tests that cost points."""
        return [step for step in self.steps if step.bug]

    def read_again(self, step: Step) -> tuple[str, str]:
        """Chapter and section that help with the bug of a step."""
        return to_read(step.bug, self.assignment)

    def named(self, pseudonym: str) -> "Result":
        """This result under a pseudonym, in its sentences too; answers stay as they were given."""
        hide = _hider(self.student, pseudonym)
        steps = tuple(replace(step, message=hide(step.message)) for step in self.steps)
        notes = tuple(map(hide, self.notes))
        return replace(self, pseudonym=pseudonym, notes=notes, steps=steps)


def read_results(course: Course) -> list[Result]:
    """Every result of a course, in the order of assignments and students' folders."""
    found = list(map(_read, course.root.glob("graded/*/*/result.json")))
    names = [*course.names, *sorted({result.assignment for result in found})]
    return sorted(found, key=lambda result: (names.index(result.assignment), result.student))


def _read(path: Path) -> Result:
    student, assignment = path.parts[-3:-1]
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        steps = tuple(Step(**cell) for cell in data["cells"])
        notes = tuple(data["notes"])
        return Result(student, "", assignment, data["variant"], notes, steps)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is no result ({type(error).__name__}: {error}): remove it and grade again"
        ) from None


def _hider(student: str, pseudonym: str) -> Callable[[str], str]:
    """Puts the pseudonym where a sentence holds the student's name as a word, as in a path."""
    word = re.compile(rf"(?<!\w){re.escape(student)}(?!\w)")
    return (lambda text: word.sub(pseudonym, text)) if len(student) > 2 else (lambda text: text)
