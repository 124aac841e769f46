"""What the grader found, read from ``graded/STUDENT/NAME/result.json``."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import groupby
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
    def bug(self) -> Bug | None:
        """What went wrong in a test."""
        return bug_in(self.message) if self.message and self.kind == "check" else None

    @property
    def to_read(self) -> tuple[str, str]:
        """Chapter and section that help."""
        return to_read(bug_in(self.message))

    @property
    def in_words(self) -> tuple[str, str, str]:
        """The message of a test in parts: the function, a sentence, an example."""
        return in_words(self.message)


@dataclass(frozen=True)
class Part:
    """Steps under one heading, or all of a notebook."""

    title: str
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
    def lost_points(self) -> float:
        """What the tests and the teacher have taken off."""
        return round(self.max_points - self.open_points - self.points, 6)

    @property
    def state(self) -> str:
        """``lost`` or ``part`` of the points, ``open`` while the teacher reads, else ``full``."""
        if self.lost_points:
            return "part" if self.points else "lost"
        return "open" if self.open_points else "full"

    @property
    def told(self) -> list[Step]:
        """The steps that tell of a bug, each bug once."""
        first: dict[Bug, Step] = {}
        for step in self.steps:
            if step.bug:
                first.setdefault(step.bug, step)
        return list(first.values())


@dataclass(frozen=True)
class Result(Part):
    """One student's submission of one assignment, graded; ``title`` is the assignment's name."""

    student: str
    variant: int
    notes: tuple[str, ...]
    pseudonym: str = ""

    @property
    def parts(self) -> list[Part]:
        """The steps by heading."""
        groups = groupby(self.steps, key=lambda step: step.title)
        return [Part(title, tuple(steps)) for title, steps in groups]

    @property
    def lost(self) -> list[Part]:
        """The parts in which a test failed."""
        return [part for part in self.parts if part.told]

    def named(self, pseudonym: str) -> "Result":
        """This result under a pseudonym, in its sentences too; answers stay as they were given."""
        hide = _hider(self.student, pseudonym)
        steps = tuple(replace(step, message=hide(step.message)) for step in self.steps)
        notes = tuple(map(hide, self.notes))
        return replace(self, pseudonym=pseudonym, notes=notes, steps=steps)


def read_results(course: Course) -> list[Result]:
    """Every result of a course, in the order of assignments and students' folders."""
    found = list(map(_read, course.root.glob("graded/*/*/result.json")))
    names = [*course.names, *sorted({result.title for result in found})]
    return sorted(found, key=lambda result: (names.index(result.title), result.student))


def _read(path: Path) -> Result:
    student, assignment = path.parts[-3:-1]
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        steps = tuple(Step(**cell) for cell in data["cells"])
        notes = tuple(data["notes"])
        return Result(assignment, steps, student, data["variant"], notes)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is no result ({type(error).__name__}: {error}): remove it and grade again"
        ) from None


def _hider(student: str, pseudonym: str) -> Callable[[str], str]:
    """Puts the pseudonym where a sentence holds the student's name as a word, as in a path."""
    word = re.compile(rf"(?<!\w){re.escape(student)}(?!\w)")
    return (lambda text: word.sub(pseudonym, text)) if len(student) > 2 else (lambda text: text)
