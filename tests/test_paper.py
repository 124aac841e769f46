"""Binding pages into one PDF and packing the site, on small ones made here."""

import io
import json
import sys
import zipfile
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.annotations import Link

sys.path.append(str(Path(__file__).resolve().parents[1] / "scripts"))
import paper  # noqa: E402


def sheets(n: int, *addresses: str) -> bytes:
    """A PDF of ``n`` sheets whose first has a link to each address."""
    writer = PdfWriter()
    for _ in range(n):
        writer.add_blank_page(200, 300)
    for address in addresses:
        link = Link(rect=(0, 0, 9, 9), url=address)
        writer.add_annotation(0, link)
    writer.add_outline_item("Section", page_number=n - 1)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "my site" / "html"
    folder.mkdir(parents=True)
    monkeypatch.setattr(paper, "SITE", folder)
    return folder


def reread(book: PdfWriter) -> PdfReader:
    file = io.BytesIO()
    book.write(file)
    return PdfReader(file)


def test_links_between_pages_stay_inside_and_the_others_stay_as_they_are(site):
    inside, outside = (site / "chapters/b.html").as_uri(), "https://example.org/x"
    unbound = (site / "search.html").as_uri()
    parts = {
        "chapters/a.html": sheets(2, f"{inside}#part", outside, unbound),
        "chapters/b.html": sheets(3),
    }
    book = reread(paper.bound(parts))
    assert len(book.pages) == 5
    inner, outer, nowhere = [link.get_object() for link in book.pages[0]["/Annots"]]
    assert book.get_page_number(inner["/Dest"][0].get_object()) == 2
    assert outer["/A"]["/URI"] == outside
    assert "/A" not in nowhere and "/Dest" not in nowhere
    assert b"file://" not in b"".join(bytes(f"{page}", "utf-8") for page in book.pages)
    assert [book.get_destination_page_number(item) for item in book.outline] == [1, 4]


def test_the_book_has_every_page_once_and_the_welcome_first():
    pages = paper.pages_of_the_book()
    assert pages[0] == "chapters/index.html" and len(set(pages)) == len(pages) > 20


def test_the_picture_of_a_view_is_found_by_its_token(tmp_path, monkeypatch):
    monkeypatch.setattr(paper, "EXECUTED", tmp_path)
    view = '<div class="llm-view" lang="en" dir="ltr" data-view="quiz" data-token="0a1b">'
    outputs = [{"data": {"text/html": [view, "</div>"], "image/png": "iVBO\n"}}, {"text": "x"}]
    cells = [{"cell_type": "markdown"}, {"cell_type": "code", "outputs": outputs}]
    (tmp_path / "key").mkdir()
    (tmp_path / "key" / "base.ipynb").write_text(json.dumps({"cells": cells}))
    assert paper.pictures() == {"0a1b": "data:image/png;base64,iVBO"}


def test_the_zip_holds_the_site_and_is_the_same_each_time(site, tmp_path):
    (site / "chapters").mkdir()
    (site / "index.html").write_text("first")
    (site / "chapters" / "ä.html").write_bytes(b"\x00\xff")
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    paper.make_zip(first)
    paper.make_zip(second)
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    assert found == {
        "inside-an-llm/index.html": b"first",
        "inside-an-llm/chapters/ä.html": b"\x00\xff",
    }


def test_without_a_site_or_a_kind_it_says_what_to_do(site):
    with pytest.raises(SystemExit, match="make book"):
        paper.main(["zip"])
    with pytest.raises(SystemExit, match="pdf or zip"):
        paper.main(["docx"])
