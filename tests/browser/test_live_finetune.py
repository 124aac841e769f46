"""The fine-tuning view as readers meet it: its chances are PyTorch's, a guess comes before them."""

import re
from collections.abc import Iterator
from html import escape
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

from llm.views import FineTuneView
from llm.views.finetune_view import ASKS, EXAMPLES
from llm.views.tokenizer_view import visible

pytestmark = pytest.mark.browser

HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Pages: alone, with a link in prose before it, in a frame without rights."""
    folder = tmp_path_factory.mktemp("finetune")
    with pytest.MonkeyPatch.context() as patch:  # weights as on the site, exact
        patch.setenv("LLM_BOOK_BUILD", str(folder / "_shared"))
        html = FineTuneView().html()
        (folder / "one.html").write_text(f"{HEAD}<title>one</title><main>{html}</main>", "utf-8")
        link = '<p><a href="#finetune?ask=tell&amp;shown=1">see</a></p><hr style="margin:40rem">'
        (folder / "linked.html").write_text(HEAD + link + html, "utf-8")
    inline = escape(HEAD + FineTuneView().html(), quote=True)
    frame = f'<iframe sandbox="allow-scripts" title="view" height="900" srcdoc="{inline}"></iframe>'
    (folder / "framed.html").write_text(HEAD + frame, "utf-8")
    return folder


@pytest.fixture
def page(chromium_browser: Browser, folder: Path) -> Iterator[Page]:
    """The page with one view, which must have had nothing to complain about in the end."""
    with visit(chromium_browser, (folder / "one.html").as_uri()) as seen:
        yield ready(seen.page)
        assert not console_faults(seen) and not view_faults(seen.page)


def ready(page):
    page.wait_for_selector(".llm-tune:not([hidden]) .llm-predict button")
    return page


def rows_of(page: Page) -> list[list[str]]:
    """The table of the toolbar."""
    page.locator(".llm-toolbar button").first.click()
    rows = page.evaluate(
        """() => [...document.querySelectorAll(".llm-table tbody tr")]
            .map(row => [...row.cells].map(cell => cell.textContent))"""
    )
    page.locator(".llm-toolbar button").first.click()
    return rows


def go(page: Page, **state) -> None:
    page.evaluate(
        "s => { location.hash = 'finetune?' + new URLSearchParams({...s, once: Math.random()}); }",
        state,
    )
    settle(page)
    ready(page)


@pytest.mark.parametrize("story", [EXAMPLES[0], EXAMPLES[2]], ids=["whole", "begun"])
@pytest.mark.parametrize("ask", ASKS)
def test_the_chances_are_those_of_pytorch(page, ask, story):
    go(page, story=story, ask=ask, shown=1)
    expected = list(zip(*FineTuneView(story, ask).rows(), strict=True))
    for row, pairs in zip(rows_of(page), expected, strict=True):
        for word, p, (token, chance) in zip(row[::2], row[1::2], pairs, strict=True):
            assert float(p) == pytest.approx(chance, rel=2e-3, abs=2e-3)
            assert word == re.sub(r"^<\||\|>$|^␣(?=.)", "", visible(token)) or chance < 0.05


def test_a_guess_comes_before_the_answer_by_keys(page):
    assert not page.locator(".llm-tune-sides").is_visible()
    assert "hidden until you guess" in rows_of(page)[0][0]
    after = FineTuneView().rows()[1][0][0].strip()
    page.locator(".llm-predict button", has_text=re.compile(f"^{re.escape(after)}$")).focus()
    page.keyboard.press("Enter")
    settle(page)
    said = re.sub("[\u2068\u2069]", "", page.locator(".llm-predict").inner_text())
    assert f"You said {after}. The fine-tuned model says {after}" in said
    assert page.locator(".llm-tune-list li").count() == 10
    page.get_by_role("button", name="Hide, and guess again").click()
    assert not page.locator(".llm-tune-sides").is_visible()


def test_a_story_of_ones_own_by_mouse(page):
    page.get_by_role("button", name="Omar").click()
    assert "golden flute" in page.locator(".llm-tune-reading").inner_text()
    page.locator("textarea").fill("")
    settle(page)
    assert "There is no story" in page.locator(".llm-notice").inner_text()
    page.locator("textarea").fill("</textarea><img src=x onerror=alert(1)> " + "Mia " * 300)
    settle(page)
    assert page.locator(".llm-view img").count() == 0
    page.locator("label", has_text="go on telling").click()
    assert "read the story alone" in page.locator(".llm-tune-reading").inner_text()


def test_the_address_sets_the_view(chromium_browser, folder):
    with visit(chromium_browser, (folder / "linked.html").as_uri()) as seen:
        seen.page.get_by_role("link", name="see").click()
        ready(seen.page)
        assert seen.page.locator("input[value=tell]").is_checked()
        assert seen.page.locator(".llm-tune-sides").is_visible()
        seen.page.locator("label", has_text="Who found it?").click()
        seen.page.wait_for_function("() => location.hash.includes('ask=finder')")
        assert not console_faults(seen)
    url = (folder / "one.html").as_uri() + "#finetune?ask=constructor&shown=x&story=%00"
    with visit(chromium_browser, url) as seen:
        ready(seen.page)
        assert not console_faults(seen)


@pytest.mark.parametrize(("width", "mode"), [(1280, "light"), (360, "light"), (360, "dark")])
def test_everyone_can_use_it(chromium_browser, folder, width, mode):
    url = (folder / "one.html").as_uri() + "#finetune?shown=1"
    with visit(chromium_browser, url, width, mode) as seen:
        page = ready(seen.page)
        settle(page)
        faults = axe_faults(page) + keyboard_faults(page) + network_faults(seen)
        assert not faults and not sideways_scroll(page)


def test_it_works_in_a_frame_without_rights(chromium_browser, folder):
    with visit(chromium_browser, (folder / "framed.html").as_uri()) as seen:
        frame = seen.page.frame_locator("iframe")
        frame.locator(".llm-predict button").first.click()
        assert frame.locator(".llm-tune-list li").count() == 10
        assert not console_faults(seen)
