"""Put each student's answers back into the notebook that was given out.

What comes in may have lost its metadata, and its cells may be doubled, missing, moved or edited.
Only the answers are taken; all else is the release again. What was mended is said in sentences.
"""

import ast
import copy
import re
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from llm.classroom.assignments import Course, grade_id, kind, read, tags, write, write_json

_DEFINED = re.compile(r"^(?:(?:def|class) +(\w+)|(\w+) *=(?!=))", re.MULTILINE)
LARGEST = 20_000_000  # bytes; a notebook with all its pictures has less


def preflight(course: Course, names: list[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Rebuild the submissions of ``names``; yields student, assignment and what was mended."""
    for name in course.chosen(names):
        release = read(course.release(name))
        for student in course.students:
            found = submissions(course.root / "submitted" / student, name)
            if not found:
                continue
            notebook, notes = rebuilt(release, found)
            clean = course.clean(student, name)
            write_json(notes, clean.with_name("notes.json"))
            write(notebook, clean)
            yield student, name, notes


def submissions(folder: Path, name: str) -> list[Path]:
    """The notebooks in a student's folder that may be the assignment, the likeliest first.

    ``NAME/NAME.ipynb`` is where nbgrader puts it. Colab saves ``Copy of NAME.ipynb``, browsers
    ``NAME (1).ipynb``, learning platforms what they like; of those the newest is taken.
    """
    usual = folder / name / f"{name}.ipynb"
    word = re.compile(rf"(?<![a-z]){re.escape(name)}(?![a-z_])", re.IGNORECASE)
    found = [path for path in folder.rglob("*.ipynb") if path.is_file() and word.search(path.stem)]
    found = [path for path in found if ".ipynb_checkpoints" not in path.parts]
    return sorted(found, key=lambda path: (path != usual, -path.stat().st_mtime, f"{path}"))


def rebuilt(release: NotebookNode, paths: list[Path]) -> tuple[NotebookNode, list[str]]:
    """The release with the answers of the first of ``paths``, and sentences on what was mended."""
    path, *others = paths
    notes = [f"More notebooks were handed in; {path.name} was taken."] if others else []
    try:
        return with_answers(release, submitted(path), notes)
    except ValueError as error:
        return copy.deepcopy(release), [*notes, f"{error}. Please hand it in again."]


def submitted(path: Path) -> NotebookNode:
    """What a student handed in; ``ValueError`` for a file that is not a whole notebook."""
    if path.is_symlink() or path.stat().st_size > LARGEST:
        raise ValueError(f"{path.name} is a link, or has more than {LARGEST // 10**6} MB")
    try:
        notebook = read(path)
        readable = all(isinstance(cell.source, str) for cell in notebook.cells)
    except (ValueError, AttributeError, TypeError):
        readable = False
    if not readable:
        raise ValueError(f"{path.name} is not a whole notebook ({path.stat().st_size} bytes)")
    return notebook


def with_answers(
    release: NotebookNode, work: NotebookNode, notes: list[str]
) -> tuple[NotebookNode, list[str]]:
    """A copy of ``release`` with the answers found in ``work``; ``notes`` get more sentences."""
    notebook, notes = copy.deepcopy(release), list(notes)
    used: set[int] = set()
    for place, cell in enumerate(notebook.cells):
        if kind(cell) in ("answer", "written"):
            candidates = _candidates(release, place, work, used)
            used |= set(candidates)
            cell.source = _taken(cell, [work.cells[i].source for i in candidates], notes)
        elif kind(cell) != "free":
            notes += _note_on_locked(cell, work, used)
    notes += _notes_on_the_rest(release, work, used)
    for cell in notebook.cells:
        notes += _notes_on_answer(cell)
    return notebook, notes


def _candidates(release: NotebookNode, place: int, work: NotebookNode, used: set[int]) -> list[int]:
    """Where the answer to a cell of the release may stand: by name, else by what is in it."""
    cell = release.cells[place]
    left = [(i, other) for i, other in enumerate(work.cells) if i not in used]
    same_type = [(i, other) for i, other in left if other.cell_type == cell.cell_type]
    for matches in (
        lambda other, _: grade_id(other) == grade_id(cell),
        lambda other, _: other.get("id") == cell.get("id"),
        lambda other, _: (
            bool(defined(cell.source))
            and _unmarked(other)
            and (defined(cell.source) <= defined(other.source))
        ),
        lambda other, i: _unmarked(other) and _follows(release, place, work, i),
    ):
        found = [i for i, other in same_type if matches(other, i)]
        if found:
            return found
    return []


def _unmarked(cell: NotebookNode) -> bool:
    return not grade_id(cell)


def _follows(release: NotebookNode, place: int, work: NotebookNode, index: int) -> bool:
    """Whether the cell before it is the one that stands before the answer in the release."""
    before = release.cells[place - 1].source.strip()
    return index > 0 and work.cells[index - 1].source.strip() == before


def defined(source: str) -> set[str]:
    """The names that a cell defines: functions, classes and values at its margin."""
    return {first or second for first, second in _DEFINED.findall(source)}


def _taken(cell: NotebookNode, answers: list[str], notes: list[str]) -> str:
    """The last answer that is not as given out; a note where there were more, or none."""
    if not answers:
        notes.append(f"The answer cell {grade_id(cell)} is missing; it counts as not written.")
        return cell.source
    written = [answer for answer in answers if answer.strip() != cell.source.strip()]
    if len(answers) > 1:
        notes.append(
            f"The answer cell {grade_id(cell)} stands there more than once; the last counts."
        )
    return (written or answers)[-1]


def _note_on_locked(cell: NotebookNode, work: NotebookNode, used: set[int]) -> list[str]:
    """Mark where a locked cell stands in the work; a note if it is gone or was edited."""
    name = grade_id(cell)
    found = [i for i, other in enumerate(work.cells) if grade_id(other) == name]
    found = found or [i for i, other in enumerate(work.cells) if other.get("id") == cell.get("id")]
    same = [i for i, other in enumerate(work.cells) if other.source.strip() == cell.source.strip()]
    used |= {*found, *same}
    if same:
        return []
    done = "was edited" if found else "was deleted"
    return [f"The locked cell {name} {done}; it was put back as given out."]


def _notes_on_the_rest(release: NotebookNode, work: NotebookNode, used: set[int]) -> list[str]:
    """A note on cells that a student has added: they are for trying out and do not count."""
    given = {cell.source.strip() for cell in release.cells}
    extra = [
        cell
        for i, cell in enumerate(work.cells)
        if i not in used and cell.cell_type == "code" and cell.source.strip() not in {*given, ""}
    ]
    if not extra:
        return []
    names = sorted(set().union(*[defined(cell.source) for cell in extra]))
    what = f", which define {', '.join(names[:8])}" if names else ""
    return [f"{len(extra)} cells of your own{what}, do not count: only answer cells are graded."]


def _notes_on_answer(cell: NotebookNode) -> list[str]:
    """A note where an answer calls the book's own code instead of being written."""
    if kind(cell) != "answer" or "challenge" in tags(cell):
        return []
    try:
        nodes = list(ast.walk(ast.parse(cell.source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []  # it will not run either
    modules = [n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)]
    modules += [alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names]
    own = [module for module in modules if module.split(".")[0] == "llm"]
    return [f"The answer {grade_id(cell)} imports {own[0]}, the book's own code."] if own else []
