"""The view of embeddings as readers meet it: its numbers are PyTorch's, by mouse and keys."""

import csv
import io
import random
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
    image_alt_faults,
    keyboard_faults,
    network_faults,
    settle,
    sideways_scroll,
    view_faults,
    visit,
)

from llm.views import EmbeddingView

pytestmark = pytest.mark.browser

HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'
HOSTILE = "</script><img src=x onerror=alert(1)>"
VIEW = EmbeddingView()
TABLES = {"trained": VIEW.table, "untrained": VIEW.new}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Pages: alone, twice with a link in prose before, in a frame without rights."""
    folder = tmp_path_factory.mktemp("embedding")
    VIEW.save_page(folder / "one.html")
    with pytest.MonkeyPatch.context() as patch:  # shared files, as on the site
        patch.setenv("LLM_BOOK_BUILD", str(folder / "_shared"))
        html = VIEW.html()
    link = '<p><a href="#embedding?word=Mia&amp;shown=1">names</a></p>'
    page = HEAD + link + '<div style="height:90rem"></div>' + html + html
    (folder / "twice.html").write_text(page, "utf-8")
    framed = escape(HEAD + VIEW.html(), quote=True)
    frame = f'<iframe sandbox="allow-scripts" title="view" height="900" srcdoc="{framed}"></iframe>'
    (folder / "framed.html").write_text(HEAD + frame, "utf-8")
    return folder


@pytest.fixture
def page(chromium_browser: Browser, folder: Path) -> Iterator[Page]:
    """The page with one view, which must have had nothing to complain about in the end."""
    with visit(chromium_browser, (folder / "one.html").as_uri()) as seen:
        yield ready(seen.page)
        assert not network_faults(seen) and not view_faults(seen.page)


def ready(page: Page) -> Page:
    """Wait until the trained table is there."""
    page.wait_for_selector(".llm-view[data-state=ready]:not([data-pending])")
    settle(page)
    return page


def go(page: Page, **state) -> None:
    """Set the view by its address, and wait for the table that it names."""
    page.evaluate(
        "state => { location.hash = 'embedding?' + new URLSearchParams(state); }",
        {"table": "trained", **state, "once": random.random()},
    )
    page.wait_for_selector(".llm-word-bars >> nth=1 >> .llm-place")
    settle(page)


def bars(page: Page, label: str) -> list[tuple[str, float]]:
    rows = page.get_by_role("list", name=label).get_by_role("listitem").all()
    plain = [re.sub("[\u2068\u2069]", "", row.inner_text()).replace("−", "-") for row in rows]
    return [
        (text.split("\n")[0], float(re.search(r"-?\d\.\d{3}$|-?\d\.\d{3}(?=\n)", text)[0]))
        for text in plain
    ]


def nearest(vector, table: str, n: int, without=()) -> list[tuple[str, float]]:
    cosines = torch.cosine_similarity(vector.double()[None], TABLES[table].double())
    best = [i for i in cosines.argsort(descending=True).tolist() if i not in without][:n]
    return [(VIEW.labels[i], float(cosines[i])) for i in best]


def agree(found, right) -> None:
    assert [w for w, _ in found] == [w for w, _ in right]
    assert [c for _, c in found] == pytest.approx([c for _, c in right], abs=6e-4)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("word", ["king", "castle", "Mia", "red", "she", "“Once”", "“.”"])
def test_neighbours_are_those_of_pytorch(page, table, word):
    go(page, word=word, table=table, shown=1)
    own = VIEW.places[word]
    agree(bars(page, "Nearest words with"), nearest(TABLES[table][own], table, 8, [own]))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("without", [0, 1])
@pytest.mark.parametrize("words", ["king man woman", "king boy girl", "foxes fox bear"])
def test_sums_are_those_of_pytorch(page, table, without, words):
    a, b, c = words.split()
    go(page, a=a, b=b, c=c, without=without, table=table)
    ids = [VIEW.places[word] for word in (a, b, c)]
    rows = TABLES[table][ids]
    right = nearest(rows[0] - rows[1] + rows[2], table, 5, ids if without else ())
    agree(bars(page, "Words nearest to the sum"), right)
    said = re.sub("[\u2068\u2069]", "", page.locator(".llm-pair .llm-message").last.inner_text())
    assert said.startswith(f"{a} − {b} + {c} is nearest to {right[0][0]}, with a cosine of")
    inputs = page.get_by_text("one of the three").count()
    assert inputs == sum(word in (a, b, c) for word, _ in right)


def test_the_reader_predicts_before_the_neighbours_show(page):
    assert page.get_by_role("list", name="Nearest words with").is_hidden()
    question = page.locator(".llm-predict")
    assert question.get_by_role("button").count() == 4
    question.get_by_role("button", name="queen").click()
    message = page.locator(".llm-pair .llm-message").first
    assert "No, \u2068prince\u2069. Nearest to" in message.inner_text()
    assert question.is_hidden() and bars(page, "Nearest words with")[0] == ("prince", 0.971)
    page.wait_for_function("() => location.hash.includes('shown=1')")
    assert page.evaluate("document.activeElement.id") == "llm-embedding-word"


def test_a_new_table_asks_for_what_nobody_can_know(page):
    page.locator(".llm-card", has_text="Before training").click()
    page.wait_for_function("() => location.hash.includes('table=untrained')")
    page.locator(".llm-predict button").first.click()
    assert "by chance" in page.locator(".llm-pair .llm-message").first.inner_text()
    assert max(c for _, c in bars(page, "Nearest words with")) < 0.5


def test_words_are_typed_and_pressed(page):
    go(page, shown=1)
    field = page.get_by_label("A word")
    field.fill("castle")
    field.press("Enter")
    assert bars(page, "Nearest words with")[0] == ("hall", 0.984)
    page.get_by_role("list", name="Nearest words with").get_by_role("button", name="tower").click()
    assert field.input_value() == "tower"
    page.get_by_label("plus").fill("girl")
    page.get_by_label("plus").press("Tab")
    assert "king − man + girl" in re.sub(
        "[\u2068\u2069]", "", page.locator(".llm-embedding").inner_text()
    )
    page.get_by_label("Leave the three words out").focus()
    page.keyboard.press("Space")
    assert page.get_by_text("one of the three").count() > 0


@pytest.mark.parametrize(
    "word", [HOSTILE, "strawberry", "", "__proto__", "constructor", "\u202eking"]
)
def test_a_word_that_is_none_is_said_and_does_no_harm(page, word):
    go(page, word="king", shown=1)
    page.get_by_label("A word").fill(word)
    page.get_by_label("A word").press("Enter")
    assert (
        "is not one token of this model"
        in page.locator(".llm-pair .llm-message").first.inner_text()
    )
    assert page.get_by_label("A word").get_attribute("aria-invalid") == "true"
    page.get_by_label("minus").fill(word)
    page.get_by_label("minus").press("Enter")
    assert page.locator(".llm-pair .llm-message").last.inner_text().endswith("Choose another word.")
    assert page.locator("img").count() == 0
    page.get_by_role("button", name="castle", exact=True).first.click()
    assert bars(page, "Nearest words with")[0][0] == "hall"


def test_the_map_names_the_group_of_the_word(page):
    go(page, word="red")
    assert page.locator(".llm-words .llm-chosen text").all_text_contents() == VIEW.groups[3][1]
    page.locator(".llm-card", has_text="animals").click()
    assert "fox" in page.locator(".llm-words .llm-chosen text").all_text_contents()
    boxes = page.locator(".llm-words .llm-chosen text").evaluate_all(
        """nodes => nodes.map((node) => node.getBoundingClientRect())
            .map(({ top, bottom }) => [top, bottom])"""
    )
    frame = page.locator(".llm-words").bounding_box()
    assert all(bottom <= frame["y"] + frame["height"] + 1 for _, bottom in boxes)
    heights = sorted(top for top, _ in boxes)
    assert all(b - a > 12 for a, b in zip(heights, heights[1:], strict=False))


def test_prose_sets_the_view_and_two_live_on_a_page(chromium_browser, folder):
    with visit(chromium_browser, (folder / "twice.html").as_uri()) as seen:
        page = seen.page
        page.get_by_role("link", name="names").click()
        first, second = page.locator(".llm-view").all()
        first.locator(".llm-word-bars .llm-place").first.wait_for()
        assert first.get_by_label("A word").input_value() == "Mia"
        assert second.get_by_label("A word").input_value() == "king"
        first.get_by_role("button", name="Back to the text").click()
        assert page.evaluate("document.activeElement.textContent") == "names"
        assert not network_faults(seen) and not view_faults(page)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_is_accessible_and_fits(chromium_browser, folder, mode, width):
    with visit(chromium_browser, (folder / "one.html").as_uri(), width, mode) as seen:
        page = ready(seen.page)
        assert not axe_faults(page) + sideways_scroll(page) + image_alt_faults(page)
        go(page, word="fox", shown=1, without=0, table="untrained")
        assert not axe_faults(page) + sideways_scroll(page)
        assert not keyboard_faults(page)
        assert not console_faults(seen)


def test_it_works_in_a_frame_without_rights(chromium_browser, folder):
    with visit(chromium_browser, (folder / "framed.html").as_uri()) as seen:
        frame = seen.page.frame_locator("iframe")
        frame.locator(".llm-predict button").first.click()
        assert "prince" in frame.get_by_role("list", name="Nearest words with").inner_text()
        assert not console_faults(seen)


def test_the_table_is_saved(page):
    go(page, word="king", shown=1)
    with page.expect_download() as download:
        page.locator("summary", has_text="Save").click()
        page.get_by_role("button", name="Save as CSV").click()
    text = Path(download.value.path()).read_text("utf-8-sig")
    table = list(csv.reader(io.StringIO(text)))
    assert ["nearest", "prince", "0.971"] in table and [
        "king − man + woman",
        "queen",
        "0.970",
    ] in table
