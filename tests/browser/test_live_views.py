"""Views as readers meet them: in a browser, from a file, in a frame, by mouse, keys and touch.

No built site is needed: the views are written as pages into a temporary folder.
"""

import csv
import io
import json
import random
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Browser, Locator, Page
from tools import (
    AXE_TAGS,
    axe_faults,
    console_faults,
    keyboard_faults,
    network_faults,
    settle,
    sideways_scroll,
    view_faults,
    visit,
)

from llm.tokenization import BPETokenizer, CharTokenizer, gpt2_tokenizer
from llm.views import TokenizerView
from llm.views.tokenizer_view import LIMIT

pytestmark = pytest.mark.browser

CORPUS = (
    "The cat sat on the mat. The brown fox crossed the road and the king met the queen. "
    "low lower lowest new newer newest naïve Übermut 🦙🦙 "
)
TEXT = "The cat sat on the mat 🦙"
SPECIALS = ["<|endoftext|>", "<|end|>"]
NASTY = [
    "",
    " ",
    "  two  spaces  and   three   ",
    "it's we'll they've I'M DON'T 'tis",
    "\n\n\t\tdef f(x):\r\n    return x\n",
    "\x00\x01\x1b[0m\x1c\x1d\x1e\x1f\x7f\x85",
    "\u00a0\u1680\u2003\u2028\u2029\u3000\ufeff\u180e\u200b",
    "🦙👩‍👩‍👧‍👦🏳️‍🌈e\u0301 ﬁ Å ①½²",
    "नमस्ते दुनिया ภาษาไทย 你好，世界 日本語 한국어",
    "مرحبا بالعالم שלום עולם \u202eright to left\u202c",
    "12345 + 678 = 13023 ٣٤٥ 3.14e-10",
    "<|endoftext|><|end|><|endoftext|> a<|endoftext|>b <|endoftext <|end|>of",
    "</script><img src=x onerror=alert(1)><b>&amp;",
    "\ufffd\ufffe\uffff\U0010ffff\ue000",
    "a" * 300 + "ab" * 100 + "!" * 99,
    "Mississippi" * 40,
    "\U0001d400\U00020000𞤀𞥀",
]


@pytest.fixture(scope="module")
def own() -> BPETokenizer:
    return BPETokenizer.train(CORPUS, 330, special_tokens=SPECIALS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, own) -> Path:
    """Pages: one view, two on a page, a frame without rights, and a character vocabulary."""
    folder = tmp_path_factory.mktemp("views")
    view = TokenizerView(TEXT, own)
    view.save_page(folder / "one.html")
    TokenizerView("hole", CharTokenizer("hello"), mode="characters").save_page(folder / "char.html")
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'
    link = '<p><a href="#tokenizer?text=lower&amp;mode=own">lower</a></p>'
    (folder / "two.html").write_text(head + link + view.html() + view.html(), encoding="utf-8")
    framed = escape(head + view.html(), quote=True)
    frame = f'<iframe sandbox="allow-scripts" title="view" height="900" srcdoc="{framed}"></iframe>'
    (folder / "framed.html").write_text(head + frame, encoding="utf-8")
    return folder


@pytest.fixture
def page(chromium_browser: Browser, folder: Path) -> Iterator[Page]:
    """A page with one view, which must have had nothing to complain about in the end."""
    with open_view(chromium_browser, folder / "one.html") as seen:
        yield seen.page
        assert not console_faults(seen)


def open_view(browser: Browser, path: Path, fragment: str = "", **options):
    """`visit` with the fragment of an address."""
    return visit(browser, path.as_uri() + fragment, **options)


def ready(page: Page) -> Page:
    """Wait until every vocabulary is there."""
    page.wait_for_function("() => !document.body.innerText.includes('…')")
    return page


def set_text(page: Page, text: str) -> None:
    """Put ``text`` into the box as typing does; a textarea turns each CR into LF."""
    page.evaluate(
        """text => {
            const field = document.querySelector("textarea");
            field.value = text;
            field.dispatchEvent(new Event("input"));
        }""",
        text,
    )


IDS = """() => [...document.querySelectorAll('.llm-tokens [role=option] .llm-id')]
    .map((id) => Number(id.textContent))"""


def ids(page: Page, mode: str) -> list[int]:
    """The ids that the view shows."""
    page.evaluate("mode => document.querySelector(`input[value=${mode}]`).click()", mode)
    return page.evaluate(IDS)


