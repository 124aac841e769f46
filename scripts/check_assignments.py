"""Check the form of every assignment by the rules of CONTRIBUTING.md; print faults, fail on any.

python scripts/check_assignments.py [NAME …]
"""

import re
import sys
from collections.abc import Iterator

from nbformat import NotebookNode
from normalise_notebooks import bootstrap_source, how_to_source, is_bootstrap

from llm.classroom.assignments import (
    Course,
    choose,
    grade_id,
    is_graded,
    kind,
    options,
    points,
    read,
    tags,
    variants,
)
from llm.classroom.release import is_fresh

TYPES = {"title": str, "chapter": str, "objectives": list, "prerequisites": list, "minutes": int}
TAGS = {"how-to", "bootstrap", "remove-cell", "exhibit", "challenge", "teacher"}
TAGS |= {"nbval-check-output"}
TOTAL, WRITTEN = 50, 8
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


def faults_of(course: Course, name: str) -> Iterator[str]:
    """Everything about one assignment that breaks a rule."""
    notebook = read(course.source(name))
    yield from _metadata_faults(notebook)
    yield from _form_faults(notebook, name)
    for cell in notebook.cells:
        yield from (f"{cell.id}: {fault}" for fault in _cell_faults(cell))
    for variant in range(variants(notebook)):
        yield from (f"variant {variant}: {f}" for f in _variant_faults(choose(notebook, variant)))
    if not is_fresh(course, name):
        yield "its release is not what the source gives: run `make assignments`"


def _metadata_faults(notebook: NotebookNode) -> Iterator[str]:
    given = notebook.metadata.get("assignment", {})
    for field, kind_ in TYPES.items():
        if not isinstance(given.get(field), kind_):
            yield f"metadata assignment.{field} is missing or of another type"
    if not 3 <= len(given.get("objectives", [])) <= 5:
        yield "it needs three to five objectives"
    if not 45 <= given.get("minutes", 0) <= 120:
        yield "it should take 45 to 120 minutes"
    top = notebook.cells[0].source
    if f"**{given.get('minutes')} minutes · {TOTAL} points**" not in top:
        yield f"its first cell does not say **{given.get('minutes')} minutes · {TOTAL} points**"
    missing = [text for text in given.get("objectives", []) if text not in top]
    yield from (f"its first cell does not name the objective {text!r}" for text in missing)


def _form_faults(notebook: NotebookNode, name: str) -> Iterator[str]:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not is_bootstrap(code[0]) or code[0].source != bootstrap_source():
        yield "its first code cell is not that of chapters/bootstrap.py: run `make notebooks`"
    if notebook.cells[1].source != how_to_source(name):
        yield "its second cell is not that of assignments/how_to.md: run `make notebooks`"
    if not any(re.search(r"^VARIANT = 0$", c.source, re.M) for c in code if kind(c) == "locked"):
        yield "no locked cell sets VARIANT = 0"
    groups = options(notebook)
    if len(groups) < 2 or any(len(names) < 2 for names in groups.values()):
        yield f"it needs two groups of two options at least, and has {groups}"
    for tag in ("exhibit", "challenge", "teacher"):
        if not any(tag in tags(cell) for cell in notebook.cells):
            yield f"no cell is tagged {tag}"
    if not any("## For the oral check" in cell.source for cell in notebook.cells):
        yield "it has no question for the oral check"


def _cell_faults(cell: NotebookNode) -> Iterator[str]:
    lines = cell.source.split("\n")
    regions = (lines.count(BEGIN), lines.count(END))
    if kind(cell) in ("answer", "written"):
        regions = (cell.source.count(BEGIN), cell.source.count(END))
        if regions != (1, 1):
            yield "an answer has one region of a solution"
    elif sum(regions):
        yield "a solution stands outside an answer cell"
    if kind(cell) == "test" and "### BEGIN HIDDEN TESTS" not in cell.source:
        yield "a test has hidden tests too"
    if cell.cell_type == "code" and not is_bootstrap(cell) and len(lines) > 25:
        yield f"{len(lines)} lines, 25 at most"
    unknown = [
        t for t in tags(cell) if t not in TAGS and not re.fullmatch(r"choice(:[\w-]+){2}", t)
    ]
    if unknown:
        yield f"nobody knows its tags {unknown}"
    if cell.cell_type == "code" and cell.execution_count is None:
        yield "is not executed"


def _variant_faults(notebook: NotebookNode) -> Iterator[str]:
    names = [grade_id(cell) for cell in notebook.cells if grade_id(cell)]
    if len(set(names)) < len(names):
        yield "two cells have the same grade_id"
    if points(notebook) != TOTAL:
        yield f"{points(notebook)} points, not {TOTAL}"
    written = [cell.metadata.nbgrader.points for cell in notebook.cells if kind(cell) == "written"]
    if written != [WRITTEN]:
        yield f"written questions of {written} points; one of {WRITTEN} is wanted"
    if any(is_graded(cell) and "challenge" in tags(cell) for cell in notebook.cells):
        yield "the challenge is graded"


def main(names: list[str]) -> int:
    course, count = Course(), 0
    for name in course.chosen(names):
        for fault in faults_of(course, name):
            print(f"assignments/source/{name}: {fault}")
            count += 1
    print(f"{len(course.chosen(names))} assignment(s), {count} fault(s)")
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
