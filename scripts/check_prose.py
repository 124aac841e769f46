"""Check the prose of the book against the rules in ``scripts/prose``; print faults, fail on any.

    python scripts/check_prose.py [folder of the repository]

Read are the README, CONTRIBUTING, docs, every page in chapters and the quizzes. Code, formulas and
citations are no prose. What the rules allow stands in ``scripts/prose/words.toml``.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from prose.citations import citations
from prose.glossary import glossary
from prose.links import links, view_names
from prose.pages import Page, read_pages
from prose.shape import headings, images, length
from prose.words import filler, spelling, terms

RULES = (spelling, terms, filler, length, headings, images)


def faults_of(root: Path) -> Iterator[str]:
    """Everything in the prose of a repository that breaks a rule."""
    pages, names = read_pages(root), view_names(root)
    for page in pages.values():
        found = [fault for rule in RULES for fault in rule(page)]
        for fault in [*found, *links(page, pages, names)]:
            yield f"{page.path.relative_to(root)}: {fault}"
    folder = root / "chapters"
    yield from citations(pages.values(), folder / "references.bib")
    entries = [entry for page in pages.values() for entry in page.entries]
    yield from glossary(entries, chapters_of(root, pages))


def chapters_of(root: Path, pages: dict[Path, Page]) -> list[Page]:
    """The notebooks in the order of the book."""
    order = re.findall(r"file: (\S+)", (root / "_toc.yml").read_text(encoding="utf-8"))
    paths = [(root / f"{name}.ipynb").resolve() for name in order]
    return [pages[path] for path in paths if path in pages]


def main(root: str = ".") -> int:
    faults = list(faults_of(Path(root)))
    print("\n".join(faults) or "the prose keeps the rules")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
