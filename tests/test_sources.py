"""No sentence is shared with texts that the book must not copy: those in ``LLM_SOURCES_DIR``."""

import json
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RUN = 8  # words in a row that may not stand in both


def words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def runs(text: str) -> set[tuple[str, ...]]:
    found = words(text)
    return {tuple(found[i : i + RUN]) for i in range(len(found) - RUN + 1)}


def prose() -> dict[str, str]:
    """Every text of the book by its path: pages, documents, code with its docstrings."""
    texts = {}
    for pattern in ("*.md", "chapters/*.md", "docs/**/*.md", "llm/**/*.py", "llm/**/*.toml"):
        texts |= {str(p.relative_to(ROOT)): p.read_text("utf-8") for p in ROOT.glob(pattern)}
    for path in (ROOT / "chapters").glob("*.ipynb"):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        texts[path.name] = "\n".join("".join(cell["source"]) for cell in cells)
    return texts


def shared(texts: dict[str, str], sources: dict[str, str]) -> list[str]:
    """Runs of words that stand in a text and in a source."""
    known = {run: name for name, source in sources.items() for run in runs(source)}
    return [
        f"{path} and {known[run]}: {' '.join(run)}"
        for path, text in texts.items()
        for run in sorted(runs(text) & known.keys())
    ]


def test_a_copied_sentence_is_found():
    sentence = "The quick brown fox jumps over the lazy dog in the yard"
    assert shared({"ours": f"We say: {sentence.upper()}!"}, {"theirs": sentence})
    assert not shared({"ours": "The quick brown fox jumps over another dog"}, {"theirs": sentence})


@pytest.mark.skipif("LLM_SOURCES_DIR" not in os.environ, reason="LLM_SOURCES_DIR is not set")
def test_no_sentence_is_shared_with_the_sources():
    folder = Path(os.environ["LLM_SOURCES_DIR"])
    sources = {p.name: p.read_text("utf-8", "replace") for p in folder.iterdir() if p.is_file()}
    assert sources, f"{folder} is empty"
    assert shared(prose(), sources) == []
