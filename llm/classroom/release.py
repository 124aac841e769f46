"""Student versions: the source without solutions, hidden tests and words for the teacher.

nbgrader's own preprocessors do it, in the order in which its `generate_assignment` runs them.
"""

from pathlib import Path

from nbformat import NotebookNode
from traitlets.config import Config

from llm.classroom.assignments import Course, choose, kind, read, tags, variants, write

STUB = "raise NotImplementedError  # your turn"
SETTINGS = Config(
    ClearSolutions={"code_stub": {"python": STUB}, "text_stub": "Your answer here."},
    LockCells={"lock_readonly_cells": True},
)


def release(course: Course, names: list[str], variant: int = 0, to: Course | None = None) -> None:
    """Write the student versions of ``names`` into ``to``, by default the course itself.

    Another course gets the source of the variant too, so that nbgrader and the commands here can
    work in it alone.
    """
    to = to or course
    sources = {name: read(course.source(name)) for name in course.chosen(names)}
    for name, source in sources.items():
        if not 0 <= variant < variants(source):
            raise ValueError(f"{name} has the variants 0 to {variants(source) - 1}, not {variant}")
    for name, source in sources.items():
        if to != course:
            write(choose(source, variant), to.source(name))
        write(student_version(source, variant), to.release(name))
        print(f"{to.release(name)}: variant {variant} of {variants(source)}")


def student_version(source: NotebookNode, variant: int = 0) -> NotebookNode:
    """The notebook that a student gets."""
    notebook = choose(source, variant)
    notebook.cells = [cell for cell in notebook.cells if "teacher" not in tags(cell)]
    notebook = _processed(notebook, "ClearSolutions", "ClearHiddenTests", "ClearOutput")
    for cell in notebook.cells:
        cell.source = _without_bare_stub(cell) if kind(cell) == "answer" else cell.source.rstrip()
    return _processed(notebook, "LockCells", "ComputeChecksums", "CheckCellMetadata")


def _processed(notebook: NotebookNode, *names: str) -> NotebookNode:
    from nbgrader import preprocessors

    for name in names:
        notebook, _ = getattr(preprocessors, name)(config=SETTINGS).preprocess(notebook, {})
    return notebook


def _without_bare_stub(cell: NotebookNode) -> str:
    """A value's place holds ``None`` already, and a stub at the margin would stop the cell."""
    return "\n".join([line for line in cell.source.split("\n") if line != STUB]).strip()


def is_fresh(course: Course, name: str) -> bool:
    """Whether the student version on disk is the one that the source gives today."""
    path: Path = course.release(name)
    if not path.exists():
        return False
    released = read(path)
    variant = released.metadata.get("assignment", {}).get("variant", 0)
    return released == student_version(read(course.source(name)), variant)
