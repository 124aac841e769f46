"""The Sphinx extension behind the site: what it decides, tried without building a book."""

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.utils import new_document

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "theme"))

import inside_chapters as chapters  # noqa: E402
import inside_images as images  # noqa: E402
import inside_reference as reference  # noqa: E402
import inside_theme as theme  # noqa: E402


@pytest.fixture
def app(tmp_path):
    """A stand-in for Sphinx's application, with a package ``llm`` to look at."""
    (tmp_path / "llm").mkdir()
    (tmp_path / "llm/model.py").write_text("one = 1\n")
    return SimpleNamespace(confdir=str(tmp_path), outdir=str(tmp_path / "_build/html"))


def kept_result(app) -> Path:
    """A file that an executed notebook has left for the site."""
    path = theme.shared_folder(app) / "bpe.js"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("result")
    return path


def start_build(app, monkeypatch) -> None:
    monkeypatch.delenv("LLM_BOOK_BUILD", raising=False)
    theme.forget_results_of_older_source(app, SimpleNamespace(nb_execution_cache_path=""))


def test_results_stay_while_the_package_is_the_same(app, monkeypatch):
    start_build(app, monkeypatch)
    kept = kept_result(app)
    start_build(app, monkeypatch)
    assert kept.exists()


def test_an_edit_in_the_package_forgets_results_and_rereads_every_page(app, monkeypatch):
    start_build(app, monkeypatch)
    kept, env = kept_result(app), SimpleNamespace(found_docs={"b", "a"})
    theme.remember_source(app, env)
    assert theme.reread_after_source_edit(app, env, set(), set(), set()) == []
    (Path(app.confdir) / "llm/model.py").write_text("one = 2\n")
    start_build(app, monkeypatch)
    assert not kept.exists()
    assert theme.reread_after_source_edit(app, env, set(), set(), set()) == ["a", "b"]


