"""Run each student's notebook with the hidden tests, behind locks and limits, and note the points.

Every submission gets a process of its own (`kernel.py`). What goes wrong in one cell, be it an
endless loop, becomes a sentence in the result; it touches neither other cells nor other students.
Results are written one by one, each when it is complete: a batch that was cut off goes on there.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbformat.validator import NotebookValidationError, validate

import llm
from llm.classroom.assignments import (
    Course,
    choose,
    grade_id,
    is_graded,
    kind,
    read,
    tags,
    titles,
    write,
    write_json,
)
from llm.classroom.process import Limits, Process, Stopped, protections

MOST_STARTS = 5  # of a process for one notebook
NOT_RUN = {"challenge", "teacher"}
_OUTPUTS = ("stream", "display_data")
_INNER_PARTS = re.compile(
    r"\b(_getframe|inspect\.\w+|f_back|f_locals|tb_frame|gi_frame|__globals__|__closure__|__code__|settrace"
    r"|sys\.modules|builtins|ctypes|gc\.get_\w+|get_ipython|hidden_seeds|llm\.checks|_bugs)\b"
)


def grade(
    course: Course,
    names: Sequence[str] = (),
    *,
    seeds: Sequence[int] = (),
    jobs: int | None = None,
    limits: Limits | None = None,
    again: bool = False,
) -> list[str]:
    """Grade what `preflight` wrote; gives a sentence for each submission that could not be graded.

    A submission is skipped if its result stands there and nothing has changed since that decides
    the grade: the answers, the tests, the seeds, the limits and the code of the book.
    """
    from tqdm import tqdm

    work = [
        Submission(course, path.parent.parent.name, name, tuple(seeds), limits or Limits())
        for name in course.chosen(list(names))
        for path in sorted(course.root.glob(f"clean/*/{name}/{name}.ipynb"))
    ]
    if not work:
        raise ValueError(f"nothing to grade in {course.root / 'clean'}: run preflight first")
    if any(seed < 0 for seed in seeds):
        raise ValueError(f"seeds are whole numbers from 0 up, not {min(seeds)}")
    Process.begin()
    jobs, failed = jobs or os.cpu_count() or 1, []
    print(f"{len(work)} submissions, {jobs} at a time. {protections()}")
    with ThreadPoolExecutor(jobs) as pool:
        waiting = {pool.submit(one.grade, again): one for one in work}
        try:
            for done in tqdm(as_completed(waiting), total=len(work), unit=" submissions"):
                if done.exception():
                    failed.append(f"{waiting[done]} is not graded: {done.exception()}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            Process.stop_all()
            raise
    print(f"{len(work) - len(failed)} results in {course.root / 'graded'}")
    return failed


@dataclass(frozen=True)
class Submission:
    """One student's work on one assignment."""

    course: Course
    student: str
    name: str
    seeds: tuple[int, ...]
    limits: Limits

    def __str__(self) -> str:
        return f"{self.name} of {self.student}"

    @cached_property
    def notebook(self) -> NotebookNode:
        """The source with its hidden tests, in the variant given out, and the student's answers."""
        clean = read(self.course.clean(self.student, self.name))
        notebook = choose(read(self.course.source(self.name)), _variant(clean))
        notebook.cells = [cell for cell in notebook.cells if "teacher" not in tags(cell)]
        given = {grade_id(cell): cell for cell in clean.cells}
        for cell in notebook.cells:
            if kind(cell) in ("answer", "written"):
                answer = given.get(grade_id(cell))
                cell.source = answer.source if answer else ""
                cell.metadata.nbgrader |= answer.metadata.nbgrader if answer else {}
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        return notebook

    @cached_property
    def key(self) -> str:
        """A fingerprint of all that decides the grade."""
        cells = [(cell.id, cell.source) for cell in self.notebook.cells]
        parts = [cells, self.seeds, asdict(self.limits), _version()]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def is_done(self) -> bool:
        """Whether a result with the same key stands there."""
        try:
            return json.loads(self._result.read_text(encoding="utf-8"))["key"] == self.key
        except (OSError, ValueError, KeyError, TypeError):
            return False

    @property
    def _result(self) -> Path:
        return self.course.graded(self.student, self.name).with_name("result.json")

    def grade(self, again: bool = False) -> None:
        """Run the notebook and write it and the result, the result last."""
        if self.is_done() and not again:
            return
        started, run = time.monotonic(), Run(self.notebook, self.limits, self.seeds)
        notes = self.course.clean(self.student, self.name).with_name("notes.json")
        before = json.loads(notes.read_text(encoding="utf-8")) if notes.exists() else []
        cells = run.cells()
        Process.check()
        write(self.notebook, self.course.graded(self.student, self.name))
        result = {"assignment": self.name, "variant": _variant(self.notebook)}
        result |= {"student": self.student, "key": self.key}
        result |= {"seconds": round(time.monotonic() - started, 1)}
        result |= {"notes": [*before, *run.notes, *_reaching(self.notebook)], "cells": cells}
        write_json(result, self._result)


