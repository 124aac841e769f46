"""The film view as readers meet it: by mouse, by keys, on a phone, in a frame."""

import csv
import io
import random
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from xml.etree import ElementTree

import pytest
from handmade_film import HOSTILE, STEPS, TOKENS, digit, handmade_film
from past_oracle import surprises
from playwright.sync_api import Browser, Page
from tools import (
    axe_faults,
    console_faults,
    keyboard_faults,
    network_faults,
    set_mode,
    settle,
    sideways_scroll,
    view_faults,
    visit,
)

from llm.views import TrainingFilmView
from llm.views.film_past import past_models

pytestmark = pytest.mark.browser

HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Pages: two films in a view, a link in prose before it, and a frame without rights."""
    folder = tmp_path_factory.mktemp("films")
    view = TrainingFilmView(handmade_film(), handmade_film("other"))
    view.save_page(folder / "one.html")
    link = '<p><a href="#film?step=90&amp;film=other">early</a></p><div style="height:90rem"></div>'
    (folder / "link.html").write_text(HEAD + link + view.html(), encoding="utf-8")
    framed = escape(HEAD + view.html(), quote=True)
    frame = f'<iframe sandbox="allow-scripts" title="view" height="900" srcdoc="{framed}"></iframe>'
    (folder / "framed.html").write_text(HEAD + frame, encoding="utf-8")
    return folder


@pytest.fixture
def page(chromium_browser: Browser, folder: Path) -> Iterator[Page]:
    """The page with one view, which must have had nothing to complain about in the end."""
    with visit(chromium_browser, (folder / "one.html").as_uri()) as seen:
        slide(ready(seen.page), len(STEPS) - 1)
        yield seen.page
        assert not console_faults(seen)


def ready(page: Page) -> Page:
    """Wait until the film is there."""
    page.wait_for_selector(".llm-film:not([hidden]) .llm-story-token")
    return page


def said(page: Page, part: str) -> str:
    return re.sub("[\u2068\u2069]", "", page.locator(part).inner_text())


def slide(page: Page, index: int) -> None:
    page.evaluate(
        """index => {
            const slider = document.querySelector("input[type=range]");
            slider.value = index;
            slider.dispatchEvent(new Event("input"));
        }""",
        index,
    )


STATUS, READOUT, PLACE = ".llm-film > .llm-message", ".llm-column .llm-message", ".llm-place"


def test_it_starts_untrained_and_needs_nothing_from_elsewhere(chromium_browser, folder):
    with visit(chromium_browser, (folder / "one.html").as_uri()) as seen:
        ready(seen.page)
        assert not view_faults(seen.page) and not network_faults(seen)
        assert "Step 0: the loss on unseen stories is 4, 900 % above" in said(seen.page, STATUS)
        assert seen.page.locator(".llm-fallback").is_hidden()


def test_each_moment_shows_its_own_numbers(page):
    film = handmade_film()
    for i, moment in enumerate(film["moments"]):
        slide(page, i)
        assert said(page, PLACE) == f"step {STEPS[i]:,} of 1,000"
        known = [kind for kind, (share, _) in moment["kinds"].items() if share >= 0.9]
        assert f"Known: {', '.join(known) or 'none'}." in said(page, STATUS)
        assert page.locator(".llm-sample").inner_text() == moment["sample"]
        assert page.locator(".llm-known").count() == len(known)
        assert f"has it now: {moment['owner'] * 100:.0f} % right" in said(page, ".llm-kinds > p")
    slide(page, 0)
    assert HOSTILE in said(page, ".llm-sample") and page.locator(".llm-sample img").count() == 0


def test_the_map_and_the_story_tell_the_weights_of_the_film(page):
    map_ = page.locator(".llm-heatmap")
    map_.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    row, column = TOKENS.index("?") - 1, 1
    weight = digit(3, 1, 2, row, column) / 15
    assert f"Layer 1, head 2: Mia gives Once {weight:.2f} of its attention" in said(page, READOUT)
    fills = page.evaluate(
        """() => [...document.querySelectorAll('.llm-squares rect')]
            .map((square) => square.getAttribute('fill'))"""
    )
    assert len(fills) == len(TOKENS) * (len(TOKENS) + 1) // 2
    grades = [digit(3, 1, 2, r, c) for r in range(len(TOKENS)) for c in range(r + 1)]
    assert len(set(zip(fills, grades, strict=True))) == len(set(fills)) == len(set(grades))
    token = page.locator(".llm-story-token").nth(3)
    token.click()
    weights = [digit(3, 1, 2, 3, c) for c in range(4)]
    best = weights.index(max(weights))
    assert f"saw gives {TOKENS[best].strip()} {max(weights) / 15:.2f}" in said(page, READOUT)


def test_arrows_stay_inside_the_triangle(page):
    page.locator(".llm-heatmap").focus()
    for key in ["End", "ArrowRight", "ArrowRight", "ArrowDown", *["ArrowUp"] * 20, "ArrowLeft"]:
        page.keyboard.press(key)
    assert "<|begin|> gives <|begin|>" in said(page, READOUT)


def test_a_head_is_chosen_by_keys(page):
    page.locator(".llm-head-cell[tabindex='0']").focus()
    page.keyboard.press("Home")
    assert "Layer 0, head 0:" in said(page, READOUT)
    page.keyboard.press("ArrowRight")
    assert "Layer 0, head 1:" in said(page, READOUT) and "looks at the answer 0.35" in said(
        page, READOUT
    )
    assert page.locator(".llm-head-cell[tabindex='0']").count() == 1


def test_the_curve_is_clicked_and_the_player_plays(page):
    box = page.locator(".llm-curve svg").bounding_box()
    page.mouse.click(box["x"] + 46, box["y"] + 50)
    assert said(page, PLACE) == "step 0 of 1,000"
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(
        "() => document.querySelector('.llm-place').textContent.includes('1,000 of')"
    )
    page.wait_for_selector("button:text-is('Play')")
    page.get_by_role("button", name="Back").click()
    assert said(page, PLACE) == "step 100 of 1,000"


def test_the_prediction_is_judged_by_the_film(page):
    choices = page.locator(".llm-choices button")
    assert choices.all_inner_texts() == ["name", "owner", "pronoun"]
    choices.first.click()
    verdict = said(page, ".llm-predict .llm-message")
    assert verdict.startswith("No, not name: owner.")
    assert "pronoun 10, name 100, owner 1000" in verdict
    assert page.locator(".llm-right").inner_text().endswith("owner")
    assert all(choice.is_disabled() for choice in choices.all())
    page.locator("input[value=other]").check(force=True)
    page.get_by_role("button", name="owner", exact=True).click()
    assert said(page, ".llm-predict .llm-message").startswith("Right: owner.")


def test_the_table_and_its_file_hold_the_numbers_of_the_film(page):
    page.get_by_role("button", name="As table").click()
    rows = page.locator(".llm-table tbody tr")
    assert rows.count() == 4
    assert rows.nth(2).locator("td").all_inner_texts()[:4] == ["100", "1", "0.3", "1"]
    with page.expect_download() as download:
        page.locator("summary").click()
        page.get_by_role("button", name="Save as CSV").click()
    table = list(csv.reader(io.StringIO(Path(download.value.path()).read_text("utf-8-sig"))))
    assert [row[0] for row in table[1:]] == [str(step) for step in STEPS]


def test_the_saved_picture_holds_the_drawings(page):
    with page.expect_download() as download:
        page.locator("summary").click()
        page.get_by_role("button", name="Save as SVG").click()
    root = ElementTree.parse(download.value.path()).getroot()
    inner = [node for node in root.iter() if node.tag.endswith("}svg") and node is not root]
    assert len(inner) >= 3  # curve, map, words
    assert "var(" not in ElementTree.tostring(root, "unicode")
    texts = "".join(root.itertext())
    assert "floor: what is left to chance" in texts and "Rosa" in texts


def test_the_words_of_the_chosen_group_are_named(page):
    named = page.locator(".llm-words .llm-chosen text:visible")
    assert named.all_text_contents() == ["Mia", "Rosa"]
    page.locator("input[value=colours]").check(force=True)
    assert named.all_text_contents() == ["<b>red</b>"]


def test_state_comes_from_the_address_and_a_link_in_prose(chromium_browser, folder):
    address = (
        folder / "one.html"
    ).as_uri() + "#film?film=other&step=12&layer=0&head=1&row=2&column=1"
    with visit(chromium_browser, address) as seen:
        ready(seen.page)
        assert seen.page.locator("input[value=other]").is_checked()
        assert said(seen.page, PLACE) == "step 10 of 1,000"
        assert "Layer 0, head 1: Mia gives Once" in said(seen.page, READOUT)
        slide(seen.page, 2)
        seen.page.wait_for_function("() => location.hash.includes('step=100&')")
    with visit(chromium_browser, (folder / "link.html").as_uri()) as seen:
        seen.page.get_by_role("link", name="early").click()
        ready(seen.page)
        assert said(seen.page, PLACE) == "step 100 of 1,000"
        assert seen.page.locator("input[value=other]").is_checked()


@pytest.mark.parametrize(
    "query", ["step=x&layer=9&head=-1&row=99&column=99", "film=none&group=none"]
)
def test_a_wrong_address_is_made_right(chromium_browser, folder, query):
    with visit(chromium_browser, f"{(folder / 'one.html').as_uri()}#film?{query}") as seen:
        ready(seen.page)
        assert not console_faults(seen) and "of its attention" in said(seen.page, READOUT)


def test_frame_without_rights(chromium_browser, folder):
    with visit(chromium_browser, (folder / "framed.html").as_uri()) as seen:
        frame = seen.page.frame_locator("iframe")
        frame.locator(".llm-film:not([hidden]) .llm-story-token").first.wait_for()
        frame.get_by_role("button", name="Next").click()
        assert frame.locator(PLACE).inner_text() == "step 10 of 1,000"
        assert not console_faults(seen)


def test_a_missing_film_is_said(chromium_browser, tmp_path, monkeypatch):
    monkeypatch.setenv("LLM_BOOK_BUILD", str(tmp_path / "_shared"))
    view = TrainingFilmView(handmade_film())
    (tmp_path / "page.html").write_text(HEAD + view.html(), encoding="utf-8")
    for file in (tmp_path / "_shared").glob("film-*.js"):
        file.unlink()
    with visit(chromium_browser, (tmp_path / "page.html").as_uri()) as seen:
        seen.page.wait_for_selector(".llm-notice:has-text('could not be loaded')")


def test_every_control_is_reached_by_tab_and_seen(page):
    assert not keyboard_faults(page)


@pytest.mark.parametrize("width", [320, 360, 768])
def test_no_sideways_scroll_and_targets_are_large(chromium_browser, folder, width):
    with visit(chromium_browser, (folder / "one.html").as_uri(), width=width) as seen:
        ready(seen.page)
        assert not sideways_scroll(seen.page)
        small = seen.page.evaluate(
            """() => [...document.querySelectorAll("button, a, summary, input, [role=option]")]
                .filter((node) => node.checkVisibility())
                .filter((node) => node.offsetWidth < 24 || node.offsetHeight < 24)
                .map((node) => node.outerHTML)"""
        )
        assert not small


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_axe_finds_nothing(chromium_browser, folder, mode):
    with visit(chromium_browser, (folder / "one.html").as_uri(), mode=mode) as seen:
        assert not axe_faults(ready(seen.page))
        seen.page.locator(".llm-story-token").last.click()
        seen.page.evaluate(
            """() => document.querySelectorAll(".llm-story-token")
                .forEach((token) => token.style.setProperty("--weight", 1))"""
        )
        assert not axe_faults(seen.page)


def test_forced_colours_still_show_what_is_chosen(chromium_browser, folder):
    context = chromium_browser.new_context(forced_colors="active")
    page = context.new_page()
    page.goto((folder / "one.html").as_uri())
    outline = "(part) => getComputedStyle(document.querySelector(part)).outlineStyle"
    for part in (".llm-head-cell", ".llm-story-token"):
        assert ready(page).evaluate(outline, f"{part}[aria-selected=true]") == "solid"
    context.close()


def test_random_actions_leave_no_error(page):
    rng = random.Random(0)
    for _ in range(150):
        parts = page.locator(".llm-body :is(button:enabled, [role=option], .llm-heatmap)").all()
        part = rng.choice([p for p in parts if p.is_visible()])
        part.focus()
        page.keyboard.press(rng.choice(["Enter", "Home", "End", "ArrowLeft", "ArrowDown", "Tab"]))
    settle(page)
    assert not view_faults(page) and "Layer" in said(page, READOUT)


def test_the_film_shown_first_is_marked(page):
    assert page.locator("input[value=storyteller]").is_checked()


def test_up_and_down_move_between_layers(page):
    page.locator(".llm-head-cell[tabindex='0']").focus()
    for key, head in {
        "Home": "0.0",
        "ArrowDown": "1.0",
        "ArrowRight": "1.1",
        "ArrowUp": "0.1",
    }.items():
        page.keyboard.press(key)
        assert page.evaluate("() => document.activeElement.textContent") == head
    page.keyboard.press("ArrowUp")
    assert page.evaluate("() => document.activeElement.textContent") == "0.1"


def test_the_saved_picture_breaks_lines_as_the_page_does(page):
    with page.expect_download() as download:
        page.locator("summary").click()
        page.get_by_role("button", name="Save as SVG").click()
    root = ElementTree.parse(download.value.path()).getroot()
    lines = [node for node in root.findall("{http://www.w3.org/2000/svg}text")]
    legend = said(page, ".llm-curve .llm-legend")
    assert legend not in [line.text for line in lines]
    parts = [line.text for line in lines if line.text in legend and len(line.text) > 12]
    assert " ".join(parts) == legend


def test_the_words_nearest_on_the_map_are_said(page):
    near = ".llm-words + .llm-column > .llm-legend"
    slide(page, 0)  # Mia (0, 200), Rosa (-900, 0), Tom (1000, -1000), red (0, 0)
    assert said(page, near) == "Nearest on the map: Mia – <b>red</b>, Rosa – <b>red</b>."
    page.locator("input[value=colours]").check(force=True)
    assert said(page, near) == "Nearest on the map: <b>red</b> – Mia."


def test_a_low_window_is_not_filled_by_the_player(chromium_browser, folder):
    with visit(chromium_browser, (folder / "one.html").as_uri(), width=320) as seen:
        seen.page.set_viewport_size({"width": 320, "height": 256})  # 400 % of 1280 by 1024
        position = "() => getComputedStyle(document.querySelector('.llm-timeline')).position"
        assert ready(seen.page).evaluate(position) == "static"
        seen.page.set_viewport_size({"width": 320, "height": 900})
        assert seen.page.evaluate(position) == "sticky"
        inside = """() => [...document.querySelectorAll('.llm-kind > *')].every((cell) =>
            cell.getBoundingClientRect().right
                <= document.querySelector('.llm-kinds').getBoundingClientRect().right + 0.5)"""
        assert seen.page.evaluate(inside)


# --- a sentence of the reader's own -----------------------------------------------------------

PAST = [100, 300, 750, 1000, 1400, 3000, 7000]
ROW, WEIGHTS = ".llm-past-row", "script[src*='weights-']"
LOAD = re.compile("Load six past models")


@pytest.fixture(scope="module")
def site_page(tmp_path_factory) -> Path:
    """A page of a site, where the weights are files."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLM_BOOK_BUILD", str(folder / "_shared"))
        html = TrainingFilmView(handmade_film()).html()
    (folder / "page.html").write_text(f"{HEAD}<title>A</title>{html}", encoding="utf-8")
    return folder / "page.html"