def said(part: Locator) -> str:
    """Text of a part without the marks that keep directions of writing apart."""
    return re.sub("[\u2068\u2069]", "", part.inner_text())


def labels(page: Page) -> list[str]:
    return page.locator(".llm-tokens .llm-text").all_inner_texts()


def test_renders_and_needs_nothing_from_elsewhere(chromium_browser, folder):
    with open_view(chromium_browser, folder / "one.html") as seen:
        ready(seen.page)
        assert not view_faults(seen.page) and not network_faults(seen)
        assert labels(seen.page) == "The ␣cat ␣sat ␣on ␣the ␣mat".split() + ["20 F0 9F", "A6", "99"]
        assert seen.page.locator(".llm-fallback").is_hidden()


def test_fallback_is_read_without_scripts(chromium_browser, folder):
    context = chromium_browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((folder / "one.html").as_uri())
    assert "The|␣cat|␣sat|␣on|␣the|␣mat" in page.locator(".llm-fallback").inner_text()
    context.close()


def test_fallback_stays_when_the_script_fails(chromium_browser, folder):
    broken = (folder / "one.html").read_text(encoding="utf-8").replace('"ways":[', '"was":[')
    (folder / "broken.html").write_text(broken, encoding="utf-8")
    with open_view(chromium_browser, folder / "broken.html") as seen:
        assert seen.page.locator(".llm-fallback").is_visible()
        assert seen.page.locator(".llm-view").get_attribute("data-state") == "failed"


def test_ids_equal_pythons_for_nasty_texts(page, own):
    ready(page)
    for text in NASTY:
        page.evaluate("text => { location.hash = '#tokenizer?text=' + text }", quote(text))
        settle(page)
        assert ids(page, "characters") == [ord(c) for c in text], repr(text)
        assert ids(page, "own") == own.encode(text), repr(text)
        assert ids(page, "gpt2") == gpt2_tokenizer().encode(text), repr(text)


def test_ids_equal_pythons_for_random_texts(page, own):
    ready(page)
    rng = random.Random(0)
    ranges = [(0x20, 0x7E), (0x20, 0x7E), (0x80, 0x24F), (0x370, 0xD7FF), (0x1F300, 0x1FAFF)]
    for _ in range(40):
        spans = rng.choices(ranges, k=rng.randint(1, 120))
        text = "".join(chr(rng.randint(*span)) + " " * (rng.random() < 0.2) for span in spans)
        set_text(page, text)
        assert ids(page, "own") == own.encode(text), repr(text)
        assert ids(page, "gpt2") == gpt2_tokenizer().encode(text), repr(text)


def test_lone_surrogates_become_replacement_characters(page):
    ready(page)
    page.evaluate(
        """() => {
            const field = document.querySelector("textarea");
            field.value = "a" + String.fromCharCode(0xd83e) + "b";
            field.dispatchEvent(new Event("input"));
        }"""
    )
    assert ids(page, "gpt2") == gpt2_tokenizer().encode("a\ufffdb")


def test_character_vocabulary(chromium_browser, folder):
    with open_view(chromium_browser, folder / "char.html") as seen:
        set_text(seen.page, "hex")
        shown = seen.page.locator(".llm-tokens .llm-id").all_inner_texts()
        assert shown == ["1", "0", "–"]


def test_steps_equal_pythons(page, own):
    ready(page)
    for word in ("lowest", "Mississippi", "🦙🦙", "crossed"):
        set_text(page, word)
        ids(page, "own")
        shown = []
        for step in range(len(own.steps(word))):
            slide(page, step)
            shown.append(page.locator(".llm-pieces .llm-text").count())
        assert shown == [len(step.tokens) for step in own.steps(word)], word
        slide(page, len(shown))
        final = page.locator(".llm-pieces .llm-id").all_inner_texts()
        assert [int(i) for i in final] == own.encode(word)


def slide(page: Page, step: int) -> None:
    """Drag the slider to a step; one beyond the last merge says that it was the last."""
    page.evaluate(
        """step => {
            const slider = document.querySelector("input[type=range]");
            slider.value = step;
            slider.dispatchEvent(new Event("input"));
        }""",
        step,
    )


