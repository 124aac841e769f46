"""The attention view as readers meet it: its numbers are PyTorch's, by mouse, keys and touch."""

import csv
import io
import math
import random
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from statistics import median
from xml.etree import ElementTree

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

from llm import load, trace
from llm.config import ModelConfig
from llm.data import stories
from llm.model import Transformer
from llm.tokenization import CharTokenizer
from llm.views import AttentionView
from llm.views.attention_trace import TracedText
from llm.views.attention_view import STORIES

pytestmark = pytest.mark.browser

HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'
STORYTELLER, TOKENIZER = load("storyteller")
HOSTILE = "</textarea><img src=x onerror=alert(1)> <b>Mia</b> \u202e\x07 🦙"
TEXTS = [STORIES[1], "The cat sat", "Once", stories(1, seed=5).documents[0], "🦙 naïve", "a\nb"]


def tiny() -> AttentionView:
    """One layer with one head, on characters, without a begin token."""
    torch.manual_seed(1)
    config = ModelConfig(8, max_seq_len=16, d_model=8, n_layers=1, n_heads=1, position="alibi")
    return AttentionView("hello", Transformer(config), CharTokenizer("helo wrd"), name="tiny")


def grouped() -> AttentionView:
    """Heads that share keys, learned positions, 40 features a head, a window."""
    torch.manual_seed(2)
    sizes = {"d_model": 80, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "head_dim": 40}
    config = ModelConfig(8, max_seq_len=16, position="learned", attention_window=3, **sizes)
    model, tokenizer = Transformer(config), CharTokenizer("helo wrd")
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    return AttentionView("hello world", model, tokenizer, name="grouped", anchor="grouped")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Pages: alone, twice with a link in prose before, in a frame without rights, other models."""
    folder = tmp_path_factory.mktemp("attention")
    with pytest.MonkeyPatch.context() as patch:  # weights as on the site, exact
        patch.setenv("LLM_BOOK_BUILD", str(folder / "_shared"))
        html = AttentionView().html()
        (folder / "one.html").write_text(f"{HEAD}<title>one</title><main>{html}</main>", "utf-8")
        query = (
            "text=Once+there+was&amp;layer=1&amp;head=3&amp;query=2&amp;stage=scaled&amp;off=1.3"
        )
        link = f'<p><a href="#attention?{query}">see</a> '
        link += '<a href="#attention?layer=2">look</a></p><div style="height:90rem"></div>'
        (folder / "twice.html").write_text(HEAD + link + html + html, "utf-8")
        for view in (tiny(), grouped()):
            (folder / f"{view.model.name}.html").write_text(HEAD + view.html(), "utf-8")
    inline = escape(HEAD + AttentionView().html(), quote=True)
    frame = f'<iframe sandbox="allow-scripts" title="view" height="900" srcdoc="{inline}"></iframe>'
    (folder / "framed.html").write_text(HEAD + frame, "utf-8")
    return folder


@pytest.fixture
def page(chromium_browser: Browser, folder: Path) -> Iterator[Page]:
    """The page with one view, which must have had nothing to complain about in the end."""
    with visit(chromium_browser, (folder / "one.html").as_uri()) as seen:
        yield ready(seen.page)
        assert not console_faults(seen) and not view_faults(seen.page)


def ready(page: Page) -> Page:
    """Wait until the model is there."""
    page.wait_for_selector(".llm-attention-view:not([hidden]) .llm-look")
    return page


def go(page: Page, **state) -> None:
    """Set the view by its address."""
    page.evaluate(
        """state => new Promise(done => {
            addEventListener("hashchange", done, { once: true });
            location.hash = "attention?" + new URLSearchParams({...state, once: Math.random()});
        })""",
        state,
    )
    page.wait_for_function(
        "text => document.querySelector('textarea').value === text",
        arg=state.get("text", STORIES[0]),
    )
    settle(page)


def write(page: Page, text: str) -> None:
    """Put a text into the field, as one keystroke, and wait for the answer."""
    page.locator("textarea").fill(text)
    settle(page)


def said(page: Page, part: str) -> str:
    return re.sub("[\u2068\u2069]", "", page.locator(part).first.inner_text())


def plain(number: str) -> float:
    return float(number.replace("−", "-").replace("<", "").replace("%", "").strip())


def acts_of(view: AttentionView, text: str, edits=None) -> tuple[list[int], dict]:
    ids = TracedText(view.model, text).ids
    with torch.no_grad(), trace(view.model.model, edits) as acts:
        view.model.model(torch.tensor([ids]))
    return ids, {name: value[0] for name, value in acts.items()}


def silence(*heads: int):
    """An edit that takes heads out by giving them no weight."""

    def edit(weights):
        weights = weights.clone()
        weights[:, list(heads)] = 0
        return weights

    return edit


CELL, LOOKS, STATUS = (
    ".llm-cell",
    ".llm-column > .llm-message:has(+ .llm-looks-at)",
    (".llm-controls + .llm-message"),
)


def rows_of(page: Page) -> list[list[str]]:
    """The numbers of the query, as the toolbar's table shows them."""
    return page.evaluate(
        """() => {
            const button = [...document.querySelectorAll(".llm-toolbar button")][0];
            button.click();
            const rows = [...document.querySelectorAll(".llm-table tbody tr")]
                .map(row => [...row.cells].map(cell => cell.textContent));
            button.click();
            return rows;
        }"""
    )


