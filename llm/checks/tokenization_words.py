"""Checks of the tokenizer assignment, first half: from text to merges, over counted words.

A word is a pre-token as a tuple of tokens, each a byte string, ``(b"c", b"at")``; words are a
dictionary from each to how often it occurs. The learner writes:

- ``split_specials(text, specials)``: the text cut at special tokens, the longest first;
- ``count_words(text, specials)``: the words of a text, in single bytes;
- ``pair_counts(words)``: how often each pair of neighbours occurs inside the words;
- ``merge_words(words, pair)``: the words with the pair joined;
- ``learn_merges(words, n_merges)``: the merges, where ties go by one of two rules.
"""

from builtins import (  # noqa: UP029  bound now, so that replacing them later changes nothing
    range,
    zip,
)
from collections.abc import Callable
from functools import partial, wraps
from random import Random

from llm.checks import tokenization_words_bugs as known
from llm.checks.base import Passed, check_function
from llm.checks.predictions import Right, check_prediction
from llm.checks.tokenization_words_bugs import Pair, Words

SPECIALS = ["<|end|>", "<|end|>.", "**", "[x]"]
PREDICTED = {"hugs": 1, "pug": 3, "bun": 1}  # see check_third_merge


def check_split_specials(
    split_specials: Callable[[str, list[str]], list[str]], seed: int = 0
) -> Passed:
    """Check ``split_specials("a**b", ["**"])``, which is ``["a", "**", "b"]``."""
    cases = [("", []), ("", ["**"]), ("a b", []), ("a**b", ["**"]), ("** a <|end|>.", SPECIALS)]
    cases += [("x [x]", ["[x]"]), ("<|end|>.a", SPECIALS[::-1])]
    cases += [(_text(Random(seed + i), SPECIALS), SPECIALS) for i in range(8)]
    return check_function(split_specials, known.split_specials, known.SPLIT_BUGS, cases)


def check_count_words(count_words: Callable[[str, list[str]], Words], seed: int = 0) -> Passed:
    """Check ``count_words("a a", [])``, which is ``{(b"a",): 1, (b" ", b"a"): 1}``."""
    cases = [("", []), ("a a", []), ("The the the", []), ("é🦙", []), ("ca**t", ["**"])]
    cases += [(_text(Random(seed + i), SPECIALS), SPECIALS) for i in range(8)]
    return check_function(count_words, known.count_words, known.WORD_BUGS, cases)


def check_pair_counts(pair_counts: Callable[[Words], dict[Pair, int]], seed: int = 0) -> Passed:
    """Check ``pair_counts({(b"a", b"a", b"a"): 2})``, which is ``{(b"a", b"a"): 4}``."""
    cases = [({},), ({(b"a",): 3},), ({(b"a", b"a", b"a"): 2},)]
    cases += [({(b"a", b"b"): 2, (b"ab", b"a", b"b"): 3},)]
    cases += [(_words(Random(seed + i)),) for i in range(10)]
    return check_function(pair_counts, known.pair_counts, known.PAIR_BUGS, cases)


def check_merge_words(merge_words: Callable[[Words, Pair], Words], seed: int = 0) -> Passed:
    """Check ``merge_words({(b"a", b"b", b"c"): 2}, (b"a", b"b"))``: ``{(b"ab", b"c"): 2}``."""
    ab, bc = (b"a", b"b"), (b"b", b"c")
    cases = [({}, ab), ({(b"a", b"b", b"c"): 2}, ab), ({(b"a", b"a", b"a"): 3}, (b"a", b"a"))]
    cases += [({(b"ab", b"c"): 2, (b"b", b"c"): 1}, bc), ({(b"b", b"a", b"b", b"a", b"b"): 1}, ab)]
    for i in range(10):
        words = _words(Random(seed + i))
        cases.append((words, known.TIES["greatest"](known.pair_counts(words))))
    return check_function(merge_words, known.merge_words, known.MERGE_WORDS_BUGS, cases)


def check_learn_merges(
    learn_merges: Callable[[Words, int], list[Pair]], seed: int = 0, ties: str = "greatest"
) -> Passed:
    """Check ``learn_merges({(b"a", b"b", b"c"): 2}, 1)``.

    It is ``[(b"b", b"c")]`` where ties go to the ``"greatest"`` pair, ``[(b"a", b"b")]`` where they
    go to the ``"first"`` that is met when the words are read in order.
    """
    words = _spelled({"abc": 2})
    prefixes = {(b"a", b"z"): 1, (b"ab", b"a"): 1}
    cases = [({}, 3), (words, 0), (words, 1), (words, 9), (prefixes, 1)]
    cases += [(_spelled({"ab": 3, "cb": 2, "dcb": 2}), 4), (_spelled({"low": 1, "lot": 1}), 3)]
    for i in range(10):
        random = Random(seed + i)
        cases.append((_words(random), random.randint(2, 7)))
    right = wraps(known.learn_merges)(partial(known.learn_merges, choose=known.TIES[ties]))
    return check_function(learn_merges, right, known.learn_bugs(ties), cases)


def check_third_merge(third_merge: Pair, ties: str = "greatest") -> Right:
    """Check the third merge of the words that :data:`PREDICTED` counts, worked out by hand."""
    words, bugs = _spelled(PREDICTED), known.learn_bugs(ties)
    right = known.learn_merges(words, 3, choose=known.TIES[ties])
    wrong = {"merges are listed from the first; yours is the second.": right[1]}
    wrong |= {"merges are listed from the first; yours is the first.": right[0]}
    wrong["a token is a byte string, with a b before its quotation marks."] = (
        right[2][0].decode(),
        right[2][1].decode(),
    )
    wrong |= {sentence: (bug(words, 3) or [None])[-1] for sentence, bug in bugs.items()}
    return check_prediction("third_merge", third_merge, right[2], wrong)


def _spelled(counts: dict[str, int]) -> Words:
    return {known.spell(word): n for word, n in counts.items()}


def _text(random: Random, specials: list[str]) -> str:
    pieces = random.choices(["The", " the", "cat", " cat", "é", "🦙", " ", ","], k=9)
    pieces[2:2] = [specials[0], " "]
    pieces[5:5] = specials[1:3]
    return "".join(pieces + random.choices(specials, k=2) + ["the"])


def _words(random: Random) -> Words:
    """Four words of a small alphabet, some with a pair that is joined, with different counts."""
    letters = random.choice(["ab", "aab", "abc"])
    texts = ["".join(random.choices(letters, k=random.randint(3, 8))) for _ in range(4)]
    counts = random.sample(range(1, 9), 4)
    words = {known.spell(text): n for text, n in zip(texts, counts, strict=True)}
    return known.merge_words(words, (b"a", b"b")) if random.random() < 0.5 else words
