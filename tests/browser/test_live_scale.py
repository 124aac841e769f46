"""The calculator as readers meet it: its numbers are those of `llm.scaling`, by mouse and keys."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tools import (
    axe_faults,
    console_faults,
    keyboard_faults,
    network_faults,
    set_mode,
    set_width,
    settle,
    sideways_scroll,
    view_faults,
    visit,
)

from llm.views import ScaleView
from llm.views.scale_view import shipped

pytestmark = pytest.mark.browser

HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The view alone, and below a link in prose, twice."""
    folder = tmp_path_factory.mktemp("scale")
    html = ScaleView().html()
    (folder / "one.html").write_text(f"{HEAD}<title>one</title><main>{html}</main>", "utf-8")
    link = '<p><a href="#scale?model=GPT-3&amp;wide=-1&amp;tokens=2048">see</a></p>'
    (folder / "twice.html").write_text(HEAD + link + html + html, "utf-8")
    return folder


@pytest.fixture
def page(chromium_browser: Browser, folder: Path) -> Iterator[Page]:
    """The page with one view, which must have had nothing to complain about in the end."""
    with visit(chromium_browser, (folder / "one.html").as_uri()) as seen:
        yield seen.page
        assert not console_faults(seen) and not view_faults(seen.page)
        assert not network_faults(seen)


def go(page: Page, **state) -> None:
    """Set the view by its address."""
    page.evaluate(
        "s => { location.hash = 'scale?' + new URLSearchParams({...s, once: Math.random()}); }",
        state,
    )
    settle(page)


def numbers(page: Page) -> list[int]:
    """The last column of the toolbar's table."""
    return page.evaluate(
        """() => {
            const button = document.querySelector(".llm-toolbar button");
            button.click();
            const rows = [...document.querySelectorAll(".llm-table tbody tr")]
                .map(row => Number(row.cells[2].textContent));
            button.click();
            return rows;
        }"""
    )


@pytest.mark.parametrize("model", shipped())
def test_the_numbers_are_those_of_the_module(page, model):
    for wide, deep, tokens in [(0, 0, 1024), (-2, 1, 1), (2, -1, 131072)]:
        go(page, model=model, wide=wide, deep=deep, tokens=tokens)
        view = ScaleView(model, wide=wide, deep=deep, tokens=tokens)
        assert numbers(page) == [number for _, _, number in view.rows()]


def test_a_guess_changes_the_model_and_is_answered(page):
    page.locator(".llm-predict button", has_text="2 times").click()
    assert "No. Both sides of each matrix doubled: 4.0 times" in page.inner_text(".llm-predict")
    assert numbers(page) == [n for _, _, n in ScaleView(wide=1).rows()]
    assert page.locator(".llm-predict .llm-right").inner_text() == "4 times as much"
    page.get_by_role("button", name="Another question").click()
    page.locator(".llm-predict button", has_text="2 times").click()
    assert "Right. Each query meets all keys: 2.0 times" in page.inner_text(".llm-predict")
    page.get_by_role("button", name="Another question").click()
    page.locator(".llm-predict button", has_text="as before").click()
    assert "No. A key is one row, not a matrix: 2.0 times" in page.inner_text(".llm-predict")


def test_at_the_end_of_a_slider_a_guess_starts_anew(page):
    go(page, wide=2)
    page.locator(".llm-predict button", has_text="4 times").click()
    assert "Right." in page.inner_text(".llm-predict")


def test_sliders_by_keys_and_models_by_mouse(page):
    page.locator("input[type=range]").first.focus()
    page.keyboard.press("ArrowRight")
    assert "192 numbers, 24 heads" in page.inner_text(".llm-body")
    page.locator("input[type=range]").last.focus()
    page.keyboard.press("End")
    assert "131,072 tokens" in page.inner_text(".llm-body")
    page.locator("label", has_text="GPT-3").click()
    assert "12,288 numbers, 96 heads" in page.inner_text(".llm-body")
    page.wait_for_function("() => location.hash.includes('model=GPT-3')")


def test_the_address_sets_the_view(chromium_browser, folder):
    with visit(chromium_browser, (folder / "twice.html").as_uri()) as seen:
        seen.page.get_by_role("link", name="see").click()
        settle(seen.page)
        expected = ScaleView("GPT-3", wide=-1, tokens=2048)
        assert numbers(seen.page) == [number for _, _, number in expected.rows()]
        assert not view_faults(seen.page) and not console_faults(seen)


@pytest.mark.parametrize("hash_", ["model=GPT-9&wide=99&deep=x&tokens=-3", "place=%00&wide="])
def test_nonsense_in_the_address_does_no_harm(chromium_browser, folder, hash_):
    with visit(chromium_browser, (folder / "one.html").as_uri() + "#scale?" + hash_) as seen:
        assert len(numbers(seen.page)) == 13 and not console_faults(seen)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 1280])
def test_every_width_and_both_modes(page, width, mode):
    set_mode(page, mode)
    set_width(page, width)
    assert not sideways_scroll(page) and not axe_faults(page)


def test_all_by_keyboard(page):
    assert not keyboard_faults(page)
