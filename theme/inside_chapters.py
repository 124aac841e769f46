"""What the site knows of its chapters: card, tracks, list, neighbours, and the folded *Deeper*.

All of it comes from the metadata of a notebook and from the marks in its text.
"""

import html
import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.locale import _
from sphinx.util.docutils import SphinxDirective

TRACKS = {"idea": _("Idea"), "code": _("Code"), "math": _("Mathematics")}
_TRACK = re.compile(r'<span class="track (\w+)">')


def chapter_metadata(path: Path) -> dict:
    """The ``chapter`` entry of a notebook's metadata, or an empty dictionary."""
    if path.suffix != ".ipynb":
        return {}
    return json.loads(path.read_text(encoding="utf-8"))["metadata"].get("chapter", {})


# --- the card under the title -----------------------------------------------------------------


def add_chapter_card(app: Sphinx, doctree: nodes.document) -> None:
    """Put the chapter's question, length, tracks, prerequisites and objectives under its title."""
    chapter = chapter_metadata(Path(app.env.doc2path(app.env.docname)))
    title = next(doctree.findall(nodes.title), None)
    if not chapter or title is None:
        return
    card = nodes.container(classes=["chapter-card"])
    card += nodes.paragraph("", chapter["question"], classes=["chapter-question"])
    card += _facts(chapter, tracks_of(doctree))
    card += nodes.paragraph("", _("After this chapter you can"), classes=["chapter-after"])
    items = (nodes.list_item("", nodes.paragraph("", goal)) for goal in chapter["objectives"])
    card += nodes.bullet_list("", *items, classes=["chapter-objectives"])
    title.parent.insert(title.parent.index(title) + 1, card)


def _facts(chapter: dict, tracks: list[str]) -> nodes.bullet_list:
    """Length, tracks and prerequisites, each an entry of a list that reads as a line or two."""
    needed = "; ".join(chapter.get("prerequisites", [])) or _("nothing")
    facts = [nodes.Text(_minutes(chapter))]
    facts += [_raw(" ".join(map(track_label, tracks)))] if tracks else []
    facts += [nodes.Text(_("Before this: {needed}").format(needed=needed))]
    items = (nodes.list_item("", nodes.paragraph("", "", fact)) for fact in facts)
    return nodes.bullet_list("", *items, classes=["chapter-facts"])


def _minutes(chapter: dict) -> str:
    return _("{minutes} minutes").format(minutes=chapter["minutes"])


# --- tracks -----------------------------------------------------------------------------------


def tracks_of(node: nodes.Node) -> list[str]:
    """The tracks that are marked somewhere in ``node``, in the order of ``TRACKS``."""
    marks = (_TRACK.fullmatch(raw.astext().strip()) for raw in node.findall(nodes.raw))
    found = {mark[1] for mark in marks if mark}
    return [track for track in TRACKS if track in found]


def track_label(track: str) -> str:
    """The mark of a track with its name, as HTML."""
    return f'<span class="track {track}">{TRACKS[track]}</span>'


def place_track_marks(app: Sphinx, doctree: nodes.document) -> None:
    """Tell a mark that opens a paragraph, and stands above it, from one within a line."""
    for paragraph in doctree.findall(nodes.paragraph):
        first = paragraph[0] if len(paragraph) else None
        opens = isinstance(first, nodes.raw) and _TRACK.match(first.astext())
        if opens and not isinstance(paragraph.parent, nodes.list_item):
            paragraph["classes"].append("track-begins")


def mark_sections(toc: str, doctree: nodes.document) -> str:
    """The list of a page's sections with the tracks of each behind its title."""
    for section in doctree.findall(nodes.section):
        tracks = tracks_of(section)
        if tracks and section.parent is not doctree:
            marks = "".join(f'<i class="track {track}"></i>' for track in tracks)
            names = html.escape(", ".join(f"{TRACKS[track]}" for track in tracks))
            marks = f' <span class="marks" role="img" aria-label="{names}">{marks}</span></a>'
            entry = rf'(href="#{re.escape(section["ids"][0])}"[^>]*>.*?)</a>'
            toc = re.sub(entry, rf"\g<1>{marks}", toc, count=1, flags=re.DOTALL)
    return toc


# --- the list of chapters, and what stands before and behind ----------------------------------


class ChapterList(SphinxDirective):
    """``{chapter-list}``: a card for each chapter, filled when all have been read."""

    def run(self) -> list[nodes.Node]:
        """A place for the cards."""
        return [nodes.container(classes=["chapter-list"])]


def fill_chapter_list(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put title, question and minutes of every chapter, in the book's order, where asked for."""
    places = [n for n in doctree.findall(nodes.container) if n["classes"] == ["chapter-list"]]
    for place in places:
        place += nodes.enumerated_list("", *(_entry(app, *found) for found in chapters(app)))
        for reference in place.findall(nodes.reference):
            reference["refuri"] = app.builder.get_relative_uri(docname, reference["refuri"])


def chapters(app: Sphinx) -> list[tuple[str, dict]]:
    """Name and metadata of each page that is a chapter, in the order of ``_toc.yml``."""
    names = app.env.toctree_includes.get(app.config.root_doc, [])
    found = ((name, chapter_metadata(Path(app.env.doc2path(name)))) for name in names)
    return [(name, chapter) for name, chapter in found if chapter]


def _entry(app: Sphinx, name: str, chapter: dict) -> nodes.list_item:
    title = app.env.titles[name].astext()
    link = nodes.reference("", title, refuri=name, internal=True)
    return nodes.list_item(
        "",
        nodes.paragraph("", "", link, classes=["chapter-title"]),
        nodes.paragraph("", chapter["question"], classes=["chapter-question"]),
        nodes.paragraph("", _minutes(chapter), classes=["chapter-minutes"]),
    )


def question_of(app: Sphinx, name: str | None) -> str:
    """The question of a page, empty where it is no chapter."""
    return chapter_metadata(Path(app.env.doc2path(name))).get("question", "") if name else ""


# --- folded parts and boxes -------------------------------------------------------------------


def fold_deeper_sections(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Fold each subsection of a section called *Deeper* behind its heading."""
    if app.builder.format != "html":
        return
    for section in doctree.findall(nodes.section):
        if section[0].astext().strip() == _("Deeper"):
            for part in (node for node in section if isinstance(node, nodes.section)):
                part.insert(0, _raw('<details class="deeper"><summary>'))
                part.insert(2, _raw("</summary>"))
                part.append(_raw("</details>"))


def wrap_tables(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Give each table a box of its own to scroll in, so that the page never does."""
    if app.builder.format != "html":
        return
    for table in list(doctree.findall(nodes.table)):
        place = table.parent.index(table)
        table.parent.insert(place + 1, _raw("</div>"))
        table.parent.insert(place, _raw('<div class="table-box">'))


def _raw(text: str) -> nodes.raw:
    return nodes.raw("", text, format="html")
