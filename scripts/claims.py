"""Measure again what chapters/claims.md says, or check that it says what the notebooks print.

    python scripts/claims.py [CHAPTER …]    run these chapters, or all of the rows; compare
    python scripts/claims.py --check        compare page, rows and committed outputs; run nothing
    python scripts/claims.py --write        make the page's table from rows and committed outputs

The rows stand in ``scripts/claims.toml``, which explains its fields.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import nbformat
from normalise_notebooks import execute
from prose.pages import Page, add_markdown

ROOT = Path(__file__).resolve().parents[1]
VERDICTS = ("holds when ", "contested", "does not hold")  # or "holds", alone
KINDS = ("counted", "measured", "cited")
WORDS = {"True": "yes", "False": "no"}
HEAD = ["| Claim | Verdict | Our figure | Where |", "|---|---|---|---|"]


def read_rows(root: Path) -> list[dict]:
    """The rows of the table, in its order."""
    return tomllib.loads((root / "scripts/claims.toml").read_text(encoding="utf-8"))["claim"]


def read_chapter(root: Path, name: str) -> nbformat.NotebookNode:
    """A chapter as it is committed; ``ValueError`` if there is none of that name."""
    path = root / f"chapters/{name}.ipynb"
    if not path.exists():
        raise ValueError(f"there is no chapters/{name}.ipynb")
    return nbformat.read(path, as_version=4)


def printed(cell: nbformat.NotebookNode) -> str:
    """All text that a cell has put out."""
    parts = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.outputs]
    return "".join(parts)


def cell_of(row: dict, notebook: nbformat.NotebookNode) -> tuple[nbformat.NotebookNode, Page]:
    """A row's cell, and the page up to it; ``ValueError`` unless there is exactly one."""
    page, found = Page(Path(row["chapter"])), []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            add_markdown(page, cell.source)
        elif row["cell"] in map(str.strip, cell.source.splitlines()):
            found.append((cell, page.section))
    if len(found) != 1:
        raise ValueError(f"{len(found)} cells of {row['chapter']} have the line {row['cell']!r}")
    if found[0][1] != row["section"]:
        raise ValueError(f"its cell stands under #{found[0][1]}, not #{row['section']}")
    return found[0][0], page


def figures_of(row: dict, notebook: nbformat.NotebookNode) -> dict[str, str | int]:
    """A row's figures, by name, as its cell prints them; ``ValueError`` if it does not."""
    if row["kind"] == "cited":
        return {}
    cell, _ = cell_of(row, notebook)
    if cell.execution_count is None:
        raise ValueError("its cell is not executed")
    text, figures = printed(cell), {}
    for pattern in row.get("figures", []):
        if not (match := re.search(pattern, text)):
            raise ValueError(f"its cell prints nothing like {pattern!r}")
        figures |= match.groupdict()
    figures |= {name: len(re.findall(p, text)) for name, p in row.get("counts", {}).items()}
    return {name: _readable(value) for name, value in figures.items()}


def _readable(value: str | int) -> str | int:
    """``True`` as yes; whole numbers as such, for the format of the page."""
    return int(value) if str(value).isdecimal() else WORDS.get(value, value)


def disorder(row: dict, figures: dict) -> Iterator[str]:
    """Where figures do not rise as the row says they do."""
    for chain in row.get("rising", []):
        for low, high in pairwise(chain):
            a, b = (float(figures[x] if isinstance(x, str) else x) for x in (low, high))
            if not a < b:
                yield f"{low} ({a:g}) is not less than {high} ({b:g})"


def rendered(row: dict, notebook: nbformat.NotebookNode) -> str:
    """A row of the page; ``ValueError`` for whatever in it leads nowhere."""
    page = Page(Path(row["chapter"]))
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            add_markdown(page, cell.source)
    if row["section"] not in page.anchors:
        raise ValueError(f"{row['chapter']} has no section #{row['section']}")
    figure = row["figure"].format(**figures_of(row, notebook))
    place = f"{page.headings[0]}: {page.headings[page.anchors.index(row['section'])]}"
    link = f"[{place}]({row['chapter']}.ipynb#{row['section']})"
    verdict = re.sub(r"^(holds|contested|does not hold)", r"*\1*", row["verdict"])
    return f"| {row['claim']} | {verdict} | {figure} | {link} |"