def check_query(rows, acts, layer, head, query, window=10**9, group=None) -> None:
    """Every number of a query against those of PyTorch."""
    name, kv = f"blocks.{layer}.attention", head if group is None else group
    D = acts[f"{name}.q"].shape[-1]
    numbers = [[float(v) if v else math.nan for v in row[2:]] for row in rows]
    close = {"abs": 2e-4, "rel": 1e-3}
    assert numbers[0][:D] == pytest.approx(acts[f"{name}.q"][head, query].tolist(), **close)
    keys = [int(row[0]) for row in rows[1:-1]]
    assert keys == list(range(max(0, query - window + 1), query + 1))
    for key, row in zip(keys, numbers[1:-1], strict=True):
        k, v = acts[f"{name}.k"][kv, key], acts[f"{name}.v"][kv, key]
        product = float(acts[f"{name}.q"][head, query] @ k)
        score, weight = (
            float(acts[f"{name}.{p}"][head, query, key]) for p in ("scores", "weights")
        )
        expected = [*k.tolist(), product, score, weight, *v.tolist()]
        assert row == pytest.approx(expected, **close), key
    output = acts[f"{name}.weights"][head, query] @ acts[f"{name}.v"][kv]
    assert numbers[-1][-D:] == pytest.approx(output.tolist(), **close)


@pytest.mark.parametrize("text", TEXTS)
def test_the_numbers_are_those_of_pytorch(page, text):
    view = AttentionView(text)
    write(page, text)
    ids, acts = acts_of(view, text)
    assert page.locator(".llm-look").count() == len(ids)
    rng = random.Random(len(text))
    for _ in range(3):
        layer, head, query = rng.randrange(4), rng.randrange(12), rng.randrange(len(ids))
        go(page, text=text, layer=layer, head=head, query=query)
        check_query(rows_of(page), acts, layer, head, query)
        weights = acts[f"blocks.{layer}.attention.weights"][head, query]
        assert f"with {weights.max():.2f} of its attention" in said(page, LOOKS)


def test_heads_that_share_keys_a_window_and_a_bias(chromium_browser, folder):
    view = grouped()
    _, acts = acts_of(view, "hello world")
    with visit(
        chromium_browser, (folder / "grouped.html").as_uri() + "#grouped?layer=1&head=3"
    ) as seen:
        check_query(rows_of(ready(seen.page)), acts, 1, 3, 10, window=3, group=1)
        assert "Heads 1.2, 1.3 share" in seen.page.locator("body").inner_text()
        assert seen.page.locator(".llm-numbers").count() == 5 + 5 + 5  # q; q, k; v: eight across
        assert not console_faults(seen)
    view = tiny()
    _, acts = acts_of(view, "hello")
    with visit(
        chromium_browser, (folder / "tiny.html").as_uri() + "#attention?stage=scaled&key=1"
    ) as seen:
        check_query(rows_of(ready(seen.page)), acts, 0, 0, 4)
        product = float(acts["blocks.0.attention.q"][0, 4] @ acts["blocks.0.attention.k"][0, 1])
        score = float(acts["blocks.0.attention.scores"][0, 4, 1])
        assert [
            plain(n) for n in re.findall(r"−?\d+\.\d+", said(seen.page, CELL))
        ] == pytest.approx([product, score - product / math.sqrt(8), score], abs=1e-3)
        assert seen.page.get_by_role("button", name="Only head").is_hidden()
        write(seen.page, "")
        assert "no token to look at" in said(seen.page, ".llm-notice")
        write(seen.page, "hell🦙 x")
        assert "Not in the vocabulary, and left out: 🦙, x." in said(seen.page, ".llm-notice")
        assert not console_faults(seen)


