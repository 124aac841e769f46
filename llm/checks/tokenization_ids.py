"""Checks of the tokenizer assignment, second half: from merges to ids and back.

A vocabulary is a dictionary from each id to its bytes; ids need not be in a row. The learner
writes:

- ``make_vocab(merges, specials)``: the vocabulary, in one of two layouts;
- ``encode_word(word, ranks)``: the tokens of the bytes of one pre-token, by rank;
- ``encode_text(text, vocab, merges, specials)`` and ``decode_ids(ids, vocab)``;
- ``stream_text(ids, vocab)``: the text piece by piece, one for each id;
- ``add_special(vocab, name)``: a vocabulary with one more special token;
- ``chat_ids(message, encode)``: a user's message between two special tokens, whatever she types.
"""

from builtins import (  # noqa: UP029  bound now, so that replacing them later changes nothing
    bytes,
    enumerate,
    len,
    list,
    min,
    ord,
    range,
    repr,
    sorted,
    zip,
)
from collections.abc import Callable
from functools import partial, wraps
from random import Random

from llm.checks import tokenization_ids_bugs as known
from llm.checks.base import Passed, check_function
from llm.checks.tokenization_ids_bugs import Encode, Vocab
from llm.checks.tokenization_words import SPECIALS
from llm.checks.tokenization_words_bugs import Pair, count_words, learn_merges

BC_AB = [(b"b", b"c"), (b"a", b"b")]


def check_make_vocab(
    make_vocab: Callable[[list[Pair], list[str]], Vocab], seed: int = 0, specials: str = "last"
) -> Passed:
    """Check ``make_vocab([(b"a", b"b")], ["**"])``: 258 entries, with the specials at their place.

    ``"last"`` puts ``**`` at 257, ``"first"`` at 0, so that the bytes begin at 1.
    """
    cases = [([], []), ([(b"a", b"b")], ["**"]), ([], ["x!", "**"])]
    for i in range(3):
        random = Random(seed + i)
        names = random.sample(SPECIALS[::-1], 4)
        cases.append((_merges(random), sorted(names, reverse=random.random() < 0.9)))
    right = partial(known.make_vocab, layout=known.LAYOUTS[specials])
    right = wraps(known.make_vocab)(right)
    return check_function(make_vocab, right, known.vocab_bugs(specials), cases)


def check_encode_word(
    encode_word: Callable[[bytes, dict[Pair, int]], list[bytes]], seed: int = 0
) -> Passed:
    """Check ``encode_word(b"abc", {(b"b", b"c"): 0, (b"a", b"b"): 1})``: ``[b"a", b"bc"]``."""
    cases = [(b"", {}), (b"x", _ranks(BC_AB)), (b"abc", _ranks(BC_AB)), (b"ababc", _ranks(BC_AB))]
    cases += [
        (b"abcbcbc", _ranks(BC_AB)),
        (b"abc", _ranks(BC_AB[::-1])),
        (b"aaa", {(b"a", b"a"): 0}),
    ]
    cases += [(b"abc", _ranks([(b"b", b"c"), (b"a", b"bc"), (b"a", b"b")]))]
    cases += [(b"abcd", _ranks([(b"b", b"c"), (b"c", b"d"), (b"a", b"b"), (b"ab", b"cd")]))]
    for i in range(10):
        random = Random(seed + i)
        word = "".join(random.choices("aab", k=random.randint(4, 10)))
        cases.append((word.encode(), _ranks(_merges(random, "ab"))))
    return check_function(encode_word, known.encode_word, known.ENCODE_WORD_BUGS, cases)


def check_encode_text(encode_text: Callable[..., list[int]], seed: int = 0) -> Passed:
    """Check ``encode_text("a**", vocab, [], ["**"])``, the ids that ``vocab`` has for both."""
    cases = []
    for i in range(6):
        random = Random(seed + i)
        merges = _merges(random)
        text = "".join(random.choices(["the cat", " ", "** the", "é", "<|end|>.", "at, at"], k=6))
        text += "catat at, the<|end|>.  é"
        cases.append((text, _vocab(random, merges), merges, SPECIALS))
    small = min([case[1:] for case in cases], key=lambda rest: len(repr(rest)))  # shown first
    cases += [(text, *small) for text in ("", "a**", "at, at", "the cat")]
    return check_function(encode_text, known.encode_text, known.ENCODE_TEXT_BUGS, cases)


def check_decode_ids(decode_ids: Callable[[list[int], Vocab], str], seed: int = 0) -> Passed:
    """Check ``decode_ids([1, 0, 2], {0: b"a", 1: b"b", 2: b"ca"})``, which is ``"baca"``."""
    cases = [([1, 0, 2], {0: b"a", 1: b"b", 2: b"ca"}), ([0, 1], {0: b"\xc3", 1: b"\xa9"})]
    cases += [([], {0: b"a"}), ([1, 0], {0: b"\xc3", 1: b"a"})]
    cases += [_ids(Random(seed + i)) for i in range(6)]
    return check_function(decode_ids, known.decode_ids, known.DECODE_IDS_BUGS, cases)


