"""The slides of every chapter: complete, readable on a stage, on a phone and on paper, by key."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tools import (
    ROOT,
    axe_faults,
    heading_faults,
    image_alt_faults,
    keyboard_faults,
    load_views,
    math_faults,
    network_faults,
    page_faults,
    set_width,
    settle,
    sideways_scroll,
    view_faults,
    visit,
)

pytestmark = pytest.mark.browser

STAGE = {"width": 1280, "height": 720}
CHAPTERS = [path.stem for path in sorted((ROOT / "chapters").glob("*.ipynb"))]


def deck(browser: Browser, start: str, name: str, part: str = "", **options):
    """Open the slides of a chapter; ``part`` is the last part of the address."""
    return visit(browser, f"{start}/slides/{name}.html{part}", **options)


def to_stage(page: Page) -> None:
    page.set_viewport_size(STAGE)
    settle(page)


def shown(page: Page) -> int:
    """The number of the slide that is in the window."""
    return page.evaluate(
        """() => 1 + [...document.querySelectorAll(".slide")].findIndex(
            (slide) => Math.abs(slide.getBoundingClientRect().top) < 2)"""
    )


def press(page: Page, *keys: str) -> int:
    """Press keys, one after the other; returns the number of the slide that is then shown."""
    for key in keys:
        page.keyboard.press(key)
    settle(page)
    return shown(page)


def unfold(page: Page) -> None:
    page.evaluate(
        "() => document.querySelectorAll('details.predict').forEach(d => (d.open = true))"
    )
    settle(page)


STAGE_FAULTS = """() => [...document.querySelectorAll(".slide")].flatMap((slide, i) => {
    const body = slide.querySelector(".slide-body"), view = body.querySelector(".llm-view");
    const name = `slide ${i + 1}, ${slide.querySelector(".slide-title").innerText}: `;
    const zoom = Number(body.style.zoom) || 1;
    const overflows = (box) => box.scrollHeight > box.clientHeight + 1
        || box.scrollWidth > box.clientWidth + 1;
    const cut = (box) => !view && box.scrollWidth > box.clientWidth + 1;
    return [
        Math.abs(slide.offsetHeight - innerHeight) > 1 ? "is of another size" : "",
        overflows(slide) || overflows(body) ? "does not fit" : "",
        [...body.querySelectorAll("pre, .math, .table-box")].some(cut) ? "is cut off" : "",
        zoom < 0.7 ? `is shrunk to ${zoom}` : "",
        body.innerText.trim() || body.querySelector("svg") ? "" : "is empty",
    ].filter(Boolean).map((fault) => name + fault);
})"""


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_slide_on_stage_on_a_phone_and_on_paper(
    chromium_browser: Browser, server: str, name: str
):
    """Nothing is missing, nothing overflows, nothing is asked of another host."""
    with deck(chromium_browser, server, name) as seen:
        page = seen.page
        to_stage(page)
        for check in (math_faults, image_alt_faults, heading_faults, page_faults, view_faults):
            assert check(page) == []
        assert 10 <= page.locator(".slide").count() <= 18
        assert page.locator(".slide-title").last.inner_text() == "What to remember"
        load_views(page)
        assert page.evaluate(STAGE_FAULTS) == []
        unfold(page)
        assert page.evaluate(STAGE_FAULTS) == []
        assert axe_faults(page) == []
        set_width(page, 360)
        assert sideways_scroll(page) == []
        to_stage(page)
        page.emulate_media(media="print")
        page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate(STAGE_FAULTS) == []
        assert not page.locator(".deck-bar").is_visible()
        assert network_faults(seen) == []


@pytest.mark.parametrize("name", ["attention", "tokenization"])
def test_slides_from_a_folder(chromium_browser: Browser, site: Path, name: str):
    """They need no server, and a view loads its data only when its slide is shown."""
    with deck(chromium_browser, site.as_uri(), name, mode="dark") as seen:
        to_stage(seen.page)
        view = seen.page.locator(".llm-view").first
        assert view.get_attribute("data-pending") is not None
        load_views(seen.page)
        assert axe_faults(seen.page) + network_faults(seen) == []


def test_every_control_is_reached_by_tab(chromium_browser: Browser, server: str):
    with deck(chromium_browser, server, "scaling") as seen:
        to_stage(seen.page)
        load_views(seen.page)
        assert keyboard_faults(seen.page) == []


def test_keys_turn_the_slides_and_the_address_follows(chromium_browser: Browser, server: str):
    with deck(chromium_browser, server, "attention") as seen:
        page = seen.page
        to_stage(page)
        last = page.locator(".slide").count()
        assert shown(page) == 1
        assert press(page, "ArrowRight", "ArrowDown", "PageDown", " ") == 5
        assert page.evaluate("location.hash") == "#slide-5"
        assert press(page, "ArrowLeft", "ArrowUp", "PageUp") == 2
        assert press(page, "Shift+ ") == 1 and press(page, "PageUp") == 1
        assert press(page, "End") == last and press(page, "ArrowRight") == last
        assert press(page, "Home") == 1
        page.locator("#turn-on").click()
        assert shown(page) == 2
        page.reload()
        assert shown(page) == 2


def test_a_view_keeps_its_keys_and_its_address(chromium_browser: Browser, server: str):
    """Arrows move in the grid of heads; a presenter's remote turns the slide all the same."""
    with deck(chromium_browser, server, "attention", "#attention?layer=1&head=3") as seen:
        page = seen.page
        to_stage(page)
        load_views(page)
        place = shown(page)
        assert page.locator(f"#slide-{place} .llm-view").count() == 1
        grid = page.locator(".llm-heatmap").first
        grid.focus()
        before = grid.inner_html()
        assert press(page, "ArrowRight", "ArrowDown") == place
        assert grid.inner_html() != before
        page.locator(".llm-view textarea").first.focus()
        assert press(page, "Home", "ArrowLeft", " ", "End") == place
        assert press(page, "PageDown") == place + 1