def test_the_steps_lead_from_products_to_the_output(page):
    _, acts = acts_of(AttentionView(), STORIES[0])
    q, k = (acts[f"blocks.2.attention.{part}"][4] for part in "qk")
    go(page, query=52, key=45, stage="product", feature=3)
    product = float(q[52] @ k[45])
    numbers = []
    for _ in range(5):
        numbers.append([plain(n) for n in re.findall(r"−?\d[\d.]*", said(page, CELL))])
        following = page.get_by_role("button", name="Next", exact=True)
        if following.is_enabled():
            following.click()
    score = product / math.sqrt(8)
    scores = acts["blocks.2.attention.scores"][4, 52].double()
    power, total = float(scores[45].exp()), float(scores.exp().sum())
    weight = float(acts["blocks.2.attention.weights"][4, 52, 45])
    output = acts["blocks.2.attention.weights"][4, 52] @ acts["blocks.2.attention.v"][4]
    assert numbers[0][-1] == pytest.approx(product, abs=1e-3)
    assert numbers[1] == pytest.approx([product, 8, score], abs=1e-3)
    assert numbers[2] == pytest.approx([score], abs=1e-3)
    assert numbers[3] == pytest.approx(
        [score, power, total, power, total, weight], rel=2e-3, abs=1e-3
    )
    assert numbers[4] == pytest.approx([3, float(output[3])], abs=1e-3)
    go(page, query=3, key=9, stage="masked")
    assert said(page, CELL) == "“was” must not look at “She”: −∞"


def test_the_shown_sums_can_be_checked_with_a_calculator(page):
    _, acts = acts_of(AttentionView(), STORIES[0])
    go(page, query=52, key=28)
    q, k, v = (acts[f"blocks.2.attention.{part}"][4] for part in "qkv")
    weights = acts["blocks.2.attention.weights"][4, 52]
    rows = page.evaluate(
        """() => [...document.querySelectorAll("details .llm-numbers tr")]
            .map(row => [...row.cells].map(cell => cell.textContent))"""
    )
    expected = {"Q": q[52], "K": k[28], "q × k": q[52] * k[28]}
    expected |= {"V": v[28], f"{weights[28]:.3f} × v": weights[28] * v[28], "O": weights @ v}
    assert [row[0] for row in rows] == list(expected)
    for row, numbers in zip(rows, expected.values(), strict=True):
        assert [plain(n) for n in row[1:]] == pytest.approx(numbers.tolist(), abs=1e-3)
    total = re.search(r"adds up to ([\d.]+);", said(page, "details:has(.llm-numbers)"))[1]
    assert float(total) == pytest.approx(float(q[52] @ k[28]), abs=1e-3)
    lines = page.locator(".llm-keys .llm-keys .llm-key-row")
    keys = [int(place) for place in lines.locator(".llm-place").all_inner_texts()]
    assert keys == weights.topk(6).indices.tolist()
    for line, key in zip(lines.all(), keys, strict=True):
        product = float(q[52] @ k[key])
        shown = [plain(n) for n in line.locator(".llm-number").all_inner_texts()]
        assert shown == pytest.approx(
            [product, product / math.sqrt(8), float(weights[key])], abs=1e-3
        )


def test_the_map_is_painted_by_the_weights(page):
    """The brighter the greater; nothing where a word would look ahead."""
    _, acts = acts_of(AttentionView(), STORIES[0])
    pixels = page.evaluate(
        """() => {
            const canvas = document.querySelector(".llm-heatmap canvas");
            const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return [...data];
        }"""
    )
    red, alpha = (torch.tensor(pixels).reshape(53, 53, 4)[:, :, i] for i in (0, 3))
    inside = torch.ones(53, 53).tril().bool()
    assert ((alpha == 255) == inside).all()
    order = acts["blocks.2.attention.weights"][4][inside].argsort()
    assert (red[inside][order].diff() >= -1).all() and red.max() > 250


