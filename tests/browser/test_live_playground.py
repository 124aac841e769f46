"""The playground as readers meet it; every number it shows is held to Python's."""

import csv
import io
import math
import random
import re
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from engine_page import PACE, put_model, write_page
from playwright.sync_api import Browser, Locator, Page
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

from llm import trace
from llm.config import ModelConfig
from llm.data import stories
from llm.model import Transformer
from llm.output import softmax, temperature_scale, top_k_filter, top_p_filter
from llm.pretrained import load
from llm.tokenization import CharTokenizer
from llm.views import Playground
from llm.views.language_model import ViewModel, tokens_of
from llm.views.playground_view import LIMIT, PROMPTS, STORY, TOUR
from llm.views.view import strings

pytestmark = pytest.mark.browser

HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title>'
HEAD += '<link rel="icon" href="data:,">'
HOSTILE = "</script><img src=x onerror=alert(1)> \u202eabc\u2066 \x07 🦙 é"
WORDS = strings("playground")
STAGES = ["tokens", "embeddings", "block 0", "block 1", "block 2", "block 3", "logits"]
STAGES += ["probabilities", "a token is drawn"]
FORTY = " ".join(STORY.split()[:33])  # its words and signs are 40 tokens


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Pages: exact weights in files; one file of all; a link before two views; a bare frame."""
    folder = tmp_path_factory.mktemp("playground")
    link = '<p><a href="#playground-2?model=bard&amp;stage=7">bard</a></p>'
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLM_BOOK_BUILD", str(folder / "_shared"))
        html = Playground().html()
    (folder / "exact.html").write_text(HEAD + html, encoding="utf-8")
    (folder / "two.html").write_text(HEAD + link + html + html, encoding="utf-8")
    Playground().save_page(folder / "one.html")
    Playground(own(), CharTokenizer("abc\n"), "abca", name="<b>mine</b>").save_page(
        folder / "own.html"
    )
    framed = escape(HEAD + Playground("draft").html(), quote=True)
    frame = f'<iframe sandbox="allow-scripts" title="view" height="900" srcdoc="{framed}"></iframe>'
    (folder / "framed.html").write_text(HEAD + frame, encoding="utf-8")
    return folder


def own() -> Transformer:
    torch.manual_seed(0)
    return Transformer(ModelConfig(4, 8, 8, 1, 2)).eval()


@contextmanager
def opened(browser: Browser, file: Path, query: str = "", clock: bool = False, **how):
    """The page of a view that is ready, which must have nothing to complain about in the end."""
    with visit(browser, "about:blank", **how) as seen:
        if clock:
            seen.page.clock.install()
        seen.page.goto(f"{file.as_uri()}#playground?{query}")
        seen.page.wait_for_selector(".llm-next-word")
        seen.page.wait_for_selector(".llm-view:not([data-pending])")
        yield seen.page
        seen.origin = "file://"
        assert not network_faults(seen) and not view_faults(seen.page)


@pytest.fixture(scope="module")
def shared_page(chromium_browser: Browser, folder: Path) -> Iterator[Page]:
    with opened(chromium_browser, folder / "exact.html") as page:
        yield page


@pytest.fixture
def page(shared_page: Page) -> Page:
    """The view with exact weights, as it was when it was opened."""
    if shared_page.get_by_role("button", name="As table").get_attribute("aria-pressed") == "true":
        shared_page.get_by_role("button", name="As table").click()
    put(shared_page, model="storyteller", prompt=PROMPTS["stories"]["beginning"])
    return shared_page


@pytest.fixture(scope="module")
def storyteller():
    return load("storyteller")


def put(page: Page, anchor: str = "playground", **state) -> None:
    """Set the view by its address, what is not named as when it was opened."""
    usual = {"stage": 0, "head": -1, "temperature": 1, "top_k": 0, "top_p": 1, "seed": 0}
    page.evaluate(
        """([anchor, state]) => new Promise((done) => {
            addEventListener("hashchange", () => done(), {once: true});
            location.hash = `${anchor}?${new URLSearchParams(state)}&turn=${Math.random()}`;
        })""",
        [anchor, usual | state],
    )


def type_text(page: Page, text: str) -> None:
    """What a reader types or pastes, at once."""
    page.locator("textarea").first.evaluate(
        """(field, text) => {
            field.value = text;
            field.dispatchEvent(new Event("input", {bubbles: true}));
        }""",
        text,
    )


def press(part: Page | Locator, name: str) -> None:
    part.get_by_role("button", name=name, exact=True).click()


def word(page: Page, label: str) -> Locator:
    """The button that goes on with a word."""
    return page.locator(f".llm-next-word:has(.llm-next-label:text-is('{label}'))")


def plain(text: str) -> str:
    return re.sub("[\u2068\u2069]", "", text)


def said(page: Page, part: str) -> str:
    return plain(page.locator(part).first.inner_text())


def text_of(page: Page) -> str:
    return page.locator("textarea").first.input_value()


def notice(page: Page) -> str:
    return plain(page.locator(".llm-notice").first.text_content())


def tokens(page: Page) -> list[str]:
    return [plain(t) for t in page.locator(".llm-strip-token").all_inner_texts()]


def rows(page: Page) -> list[list[str]]:
    """The view's table: token, id, chance, true chance."""
    shown = """() => [...document.querySelectorAll(".llm-table tbody tr")]
        .map((row) => [...row.cells].map((cell) => cell.textContent))"""
    return page.evaluate(shown)


def share(text: str) -> float:
    """A probability from its percentage; what is less than can be shown counts as nothing."""
    found = re.search(r"(< )?([\d.]+) %", text)
    return 0.0 if found[1] else float(found[2]) / 100


def logits_of(storyteller, text: str) -> torch.Tensor:
    model, tokenizer = storyteller
    with torch.no_grad():
        return model(torch.tensor([tokens_of(model, tokenizer, text)]))[0].double()


# --- the numbers -------------------------------------------------------------------------------


