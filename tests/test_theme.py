"""The Sphinx extension behind the site: what it decides, tried without building a book."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.utils import new_document

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "theme"))

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


def test_the_card_shows_question_minutes_and_goals_under_the_title(tmp_path):
    chapter = {"question": "Why?", "minutes": 7, "prerequisites": [], "objectives": ["count"]}
    notebook = tmp_path / "page.ipynb"
    notebook.write_text(json.dumps({"metadata": {"chapter": chapter}}))
    env = SimpleNamespace(docname="page", doc2path=lambda name: str(notebook))
    page = new_document("page")
    page += nodes.section("", nodes.title("", "Page"), nodes.paragraph("", "Text"))
    theme.add_chapter_card(SimpleNamespace(env=env), page)
    title, card, text = page[0]
    assert [title.astext(), text.astext()] == ["Page", "Text"]
    assert card[0].astext() == "Why?"
    assert card[1].astext() == "7 minutes · Before this: nothing"
    assert card[3].astext() == "count"


def test_sections_under_deeper_fold_and_others_do_not():
    def section(heading, *content):
        return nodes.section("", nodes.title("", heading), *content)

    page = new_document("page")
    page += section("Core", section("Stays open"))
    page += section("Deeper", section("Folds", nodes.paragraph("", "Text")))
    theme.fold_deeper_sections(SimpleNamespace(builder=SimpleNamespace(format="html")), page, "p")
    raw = [node.astext() for node in page.findall(nodes.raw)]
    assert raw == ['<details class="deeper"><summary>', "</summary>", "</details>"]
    assert page[1][1][1].astext() == "Folds" and len(page[0][1]) == 1


def test_the_palette_has_both_modes():
    css = theme.palette_css()
    assert css.count("--llm-q: #0072B2") == 3 and 'html[data-theme="dark"]' in css