def effect(page: Page) -> dict[str, list[float]]:
    """For each word its chances in per cent: all heads, without some, the true one."""
    rows = page.locator(".llm-effect-row:not([aria-hidden])").all()
    read = [
        (row.locator(".llm-effect-word").inner_text(), row.locator(".llm-number").all_inner_texts())
        for row in rows
    ]
    return {
        word: [plain(n.split("\n")[-1].split("e ")[-1].split("s ")[-1]) for n in ns]
        for word, ns in read
    }


@pytest.mark.parametrize(
    ("text", "off"), [(STORIES[0], "2.4"), (STORIES[1], "0.8"), ("Once there was a", "0.1,3.2")]
)
def test_the_chances_without_heads_are_those_of_pytorch(page, text, off):
    heads: dict[int, list[int]] = {}
    for name in off.split(","):
        layer, head = map(int, name.split("."))
        heads.setdefault(layer, []).append(head)
    edits = {f"blocks.{i}.attention.weights": silence(*hs) for i, hs in heads.items()}
    view = AttentionView(text)
    before, after = (acts_of(view, text, e)[1]["logits"][-1].softmax(-1) for e in (None, edits))
    go(page, text=text, off=off)
    shown = effect(page)
    top = {*before.topk(5).indices.tolist(), *after.topk(5).indices.tolist()}
    assert len(shown) == len(top)
    truth = stories(1).next_distribution(text)
    for token in top:
        word = TOKENIZER.decode([token])
        numbers = shown[word.removeprefix(" ")]
        expected = [float(before[token]), float(after[token]), truth.get(word.strip(), 0)]
        assert numbers == pytest.approx([100 * p for p in expected], abs=0.06), word


def test_only_one_head_and_all_heads_again(page):
    everything = {f"blocks.{i}.attention.weights": silence(*range(12)) for i in (0, 1, 3)}
    everything["blocks.2.attention.weights"] = silence(*[h for h in range(12) if h != 4])
    _, acts = acts_of(AttentionView(), STORIES[0], everything)
    page.get_by_role("button", name="Only head 2.4").click()
    assert page.locator(".llm-off").count() == 47
    word = TOKENIZER.decode([int(acts["logits"][-1].argmax())]).strip()
    p = float(acts["logits"][-1].softmax(-1).max())
    assert effect(page)[word][1] == pytest.approx(100 * p, abs=0.06)
    page.wait_for_function("() => location.hash.includes('off=all-but-2.4')")
    page.get_by_role("button", name="All heads on").click()
    assert page.locator(".llm-off").count() == 0


def test_what_each_head_costs(page):
    _, base = acts_of(AttentionView(), STORIES[0])
    ids = torch.tensor(AttentionView().traced.ids)

    def loss(acts):
        return torch.nn.functional.cross_entropy(acts["logits"][:-1], ids[1:])

    page.locator("summary", has_text="removal costs").click()
    page.wait_for_selector("text=48 of 48 heads measured", timeout=60_000)
    table = {
        row[0]: row[1:]
        for row in page.evaluate(
            """() => [...document.querySelectorAll(".llm-cost-table tbody tr")]
                .map(row => [...row.cells].map(cell => cell.textContent))"""
        )
    }
    assert len(table) == 48
    for layer, head in ((0, 8), (2, 4), (3, 11)):
        _, acts = acts_of(
            AttentionView(), STORIES[0], {f"blocks.{layer}.attention.weights": silence(head)}
        )
        rise, chance = table[f"{layer}.{head}"]
        assert plain(rise) == pytest.approx(float(loss(acts) - loss(base)), abs=1e-3)
        first = int(base["logits"][-1].argmax())
        assert plain(chance) == pytest.approx(
            100 * float(acts["logits"][-1].softmax(-1)[first]), abs=0.06
        )
    label = page.locator(".llm-map").nth(28).get_attribute("aria-label")
    assert label == f"Head 2.4, costs {table['2.4'][0]} nats a token"