def test_details_say_why_a_token_ends(page):
    ready(page)
    set_text(page, "Unbelievable 🦙")
    options, details = page.locator(".llm-tokens [role=option]"), page.locator(".llm-details")
    options.nth(0).click()
    assert "is not among the pairs learned" in said(details)
    options.nth(3).click()
    assert "no merge crosses such a cut" in said(details)
    options.nth(4).click()
    assert "incomplete UTF-8: 2 of 4 bytes of 🦙" in said(details)
    assert "20 F0 9F" in said(details)
    options.last.click()
    assert "The text ends" in said(details) and "1 of 4 bytes" in said(details)


def test_mouse_shows_and_leaves(page):
    ready(page)
    page.locator(".llm-tokens [role=option]").nth(1).hover()
    assert "3797" in page.locator(".llm-details").inner_text()
    page.mouse.move(5, 5)
    assert "464" in page.locator(".llm-details").inner_text()


def test_keyboard_alone_is_enough(page):
    ready(page)
    page.locator("textarea").focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("lowest newest")
    page.locator("input[value=gpt2]").focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator("input[value=own]").is_checked()
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.getAttribute('role')") == "option"
    page.keyboard.press("End")
    count = page.locator(".llm-tokens [role=option]").count()
    selected = page.locator(".llm-tokens [aria-selected=true]")
    assert page.evaluate(IDS)[count - 1] == int(selected.locator(".llm-id").inner_text())
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Home")
    assert page.locator(".llm-tokens [role=option]").first.get_attribute("tabindex") == "0"
    assert page.locator(".llm-tokens [tabindex='0']").count() == 1
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.textContent") == "Next"
    page.keyboard.press("Enter")
    assert page.locator(".llm-place").inner_text() == "merge 1"


def test_every_control_is_reached_by_tab_and_seen(page):
    assert not keyboard_faults(ready(page))