@pytest.fixture(scope="module")
def past(chromium_browser: Browser, site_page: Path) -> Iterator[Page]:
    """The page with all past models loaded, used by several tests."""
    with visit(chromium_browser, site_page.as_uri()) as seen:
        ready(seen.page).evaluate(
            """() => {
                window.told = [];
                const message = document.querySelector(".llm-past > .llm-message");
                const rows = document.getElementsByClassName("llm-past-row");
                new MutationObserver(() => told.push([message.textContent, rows.length]))
                    .observe(message, {childList: true});
            }"""
        )
        assert seen.page.locator(WEIGHTS).count() == 0
        seen.page.get_by_role("button", name=LOAD).click()
        everything_read(seen.page)
        yield seen.page
        assert not console_faults(seen)


def everything_read(page: Page) -> None:
    page.wait_for_selector(".llm-past > .llm-message:has-text('All are here')")


def ask(page: Page, text: str) -> None:
    """Type a text and wait until every model has read it."""
    field = page.locator(".llm-past textarea")
    if field.input_value() == text[:400]:
        return
    page.evaluate(
        """() => document.querySelectorAll(".llm-past-added")
            .forEach(line => line.textContent = "")"""
    )
    field.fill(text)
    page.wait_for_function(
        """() => [...document.querySelectorAll(".llm-past-added")]
            .every(line => line.textContent)"""
    )