def test_the_prediction_is_judged_by_the_model(page):
    page.wait_for_selector(".llm-predict:not([hidden])")
    choices = page.locator(".llm-predict button")
    assert said(page, ".llm-predict button") == "Yuki, as before"
    choices.first.click()
    assert said(page, ".llm-predict .llm-message") == "No, not “Yuki, as before”: “and”."
    assert "and" in page.locator(".llm-right").inner_text()
    assert all(choice.is_disabled() for choice in choices.all())
    assert page.locator(".llm-off").count() == 1
    assert said(page, STATUS).startswith("First choice with all heads: “Yuki” (")
    assert "without head 2.4: “and” (1" in said(page, STATUS)


def test_heads_words_and_cells_by_keys(page):
    page.locator(".llm-map[tabindex='0']").focus()
    page.keyboard.press("Home")
    assert page.locator("[role=listbox] .llm-map[aria-selected=true]").inner_text() == "0.0"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.locator(".llm-map[aria-selected=true]").inner_text() == "1.1"
    page.locator(".llm-look[tabindex='0']").focus()
    page.keyboard.press("Home")
    assert said(page, LOOKS) == "“<|begin|>” looks at “<|begin|>” with 1.00 of its attention."
    page.locator(".llm-heatmap").focus()
    page.keyboard.press("ArrowDown")
    assert said(page, LOOKS).startswith("“Once” looks at “<|begin|>”")
    page.locator(".llm-key-row[tabindex='0']").focus()
    page.keyboard.press("End")
    assert page.locator(".llm-key-row[aria-selected=true]").count() == 1
    page.wait_for_function("() => /layer=1&head=1&query=1&/.test(location.hash)")
    page.wait_for_function("() => document.querySelector('[role=status]').textContent !== ''")


def test_heads_words_and_cells_by_mouse(page):
    page.locator(".llm-map", has_text="3.5").click()
    page.locator(".llm-look").nth(10).click()
    assert "head 3.5" in page.locator("p.llm-subtitle", has_text="look at").first.inner_text()
    box = page.locator(".llm-heatmap").bounding_box()
    cell = box["width"] / 55
    page.locator(".llm-heatmap").click(position={"x": cell * (7 + 1.5), "y": cell * (30 + 1.5)})
    page.wait_for_function("() => location.hash.includes('query=30&key=7&')")
    page.locator(".llm-key-row").nth(2).click()
    assert page.locator(".llm-key-row").nth(2).get_attribute("aria-selected") == "true"
    page.get_by_role("button", name="Show all 31").click()
    page.locator("input[value=text]").check(force=True)
    places = page.locator(".llm-key-word .llm-place").all_inner_texts()
    assert places == [str(i) for i in range(31)]


def test_touch_on_a_phone(chromium_browser, folder):
    context = chromium_browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True)
    page = context.new_page()
    page.goto((folder / "one.html").as_uri())
    ready(page).locator(".llm-map", has_text="0.8").tap()
    page.locator(".llm-look").nth(20).tap()
    page.get_by_role("button", name="Switch head 0.8 off").tap()
    assert page.locator(".llm-off").inner_text() == "0.8"
    page.wait_for_function("() => /head=8&query=20&.*off=0.8/.test(location.hash)")
    context.close()


def test_state_comes_from_a_link_in_prose_and_two_views_are_apart(chromium_browser, folder):
    with visit(chromium_browser, (folder / "twice.html").as_uri()) as seen:
        page = seen.page
        page.get_by_role("link", name="see").click()
        page.wait_for_selector("#llm-attention .llm-look")
        first = page.locator("#llm-attention")
        assert first.locator("textarea").input_value() == "Once there was"
        assert first.locator(".llm-map[aria-selected=true]").inner_text() == "1.3"
        assert first.locator("input[value=scaled]").is_checked()
        assert first.locator(".llm-off").inner_text() == "1.3"
        assert first.locator(".llm-look[aria-selected=true]").inner_text() == "there"
        page.get_by_role("link", name="look").click()  # it names the layer; the rest is as at first
        page.wait_for_function(
            "text => document.querySelector('textarea').value === text", arg=STORIES[0]
        )
        assert first.locator(".llm-map[aria-selected=true]").inner_text() == "2.4"
        assert first.locator("input[value=weights]").is_checked()
        page.locator("#llm-attention-2").scroll_into_view_if_needed()
        page.wait_for_selector("#llm-attention-2 .llm-look")
        second = page.locator("#llm-attention-2")
        assert second.locator("textarea").input_value() == STORIES[0]
        assert second.locator("input[value=weights]").is_checked()
        ids = page.evaluate("() => [...document.querySelectorAll('[id]')].map(node => node.id)")
        assert len(ids) == len(set(ids)) and not console_faults(seen)