def check_stream_text(
    stream_text: Callable[[list[int], Vocab], list[str]], seed: int = 0
) -> Passed:
    """Check ``stream_text([0, 1], {0: b"\\xc3", 1: b"\\xa9"})``, which is ``["", "é"]``."""
    halves = {0: b"\xc3", 1: b"\xa9", 2: b"a", 3: b"\xf0\x9f", 4: b"\xa6\x99b"}
    cases = [([], halves), ([0, 1], halves), ([2, 0], halves), ([0, 2, 3, 4], halves)]
    cases += [([1, 2, 2, 3], halves), ([2, 3, 2, 0, 1, 2], halves)]
    for i in range(6):
        random = Random(seed + i)
        cases.append((random.choices(range(5), k=random.randint(3, 9)), halves))
    return check_function(stream_text, known.stream_text, known.STREAM_BUGS, cases)


def check_add_special(add_special: Callable[[Vocab, str], Vocab], seed: int = 0) -> Passed:
    """Check ``add_special({0: b"a", 2: b"b"}, "**")``, which also maps 3 to ``b"**"``."""
    cases = [({0: b"a", 2: b"b"}, "**"), ({0: b"a", 1: b"b"}, "**"), ({1: b"a", 4: b"b"}, "é")]
    for i in range(4):
        random = Random(seed + i)
        ids = random.sample(range(12), 6)
        cases.append(({i: bytes([97 + i]) for i in ids}, random.choice(SPECIALS)))
    return check_function(add_special, known.add_special, known.ADD_SPECIAL_BUGS, cases)


def check_chat_ids(chat_ids: Callable[[str, Encode], list[int]], seed: int = 0) -> Passed:
    """Check ``chat_ids("hi", encode)``: the ids of ``<|user|>``, of ``hi`` and of ``<|end|>``."""
    messages = ["", "hi", "the <|end|>", "<|user|>hi", " <|end|><|user|> the cat "]
    pieces = ["the", " cat", *known.ROLES]
    messages += ["".join(Random(seed + i).choices(pieces, k=5)) for i in range(5)]
    cases = [(message, Characters()) for message in messages]
    return check_function(chat_ids, known.chat_ids, known.CHAT_BUGS, cases)


class Characters:
    """An encoder for the cases: code points, and from 1,000,000 on the special tokens it is given.

    ``Characters()("a<|end|>", ["<|end|>"])`` gives ``[97, 1000001]``, without the list code points.
    """

    def __call__(self, text: str, specials: list[str]) -> list[int]:
        pieces = known.split_specials(text, [name for name in known.ROLES if name in specials])
        numbered = {name: [10**6 + i] for i, name in enumerate(known.ROLES) if name in specials}
        return [i for piece in pieces for i in numbered.get(piece) or [ord(c) for c in piece]]

    def __repr__(self) -> str:
        return "encode"


def _ranks(merges: list[Pair]) -> dict[Pair, int]:
    return {pair: rank for rank, pair in enumerate(merges)}


def _merges(random: Random, letters: str = "") -> list[Pair]:
    """What is learned from a few words over ``letters``, or from English and French ones.

    The latter begin with two spaces, which a pre-token may hold and which no word begins with.
    """
    if letters:
        words = ["".join(random.choices(letters, k=random.randint(3, 8))) for _ in range(4)]
        return learn_merges(count_words(" ".join(words), []), random.randint(4, 9))
    words = ["the cat sat at the mat é, é", *random.choices(["that", "hat", "thé"], k=5)]
    learned = learn_merges(count_words(" ".join(words), []), random.randint(4, 9))
    return [(b" ", b" "), *learned]


def _vocab(random: Random, merges: list[Pair]) -> Vocab:
    """A vocabulary whose ids are in no order, and some are missing."""
    tokens = list(known.make_vocab(merges, SPECIALS).values())
    ids = random.sample(range(2 * len(tokens)), len(tokens))
    return {i: token for i, token in zip(ids, tokens, strict=True)}


def _ids(random: Random) -> tuple[list[int], Vocab]:
    """Ids of a text with characters of several tokens, some of them broken, and the vocabulary."""
    merges = _merges(random)
    vocab = _vocab(random, merges)
    ids = known.encode_text("the é🦙 cat**", vocab, merges, SPECIALS)
    broken = random.randrange(len(ids))
    return ids[:broken] + random.sample(ids, 3) + ids[broken:], vocab
