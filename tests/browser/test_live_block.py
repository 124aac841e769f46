"""The block view as readers meet it: its numbers are PyTorch's, by mouse, keys and touch."""

import re
from collections.abc import Iterator
from html import escape
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
from llm.views import BlockView
from llm.views.block_view import EXAMPLES
from llm.views.tokenizer_view import visible

pytestmark = pytest.mark.browser

HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'
HOSTILE = "</textarea><img src=x onerror=alert(1)> <b>Mia</b> \u202e\x07 🦙"
FOUND, PRONOUN = EXAMPLES[1], EXAMPLES[2]


def own(norm_position: str) -> BlockView:
    """Two layers on characters, without a begin token, norms before or after."""
    torch.manual_seed(1)
    sizes = {"max_seq_len": 16, "d_model": 8, "n_layers": 2, "n_heads": 2}
    model = Transformer(ModelConfig(8, norm_position=norm_position, **sizes))
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.5)
    return BlockView("hello", model, CharTokenizer("helo wrd"), name=norm_position)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Pages: alone, twice with a link in prose before, in a frame without rights, other models."""
    folder = tmp_path_factory.mktemp("block")
    with pytest.MonkeyPatch.context() as patch:  # weights as on the site, exact
        patch.setenv("LLM_BOOK_BUILD", str(folder / "_shared"))
        html = BlockView().html()
        (folder / "one.html").write_text(f"{HEAD}<title>one</title><main>{html}</main>", "utf-8")
        query = "prompt=Once+there+was+a&amp;token=2&amp;block=1&amp;without=0.ffn"
        link = f'<p><a href="#block?{query}">see</a></p><div style="height:90rem"></div>'
        (folder / "twice.html").write_text(HEAD + link + html + html, "utf-8")
        low = f'<div style="height: 200rem"></div>{html}'
        (folder / "low.html").write_text(HEAD + low, "utf-8")
        for place in ("pre", "post"):
            (folder / f"{place}.html").write_text(HEAD + own(place).html(), "utf-8")
    inline = escape(HEAD + BlockView(model="draft").html(), quote=True)
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
    """Wait until the model is there."""
    page.wait_for_selector(".llm-block-view:not([hidden]) .llm-sum [role=option]")
    return page


def go(page: Page, **state) -> None:
    """Set the view by its address."""
    page.evaluate(
        "s => { location.hash = 'block?' + new URLSearchParams({...s, once: Math.random()}); }",
        state,
    )
    settle(page)
    ready(page)


def said(page, part: str) -> str:
    return re.sub("[\u2068\u2069]", "", page.locator(part).first.inner_text())


TELL, STATUS = ".llm-tell", ".llm-column > .llm-controls + .llm-message"


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


def check_rows(rows: list[list[str]], view: BlockView) -> None:
    """Every row of the table against PyTorch."""
    expected = view._rows()
    assert len(rows) == len(expected)
    for row, (_, added, stream, cosine, word, p) in zip(rows, expected, strict=True):
        numbers = [float(row[1]), float(row[2]), float(row[3] or 0), float(row[6])]
        assert numbers == pytest.approx([added, stream, cosine or 0, p], rel=2e-3, abs=0.006)
        shown = re.sub(r"^<\||\|>$|^␣(?=.)", "", visible(word))
        assert row[5] == shown or p < 0.02


@pytest.mark.parametrize(
    ("text", "token", "without"),
    [(EXAMPLES[0], -1, ()), (EXAMPLES[0], 31, ("2.ffn",)), (PRONOUN, 3, ("0.attention", "3.ffn"))],
)
def test_the_numbers_are_those_of_pytorch(page, text, token, without):
    go(page, prompt=text, token=token, without=",".join(without))
    check_rows(rows_of(page), BlockView(text, token=token, without=without))


def test_what_the_parts_bring_adds_up_to_the_logit(page):
    for state in ({}, {"token": 12, "word": "Mia"}, {"without": "2.attention"}):
        go(page, **{"prompt": EXAMPLES[0], "token": -1, "word": "", "without": ""} | state)
        view = BlockView(
            without=[n for n in [state.get("without")] if n], token=state.get("token", -1)
        )
        tokenizer, model = view.models[0].tokenizer, view.models[0].model
        with torch.no_grad():
            last = view._acts["blocks.3.residual_post"]
            logits = model.lm_head(model.final_norm(last))
        word = state.get("word") or "Yuki"
        brought = sum(float(row[4]) for row in rows_of(page))
        assert brought == pytest.approx(float(logits[tokenizer.encode(f" {word}")[0]]), abs=0.06)


@pytest.mark.parametrize("place", ["pre", "post"])
def test_a_model_of_the_reader_with_norms_before_or_after(chromium_browser, folder, place):
    with visit(chromium_browser, (folder / f"{place}.html").as_uri()) as seen:
        page = ready(seen.page)
        check_rows(rows_of(page), own(place))
        assert (rows_of(page)[1][4] == "") == (place == "post")
        assert ("no sum of parts" in said(page, TELL)) == (place == "post")
        page.locator("textarea").fill("hell🦙 x")
        settle(page)
        assert "Not in the vocabulary, and left out: 🦙, x." in said(page, ".llm-notice")
        page.locator("textarea").fill("")
        settle(page)
        assert "no token to look at" in said(page, ".llm-notice")
        assert not console_faults(seen)


def test_a_guess_then_the_part_goes_out_and_comes_back(page):
    go(page, block="1.attention")
    assert "With all parts, the model says Yuki with 100 %" in said(page, STATUS)
    page.locator(".llm-predict button", has_text="still").click()
    assert "You said still Yuki. It is Ravi." in said(page, ".llm-predict")
    assert "Without attention of block 1: Ravi with 98.8 %." in said(page, STATUS)
    assert page.locator(".llm-sum .llm-off").count() == 1
    page.get_by_role("button", name="Put back attention of block 1").click()
    assert "With all parts, the model says Yuki" in said(page, STATUS)
    page.get_by_role("button", name="Leave out attention of block 1").click()
    page.get_by_role("button", name="Put all back").click()
    assert page.locator(".llm-sum .llm-off").count() == 0


def test_the_other_model_is_loaded_when_it_is_chosen(page):
    page.locator("label", has_text="gpt-storyteller").click()
    page.wait_for_function(
        "() => /GELU/.test(document.querySelector('label:has(:checked)').innerText)"
    )
    ready(page)
    check_rows(rows_of(page), BlockView(model="gpt-storyteller"))


def test_tokens_parts_and_words_by_keys(page):
    page.locator(".llm-sum [tabindex='0']").focus()
    page.keyboard.press("Home")
    assert "from the table" in said(page, TELL)
    page.keyboard.press("ArrowDown")
    assert (
        page.locator(".llm-sum [aria-selected=true]")
        .get_attribute("aria-label")
        .startswith("Block 0: attention: adds 0.5")
    )
    page.locator(".llm-strip [tabindex='0']").focus()
    page.keyboard.press("Home")
    assert "The row of begin" in page.locator(".llm-block-view").inner_text().replace(
        "\u2068", ""
    ).replace("\u2069", "")
    page.keyboard.press("End")
    page.locator(".llm-next-word").nth(1).press("Enter")
    assert "Now: Yuki" not in said(page, ".llm-block-part:last-child")


def test_the_address_sets_the_view_and_the_view_the_address(chromium_browser, folder):
    with visit(chromium_browser, (folder / "twice.html").as_uri()) as seen:
        page = seen.page
        page.get_by_role("link", name="see").click()
        ready(page)
        assert (
            said(page, "textarea") == ""
            and page.locator("textarea").first.input_value() == "Once there was a"
        )
        assert "Block 1: attention" in said(page, ".llm-sum [aria-selected=true]")
        assert page.locator(".llm-sum .llm-off").count() >= 1
        page.locator(".llm-sum [role=option]").first.click()
        page.wait_for_function("() => location.hash.includes('block=embedding')")
        assert "without=0.ffn" in page.url and "token=2" in page.url
        page.get_by_role("button", name="Back to the text").first.click()
        assert not view_faults(page) and not console_faults(seen)


@pytest.mark.parametrize(
    "hash_", ["token=x&block=9.ffn&without=a,b&model=z", "block=%00&token=99999"]
)
def test_nonsense_in_the_address_does_no_harm(chromium_browser, folder, hash_):
    with visit(chromium_browser, (folder / "one.html").as_uri() + "#block?" + hash_) as seen:
        assert len(rows_of(ready(seen.page))) == 9 and not console_faults(seen)


def test_the_table_may_be_asked_for_before_the_model_is_there(chromium_browser, folder):
    """Out of sight, nothing is loaded; the table then says so."""
    with visit(chromium_browser, (folder / "low.html").as_uri()) as seen:
        seen.page.evaluate("document.querySelector('.llm-toolbar button').click()")
        assert "Loading the model" in seen.page.locator(".llm-table caption").text_content()
        assert not console_faults(seen)


def test_hostile_text_stays_text(page):
    page.locator("textarea").fill(HOSTILE)
    settle(page)
    assert page.locator(".llm-view img").count() == 0 and len(rows_of(page)) == 9
    assert "<img" in page.locator("textarea").input_value()


@pytest.mark.parametrize(
    ("width", "mode"), [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")]
)
def test_everyone_can_use_it(chromium_browser, folder, width, mode):
    url = (folder / "one.html").as_uri() + "#block?block=2.attention&without=2.attention"
    with visit(chromium_browser, url, width, mode) as seen:
        page = ready(seen.page)
        settle(page)
        faults = axe_faults(page) + keyboard_faults(page) + network_faults(seen)
        assert not faults and not sideways_scroll(page)


def test_it_works_in_a_frame_without_rights(chromium_browser, folder):
    with visit(chromium_browser, (folder / "framed.html").as_uri()) as seen:
        frame = seen.page.frame_locator("iframe")
        frame.locator(".llm-sum [role=option]").first.wait_for()
        frame.locator(".llm-sum [role=option]").first.click()
        assert "from the table" in frame.locator(TELL).inner_text()
        assert not console_faults(seen)
