"""How long sentences and paragraphs are, headings that stand twice, and the text of images."""

import re
from collections.abc import Iterator

from prose.pages import Page

SENTENCE, PARAGRAPH, ALT = 40, 150, 20  # words, words, letters
_END = re.compile(r"(?<=[.!?])[)\"”’]*\s+(?=[\"“(]*[A-Z0-9□−])")


def length(page: Page) -> Iterator[str]:
    """Sentences and paragraphs that are too long to be read at once."""
    for block in (block for block in page.blocks if block.kind not in ("image", "td")):
        if (n := _words(block.text)) > PARAGRAPH:
            yield f"length: paragraph of {n} words, {PARAGRAPH} at most: {block.text[:60]!r}"
        for sentence in _END.split(block.text):
            if (n := _words(sentence)) > SENTENCE:
                yield f"length: sentence of {n} words, {SENTENCE} at most: {sentence[:60]!r}"


def _words(text: str) -> int:
    return sum(bool(re.search(r"[\w□]", word)) for word in text.split())


def headings(page: Page) -> Iterator[str]:
    """Headings that a page has more than once."""
    for heading in sorted({h for h in page.headings if page.headings.count(h) > 1}):
        yield f"heading: {heading!r} stands twice"


def images(page: Page) -> Iterator[str]:
    """Images whose text is too short, or is the name of a file."""
    for source, alt in page.images:
        if len(alt) < ALT or re.fullmatch(r"\S+\.\w{2,4}", alt.strip()):
            yield f"image: {source} needs a text of at least {ALT} letters, not {alt!r}"
