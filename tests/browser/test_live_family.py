"""The view of three families as readers meet it: by mouse, keys and address."""

import random
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

from llm.views import FamilyView

pytestmark = pytest.mark.browser

HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'
HOSTILE = "</script><img src=x onerror=alert(1)> b"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Pages: alone, hostile, with a link in prose before, in a frame without rights."""
    folder = tmp_path_factory.mktemp("family")
    FamilyView().save_page(folder / "one.html")
    hostile = FamilyView(HOSTILE, 0, HOSTILE, HOSTILE, shown=True)
    hostile.save_page(folder / "hostile.html")
    html = FamilyView().html()
    link = '<p><a href="#family?family=both&amp;query=6&amp;shown=1">two stacks</a></p>'
    page = HEAD + link + '<div style="height:90rem"></div>' + html + html
    (folder / "twice.html").write_text(page, "utf-8")
    frame = f'<iframe sandbox="allow-scripts" title="v" srcdoc="{escape(HEAD + html)}"></iframe>'
    (folder / "framed.html").write_text(HEAD + frame, "utf-8")
    return folder


@pytest.fixture
def page(chromium_browser: Browser, folder: Path) -> Iterator[Page]:
    """The page with one view, which must have had nothing to complain about in the end."""
    with visit(chromium_browser, (folder / "one.html").as_uri()) as seen:
        seen.page.wait_for_selector(".llm-view[data-state=ready]")
        yield seen.page
        assert not network_faults(seen) and not view_faults(seen.page)
        assert not console_faults(seen)


def go(page: Page, **state) -> None:
    page.evaluate(
        "state => { location.hash = 'family?' + new URLSearchParams(state); }",
        {**state, "once": random.random()},
    )
    settle(page)


def said(page: Page, where: str = ".llm-family .llm-message >> nth=-1") -> str:
    return re.sub("[\u2068\u2069]", "", page.locator(where).inner_text())


def test_every_token_of_every_family_sees_what_python_says(page):
    for family, table in FamilyView().tables.items():
        for query, row in enumerate(table["mask"]):
            go(page, family=family, query=query, shown=1)
            options = page.locator(".llm-family-token").all()
            drawn = ["llm-sees" in (each.get_attribute("class") or "") for each in options]
            assert drawn == [bool(seen) for seen in row]
            told = said(page)
            assert f"sees {sum(row)} of {len(row)} tokens" in told
            asked = table["asked"][query]
            assert (f"trained to predict {asked}." in told) == bool(asked)
    squares = page.locator(".llm-family-grid .llm-open").count()
    assert squares == sum(map(sum, table["mask"]))


def test_a_guess_comes_before_the_answer(page):
    go(page, family="decoder", query=3)
    assert page.locator(".llm-sees, .llm-family-grid:visible").count() == 0
    assert "how many may a see" in said(page, ".llm-predict > p")
    page.locator(".llm-predict button", has_text=re.compile("^9$")).click()
    assert said(page).startswith("No, 4. a sees 4 of 10 tokens: Once there was a.")
    assert "trained to predict queen" in said(page)
    assert page.locator(".llm-predict").is_hidden()


def test_tokens_and_families_by_keys(page):
    go(page, family="encoder", query=4, shown=1)
    page.locator(".llm-family-tokens [tabindex='0']").focus()
    page.keyboard.press("Home")
    assert said(page).startswith("Once sees 10 of 10")
    page.keyboard.press("ArrowRight")
    assert said(page).startswith("there sees")
    page.locator("input[value=encoder]").focus()
    page.keyboard.press("ArrowDown")
    assert said(page).startswith("a sees 4 of 10")
    page.wait_for_function("() => location.hash.includes('family=decoder')")


def test_a_touch_chooses(chromium_browser, folder):
    with visit(chromium_browser, (folder / "one.html").as_uri() + "#family?shown=1", 360) as seen:
        seen.page.locator("label", has_text="a source and a target").click()
        seen.page.locator(".llm-family-token", has_text="drei").click()
        assert said(seen.page).startswith("drei sees 6 of 10 tokens")


def test_a_link_in_the_text_sets_the_view(chromium_browser, folder):
    with visit(chromium_browser, (folder / "twice.html").as_uri()) as seen:
        seen.page.get_by_role("link", name="two stacks").click()
        settle(seen.page)
        assert said(seen.page, ".llm-message >> nth=1").startswith("hundert sees 7 of 10")
        assert not console_faults(seen)


@pytest.mark.parametrize("hash_", ["family=x&query=99", "query=-1&shown=z", "query=%00"])
def test_nonsense_in_the_address_does_no_harm(chromium_browser, folder, hash_):
    with visit(chromium_browser, (folder / "one.html").as_uri() + "#family?" + hash_) as seen:
        seen.page.wait_for_selector(".llm-view[data-state=ready]")
        assert seen.page.locator(".llm-family-token[aria-selected=true]").count() == 1
        assert not console_faults(seen)


def test_the_table_says_it_all(page):
    page.get_by_role("button", name="As table").click()
    assert page.locator(".llm-table tbody tr").count() == 10


def test_hostile_text_stays_text(chromium_browser, folder):
    with visit(chromium_browser, (folder / "hostile.html").as_uri()) as seen:
        seen.page.wait_for_selector(".llm-view[data-state=ready]")
        assert seen.page.locator(".llm-view img").count() == 0
        assert not console_faults(seen)


@pytest.mark.parametrize(
    ("width", "mode"), [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")]
)
@pytest.mark.parametrize("state", ["shown=0", "family=both&shown=1"])
def test_everyone_can_use_it(chromium_browser, folder, width, mode, state):
    url = (folder / "one.html").as_uri() + "#family?" + state
    with visit(chromium_browser, url, width, mode) as seen:
        settle(seen.page)
        faults = axe_faults(seen.page) + keyboard_faults(seen.page) + network_faults(seen)
        assert not faults and not sideways_scroll(seen.page)


def test_it_works_in_a_frame_without_rights(chromium_browser, folder):
    with visit(chromium_browser, (folder / "framed.html").as_uri()) as seen:
        frame = seen.page.frame_locator("iframe")
        frame.locator(".llm-family-token").nth(2).click()
        assert frame.locator(".llm-predict button").count() > 2
        assert not console_faults(seen)
