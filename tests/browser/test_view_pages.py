"""The lasting pages of the views, and what the teacher's guide says of them."""

import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Browser
from tools import ROOT, network_faults, unanswered_views, visit

pytestmark = pytest.mark.browser

GUIDE = (ROOT / "chapters/teaching.md").read_text(encoding="utf-8")
ROWS = re.findall(
    r'"\.\./views/([\w-]+)\.html">.*?</a> \| `\1` \| `([\w-]+)`: (.+) \|$', GUIDE, re.MULTILINE
)
COPY = """Object.defineProperty(navigator, "clipboard",
    { value: { writeText: (text) => ((window.copied = text), Promise.resolve()) } })"""


def test_the_guide_lists_every_page(site: Path):
    """Quizzes have one sentence for all."""
    pages = {path.stem for path in site.glob("views/*.html")}
    quizzes = {page for page in pages if page.endswith("-quiz")}
    assert pages - quizzes == {page for page, _, _ in ROWS} and len(quizzes) == 12


@pytest.mark.parametrize("page, anchor, keys", ROWS)
def test_a_page_works_and_its_address_has_the_keys(
    chromium_browser: Browser, server: str, page: str, anchor: str, keys: str
):
    """The button that copies the address names all of the view's state."""
    with visit(chromium_browser, f"{server}/views/{page}.html") as seen:
        seen.page.evaluate(COPY)
        assert unanswered_views(seen.page) == []
        seen.page.get_by_role("button", name="Copy link").click()
        name, _, query = urlsplit(seen.page.evaluate("copied")).fragment.partition("?")
        assert (name, [key for key, _ in parse_qsl(query, keep_blank_values=True)]) == (
            anchor,
            keys.split(", "),
        )
        assert network_faults(seen) == []


def test_an_address_sets_the_view(chromium_browser: Browser, server: str):
    """The example of the guide: layer 1, head 3, which it does not begin with."""
    example = re.search(r'src="https://YOUR-SITE(/views/[^"]+)"', GUIDE)[1].replace("&amp;", "&")
    with visit(chromium_browser, server + example) as seen:
        seen.page.evaluate(COPY)
        seen.page.get_by_role("button", name="Copy link").click()
        query = dict(parse_qsl(urlsplit(seen.page.evaluate("copied")).fragment.split("?")[1]))
        assert (query["layer"], query["head"]) == ("1", "3")
