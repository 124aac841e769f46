"""The quiz as readers meet it: by mouse, keys and touch, kept and cleared, framed, on a phone."""

import csv
import io
import random
from collections.abc import Iterator
from html import escape
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Browser, Locator, Page
from tools import (
    AXE_TAGS,
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

from llm.views import Question, Quiz

pytestmark = pytest.mark.browser

HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'
HOSTILE = "</script><img src=x onerror=alert(1)> `<b>code</b>` \u202e"


def handmade(why: str = "Both stand first.") -> Quiz:
    """One question of each kind."""
    return Quiz(
        Question(
            "Which is `b`?",
            choices=["ay", "bee", "sea"],
            answer="bee",
            why="It is spelled `b`.",
            hints={"sea": "That is water."},
        ),
        Question(
            "Which stand first?",
            choices=["a", "z", "b"],
            answer=["a", "b"],
            why=why,
            hints={"z": "That stands last."},
        ),
        Question(
            "What is a half?",
            answer=0.5,
            tolerance=0.005,
            why="One in two.",
            hints={2: "Upside down."},
        ),
        Question(HOSTILE, why=f"Since {HOSTILE}"),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Pages: one quiz, two on a page with a link before them, and a frame without rights."""
    folder = tmp_path_factory.mktemp("quizzes")
    handmade().save_page(folder / "one.html")
    html = handmade().html()
    link = '<p><a href="#quiz-2?question=3">halves</a></p><div style="height: 90rem"></div>'
    (folder / "two.html").write_text(HEAD + link + html + html, encoding="utf-8")
    framed = escape(HEAD + html, quote=True)
    frame = f'<iframe sandbox="allow-scripts" title="quiz" height="900" srcdoc="{framed}"></iframe>'
    (folder / "framed.html").write_text(HEAD + frame, encoding="utf-8")
    return folder


@pytest.fixture
def page(chromium_browser: Browser, folder: Path) -> Iterator[Page]:
    """The page with one quiz, which must have had nothing to complain about in the end."""
    with visit(chromium_browser, (folder / "one.html").as_uri()) as seen:
        yield seen.page
        assert not network_faults(seen)


def question(page: Page, place: int) -> Locator:
    return page.locator(".llm-quiz > li").nth(place - 1)


def press(part: Locator, name: str) -> None:
    part.get_by_role("button", name=name).click()


def verdict(part: Locator) -> str:
    return part.locator(".llm-message").inner_text()


def score(page: Page) -> str:
    return page.locator(".llm-total").inner_text()


def test_it_renders_and_asks_all_questions(page):
    assert not view_faults(page) and page.locator(".llm-fallback").is_hidden()
    assert page.locator(".llm-quiz > li").count() == 4
    assert page.get_by_role("group", name="1. Which is b ?").get_by_role("radio").count() == 3
    assert (
        page.get_by_role("group", name="2. Which stand first?").get_by_role("checkbox").count() == 3
    )
    assert page.get_by_label("Your number").is_visible()
    assert question(page, 1).locator("p code").inner_text() == "b"
    assert score(page) == "0 of 4 right at the first try, 4 still open"


def test_one_choice_with_a_hint_and_a_second_try(page):
    part = question(page, 1)
    press(part, "Check")
    assert verdict(part) == "Choose an answer first." and score(page).startswith("0 of 4")
    part.get_by_label("sea").check()
    press(part, "Check")
    assert verdict(part) == "Not quite. That is water."
    assert part.get_by_role("radio", name="sea wrong").is_checked()
    part.get_by_label("bee").check()
    assert verdict(part) == "" and part.locator(".llm-mark:visible").count() == 0
    press(part, "Check")
    assert verdict(part).split() == "Right! It is spelled b.".split()
    assert part.locator(".llm-mark:visible").all_inner_texts() == ["✓"]
    assert score(page) == "0 of 4 right at the first try, 3 still open"


def test_the_first_try_counts_and_the_answer_can_be_shown(page):
    part = question(page, 1)
    part.get_by_label("ay", exact=True).check()
    assert part.get_by_role("button", name="Show the answer").is_hidden()
    press(part, "Check")
    assert verdict(part) == "Not quite. Try again."
    press(part, "Show the answer")
    assert verdict(part).startswith("The answer: bee.") and "It is spelled" in verdict(part)
    assert part.locator(".llm-mark:visible").all_inner_texts() == ["✗", "✓"]
    assert part.get_by_role("button", name="Check").evaluate("b => b === document.activeElement")
    part.get_by_label("bee").check()
    press(part, "Check")
    assert verdict(part).startswith("Right!") and score(page).startswith("0 of 4")


def test_several_choices(page):
    part = question(page, 2)
    press(part, "Check")
    assert verdict(part) == "Choose one or more answers first."
    part.get_by_label("a", exact=True).check()
    press(part, "Check")
    assert verdict(part) == "Right so far, but something is missing."
    part.get_by_label("z").check()
    press(part, "Check")
    assert verdict(part) == "Not quite. That stands last."
    assert part.locator(".llm-mark:visible").count() == 0  # signs would give the answer away
    part.get_by_label("z").uncheck()
    part.get_by_label("b", exact=True).check()
    press(part, "Check")
    assert verdict(part).startswith("Right!") and "Both stand first." in verdict(part)
    assert part.locator(".llm-mark:visible").all_inner_texts() == ["✓", "✓"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("0.5", "Right!"),
        (" .505 ", "Right!"),
        ("0,495", "Right!"),
        ("5e-1", "Right!"),
        ("0.4949", "Too small. Try again."),
        ("\u22120.5", "Too small. Try again."),
        ("1,000", "Too large. Try again."),
        ("2.004", "Not quite. Upside down."),
        ("brown fox", "Type a number first, such as 0.5."),
        ("", "Type a number first, such as 0.5."),
        ("0x1", "Type a number first, such as 0.5."),
        ("1e999", "Type a number first, such as 0.5."),
    ],
)
def test_a_number_within_its_tolerance(page, typed, said):
    part = question(page, 3)
    part.get_by_label("Your number").fill(typed)
    press(part, "Check")
    assert verdict(part).splitlines()[0] == said


def test_a_thought_is_compared_by_the_reader(page):
    part = question(page, 4)
    assert part.get_by_role("button", name="I had it").is_hidden()
    part.get_by_label("Your thought").fill("perhaps")
    press(part, "Reveal")
    assert "Since </script>" in verdict(part)
    assert part.get_by_role("button", name="I had it").evaluate("b => b === document.activeElement")
    press(part, "I had it")
    assert score(page) == "1 of 4 right at the first try, 3 still open"
    press(part, "Not yet")
    assert score(page) == "0 of 4 right at the first try, 3 still open"
    assert part.locator("[aria-pressed=true]").inner_text() == "Not yet"


def test_keyboard_alone_is_enough(page):
    page.locator("input[type=radio]").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert verdict(question(page, 1)).startswith("Right!")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Check"
    page.keyboard.press("Tab")
    page.keyboard.press(" ")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press(" ")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert verdict(question(page, 2)).startswith("Right!")
    page.get_by_label("Your number").focus()
    page.keyboard.type("0.5")
    page.keyboard.press("Enter")
    assert score(page) == "3 of 4 right at the first try, 1 still open"


def test_every_control_is_reached_by_tab_and_seen(page):
    assert not keyboard_faults(page)
    question(page, 1).get_by_label("sea").check()
    press(question(page, 1), "Check")
    press(question(page, 4), "Reveal")
    assert not keyboard_faults(page)


def test_touch_and_targets(chromium_browser, folder):
    context = chromium_browser.new_context(
        has_touch=True, viewport={"width": 390, "height": 800}, is_mobile=True
    )
    page = context.new_page()
    page.goto((folder / "one.html").as_uri())
    question(page, 1).locator("label", has_text="bee").tap()
    question(page, 1).get_by_role("button", name="Check").tap()
    assert verdict(question(page, 1)).startswith("Right!")
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, a, summary, input, textarea")]
            .map((node) => node.closest("label") ?? node)
            .filter((node) => node.checkVisibility())
            .filter((node) => node.offsetWidth < 24 || node.offsetHeight < 24)
            .map((node) => node.outerHTML)"""
    )
    assert not small
    context.close()


def test_verdict_and_reason_are_said_once(page):
    page.wait_for_timeout(600)
    page.evaluate(
        """() => {
            window.said = [];
            const status = document.querySelector("[role=status]");
            new MutationObserver(() => said.push(status.textContent))
                .observe(status, {childList: true});
        }"""
    )
    question(page, 1).get_by_label("bee").check()
    press(question(page, 1), "Check")
    page.wait_for_function("() => said.length > 0")
    page.wait_for_timeout(700)
    assert page.evaluate("() => said") == ["Right! It is spelled b."]


def answer_all(page: Page) -> None:
    """The first right, the second wrong, the third right at the second try, the fourth missed."""
    question(page, 1).get_by_label("bee").check()
    question(page, 2).get_by_label("z").check()
    question(page, 3).get_by_label("Your number").fill("7")
    press(question(page, 3), "Check")
    question(page, 3).get_by_label("Your number").fill("0.5")
    for place in (1, 2, 3):
        press(question(page, place), "Check")
    question(page, 4).get_by_label("Your thought").fill(HOSTILE)
    press(question(page, 4), "Reveal")
    press(question(page, 4), "Not yet")


def test_answers_survive_a_reload_and_are_cleared(page):
    answer_all(page)
    shown = page.locator(".llm-body").inner_text()
    for _ in range(2):
        page.reload()
        assert page.locator(".llm-body").inner_text() == shown
    assert question(page, 1).get_by_label("bee").is_checked()
    assert question(page, 3).get_by_label("Your number").input_value() == "0.5"
    assert question(page, 4).get_by_label("Your thought").input_value() == HOSTILE
    press(page.locator(".llm-body"), "Clear my answers")
    for _ in range(2):
        assert score(page) == "0 of 4 right at the first try, 4 still open"
        assert page.locator("input:checked, .llm-mark:visible, .llm-why").count() == 0
        assert page.get_by_label("Your thought").input_value() == ""
        page.reload()


def test_an_edited_quiz_starts_anew(page, folder):
    answer_all(page)
    handmade(why="Another reason.").save_page(folder / "one.html")
    page.reload()
    assert score(page).startswith("0 of 4")
    handmade().save_page(folder / "one.html")


@pytest.mark.parametrize(
    "kept",
    [
        "{",
        "null",
        '"x"',
        '{"digest": "D", "done": 5}',
        '{"digest": "D", "done": [{"given": [9]}, {"given": "x"}, {"given": [0]}, {"given": 5}]}',
        '{"digest": "D", "done": [null, {"given": ["length"], "told": true}, {"given": "<b>"}]}',
    ],
)
def test_what_was_kept_may_be_anything(page, kept):
    page.evaluate(
        """kept => {
            const data = document.querySelector(".llm-view script").textContent;
            const {digest} = JSON.parse(data).view;
            localStorage.setItem(`llm ${location.pathname}#quiz`, kept.replace("D", digest));
        }""",
        kept,
    )
    page.reload()
    assert not view_faults(page) and score(page).startswith("0 of 4")


def test_frame_without_rights_keeps_nothing_and_works(chromium_browser, folder):
    with visit(chromium_browser, (folder / "framed.html").as_uri()) as seen:
        frame = seen.page.frames[1]
        part = frame.locator(".llm-quiz > li").nth(2)
        part.get_by_label("Your number").fill("0.5")
        part.get_by_label("Your number").press("Enter")
        assert verdict(part).startswith("Right!")
        assert "cannot be kept here" in frame.locator(".llm-quiz-foot").inner_text()
        press(frame.locator(".llm-body"), "Clear my answers")
        assert verdict(part) == ""
        seen.page.wait_for_timeout(600)
        assert not network_faults(seen)


def test_two_quizzes_and_a_link_to_a_question(chromium_browser, folder):
    with visit(chromium_browser, (folder / "two.html").as_uri()) as seen:
        page = seen.page
        first, second = page.locator(".llm-view").all()
        ids = page.evaluate("() => [...document.querySelectorAll('[id]')].map((node) => node.id)")
        assert len(ids) == len(set(ids))
        page.get_by_role("link", name="halves").click()
        part = second.locator(".llm-quiz > li").nth(2)
        page.wait_for_function("() => scrollY > 1000")
        settle(page)
        assert part.get_attribute("aria-current") == "true"
        box = part.bounding_box()
        assert 0 <= box["y"] and box["y"] + box["height"] <= 900
        second.get_by_label("bee").check()
        press(second.locator(".llm-quiz > li").first, "Check")
        page.wait_for_function("() => location.hash === '#quiz-2?question=1'")
        assert "1 of 4" in second.inner_text() and "0 of 4" in first.inner_text()
        assert first.get_by_label("bee").is_checked() is False
        page.reload()
        assert "1 of 4" in second.inner_text() and "0 of 4" in first.inner_text()
        assert not console_faults(seen)


@pytest.mark.parametrize("query", ["question=99", "question=-3", "question=x", "question=1e99", ""])
def test_a_wrong_address_is_made_right(chromium_browser, folder, query):
    with visit(chromium_browser, f"{(folder / 'one.html').as_uri()}#quiz?{query}") as seen:
        settle(seen.page)
        assert seen.page.locator("[aria-current=true]").count() == 1
        assert not view_faults(seen.page) and not console_faults(seen)


def test_the_table_and_its_file_tell_the_answers(page):
    answer_all(page)
    press(page.locator(".llm-head"), "As table")
    rows = [row.split("\t") for row in page.locator(".llm-table tbody").inner_text().splitlines()]
    assert [row[2] for row in rows[:3]] == ["bee", "z", "0.5"]
    assert [row[3] for row in rows] == ["yes, at the first try", "not yet", "yes, later", "not yet"]
    assert page.locator(".llm-quiz").is_hidden()
    with page.expect_download() as download:
        page.locator(".llm-menu summary").click()
        page.get_by_role("button", name="Save as CSV").click()
    table = list(csv.reader(io.StringIO(Path(download.value.path()).read_text("utf-8-sig"))))
    assert table[0] == ["#", "Question", "Your answer", "Right?"]
    assert table[4][1:3] == [HOSTILE, HOSTILE]


def test_the_saved_picture_holds_questions_and_signs(page):
    answer_all(page)
    with page.expect_download() as download:
        page.locator(".llm-menu summary").click()
        page.get_by_role("button", name="Save as SVG").click()
    texts = "".join(ElementTree.parse(download.value.path()).getroot().itertext())
    assert "Which stand first?" in texts and "✓" in texts and "Right!" in texts


def test_hostile_text_stays_text(page):
    page.evaluate("() => { window.alert = () => { window.hit = true; }; }")
    answer_all(page)
    press(page.locator(".llm-head"), "As table")
    assert page.evaluate("() => window.hit") is None
    assert page.locator(".llm-view :is(img, b)").count() == 0
    assert "<b>code</b>" in page.locator(".llm-quiz code").all_text_contents()


def test_random_actions_leave_no_error(page):
    rng = random.Random(0)
    keys = ["Tab", "Shift+Tab", "ArrowDown", "ArrowUp", " ", "Enter", "Escape", "5", "a"]
    for _ in range(300):
        kind = rng.choice(["key", "key", "click", "hash"])
        if kind == "key":
            page.keyboard.press(rng.choice(keys))
        elif kind == "hash":
            page.evaluate("n => { location.hash = `#quiz?question=${n}` }", rng.randint(-1, 6))
        else:
            page.evaluate(
                """share => {
                    const apart = /Full screen|Save as/;
                    const all = [...document.querySelectorAll(".llm-view :is(button, input)")]
                        .filter((node) => node.checkVisibility())
                        .filter((node) => !apart.test(node.ariaLabel ?? node.innerText));
                    all[Math.floor(share * all.length)].click();
                }""",
                rng.random(),
            )
    settle(page)
    assert not view_faults(page) and "right at the first try" in score(page)


@pytest.mark.parametrize(("width", "height"), [(320, 256), (320, 900), (360, 900), (768, 900)])
def test_no_sideways_scroll(chromium_browser, folder, width, height):
    with visit(chromium_browser, (folder / "one.html").as_uri(), width=width) as seen:
        seen.page.set_viewport_size({"width": width, "height": height})
        answer_all(seen.page)
        assert not sideways_scroll(seen.page)
        press(seen.page.locator(".llm-head"), "As table")
        assert not sideways_scroll(seen.page) and not console_faults(seen)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_axe_finds_nothing(chromium_browser, folder, mode, monkeypatch):
    monkeypatch.setattr("tools.AXE_TAGS", [*AXE_TAGS, "best-practice"])
    with visit(chromium_browser, (folder / "one.html").as_uri(), mode=mode) as seen:
        assert not axe_faults(seen.page) + image_alt_faults(seen.page)
        answer_all(seen.page)
        press(question(seen.page, 2), "Show the answer")
        assert not axe_faults(seen.page) + image_alt_faults(seen.page)
        press(seen.page.locator(".llm-head"), "As table")
        assert not axe_faults(seen.page)


def test_forced_colours_and_reduced_motion(chromium_browser, folder):
    context = chromium_browser.new_context(forced_colors="active", reduced_motion="reduce")
    page = context.new_page()
    page.goto((folder / "one.html").as_uri())
    answer_all(page)
    style = "node => [getComputedStyle(node).outlineStyle, getComputedStyle(node).borderTopWidth]"
    options = question(page, 1).locator(".llm-option")
    assert options.nth(1).evaluate(style) == ["solid", "1px"]
    assert options.nth(0).evaluate(style) == ["none", "1px"]
    assert page.evaluate("() => document.getAnimations().length") == 0
    context.close()


def test_questions_are_read_without_scripts(chromium_browser, folder):
    context = chromium_browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((folder / "one.html").as_uri())
    fallback = page.locator(".llm-fallback")
    assert "Which stand first?" in fallback.inner_text()
    assert "Both stand first." not in fallback.inner_text()
    fallback.locator("summary").nth(1).click()
    assert "a; b. Both stand first." in fallback.inner_text()
    context.close()


@pytest.mark.parametrize("name", ["tokenization", "training"])
def test_shipped_answers_are_taken_as_right(chromium_browser, tmp_path, name):
    quiz = Quiz(name)
    quiz.save_page(tmp_path / "page.html")
    with visit(chromium_browser, (tmp_path / "page.html").as_uri()) as seen:
        for place, asked in enumerate(quiz.questions, 1):
            part = question(seen.page, place)
            for choice in asked.answer if asked.choices else []:
                part.locator("input").nth(choice).check()
            if asked.kind == "number":
                part.get_by_label("Your number").fill(str(asked.answer))
            press(part, "Reveal" if asked.kind == "thought" else "Check")
            if asked.kind == "thought":
                press(part, "I had it")
        assert (
            score(seen.page)
            == f"{len(quiz.questions)} of {len(quiz.questions)} right at the first try"
        )
        assert not sideways_scroll(seen.page) and not network_faults(seen)
