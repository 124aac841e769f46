"""The pages for students and teacher as a reader meets them: from a file, by phone, in the dark."""

from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from class_of_30 import PEOPLE, change, make_class, written
from playwright.sync_api import Browser, Page
from tools import (
    axe_faults,
    console_faults,
    heading_faults,
    image_alt_faults,
    keyboard_faults,
    page_faults,
    set_mode,
    set_width,
    sideways_scroll,
    visit,
)

from llm.classroom.assignments import Course
from llm.classroom.names import read_names
from llm.classroom.report import report

pytestmark = pytest.mark.browser

LONG = "attention(" + "q" * 300 + ") should be 1, yours is 2"


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    """The page of the class, and that of a student with all that can stand on one."""
    root = make_class(tmp_path_factory.mktemp("course"))
    cell = {"grade_id": "long-test", "title": "A step", "kind": "check", "max_points": 4}
    cells = [cell | {"points": 0, "message": LONG}, cell | {"points": 2, "message": "x: half."}]
    cells += [cell | {"points": 4, "message": ""}, written("w" * 400)]
    change(root, PEOPLE[0], cells=cells, notes=["The cell was put back. " + "n" * 200])
    page = report(Course(root))
    student = f"students/{read_names(root)[PEOPLE[0]]}.html"
    return {"class": page, "student": page.parent / student}


@pytest.mark.parametrize("which", ["class", "student"])
def test_a_page_has_no_fault(chromium_browser: Browser, pages: dict[str, Path], which: str):
    with visit(chromium_browser, pages[which].as_uri()) as seen:
        page = seen.page
        page.evaluate(AXE_SCRIPT)  # by itself: the page allows no eval
        faults = page_faults(page) + heading_faults(page) + image_alt_faults(page)
        faults += keyboard_faults(page)
        for mode in ("light", "dark"):
            set_mode(page, mode)
            faults += [f"{mode}: {fault}" for fault in axe_faults(page)]
        faults += console_faults(seen)
        assert not faults
        assert seen.requests == [pages[which].as_uri()]


@pytest.mark.parametrize("which", ["class", "student"])
@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_nothing_sticks_out(chromium_browser: Browser, pages: dict[str, Path], which, width):
    with visit(chromium_browser, pages[which].as_uri(), width) as seen:
        assert not sideways_scroll(seen.page)
        open_all(seen.page)
        set_width(seen.page, width)
        assert not sideways_scroll(seen.page)


def test_a_picture_follows_the_colours_of_the_page(chromium_browser: Browser, pages):
    with visit(chromium_browser, pages["class"].as_uri()) as seen:
        light = ink(seen.page)
        set_mode(seen.page, "dark")
        assert light != ink(seen.page)


def test_words_of_a_picture_can_be_read_on_a_phone(chromium_browser: Browser, pages):
    with visit(chromium_browser, pages["class"].as_uri(), 360) as seen:
        heights = seen.page.evaluate(
            """() => [...document.querySelectorAll(".llm-figure text")].map(text =>
                parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a)"""
        )
        assert len(heights) > 20 and min(heights) > 10.5


def test_words_of_a_picture_stay_inside(chromium_browser: Browser, pages):
    with visit(chromium_browser, pages["class"].as_uri()) as seen:
        outside = seen.page.evaluate(
            """() => [...document.querySelectorAll(".llm-figure")].flatMap(svg => {
                const box = svg.getBoundingClientRect();
                return [...svg.querySelectorAll("text")].filter(text => {
                    const own = text.getBoundingClientRect();
                    return own.right > box.right + 1 || own.left < box.left - 1;
                }).map(text => text.textContent);
            })"""
        )
        assert not outside


def test_each_picture_has_a_table_with_the_same_numbers(chromium_browser: Browser, pages):
    with visit(chromium_browser, pages["class"].as_uri()) as seen:
        for figure in seen.page.locator("figure").all():
            assert figure.locator("details table").count() == 1
            assert not figure.locator("table").is_visible()
            figure.locator("summary").click()
            assert figure.locator("tbody tr").first.is_visible()


def test_print_shows_what_is_folded_away_in_ink_on_paper(chromium_browser: Browser, pages):
    with visit(chromium_browser, pages["class"].as_uri(), mode="dark") as seen:
        seen.page.emulate_media(media="print", color_scheme="dark")
        paper = "() => getComputedStyle(document.documentElement).backgroundColor"
        assert seen.page.evaluate(paper) == "rgb(255, 255, 255)"
        assert seen.page.locator("figure table").last.is_visible()
        assert len(seen.page.pdf()) > 10_000


def test_a_script_that_got_into_a_page_would_not_run(chromium_browser: Browser, pages, tmp_path):
    text = pages["student"].read_text().replace("</main>", "<script>document.title = 1</script>")
    broken = tmp_path / "broken.html"
    broken.write_text(text)
    with visit(chromium_browser, broken.as_uri()) as seen:
        assert "Inside an LLM" in seen.page.title()


def open_all(page: Page) -> None:
    page.evaluate("() => document.querySelectorAll('details').forEach(box => (box.open = true))")


def ink(page: Page) -> str:
    return page.evaluate("() => getComputedStyle(document.querySelector('.llm-figure text')).fill")