def _reaching(notebook: NotebookNode) -> list[str]:
    """Notes on answers with words that no exercise needs: one process cannot hide all its parts."""
    answers = [cell for cell in notebook.cells if kind(cell) == "answer"]
    found = [(grade_id(cell), _INNER_PARTS.search(cell.source)) for cell in answers]
    return [f"The answer {name} uses {word[0]}: read it." for name, word in found if word]


def _variant(notebook: NotebookNode) -> int:
    return notebook.metadata.get("assignment", {}).get("variant", 0)


@cache
def _version() -> str:
    """A fingerprint of the package, so that a mended check leads to new grades."""
    code = hashlib.sha256()
    for path in sorted(Path(llm.__file__).parent.rglob("*.py")):
        code.update(path.read_bytes())
    return f"{llm.__version__} {code.hexdigest()}"


class Run:
    """A notebook as it is executed: the process, what it must repeat after a new start, notes."""

    def __init__(self, notebook: NotebookNode, limits: Limits, seeds: Sequence[int]):
        self.notebook, self.limits, self.seeds = notebook, limits, seeds
        self.end = time.monotonic() + limits.notebook_seconds
        self.process: Process | None = None
        self.starts = 0
        self.before: list[NotebookNode] = []
        self.answers: list[tuple[str, str]] = []  # source and what went wrong
        self.notes: list[str] = []

    def cells(self) -> list[dict]:
        """Run everything that counts; a result for each cell that can earn points."""
        found = []
        try:
            for cell, title in zip(self.notebook.cells, titles(self.notebook), strict=True):
                message = ""
                if cell.cell_type == "code" and not NOT_RUN & set(tags(cell)):
                    message = self._executed(cell)
                if is_graded(cell):
                    found.append(_graded(cell, title, message))
        finally:
            self._stop()
        return found

    def _executed(self, cell: NotebookNode) -> str:
        """Run a cell, put its outputs there, and give the sentence of its error, if any."""
        answer = self._asked(cell)
        message, error, name = answer["message"], answer["error"], grade_id(cell)
        self.notes += [note for note in answer["notes"] if note not in self.notes]
        outputs = [output for output in map(_valid, answer["outputs"]) if output]
        if error:
            message = self._cause(error, message) if kind(cell) == "test" else message
            text = {"ename": error, "evalue": message, "traceback": [f"✗ {message}"]}
            outputs.append(new_output("error", **text))
        if kind(cell) == "answer":
            where = "" if f"the cell {name}" in message else f"the cell {name}: "
            self.answers.append((cell.source, f"{where}{message}" if error else ""))
        if kind(cell) != "test" and error not in ("Stopped", "MemoryError"):
            self.before.append(cell)
        if kind(cell) != "test" and error == "Stopped":
            self.notes.append(f"The cell {name}: {message}")
        if error == "MemoryError":
            self._stop()
        cell.outputs = outputs
        return message

    def _cause(self, error: str, message: str) -> str:
        """For a name that is not there, what happened in the cell that was to define it."""
        name = re.match(r"NameError: name '(\w+)'", message)
        if error != "NameError" or not name or not self.answers:
            return message
        word = re.compile(rf"\b{name[1]}\b")
        found = [text for source, text in self.answers if word.search(source)]
        return (found or [self.answers[-1][1]])[-1] or message

    def _asked(self, cell: NotebookNode) -> dict:
        try:
            self._ready()
            return self._sent(cell)
        except Stopped as stop:
            self._stop()
            return {"error": "Stopped", "message": f"{stop}", "outputs": [], "notes": []}

    def _sent(self, cell: NotebookNode) -> dict:
        request = {"name": grade_id(cell) or cell.id, "kind": kind(cell), "source": cell.source}
        return self.process.run(request, self.end)

    def _ready(self) -> None:
        """Start a process where there is none, and repeat in it what went well before."""
        while self.process is None:
            if self.starts == MOST_STARTS:
                raise Stopped(f"not run: the cells above ended the program {MOST_STARTS} times")
            self.starts += 1
            self.process = Process(self.limits, self.seeds)
            for cell in list(self.before):
                try:
                    self._sent(cell)
                except Stopped:
                    self.before.remove(cell)
                    self._stop()
                    break

    def _stop(self) -> None:
        if self.process:
            self.process.stop()
        self.process = None


def _valid(output: dict) -> NotebookNode | None:
    """An output as a notebook may hold it; None for what only looks like one."""
    try:
        made = new_output(**output) if output["output_type"] in _OUTPUTS else None
        validate(made, ref="output", version=4)
    except (NotebookValidationError, TypeError, ValueError, AttributeError, KeyError):
        return None
    return made


def _graded(cell: NotebookNode, title: str, message: str) -> dict:
    """The result of a cell. Points are nbgrader's: all of them, none, or none given yet."""
    from nbgrader.utils import determine_grade

    points, most = determine_grade(cell)
    written = kind(cell) == "written"
    result = {"grade_id": grade_id(cell), "title": title, "kind": "written" if written else "check"}
    result |= {"points": points, "max_points": cell.metadata.nbgrader.points, "message": message}
    if written:
        result |= {"answer": cell.source, "message": "not written yet" if points == 0 else ""}
    return result
