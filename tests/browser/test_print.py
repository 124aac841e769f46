"""What a chapter looks like on paper: nothing to press, nothing cut off, nothing still loading."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tools import ROOT, built_pages, visit

pytestmark = pytest.mark.browser

PAGES = [page for page in built_pages(ROOT / "_build" / "html") if page.startswith("chapters/")]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_on_paper(chromium_browser: Browser, site: Path, page: str):
    """Printed from a dark screen before its views were in sight."""
    with visit(chromium_browser, (site / page).as_uri(), mode="dark") as seen:
        seen.page.set_viewport_size({"width": 660, "height": 900})  # A4 within its margins
        seen.page.emulate_media(media="print")
        seen.page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
        assert paper_faults(seen.page) == []


def test_a_view_that_was_never_in_sight_prints_as_its_table(chromium_browser: Browser, site: Path):
    """And one that was loaded prints as it stands."""
    address = (site / "chapters/index.html").as_uri()
    with visit(chromium_browser, address) as seen:
        view = seen.page.locator(".llm-view").first
        view.scroll_into_view_if_needed()
        loaded = "view => !('pending' in view.dataset)"
        seen.page.wait_for_function(loaded, arg=view.element_handle())
        seen.page.emulate_media(media="print")
        parts = [view.locator(".llm-frame"), view.locator(".llm-fallback")]
        shown = [part.is_visible() for part in parts]
        view.evaluate("view => { view.dataset.pending = ''; }")
        assert (shown, [part.is_visible() for part in parts]) == ([True, False], [False, True])


def paper_faults(page: Page) -> list[str]:
    """Controls of the site, dark colours, code and drawings that stick out of the page."""
    return page.evaluate(
        """() => {
            const shown = (selector) => [...document.querySelectorAll(selector)]
                .filter((node) => node.checkVisibility());
            const tools = shown(".tool, .copy, nav, .actions")
                .map((node) => "printed control: " + node.className);
            const wide = shown("article :is(pre, table, svg, p)").filter((node) =>
                !node.closest(".llm-view, mjx-container")
                && node.getBoundingClientRect().right > innerWidth + 1)
                .map((node) => "sticks out: " + node.textContent.slice(0, 60));
            const cut = shown("article pre").filter((node) =>
                !node.closest(".llm-view") && node.scrollWidth > node.clientWidth + 1)
                .map((node) => "cut off: " + node.textContent.slice(0, 60));
            const paper = getComputedStyle(document.documentElement).backgroundColor;
            const dark = paper === "rgb(255, 255, 255)" ? [] : ["paper is " + paper];
            return [...tools, ...wide, ...cut, ...dark];
        }"""
    )