def test_compiled_files_are_not_source(tmp_path):
    (tmp_path / "a.py").write_text("a")
    before = theme.source_digest(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__/a.pyc").write_text("compiled")
    assert theme.source_digest(tmp_path) == before


HTML = SimpleNamespace(format="html")


def marked(track: str) -> nodes.raw:
    """What the parser makes of the first half of a track's mark."""
    return nodes.raw("", f'<span class="track {track}">', format="html")


def section(heading: str, *content: nodes.Node) -> nodes.section:
    return nodes.section("", nodes.title("", heading), *content, ids=[heading.lower()])


def chapter_app(tmp_path, **pages: dict) -> SimpleNamespace:
    """A stand-in for Sphinx with a notebook for each page, on the first of them."""
    for name, chapter in pages.items():
        (tmp_path / f"{name}.ipynb").write_text(json.dumps({"metadata": {"chapter": chapter}}))
    env = SimpleNamespace(
        docname=next(iter(pages)),
        doc2path=lambda name: str(tmp_path / f"{name}.ipynb"),
        titles={name: nodes.title("", name.title()) for name in pages},
        toctree_includes={"index": list(pages)},
    )
    builder = SimpleNamespace(format="html", get_relative_uri=lambda here, page: f"{page}.html")
    return SimpleNamespace(env=env, builder=builder, config=SimpleNamespace(root_doc="index"))


def test_the_card_shows_question_minutes_tracks_and_goals_under_the_title(tmp_path):
    chapter = {"question": "Why?", "minutes": 7, "prerequisites": [], "objectives": ["count"]}
    page = new_document("page")
    page += section("Page", nodes.paragraph("", "", marked("math"), nodes.Text("Text")))
    chapters.add_chapter_card(chapter_app(tmp_path, page=chapter), page)
    title, card, text = page[0]
    assert [title.astext(), text.children[-1].astext()] == ["Page", "Text"]
    assert card[0].astext() == "Why?"
    assert [fact.astext() for fact in card[1]] == [
        "7 minutes",
        '<span class="track math">Mathematics</span>',
        "Before this: nothing",
    ]
    assert card[3].astext() == "count"


def test_sections_under_deeper_fold_and_others_do_not():
    page = new_document("page")
    page += section("Core", section("Stays open"))
    page += section("Deeper", section("Folds", nodes.paragraph("", "Text")))
    chapters.fold_deeper_sections(SimpleNamespace(builder=HTML), page, "p")
    raw = [node.astext() for node in page.findall(nodes.raw)]
    assert raw == ['<details class="deeper"><summary>', "</summary>", "</details>"]
    assert page[1][1][1].astext() == "Folds" and len(page[0][1]) == 1


def test_a_mark_stands_above_the_paragraph_that_it_begins_and_nowhere_else():
    begins = nodes.paragraph("", "", marked("idea"), nodes.Text("Idea"))
    mentions = nodes.paragraph("", "", nodes.Text("see "), marked("math"))
    entry = nodes.paragraph("", "", marked("code"))
    page = new_document("page")
    page += [begins, mentions, nodes.bullet_list("", nodes.list_item("", entry))]
    chapters.place_track_marks(None, page)
    found = [p["classes"] for p in (begins, mentions, entry)]
    assert found == [["track-begins"], [], []]


def test_the_list_of_sections_names_the_tracks_of_each():
    page = new_document("page")
    idea, math = (nodes.paragraph("", "", marked(track)) for track in ("idea", "math"))
    page += section("Page", section("Both", math, idea), section("None"))
    toc = '<a href="#both">Both</a> <a href="#none">None</a>'
    assert chapters.mark_sections(toc, page) == (
        '<a href="#both">Both <span class="marks" role="img" aria-label="Idea, Mathematics">'
        '<i class="track idea"></i><i class="track math"></i></span></a> <a href="#none">None</a>'
    )


def test_the_chapter_list_has_each_chapter_once_in_the_order_of_the_book(tmp_path):
    facts = {"question": "Why?", "minutes": 7}
    app = chapter_app(tmp_path, training=facts, tokenization={**facts, "minutes": 9}, notes={})
    page = new_document("index")
    page += nodes.container(classes=["chapter-list"])
    chapters.fill_chapter_list(app, page, "index")
    links = [(link.astext(), link["refuri"]) for link in page.findall(nodes.reference)]
    assert links == [("Training", "training.html"), ("Tokenization", "tokenization.html")]
    minutes = [entry[2].astext() for entry in page.findall(nodes.list_item)]
    assert minutes == ["7 minutes", "9 minutes"]


def test_a_neighbour_shows_its_question_and_a_page_that_is_no_chapter_none(tmp_path):
    app = chapter_app(tmp_path, training={"question": "Why?"}, notes={})
    questions = [chapters.question_of(app, name) for name in ("training", "notes", None)]
    assert questions == ["Why?", "", ""]


DRAWING = """<?xml version="1.0"?><!-- drawn by hand -->
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 320" id="top"
 aria-labelledby="name"><title id="name">Tip</title><desc id="words">Five rows</desc>
<style>.row { fill: var(--llm-q, #0072B2) }</style><marker id="tip"/><path id="way" fill="#0072B2"
 marker-end="url(#tip)"/><use href="#way"/><text class="row">Q &amp; K</text></svg>"""


def test_a_diagram_keeps_to_itself_and_can_be_heard():
    html = images.inline_svg(DRAWING, 'the "stairs"', "diagram-1")
    assert html.startswith("<svg ") and "<!--" not in html and "<title" not in html
    assert 'role="img" aria-label="the &quot;stairs&quot;"' in html
    assert 'aria-describedby="diagram-1-description"' in html and "labelledby" not in html
    assert "#diagram-1 { .row { fill: var(--llm-q, #0072B2) } }" in html
    assert re.findall(r' id="([^"]+)"', html) == [
        "diagram-1",
        "diagram-1-description",
        "diagram-1-tip",
        "diagram-1-way",
    ]
    assert "url(#diagram-1-tip)" in html and 'href="#diagram-1-way"' in html
    assert 'fill="#0072B2"' in html and ">Q &amp; K</text>" in html


def test_a_diagram_has_its_own_size_and_shrinks_to_seven_tenths_of_it():
    html = images.inline_svg(DRAWING, "stairs", "diagram-1")
    assert 'width="640" height="320"' in html and "min-width: 448px" in html
    asked = images.inline_svg(DRAWING, "stairs", "diagram-1", width="50%")
    assert 'style="width: 50%"' in asked
    with pytest.raises(ValueError, match="viewBox"):
        images.inline_svg('<svg xmlns="http://www.w3.org/2000/svg"/>', "none", "diagram-1")


def test_drawings_of_the_book_are_inlined_and_other_images_are_not(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/stairs.svg").write_text(DRAWING)
    page = new_document("page")
    page += nodes.figure("", nodes.image(uri="images/stairs.svg", alt="stairs"), nodes.caption())
    page += nodes.image(uri="images/photo.png", alt="photo")
    page += nodes.image(uri="images/stairs.svg", alt="stairs again")
    images.inline_diagrams(SimpleNamespace(builder=HTML, srcdir=str(tmp_path)), page, "page")
    drawn = [raw.astext() for raw in page.findall(nodes.raw)]
    assert [re.search('aria-label="([^"]+)"', svg)[1] for svg in drawn] == [
        "stairs",
        "stairs again",
    ]
    assert ["diagram-1-way" in svg for svg in drawn] == [True, False]
    assert [image["uri"] for image in page.findall(nodes.image)] == ["images/photo.png"]
    assert isinstance(page[0][1], nodes.caption)


def test_the_palette_has_both_modes():
    css = theme.palette_css()
    assert css.count("--llm-q: #0072B2") == 3 and 'html[data-theme="dark"]' in css


@pytest.mark.parametrize(
    "kept, lines",
    [
        (False, ["Define the computation.", "", "Although the recipe for forward pass needs …"]),
        (False, ["Alias for field number 0", ""]),
        (True, ["The logits (B, T, V) of a text."]),
    ],
)
def test_the_reference_leaves_out_what_other_projects_say(kept, lines):
    reference.leave_out_inherited(None, "method", "llm.GPT.forward", None, None, lines)
    assert bool(lines) == kept