def test_chances_and_true_chances_equal_pythons(page, storyteller):
    """At random places of 12 stories; more than a hundred chances each."""
    _, tokenizer = storyteller
    corpus = stories(12, seed=31)
    rng = random.Random(0)
    press(page, "As table")
    for document in corpus.documents:
        words = document.split()
        text = " ".join(words[: rng.randint(1, len(words))])
        ids = tokenizer.encode(text)
        place = rng.randint(0, len(ids))
        prefix = tokenizer.decode(ids[:place])
        truth = corpus.next_distribution(prefix)
        chances = softmax(logits_of(storyteller, text)[place])
        put(page, prompt=text, position=place)
        found = rows(page)
        assert len(found) == 30 and math.isclose(sum(truth.values()), 1)
        assert {row[0] for row in found if float(row[3])} == {plain_word(w) for w in truth}
        for label, i, p, true in found:
            assert abs(float(p) - chances[int(i)]) < 1e-5
            assert float(true) == pytest.approx(truth.get(as_word(label), 0.0), abs=1e-12)
            assert plain_word(tokenizer.decode([int(i)]).strip()) in (label, "")
        likeliest = chances.topk(5).indices.tolist()
        assert set(likeliest) <= {int(row[1]) for row in found}


def plain_word(word: str) -> str:
    return word.strip("<|>")


def as_word(label: str) -> str:
    return "<|end|>" if label == "end" else label


def test_bars_are_in_order_and_say_the_same_as_the_table(page):
    put(page, prompt="Once there was a")
    labels = page.locator(".llm-next-word").evaluate_all("all => all.map((b) => b.ariaLabel)")
    parts = [
        re.fullmatch(r"(\w+), (.*), in truth 12.5 %. Go on with it.", plain(x)) for x in labels
    ]
    assert [p[1] for p in parts][0] == "prince" and len(parts) == 8  # one for each role
    shares = [share(p[2]) for p in parts]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) + share(said(page, ".llm-nextwords > .llm-legend ~ .llm-legend")) == (
        pytest.approx(1, abs=0.005)
    )
    widths = page.locator(".llm-next-word .llm-filled").evaluate_all(
        "all => all.map((bar) => parseFloat(bar.style.inlineSize))"
    )
    assert widths == pytest.approx([100 * s / shares[0] for s in shares], abs=0.6)


def test_distance_from_the_truth_is_the_divergence(page, storyteller):
    put(page, prompt="Once there was a")
    chances = softmax(logits_of(storyteller, "Once there was a")[-1])
    _, tokenizer = storyteller
    kl = sum(
        p * math.log(p / chances[tokenizer.encode(f" {word}")[0]])
        for word, p in stories(5).next_distribution("Once there was a").items()
    )
    assert said(page, ".llm-truth") == f"Its distance from the truth here is {kl:.4f} nats."


def test_surprise_equals_pythons(page, storyteller):
    model, tokenizer = storyteller
    for document in stories(3, seed=9).documents:
        put(page, prompt=document)
        ids = tokens_of(model, tokenizer, document)
        surprise = -logits_of(storyteller, document).log_softmax(-1)[range(len(ids) - 1), ids[1:]]
        labels = page.locator(".llm-strip-token").evaluate_all("all => all.map((t) => t.ariaLabel)")
        assert plain(labels[0]) == "begin" and len(labels) == len(ids)
        found = [float(label.split("surprise ")[1].strip("\u2069")) for label in labels[1:]]
        assert found == pytest.approx(surprise.tolist(), abs=0.0051)
        deep = page.locator(".llm-strip-token").evaluate_all(
            "all => all.map((t) => Number(t.style.getPropertyValue('--deep')))"
        )
        assert deep[1:] == pytest.approx((surprise / 6).clamp(max=1).tolist(), abs=0.001)
        page.locator(".llm-strip-token").nth(6).click()
        chance = math.exp(-surprise[5])
        assert abs(share(said(page, ".llm-readout")) - chance) < 0.0006


# --- the stages --------------------------------------------------------------------------------


def test_tokens_and_their_ids(page, storyteller):
    _, tokenizer = storyteller
    put(page, prompt=STORY)
    ids = [tokenizer.special_tokens["<|begin|>"], *tokenizer.encode(STORY)]
    assert page.locator(".llm-scene .llm-id").all_inner_texts() == [str(i) for i in ids]
    assert said(
        page, ".llm-says"
    ) == f"The text is {len(ids)} tokens. {WORDS['stage_tokens'][24:]}".replace("{size}", "980")
    inside = """() => {
        const [chip, box] = [".llm-followed", ".llm-pieces"].map((part) =>
            document.querySelector(part).getBoundingClientRect());
        return chip.top >= box.top && chip.bottom <= box.bottom + 1;
    }"""
    assert page.evaluate(inside)  # the token that is followed is in sight


def test_embeddings_are_rows_of_the_table(page, storyteller):
    model, tokenizer = storyteller
    put(page, prompt="Once there was a", stage=1, position=1)
    row = model.embeddings.token.weight[tokenizer.encode("Once")[0], :6]
    numbers = ", ".join(f"{value:.2f}" for value in row.tolist())
    assert said(page, ".llm-scene > .llm-legend") == f"The row of Once begins: {numbers} …"
    canvas = page.locator(".llm-scene canvas")
    assert canvas.get_attribute("aria-label").startswith("5 rows of 96 numbers")
    assert canvas.evaluate("c => [c.width, c.height]") == [192, 5]


def test_heads_stream_and_lens_equal_pythons(page, storyteller):
    model, tokenizer = storyteller
    ids = tokens_of(model, tokenizer, STORY)
    with torch.no_grad(), trace(model) as traced:
        model(torch.tensor([ids]))
    place = len(ids) - 3
    words = [plain_word(tokenizer.decode([i]).strip()) for i in ids]
    for layer in range(4):
        weights = traced[f"blocks.{layer}.attention.weights"][0, :, place, : place + 1]
        put(page, prompt=STORY, stage=2 + layer, head=5, position=place)
        labels = page.locator(".llm-head-row").evaluate_all("all => all.map((h) => h.ariaLabel)")
        assert len(labels) == 12
        for head, label in enumerate(labels):
            most, where = weights[head].max(-1)
            start = f"Head {head}: most at {words[where]}, "
            assert plain(label).startswith(start)
            assert abs(share(label) - most) < 0.0006
        looks = said(page, ".llm-looks + .llm-legend")
        assert looks.startswith(f"Head 5 looks at: {words[weights[5].argmax()]} ")
        parts = ("residual_pre", "attention.output", "ffn.output", "residual_post")
        lengths = [float(traced[f"blocks.{layer}.{part}"][0, place].norm()) for part in parts]
        shown = page.locator(".llm-stream .llm-place").all_inner_texts()
        assert [float(t.split()[1]) for t in shown] == pytest.approx(lengths, abs=0.051)
        with torch.no_grad():
            out = traced[f"blocks.{layer}.residual_post"][0, place]
            lens = softmax(model.lm_head(model.final_norm(out)))
        best = lens.argmax()
        message = said(page, ".llm-scene > .llm-message")
        assert f": {plain_word(tokenizer.decode([int(best)]).strip())} " in message
        assert abs(share(message) - lens[best]) < 0.0006
        assert message.startswith(
            "This is the last block" if layer == 3 else "If the model stopped"
        )