def test_what_a_cell_prints_waits_for_the_guess(chromium_browser: Browser, server: str):
    with deck(chromium_browser, server, "overview") as seen:
        page = seen.page
        slide = page.locator(".slide:has(details.predict):has(.cell_output)").first
        guess, printed = slide.locator("details.predict"), slide.locator(".cell_output")
        hidden = printed.is_hidden()
        guess.locator("summary").click()
        assert (hidden, printed.is_visible()) == (True, True)


def test_the_list_leads_to_a_slide(chromium_browser: Browser, server: str):
    with deck(chromium_browser, server, "scaling") as seen:
        page = seen.page
        to_stage(page)
        page.locator("#list-open").click()
        assert axe_faults(page) == []
        page.locator("#list-dialog li a").nth(6).click()
        settle(page)
        assert shown(page) == 7 and not page.locator("#list-dialog").is_visible()


def test_a_small_window_scrolls_as_a_page(chromium_browser: Browser, server: str):
    """There the arrow keys scroll, as everywhere."""
    with deck(chromium_browser, server, "overview", width=360) as seen:
        before = seen.page.evaluate("scrollY")
        seen.page.keyboard.press("ArrowDown")
        seen.page.wait_for_function("before => scrollY > before", arg=before)
        assert seen.page.evaluate("scrollY") < 200


def test_slides_are_found_from_the_chapter_and_from_a_list(chromium_browser: Browser, server: str):
    with visit(chromium_browser, f"{server}/chapters/scaling.html") as seen:
        seen.page.locator(".page-tools").get_by_text("Slides").click()
        seen.page.wait_for_url("**/slides/scaling.html")
        seen.page.goto(f"{server}/slides/index.html")
        assert seen.page.locator(".chapter-list li").count() == len(CHAPTERS)
        assert axe_faults(seen.page) + heading_faults(seen.page) == []


def test_a_page_a_slide_on_paper(chromium_browser: Browser, server: str):
    with deck(chromium_browser, server, "overview") as seen:
        printed = seen.page.pdf(prefer_css_page_size=True)
        assert printed.count(b"/Type /Page\n") == seen.page.locator(".slide").count()
