"""A language that nobody speaks, for trying translations: English in Arabic letters."""

import json
import re
from pathlib import Path

from llm.views import view

LATIN = "abcdefghijklmnopqrstuvwxyz"
ARABIC = "ابثدةفجهيككلمنوبقرستعفوخيز"
_LETTERS = str.maketrans(LATIN + LATIN.upper(), 2 * ARABIC)
_KEPT = re.compile(r"(\{\w+\})")  # what a placeholder is called stays


def pseudo(text: str) -> str:
    """``text`` in letters that run from right to left.

    >>> pseudo("Draw {n} more")
    'دراو {n} مورة'
    """
    return "".join(
        part if _KEPT.fullmatch(part) else part.translate(_LETTERS) for part in _KEPT.split(text)
    )


def write_words(folder: Path, language: str = "ar") -> Path:
    """The views' words in that language, and in English, in a folder like ``view.WORDS``."""
    folder.mkdir()
    english = json.loads((view.WORDS / "en.json").read_text(encoding="utf-8"))
    parts = {name: part for name, part in english.items() if name != "direction"}
    words = {
        name: {key: pseudo(text) for key, text in part.items()} for name, part in parts.items()
    }
    for name, content in {"en": english, language: {"direction": "rtl"} | words}.items():
        text = json.dumps(content, ensure_ascii=False)
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    return folder
