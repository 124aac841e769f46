"""The output view as readers meet it: its numbers are PyTorch's, by mouse, keys and touch."""

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from urllib.parse import urlencode

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
from llm.data import stories
from llm.model import Transformer
from llm.pretrained import load
from llm.tokenization import CharTokenizer
from llm.views import OutputView
from llm.views.output_view import EXAMPLES

pytestmark = pytest.mark.browser

HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'
HOSTILE = "</textarea><img src=x onerror=alert(1)> <b>Mia</b> \u202e 🦙"
MODEL, TOKENIZER = load("storyteller")
SETTINGS = [
    {"temperature": 1},
    {"temperature": 0.5},
    {"temperature": 2, "top_k": 5},
    {"temperature": 1, "top_p": 0.6},
    {"temperature": 1.5, "top_k": 20, "top_p": 0.9, "min_p": 0.2},
    {"temperature": 0},
]


def own() -> OutputView:
    """One layer on characters, without truth."""
    torch.manual_seed(1)
    model = Transformer(ModelConfig(8, max_seq_len=16, d_model=8, n_layers=1, n_heads=1))
    return OutputView("hello", model, CharTokenizer("helo wrd"), name="own", anchor="own")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Pages: alone, twice with a link in prose before, in a frame without rights, another model."""
    folder = tmp_path_factory.mktemp("output")
    with pytest.MonkeyPatch.context() as patch:  # weights as on the site, exact
        patch.setenv("LLM_BOOK_BUILD", str(folder / "_shared"))
        html = OutputView(temperature=0.5).html()
        (folder / "one.html").write_text(f"{HEAD}<title>one</title><main>{html}</main>", "utf-8")
        query = "prompt=Once+there+was+a&amp;temperature=0.5&amp;top_k=3&amp;shown=1"
        link = f'<p><a href="#output?{query}">see</a></p><div style="height:90rem"></div>'
        (folder / "twice.html").write_text(HEAD + link + html + html, "utf-8")
        (folder / "own.html").write_text(HEAD + own().html(), "utf-8")
    inline = escape(HEAD + OutputView().html(), quote=True)
    frame = f'<iframe sandbox="allow-scripts" title="view" height="900" srcdoc="{inline}"></iframe>'
    (folder / "framed.html").write_text(HEAD + frame, "utf-8")
    return folder


@pytest.fixture
def page(chromium_browser: Browser, folder: Path) -> Iterator[Page]:
    """The page with one view, which must have had nothing to complain about in the end."""
    with visit(chromium_browser, (folder / "one.html").as_uri()) as seen:
        yield ready(seen.page)
        assert not console_faults(seen) and not view_faults(seen.page)
        assert not network_faults(seen)


def ready(page: Page) -> Page:
    """Wait until the model is there."""
    page.wait_for_selector(".llm-output:not([hidden]) .llm-draw-row")
    return page


def go(page: Page, **state) -> None:
    """Set the view by its address."""
    query = urlencode(
        {"top_k": 0, "top_p": 1, "min_p": 0, "seed": 0, "word": "", "shown": 1} | state
    )
    page.evaluate("hash => { location.hash = hash; }", f"output?{query}")
    page.wait_for_function(
        "text => document.querySelector('textarea').value === text", arg=state["prompt"]
    )
    settle(page)


def said(page: Page, part: str) -> str:
    return re.sub("[\u2068\u2069]", "", page.locator(part).first.inner_text())


def table(page: Page) -> list[list[str]]:
    """The rows of “As table”."""
    page.get_by_role("button", name="As table").click()
    rows = page.evaluate(
        """() => [...document.querySelectorAll(".llm-table tbody tr")].map(
            (row) => [...row.cells].map((cell) => cell.textContent))"""
    )
    page.get_by_role("button", name="As table").click()
    return rows


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("name", ["animal", "owner"])
def test_numbers_are_pytorch_s(page, name, settings):
    prompt = EXAMPLES[name]
    go(page, prompt=prompt, **settings)
    view = OutputView(prompt, **settings)
    ids = torch.tensor([[TOKENIZER.special_tokens["<|begin|>"], *TOKENIZER.encode(prompt)]])
    with torch.no_grad():
        logits = MODEL.eval()(ids)[0, -1]
    chances, final = logits.softmax(-1), view._final(logits)
    truth = stories(2, seed=3).next_distribution(prompt)
    rows = table(page)
    assert len(rows) >= 24 if name == "animal" else len(rows) >= 1
    for word, number, logit, p, q, drawn, true in rows:
        i = int(number)
        assert word == TOKENIZER.decode([i]).strip() or i in TOKENIZER.special_tokens.values()
        assert float(logit) == pytest.approx(float(logits[i]), abs=1e-3)
        assert float(p) == pytest.approx(float(chances[i]), abs=1e-4)
        assert float(q) == pytest.approx(float(final[i]), abs=1e-4)
        assert float(true) == pytest.approx(truth.get(word, 0.0), abs=1e-9)
        spread = (float(final[i]) * (1 - float(final[i])) / 1000) ** 0.5
        assert abs(int(drawn) / 1000 - float(final[i])) <= 5 * spread + 2e-3


def test_it_asks_before_it_tells(page):
    question = said(page, ".llm-predict > p")
    assert question == "Predict. Temperature 0.5: of 1,000 draws, how many will be fox?"
    assert page.locator(".llm-chain dd").all_inner_texts()[2:] == ["?"] * 3
    assert page.locator(".llm-openness tbody tr").count() == 2
    page.get_by_label("Your guess").fill("700")
    page.get_by_role("button", name="Draw 1,000").click()
    found = re.fullmatch(
        r"Close: you said 700\. (\d+) of 1,000 were fox, whose chance is 68\.7 %\.",
        said(page, ".llm-predict .llm-message"),
    )
    assert 640 < int(found[1]) < 740
    assert page.locator(".llm-draw-row .llm-drawn").first.inner_text() == found[1]
    assert page.evaluate("() => document.activeElement.textContent") == "Hide, and guess again"
    assert page.locator(".llm-openness tbody tr").count() == 4
    drawn = [int(n) for n in page.locator(".llm-draw-row .llm-drawn").all_inner_texts()]
    rest = int(re.search(r"Drawn: (\d+)\.", said(page, ".llm-output .llm-legend >> nth=1"))[1])
    assert sum(drawn) + rest == 1000


def test_another_setting_draws_anew_and_a_guess_counts_only_for_its_own(page):
    page.get_by_label("Your guess").fill("100")
    page.get_by_role("button", name="Draw 1,000").click()
    assert said(page, ".llm-predict .llm-message").startswith("You said 100.")
    page.get_by_role("slider", name="Temperature").fill("20")
    verdict = said(page, ".llm-predict .llm-message")
    assert re.fullmatch(r"\d+ of 1,000 were fox, whose chance is 7\.13 %\.", verdict)
    before = page.locator(".llm-draw-row .llm-drawn").all_inner_texts()
    page.get_by_role("button", name="Draw again").click()
    assert page.locator(".llm-draw-row .llm-drawn").all_inner_texts() != before
    assert said(page, ".llm-sampler .llm-controls .llm-place") == "seed 1"
    page.get_by_role("button", name="As trained").click()
    assert said(page, ".llm-predict > p") == "As trained: 1,000 draws"
    page.get_by_role("button", name="Hide, and guess again").click()
    assert page.evaluate("() => document.activeElement.type") == "range"


def test_openness_by_hand(page):
    go(page, prompt=EXAMPLES["animal"], temperature=1, top_k=1)
    rows = page.locator(".llm-openness tbody tr").all_inner_texts()
    cells = [row.split("\t") for row in rows]
    assert cells[0] == ["The truth", "24", "2.91", "18.4"]  # 1/4 and 23 times 3/92
    assert cells[3] == ["After the filters", "1", "0.00", "1.0"]


def test_filters_say_what_they_cut(page):
    go(page, prompt=EXAMPLES["animal"], temperature=1, top_k=10, top_p=0.8, min_p=0.2)
    marks = page.locator(".llm-draw-row .llm-number:not(.llm-drawn)").all_inner_texts()
    assert marks[0].endswith("%") and marks[1] == "Min-p" and set(marks[10:]) == {"Top-k"}
    assert "Top-p" in marks
    page.locator(".llm-draw-row").nth(11).click()
    assert page.locator(".llm-chain dd").nth(3).inner_text() == "0, cut by Top-k"


def test_keyboard_follows_a_word(page):
    go(page, prompt=EXAMPLES["seat"], temperature=1)
    page.locator(".llm-draw-row[aria-selected=true]").focus()
    page.keyboard.press("ArrowDown")
    word = page.evaluate(
        "() => document.activeElement.querySelector('.llm-next-label').textContent"
    )
    assert said(page, ".llm-ruled .llm-subtitle") == f"The way of {word}"
    page.wait_for_function("word => location.hash.includes('word=' + word)", arg=word)
    assert not keyboard_faults(page)


def test_examples_and_what_has_no_truth(page):
    page.get_by_role("button", name="the brown fox").click()
    assert page.locator("textarea").input_value() == EXAMPLES["fox"]
    assert page.locator(".llm-openness tbody tr").first.inner_text().split("\t")[1] == "2"
    page.locator("textarea").fill("Once there was a dragon")
    assert "No story goes on with dragon" in said(page, ".llm-notice")
    assert page.locator(".llm-hollow").count() == 0
    page.locator("textarea").fill("")
    assert page.locator(".llm-draw-row").first.is_visible()  # what begins a story
    assert said(page, ".llm-draw-row .llm-next-label") == "Once"


def test_hostile_text_stays_text(page):
    page.locator("textarea").fill(HOSTILE)
    settle(page)
    go(page, prompt=HOSTILE, word="<img src=x>")
    assert page.locator("img, b").count() == 0


@pytest.mark.parametrize(
    "state",
    [
        {"temperature": "x", "top_k": -1, "top_p": 9, "min_p": "NaN", "seed": 1e9, "shown": 7},
        {"temperature": -5, "min_p": 99, "word": "nobody"},
        {"top_p": 0},
    ],
    ids=str,
)
def test_any_address_gives_a_sound_view(page, state):
    go(page, prompt="Once there was a", **state)
    assert page.locator(".llm-draw-row").count() == 12
    assert "NaN" not in page.locator("body").inner_text()


def test_twice_on_a_page_and_set_by_a_link(chromium_browser, folder):
    with visit(chromium_browser, (folder / "twice.html").as_uri()) as seen:
        seen.page.get_by_role("link", name="see").click()
        ready(seen.page)
        first, second = seen.page.locator(".llm-view").all()
        first.get_by_text("Top-k 3").wait_for()
        assert first.locator("textarea").input_value() == "Once there was a"
        assert second.locator("textarea").input_value() == EXAMPLES["animal"]
        assert first.get_by_role("button", name="Back to the text").is_visible()
        assert not console_faults(seen) and not view_faults(seen.page)


def test_in_a_frame_without_rights(chromium_browser, folder):
    with visit(chromium_browser, (folder / "framed.html").as_uri()) as seen:
        frame = seen.page.frame_locator("iframe")
        frame.locator(".llm-draw-row").first.wait_for()
        frame.get_by_role("button", name="Draw 1,000").click()
        assert frame.locator(".llm-drawn").first.inner_text() != ""
        assert not console_faults(seen)


def test_another_model(chromium_browser, folder):
    with visit(chromium_browser, (folder / "own.html").as_uri()) as seen:
        page = ready(seen.page)
        assert page.locator(".llm-draw-row").count() == 8
        assert page.locator(".llm-openness tbody tr").count() == 1
        page.locator("textarea").fill("xyz")
        assert "Not in its alphabet" in said(page, ".llm-notice")
        assert not page.locator(".llm-output").is_visible()
        assert not console_faults(seen)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_accessible_at_every_width(chromium_browser, folder, mode, width):
    url = (folder / "one.html").as_uri()
    with visit(chromium_browser, url, width=width, mode=mode) as seen:
        page = ready(seen.page)
        assert not axe_faults(page) and not sideways_scroll(page)
        page.get_by_role("button", name="Draw 1,000").click()
        assert not axe_faults(page) and not sideways_scroll(page)


def test_draws_fall_one_after_the_other_where_motion_is_welcome(chromium_browser, folder):
    context = chromium_browser.new_context(reduced_motion="no-preference")
    page = context.new_page()
    page.goto((folder / "one.html").as_uri())
    ready(page)
    page.evaluate(
        """() => {
            globalThis.seen = new Set();
            const cell = () => document.querySelector(".llm-drawn").textContent;
            const look = () => { seen.add(cell()); requestAnimationFrame(look); };
            look();
        }"""
    )
    page.get_by_role("button", name="Draw 1,000").click()
    page.wait_for_function("() => seen.size > 10")
    page.wait_for_timeout(1500)
    total = page.evaluate("() => Number(document.querySelector('.llm-drawn').textContent)")
    assert 640 < total < 740
    context.close()
