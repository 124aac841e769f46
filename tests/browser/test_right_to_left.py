"""Views and pages in a language that runs from right to left, made up in `pseudo.py`."""

import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from test_every_view import ARGUMENTS, NAMES
from tools import (
    NARROW,
    ROOT,
    WIDE,
    axe_faults,
    math_faults,
    set_width,
    sideways_scroll,
    view_faults,
    visit,
)

sys.path.append(str(ROOT / "tests"))
from pseudo import write_words  # noqa: E402

from llm import views  # noqa: E402
from llm.views import view  # noqa: E402

pytestmark = pytest.mark.browser

# A story is English in every language, and so are code and numbers.
MISDIRECTED = """() => [...document.querySelectorAll(
        ".llm-strip, .llm-looks-at, .llm-story, .llm-pieces, .llm-sample, .llm-number, svg, code")]
    .filter((node) => node.textContent.trim() && getComputedStyle(node).direction !== "ltr")
    .map((node) => node.outerHTML.slice(0, 80))"""
ENGLISH = """words => {
    const shown = [...document.querySelectorAll(".llm-view :is(button, legend, label, summary)")];
    return shown.map((node) => node.textContent.trim()).filter((text) => words.includes(text));
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A page of each view in the made-up language."""
    folder = tmp_path_factory.mktemp("right-to-left")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(view, "WORDS", write_words(folder / "words"))
        patch.setenv("LLM_LANGUAGE", "ar")
        for name in NAMES:
            getattr(views, name)(*ARGUMENTS.get(name, [])).save_page(folder / f"{name}.html")
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_view_runs_from_right_to_left(chromium_browser: Browser, folder: Path, name: str):
    english = list(view.strings(getattr(views, name).name).values())
    with visit(chromium_browser, (folder / f"{name}.html").as_uri()) as seen:
        page = seen.page
        assert page.evaluate("getComputedStyle(document.querySelector('.llm-view')).direction") == (
            "rtl"
        )
        assert view_faults(page) + sideways_scroll(page) + axe_faults(page) == []
        assert page.evaluate(MISDIRECTED) == []
        assert page.evaluate(ENGLISH, english) == []
        set_width(page, NARROW)
        assert sideways_scroll(page) == []


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("name", ["index", "attention", "teaching"])
def test_a_page_turns_round(chromium_browser: Browser, site: Path, name: str, width: int):
    """Views stay as they are, since their words are English on this site."""
    address = (site / "chapters" / f"{name}.html").as_uri()
    with visit(chromium_browser, address, width) as seen:
        page: Page = seen.page
        page.evaluate("() => { document.documentElement.dir = 'rtl'; }")
        set_width(page, width)
        assert sideways_scroll(page) + view_faults(page) + math_faults(page) == []
        for selector in ("article pre", "article mjx-container", ".llm-view"):
            for node in page.locator(selector).all()[:5]:
                assert node.evaluate("node => getComputedStyle(node).direction") == "ltr", selector
        if width == WIDE:  # the list of chapters stands on the right
            sides = ["#chapters", "article"]
            left = [page.locator(side).bounding_box()["x"] for side in sides]
            assert left[0] > left[1]
