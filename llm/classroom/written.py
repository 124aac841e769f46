"""``written.csv``: the teacher reads the written answers there and fills in points and comments.

What the teacher wrote is never changed. A row is added for each new answer; an answer handed in
again replaces the old one, and is flagged where there are points for the old one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from llm.classroom.results import Result, Step
from llm.classroom.tables import Table, read_table, shortened, write_table

COLUMNS = "pseudonym assignment grade_id max_points points comment answer changed".split()
CHANGED = "the answer has changed since: read it again, then empty this cell"
Key = tuple[str, str, str]
Marks = dict[Key, float | None]


def with_marks(path: Path, results: Iterable[Result]) -> list[Result]:
    """The results with the points and comments in the file at ``path``, which gets the answers.

    Raises ``ValueError`` where points are no number from 0 to the most that can be had.
    """
    results = list(results)
    table = read_table(path, COLUMNS)
    rows = _by_key(path, table)
    for result, step in _written(results):
        _bring_up_to_date(rows, result, step)
    theirs = {(r.pseudonym, r.title, step.grade_id) for r in results for step in r.steps}
    numbered = enumerate(rows.items(), start=2)
    marks = {key: _points(path, i, row) for i, (key, row) in numbered if key in theirs}
    if rows:
        write_table(path, Table(list(rows.values()), table.columns, table.separator))
    return [_marked(result, rows, marks) for result in results]


def _by_key(path: Path, table: Table) -> dict[Key, dict[str, str]]:
    rows: dict[Key, dict[str, str]] = {}
    for number, row in enumerate(table.rows, start=2):
        key = row["pseudonym"], row["assignment"], row["grade_id"]
        if key in rows:
            raise ValueError(f"{path}, row {number}: {', '.join(key)} twice; remove one row")
        rows[key] = row
    return rows


def _written(results: list[Result]) -> Iterator[tuple[Result, Step]]:
    """Every written answer that waits for points, all answers to one question together."""
    found = [(r, step) for r in results for step in r.steps if step.points is None]
    order = {step.grade_id: i for i, (_, step) in enumerate(found)}
    yield from sorted(found, key=lambda f: (f[0].title, order[f[1].grade_id], f[0].pseudonym))


def _bring_up_to_date(rows: dict[Key, dict[str, str]], result: Result, step: Step) -> None:
    key = result.pseudonym, result.title, step.grade_id
    row = rows.setdefault(key, dict(zip(COLUMNS, key, strict=False)))
    answer = shortened(step.answer)
    marked = row.get("points", "").strip() or row.get("comment", "").strip()
    if marked and row["answer"].split() != answer.split():
        row["changed"] = CHANGED
    row |= {"answer": answer, "max_points": f"{step.max_points:g}"}


def _points(path: Path, number: int, row: dict[str, str]) -> float | None:
    """The points in a row, 4.5 or 4,5; ``None`` where the cell is empty."""
    text, most = row.get("points", "").strip(), float(row["max_points"])
    try:
        points = float(text.replace(",", ".")) if text else None
        if points is None or 0 <= points <= most:
            return points
    except ValueError:
        pass
    raise ValueError(
        f"{path}, row {number} ({row['pseudonym']}, {row['grade_id']}): points are {text!r}, but "
        f"must be a number from 0 to {most:g}; correct or empty the cell, save, and report again"
    )


def _marked(result: Result, rows: dict[Key, dict[str, str]], marks: Marks) -> Result:
    def marked(step: Step) -> Step:
        key = result.pseudonym, result.title, step.grade_id
        if key not in marks:
            return step
        points = step.points if marks[key] is None else marks[key]
        return replace(step, points=points, comment=rows[key].get("comment", "").strip())

    return replace(result, steps=tuple(map(marked, result.steps)))
