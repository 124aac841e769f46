"""What is cited stands in the bibliography, what stands there is cited, and it can be found."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from pybtex.database import parse_file

from prose.pages import Page

IDENTIFIERS = {"doi", "eprint", "isbn", "url"}


def citations(pages: Iterable[Page], bibliography: Path) -> Iterator[str]:
    """Keys without an entry, entries without a key, entries that lead nowhere."""
    entries = parse_file(str(bibliography)).entries
    cited = {key for page in pages for key in page.cited}
    for key in sorted(cited - set(entries)):
        yield f"citation: {key} has no entry in {bibliography.name}"
    for key in sorted(set(entries) - cited):
        yield f"citation: {key} stands in {bibliography.name} and is cited nowhere"
    for key, entry in entries.items():
        if not IDENTIFIERS & {name.lower() for name in entry.fields}:
            yield f"citation: {key} has no DOI, arXiv number, ISBN or address"