@pytest.mark.parametrize(
    "query",
    [
        "layer=99&head=-3&query=999&key=x&feature=1e9&stage=none&off=9.9,x",
        "off=all-but-9.9&text=",
        "text=%ff&query=-5",
    ],
)
def test_a_wrong_address_is_made_right(chromium_browser, folder, query):
    with visit(chromium_browser, f"{(folder / 'one.html').as_uri()}#attention?{query}") as seen:
        ready(seen.page)
        assert seen.page.locator(".llm-map[aria-selected=true]").count() == 1
        assert seen.page.locator(".llm-off").count() == 0 and not console_faults(seen)


def test_hostile_text_is_inert(page):
    write(page, HOSTILE)
    assert page.locator(".llm-view img, .llm-view b:not(.llm-vector b)").count() == 0
    assert page.locator(".llm-look", has_text="<").count() > 0
    assert "No words of this model, and read in pieces:" in said(page, ".llm-notice")
    assert rows_of(page)


def test_a_large_paste_is_cut_with_a_message(page):
    write(page, "Mia had the red kite. " * 4600)
    notice = said(page, ".llm-notice")
    assert "Your text has 101,200 characters. Only the first 2,000 are used." in notice
    assert "The model reads at most 128 tokens here: the first" in notice
    assert page.locator(".llm-look").count() == 128
    assert len(page.locator("textarea").input_value()) == 2000


def test_a_keystroke_is_answered_at_once(page):
    """The median of 15 keystrokes; where other work disturbs the machine, the best of three."""
    measure = """async () => {
        const field = document.querySelector("textarea");
        const text = field.value.slice(0, 158);
        const times = [];
        for (let i = 0; i < 15; i++) {
            field.value = text + ["", " red", " kite"][i % 3];
            const start = performance.now();
            field.dispatchEvent(new Event("input"));
            await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
            times.push(performance.now() - start);
        }
        field.value = text;
        return times;
    }"""
    medians = [median(page.evaluate(measure)) for _ in range(3)]
    assert 38 <= page.locator(".llm-look").count() <= 42
    assert min(medians) < 100, medians


def test_measuring_costs_leaves_the_page_free(page):
    longest = page.evaluate(
        """async () => {
            const tasks = [];
            const note = list => tasks.push(...list.getEntries().map(task => task.duration));
            await new Promise(done => setTimeout(done, 700));
            new PerformanceObserver(note).observe({entryTypes: ["longtask"]});
            const measured = () => document.querySelectorAll("[aria-label*=costs].llm-map").length;
            while (measured() < 48) await new Promise(done => setTimeout(done, 50));
            return tasks;
        }"""
    )
    assert len([task for task in longest if task > 100]) <= 2, longest  # other work on the machine


def test_the_table_and_the_picture_are_saved(page):
    for kind in ("CSV", "SVG"):
        with page.expect_download() as download:
            page.locator("summary", has_text="Save").click()
            page.get_by_role("button", name=f"Save as {kind}").click()
        path = Path(download.value.path())
        if kind == "CSV":
            table = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"))))
            assert len(table) == 1 + 1 + 53 + 1 and len({len(row) for row in table}) == 1
            continue
        root = ElementTree.parse(path).getroot()
        images = [node for node in root.iter() if node.tag.endswith("}image")]
        assert len(images) == 1 and images[0].get("href").startswith("data:image/png;base64,")
        assert "var(" not in ElementTree.tostring(root, "unicode")


def test_frame_without_rights(chromium_browser, folder):
    with visit(chromium_browser, (folder / "framed.html").as_uri()) as seen:
        frame = seen.page.frame_locator("iframe")
        frame.locator(".llm-look").first.wait_for()
        frame.get_by_role("button", name="Switch head 2.4 off").click()
        assert frame.locator(".llm-off").inner_text() == "2.4"
        assert "Yuki" in frame.locator(STATUS).inner_text() and not network_faults(seen)


