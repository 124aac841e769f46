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

from llm.views import TrainingFilmView

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