def test_past_models_come_one_after_another_and_only_when_asked_for(past):
    told = past.evaluate("told")
    for n, step in enumerate(PAST):
        assert told[n] == [f"The model of step {step:,} is on its way, {n + 1} of 7 …", n]
    assert told[7] == ["All are here. Choose a token to see what each model expected after it.", 7]
    heads = [f"Step {step:,}" for step in PAST]
    assert past.locator(f"{ROW} button").all_inner_texts() == heads
    assert past.get_by_role("button", name=LOAD).is_hidden()


@pytest.mark.parametrize(
    "text",
    [
        "Once there was a queen called Mia. She ruled in a castle.",
        "The dragon’s tail! <b>",
        "Once there was a boy called Kofi. He played in a park. Kofi had three friends, Mia, Tom",
    ],
)
def test_past_models_say_what_pytorch_says(past, text):
    ask(past, text)
    tokenizer = past_models().final.tokenizer
    for row, step in zip(past.locator(ROW).all(), PAST, strict=True):
        nats, chances, more = surprises(step, text)
        labels = row.locator(".llm-strip-token").evaluate_all(
            "nodes => nodes.map(node => node.getAttribute('aria-label'))"
        )
        assert "comes first" in labels[0] and len(labels) == len(nats) + 1
        found = [float(re.search(r"”: ([\d.]+) nats", label)[1]) for label in labels[1:]]
        assert found == pytest.approx(nats, abs=0.0051)
        top = chances.topk(3)
        words = [tokenizer.decode([id_]).replace(" ", "␣") for id_ in top.indices.tolist()]
        assert row.locator(".llm-past-word").all_text_contents() == words
        shown = row.locator(".llm-past-next .llm-number").all_text_contents()
        for p, share in zip(top.values.tolist(), shown, strict=True):
            assert share == "< 0.01 %" if p < 1e-4 else abs(float(share[:-2]) - 100 * p) < 0.06
        goes_on = row.locator(".llm-past-added > :last-child").text_content()
        assert goes_on.removesuffix(" …").removesuffix(" <|end|>") == more.removesuffix("<|end|>")
        assert (
            said(row, ".llm-past-head .llm-legend")
            == f"{number(sum(nats) / len(nats))} nats a token"
        )


