"""Text to token ids and back: by characters, and by byte-pair encoding as in GPT-2.

Adds ids, special tokens and GPT-2's own vocabulary to `llm.pretokens`, which cuts text into pieces,
and `llm.bpe`, which learns merges and applies them to one piece. Follows GPT-2 (Radford et al.,
2019, "Language models are unsupervised multitask learners", section 2.2).
"""

import operator
from base64 import b64decode
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from llm.bpe import Pair, apply_merges, learn_merges, merge_pair, recover_merges, split_bytes
from llm.pretokens import GPT2_PATTERN, PreTokenizer
from llm.tokenizer_files import from_visible, read_tokenizer, to_visible, write_tokenizer

CACHE_SIZE, CACHED_LENGTH = 4096, 32  # pre-tokens whose ids are remembered, characters of each


class Step(NamedTuple):
    """A text on its way from bytes to tokens: its tokens after ``pair`` of that rank was joined."""

    tokens: list[bytes]
    pair: Pair | None = None
    rank: int | None = None


class CharTokenizer:
    """One token a character: ids count the distinct characters of ``text`` in code point order.

    ``CharTokenizer("hello").encode("hole")`` gives ``[1, 3, 2, 0]``, since ``e h l o`` are 0 to 3.
    Raises ``ValueError`` for an empty text.
    """

    def __init__(self, text: str):
        if not text:
            raise ValueError("cannot build a tokenizer from the empty text: give it characters")
        self.vocab: dict[int, str] = dict(enumerate(sorted(set(text))))
        self._ids = {character: token_id for token_id, character in self.vocab.items()}

    def __repr__(self) -> str:
        return f"CharTokenizer({len(self.vocab)} characters)"

    def encode(self, text: str) -> list[int]:
        """One id a character; ``ValueError`` names those that ``vocab`` lacks."""
        if unknown := sorted(set(text) - self._ids.keys()):
            raise ValueError(
                f"unknown characters {unknown}: build the tokenizer from text with them"
            )
        return [self._ids[character] for character in text]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``, a list or 1-D tensor; ``ValueError`` for an id not in ``vocab``."""
        return "".join(_look_up(self.vocab, ids))

    def save(self, path: str | Path) -> None:
        """Write the characters to ``path`` as JSON; a crash leaves the old file or the new one."""
        write_tokenizer(path, "character", {"characters": "".join(self.vocab.values())})

    @classmethod
    def load(cls, path: str | Path) -> "CharTokenizer":
        """Read what `save` wrote; ``ValueError`` names a file that is damaged or something else."""
        return read_tokenizer(path, "character", lambda content: cls(content["characters"]))


class BPETokenizer:
    """Byte-pair encoding over UTF-8 bytes: any text has ids, and its ids give the same text back.

    ``vocab`` maps each id to its bytes and holds the 256 single bytes and the result of each of the
    ``merges``, which are listed by rank. A special token, say ``"<|endoftext|>"``, is one id
    wherever it stands in a text; one that ``vocab`` lacks gets the next free id. ``pattern`` cuts
    text into pre-tokens that no merge crosses (see `PreTokenizer`).

    ``BPETokenizer.train("low lower lowest", 259)`` learns the merges ``ow``, ``low`` and ``lowe``;
    its ``encode("lower")`` gives ``[258, 114]``, the bytes ``lowe`` and ``r``.

    Raises ``ValueError`` when vocabulary, merges, special tokens and pattern do not fit together.
    """

    def __init__(
        self,
        vocab: dict[int, bytes],
        merges: Iterable[Pair],
        special_tokens: Iterable[str] = (),
        pattern: str = GPT2_PATTERN,
    ):
        self.merges = [(first, second) for first, second in merges]
        self.vocab, self.special_tokens = _with_specials(vocab, self.merges, special_tokens)
        self.pattern = pattern
        self._ids = {token: token_id for token_id, token in self.vocab.items()}
        self._ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        self._pretokenizer = PreTokenizer(pattern, self.special_tokens)
        self._cache: dict[str, list[int]] = {}

    def __repr__(self) -> str:
        sizes = f"{len(self.merges)} merges, {len(self.special_tokens)} special"
        return f"BPETokenizer({len(self.vocab)} tokens: {sizes})"

    @classmethod
    def train(
        cls,
        text: str | Path | Iterable[str],
        vocab_size: int,
        special_tokens: Iterable[str] = (),
        pattern: str = GPT2_PATTERN,
    ) -> "BPETokenizer":
        """Learn merges from a text, a UTF-8 file or the chunks of one text; make a tokenizer.

        Ids: bytes 0 to 255, merges from 256 in the order learned, special tokens last;
        ``vocab_size`` counts all three. The text is cut at special tokens, which are never counted.
        Ties go to the greatest pair of byte strings. When every pre-token has become one token,
        training stops early and the vocabulary is smaller. Raises ``ValueError`` for a
        ``vocab_size`` that has no room for the bytes and the special tokens.
        """
        special_tokens = list(special_tokens)
        smallest = 256 + len(special_tokens)
        if vocab_size < smallest:
            raise ValueError(f"vocab_size={vocab_size}: bytes and special tokens need {smallest}")
        pieces = Counter(PreTokenizer(pattern, special_tokens).pieces(_chunks(text)))
        words = {_utf8(piece): n for piece, n in pieces.items() if piece not in special_tokens}
        merges = learn_merges(words, vocab_size - smallest)
        tokens = split_bytes(bytes(range(256))) + [first + second for first, second in merges]
        return cls(dict(enumerate(tokens)), merges, special_tokens, pattern)

    def encode(self, text: str) -> list[int]:
        """The ids of ``text``; special tokens are recognised, the longest first.

        Raises ``ValueError`` for half of a surrogate pair, which is no character.
        """
        return list(self.encode_iterable([text]))

    def encode_iterable(self, chunks: Iterable[str]) -> Iterator[int]:
        """Yield the ids of ``"".join(chunks)`` one by one, in memory that does not grow.

        Chunks may end anywhere, also inside a special token or a word: what later text may change
        is held back, the last few pre-tokens. A file opened for reading is such an iterable.
        """
        for piece in self._pretokenizer.pieces(chunks):
            yield from self._piece_ids(piece)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``, a list or a 1-D tensor; bytes that are no UTF-8 become ``"�"``.

        A character may span several tokens, so decode ids together, not one by one.
        Raises ``ValueError`` for an id that is not in ``vocab``.
        """
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The exact bytes of ``ids``; ``ValueError`` for an id that is not in ``vocab``."""
        return b"".join(_look_up(self.vocab, ids))

    def pretokens(self, text: str) -> list[str]:
        """The pieces that are encoded apart: ``"it's 42"`` gives ``["it", "'s", " 42"]``."""
        return list(self._pretokenizer.pieces([text]))

    def steps(self, text: str) -> list[Step]:
        """The whole text after each merge, from single bytes to the tokens of `encode`.

        A step joins one pair wherever it stands, in all pre-tokens at once, the lowest rank first;
        the first step has no pair. Special tokens are whole from the start.
        """
        words = [self._parts(piece) for piece in self.pretokens(text)]
        steps = [Step(sum(words, []))]
        while pairs := {p for word in words for p in pairwise(word) if p in self._ranks}:
            pair = min(pairs, key=self._ranks.__getitem__)
            words = [merge_pair(word, pair) for word in words]
            steps.append(Step(sum(words, []), pair, self._ranks[pair]))
        return steps

    def save(self, path: str | Path) -> None:
        """Write the tokenizer to ``path`` as JSON; a crash leaves the old file or the new one."""
        special = self.special_tokens.values()
        content = {
            "pattern": self.pattern,
            "special_tokens": self.special_tokens,
            "merges": [" ".join(map(to_visible, pair)) for pair in self.merges],
            "vocab": {to_visible(t): i for i, t in self.vocab.items() if i not in special},
        }
        write_tokenizer(path, "byte-pair", content)

    @classmethod
    def load(cls, path: str | Path) -> "BPETokenizer":
        """Read what `save` wrote; ``ValueError`` names a file that is damaged or something else."""
        return read_tokenizer(path, "byte-pair", cls._from_content)

    @classmethod
    def _from_content(cls, content: dict[str, Any]) -> "BPETokenizer":
        special = content["special_tokens"]
        merges = [map(from_visible, line.split(" ")) for line in content["merges"]]
        vocab = {token_id: from_visible(text) for text, token_id in content["vocab"].items()}
        vocab |= {token_id: _utf8(name) for name, token_id in special.items()}
        return cls(vocab, merges, special, content["pattern"])

    def to_tiktoken(self):
        """The same tokenizer as a ``tiktoken.Encoding``, which is written in Rust, with equal ids.

        tiktoken knows no merges: it joins neighbours whose union is a token, the lowest id first.
        Raises ``ValueError`` if that would differ, which it never does for trained merges. Where
        one special token begins another, tiktoken may take the shorter.
        """
        import tiktoken

        joined = sorted({self._ids[first + second] for first, second in self.merges})
        if recover_merges(self.vocab[i] for i in joined) != self.merges:
            raise ValueError("tiktoken joins by id: renumber the tokens in order of rank")
        ranks = {token: self._ids[token] for token in split_bytes(bytes(range(256)))}
        ranks |= {self.vocab[i]: i for i in joined}
        special, pattern = self.special_tokens, self._pretokenizer.pattern
        return tiktoken.Encoding(
            "llm", pat_str=pattern, mergeable_ranks=ranks, special_tokens=special
        )

    def _parts(self, piece: str) -> list[bytes]:
        """The tokens to start from: a special token is whole, a pre-token is single bytes."""
        return [_utf8(piece)] if piece in self.special_tokens else split_bytes(_utf8(piece))

    def _piece_ids(self, piece: str) -> list[int]:
        if piece in self._cache:
            return self._cache[piece]
        ids = [self._ids[token] for token in apply_merges(self._parts(piece), self._ranks)]
        if len(piece) <= CACHED_LENGTH:
            if len(self._cache) >= CACHE_SIZE:
                self._cache.clear()
            self._cache[piece] = ids
        return ids


@cache
def gpt2_tokenizer() -> BPETokenizer:
    """GPT-2's own tokenizer, 50,257 tokens, from OpenAI's file of ranks in the package.

    ``gpt2_tokenizer().encode("hello world")`` gives ``[31373, 995]``; ``"<|endoftext|>"`` is 50256.
    The file lists the tokens by rank without their merges, which are recovered in half a second;
    a second call gives the same object.
    """
    lines = resources.files("llm").joinpath("assets/gpt2.tiktoken").read_text().splitlines()
    vocab = {int(rank): b64decode(token) for token, rank in map(str.split, lines)}
    merges = recover_merges(token for token in vocab.values() if len(token) > 1)
    return BPETokenizer(vocab, merges, ["<|endoftext|>"])


def _with_specials(
    vocab: dict[int, bytes], merges: list[Pair], names: Iterable[str]
) -> tuple[dict[int, bytes], dict[str, int]]:
    """``vocab`` with the special tokens that it lacks, and the id of each special token."""
    _check(vocab, merges)
    vocab, special = dict(vocab), {}
    ids = {token: token_id for token_id, token in vocab.items()}
    joined = {first + second for first, second in merges}
    for name in names:
        token = _utf8(name)
        if len(token) < 2 or token in joined or name in special:
            raise ValueError(
                f"special token {name!r} is too short, an ordinary token or listed twice: "
                "give a list of distinct names such as '<|endoftext|>'"
            )
        special[name] = ids.get(token, max(vocab) + 1)
        vocab[special[name]] = token
    return vocab, special


def _check(vocab: dict[int, bytes], merges: list[Pair]) -> None:
    ids = {token: token_id for token_id, token in vocab.items()}
    for token_id, token in vocab.items():
        if not isinstance(token_id, int) or not isinstance(token, bytes) or ids[token] != token_id:
            raise ValueError(f"vocab[{token_id!r}] = {token!r}: each id needs bytes of its own")
    for token in split_bytes(bytes(range(256))) + [t for a, b in merges for t in (a, b, a + b)]:
        if not token or token not in ids:
            raise ValueError(f"vocab lacks {token!r}, a single byte or part of a merge: add it")
    if repeated := [pair for pair, times in Counter(merges).items() if times > 1]:
        raise ValueError(f"merge {repeated[0]} is listed more than once: keep its first place")


def _chunks(text: str | Path | Iterable[str]) -> Iterator[str]:
    if isinstance(text, Path):
        with text.open(encoding="utf-8", newline="") as file:
            yield from file
    else:
        yield from [text] if isinstance(text, str) else text


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{text[error.start]!r} is half of a surrogate pair, not a character: repair the text "
            "with text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')"
        ) from None


def _look_up(vocab: dict[int, Any], ids: Iterable[int]) -> Iterator[Any]:
    for position, token_id in enumerate(ids):
        try:
            yield vocab[operator.index(token_id)]
        except (KeyError, TypeError):
            raise ValueError(
                f"{token_id!r} at position {position} is no id of this tokenizer: "
                f"give a flat list of ids from 0 to {max(vocab)}"
            ) from None
