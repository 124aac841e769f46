"""Remove all that a course holds of a student: work, results, page, and rows of tables."""

import difflib
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from llm.classroom.assignments import Course
from llm.classroom.names import forget, read_names
from llm.classroom.tables import read_table, write_table

_WORK = ("submitted", "clean", "graded")
_TABLES = {
    "names.csv": "student",
    "reports/grades.csv": "student",
    "reports/written.csv": "pseudonym",
}


@dataclass(frozen=True)
class Removal:
    """What is to go: whole folders and pages, and so many rows of each table."""

    students: Mapping[str, str]  # with their pseudonyms, "" for who has none
    paths: list[Path]
    rows: Mapping[Path, int]

    def lines(self, root: Path) -> list[str]:
        """The same in words."""
        paths = [f"{path.relative_to(root)}{'/' if path.is_dir() else ''}" for path in self.paths]
        rows = [f"{path.relative_to(root)}: rows {count}" for path, count in self.rows.items()]
        return paths + rows


def planned(course: Course, names: Iterable[str], everyone: bool = False) -> Removal:
    """What removing these students, or everyone, takes away; nothing is changed yet.

    A student may be given by name or pseudonym. The class page goes in any case: it shows answers.
    Raises ``ValueError`` for a student who is not there, and where a link leads out of the course.
    """
    known = dict.fromkeys(_folders(course), "") | read_names(course.root)
    chosen = list(known) if everyone else [_student(name, known) for name in names]
    students = {student: known[student] for student in chosen}
    paths = [course.root / folder / student for student in students for folder in _WORK]
    pages = [course.reports / "students" / f"{name}.html" for name in students.values() if name]
    paths = [*paths, *pages, course.reports / "class.html"]
    paths = [path for path in paths if path.exists() or path.is_symlink()]
    tables = [course.root / name for name in _TABLES]
    for path in [*paths, *tables]:
        _refuse_links(course.root, path)
    counts = {path: len(_split(course, path, students)[0]) for path in tables}
    return Removal(students, paths, {path: count for path, count in counts.items() if count})


def remove(course: Course, removal: Removal) -> None:
    """Take away what is planned; `report` writes the class page again for those who stay."""
    for path in removal.paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in removal.rows:
        if path.name != "names.csv":
            table = read_table(path, ())
            table.rows = _split(course, path, removal.students)[1]
            write_table(path, table)
    forget(course.root, removal.students)


def _split(course: Course, path: Path, students: Mapping[str, str]) -> tuple[list, list]:
    """The rows of a table that are of these students, and those that are not."""
    column = _TABLES[path.relative_to(course.root).as_posix()]
    words = {*students, *students.values()} if column == "student" else {*students.values()}
    rows = read_table(path, [column]).rows
    gone = [row for row in rows if row[column] and row[column] in words]
    return gone, [row for row in rows if row not in gone]


def _folders(course: Course) -> list[str]:
    """Everyone who has a folder, or a link in place of one."""
    return sorted({path.name for folder in _WORK for path in course.root.glob(f"{folder}/[!.]*")})


def _student(name: str, known: Mapping[str, str]) -> str:
    if name in known:
        return name
    found = [student for student, pseudonym in known.items() if pseudonym == name]
    if not found:
        near = difflib.get_close_matches(name, [*known, *filter(None, known.values())], n=1)
        hint = f"did you mean {near[0]}?" if near else "names.csv lists who is there"
        raise ValueError(f"there is no student {name!r}: {hint}")
    return found[0]


def _refuse_links(root: Path, path: Path) -> None:
    """``ValueError`` where a path is, or goes through, a link."""
    if path.resolve() != root.resolve() / path.relative_to(root):
        raise ValueError(
            f"{path} leads to {path.resolve()}, not into the course: remove the link by hand, "
            "nothing was deleted"
        )
