"""Makes slides of each chapter: its cells tagged ``slide``, cut out of its finished page.

A cell tagged ``slide`` begins a slide, and one tagged ``slide-continued`` goes on with it. The tags
become comments around what the cells leave on the page. When all pages are written, what stands
between the comments is put together in ``slides/NAME.html``, which looks for its pictures, scripts
and data where the page does. Tags are taken off code cells before these are looked up among the
results that are kept, so that a new tag runs nothing again.
"""

import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import inside_chapters as chapters
from sphinx.application import Sphinx
from sphinx.locale import _

BEGIN, CONTINUE, END = "slide", "slide-continued", "/slide"
FOLDER = "slides"  # beside the folder of the chapters, so that ../_static is right in both
_PART = re.compile(rf"<!-- ({BEGIN}|{CONTINUE}) -->(.*?)<!-- {END} -->", re.DOTALL)
_HEADING = re.compile(r'<h[1-6]>(.*?)<a class="headerlink"', re.DOTALL)
_HOLDS = {  # the first that is found names a slide in the list
    "view": 'class="llm-view"',
    "prediction": '<details class="predict">',
    "picture": 'class="(diagram|llm-figure)"',
    "formula": '<div class="math',
    "code": 'class="cell_input',
}
_SCRIPT = re.compile(r"(<script\b.*?</script>)", re.DOTALL)
_LINK = re.compile(r'(<a\b[^>]*?\shref=")(?!\w+:|\.\./)([^"]*)"')


# --- from tags to comments --------------------------------------------------------------------


def mark_slides(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put comments around the tagged cells of a notebook that is about to be read."""
    if app.env.doc2path(docname).endswith(".ipynb"):
        notebook = json.loads(source[0])
        notebook["cells"] = [part for cell in notebook["cells"] for part in marked(cell)]
        source[0] = json.dumps(notebook)


def marked(cell: dict) -> list[dict]:
    """A cell with the comments before and behind it, or alone when it is on no slide."""
    kind = kind_of(cell)
    if kind is None:
        return [cell]
    if cell["cell_type"] == "code":
        return [_comment(cell, kind), _untagged(cell), _comment(cell, END)]
    heading, text = _split_heading("".join(cell["source"]))
    return [{**cell, "source": f"{heading}<!-- {kind} -->\n\n{text}\n\n<!-- {END} -->"}]


def kind_of(cell: dict) -> str | None:
    """The tag that puts a cell on a slide, if it carries one."""
    tags = cell["metadata"].get("tags", [])
    return next((kind for kind in (BEGIN, CONTINUE) if kind in tags), None)


def _comment(cell: dict, text: str) -> dict:
    name = f"{cell['id']}-{text.strip('/')}-{'end' if text == END else 'begin'}"
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": f"<!-- {text} -->"}


def _untagged(cell: dict) -> dict:
    """The cell as it was before it was tagged."""
    kept = [tag for tag in cell["metadata"]["tags"] if tag not in (BEGIN, CONTINUE)]
    others = {key: value for key, value in cell["metadata"].items() if key != "tags"}
    return {**cell, "metadata": {**others, "tags": kept} if kept else others}


def _split_heading(text: str) -> tuple[str, str]:
    """A heading that opens the text, which belongs to the section and not on the slide."""
    heading, _, rest = text.lstrip().partition("\n")
    return (f"{heading}\n\n", rest) if heading.startswith("#") else ("", text)


# --- from comments to slides ------------------------------------------------------------------


@dataclass
class Slide:
    """What stands on one slide: its section's heading and the HTML of its cells."""

    title: str
    parts: list[str] = field(default_factory=list)

    @property
    def holds(self) -> str:
        """A word for what it holds beside text: a view, a prediction, a picture; or none."""
        found = (word for word, mark in _HOLDS.items() if re.search(mark, "".join(self.parts)))
        return next(found, "")


def cut(page: str, name: str) -> list[Slide]:
    """The slides in the HTML of the page ``name``, such as ``chapters/attention``."""
    headings = [(found.start(), found[1]) for found in _HEADING.finditer(page)]
    slides: list[Slide] = []
    for part in _PART.finditer(page):
        if part[1] == BEGIN or not slides:
            slides.append(Slide([text for at, text in headings if at < part.start()][-1]))
        slides[-1].parts.append(part[2].strip())
    views = set(re.findall(r'"anchor":\s*"(\w+)"', "".join(sum((s.parts for s in slides), []))))
    for slide in slides:
        slide.parts = [relink(part, name, views) for part in slide.parts]
    return slides


def relink(part: str, name: str, views: set[str]) -> str:
    """``part`` with links that hold on a page of the folder ``slides``; scripts stay as they are.

    A link that sets a view, such as ``#attention?head=1``, stays when that view is on a slide.
    """

    def moved(link: re.Match) -> str:
        start, target = link.groups()
        folder, _, page = name.rpartition("/")
        if target.startswith("#"):
            if target[1:].partition("?")[0] in views:
                return link[0]
            target = f"{page}.html{target}"
        return f'{start}../{folder}/{target}"'

    pieces = _SCRIPT.split(part)
    pieces[::2] = [_LINK.sub(moved, piece) for piece in pieces[::2]]
    return "".join(pieces)


# --- the pages --------------------------------------------------------------------------------


def slides_of(path: Path) -> str | None:
    """The page of slides of a notebook, ``slides/attention``; None where no cell is tagged."""
    if path.suffix != ".ipynb":
        return None
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return f"{FOLDER}/{path.stem}" if any(map(kind_of, cells)) else None


def link_to(path: Path, pathto: Callable[[str], str]) -> list[dict]:
    """The link to the slides of a chapter's file, for the tools of its page."""
    address = slides_of(path)
    return [{"url": pathto(address), "text": _("Slides"), "icon": "slides"}] if address else []


def collect_slides(app: Sphinx) -> Iterator[tuple[str, dict, str]]:
    """Every page of slides, and one that lists them, for Sphinx to write."""
    decks = [deck for found in chapters.chapters(app) if (deck := deck_of(app, *found))]
    for deck in decks:
        yield deck["address"], _page(deck["title"], deck["question"], deck=deck), "slides.html"
    if decks:
        about = "Slides of every chapter, for a talk or a lecture, with the views at work."
        yield f"{FOLDER}/index", _page("Slides", about, decks=decks), "slide_list.html"


def deck_of(app: Sphinx, name: str, chapter: dict) -> dict | None:
    """What the template of slides needs to know of a chapter; None where no cell is tagged."""
    address = slides_of(Path(app.env.doc2path(name)))
    if address is None:
        return None
    math = app.env.get_domain("math")  # it says which pages need MathJax
    math.data["has_equations"][address] = math.has_equations(name)
    page = Path(app.builder.get_outfilename(name)).read_text(encoding="utf-8")
    title = app.env.titles[name].astext()
    return {**chapter, "address": address, "page": name, "title": title, "slides": cut(page, name)}


def _page(title: str, description: str, **context) -> dict:
    meta = f'<meta name="description" content="{html.escape(description, quote=True)}">'
    return {"title": title, "metatags": meta, "body": "", **context}
