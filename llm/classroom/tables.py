"""Tables that a spreadsheet can open, change and save, without harm to it or to them.

A cell that begins with ``=``, ``+``, ``-`` or ``@`` is a formula to Excel and LibreOffice: a
student could write one into an answer. Such a cell gets an apostrophe in front, which is taken off
again when the table is read. Files are UTF-8 with the mark that Excel looks for.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from llm.checkpoint import write_atomically

LONGEST = 30_000  # characters of a cell; Excel's limit is 32,767
_FORMULA = tuple("=+-@\t\r＝＋－＠'")
_SEPARATORS = ",;\t"


@dataclass
class Table:
    """Rows of a CSV file by the names of their columns, and what separates its cells."""

    rows: list[dict[str, str]]
    columns: Sequence[str]
    separator: str = ","


def guarded(text: str) -> str:
    """``text`` as a cell that no spreadsheet takes for a formula: ``"=1+1"`` gives ``"'=1+1"``."""
    return "'" + text if text.lstrip(" \n").startswith(_FORMULA) else text


def unguarded(cell: str) -> str:
    """The text that `guarded` was given; other cells stay as they are."""
    rest = cell[1:]
    return rest if cell[:1] == "'" and guarded(rest) != rest else cell


def shortened(text: str) -> str:
    """``text`` without NUL and carriage return, and no longer than a cell may be."""
    text = text.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
    return text if len(text) <= LONGEST else text[:LONGEST] + " … (cut here)"


def read_table(path: Path, columns: Sequence[str]) -> Table:
    """The table at ``path``, columns of the teacher's own included; without rows if it is missing.

    Cells may be separated by commas, semicolons or tabs, as spreadsheets of different countries
    save them. Raises ``ValueError`` where a column is missing or the text is not UTF-8.
    """
    if not path.exists():
        return Table([], columns)
    text = _decoded(path)
    separator = max(_SEPARATORS, key=text.split("\n", 1)[0].count)
    head, *rows = [*csv.reader(io.StringIO(text, newline=""), delimiter=separator)] or [[]]
    missing = [name for name in columns if name not in head]
    if missing:
        raise ValueError(
            f"{path} has no column {missing[0]!r}: put it back, or move the file away and report"
        )
    return Table([_row(head, row) for row in rows if any(row)], head, separator)


def write_table(path: Path, table: Table) -> None:
    """Write ``table`` to ``path``, whole or not at all; not at all too if it holds that already."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=table.separator)
    writer.writerow([guarded(name) for name in table.columns])
    for row in table.rows:
        writer.writerow([guarded(row.get(name, "")) for name in table.columns])
    data = text.getvalue().encode("utf-8-sig")
    if not path.exists() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)


def _row(head: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """The cells by name; a short row is filled up, what stands beyond the head is left out."""
    texts = [unguarded(cell.replace("\r\n", "\n")) for cell in cells]
    return dict(zip_longest(head, texts[: len(head)], fillvalue=""))


def _decoded(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 (byte {error.start}): save it again from the spreadsheet as "
            "“CSV UTF-8”"
        ) from None
