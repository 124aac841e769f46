"""Grades as a table, a page for each student, a page for the teacher: all in ``reports``.

Students appear under pseudonyms. Pages are single files that ask for nothing from anywhere; what a
student wrote is shown as text, never as markup.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import mean, median

from jinja2 import Environment, PackageLoader, StrictUndefined

from llm.classroom.assignments import Course, read, write_text
from llm.classroom.bugs import Bug, begun
from llm.classroom.figures import Bar, bars, histogram
from llm.classroom.names import pseudonyms
from llm.classroom.preflight import submissions
from llm.classroom.results import Part, Result, Step, read_results
from llm.classroom.tables import Table, write_table
from llm.classroom.written import with_marks
from llm.style import css_variables

MOST_BUGS = 8  # in the picture; the table has all
_USUAL = re.compile(  # notes that a teacher need not look into
    r"^More notebooks|stands there more than once|^\d+ cells of your own|^The locked cell"
)
_STOPPED = re.compile(  # messages of the grader that do not tell of a bug in the answer alone
    r"^(the code|ran|took|not run)\b|your code replaces|PermissionError: the grader"
)


def report(course: Course, real_names: bool = False) -> Path:
    """Write everything in ``reports``; returns the class page.

    With ``real_names``, ``grades.csv`` has the names of the folders in place of pseudonyms, for the
    learning platform. Raises ``ValueError`` where the teacher's ``written.csv`` holds a slip.
    """
    results, names = named_results(course)
    labels = {student: student for student in names} if real_names else names
    write_table(course.reports / "grades.csv", grades(results, labels))
    write_students(course, results)
    return write_class(course, results, names)


def named_results(course: Course) -> tuple[list[Result], dict[str, str]]:
    """All results under pseudonyms with the teacher's marks, and everyone's pseudonym."""
    found = read_results(course)
    everyone = sorted({*course.students, *(result.student for result in found)})
    names = pseudonyms(course.root, everyone)
    results = [result.named(names[result.student]) for result in found]
    return with_marks(course.reports / "written.csv", results), names


def grades(results: list[Result], labels: Mapping[str, str]) -> Table:
    """One row a student in the order of their labels; a column for each test, and the totals."""
    rows = {student: {"student": label} for student, label in labels.items()}
    columns = ["student"]
    for name, group in by_assignment(results).items():
        order = in_order([[step.grade_id for step in result.steps] for result in group])
        columns += [f"{name}: {column}" for column in (*order, "total", "open")]
        for result in group:
            cells = {step.grade_id: step.points for step in result.steps}
            cells |= {"total": result.points, "open": result.open_points}
            rows[result.student] |= {f"{name}: {key}": number(p) for key, p in cells.items()}
    _add_totals(rows, results)
    return Table(sorted(rows.values(), key=lambda row: row["student"]), [*columns, "total", "open"])


def _add_totals(rows: Mapping[str, dict[str, str]], results: Iterable[Result]) -> None:
    for student, row in rows.items():
        own = [result for result in results if result.student == student]
        row["total"] = number(sum(result.points for result in own))
        row["open"] = number(sum(result.open_points for result in own))


def by_assignment(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Results by assignment, within it by variant."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.title, []).append(result)
    return {name: sorted(group, key=lambda r: r.variant) for name, group in groups.items()}


def in_order(lists: Iterable[list[str]]) -> list[str]:
    """All words of some lists, each before what follows it: a c, a b c gives a b c."""
    order: list[str] = []
    for words in lists:
        place = len(order)
        for word in reversed(words):
            if word in order:
                place = order.index(word)
            else:
                order.insert(place, word)
    return order


def number(value: float | None) -> str:
    """Points as a person writes them: 4, 3.5, or nothing."""
    return "" if value is None else f"{round(value, 2):g}"


# --- pages ------------------------------------------------------------------------------------


def write_students(course: Course, results: list[Result]) -> None:
    """A page for each student; pages of students who are gone are removed."""
    folder, pages = course.reports / "students", {}
    titles = {name: title(course, name) for name in by_assignment(results)}
    for result in results:
        pages.setdefault(result.pseudonym, []).append((titles[result.title], result))
    for pseudonym, own in pages.items():
        page = _page("student.html", pseudonym=pseudonym, own=own)
        write_text(page, folder / f"{pseudonym}.html")
    for path in folder.glob("*.html"):
        if path.stem not in pages:
            path.unlink()


def write_class(course: Course, results: list[Result], names: Mapping[str, str]) -> Path:
    """The teacher's page."""
    groups = by_assignment(results)
    sheets = [sheet(course, name, group, names) for name, group in groups.items()]
    write_text(_page("class.html", sheets=sheets), course.reports / "class.html")
    return course.reports / "class.html"


