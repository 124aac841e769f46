"""Every built page, from a server and from a folder, wide and narrow, light and dark: no faults."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser
from tools import (
    NARROW,
    ROOT,
    WIDE,
    axe_faults,
    built_pages,
    heading_faults,
    image_alt_faults,
    keyboard_faults,
    link_faults,
    load_views,
    math_faults,
    network_faults,
    page_faults,
    set_mode,
    set_width,
    sideways_scroll,
    unanswered_views,
    view_faults,
    visit,
)

pytestmark = pytest.mark.browser

# The first page only leads to the welcome, and slides are looked at as slides: both have tests of
# their own.
PAGES = [
    page
    for page in built_pages(ROOT / "_build" / "html")
    if page != "index.html" and (page == "slides/index.html" or not page.startswith("slides/"))
]


def test_there_are_pages(site: Path):
    """An empty site must not pass."""
    assert {"index.html", "search.html", "chapters/index.html"} <= set(built_pages(site))


def test_links_lead_somewhere(site: Path):
    """Every internal link, image and script of every page exists."""
    assert link_faults(site) == []


def test_first_page_leads_to_the_welcome(chromium_browser: Browser, site: Path):
    """Opening the site's folder shows the welcome."""
    page = chromium_browser.new_page()
    page.goto((site / "index.html").as_uri())
    page.wait_for_url("**/chapters/index.html")
    page.close()


@pytest.mark.parametrize("page", PAGES)
def test_page_from_server(chromium_browser: Browser, server: str, page: str):
    """The page as most readers meet it: wide and light, then narrow and dark."""
    with visit(chromium_browser, f"{server}/{page}") as seen:
        assert content_faults(seen.page) == []
        for width, mode in ((WIDE, "light"), (NARROW, "dark")):
            set_width(seen.page, width)
            set_mode(seen.page, mode)
            found = axe_faults(seen.page) + sideways_scroll(seen.page)
            assert found == [], f"{mode}, {width} px"
        assert unanswered_views(seen.page) == []
        assert network_faults(seen) == []


@pytest.mark.parametrize("page", PAGES)
def test_page_from_folder(chromium_browser: Browser, site: Path, page: str):
    """The page opened as a file, narrow and dark from the start."""
    with visit(chromium_browser, (site / page).as_uri(), width=NARROW, mode="dark") as seen:
        assert content_faults(seen.page) == []
        assert sideways_scroll(seen.page) == []
        assert unanswered_views(seen.page) == []
        assert network_faults(seen) == []


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("page", PAGES)
def test_keyboard(chromium_browser: Browser, server: str, page: str, width: int):
    """Tab reaches all that can be seen and shows where it is."""
    with visit(chromium_browser, f"{server}/{page}", width=width) as seen:
        load_views(seen.page)
        assert keyboard_faults(seen.page) == []


def test_colours_follow_the_button(chromium_browser: Browser, server: str):
    """The button goes round: system, light, dark; the next page remembers."""
    with visit(chromium_browser, f"{server}/chapters/index.html") as seen:
        theme = []
        for _ in range(2):
            seen.page.locator("#mode-switch").click()
            theme.append(seen.page.locator("html").get_attribute("data-theme"))
        seen.page.goto(f"{server}/search.html")
        theme.append(seen.page.locator("html").get_attribute("data-theme"))
    assert theme == ["light", "dark", "dark"]


def test_menu_on_a_phone(chromium_browser: Browser, server: str):
    """The chapters open under the button, and Escape closes them."""
    with visit(chromium_browser, f"{server}/chapters/index.html", width=NARROW) as seen:
        chapters, button = seen.page.locator("#chapters"), seen.page.locator("#menu-switch")
        assert not chapters.is_visible()
        button.click()
        assert chapters.is_visible() and button.get_attribute("aria-expanded") == "true"
        assert axe_faults(seen.page) == []
        seen.page.keyboard.press("Escape")
        assert not chapters.is_visible()
        assert button.evaluate("node => node === document.activeElement")


@pytest.mark.parametrize("protocol", ["http", "file"])
def test_search(chromium_browser: Browser, site: Path, server: str, protocol: str):
    """Ctrl+K, a word, Enter: the chapter is found."""
    start = {"http": server, "file": site.as_uri()}[protocol]
    with visit(chromium_browser, f"{start}/chapters/index.html") as seen:
        seen.page.keyboard.press("Control+k")
        assert axe_faults(seen.page) == []
        seen.page.keyboard.type("tokens")
        seen.page.keyboard.press("Enter")
        seen.page.locator("#search-results li a").first.wait_for()
        assert axe_faults(seen.page) == []
        assert network_faults(seen) == []


def test_an_address_unfolds_what_hides_it(chromium_browser: Browser, site: Path):
    """A link to a place in a folded part opens it, and print shows all of them."""
    page, name = next(folded_parts(site))
    with visit(chromium_browser, f"{(site / page).as_uri()}#{name}") as seen:
        assert seen.page.locator(f"#{name} > details.deeper").get_attribute("open") is not None
        seen.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert seen.page.locator("article details:not([open])").count() == 0


def folded_parts(site: Path):
    """Pages with folded sections, and the name of the first section of each."""
    for page in built_pages(site):
        before, found, _ = (
            (site / page).read_text(encoding="utf-8").partition('<details class="deeper">')
        )
        if found:
            yield page, before.rsplit('<section id="', 1)[1].split('"')[0]


def content_faults(page) -> list[str]:
    """All that can be said without moving anything."""
    checks = (math_faults, image_alt_faults, heading_faults, page_faults, view_faults)
    return [fault for check in checks for fault in check(page)]