def test_touch(chromium_browser, folder):
    context = chromium_browser.new_context(
        has_touch=True, viewport={"width": 390, "height": 800}, is_mobile=True
    )
    page = context.new_page()
    page.goto((folder / "one.html").as_uri())
    ready(page).locator(".llm-tokens [role=option]").nth(2).tap()
    assert "3332" in page.locator(".llm-details").inner_text()
    page.locator("label", has_text="Characters").tap()
    assert page.locator(".llm-tokens [role=option]").count() == len(TEXT)
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, a, summary, input, [role=option]")]
            .filter((node) => node.checkVisibility())
            .filter((node) => node.offsetWidth < 24 || node.offsetHeight < 24)
            .map((node) => node.outerHTML)"""
    )
    assert not small
    context.close()


def test_predict_then_reveal(page, own):
    ready(page)
    set_text(page, "lowest")
    ids(page, "own")
    message, choices = page.locator(".llm-message"), page.locator(".llm-choices button")
    assert "every byte is a piece of its own: 6" in said(message)
    first = own.steps("lowest")[1]
    pair = " + ".join(part.decode() for part in first.pair)
    choices.last.click()
    assert said(message).startswith("No, it goes on.")
    assert f"{pair} merges next: its rank {first.rank} is the lowest" in said(message)
    assert all(choice.is_disabled() for choice in choices.all())
    assert said(page.locator(".llm-right")) == pair
    assert page.locator(".llm-pieces .llm-chip").count() == 6
    page.keyboard.press("Enter")  # on Next, which has the focus
    assert f"{pair} became “{b''.join(first.pair).decode()}”: its rank {first.rank}" in said(
        message
    )
    assert page.locator(".llm-fresh").count() == 1 and choices.first.is_enabled()


def test_last_prediction_does_not_give_itself_away(page, own):
    ready(page)
    set_text(page, "lowest")
    ids(page, "own")
    merges = len(own.steps("lowest")) - 1
    place, forward = page.locator(".llm-place"), page.get_by_role("button", name="Next")
    chosen, shown_ids = page.locator(".llm-right"), page.locator(".llm-pieces .llm-id")
    slider = page.locator("input[type=range]")
    for answer in (page.locator(".llm-choices button").last, forward):
        slide(page, merges)
        assert place.inner_text() == slider.get_attribute("aria-valuetext") == f"merge {merges}"
        assert forward.is_enabled() and shown_ids.count() == chosen.count() == 0
        answer.click()
        assert place.inner_text() == f"merge {merges} of {merges}" and forward.is_disabled()
        assert shown_ids.count() == len(own.encode("lowest")) and said(chosen) == "none"
        assert "No two neighbours are a learned pair" in said(page.locator(".llm-message"))
        assert all(choice.is_disabled() for choice in page.locator(".llm-choices button").all())
    slide(page, merges)
    page.locator(".llm-choices button").first.click()
    assert "was never learned. No two neighbours" in said(page.locator(".llm-message"))


def test_steps_name_ranks_from_zero(page, own):
    ready(page)
    set_text(page, "lowest")
    ids(page, "own")
    for number, step in enumerate(own.steps("lowest")[1:], start=1):
        slide(page, number)
        assert f"its rank {step.rank} was" in said(page.locator(".llm-message"))
    assert "hexadecimal" not in said(page.locator(".llm-steps"))
    rank = own.merges.index((b"wes", b"t"))
    page.locator(".llm-tokens [role=option]").last.click()
    assert f"Rank\n{rank} (of {len(own.merges)} merges)" in said(page.locator(".llm-details"))


def test_hexadecimal_bytes_are_named(page):
    ready(page)
    set_text(page, "🦙")
    ids(page, "own")
    slide(page, 0)
    assert page.locator(".llm-pieces .llm-text").all_inner_texts() == ["F0", "9F", "A6", "99"]
    assert "bytes (hexadecimal)" in said(page.locator(".llm-message"))
    assert "Bytes (hexadecimal)\nF0 9F A6 99" in said(page.locator(".llm-details"))
    assert ids(page, "gpt2") == gpt2_tokenizer().encode("🦙")
    assert "bytes (hexadecimal)" in page.locator(".llm-legend").inner_text()
    set_text(page, "a")
    assert "hexadecimal" not in page.locator(".llm-legend").inner_text()


def test_one_is_singular(page):
    ready(page)
    set_text(page, "a")
    counts = "1 character · 1 UTF-8 byte · 1 token · 1 character a token"
    assert page.locator(".llm-counts").inner_text() == counts
    assert page.locator(".llm-count").all_inner_texts() == ["1 token"] * 3
    set_text(page, "é ")
    counts = "2 characters · 3 UTF-8 bytes · 2 tokens · 1 character a token"
    assert page.locator(".llm-counts").inner_text() == counts


def test_nothing_is_claimed_before_the_vocabulary_is_there(chromium_browser, folder):
    unzip = 'new DecompressionStream("gzip")'
    held = (folder / "one.html").read_text(encoding="utf-8")
    held = held.replace(unzip, f"(await globalThis.held, {unzip})")
    hold = "<script>globalThis.held = new Promise((go) => { globalThis.go = go; });</script>"
    (folder / "held.html").write_text(held.replace("<body", hold + "<body", 1), encoding="utf-8")
    with open_view(chromium_browser, folder / "held.html") as seen:
        page, view = seen.page, seen.page.locator(".llm-view")
        assert "Loading the vocabulary" in view.inner_text()
        for part in (".llm-details", ".llm-steps", ".llm-legend"):
            assert page.locator(part).is_hidden()
        assert view.get_attribute("data-pending") == ""
        before = view.bounding_box()["height"]
        page.evaluate("() => go()")
        page.wait_for_selector(".llm-view:not([data-pending])")
        assert abs(view.bounding_box()["height"] - before) < 100
        assert "Loading" not in view.inner_text() and page.locator(".llm-details").is_visible()
        assert not console_faults(seen)


def test_play_walks_to_the_end_and_pauses(page):
    ready(page)
    set_text(page, "low")
    page.clock.install()
    play = page.get_by_role("button", name="Play")
    play.click()
    assert page.get_by_role("button", name="Pause").is_visible()
    page.clock.run_for(10_000)
    assert page.get_by_role("button", name="Play").is_visible()
    assert page.get_by_role("button", name="Next").is_disabled()


def test_random_actions_leave_no_error(chromium_browser, folder):
    rng = random.Random(1)
    with open_view(chromium_browser, folder / "one.html") as seen:
        page = ready(seen.page)
        for _ in range(500):
            _random_action(page, rng)
        assert not console_faults(seen) and not view_faults(page)


def _random_action(page: Page, rng: random.Random) -> None:
    keys = ["Tab", "Shift+Tab", "ArrowRight", "ArrowLeft", "Home", "End", " ", "Escape", "a", "b"]
    kind = rng.choice(["key", "key", "click", "text", "slide", "hash"])
    if kind == "key":
        page.keyboard.press(rng.choice(keys))
    elif kind == "text":
        set_text(page, "".join(rng.choices("ab <|end|>🦙\n'é12", k=rng.randint(0, 30))))
    elif kind == "hash":
        state = f"#tokenizer?text={rng.randint(0, 99)}&mode={rng.choice('ab')}&token={rng.random()}"
        page.evaluate("state => { location.hash = state }", state)
    else:
        selector = "button:not(:disabled), [role=option], input[type=radio]"
        page.evaluate(
            """([selector, share]) => {
                const apart = /Full screen|Save as/;
                const all = [...document.querySelectorAll(selector)].filter((node) =>
                    node.checkVisibility() && !apart.test(node.ariaLabel ?? node.innerText));
                all[Math.floor(share * all.length)]?.click();
            }""",
            [selector, rng.random()],
        )


def test_state_comes_from_the_address_and_goes_into_it(chromium_browser, folder):
    fragment = f"#tokenizer?text={quote('low lower=🦙')}&mode=own&token=1&step=1"
    with open_view(chromium_browser, folder / "one.html", fragment) as seen:
        page = ready(seen.page)
        assert page.locator("textarea").input_value() == "low lower=🦙"
        assert page.locator("input[value=own]").is_checked()
        assert page.locator("[role=option]").nth(1).get_attribute("aria-selected") == "true"
        assert page.locator(".llm-place").inner_text() == "merge 1"
        page.locator("textarea").fill("a+b=c %23")
        page.wait_for_function("() => location.hash.includes('text=a%2Bb%3Dc')")
        page.reload()
        assert page.locator("textarea").input_value() == "a+b=c %23"
        assert page.evaluate("() => history.length") <= 2


def test_link_in_prose_sets_the_first_of_two_views(chromium_browser, folder):
    with open_view(chromium_browser, folder / "two.html") as seen:
        seen.page.locator(".llm-view").last.scroll_into_view_if_needed()
        page = ready(seen.page)
        ids_on_page = page.evaluate("() => [...document.querySelectorAll('[id]')].map((n) => n.id)")
        assert len(ids_on_page) == len(set(ids_on_page))
        page.evaluate("() => scrollTo(0, 0)")
        page.locator("a").first.click()
        boxes = page.locator("textarea")
        page.wait_for_function("() => document.querySelector('textarea').value === 'lower'")
        assert boxes.nth(1).input_value() == TEXT
        page.locator("textarea").first.fill("changed")
        page.wait_for_function("() => location.hash.includes('changed')")
        page.locator("a").first.click()
        page.wait_for_function("() => document.querySelector('textarea').value === 'lower'")
        page.evaluate("() => { location.hash = '#tokenizer-2?text=second' }")
        page.wait_for_function("() => document.querySelectorAll('textarea')[1].value === 'second'")
        page.wait_for_function(
            "() => document.querySelectorAll('.llm-view')[1].getBoundingClientRect().top < 200"
        )
        assert not view_faults(page) and not console_faults(seen)


def test_back_to_the_text_after_a_leap(chromium_browser, folder, own):
    html = TokenizerView(TEXT, own).html()
    link = '<p><a href="#tokenizer?text=lower">lower</a></p>'
    spacer = '<div style="height: 3000px"></div>'
    head = '<!doctype html><html lang="en"><link rel="icon" href="data:,">'
    for name, parts in {
        "below": (spacer, link, spacer, html),
        "above": (html, spacer, link),
    }.items():
        (folder / f"{name}.html").write_text(head + "".join(parts) + spacer, encoding="utf-8")
        with open_view(chromium_browser, folder / f"{name}.html") as seen:
            page = seen.page
            back, link_seen = (
                page.get_by_role("button", name="Back to the text"),
                page.locator("a").first,
            )
            assert back.is_hidden()
            for _ in range(2):  # the second time the address does not change
                link_seen.scroll_into_view_if_needed()
                before = link_seen.bounding_box()["y"]
                link_seen.focus()
                page.keyboard.press("Enter")
                back.wait_for()
                assert abs(page.locator(".llm-view").bounding_box()["y"]) < 100
                assert back.evaluate("node => node === document.activeElement")
                ready(page).locator("[role=option]").first.click()
                back.press("Enter")
                assert back.is_hidden() and abs(link_seen.bounding_box()["y"] - before) < 2
                assert link_seen.evaluate("node => node === document.activeElement")
            page.evaluate("() => { location.hash = '#tokenizer?text=typed' }")
            page.wait_for_function("() => document.querySelector('textarea').value === 'typed'")
            assert back.is_hidden() and not console_faults(seen)


def test_hostile_text_stays_text(page):
    ready(page)
    page.evaluate("() => { window.alert = () => { window.hit = true; }; }")
    for text in NASTY:
        set_text(page, text)
        for mode in ("characters", "own", "gpt2"):
            ids(page, mode)
            page.evaluate("() => document.querySelector('[aria-pressed]').click()")
    assert page.evaluate("() => window.hit") is None
    assert page.locator(".llm-view img").count() == 0
    set_text(page, "\u202e\u200d\x00")
    ids(page, "characters")
    assert labels(page) == ["⟨202E⟩", "⟨200D⟩", "␀"]


def test_right_to_left_text_runs_from_the_right(page):
    ready(page)
    set_text(page, "שלום עולם")
    ids(page, "characters")
    options = page.locator(".llm-tokens [role=option]")
    assert options.nth(0).bounding_box()["x"] > options.nth(1).bounding_box()["x"]
    options.nth(0).click()
    options.nth(0).focus()
    page.keyboard.press("ArrowLeft")
    assert options.nth(1).get_attribute("aria-selected") == "true"


def test_long_text_is_cut_with_a_message(page):
    ready(page)
    set_text(page, "🦙" * 50_000)
    assert f"{50_000:,} characters. Only the first {LIMIT:,}" in said(page.locator(".llm-notice"))
    assert len(page.locator("textarea").input_value()) == LIMIT
    assert page.locator(".llm-message").inner_text().startswith("This stretch without a break")
    set_text(page, "short")
    assert page.locator(".llm-notice").is_hidden()


def test_change_is_said_once(page):
    ready(page).wait_for_timeout(700)
    page.evaluate(
        """() => {
            window.said = [];
            const status = document.querySelector("[role=status]");
            new MutationObserver(() => said.push(status.textContent))
                .observe(status, {childList: true});
        }"""
    )
    page.locator("textarea").focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("lower")
    page.wait_for_function("() => said.length > 0")
    page.wait_for_timeout(700)
    (message,) = page.evaluate("() => said")
    assert message.startswith("GPT-2: 5 characters")


def test_frame_without_rights(chromium_browser, folder):
    with open_view(chromium_browser, folder / "framed.html") as seen:
        frame = seen.page.frames[1]
        frame.wait_for_function("() => !document.body.innerText.includes('…')")
        frame.locator("textarea").fill("The cat")
        assert frame.locator(".llm-tokens .llm-text").all_inner_texts() == ["The", "␣cat"]
        assert frame.get_by_role("button", name="Copy link").count() == 0
        seen.page.wait_for_timeout(600)
        assert not network_faults(seen)


def test_scripts_put_in_anew_as_notebooks_do(chromium_browser, folder, own):
    (folder / "empty.html").write_text("<!doctype html><div id=output></div>", encoding="utf-8")
    with open_view(chromium_browser, folder / "empty.html") as seen:
        for _ in range(2):  # a cell that is run twice
            seen.page.evaluate(
                """html => {
                    const output = document.getElementById("output");
                    output.innerHTML = html;
                    for (const old of output.querySelectorAll("script")) {
                        const script = document.createElement("script");
                        for (const name of old.getAttributeNames())
                            script.setAttribute(name, old.getAttribute(name));
                        script.textContent = old.textContent;
                        old.replaceWith(script);
                    }
                }""",
                TokenizerView(TEXT, own).html(),
            )
            seen.page.wait_for_selector(".llm-view[data-state=ready]")
            assert ids(ready(seen.page), "gpt2") == gpt2_tokenizer().encode(TEXT)
        assert seen.page.locator("#llm-tokenizer").count() == 1 and not console_faults(seen)


@pytest.mark.parametrize("width", [320, 360, 768])
def test_no_sideways_scroll(chromium_browser, folder, width):
    with open_view(chromium_browser, folder / "one.html", width=width) as seen:
        page = ready(seen.page)
        for text in (TEXT, "x" * 200, "Donaudampfschifffahrt" * 9, " " * 90, NASTY[6], NASTY[9]):
            set_text(page, text)
            for mode in ("characters", "own", "gpt2"):
                ids(page, mode)
                assert not sideways_scroll(page), (text, mode)
        page.get_by_role("button", name="As table").click()
        page.locator("summary").click()
        assert not sideways_scroll(page)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_axe_finds_nothing(chromium_browser, folder, mode, monkeypatch):
    monkeypatch.setattr("tools.AXE_TAGS", [*AXE_TAGS, "best-practice"])
    with open_view(chromium_browser, folder / "one.html", mode=mode) as seen:
        page = ready(seen.page)
        assert not axe_faults(page)
        page.locator("summary").click()
        page.locator(".llm-choices button").first.click()
        page.wait_for_timeout(400)
        assert not axe_faults(page)
        set_text(page, "x" * (LIMIT + 1))
        page.get_by_role("button", name="As table").click()
        page.get_by_role("button", name="Next").is_visible()
        assert not axe_faults(page)
        set_text(page, "")
        assert not axe_faults(page)


def test_site_and_notebook_choose_the_mode(page):
    paper = "() => getComputedStyle(document.querySelector('.llm-view')).backgroundColor"
    light = page.evaluate(paper)
    page.evaluate("() => { document.documentElement.dataset.theme = 'dark' }")
    dark = page.evaluate(paper)
    page.evaluate("() => { delete document.documentElement.dataset.theme }")
    assert light == "rgb(255, 255, 255)" and dark == page.evaluate(
        f"() => {{ document.body.dataset.jpThemeLight = 'false'; return ({paper})(); }}"
    )
    page.emulate_media(color_scheme="dark")
    page.evaluate("() => { document.body.dataset.jpThemeLight = 'true' }")
    assert page.evaluate(paper) == light and dark != light


def test_forced_colours_still_show_what_is_chosen(chromium_browser, folder):
    context = chromium_browser.new_context(forced_colors="active")
    page = context.new_page()
    page.goto((folder / "one.html").as_uri())
    style = ready(page).evaluate(
        """() => {
            const chosen = getComputedStyle(document.querySelector('[aria-selected=true]'));
            const other = getComputedStyle(document.querySelector('[aria-selected=false]'));
            return [chosen.outlineStyle, other.outlineStyle, other.borderTopWidth];
        }"""
    )
    assert style == ["solid", "none", "1px"]
    context.close()


def test_reduced_motion_moves_nothing(chromium_browser, folder):
    context = chromium_browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto((folder / "one.html").as_uri())
    ready(page).get_by_role("button", name="Next").click()
    moving = page.evaluate("() => document.getAnimations().length")
    assert moving == 0 and page.locator(".llm-fresh").count() > 0
    context.close()


def test_saved_files_hold_what_is_shown(page):
    ready(page)
    set_text(page, 'say "hi", 🦙')
    saved = {kind: _save(page, kind) for kind in ("CSV", "SVG", "PNG")}
    rows = list(csv.reader(io.StringIO(saved["CSV"].decode("utf-8-sig"))))
    assert rows[0] == ["#", "Token", "Id", "Bytes (hexadecimal)", "Rank"]
    assert [int(row[2]) for row in rows[1:]] == gpt2_tokenizer().encode('say "hi", 🦙')
    assert [row[4] for row in rows[1:]] == [_rank(int(row[2])) for row in rows[1:]]
    assert rows[2][1] == '␣"' and rows[2][3] == "20 22"
    svg = ElementTree.fromstring(saved["SVG"])
    texts = [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[::2] == [row[1] for row in rows[1:]] and texts[1::2] == [r[2] for r in rows[1:]]
    assert saved["PNG"].startswith(b"\x89PNG")
    row = page.locator(".llm-tokens").bounding_box()
    chips = [chip.bounding_box() for chip in page.locator(".llm-tokens .llm-chip").all()]
    width = max(chip["x"] + chip["width"] for chip in chips) - chips[0]["x"]
    assert width < float(svg.get("width")) < width + 40 < row["width"]


def _rank(token_id: int) -> str:
    """Rank of the merge that made a token of GPT-2, from 0; nothing for a single byte."""
    tokenizer = gpt2_tokenizer()
    ranks = [left + right for left, right in tokenizer.merges]
    token = tokenizer.vocab[token_id]
    return str(ranks.index(token)) if len(token) > 1 else ""


def _save(page: Page, kind: str) -> bytes:
    page.locator("summary").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Save as {kind}").click()
    assert download.value.suggested_filename == f"tokenizer.{kind.lower()}"
    return Path(download.value.path()).read_bytes()


def test_save_menu_closes_by_escape(page):
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.get_by_role("button", name="Save as SVG").is_visible()
    page.keyboard.press("Escape")
    assert page.get_by_role("button", name="Save as SVG").is_hidden()
    assert page.evaluate("() => document.activeElement.localName") == "summary"


def test_table_shows_the_same(page):
    ready(page)
    button = page.get_by_role("button", name="As table")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    cells = page.locator(".llm-table tbody tr td:nth-child(3)").all_inner_texts()
    assert [int(cell) for cell in cells] == gpt2_tokenizer().encode(TEXT)
    assert page.locator(".llm-tokens").is_hidden()
    button.click()
    assert page.locator(".llm-tokens").is_visible()


def test_narrow_view_keeps_numbers_and_names_whole(chromium_browser, folder):
    with open_view(chromium_browser, folder / "one.html", width=360) as seen:
        page = ready(seen.page)
        set_text(page, "Mississippi hippopotamus")
        page.get_by_role("button", name="As table").click()
        lines = "node => node.getClientRects().length && node.offsetHeight"
        heights = {page.locator(".llm-number").nth(i).evaluate(lines) for i in range(9)}
        page.get_by_role("button", name="Full screen").click()
        page.wait_for_function("() => document.fullscreenElement")
        settle(page)
        cards = [card.bounding_box() for card in page.locator(".llm-card").all()]
        assert len({card["x"] for card in cards}) == 1 and len(heights) == 1
        assert all(card["width"] > 300 for card in cards)


def test_copied_link_leads_back(chromium_browser, folder):
    context = chromium_browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto((folder / "one.html").as_uri())
    set_text(ready(page), "lower & lowest")
    page.get_by_role("button", name="Copy link").click()
    page.wait_for_function("() => !document.querySelector('.llm-notice').hidden")
    copied = page.evaluate("() => navigator.clipboard.readText()")
    other = context.new_page()
    other.goto(copied)
    assert other.locator("textarea").input_value() == "lower & lowest"
    context.close()


def test_shared_data_is_loaded_when_seen(chromium_browser, tmp_path, monkeypatch):
    monkeypatch.setenv("LLM_BOOK_BUILD", str(tmp_path / "_shared"))
    html = TokenizerView(TEXT).html()
    head = '<!doctype html><html lang="en" data-content_root="../"><link rel="icon" href="data:,">'
    (tmp_path / "chapters").mkdir()
    spacer = '<div style="height: 5000px"></div>'
    (tmp_path / "chapters" / "page.html").write_text(head + spacer + html, encoding="utf-8")
    with open_view(chromium_browser, tmp_path / "chapters" / "page.html") as seen:
        assert not [url for url in seen.requests if "bpe-gpt2" in url]
        seen.page.locator(".llm-view").scroll_into_view_if_needed()
        ready(seen.page)
        assert len([url for url in seen.requests if "bpe-gpt2" in url]) == 1
        assert seen.page.evaluate(IDS) == gpt2_tokenizer().encode(TEXT)
        set_text(seen.page, "own page")
        seen.page.get_by_role("link", name="Own page").click()
        seen.page.wait_for_url("**/_shared/tokenizer-*.html#*")
        assert seen.page.locator("textarea").input_value() == "own page"
        ready(seen.page)
        assert not network_faults(seen)


def test_missing_shared_data_is_said(chromium_browser, tmp_path, monkeypatch):
    monkeypatch.setenv("LLM_BOOK_BUILD", str(tmp_path / "elsewhere"))
    page_file = tmp_path / "page.html"
    page_file.write_text("<!doctype html>" + TokenizerView(TEXT).html(), encoding="utf-8")
    with open_view(chromium_browser, page_file) as seen:
        seen.page.wait_for_selector(".llm-notice:not([hidden])")
        assert "GPT-2 could not be loaded" in said(seen.page.locator(".llm-notice"))
        assert ids(seen.page, "characters") == [ord(c) for c in TEXT]
        assert json.dumps(seen.failures).count("bpe-gpt2") == 1