def form(row: dict) -> Iterator[str]:
    """Fields of a row that say nothing the table knows."""
    if row["kind"] not in KINDS:
        yield f"kind {row['kind']!r} is none of {', '.join(KINDS)}"
    if row["verdict"] != "holds" and not row["verdict"].startswith(VERDICTS):
        yield f"verdict {row['verdict']!r} is not holds, holds when …, contested or does not hold"
    if row["kind"] == "measured" and not row.get("rising"):
        yield "measured, and nothing says which figure is the smaller one"


def committed(root: Path) -> tuple[list[str], list[str]]:
    """The rows of the page as the committed outputs have them, and what is wrong with any."""
    lines, faults = [], []
    for row in read_rows(root):
        try:
            notebook = read_chapter(root, row["chapter"])
            lines.append(rendered(row, notebook))
            wrong = [*form(row), *disorder(row, figures_of(row, notebook))]
        except (ValueError, KeyError) as error:
            wrong = [str(error)]
        faults += [f"claims.toml: {row['id']}: {fault}" for fault in wrong]
    return lines, faults


def check(root: Path = ROOT) -> list[str]:
    """All faults of rows and page."""
    lines, faults = committed(root)
    page = (root / "chapters/claims.md").read_text(encoding="utf-8").splitlines()
    table = [line for line in page if line.startswith("|")]
    for line in [line for line in HEAD + lines if line not in table]:
        faults.append(f"claims.md: this row is not there, or differs: {line}")
    for line in [line for line in table if line not in HEAD + lines]:
        faults.append(f"claims.md: no outputs bear out this row: {line}")
    return faults or ([] if table == HEAD + lines else ["claims.md: rows in another order"])


def write(root: Path = ROOT) -> list[str]:
    """Put the table into the page, which has to hold one already; return the faults."""
    lines, faults = committed(root)
    path = root / "chapters/claims.md"
    table = "\n".join(HEAD + lines) + "\n"
    text = re.sub(
        r"(?:^\|.*(?:\n|\Z))+", lambda _: table, path.read_text(encoding="utf-8"), flags=re.M
    )
    path.write_text(text, encoding="utf-8")
    return faults


def measured_again(root: Path, names: list[str]) -> Iterator[tuple[dict, str, list[str]]]:
    """Run chapters; each of their rows, its figure as measured now, and what differs."""
    for name in names:
        before, now = read_chapter(root, name), read_chapter(root, name)
        execute(now, root / "chapters")
        for row in [row for row in read_rows(root) if row["chapter"] == name and "cell" in row]:
            yield row, *_compared(row, before, now)


def _compared(row: dict, before, now) -> tuple[str, list[str]]:
    try:
        old, new = figures_of(row, before), figures_of(row, now)
    except ValueError as error:
        return "no figure", [str(error)]
    if row["kind"] == "measured":
        return row["figure"].format(**new), list(disorder(row, new))
    return row["figure"].format(**new), [] if new == old else [f"committed are {old}"]


def main(arguments: list[str]) -> int:
    if arguments[:1] in (["--check"], ["--write"]):
        faults = check() if arguments == ["--check"] else write()
        print("\n".join(faults) or f"{len(read_rows(ROOT))} claims agree with what was measured")
        return int(bool(faults))
    failed = 0
    names = arguments or list(dict.fromkeys(row["chapter"] for row in read_rows(ROOT)))
    for row, figure, wrong in measured_again(ROOT, names):
        failed += bool(wrong)
        mark = "differs: " + "; ".join(wrong) if wrong else "agrees"
        cell = f"{row['chapter']}: {row['cell']}"
        print(row["claim"], cell, row["verdict"], figure, mark, sep="\n    ", flush=True)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
