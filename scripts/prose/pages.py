"""Read the pages of the book as MyST reads them: text without code, links, headings, bold words."""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.mdit_to_docutils.base import default_slugify
from myst_parser.parsers.mdit import create_md_parser

EXTENSIONS = {"amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath", "substitution"}
PARSER = create_md_parser(MdParserConfig(enable_extensions=EXTENSIONS), RendererHTML)
NOT_PROSE = "□"  # what stands in a text for code, a formula or a citation
PLACES = ("*.md", "docs/**/*.md", "chapters/*.md", "chapters/*.ipynb", "llm/assets/*.quiz.toml")
TRACK = '<span class="track '
_BREAK = re.compile(r"</?(?:div|p|figure|figcaption|summary|details|ul|ol|li)\b[^>]*>|\n\s*\n")
_QUOTED = {"blockquote_open": 1, "blockquote_close": -1}


@dataclass
class Block:
    """A paragraph, a heading, a cell of a table, or the text of an image, as plain prose."""

    kind: str
    text: str
    section: str
    bold: list[str] = field(default_factory=list)


@dataclass
class Entry:
    """One entry of a glossary: its terms, its text as Markdown, the links in it."""

    terms: list[str]
    text: str
    links: list[str] = field(default_factory=list)


@dataclass
class Page:
    """All that the rules ask about one file."""

    path: Path
    blocks: list[Block] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    anchors: list[str] = field(default_factory=list)
    images: list[tuple[str, str]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    cited: set[str] = field(default_factory=set)
    entries: list[Entry] = field(default_factory=list)
    code: str = ""

    @property
    def section(self) -> str:
        return self.anchors[-1] if self.anchors else ""


def read_pages(root: Path) -> dict[Path, Page]:
    """Every page of the repository, by its path."""
    paths = sorted({path for place in PLACES for path in root.glob(place)})
    return {path.resolve(): read_page(path) for path in paths}


def read_page(path: Path) -> Page:
    """One page: Markdown, a notebook, or the questions of a quiz."""
    page, text = Page(path), path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        _add_notebook(page, json.loads(text))
    else:
        for part in _strings(tomllib.loads(text)) if path.suffix == ".toml" else [text]:
            add_markdown(page, part)
    return page


def _add_notebook(page: Page, notebook: dict) -> None:
    for said in _strings(notebook["metadata"].get("chapter", {})):
        page.blocks.append(Block("card", said, ""))
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            add_markdown(page, source)
        elif "bootstrap" not in cell["metadata"].get("tags", []):
            page.code += source + "\n"


def _strings(value: object) -> Iterator[str]:
    """The texts in what a table of JSON or TOML holds."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)


def add_markdown(page: Page, text: str) -> None:
    """Add what a piece of Markdown holds to its page."""
    kind, quoted = "paragraph", 0
    for token in PARSER.parse(text):
        quoted += _QUOTED.get(token.type, 0)
        if token.type in ("heading_open", "paragraph_open", "th_open", "td_open", "dt_open"):
            kind = "quote" if quoted else token.type.removesuffix("_open")
        elif token.type == "inline":
            _add_inline(page, kind, token)
        elif token.type == "html_block":
            _add_html(page, token.content)
        elif token.type == "fence":
            _add_fence(page, token)


def _add_inline(page: Page, kind: str, token: Token) -> None:
    children = token.children or []
    if kind == "heading":
        page.headings.append(_plain(children))
        page.anchors.append(_slug(children, page.anchors))
    block = Block(kind, _plain(children), page.section, list(_bold(children)))
    page.blocks.append(block)
    for child in children:
        if child.type == "link_open":
            page.links.append(str(child.attrs["href"]))
        elif child.type == "image":
            _add_image(page, str(child.attrs["src"]), child.content)
        elif child.type == "myst_role" and child.meta["name"].startswith("cite"):
            page.cited |= {key.strip() for key in child.content.split(",")}
        elif child.type == "html_inline":
            page.links += _addresses(child.content)


def _add_html(page: Page, html: str) -> None:
    page.links += _addresses(html)
    for image in re.findall(r"<img\b[^>]*>", html):
        found = dict(re.findall(r'(src|alt)="([^"]*)"', image))
        _add_image(page, found.get("src", ""), found.get("alt", ""))
    for part in _BREAK.split(html):
        if text := " ".join(re.sub(r"<[^>]+>", "", part).split()):
            page.blocks.append(Block("paragraph", text, page.section))


def _add_image(page: Page, source: str, alt: str) -> None:
    page.images.append((source, alt))
    page.blocks.append(Block("image", alt, page.section))


def _add_fence(page: Page, token: Token) -> None:
    if token.info.startswith("{code-cell}"):
        page.code += token.content
    elif token.info.startswith("{glossary}"):
        for entry in _entries(token.content):
            known = len(page.links)
            add_markdown(page, entry.text)
            entry.links = page.links[known:]
            page.entries.append(entry)


def _entries(content: str) -> Iterator[Entry]:
    """Terms stand at the left edge, one a line; the text below them is indented."""
    for part in re.split(r"\n\s*\n(?=\S)", content.strip()):
        lines = part.splitlines()
        terms = [line for line in lines if not line.startswith(" ")]
        yield Entry(terms, " ".join(line.strip() for line in lines[len(terms) :]))


def _plain(children: list[Token]) -> str:
    """The words of a line, with one sign for whatever is no prose."""
    if children and children[0].content.startswith(TRACK):
        children = children[3:]  # the mark of a track: its start, its word, its end
    return "".join(map(_shown, children)).strip()


def _shown(token: Token) -> str:
    if token.type in ("text", "softbreak"):
        return token.content or " "
    said = token.type == "myst_role" and token.meta["name"] == "cite:t"
    return NOT_PROSE if said or token.type in ("code_inline", "math_inline") else ""


def _slug(children: list[Token], taken: list[str]) -> str:
    """The anchor that MyST gives a heading."""
    seen = (child.content for child in children if child.type in ("text", "code_inline"))
    slug, number = default_slugify("".join(seen)), 1
    while slug in taken:
        slug, number = f"{slug}-{number}", number + 1
    return slug


def _bold(children: list[Token]) -> Iterator[str]:
    starts = [i for i, token in enumerate(children) if token.type == "strong_open"]
    for start in starts:
        rest = children[start + 1 :]
        end = next(i for i, token in enumerate(rest) if token.type == "strong_close")
        yield _plain(rest[:end])


def _addresses(html: str) -> list[str]:
    return re.findall(r'<a\b[^>]*\bhref="([^"]*)"', html)
