"""What an assignment is: a notebook in nbgrader's format, its parts, and the variants of it.

A course is a folder. ``source`` holds the notebooks with solutions, ``release`` those for students;
``submitted``, ``clean``, ``graded`` and ``reports`` hold what becomes of their work.
"""

import copy
import json
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
from nbformat import NotebookNode


@dataclass(frozen=True)
class Course:
    """The folders of a course; by default, those of the book."""

    root: Path = Path("assignments")

    def source(self, name: str) -> Path:
        """The notebook with solutions."""
        return self._notebook("source", name)

    def release(self, name: str) -> Path:
        """The notebook for students."""
        return self._notebook("release", name)

    def clean(self, student: str, name: str) -> Path:
        """A student's work, put back into the notebook that was given out."""
        return self._notebook(f"clean/{student}", name)

    def graded(self, student: str, name: str) -> Path:
        """The same, executed."""
        return self._notebook(f"graded/{student}", name)

    @property
    def reports(self) -> Path:
        """The folder of grades and pages."""
        return self.root / "reports"

    @cached_property
    def names(self) -> list[str]:
        """The assignments of the course, in the order of the book where it has one."""
        found = {path.stem for path in self.root.glob("source/*/*.ipynb")}
        known = [name for name in ORDER if name in found]
        return known + sorted(found - set(known))

    @property
    def students(self) -> list[str]:
        """Whoever has a folder among the submissions."""
        return sorted(path.name for path in self.root.glob("submitted/*") if path.is_dir())

    def chosen(self, names: list[str]) -> list[str]:
        """``names``, or all there are where none is given; ``ValueError`` for one that is not."""
        unknown = [name for name in names if name not in self.names]
        if unknown or not self.names:
            raise ValueError(
                f"there is no assignment {' '.join(unknown)} in {self.root / 'source'}: "
                f"choose from {', '.join(self.names) or 'none'}, or name the course with --course"
            )
        return names or self.names

    def _notebook(self, folder: str, name: str) -> Path:
        return self.root / folder / name / f"{name}.ipynb"


ORDER = (
    "overview tokenization embeddings attention layer_block output training generation llama "
    "finetuning"
).split()


def read(path: Path) -> NotebookNode:
    """The notebook in ``path``; ``ValueError`` where it is none, or only part of one."""
    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(f"{path} is not a whole notebook ({type(error).__name__})") from error


def write(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook whole or not at all."""
    nbformat.validate(notebook)
    write_text(nbformat.writes(notebook) + "\n", path)


def write_json(value: object, path: Path) -> None:
    """Write JSON whole or not at all."""
    write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", path)


def write_text(text: str, path: Path) -> None:
    """Write a text whole or not at all, with the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    return cell.metadata.get("tags", [])


def grade_id(cell: NotebookNode) -> str:
    """The name under which nbgrader knows a cell, or nothing."""
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def kind(cell: NotebookNode) -> str:
    """One of ``answer``, ``test``, ``written`` and ``locked``; ``free`` for any other cell."""
    marks = cell.metadata.get("nbgrader")
    if not marks:
        return "free"
    if marks["solution"]:
        return "written" if marks["grade"] else "answer"
    return "test" if marks["grade"] else "locked"


def points(notebook: NotebookNode) -> float:
    """All that can be earned."""
    return sum(cell.metadata.nbgrader.points for cell in notebook.cells if is_graded(cell))


def is_graded(cell: NotebookNode) -> bool:
    """Whether a cell can earn points."""
    return kind(cell) in ("test", "written")


def titles(notebook: NotebookNode) -> list[str]:
    """For each cell the nearest heading above it, without its marks."""
    title, found = "", []
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and kind(cell) != "written":
            headings = re.findall(r"^#+ +(.+)$", cell.source, re.MULTILINE)
            title = headings[-1].strip() if headings else title
        found.append(title)
    return found


def options(notebook: NotebookNode) -> dict[str, list[str]]:
    """The groups of cells of which a variant keeps one option each: group to its options."""
    groups: dict[str, list[str]] = {}
    for group, option in filter(None, map(_choice, notebook.cells)):
        if option not in groups.setdefault(group, []):
            groups[group].append(option)
    return groups


def choose(notebook: NotebookNode, variant: int) -> NotebookNode:
    """The notebook of one variant: one option of each group, and the number in its setup.

    The number picks an option of each group as the digits of a number pick from ten: with two
    groups of two options there are the variants 0 to 3. A notebook of that variant, which has no
    options left, stays as it is. ``ValueError`` for one that is not there.
    """
    if notebook.metadata.get("assignment", {}).get("variant") == variant:
        return copy.deepcopy(notebook)
    picked, left = {}, variant
    for group, names in options(notebook).items():
        left, index = divmod(left, len(names))
        picked[group] = names[index]
    if variant < 0 or left:
        raise ValueError(f"variant {variant} does not exist: choose one below {variants(notebook)}")
    chosen = copy.deepcopy(notebook)
    chosen.cells = [cell for cell in chosen.cells if _kept(cell, picked)]
    for cell in chosen.cells:
        if kind(cell) == "locked" and cell.cell_type == "code":
            cell.source = re.sub(r"^VARIANT = \d+", f"VARIANT = {variant}", cell.source, flags=re.M)
    chosen.metadata.setdefault("assignment", NotebookNode())["variant"] = variant
    return chosen


def variants(notebook: NotebookNode) -> int:
    """How many variants there are."""
    count = 1
    for names in options(notebook).values():
        count *= len(names)
    return count


def _choice(cell: NotebookNode) -> tuple[str, str] | None:
    for tag in tags(cell):
        if tag.startswith("choice:"):
            _, group, option = tag.split(":")
            return group, option
    return None


def _kept(cell: NotebookNode, picked: dict[str, str]) -> bool:
    choice = _choice(cell)
    if choice is None:
        return True
    cell.metadata.tags = [tag for tag in tags(cell) if not tag.startswith("choice:")]
    return picked[choice[0]] == choice[1]
