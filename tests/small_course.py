"""A small course for tests: one assignment with answers of every kind and six variants."""

from pathlib import Path

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from llm.classroom.assignments import Course, write

NORMS = ("layer", "rms")
SIGNS = ("plus", "minus", "both")


def marked(cell, grade_id, tags=(), **marks):
    """A cell as nbgrader knows it."""
    usual = {"grade": False, "solution": False, "locked": False, "task": False}
    cell.metadata.nbgrader = usual | {"schema_version": 3, "grade_id": grade_id} | marks
    cell.metadata.tags = list(tags)
    cell.id = grade_id
    return cell


def answer(name, body, **kind):
    source = f"def {name}(x):\n    ### BEGIN SOLUTION\n    {body}\n    ### END SOLUTION"
    return marked(new_code_cell(source), name, solution=True, **kind)


def graded(name, seen, hidden, points, **kind):
    source = f"{seen}\n### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS"
    return marked(
        new_code_cell(source), f"{name}-test", grade=True, locked=True, points=points, **kind
    )


def small() -> list:
    """The cells of the assignment."""
    return [
        new_markdown_cell("# Small"),
        marked(new_code_cell("VARIANT = 0"), "setup", locked=True),
        new_markdown_cell("## 1 · Double"),
        answer("double", "return 2 * x"),
        graded("double", "assert double(2) == 4", "assert double(3) == 6", 3),
        *[answer(f"norm_{n}", "return x", tags=[f"choice:norm:{n}"]) for n in NORMS],
        *[answer(f"sign_{s}", "return -x", tags=[f"choice:sign:{s}"]) for s in SIGNS],
        marked(
            new_code_cell("n = None  # replace None\n### BEGIN SOLUTION\nn = 7\n### END SOLUTION"),
            "n",
            solution=True,
        ),
        new_markdown_cell("## 2 · In your words\n\nWhy?"),
        new_markdown_cell("They ask here.", metadata={"tags": ["teacher"]}),
        marked(
            new_markdown_cell("### BEGIN SOLUTION\nBecause.\n### END SOLUTION"),
            "written",
            grade=True,
            solution=True,
            points=2,
        ),
    ]


def small_course(folder: Path) -> Course:
    """A course with one small assignment."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = Course(folder)
    write(new_notebook(cells=small(), metadata={"kernelspec": kernel}), made.source("small"))
    return made