def sheet(course: Course, name: str, results: list[Result], names: Mapping[str, str]) -> dict:
    """What the teacher's page says about one assignment."""
    results = sorted(results, key=lambda result: result.pseudonym)
    graded = {result.student for result in results}
    handed_in = [s for s in course.students if submissions(course.root / "submitted" / s, name)]
    most = max(result.max_points for result in results)
    lost = points_lost(results)
    return {
        "name": name,
        "title": title(course, name),
        "results": results,
        "waiting": sorted(names[student] for student in handed_in if student not in graded),
        "most": most,
        "median": median(result.points for result in results),
        "histogram": histogram([result.points for result in results], most).svg(),
        "lost_figure": bars("Points lost by step, on average", lost, "k").svg() if lost else "",
        "lost": lost,
        **_bugs(results),
        "looks": [(result, seen) for result in results if (seen := to_look_at(result))],
        "open": (answers := _open_answers(results)),
        "n_open": sum(len(who) for _, given in answers for who in given.values()),
    }


def _bugs(results: list[Result]) -> dict:
    found = common_bugs(results)
    rows = [(bug.text, len(who), len(results), f"{len(who)}") for bug, who in found]
    picture = bars("The most common bugs", rows[:MOST_BUGS], "q") if rows else None
    return {"bugs_figure": picture.svg() if picture else "", "bugs": found}


def points_lost(results: Iterable[Result]) -> list[Bar]:
    """For each part of the notebook: the mean loss, of how many points, and both in words.

    A part is left out while the teacher has still to give points for it.
    """
    parts: dict[str, list[Part]] = {}
    for part in [part for result in results for part in result.parts]:
        parts.setdefault(part.title, []).append(part)
    rows = []
    for name in in_order([[part.title for part in result.parts] for result in results]):
        if not any(part.open_points for part in parts[name]):
            lost = mean(part.lost_points for part in parts[name])
            most = max(part.max_points for part in parts[name])
            rows.append((name, lost, most, f"{lost:.1f} of {number(most)}"))
    return rows


def common_bugs(results: Iterable[Result]) -> list[tuple[Bug, list[str]]]:
    """Each bug with the pseudonyms of those who have it, the most common first."""
    who: dict[Bug, set[str]] = {}
    said: dict[Bug, set[str]] = {}
    for result in results:
        for bug in filter(None, [step.bug for step in result.steps]):
            who.setdefault(bug, set()).add(result.pseudonym)
            said.setdefault(bug, set()).add(bug.sentence)
    found = [
        (bug if len(said[bug]) == 1 else replace(bug, sentence=bug.kind), sorted(names))
        for bug, names in who.items()
    ]
    return sorted(found, key=lambda pair: (-len(pair[1]), pair[0].text))


def to_look_at(result: Result) -> list[str]:
    """Why a person should look at a submission; mostly nothing."""
    checks = {step.grade_id: step for step in result.steps if step.kind == "check"}
    found = [n for n in result.notes if not _USUAL.search(n) or set(n.split()) & set(checks)]
    stopped = [f"{s.title}: {s.message}" for s in checks.values() if _STOPPED.search(s.message)]
    found += stopped[:1]
    if checks and not any(step.points for step in checks.values()):
        found.append("No test passed.")
    return found


def _open_answers(results: list[Result]) -> list[tuple[Step, dict[str, list[str]]]]:
    """Written answers without points: a step that asks the question, and who gave each answer."""
    questions: dict[str, tuple[Step, dict[str, list[str]]]] = {}
    for result in results:
        for step in result.steps:
            if step.points is None:
                _, answers = questions.setdefault(step.grade_id, (step, {}))
                answers.setdefault(step.answer.strip(), []).append(result.pseudonym)
    return list(questions.values())


def title(course: Course, name: str) -> str:
    """The title of an assignment, or its name where the course has lost its notebook."""
    try:
        return read(course.release(name)).metadata.assignment.title
    except (FileNotFoundError, ValueError, AttributeError):
        return name.replace("_", " ").capitalize()


def _page(template: str, **values: object) -> str:
    return _templates().get_template(template).render(**values)


@cache
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("llm.classroom", "pages"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters |= {"number": number, "begun": begun}
    made.globals |= {"light": css_variables("light"), "dark": css_variables("dark")}
    return made
