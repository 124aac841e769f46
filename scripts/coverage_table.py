"""Print which section teaches each thing that a chapter has to teach; fail where there is none.

    python scripts/coverage_table.py            the table, in Markdown
    python scripts/coverage_table.py --check    the faults alone

The items stand in ``scripts/coverage.toml``.
"""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from prose.pages import Page, read_page

ROOT = Path(__file__).resolve().parents[1]


def read_items(root: Path) -> list[tuple[str, str, str]]:
    """Each item with its chapter before it and its section after it."""
    table = tomllib.loads((root / "scripts/coverage.toml").read_text(encoding="utf-8"))
    return [
        (name, item, section) for name, items in table.items() for item, section in items.items()
    ]


def read_chapters(root: Path) -> dict[str, Page]:
    """The notebooks of the book, by name."""
    return {path.stem: read_page(path) for path in sorted((root / "chapters").glob("*.ipynb"))}


def check(root: Path = ROOT) -> list[str]:
    """Items whose section does not exist, and chapters without any item."""
    items, chapters = read_items(root), read_chapters(root)
    faults = [
        f"coverage.toml: {name}: {item!r}: there is no section #{section}"
        for name, item, section in items
        if name not in chapters or section not in chapters[name].anchors
    ]
    listed = {name for name, *_ in items}
    faults += [f"coverage.toml: says nothing of {name}" for name in chapters if name not in listed]
    return faults


def lines(root: Path = ROOT) -> Iterator[str]:
    """The table, a row for each item."""
    yield "| chapter | item | section |\n|---|---|---|"
    for name, item, section in read_items(root):
        yield f"| {name} | {item} | chapters/{name}.ipynb#{section} |"


def main(only_faults: bool) -> int:
    faults = check()
    if not only_faults:
        print("\n".join(lines()))
    said = f"{len(read_items(ROOT))} items have their sections"
    print("\n".join(faults) or said, file=sys.stdout if only_faults else sys.stderr)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(only_faults="--check" in sys.argv[1:]))
