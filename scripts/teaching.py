"""The tables of chapters/teaching.md that repeat what notebooks say of themselves.

    python scripts/teaching.py --write    make them from the notebooks' metadata
    python scripts/teaching.py --check    compare, and name the lines that differ

Made whole are the tables of chapters and of assignments. In the plans of a term only the hours are:
half an hour to read a chapter, one to work on it in class, and what the assignment takes, rounded
up to half an hour.
"""

import math
import re
import sys
from difflib import unified_diff
from pathlib import Path

import yaml

from llm.classroom.assignments import Course, choose, points, read, variants

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = "| Chapter | Minutes | Before it | Afterwards a student can |"
ASSIGNMENTS = "| Assignment | Folder | Minutes | Points | Variants | What one does there |"
PLAN = re.compile(r"^(\| (?:Day|Week) \| .*\| Hours \|\n\|[-|]*\n)((?:\|.*\n)+)", re.MULTILINE)
IN_CLASS = 60  # minutes for each chapter, beside those of reading it


def chapter_names(root: Path) -> list[str]:
    """The notebooks among the chapters, in the book's order."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    names = [Path(entry["file"]).name for entry in toc["chapters"]]
    return [name for name in names if (root / f"chapters/{name}.ipynb").exists()]


def chapter_row(root: Path, name: str) -> str:
    """What a chapter says of itself."""
    notebook = read(root / f"chapters/{name}.ipynb")
    chapter = notebook.metadata.chapter
    title = re.match(r"# (.*)", notebook.cells[0].source)[1]
    needed = "; ".join(chapter.get("prerequisites", [])) or "nothing"
    goals = "; ".join(chapter.objectives)
    return f"| [{title}]({name}.ipynb) | {chapter.minutes} | {needed} | {goals} |"


def assignment_row(course: Course, name: str) -> str:
    """What an assignment says of itself."""
    notebook = read(course.source(name))
    told, total = notebook.metadata.assignment, points(choose(notebook, 0))
    facts = f"`{name}` | {told.minutes} | {total} | {variants(notebook)}"
    return f"| {told.title} | {facts} | {'; '.join(told.objectives)} |"


def hours(root: Path, row: str) -> str:
    """The hours of a row of a plan, from the chapters and assignments that it names."""
    minutes = 0
    for name in re.findall(r"\((\w+)\.ipynb\)", row):
        minutes += read(root / f"chapters/{name}.ipynb").metadata.chapter.minutes + IN_CLASS
    for name in re.findall(r"`(\w+)`", row):
        minutes += read(Course(root / "assignments").source(name)).metadata.assignment.minutes
    return f"{math.ceil(minutes / 30) / 2:g}"


def planned(root: Path, match: re.Match) -> str:
    """A plan with its hours worked out."""
    rows = []
    for row in match[2].splitlines():
        cells = row.rstrip(" |").split(" | ")
        rows.append(" | ".join([*cells[:3], hours(root, row)]) + " |\n")
    return match[1] + "".join(rows)


def made(root: Path, text: str) -> str:
    """The page with its tables as the notebooks have them; ``ValueError`` if one is missing."""
    names, course = chapter_names(root), Course(root / "assignments")
    tables = {
        CHAPTERS: [chapter_row(root, name) for name in names],
        ASSIGNMENTS: [assignment_row(course, name) for name in names if name in course.names],
    }
    for head, rows in tables.items():
        match = re.search(rf"^{re.escape(head)}\n(\|[-|]*\n)(?:\|.*\n)*", text, re.MULTILINE)
        if match is None:
            raise ValueError(f"teaching.md has no table that begins with {head}")
        new = f"{head}\n{match[1]}" + "".join([f"{row}\n" for row in rows])
        text = text[: match.start()] + new + text[match.end() :]
    return PLAN.sub(lambda match: planned(root, match), text)


def check(root: Path = ROOT) -> list[str]:
    """The lines of the page that say otherwise than the notebooks, as a difference."""
    text = (root / "chapters/teaching.md").read_text(encoding="utf-8")
    lines = unified_diff(text.splitlines(), made(root, text).splitlines(), lineterm="", n=0)
    return [f"teaching.md: {line}" for line in lines if re.match(r"[-+](?![-+])", line)]


def write(root: Path = ROOT) -> list[str]:
    """Put the tables into the page; there is no fault left then."""
    path = root / "chapters/teaching.md"
    path.write_text(made(root, path.read_text(encoding="utf-8")), encoding="utf-8")
    return []


def main(arguments: list[str]) -> int:
    if arguments not in (["--check"], ["--write"]):
        raise SystemExit(__doc__)
    faults = check() if arguments == ["--check"] else write()
    print("\n".join(faults) or "the teacher's tables agree with the notebooks")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
