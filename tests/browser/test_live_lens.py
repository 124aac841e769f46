"""The lens view as readers meet it: its numbers are PyTorch's, by mouse, keys and touch."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
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

from llm.config import ModelConfig
from llm.model import Transformer
from llm.tokenization import CharTokenizer
from llm.views import LensView

pytestmark = pytest.mark.browser

HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'
HOSTILE = "</textarea><img src=x onerror=alert(1)> <b>Mia</b> \u202e 🦙"
SAYS = ".llm-lens-part:has(.llm-choices):not(:has(.llm-predict))"
STATUS = ".llm-lens-part .llm-controls + .llm-message"


def own() -> LensView:
    """Two layers with shared keys, LayerNorm and biases."""
    torch.manual_seed(1)
    sizes = {"max_seq_len": 16, "d_model": 8, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2}
    model = Transformer(ModelConfig(8, **sizes))
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.5)
    return LensView("hello", model, CharTokenizer("helo wrd"), name="own")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Pages: the view alone, with a link in prose before it, and with a model of one's own."""
    folder = tmp_path_factory.mktemp("lens")
    with pytest.MonkeyPatch.context() as patch:  # weights as on the site, exact
        patch.setenv("LLM_BOOK_BUILD", str(folder / "_shared"))
        html = LensView().html()
        (folder / "one.html").write_text(f"{HEAD}<title>one</title><main>{html}</main>", "utf-8")
        link = '<p><a href="#lens?token=38&amp;place=2.mid&amp;off=0.8">see</a></p>'
        (folder / "linked.html").write_text(HEAD + link + html, "utf-8")
        (folder / "own.html").write_text(HEAD + own().html(), "utf-8")
    return folder


@pytest.fixture
def page(chromium_browser: Browser, folder: Path) -> Iterator[Page]:
    """The page with one view, which must have had nothing to complain about in the end."""
    with visit(chromium_browser, (folder / "one.html").as_uri()) as seen:
        yield ready(seen.page)
        assert not console_faults(seen) and not view_faults(seen.page)


def ready(page):
    page.wait_for_selector(".llm-lens-view:not([hidden]) .llm-lens-cell")
    return page


def go(page: Page, **state) -> None:
    """Set the view by its address."""
    page.evaluate(
        "s => { location.hash = 'lens?' + new URLSearchParams({...s, once: Math.random()}); }",
        state,
    )
    settle(page)


def said(page, part: str) -> str:
    return re.sub("[\u2068\u2069]", "", page.locator(part).first.inner_text())


def rows_of(page: Page) -> list[list[str]]:
    """The table of the toolbar."""
    return page.evaluate(
        """() => {
            const button = document.querySelector(".llm-toolbar button");
            button.click();
            const rows = [...document.querySelectorAll(".llm-table tbody tr")]
                .map(row => [...row.cells].map(cell => cell.textContent));
            button.click();
            return rows;
        }"""
    )


def check_rows(rows: list[list[str]], view: LensView, word: int) -> None:
    """Lens and shares of the table against PyTorch."""
    n = len(view.places)
    chances = [x[view.token].softmax(-1) for x in view._lens_rows]
    assert [float(row[2]) for row in rows[:n]] == pytest.approx(
        [float(c.max()) for c in chances], abs=0.002
    )
    brought = view._brought(word)
    shares = {row[0]: float(row[2]) for row in rows[n + 1 :]}
    assert shares == pytest.approx(brought, abs=0.01)
    logit = float(view._lens_rows[-1][view.token, word])
    assert sum(shares.values()) == pytest.approx(logit, abs=0.02)


@pytest.mark.parametrize(("token", "off"), [(-1, []), (38, ["2.4"]), (41, ["0.8", "0.10", "2.4"])])
def test_the_numbers_are_those_of_pytorch(page, token, off):
    go(page, token=token, word="Tom", off=",".join(off))
    view = LensView(token=token, off=off)
    check_rows(rows_of(page), view, view.models[0].tokenizer.encode(" Tom")[0])