def number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def test_the_truth_stands_beside_what_they_expect(past):
    verdict = ".llm-past > .llm-message >> nth=1"
    ask(past, "Once there was a queen called Mia. She ruled in a castle.")
    assert said(past, verdict) == "In the stories, “.” is followed here by: Mia 100 %."
    last = past.locator(ROW).last
    assert last.locator(".llm-past-true").first.get_attribute("style") == "inline-size: 100.0%"
    assert "in truth 0 %" in last.locator("li").nth(1).text_content()
    last.locator(".llm-strip-token").nth(4).click()  # Once there was a
    assert "“␣a” is followed here by: king 12.5 %, queen 12.5 %" in said(past, verdict)
    assert said(past, verdict).endswith("and 5 more.")
    chosen = past.locator(".llm-strip-token[aria-selected=true]").all_inner_texts()
    assert chosen == ["␣a"] * len(PAST)
    ask(past, "Once there was a dragon.")
    assert said(past, verdict).startswith("No story has “dragon” there")
    assert past.locator(".llm-past-true").count() == 0
    ask(past, "word " * 79)
    assert said(past, verdict).startswith("Too long for the models by ")


def test_rows_and_film_lead_to_each_other_by_keys(past):
    past.locator(ROW).first.get_by_role("button").focus()
    past.keyboard.press("Enter")
    assert said(past, PLACE) == "step 100 of 1,000"
    assert past.locator(".llm-past-now button").all_inner_texts()[0] == "Step 100"
    slide(past, 3)
    assert past.locator("[aria-pressed=true]:text-is('Step 100')").count() == 0
    assert past.locator(".llm-past-now button:text-is('Step 1,000')").count() == 1
    ask(past, "Once there was")
    row = past.locator(ROW).nth(2)
    row.locator(".llm-strip-token[tabindex='0']").focus()
    past.keyboard.press("Home")
    past.keyboard.press("ArrowRight")
    assert past.evaluate("document.activeElement.textContent") == "Once"
    assert "“Once”: " in said(row, ".llm-past-readout")