def test_the_head_that_looks_hardest_is_shown_first_and_the_choice_of_the_reader_stays(page):
    put(page, prompt=STORY, stage=4)
    chosen = page.locator(".llm-head-row[aria-selected=true]")
    assert plain(chosen.get_attribute("aria-label")) == "Head 4: most at Omar, 99.2 %"
    page.locator(".llm-head-row").nth(8).click()
    assert chosen.inner_text() == "8" and chosen.evaluate("o => o === document.activeElement")
    page.keyboard.press("ArrowRight")
    assert chosen.inner_text() == "9" and chosen.evaluate("o => o === document.activeElement")
    press(page.locator(".llm-how"), "Next")
    assert chosen.inner_text() == "9"


def test_logits_equal_pythons(page, storyteller):
    _, tokenizer = storyteller
    put(page, prompt=STORY, stage=6)
    logits = logits_of(storyteller, STORY)[-1]
    shown = [plain(t).split() for t in page.locator(".llm-logit").all_inner_texts()]
    best = logits.topk(8)
    expected = [*zip(best.indices.tolist(), best.values.tolist(), strict=True)]
    expected.append((int(logits.argmin()), float(logits.min())))
    for (label, number), (i, logit) in zip(shown, expected, strict=True):
        assert label == plain_word(tokenizer.decode([i]).strip())
        assert abs(float(number) - logit) < 0.0051
    assert f"from {logits.min():.1f} to {logits.max():.1f}" in said(page, ".llm-says")


