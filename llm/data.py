"""Text to train on: a corpus by name, or from a file.

Nothing is downloaded at import, and ``text_corpus("python-docs")`` needs no network at all.
"""

import hashlib
import math
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from llm.stories import END, Told, entropy_of, read, tell
from llm.story_words import WORDS, Words
from llm.tokenization import BPETokenizer

SPECIAL = ("<|begin|>", END, "<|pad|>", "<|mask|>", "<|question|>", "<|answer|>")
TINY_SHAKESPEARE_URL = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
)
TINY_SHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
TINY_SHAKESPEARE_FILE = "tinyshakespeare.txt"


@dataclass(frozen=True)
class Corpus:
    """A text with its name, where it comes from and under which licence it stands."""

    name: str
    text: str = field(repr=False)
    source: str = ""
    licence: str = ""


def text_corpus(name: str | Path) -> Corpus:
    """A corpus by name, ``"python-docs"`` or ``"tinyshakespeare"``, or a path to a UTF-8 file.

    ``"python-docs"`` is the language reference inside every CPython (its length differs a little
    from version to version). ``"tinyshakespeare"``, 1,115,394 characters, is the file
    ``tinyshakespeare.txt`` in the folder ``LLM_DATA_DIR`` or else a download, kept in a cache.
    Raises ``ValueError`` for a file that is missing, empty, not UTF-8 or has a wrong checksum, and
    when there is neither a copy nor a network.
    """
    if str(name) in CORPORA:
        return CORPORA[str(name)]()
    path = Path(name)
    if not path.is_file():
        raise ValueError(f"no corpus or file {str(name)!r}: choose {', '.join(CORPORA)} or a path")
    return Corpus(path.stem, _decode(path), source=str(path))


def _python_docs() -> Corpus:
    from pydoc_data.topics import topics

    text = "\n\n\n".join(topics[name].strip() for name in sorted(topics))
    return Corpus("python-docs", text + "\n", "pydoc_data.topics of CPython", "PSF License 2")


def _tiny_shakespeare() -> Corpus:
    path = Path(os.environ.get("LLM_DATA_DIR", "")) / TINY_SHAKESPEARE_FILE
    if "LLM_DATA_DIR" not in os.environ or not path.is_file():
        path = _download()
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != TINY_SHAKESPEARE_SHA256:
        raise ValueError(
            f"{path} is not Tiny Shakespeare: its sha256 is {found}, not "
            f"{TINY_SHAKESPEARE_SHA256}; delete it or put the right file there"
        )
    return Corpus("tinyshakespeare", _decode(path), TINY_SHAKESPEARE_URL, "public domain")


def _download() -> Path:
    import pooch

    folder = pooch.os_cache("inside-an-llm")
    try:
        return Path(
            pooch.retrieve(
                TINY_SHAKESPEARE_URL,
                known_hash=f"sha256:{TINY_SHAKESPEARE_SHA256}",
                fname=TINY_SHAKESPEARE_FILE,
                path=folder,
            )
        )
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0][:120]
        raise ValueError(
            f"Tiny Shakespeare could not be downloaded ({type(error).__name__}: {reason}). "
            f"Save {TINY_SHAKESPEARE_URL} as {TINY_SHAKESPEARE_FILE} in a folder and set "
            'LLM_DATA_DIR to that folder, or use text_corpus("python-docs"), which needs no network'
        ) from None


def _decode(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 (byte {error.start} is {error.object[error.start]:#04x}): "
            "save it as UTF-8"
        ) from None
    if not text:
        raise ValueError(f"{path} is empty: choose a file with text in it")
    return text


CORPORA = {"python-docs": _python_docs, "tinyshakespeare": _tiny_shakespeare}


@dataclass(frozen=True, eq=False)
class Stories(Corpus):
    """Stories drawn from a known process, one a document; see :mod:`llm.stories`."""

    documents: list[str] = field(default_factory=list, repr=False)
    words: Words = field(default=WORDS, repr=False)

    @property
    def entropy(self) -> float:
        """The exact entropy of the process, in nats a document, its end included."""
        return entropy_of(self.words)

    def next_distribution(self, prefix: str) -> dict[str, float]:
        """The exact distribution of the word after ``prefix``, the beginning of a story.

        Signs such as ``"."`` and the end ``"<|end|>"`` are words too. Raises ``ValueError`` for a
        prefix with which no story begins.
        """
        return dict(read(prefix, self.words)[1])

    def told(self, document: str) -> list[Told]:
        """Each word of a document, its end included, with its kind and what could have stood there.

        A word with one option is determined by what came before it.
        """
        return read(f"{document} {END}", self.words)[0]

    def log_probability(self, document: str) -> float:
        """The logarithm of the exact probability of a document, in nats, its end included."""
        return sum(math.log(told.options[told.word]) for told in self.told(document))


def stories(n: int, seed: int = 0, words: Words = WORDS) -> Stories:
    """``n`` stories, all different, that depend on nothing but ``seed``; see :class:`Stories`.

    A longer corpus of the same seed begins with the shorter one. Slices of one corpus therefore
    share no story: take the first for training and the rest for validation and testing.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    rng, drawn = random.Random(seed), {}
    while len(drawn) < n:
        drawn[tell(rng, words)] = None
    documents = list(drawn)
    return Stories("stories", "\n".join(documents), "made up", "CC0", documents, words)


def story_tokenizer(corpus: Stories) -> BPETokenizer:
    """A vocabulary in which every word of the stories is one token, with :data:`SPECIAL` tokens."""
    return BPETokenizer.train(corpus.text, 100_000, SPECIAL)


def story_ids(tokenizer, text: str) -> list[int]:
    """The ids of one story as the story models are trained with: begin, its tokens, end."""
    special = tokenizer.special_tokens
    return [special["<|begin|>"], *tokenizer.encode(text), special[END]]


def pad_rows(rows: Sequence[Sequence[int]], value: int) -> np.ndarray:
    """Rows of unequal length as one array ``(N, L)``, filled up with ``value`` on the right."""
    table = np.full((len(rows), max(map(len, rows))), value, dtype=np.int32)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row
    return table
