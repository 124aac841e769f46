"""The tokenizers that come with the book's models, in the browser: the ids that Python gives."""

import random
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tools import console_faults, network_faults, visit

from llm import load
from llm.views import TokenizerView

pytestmark = pytest.mark.browser

TEXTS = [
    "Once there was a girl called Mia. She lived in a tower.",
    "zymurgy Quetzalcoatl naïve Übermut",
    "<|begin|>Once<|question|> who?<|answer|><|end|><|pad|><|mask|><|endoftext|> <|end<|end|>",
    "🦙👩‍👩‍👧 Mia\u0301\u200d",
    " \n\n  Mia's\t12345 ... ",
    "",
]
IDS = """() => [...document.querySelectorAll('.llm-tokens .llm-id')].map((id) => id.textContent)"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A page for each tokenizer, without GPT-2's."""
    folder = tmp_path_factory.mktemp("tokenizers")
    for name in ("storyteller", "bard"):
        TokenizerView("Mia", name, gpt2=False).save_page(folder / f"{name}.html")
    return folder


def ids(page: Page, text: str) -> list[str]:
    """What stands under the tokens once the text is typed."""
    page.locator("textarea").fill(text)
    return page.evaluate(IDS)


def random_texts() -> list[str]:
    rng = random.Random(0)
    parts = [" ", "Mia", " gave", "<|end|>", "<|", "é", "🦙", "\n", "zz", "'s", "?", " the", "9"]
    return ["".join(rng.choices(parts, k=rng.randint(1, 40))) for _ in range(40)]


def test_ids_of_the_stories(chromium_browser: Browser, folder: Path):
    tokenizer = load("storyteller")[1]
    with visit(chromium_browser, (folder / "storyteller.html").as_uri()) as seen:
        seen.page.wait_for_selector(".llm-view:not([data-pending])")
        assert seen.page.locator(".llm-name").all_inner_texts()[1] == "The tokens of “storyteller”"
        for text in [*TEXTS, *random_texts()]:
            assert ids(seen.page, text) == [str(i) for i in tokenizer.encode(text)], repr(text)
        ids(seen.page, "Mia<|end|>")
        seen.page.locator(".llm-special").click()
        assert (
            "a special token has an id of its own" in seen.page.locator(".llm-details").inner_text()
        )
        assert not console_faults(seen) and not network_faults(seen)


def test_ids_of_shakespeares_characters(chromium_browser: Browser, folder: Path):
    tokenizer = load("bard")[1]
    place = {character: str(i) for i, character in tokenizer.vocab.items()}
    with visit(chromium_browser, (folder / "bard.html").as_uri()) as seen:
        known = "To be, or not to be:\nthat's the question; 3!"
        assert ids(seen.page, known) == [str(i) for i in tokenizer.encode(known)]
        for text in [*TEXTS, *random_texts()]:
            assert ids(seen.page, text) == [place.get(c, "–") for c in text], repr(text)
        assert not console_faults(seen)