def test_a_sentence_stands_in_the_address_only_if_it_is_the_readers(past):
    past.get_by_role("button", name="an owner").click()
    past.wait_for_function("() => location.hash.includes('sentence=Once+there+was+a+girl')")
    past.get_by_role("button", name="a name to copy").click()
    past.wait_for_function("() => !location.hash.includes('sentence')")
    past.evaluate("location.hash = '#film?step=10&sentence=The+cat'")
    assert past.locator(".llm-past textarea").input_value() == "The cat"
    past.wait_for_function(
        """() => [...document.querySelectorAll(".llm-past-row .llm-strip")]
            .every(strip => strip.textContent === "<|begin|>The␣cat")"""
    )
    past.wait_for_function(
        "() => document.querySelector('.llm-past').getBoundingClientRect().top < innerHeight"
    )


def test_hostile_sentences_are_text(past):
    ask(past, f"{HOSTILE} \u202e\u0000\U0001f999")
    assert past.locator(".llm-past img").count() == 0
    strip = past.locator(f"{ROW} .llm-strip").first.text_content()
    assert HOSTILE.replace(" ", "␣") in strip and "\u202e" not in strip
    ask(past, "")
    assert past.locator(f"{ROW} .llm-strip-token").count() == len(PAST)
    ask(past, "x" * 1000)
    assert len(past.locator(".llm-past textarea").input_value()) == 400


