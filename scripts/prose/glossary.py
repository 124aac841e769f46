"""The glossary has every term that a chapter sets in bold, in order, with a way back to it."""

import re
from collections.abc import Iterator
from itertools import pairwise, takewhile

from prose.pages import Block, Entry, Page
from prose.words import TABLES

_EXERCISE = re.compile(r"\d+\.")


def glossary(entries: list[Entry], chapters: list[Page]) -> Iterator[str]:
    """Terms without an entry, entries that do not lead to the first bold use, wrong order."""
    found = {_form(term): entry for entry in entries for term in entry.terms}
    for term, place in first_bold(chapters).items():
        if term not in found:
            yield f"glossary: no entry for {term!r}, bold in {place}"
        elif place not in _places(found[term], chapters):
            yield f"glossary: {term!r} is bold first in {place}, where its entry does not lead"
    for entry in entries:
        if not _places(entry, chapters):
            yield f"glossary: {entry.terms[0]!r} leads to no chapter"
    yield from _early(entries, chapters)
    for one, other in pairwise([entry.terms[0] for entry in entries]):
        if _letters(one) >= _letters(other):
            yield f"glossary: {other!r} stands after {one!r}"


def first_bold(chapters: list[Page]) -> dict[str, str]:
    """Where each bold term stands for the first time, as file#section."""
    places: dict[str, str] = {}
    for page in chapters:
        for block in page.blocks:
            for term in map(_form, filter(_is_term, block.bold)):
                places.setdefault(term, f"{page.path.name}#{block.section}")
    return places


def _early(entries: list[Entry], chapters: list[Page]) -> Iterator[str]:
    """Terms in the core of a chapter before the first to which their entry leads."""
    names = [page.path.name for page in chapters]
    for entry in entries:
        known = [names.index(place.partition("#")[0]) for place in _places(entry, chapters)]
        for page in chapters[: min(known, default=0)]:
            for term in _used(entry, " ".join(block.text for block in _core(page))):
                yield f"glossary: {term!r} stands in {page.path.name}, before its chapter"


def _used(entry: Entry, text: str) -> Iterator[str]:
    for term in entry.terms:
        word = rf"(?<![\w-]){re.escape(term)}s?(?![\w-])"
        if term.lower() not in TABLES["everyday"] and re.search(word, text, re.IGNORECASE):
            yield term


def _core(page: Page) -> Iterator[Block]:
    blocks = takewhile(lambda block: block.section != "deeper", page.blocks)
    return (block for block in blocks if block.kind not in ("image", "card"))


def _is_term(bold: str) -> bool:
    return not _EXERCISE.match(bold) and bold.lower().strip(". ") not in TABLES["not_terms"]


def _form(term: str) -> str:
    """Small letters, singular."""
    return re.sub(r"(?<![su])s$", "", term.lower().strip(". "))


def _letters(term: str) -> str:
    return re.sub(r"[^a-z0-9]", "", term.lower())


def _places(entry: Entry, chapters: list[Page]) -> list[str]:
    names = {page.path.name for page in chapters}
    return [link for link in entry.links if link.partition("#")[0] in names]
