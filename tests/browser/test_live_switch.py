"""The view of the six switches as readers meet it: its numbers are Python's, by mouse and keys."""

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

from llm.llama import SWITCHES
from llm.views import SwitchView
from llm.views.switch_view import costs, measured

pytestmark = pytest.mark.browser

HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("switch")
    html = SwitchView().html()
    link = '<p><a href="#switch?size=gpt2&amp;on=heads,norm&amp;shown=1">see</a></p>'
    gap = '<div style="height:90rem"></div>'
    (folder / "one.html").write_text(f"{HEAD}<title>one</title><main>{html}</main>", "utf-8")
    (folder / "low.html").write_text(HEAD + link + gap + html, "utf-8")
    frame = f'<iframe sandbox="allow-scripts" title="view" srcdoc="{escape(HEAD + html)}"></iframe>'
    (folder / "framed.html").write_text(HEAD + frame, "utf-8")
    return folder


@pytest.fixture
def page(chromium_browser: Browser, folder: Path) -> Iterator[Page]:
    with visit(chromium_browser, (folder / "one.html").as_uri()) as seen:
        yield seen.page
        assert not console_faults(seen) and not view_faults(seen.page)


def rows(page) -> list[list[str]]:
    """The figures that are shown."""
    found = page.locator(".llm-switch-figures tbody tr").all()
    return [[cell.inner_text() for cell in row.locator("td").all()] for row in found]


def number(text: str) -> float:
    return float(text.replace(",", "").replace("−", "-").replace("±", ""))


def turn(page, name: str) -> None:
    page.locator(".llm-examples").get_by_role("button", name=name, exact=True).click()


@pytest.mark.parametrize("size", ["small", "llama2_70b"])
@pytest.mark.parametrize("on", [("heads",), ("norm", "biases", "tying"), tuple(SWITCHES)])
def test_the_figures_are_those_of_python(page, size, on):
    page.evaluate(f"location.hash = 'switch?size={size}&on={','.join(on)}&shown=1'")
    settle(page)
    expected = [*zip(costs(size, ()), costs(size, on), strict=True)]
    found = rows(page)
    for (_, gpt, yours, change), (before, now) in zip(found[:3], expected, strict=True):
        assert (number(gpt), number(yours), number(change)) == (before, now, now - before)
    loss = measured(size, on)
    assert found[3][2] == ("not measured" if loss is None else f"{loss:.3f}")
    assert page.locator(".llm-switch-lines ins").count() == len(on)


def test_a_guess_before_the_figures(page):
    turn(page, "heads")
    assert [row[2:] for row in rows(page)] == [["?", "?"]] * 4
    asked = page.locator(".llm-predict")
    assert "How many bytes does the cache keep" in asked.inner_text()
    asked.get_by_role("button", name="as many").click()
    assert "No. K and V have fewer heads" in asked.inner_text()
    assert "Before: 768. Now: 384." in asked.inner_text()
    assert rows(page)[2][1:] == ["768", "384", "−384"]
    assert asked.locator("button:disabled").count() == 3
    turn(page, "heads")
    assert "back to GPT's" in asked.inner_text()
    page.get_by_role("button", name="Show without a guess").click()
    assert rows(page)[2][3] == "±0" and not asked.is_visible()


def test_the_loss_is_asked_against_chance(page):
    turn(page, "tying")
    asked = page.locator(".llm-predict")
    asked.get_by_role("button", name="lower").click()
    assert asked.inner_text().count("Yes.") == 1
    page.locator("label", has_text="Llama 2 70B").click()
    turn(page, "positions")
    assert "How many parameters" in asked.inner_text()


def test_both_ends_by_keys(page):
    page.get_by_role("button", name="All on: LLaMA").press("Enter")
    pressed = page.locator("[aria-pressed=true]").all_inner_texts()
    assert pressed == list(SWITCHES) and rows(page)[0][2] == f"{costs('small', SWITCHES)[0]:,}"
    page.get_by_role("button", name="All off: GPT").press(" ")
    assert page.locator(".llm-switch-lines ins").count() == 0


def test_the_address_sets_the_view_and_the_view_the_address(chromium_browser, folder):
    with visit(chromium_browser, (folder / "low.html").as_uri()) as seen:
        page = seen.page
        page.get_by_role("link", name="see").click()
        settle(page)
        assert page.locator("[aria-pressed=true]").all_inner_texts() == ["norm", "heads"]
        assert "q: 12 heads, k and v: 6 heads of 64" in page.locator("ins").nth(1).inner_text()
        turn(page, "biases")
        page.wait_for_function("() => location.hash.includes('biases')")
        assert re.search(r"size=gpt2&on=norm%2Cheads%2Cbiases&shown=0", page.url)
        page.get_by_role("button", name="Back to the text").click()
        assert not console_faults(seen)


@pytest.mark.parametrize("query", ["size=x&on=a,b&shown=maybe", "on=%00&size=", "shown=0"])
def test_nonsense_in_the_address_does_no_harm(chromium_browser, folder, query):
    url = (folder / "one.html").as_uri() + "#switch?" + query
    with visit(chromium_browser, url) as seen:
        assert len(rows(seen.page)) == 4 and not console_faults(seen)


@pytest.mark.parametrize(
    ("width", "mode"), [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")]
)
def test_everyone_can_use_it(chromium_browser, folder, width, mode):
    url = (folder / "one.html").as_uri() + "#switch?on=heads,tying&shown=0"
    with visit(chromium_browser, url, width, mode) as seen:
        page = seen.page
        turn(page, "norm")
        page.locator(".llm-predict button").first.click()
        settle(page)
        faults = axe_faults(page) + keyboard_faults(page) + network_faults(seen)
        assert not faults and not sideways_scroll(page)


def test_it_works_in_a_frame_without_rights(chromium_browser, folder):
    with visit(chromium_browser, (folder / "framed.html").as_uri()) as seen:
        frame = seen.page.frame_locator("iframe")
        frame.get_by_role("button", name="All on: LLaMA").click()
        assert frame.locator(".llm-switch-lines ins").count() == 6
        assert not console_faults(seen)
