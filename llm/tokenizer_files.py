"""Tokenizers as JSON that people can read, written whole or not at all.

Bytes are spelled in the alphabet of GPT-2's ``encoder.json`` and ``vocab.bpe``: one visible
character a byte, so that the token of `` the`` reads ``Ġthe``.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

_SEEN = [*range(33, 127), *range(161, 173), *range(174, 256)]
_HIDDEN = [byte for byte in range(256) if byte not in _SEEN]
_VISIBLE = dict(zip(_SEEN + _HIDDEN, [*_SEEN, *range(256, 256 + len(_HIDDEN))], strict=True))
_BYTES = {character: byte for byte, character in _VISIBLE.items()}


def to_visible(token: bytes) -> str:
    """Spell bytes in visible characters: ``b" the"`` is ``"Ġthe"``."""
    return token.decode("latin-1").translate(_VISIBLE)


def from_visible(text: str) -> bytes:
    """The bytes that `to_visible` spelled; ``ValueError`` for a character outside the alphabet."""
    return text.translate(_BYTES).encode("latin-1")


def write_tokenizer(path: str | Path, kind: str, content: dict[str, Any]) -> None:
    """Write ``content`` under a header; a crash leaves the old file or the new one, never half."""
    from llm.checkpoint import write_atomically  # here, since it brings torch along

    text = json.dumps(_header(kind) | content, ensure_ascii=False, indent=0)
    write_atomically(path, text.encode("utf-8"))


def read_tokenizer(path: str | Path, kind: str, build: Callable[[dict[str, Any]], Any]) -> Any:
    """``build`` a tokenizer from what `write_tokenizer` wrote.

    Raises ``ValueError`` naming a file that is cut off, of another kind, or inconsistent.
    """
    try:
        content = json.loads(Path(path).read_bytes())
        if {key: content[key] for key in _header(kind)} != _header(kind):
            raise ValueError("its header names another format, kind or version")
        return build(content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is not a whole file of a {kind} tokenizer ({type(error).__name__}: {error}): "
            "save the tokenizer again"
        ) from error


def _header(kind: str) -> dict[str, Any]:
    return {"format": "inside-an-llm tokenizer", "kind": kind, "version": 1}
