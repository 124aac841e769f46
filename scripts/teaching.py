"""The parts of chapters/teaching.md that repeat what notebooks say of themselves.

    python scripts/teaching.py --write    make them from the notebooks' metadata
    python scripts/teaching.py --check    compare, and name the lines that differ

Made whole are the lists of chapters and of assignments: what stands between ``MARK`` and the next
heading. In the plans of a term only the hours are: half an hour to read a chapter, one to work on
it in class, and what the assignment takes, rounded up to half an hour.
"""

import math
import re
import sys
from difflib import unified_diff
from pathlib import Path

import yaml

from llm.classroom.assignments import Course, choose, points, read, variants

ROOT = Path(__file__).resolve().parents[1]
MARK = "<!-- from the metadata of the {}: scripts/teaching.py -->"
PLAN = re.compile(r"^(\| (?:Day|Week) \| .*\| Hours \|\n\|[-|]*\n)((?:\|.*\n)+)", re.MULTILINE)
IN_CLASS = 60  # minutes for each chapter, beside those of reading it


def chapter_names(root: Path) -> list[str]:
    """The notebooks among the chapters, in the book's order."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    names = [Path(entry["file"]).name for entry in toc["chapters"]]
    return [name for name in names if (root / f"chapters/{name}.ipynb").exists()]


def chapter_entry(root: Path, name: str) -> str:
    """What a chapter says of itself."""
    notebook = read(root / f"chapters/{name}.ipynb")
    chapter = notebook.metadata.chapter
    title = re.match(r"# (.*)", notebook.cells[0].source)[1]
    needed = "; ".join(chapter.get("prerequisites", [])) or "nothing"
    facts = f"{chapter.minutes} minutes. Before it: {needed}."
    return entry(f"[{title}]({name}.ipynb)", facts, chapter.objectives)


def assignment_entry(course: Course, name: str) -> str:
    """What an assignment says of itself."""
    notebook = read(course.source(name))
    told, total = notebook.metadata.assignment, points(choose(notebook, 0))
    facts = f"{told.minutes} minutes, {total} points, {variants(notebook)} variants."
    return entry(f"{told.title} (`{name}`)", facts, told.objectives)


def entry(title: str, facts: str, objectives: list[str]) -> str:
    """A term with its facts and a list."""
    return f"{title}\n: {facts}\n" + "".join([f"  - {goal}\n" for goal in objectives])


def hours(root: Path, row: str) -> str:
    """The hours of a row of a plan, from the chapters and assignments that it names.

    They stay as they are while an assignment of the row is not there.
    """
    course, minutes = Course(root / "assignments"), 0
    if set(re.findall(r"`(\w+)`", row)) - set(course.names):
        return row.split("|")[4].strip()
    for name in re.findall(r"\((\w+)\.ipynb\)", row):
        minutes += read(root / f"chapters/{name}.ipynb").metadata.chapter.minutes + IN_CLASS
    for name in re.findall(r"`(\w+)`", row):
        minutes += read(course.source(name)).metadata.assignment.minutes
    return f"{math.ceil(minutes / 30) / 2:g}"


def planned(root: Path, match: re.Match) -> str:
    """A plan with its hours worked out."""
    rows = []
    for row in match[2].splitlines():
        cells = [cell.strip() for cell in row.split("|")[1:4]] + [hours(root, row)]
        rows.append("".join([f"| {cell} " if cell else "| " for cell in cells]) + "|\n")
    return match[1] + "".join(rows)


def made(root: Path, text: str) -> str:
    """The page as the notebooks have it; ``ValueError`` if it has no place for a list."""
    names, course = chapter_names(root), Course(root / "assignments")
    lists = {
        "chapters": [chapter_entry(root, name) for name in names],
        "assignments": [assignment_entry(course, name) for name in names if name in course.names],
    }
    for what, entries in lists.items():
        before, mark, rest = text.partition(MARK.format(what))
        if not mark:
            raise ValueError(f"teaching.md has no line {MARK.format(what)}")
        after = rest[rest.index("\n## ") :]
        text = f"{before}{mark}\n\n" + "\n".join(entries) + after
    return PLAN.sub(lambda match: planned(root, match), text)


def check(root: Path = ROOT) -> list[str]:
    """The lines of the page that say otherwise than the notebooks, as a difference."""
    text = (root / "chapters/teaching.md").read_text(encoding="utf-8")
    lines = unified_diff(text.splitlines(), made(root, text).splitlines(), lineterm="", n=0)
    return [f"teaching.md: {line}" for line in lines if re.match(r"[-+](?![-+])", line)]


def write(root: Path = ROOT) -> list[str]:
    """Put all of it into the page; there is no fault left then."""
    path = root / "chapters/teaching.md"
    path.write_text(made(root, path.read_text(encoding="utf-8")), encoding="utf-8")
    return []


def main(arguments: list[str]) -> int:
    if arguments not in (["--check"], ["--write"]):
        raise SystemExit(__doc__)
    faults = check() if arguments == ["--check"] else write()
    print("\n".join(faults) or "the teacher's guide agrees with the notebooks")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