def test_a_missing_model_is_said(chromium_browser, tmp_path, monkeypatch):
    monkeypatch.setenv("LLM_BOOK_BUILD", str(tmp_path / "_shared"))
    (tmp_path / "page.html").write_text(HEAD + AttentionView().html(), encoding="utf-8")
    for file in (tmp_path / "_shared").glob("weights-*.js"):
        file.unlink()
    with visit(chromium_browser, (tmp_path / "page.html").as_uri()) as seen:
        seen.page.wait_for_selector(".llm-notice:has-text('could not be loaded')")


def test_every_control_is_reached_by_tab_and_seen(page):
    page.wait_for_selector(".llm-predict:not([hidden])")
    assert not keyboard_faults(page)


@pytest.mark.parametrize("size", [(320, 256), (360, 740), (768, 900)])
def test_no_sideways_scroll_and_targets_are_large(chromium_browser, folder, size):
    with visit(chromium_browser, (folder / "one.html").as_uri(), width=size[0]) as seen:
        seen.page.set_viewport_size({"width": size[0], "height": size[1]})
        ready(seen.page)
        seen.page.wait_for_selector(".llm-predict:not([hidden])")
        for stage in ("product", "output"):
            seen.page.locator(f"input[value={stage}]").check(force=True)
            assert not sideways_scroll(seen.page)
        small = seen.page.evaluate(
            """() => [...document.querySelectorAll("button, a, summary, .llm-card, [role=option]")]
                .filter((node) => node.checkVisibility())
                .filter((node) => node.offsetWidth < 24 || node.offsetHeight < 24)
                .map((node) => node.outerHTML)"""
        )
        assert not small


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_axe_finds_nothing(chromium_browser, folder, mode):
    with visit(chromium_browser, (folder / "one.html").as_uri(), mode=mode) as seen:
        page = ready(seen.page)
        page.wait_for_selector(".llm-predict:not([hidden])")
        page.locator("summary", has_text="removal costs").click()
        page.wait_for_selector(".llm-cost-table td")
        assert not axe_faults(page)
        page.get_by_role("button", name="Switch head 2.4 off").click()
        page.locator(".llm-look").nth(20).click()
        page.locator("input[value=output]").check(force=True)
        page.evaluate(
            """() => document.querySelectorAll(".llm-look:not(.llm-later)")
                .forEach((token) => token.style.setProperty("--weight", 1))"""
        )
        settle(page)
        assert not axe_faults(page)


def test_forced_colours_and_reduced_motion(chromium_browser, folder):
    context = chromium_browser.new_context(forced_colors="active", reduced_motion="reduce")
    page = context.new_page()
    page.goto((folder / "one.html").as_uri())
    ready(page).get_by_role("button", name="Switch head 2.4 off").click()
    outline = "(part) => getComputedStyle(document.querySelector(part)).outlineStyle"
    for part in (".llm-map", ".llm-look", ".llm-key-row"):
        assert page.evaluate(outline, f"{part}[aria-selected=true]") == "solid"
    moving = """() => document.getAnimations().length"""
    assert page.evaluate(moving) == 0
    context.close()


def test_500_random_actions_leave_no_error(page):
    rng = random.Random(0)
    keys = ["Enter", "Home", "End", "ArrowLeft", "ArrowRight", "ArrowDown", "ArrowUp", " ", "x"]
    parts = ".llm-body :is(button:enabled, [tabindex='0'], input, textarea, summary)"
    for step in range(500):
        page.evaluate(
            """([parts, at]) => {
                const all = [...document.querySelectorAll(parts)];
                const seen = all.filter(node => node.checkVisibility());
                seen[Math.floor(at * seen.length)].focus();
            }""",
            [parts, rng.random()],
        )
        page.keyboard.press(rng.choice(keys))
        if step % 100 == 50:
            write(page, rng.choice([*TEXTS, "", HOSTILE]))
    write(page, STORIES[0])
    assert page.locator(".llm-map[aria-selected=true]").count() == 1
    assert page.locator(".llm-look").count() == 53 and rows_of(page)
