"""The cache view as readers meet it: its numbers are Python's, by mouse and keys."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tools import (
    axe_faults,
    console_faults,
    keyboard_faults,
    network_faults,
    settle,
    sideways_scroll,
    view_faults,
    visit,
)

from llm.views import CacheView

pytestmark = pytest.mark.browser

HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:  # weights as on the site, exact
        patch.setenv("LLM_BOOK_BUILD", str(folder / "_shared"))
        html = f"{HEAD}<title>one</title><main>{CacheView().html()}</main>"
        (folder / "one.html").write_text(html, "utf-8")
    return folder


@pytest.fixture
def page(chromium_browser: Browser, folder: Path) -> Iterator[Page]:
    with visit(chromium_browser, (folder / "one.html").as_uri()) as seen:
        yield ready(seen.page)
        assert not console_faults(seen) and not view_faults(seen.page)


def ready(page: Page) -> Page:
    page.wait_for_selector(".llm-cache-view:not([hidden]) .llm-cache-next")
    return page


def rows_of(page: Page) -> list[list[str]]:
    return page.evaluate(
        """() => {
            document.querySelector(".llm-toolbar button").click();
            return [...document.querySelectorAll(".llm-frame .llm-table tbody tr")]
                .map(row => [...row.cells].map(cell => cell.textContent));
        }"""
    )


@pytest.mark.parametrize("model", ["storyteller", "gpt-storyteller"])
def test_the_numbers_are_those_of_python(page, model):
    page.evaluate(f"location.hash = 'cache?model={model}'")
    settle(page)
    ready(page)
    expected = CacheView(model=model)._rows
    rows = rows_of(page)
    assert len(rows) == len(expected)
    for row, right in zip(rows, expected, strict=True):
        assert [int(cell) for cell in [row[0], *row[2:]]] == [right[0], *right[2:]]
        assert row[1].strip("␣") == right[1].strip() or right[1].startswith("<|")


def test_a_guess_comes_before_the_work(page):
    for _ in range(3):
        page.get_by_role("button", name="Next").click()
    assert page.locator(".llm-cache-read").count() == 1
    assert page.locator(".llm-cache-bar").count() == 0
    page.locator(".llm-predict button").nth(1).click()
    assert page.locator(".llm-cache-bar").count() == 2
    page.wait_for_function("() => location.hash.includes('step=3')")


def test_hostile_and_empty_texts(page):
    page.locator("textarea").fill("<img src=x onerror=alert(1)>")
    page.wait_for_timeout(600)
    assert page.locator(".llm-view img").count() == 0


@pytest.mark.parametrize(("width", "mode"), [(1280, "light"), (360, "dark")])
def test_everyone_can_use_it(chromium_browser, folder, width, mode):
    url = (folder / "one.html").as_uri() + "#cache?step=5"
    with visit(chromium_browser, url, width, mode) as seen:
        page = ready(seen.page)
        settle(page)
        faults = axe_faults(page) + keyboard_faults(page) + network_faults(seen)
        assert not faults and not sideways_scroll(page)
