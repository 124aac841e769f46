"""What a translation needs: words in one file a language, messages for gettext, a direction.

No translation is shipped. The language here is that of `pseudo.py`.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from pseudo import pseudo, write_words

from llm.views import AttentionView, view

ROOT = Path(__file__).resolve().parents[1]
PLACEHOLDER = re.compile(r"\{\w+\}")
FORMS = {"zero", "one", "two", "few", "many"}  # of Unicode's plural rules, beside "other"


def faults(words: dict, english: dict) -> list[str]:
    """Where words are missing, are too many, or have lost what is to be filled in."""
    found = [] if words.get("direction") in ("ltr", "rtl") else ["direction: ltr or rtl"]
    parts = {name: part for name, part in english.items() if name != "direction"}
    found += [f"{name}: unknown" for name in words.keys() - english.keys()]
    for name, part in parts.items():
        mine = words.get(name, {})
        found += [f"{name}.{key}: missing" for key in part.keys() - mine.keys()]
        for key in mine.keys():
            stem, _, form = key.rpartition("_")
            like = part.get(key) or (part.get(stem) if form in FORMS else None)
            if like is None:
                found.append(f"{name}.{key}: unknown")
            elif set(PLACEHOLDER.findall(mine[key])) != set(PLACEHOLDER.findall(like)):
                found.append(f"{name}.{key}: other placeholders than {like!r}")
    return sorted(found)


@pytest.fixture
def english() -> dict:
    return json.loads((view.WORDS / "en.json").read_text(encoding="utf-8"))


@pytest.fixture
def arabic(tmp_path, monkeypatch) -> Path:
    """The views speak the made-up language."""
    words = write_words(tmp_path / "words", "ar_EG")
    monkeypatch.setattr(view, "WORDS", words)
    monkeypatch.setenv("LLM_LANGUAGE", "ar_EG")
    return words


def test_every_language_has_the_words_of_english(english):
    for path in view.WORDS.iterdir():
        assert faults(json.loads(path.read_text(encoding="utf-8")), english) == [], path.name


def test_faults_of_a_translation_are_found(english, tmp_path):
    words = json.loads((write_words(tmp_path / "words") / "ar.json").read_text(encoding="utf-8"))
    words["tokenizer"]["own_few"] = words["tokenizer"]["own"]
    assert faults(words, english) == []
    del words["shared"]["save"], words["direction"]
    words["tokenizer"] |= {"own": "x", "new": "y", "title_few": "{z}"}
    assert faults(words, english) == [
        "direction: ltr or rtl",
        "shared.save: missing",
        "tokenizer.new: unknown",
        "tokenizer.own: other placeholders than 'Our BPE, {n} merges'",
        "tokenizer.title_few: other placeholders than 'Text to tokens'",
    ]


def test_a_view_says_its_words_language_and_direction(arabic):
    view_ = AttentionView()
    fragment = view_.html()
    assert fragment.startswith('<div class="llm-view" lang="ar-EG" dir="rtl"')
    data = json.loads(re.search(r'<script type="application/json">(.*?)</script>', fragment)[1])
    assert data["language"] == "ar-EG"
    assert not any(re.search("[a-z]", PLACEHOLDER.sub("", t)) for t in data["strings"].values())
    page = view_.save_page(arabic.parent / "page.html").read_text(encoding="utf-8")
    assert '<html lang="ar-EG" dir="rtl"' in page and f"<h1>{pseudo('What heads look at')}" in page


def test_a_language_without_words_names_those_there_are(monkeypatch):
    monkeypatch.setenv("LLM_LANGUAGE", "tlh")
    with pytest.raises(ValueError, match="LLM_LANGUAGE='tlh': there are words for en"):
        view.strings("attention")


# --- the book ---------------------------------------------------------------------------------

PARAGRAPH = "A token is a piece of text."


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> Path:
    """A book of two pages with the configuration and the theme of ours."""
    folder = tmp_path_factory.mktemp("book")
    for name in ("_config.yml", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "theme", folder / "theme")
    (folder / "llm").symlink_to(ROOT / "llm")
    (folder / "chapters").mkdir()
    shutil.copy(ROOT / "chapters" / "references.bib", folder / "chapters")
    (folder / "chapters" / "index.md").write_text("# Welcome\n\n```{chapter-list}\n```\n")
    text = f"# Pieces\n\n{PARAGRAPH}\n\n$x^2$\n\n## Deeper\n\n### A fold\n\nInside."
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
    notebook.metadata["chapter"] = {"question": "Why?", "minutes": 5, "objectives": ["count"]}
    nbformat.write(notebook, folder / "chapters" / "pieces.ipynb")
    toc = "format: jb-book\nroot: chapters/index\nchapters:\n- file: chapters/pieces\n"
    (folder / "_toc.yml").write_text(toc)
    return folder


def build(folder: Path, *arguments: str) -> None:
    program = Path(sys.executable).with_name("jupyter-book")
    command = [program, "build", folder, "-q", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr


def test_the_book_is_translated_by_message_files(book):
    build(book, "--builder", "custom", "--custom-builder", "gettext")
    made = book / "_build" / "gettext"
    for path in (made / "sphinx.pot", made / "chapters" / "pieces.pot"):
        with path.open("rb") as file:
            messages = read_po(file)
        for message in messages:
            message.string = pseudo(message.id) if message.id else ""
        target = book / "locale/ar/LC_MESSAGES" / path.relative_to(made).with_suffix(".mo")
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            write_mo(file, messages)
    config = book / "_config.yml"
    config.write_text(config.read_text().replace("language: en\n", "language: ar\n"))
    shutil.rmtree(book / "_build")
    build(book)
    page = (book / "_build/html/chapters/pieces.html").read_text(encoding="utf-8")
    assert re.search(r'<html lang="ar" dir="rtl" data-content_root="\.\./"', page)
    words = [PARAGRAPH, "Pieces", "Skip to the text", "On this page"]
    words += ["After this chapter you can", "Open in Colab"]
    assert [word for word in words if pseudo(word) not in page] == []
    script = json.loads(re.search(r'id="words">(.*?)</script>', page, re.DOTALL)[1])
    assert script["copy_this"] == pseudo("Copy this code")
    assert pseudo("{minutes} minutes").replace("{minutes}", "5") in page
    fold = re.search(r'<details class="deeper"><summary>.*?<h3>(.*?)<', page, re.DOTALL)
    assert fold[1] == pseudo("A fold")


def test_words_of_python_files_are_where_gettext_looks():
    template = (ROOT / "theme/inside/words.html").read_text(encoding="utf-8")
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "theme").glob("*.py")]
    used = {word for source in sources for word in re.findall(r'\b_\("([^"]+)"\)', source)}
    assert len(used) > 10 and used == set(re.findall(r'\b_\("([^"]+)"\)', template))
