"""What the site needs in public, tried without building a book."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "theme"))

import inside_public as public  # noqa: E402


@pytest.fixture
def app(tmp_path):
    config = SimpleNamespace(
        html_baseurl="",
        html_title="Inside an LLM",
        html_theme_options={"repository_url": "https://github.com/Ada/book"},
    )
    public.set_address(None, config)
    docs = SimpleNamespace(found_docs={"chapters/index", "chapters/a&b"})
    return SimpleNamespace(config=config, outdir=str(tmp_path), confdir=str(ROOT), env=docs)


@pytest.mark.parametrize(
    ("repository", "address"),
    [
        ("Ada/book", "https://ada.github.io/book/"),
        ("Ada/ada.github.io", "https://ada.github.io/"),
        ("my-org/Inside.an-LLM", "https://my-org.github.io/Inside.an-LLM/"),
    ],
)
def test_the_address_follows_from_the_repository(repository, address):
    assert public.address_of(f"https://github.com/{repository}") == address


def test_an_address_that_is_configured_stays(app):
    app.config.html_baseurl = "https://example.org/"
    public.set_address(None, app.config)
    assert app.config.html_baseurl == "https://example.org/"


def test_a_card_says_what_the_page_says_and_cannot_break_out_of_its_tag(app):
    found = {}

    class Tags(HTMLParser):
        def handle_starttag(self, tag, attributes):
            given = dict(attributes)
            found[given.get("property") or given.get("name")] = given["content"]

    Tags().feed(public.card(app, "chapters/a", 'A "title" & <more>', "it's > that"))
    assert found["og:title"] == 'A "title" & <more>'
    assert found["og:description"] == "it's > that"
    assert found["og:url"] == "https://ada.github.io/book/chapters/a.html"
    assert found["twitter:card"] == "summary_large_image"


def test_the_picture_of_the_card_has_the_size_that_it_says(app):
    with Image.open(ROOT / "theme/inside/static/social-card.png") as picture:
        width, height = picture.size
    tags = public.card(app, "x", "t", "d")
    assert re.findall(r'image:(?:width|height)" content="(\d+)"', tags) == [f"{width}", f"{height}"]
    assert "_static/social-card.png" in tags


def test_the_map_names_every_page_and_robots_names_the_map(app, tmp_path):
    public.write_map(app)
    root = ElementTree.parse(tmp_path / "sitemap.xml").getroot()
    base = "https://ada.github.io/book/"
    addresses = [location.text for location in root.findall("{*}url/{*}loc")]
    assert addresses == [f"{base}chapters/a&b.html", f"{base}chapters/index.html"]
    assert f"Sitemap: {base}sitemap.xml" in (tmp_path / "robots.txt").read_text()


def test_the_notices_hold_each_licence(app, tmp_path):
    public.write_notices(app)
    text = (tmp_path / "notices.txt").read_text(encoding="utf-8")
    for words in ("This book", "MIT License", "OpenAI", "MathJax", "Apache License", "Sphinx"):
        assert words in text
    assert text.count("Redistribution and use") >= 2
    with pytest.raises(RuntimeError, match="Sphinx has no NOTHING"):
        public.licence("Sphinx", "NOTHING")