def test_a_model_of_one_s_own_with_biases_and_shared_keys(chromium_browser, folder):
    with visit(chromium_browser, (folder / "own.html").as_uri()) as seen:
        page = ready(seen.page)
        view = own()
        check_rows(rows_of(page), view, int(view._lens_rows[-1][-1].argmax()))
        go(page, off="1.2,0.3")
        word = int(view._lens_rows[-1][-1].argmax())  # the word of the whole model
        silent = own()
        silent.off = ["1.2", "0.3"]
        check_rows(rows_of(page), silent, word)
        assert not console_faults(seen)


def test_a_prediction_comes_before_the_answer(page):
    assert "With all heads, the model says Tom" in said(page, STATUS)
    page.locator(".llm-lens-share", has_text=re.compile(r"^\s*2\.4")).click()
    assert "Which word then comes first after “?”?" in said(page, ".llm-predict")
    page.locator(".llm-predict button", has_text="still").click()
    assert "You said still Tom. It is Bilal." in said(page, ".llm-predict")
    assert "Without 2.4: Bilal with 22.5 %." in said(page, STATUS)
    assert page.locator(".llm-lens-share.llm-off").count() == 1
    page.get_by_role("button", name="Switch on head 2.4").click()
    assert "With all heads" in said(page, STATUS)


def test_squares_and_words_by_keys(page):
    page.locator(".llm-lens-list [tabindex='0']").focus()
    page.keyboard.press("Home")
    here = page.locator(".llm-lens-list [aria-selected=true]")
    assert re.sub("[\u2068\u2069]", "", here.get_attribute("aria-label")).startswith(
        "begin, after embedding"
    )
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert "At Once, after 0 attention" in said(page, SAYS)
    here.press("End")
    page.locator(f"{SAYS} button").nth(1).press("Enter")
    pressed = page.locator(f"{SAYS} button[aria-pressed=true]")
    assert pressed.count() == 1 and pressed.evaluate("b => b === document.activeElement")
    page.locator(".llm-lens-heads [tabindex='0']").focus()
    page.keyboard.press("End")
    page.get_by_role("button", name="Switch off head 3.11").press("Enter")
    page.wait_for_function("() => location.hash.includes('off=3.11')")


def test_a_link_sets_the_view(chromium_browser, folder):
    with visit(chromium_browser, (folder / "linked.html").as_uri()) as seen:
        page = ready(seen.page)
        page.get_by_role("link", name="see").click()
        settle(page)
        assert "At Tom, after 2 attention" in said(page, SAYS)
        assert "Without 0.8" in said(page, STATUS)
        assert not console_faults(seen)


@pytest.mark.parametrize("hash_", ["token=x&place=9.mid&off=a,9.9", "word=%00&token=99999&head=7"])
def test_nonsense_in_the_address_does_no_harm(chromium_browser, folder, hash_):
    with visit(chromium_browser, (folder / "one.html").as_uri() + "#lens?" + hash_) as seen:
        assert len(rows_of(ready(seen.page))) == 9 + 1 + 1 + 48 + 4 and not console_faults(seen)


def test_hostile_and_empty_text(page):
    page.locator("textarea").fill(HOSTILE)
    settle(page)
    assert page.locator(".llm-view img").count() == 0
    page.locator("textarea").fill("")
    settle(page)
    assert page.locator(".llm-lens-cell").count() == 9  # the begin token alone


@pytest.mark.parametrize(
    ("width", "mode"), [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")]
)
def test_everyone_can_use_it(chromium_browser, folder, width, mode):
    url = (folder / "one.html").as_uri() + "#lens?place=2.mid&off=2.4"
    with visit(chromium_browser, url, width, mode) as seen:
        page = ready(seen.page)
        settle(page)
        faults = axe_faults(page) + keyboard_faults(page) + network_faults(seen)
        assert not faults and not sideways_scroll(page)