def test_five_hundred_random_actions_leave_no_error(past):
    ask(past, "Once")
    past.evaluate(
        """async () => {
            let seed = 7;
            const random = n => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % n;
            const field = document.querySelector(".llm-past textarea");
            const keys = ["Home", "End", "ArrowLeft", "ArrowRight", "ArrowDown"];
            const texts = ["", "Once", "Once there was a king called Jin.", "<b>", "🦙🦙"];
            const press = (part, key) =>
                part.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
            for (let i = 0; i < 500; i++) {
                const parts = [...document.querySelectorAll(
                    ".llm-past :is(button, [role=option]), .llm-timeline button:enabled")];
                const part = parts[random(parts.length)];
                part.focus();
                press(part, keys[random(5)]);
                if (random(4) === 0) part.click();
                if (random(25) === 0) {
                    field.value = texts[random(5)];
                    field.dispatchEvent(new Event("input"));
                }
                if (i % 10 === 0) await new Promise(done => setTimeout(done, 20));
            }
        }"""
    )
    ask(past, "Once there was a")
    assert not view_faults(past)
    for row in past.locator(ROW).all():
        assert row.locator(".llm-strip-token").count() == 5


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_rows_fit_a_phone_and_axe_finds_nothing(past, mode):
    past.set_viewport_size({"width": 360, "height": 900})
    set_mode(past, mode)
    ask(past, f"Once there was a queen called Mia. {mode} " * 3)
    assert not sideways_scroll(past) and not axe_faults(past)
    small = past.locator(".llm-past :is(button, [role=option], textarea)").evaluate_all(
        """nodes => nodes.filter(node => node.checkVisibility())
            .filter(node => node.offsetWidth < 24 || node.offsetHeight < 24).length"""
    )
    assert small == 0
    inside = """strip => {
        const token = strip.querySelector("[aria-selected=true]").getBoundingClientRect();
        const box = strip.getBoundingClientRect();
        return token.top >= box.top && token.bottom <= box.bottom;
    }"""
    assert all(strip.evaluate(inside) for strip in past.locator(f"{ROW} .llm-strip").all())


def test_a_missing_model_is_told_and_the_others_stay(chromium_browser, site_page):
    away = [*site_page.parent.glob("_shared/weights-storyteller-[37][05]0-*.js")]
    with visit(chromium_browser, site_page.as_uri()) as seen:
        page = ready(seen.page)
        for file in away:
            file.rename(file.with_suffix(".away"))
        page.get_by_role("button", name=LOAD).click()
        page.wait_for_selector(".llm-past > .llm-message:has-text('the model of step 300, 750.')")
        assert page.locator(f"{ROW} .llm-past-next:visible").count() == 5
        assert page.locator(f"{ROW}:has-text('could not be loaded')").count() == 2
        for file in away:
            file.with_suffix(".away").rename(file)
        page.get_by_role("button", name="Try again").click()
        everything_read(page)
        assert page.locator(f"{ROW} .llm-past-next:visible").count() == 7
        steps = page.locator(f"{ROW} button").all_inner_texts()
        assert steps == [f"Step {step:,}" for step in PAST]


def test_in_a_notebook_the_part_says_how_to_get_it(page):
    assert "TrainingFilmView(past_models=True)" in said(page, ".llm-past .llm-legend")
    page.locator("input[value=other]").check(force=True)
    assert page.locator(".llm-past").is_hidden()


def test_past_models_run_from_one_file(chromium_browser, tmp_path):
    view = TrainingFilmView(handmade_film(), past_models=True)
    address = view.save_page(tmp_path / "all.html").as_uri()
    with visit(chromium_browser, address) as seen:
        ready(seen.page).get_by_role("button", name="Let six past models").click()
        everything_read(seen.page)
        assert seen.page.locator(ROW).count() == 7 and not network_faults(seen)