SETTINGS = [
    {},
    {"temperature": 0.5},
    {"temperature": 2, "top_k": 3},
    {"top_p": 0.6},
    {"temperature": 1.5, "top_k": 10, "top_p": 0.8},
    {"temperature": 0},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_probabilities_equal_pythons_filters(page, storyteller, settings):
    _, tokenizer = storyteller
    put(page, prompt="Once there was a", stage=7, **settings)
    logits = logits_of(storyteller, "Once there was a")[-1:]
    temperature = settings.get("temperature", 1)
    scaled = temperature_scale(logits, temperature or 1)
    kept = top_k_filter(scaled, settings["top_k"]) if "top_k" in settings else scaled
    final = softmax(top_p_filter(kept, settings.get("top_p", 1.0)))[0]
    if temperature == 0:
        final = torch.nn.functional.one_hot(logits.argmax(), logits.numel()).double()
    table = page.locator(".llm-scene tbody tr")
    assert table.count() == 8
    for row, i in zip(table.all(), logits[0].topk(8).indices.tolist(), strict=True):
        name, logit, divided, raw, chance = map(plain, row.locator("th, td").all_inner_texts())
        assert name == tokenizer.decode([i]).strip()
        assert float(logit) == pytest.approx(float(logits[0, i]), abs=0.0051)
        assert float(divided) == pytest.approx(float(scaled[0, i]), abs=0.0051)
        assert abs(share(raw) - softmax(scaled)[0, i]) < 0.0006
        assert abs(share(chance) - final[i]) < 0.0006


def mulberry32(seed: int) -> float:
    """The first random number of a seed: the reference algorithm on 32-bit integers."""
    a = (seed + 0x6D2B79F5) & 0xFFFFFFFF
    t = ((a ^ (a >> 15)) * (a | 1)) & 0xFFFFFFFF
    t ^= (t + (((t ^ (t >> 7)) * (t | 61)) & 0xFFFFFFFF)) & 0xFFFFFFFF
    return (t ^ (t >> 14)) / 2**32


def test_a_draw_is_decided_by_seed_and_place(page, storyteller):
    _, tokenizer = storyteller
    chances = softmax(logits_of(storyteller, "Once there was a")[-1])
    drawn = set()
    for seed in range(12):
        put(page, prompt="Once there was a", stage=8, seed=seed)
        number = mulberry32(seed * 4096 + 5)  # five tokens are read
        token = tokenizer.decode([int((chances.cumsum(0) > number).nonzero()[0])]).strip()
        assert said(page, ".llm-says").endswith(f"{number:.3f}, falls on {token}.")
        assert said(page, ".llm-wheel .llm-hit") in (token, "")
        needle = page.locator(".llm-needle").evaluate("n => n.style.insetInlineStart")
        assert needle == f"{100 * number:.2f}%" or float(needle[:-1]) == pytest.approx(
            100 * number, abs=0.01
        )
        press(page, "Draw the next token")
        assert text_of(page) == f"Once there was a {token}"
        drawn.add(token)
    assert len(drawn) > 4
    put(page, prompt="Once there was a", stage=8, seed=3)
    before = said(page, ".llm-says")
    put(page, prompt="Once there was a", stage=8, seed=4)
    assert before != said(page, ".llm-says")
    put(page, prompt="Once there was a", stage=8, seed=3)
    assert before == said(page, ".llm-says")


# --- going on ----------------------------------------------------------------------------------


def test_a_word_is_clicked_and_the_text_goes_on_with_it(page):
    word(page, "king").click()
    assert text_of(page) == "Once there was a king"
    assert tokens(page)[-1].strip() == "king"
    assert page.evaluate("() => document.activeElement.className") == "llm-next-word"
    assert said(page, ".llm-nextwords > .llm-subtitle") == "What it expects after “king”"


def test_a_word_is_put_after_an_earlier_token(page):
    put(page, prompt=STORY)
    page.locator(".llm-strip-token").nth(7).click()
    assert said(page, ".llm-nextwords > .llm-subtitle") == "What it expects after “Mia”"
    assert text_of(page) == STORY
    page.locator(".llm-strip-token").nth(4).click()
    word(page, "boy").click()
    assert text_of(page) == "Once there was a boy"
    word(page, "called").click()
    assert text_of(page) == "Once there was a boy called"


def test_take_back(page):
    put(page, prompt="Once there was a queen.")
    press(page, "Take one back")
    assert text_of(page) == "Once there was a queen"
    for _ in range(5):
        press(page, "Take one back")
    assert text_of(page) == "" and page.get_by_role("button", name="Take one back").is_disabled()
    assert tokens(page) == ["begin"]
    word(page, "Once").click()
    assert text_of(page) == "Once"


def test_a_space_at_the_end_and_line_breaks(page):
    press(page, "As table")
    expected = rows(page)
    for text in ("Once there was a ", "Once there was a\n", "Once there was a  \n "):
        type_text(page, text)
        assert text_of(page) == text and rows(page) == expected
    press(page, "As table")
    word(page, "king").click()
    assert text_of(page) == "Once there was a king"


def test_write_on_goes_to_the_end_of_a_story_and_can_be_stopped(chromium_browser, folder):
    with opened(chromium_browser, folder / "exact.html", clock=True) as page:
        type_text(page, STORY)
        press(page, "Write on")
        assert page.get_by_role("button", name="Stop writing").is_visible()
        page.clock.run_for(3000)
        assert text_of(page) == f"{STORY} Omar."
        assert notice(page) == "The storyteller ended the text here."
        assert page.get_by_role("button", name="Write on").is_visible()
        put(page, prompt="Once")
        assert notice(page) == ""
        press(page, "Write on")
        page.clock.run_for(1000)
        press(page, "Stop writing")
        stopped = text_of(page)
        page.clock.run_for(2000)
        assert text_of(page) == stopped and len(stopped.split()) in (6, 7, 8)
        press(page, "Write on")
        page.clock.run_for(300)
        page.get_by_role("button", name="he or she?").click()
        page.clock.run_for(2000)
        assert text_of(page) == PROMPTS["stories"]["pronoun"]
        press(page, "Write on")
        put(page, prompt="Once there")
        page.clock.run_for(2000)
        assert text_of(page) == "Once there"


def test_what_is_written_is_repeatable(chromium_browser, folder):
    with opened(chromium_browser, folder / "exact.html", clock=True) as page:
        written = []
        for seed in (5, 5, 6):
            put(page, prompt="Once there was a", seed=seed, top_p=0.9)
            press(page, "Write on")
            page.clock.run_for(140 * 25)
            written.append(text_of(page))
        assert written[0] == written[1] != written[2] and len(written[0].split()) > 20
        assert stories(5).next_distribution(written[0])  # a story begins like this


def test_writing_stops_when_the_model_has_read_all_it_can(chromium_browser, folder):
    with opened(chromium_browser, folder / "own.html", clock=True) as page:
        assert tokens(page) == list("abca")
        press(page, "Write on")
        page.clock.run_for(2000)
        assert len(tokens(page)) == 8 and len(text_of(page)) == 8
        assert notice(page).startswith("The model reads at most 8 tokens, and here are that many.")
        press(page, "Draw the next token")
        assert len(tokens(page)) == 8 and len(text_of(page)) == 9
        assert notice(page) == "The model reads at most 8 tokens, so the first is left out."
        before = text_of(page)
        page.locator(".llm-strip-token").nth(2).click()
        page.locator(".llm-next-word").first.click()
        assert text_of(page)[:4] == before[:4] and len(text_of(page)) == 5  # the cut part is kept
        assert page.get_by_role("button", name="90-second").is_hidden()


# --- what it cannot read -----------------------------------------------------------------------


def test_a_word_that_it_has_never_seen(page):
    type_text(page, "Once there was a dragon called Mia!")
    assert notice(page).startswith("The storyteller has never seen: dragon, !. It reads")
    strange = page.locator(".llm-strange")
    assert "".join(strange.all_inner_texts()).strip() == "dragon!"
    assert strange.first.get_attribute("title") == "of a word it has never seen"
    assert strange.first.get_attribute("aria-label").endswith("of a word it has never seen\u2069")
    assert said(page, ".llm-truth").startswith("No story goes on with “dragon”")
    type_text(page, "Once there was a queen")
    assert notice(page) == "" and page.locator(".llm-strange").count() == 0


@pytest.mark.parametrize(
    ("text", "stranger", "mended"),
    [
        ("Once there was a dragon", "dragon", "Once there was a"),
        ("Once there was a king called Mia. She", "Mia", "Once there was a king called"),
        ("Hello, world", "Hello", ""),
        (f"{STORY} Tom. Mia", "Tom", STORY),
        (f"{STORY} Omar. Mia", "Mia", f"{STORY} Omar."),
    ],
)
def test_a_beginning_that_no_story_has_is_mended(page, text, stranger, mended):
    type_text(page, text)
    assert said(page, ".llm-truth").startswith(f"No story goes on with “{stranger}”")
    press(page, "Cut it back to where stories go on")
    assert text_of(page) == mended and notice(page) == ""
    assert said(page, ".llm-truth").startswith("Its distance from the truth here is 0.")
    assert page.locator(".llm-cut-back").is_hidden()
    assert page.evaluate("() => document.activeElement.className") == "llm-next-word"


def test_before_the_strange_word_the_truth_is_known(page):
    type_text(page, "Once there was a dragon")
    page.locator(".llm-strip-token").nth(4).click()
    assert said(page, ".llm-truth").startswith("Its distance") and text_of(page).endswith("dragon")


def test_too_many_tokens(page, storyteller):
    type_text(page, " ".join([STORY] * 3))
    n = len(storyteller[1].encode(" ".join([STORY] * 3))) - 127
    assert notice(page).startswith(f"The model reads at most 128 tokens, so the first {n} are left")
    assert len(tokens(page)) == 128 and "true chances are not known" in said(page, ".llm-truth")
    press(page, "Take one back")
    assert text_of(page) == " ".join([STORY] * 3)[:-1]


def test_pasted_text_is_cut_with_a_message(page):
    type_text(page, "🦙" * 25_000)  # 100 kB
    assert notice(page).startswith(f"Your text was too long: only its first {LIMIT:,} characters")
    assert text_of(page) == "🦙" * LIMIT
    type_text(page, "Once")
    assert notice(page) == ""


def test_the_bard_reads_letters_and_leaves_out_the_rest(page):
    page.locator("input[value=bard]").check(force=True)
    page.wait_for_function("() => document.querySelector('.llm-strip-token')?.textContent === 'R'")
    assert text_of(page) == "ROMEO:\n" and tokens(page) == [*"ROMEO:", "⏎"]
    model, tokenizer = load("bard")
    with torch.no_grad():
        chances = softmax(model(torch.tensor([tokenizer.encode("ROMEO:\n")]))[0, -1])
    press(page, "As table")
    found = {int(i): float(p) for _, i, p, _ in rows(page)}
    assert found == pytest.approx({i: float(chances[i]) for i in found}, abs=1e-5)
    press(page, "As table")
    assert page.locator(".llm-truth, .llm-key-bars, .llm-true").first.is_hidden()
    type_text(page, "é Romeo 7 \u202e é")
    assert notice(page) == "Not in its alphabet, and so left out: é 7 ⟨202E⟩"
    assert tokens(page)[1:6] == list("Romeo")
    type_text(page, "".join(map(chr, range(0x4E00, 0x4E64))))
    assert notice(page).startswith("Not in its alphabet, and so left out: 一 丁 丂 七 丄 …")
    assert notice(page).endswith(
        "There is no text yet. Type some, or try one of those below the field."
    )


def test_empty_text(page):
    type_text(page, "")
    assert tokens(page) == ["begin"]
    assert word(page, "Once").is_visible()
    put(page, model="bard", prompt="")
    page.wait_for_selector("text=There is no text yet.")
    assert tokens(page) == [] and page.locator(".llm-next-word:visible").count() == 0
    for name in ("Draw the next token", "Write on", "Take one back"):
        assert page.get_by_role("button", name=name).is_disabled()
    press(page, "Juliet")
    assert text_of(page) == PROMPTS["plays"]["juliet"] and notice(page) == ""


@pytest.mark.parametrize("model", ["storyteller", "bard"])
def test_typed_text_is_never_markup(page, model):
    put(page, model=model, prompt=HOSTILE)
    page.wait_for_function("n => document.querySelectorAll('.llm-strip-token').length > n", arg=9)
    for stage in range(9):
        put(page, model=model, prompt=HOSTILE, stage=stage)
        assert page.locator(".llm-view img, .llm-view iframe").count() == 0
        assert said(page, ".llm-strip").count("\u202e") == 0
        assert said(page, ".llm-scene").count("\u202e") == 0
    assert "\u202e" not in notice(page) and text_of(page) == HOSTILE
    assert not sideways_scroll(page)


# --- address, table, files ---------------------------------------------------------------------


def test_state_comes_from_the_address_and_goes_into_it(chromium_browser, folder):
    query = "model=bard&prompt=To+be&position=1&stage=7&temperature=0.5&top_k=5&top_p=0.9&seed=7"
    with opened(chromium_browser, folder / "exact.html", query) as page:
        page.wait_for_selector(".llm-strip-token:text-is('T')")
        assert page.locator("input[value=bard]").is_checked() and text_of(page) == "To be"
        assert page.locator(".llm-strip-token[aria-selected=true]").inner_text() == "o"
        page.locator("summary", has_text="How it draws").click()
        assert page.locator(".llm-slider output").all_inner_texts() == ["0.5", "5", "0.90"]
        assert said(page, ".llm-sampler .llm-controls").endswith("seed 7")
        assert page.locator(".llm-how .llm-place").first.inner_text() == "probabilities"
        press(page, "As trained")
        press(page, "Another seed")
        page.wait_for_function("() => location.hash.includes('seed=8')")
        for part in ("temperature=1&", "top_k=0&", "top_p=1&", "model=bard", "prompt=To+be"):
            assert part in page.evaluate("() => location.hash") + "&"


@pytest.mark.parametrize(
    "query",
    [
        "position=x&stage=99&head=-7&temperature=-3&top_k=1e9&top_p=7&seed=nan&model=constructor",
        "position=-5&stage=-1&head=99&temperature=&top_k=&top_p=&seed=&prompt=%ED%A0%80",
    ],
)
def test_a_wrong_address_is_made_right(page, query):
    page.evaluate("q => { location.hash = `playground?${q}` }", query)
    page.wait_for_function("q => location.hash.endsWith(q)", arg=query)
    assert page.locator(".llm-next-word").count() >= 1
    assert page.locator("input[value=storyteller]").is_checked()
    assert said(page, ".llm-how .llm-place") in STAGES


def test_a_link_in_prose_sets_the_second_of_two_views(chromium_browser, folder):
    with opened(chromium_browser, folder / "two.html") as page:
        first, second = page.locator(".llm-view").all()
        page.get_by_role("link", name="bard").click()
        second.locator(".llm-strip-token", has_text="R").wait_for()
        assert second.locator("textarea").input_value() == "ROMEO:\n"
        assert second.locator(".llm-how .llm-place").inner_text() == "probabilities"
        assert first.locator("textarea").input_value() == "Once there was a"
        assert not page.evaluate(
            """() => { const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
                return ids.filter((id, i) => ids.indexOf(id) !== i); }"""
        )
        press(second, "Back to the text")
        assert page.get_by_role("link", name="bard").evaluate("a => a === document.activeElement")


def test_the_table_takes_the_place_of_the_picture_and_follows_it(page):
    press(page, "As table")
    picture, table = page.locator(".llm-playground"), page.locator(".llm-table")
    assert picture.is_hidden() and table.is_visible()
    type_text(page, "Once there was a queen called")
    assert picture.is_hidden() and plain(table.locator("caption").inner_text()) == (
        "What may follow: Once there was a queen called"
    )
    names = {row[0] for row in rows(page) if float(row[3])}
    assert (
        names == {"Mia", "Leila", "Rosa", "Aisha", "Nina", "Priya", "Ana", "Mei"} or len(names) > 3
    )
    press(page, "As table")
    assert picture.is_visible() and table.is_hidden()


def saved(page: Page, kind: str) -> bytes:
    with page.expect_download() as download:
        page.locator(".llm-menu summary").click()
        press(page, f"Save as {kind}")
    return Path(download.value.path()).read_bytes()


def test_saved_files_hold_what_is_shown(page):
    put(page, prompt=STORY, stage=4)
    root = ElementTree.fromstring(saved(page, "SVG"))
    space = "{http://www.w3.org/2000/svg}"
    images = root.findall(f"{space}image")
    assert len(images) == 4 and all("data:image/png" in image.get("href") for image in images)
    texts = "".join(root.itertext())
    for part in ("Omar", "What it expects after", "comes in", "goes out", "Head 4 looks at"):
        assert part in re.sub(r"\s+", " ", texts)
    assert "Temperature" not in texts  # folded away
    size = float(root.get("width")), float(root.get("height"))
    for text in root.findall(f"{space}text"):
        assert 0 <= float(text.get("x")) <= size[0] and 0 <= float(text.get("y")) <= size[1]
    bars = root.findall(f"{space}rect")[1:]  # borders on one side; the first is the paper
    assert any(float(b.get("width")) > 800 and b.get("height") == "1" for b in bars)
    assert len(bars) > len(tokens(page))  # the line under each token
    assert saved(page, "PNG").startswith(b"\x89PNG")
    table = list(csv.reader(io.StringIO(saved(page, "CSV").decode("utf-8-sig"))))
    assert table[0] == ["Token", "Id", "Chance", "True chance"] and table[1][0] == "Omar"
    assert float(table[1][2]) > 0.999 and table[1][3] == "1"


def test_a_picture_of_a_long_text_holds_all_of_it(page):
    put(page, prompt=" ".join([STORY] * 2)[:700])
    root = ElementTree.fromstring(saved(page, "SVG"))
    words = [node.text for node in root.iter() if node.text and node.tag.endswith("}text")]
    shown = tokens(page)
    assert sum(word.strip() == shown[-1].strip() for word in words) >= 2  # strip and tokens
    assert page.locator(".llm-whole").count() == 0


def test_a_change_is_said_once(page):
    page.wait_for_timeout(600)
    page.evaluate(
        """() => {
            window.heard = [];
            const status = document.querySelector("[role=status]");
            new MutationObserver(() => heard.push(status.textContent))
                .observe(status, {childList: true});
        }"""
    )
    page.locator("textarea").focus()
    page.keyboard.press("ControlOrMeta+End")
    page.keyboard.type(" dragon")
    page.wait_for_function("() => heard.length > 0")
    page.wait_for_timeout(600)
    (message,) = page.evaluate("() => heard")
    assert "has never seen: dragon." in plain(message) and "After on: . 100 %" in plain(message)


# --- the tour ----------------------------------------------------------------------------------


def tour_step(page: Page) -> int:
    return int(said(page, ".llm-tour .llm-place").split()[0])


def test_the_tour_plays_by_itself_in_about_ninety_seconds(chromium_browser, folder):
    with opened(chromium_browser, folder / "exact.html", clock=True) as page:
        page.get_by_role("button", name="90-second").click()
        tour = page.locator(".llm-tour")
        seconds, steps = 0, [1]
        while seconds < 200 and tour.get_by_role("button", name="Pause").is_visible():
            assert said(page, ".llm-tour-text") == WORDS[f"tour_{TOUR[steps[-1] - 1][0]}"]
            page.clock.run_for(1000)
            seconds += 1
            if tour_step(page) != steps[-1]:
                steps.append(tour_step(page))
        assert steps == list(range(1, 9))
        pace = seconds / 7
        assert 80 <= pace * 8 <= 100  # the last step is read as long as the others
        assert tour.get_by_role("button", name="Play").is_visible()
        page.keyboard.press("Escape")
        assert tour.is_hidden() and page.locator(".llm-toured").count() == 0
        assert page.evaluate("() => document.activeElement.textContent").endswith("tour")


def test_the_reader_takes_the_tour_step_by_step(chromium_browser, folder):
    with opened(chromium_browser, folder / "exact.html", "model=bard", clock=True) as page:
        page.get_by_role("button", name="90-second").click()
        page.wait_for_selector(".llm-strip-token:text-is('begin')")
        assert page.locator("input[value=storyteller]").is_checked()
        tour = page.locator(".llm-tour")
        assert tour.get_by_role("button", name="Next").evaluate("b => b === document.activeElement")
        pointed = {"field": ".llm-field", "read": ".llm-read", "next": ".llm-nextwords"}
        pointed |= {"how": ".llm-how", "write": ".llm-writing"}
        for step, (text, part, change) in enumerate(TOUR, 1):
            assert tour_step(page) == step
            assert said(page, ".llm-tour-text") == WORDS[f"tour_{text}"]
            assert page.locator(f"{pointed[part]}.llm-toured").count() == 1
            assert page.locator(".llm-toured").count() == 1
            assert text_of(page) == change.get("prompt", text_of(page))
            if "stage" in change:
                assert said(page, ".llm-how .llm-place") == STAGES[change["stage"]]
            seen = """box => { const {top, bottom} = box.getBoundingClientRect();
                return top < innerHeight && bottom > 0; }"""
            assert page.locator(".llm-toured").evaluate(seen)
            if step < len(TOUR):
                page.keyboard.press("Enter")  # on Next, which keeps the focus
                page.clock.run_for(30_000)  # the reader's step has stopped the playing
        assert page.evaluate("() => document.activeElement.textContent") == "End the tour"
        press(tour, "Back")
        assert tour_step(page) == 7
        assert "Omar 99.2 %" in said(page, ".llm-looks + .llm-legend")  # what step 7 claims
        page.locator("textarea").focus()
        page.keyboard.press("Escape")
        assert tour.is_hidden() and page.get_by_role("button", name="90-second").is_visible()


def test_the_tour_claims_what_is_true(page):
    """Each sentence that names a number or a word, held to what the view shows then."""
    put(page, prompt=STORY)
    assert word(page, "Omar").is_visible()
    put(page, prompt=TOUR[2][2]["prompt"])
    deep = page.locator(".llm-strip-token").evaluate_all(
        "all => all.map((t) => [t.textContent.trim(), Number(t.style.getPropertyValue('--deep'))])"
    )
    marks = {token: depth for token, depth in deep}
    assert marks["Mia"] > 0.25 and marks["She"] < 0.02 and marks["ruled"] < 0.02


# --- ways of use -------------------------------------------------------------------------------


def test_stages_by_buttons_slider_and_playing(chromium_browser, folder):
    with opened(chromium_browser, folder / "exact.html", clock=True) as page:
        how = page.locator(".llm-how")
        for name in STAGES:
            assert how.locator(".llm-place").first.inner_text() == name
            if name != STAGES[-1]:
                press(how, "Next")
        slider = how.get_by_role("slider", name="Stage")
        slider.focus()
        page.keyboard.press("Home")
        assert slider.get_attribute("aria-valuetext") == "tokens"
        press(how, "Play")
        page.clock.run_for(30_000)
        assert slider.get_attribute("aria-valuetext") == "a token is drawn"
        how.get_by_role("button", name="woman").click()
        assert text_of(page) == "Once there was a woman"


def test_keyboard_alone_is_enough(page):
    page.locator("textarea").focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Once there was a")
    strip = page.locator(".llm-strip-token[tabindex='0']")
    assert page.locator(".llm-strip-token[tabindex='0']").count() == 1
    strip.focus()
    page.keyboard.press("Home")
    assert "“begin” stands first" in said(page, ".llm-readout")
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    assert said(page, ".llm-nextwords > .llm-subtitle").endswith("after “there”")
    assert strip.evaluate("o => o === document.activeElement")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert text_of(page) == "Once there was"
    page.locator("summary", has_text="How it draws").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
    assert page.locator(".llm-slider output").first.inner_text() == "0: always the likeliest"
    page.locator("summary", has_text="How it draws").click()


def test_every_control_is_reached_by_tab_and_seen(page):
    put(page, prompt="Once there was a dragon", stage=4)
    assert not keyboard_faults(page)


def test_touch(chromium_browser, folder):
    context = chromium_browser.new_context(
        viewport={"width": 360, "height": 700}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.goto((folder / "exact.html").as_uri())
    word(page, "queen").tap()
    assert text_of(page) == "Once there was a queen"
    page.locator(".llm-strip-token").nth(2).tap()
    assert said(page, ".llm-nextwords > .llm-subtitle").endswith("“there”")
    page.locator(".llm-how").get_by_role("button", name="Next").tap()
    assert said(page, ".llm-how .llm-place") == "embeddings"
    page.get_by_role("button", name="90-second").tap()
    page.locator(".llm-tour").get_by_role("button", name="Next").tap()
    assert tour_step(page) == 2
    context.close()


def test_random_actions_leave_no_error(chromium_browser, folder):
    """500 of them: buttons, options, sliders, radios, typing, keys, addresses, the tour."""
    seed = 20
    print(f"seed {seed}")
    with opened(chromium_browser, folder / "exact.html") as page:
        page.evaluate(RANDOM_ACTIONS, [seed, 400])
        rng = random.Random(seed)
        keys = "Tab Shift+Tab ArrowRight ArrowLeft ArrowUp ArrowDown Home End Enter Escape a Delete"
        for _ in range(100):
            page.keyboard.press(rng.choice([*keys.split(), "Tab", "Space"]))
        settle(page)
        put(page, model="storyteller", prompt="Once there was a")
        page.wait_for_selector(".llm-strip-token:text-is('begin')", state="attached")
        assert page.locator(".llm-next-word").count() == 8


RANDOM_ACTIONS = """async ([seed, count]) => {
    let state = seed;
    const below = (n) => (state = (state * 48271) % 2147483647) % n;
    const pick = (items) => items[below(items.length)];
    const texts = ["", "Once", "Once there was a dragon", "a\\n", "🦙é", "<|end|>", " x"];
    const parts = "button, [role=option], input[type=radio], summary";
    const apart = /PNG|Full screen/;
    const slide = (input) => {
        input.value = Number(input.min) + below(Number(input.max) - Number(input.min) + 1);
        input.dispatchEvent(new Event("input", {bubbles: true}));
    };
    const acts = {
        click: () => pick([...document.querySelectorAll(parts)].filter((node) =>
            !node.disabled && node.checkVisibility() && !apart.test(node.ariaLabel + node.innerText)
        ))?.click(),
        slide: () => slide(pick([...document.querySelectorAll("input[type=range]")])),
        type: () => {
            const field = document.querySelector("textarea");
            field.value = pick([pick(texts), pick(texts) + pick(texts)]);
            field.dispatchEvent(new Event("input", {bubbles: true}));
        },
        hash: () => (location.hash = `playground?stage=${below(12)}&head=${below(14)}`
            + `&position=${below(9) - 2}&model=${pick(["bard", "storyteller", "x"])}`),
    };
    for (let i = 0; i < count; i++) {
        acts[pick(["click", "click", "click", "slide", "type", "hash"])]();
        if (i % 4 === 0) await new Promise((done) => setTimeout(done, 5));
    }
}"""


# --- places ------------------------------------------------------------------------------------


def test_one_file_needs_nothing_from_elsewhere(chromium_browser, folder):
    with opened(chromium_browser, folder / "one.html") as page:
        assert page.locator(".llm-fallback").is_hidden()
        first = page.locator(".llm-next-word").first
        assert plain(first.get_attribute("aria-label")).startswith("prince, 13.")
        page.locator("input[value=bard]").check(force=True)
        page.wait_for_selector(".llm-strip-token:text-is('R')")


def test_frame_without_rights(chromium_browser, folder):
    with visit(chromium_browser, (folder / "framed.html").as_uri()) as seen:
        frame = seen.page.frame_locator("iframe")
        frame.locator(".llm-next-word").first.wait_for()
        frame.locator("textarea").fill("Once there was a queen called")
        assert frame.locator(".llm-next-word").count() >= 4
        frame.get_by_role("button", name="Draw the next token").click()
        assert len(frame.locator("textarea").input_value().split()) == 7
        assert frame.get_by_role("button", name="Copy link").count() == 0
        seen.page.wait_for_timeout(500)
        assert not console_faults(seen)


def test_a_missing_model_is_said(chromium_browser, tmp_path, monkeypatch):
    monkeypatch.setenv("LLM_BOOK_BUILD", str(tmp_path / "_shared"))
    (tmp_path / "page.html").write_text(HEAD + Playground("draft").html(), encoding="utf-8")
    for file in (tmp_path / "_shared").glob("weights-*.js"):
        file.unlink()
    with visit(chromium_browser, (tmp_path / "page.html").as_uri()) as seen:
        seen.page.wait_for_selector(".llm-notice:has-text('draft could not be loaded')")
        type_text(seen.page, "Once")
        press(seen.page, "As table")
        assert text_of(seen.page) == "Once" and not view_faults(seen.page)


def test_a_model_of_your_own(chromium_browser, folder):
    with opened(chromium_browser, folder / "own.html") as page:
        tokenizer = CharTokenizer("abc\n")
        with torch.no_grad():
            chances = softmax(own()(torch.tensor([tokenizer.encode("abca")]))[0, -1])
        press(page, "As table")
        found = {int(i): float(p) for _, i, p, _ in rows(page)}
        assert found == pytest.approx(dict(enumerate(chances.tolist())), abs=2e-3)  # 8 bits
        assert {row[0] for row in rows(page)} == {"a", "b", "c", "⏎"}
        assert page.locator(".llm-choice").is_hidden() and page.locator(".llm-view b").count() == 0
        press(page, "As table")
        for _ in range(5):
            press(page.locator(".llm-how"), "Next")
        assert said(page, ".llm-how .llm-place") == "a token is drawn"


SMALL = """() => [...document.querySelectorAll("button, a, summary, input, [role=option]")]
    .filter((node) => node.checkVisibility() && !node.closest(".llm-card"))
    .filter((node) => node.offsetWidth < 24 || node.offsetHeight < 24)
    .map((node) => node.outerHTML)"""


@pytest.mark.parametrize(("width", "height"), [(360, 740), (320, 256), (768, 900)])
def test_no_sideways_scroll_and_targets_are_large(page, width, height):
    page.set_viewport_size({"width": width, "height": height})
    for stage in range(9):
        put(page, prompt=f"{STORY} Antidisestablishmentarianism", stage=stage)
        assert not sideways_scroll(page) and not page.evaluate(SMALL)
    page.get_by_role("button", name="90-second").click()
    assert not sideways_scroll(page)
    place = page.locator(".llm-tour").evaluate("box => getComputedStyle(box).position")
    assert place == ("static" if height < 300 else "sticky")  # a low window is not filled by it
    press(page.locator(".llm-tour"), "Next")
    below = "node => innerHeight - node.getBoundingClientRect().top"
    assert 0 < page.locator(".llm-tour .llm-controls").evaluate(below) <= height
    press(page, "End the tour")
    page.set_viewport_size({"width": 1280, "height": 900})


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_axe_finds_nothing(page, mode):
    page.emulate_media(color_scheme=mode)
    for stage in (0, 1, 4, 6, 7, 8):
        put(page, prompt=STORY, stage=stage)
        assert not axe_faults(page)
    put(page, prompt="Once there was a dragon")
    page.get_by_role("button", name="90-second").click()
    page.locator("summary", has_text="How it draws").click()
    assert not axe_faults(page)
    page.locator("summary", has_text="How it draws").click()
    press(page, "End the tour")
    put(page, model="bard", prompt="é To be")
    press(page, "As table")
    assert not axe_faults(page)
    page.emulate_media(color_scheme="light")


def test_axe_finds_nothing_on_a_phone(page):
    page.set_viewport_size({"width": 360, "height": 740})
    put(page, prompt=" ".join([STORY] * 2)[:600], stage=0)  # what scrolls
    assert not axe_faults(page)
    page.set_viewport_size({"width": 1280, "height": 900})


def test_forced_colours_still_show_what_is_chosen(page):
    page.emulate_media(forced_colors="active")
    put(page, prompt=STORY, stage=4)
    outline = "(part) => getComputedStyle(document.querySelector(part)).outlineStyle"
    for part in (".llm-strip-token", ".llm-head-row"):
        assert page.evaluate(outline, f"{part}[aria-selected=true]") == "solid"
    fill = "() => getComputedStyle(document.querySelector('.llm-filled')).backgroundColor"
    assert page.evaluate(fill) != page.evaluate(
        "() => getComputedStyle(document.querySelector('.llm-view')).backgroundColor"
    )
    page.emulate_media(forced_colors="none")


def test_reduced_motion_moves_nothing(page):
    moving = """() => [...document.querySelectorAll(".llm-view *")].filter((node) => {
        const style = getComputedStyle(node);
        return style.animationName !== "none" || style.transitionDuration !== "0s";
    }).length"""
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(moving)
    page.emulate_media(reduced_motion="reduce")
    assert not page.evaluate(moving)


# --- speed: the machine may be busy, so the best of several rounds counts -----------------------

TYPE = """async (texts) => {
    const field = document.querySelector("textarea");
    const taken = [];
    for (const text of texts) {
        const start = performance.now();
        field.value = text;
        field.dispatchEvent(new Event("input", {bubbles: true}));
        document.body.offsetHeight;
        taken.push(performance.now() - start);
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    }
    return taken;
}"""


def test_typing_is_answered_at_once(page, capsys):
    """Milliseconds from a key to what is drawn, of a text of 40 tokens, also at a slow pace."""
    put(page, prompt=FORTY)
    assert len(tokens(page)) == 40
    texts = [f"{FORTY} {'Tomtom'[:n]}" for n in (1, 2, 3, 2, 1)]
    client = page.context.new_cdp_session(page)
    best = {}
    for rate, limit in ((1, 100), (4, 250)):
        client.send("Emulation.setCPUThrottlingRate", {"rate": rate})
        best[rate] = math.inf
        for _ in range(8):
            best[rate] = min(best[rate], statistics.median(page.evaluate(TYPE, texts)))
            if best[rate] < 0.6 * limit:
                break
    client.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    with capsys.disabled():
        print(f"\n40 tokens, from key to picture: {best[1]:.0f} ms, {best[4]:.0f} ms at 4×")
    assert best[1] < 100 and best[4] < 250


def test_typing_never_blocks_the_page_for_long(page, capsys):
    page.evaluate(
        """() => {
            window.long = [];
            const keep = (list) => long.push(...list.getEntries().map((task) => task.duration));
            new PerformanceObserver(keep).observe({type: "longtask"});
        }"""
    )
    longest = []
    for _ in range(4):
        put(page, prompt=FORTY)
        page.locator("textarea").focus()
        page.keyboard.press("ControlOrMeta+End")
        page.evaluate("() => { long.length = 0 }")
        page.keyboard.type(" Tom gave", delay=20)
        page.wait_for_timeout(200)
        longest.append(max(page.evaluate("() => long"), default=0))
        if longest[-1] < 120:
            break
    with capsys.disabled():
        print(f"\n40 tokens, longest task while typing: {min(longest):.0f} ms")
    assert min(longest) < 200


def test_tokens_a_second(chromium_browser, tmp_path, capsys):
    """The storyteller with its cache, at the usual pace and at a quarter of it."""
    model, tokenizer = load("storyteller")
    ids = tokens_of(model, tokenizer, stories(1, seed=4).documents[0])
    with visit(chromium_browser, write_page(tmp_path / "engine.html").as_uri()) as seen:
        put_model(seen.page, ViewModel("storyteller", model, tokenizer), inline=False)
        client = seen.page.context.new_cdp_session(seen.page)
        best = {}
        for rate, least in ((1, 900), (4, 200)):
            client.send("Emulation.setCPUThrottlingRate", {"rate": rate})
            best[rate] = 0
            for _ in range(10):
                best[rate] = max(best[rate], seen.page.evaluate(PACE, ids))
                if best[rate] > 1.3 * least:
                    break
    with capsys.disabled():
        print(f"\nstoryteller: {best[1]:.0f} tokens/s, {best[4]:.0f} at a quarter of the pace")
    assert best[1] >= 900 and best[4] >= 200
