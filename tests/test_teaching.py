"""The teacher's guide: its tables come from the notebooks, and what it quotes is really said."""

import importlib
import pkgutil
import re
import shutil
import sys
from collections.abc import Iterator

import pytest
from environments import ROOT

from llm import checks

sys.path.append(str(ROOT / "scripts"))
sys.path.append(str(ROOT / "theme"))
import teaching  # noqa: E402
from inside_views import copy_view_pages  # noqa: E402

PAGE = (ROOT / "chapters/teaching.md").read_text(encoding="utf-8")
QUOTES = re.findall(r"\| `(check_\w+)`: \*(.+)\* \|$", PAGE, re.MULTILINE)


@pytest.fixture
def book(tmp_path):
    """A copy of what the tables are made from."""
    for folder in ("chapters", "assignments/source"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "_toc.yml", tmp_path)
    return tmp_path


def edit(path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_committed_tables_are_those_of_the_notebooks():
    assert teaching.check(ROOT) == []


def test_every_chapter_and_every_assignment_is_listed():
    lists = PAGE.split("## What each chapter asks and gives")[1]
    for name in teaching.chapter_names(ROOT):
        assert f"]({name}.ipynb)\n: 30 minutes." in lists
    for path in ROOT.glob("assignments/source/*/*.ipynb"):
        assert f" (`{path.stem}`)\n: " in lists


def test_an_edited_list_is_found_and_made_anew(book):
    page = book / "chapters/teaching.md"
    before = page.read_text(encoding="utf-8")
    edit(page, "[Attention](attention.ipynb)\n: 30", "[Attention](attention.ipynb)\n: 31")
    assert [fault[:16] for fault in teaching.check(book)] == [
        "teaching.md: -: ",
        "teaching.md: +: ",
    ]
    teaching.write(book)
    assert teaching.check(book) == [] and page.read_text(encoding="utf-8") == before


def test_a_longer_assignment_takes_more_hours(book):
    edit(
        book / "assignments/source/tokenization/tokenization.ipynb",
        '"minutes": 90',
        '"minutes": 120',
    )
    rows = [row.split("|") for row in teaching.check(book) if "|" in row]
    assert [row[4].strip() for row in rows] == ["3", "3.5", "4.5", "5", "3", "3.5"]


def test_a_page_without_a_place_for_a_list_is_told(book):
    edit(book / "chapters/teaching.md", "metadata of the assignments", "metadata")
    with pytest.raises(ValueError, match="has no line"):
        teaching.check(book)


def sentences(value) -> Iterator[str]:
    """All that stands as a key in nested catalogues of bugs."""
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield key
        yield from sentences(inner)


def catalogued() -> set[str]:
    found = set()
    for module in pkgutil.iter_modules(checks.__path__):
        for name, value in vars(importlib.import_module(f"llm.checks.{module.name}")).items():
            if name.isupper() and not name.startswith("_"):
                found |= set(sentences(value))
    return found


def test_the_checks_of_the_misconceptions_say_what_is_quoted():
    known = catalogued()
    assert len(QUOTES) >= 15
    for check, sentence in QUOTES:
        assert hasattr(checks, check) and sentence in known, sentence


def test_each_view_of_the_site_gets_a_lasting_page(tmp_path):
    for folder in ("chapters", "_shared", "views"):
        (tmp_path / folder).mkdir()
    (tmp_path / "views/gone-view.html").write_text("of an older build")
    (tmp_path / "_shared/heads-0123456789.html").write_text("heads")
    (tmp_path / "_shared/quiz-abcdef0123.html").write_text("quiz")
    (tmp_path / "chapters/plain.html").write_text("<p>no view</p>")
    (tmp_path / "chapters/attention.html").write_text(
        '{"page":"heads-0123456789.html"} {"page":"quiz-abcdef0123.html"} {"page":null}'
    )
    made = copy_view_pages(tmp_path, {"chapters/attention", "chapters/plain"})
    assert made == ["attention-heads.html", "attention-quiz.html"]
    assert sorted(path.name for path in tmp_path.glob("views/*")) == made
    assert (tmp_path / "views/attention-heads.html").read_text() == "heads"
