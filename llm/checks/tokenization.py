"""Checks of the Tokenization exercise: byte-pair encoding in five small functions.

The learner writes, on lists of ids in which 0 to 255 are the bytes of UTF-8 and 256 + rank is the
result of a merge:

- ``count_pairs(ids)``: how often each pair of neighbours occurs, overlaps included;
- ``merge(ids, pair, new_id)``: a new list with the pair replaced, from left to right;
- ``train(text, n_merges)``: the merges; ties go to the greatest pair of byte strings, and
  training stops early when one token is left;
- ``encode(text, merges)`` and ``decode(ids, merges)``; bytes that are no UTF-8 decode to ``"�"``.
"""

from builtins import range  # noqa: UP029  bound now, so that replacing them changes nothing
from collections.abc import Callable
from random import Random

from llm.checks import tokenization_bugs as known
from llm.checks.base import Passed, check_function

Ids = list[int]
Pair = tuple[int, int]


def check_count_pairs(count_pairs: Callable[[Ids], dict[Pair, int]], seed: int = 0) -> Passed:
    """Check ``count_pairs([1, 1, 1, 2])``, which is ``{(1, 1): 2, (1, 2): 1}``."""
    random = Random(seed)
    cases = [([],), ([7],), ([1, 1, 1, 2],), ([1, 2, 1],)]
    cases += [(random.choices(range(3), k=random.randint(2, 12)),) for _ in range(12)]
    return check_function(count_pairs, known.count_pairs, known.COUNT_BUGS, cases)


def check_merge(merge: Callable[[Ids, Pair, int], Ids], seed: int = 0) -> Passed:
    """Check ``merge([1, 2, 1, 2, 2], (1, 2), 256)``, which is ``[256, 256, 2]``."""
    random = Random(seed)
    cases = [([], (1, 2), 256), ([1, 1, 1], (1, 1), 256), ([1, 2, 2, 1, 2], (1, 2), 300)]
    for _ in range(16):
        ids = random.choices(range(3), k=random.randint(2, 12))
        pair = (random.randrange(3), random.randrange(3))
        cases.append((ids, pair, random.randint(256, 999)))
    return check_function(merge, known.merge, known.MERGE_BUGS, cases)


def check_train(train: Callable[[str, int], list[Pair]], seed: int = 0) -> Passed:
    """Check ``train("aaab", 2)``, which is ``[(97, 97), (256, 97)]``: "aaab" has ``aa`` twice."""
    random = Random(seed)
    cases = [("", 3), ("x", 1), ("aaab", 0), ("aaab", 9), ("hug hug pug", 3), ("ééé 🦙🦙", 6)]
    cases += [(_text(random), random.randint(1, 6)) for _ in range(16)]
    return check_function(train, known.train, known.TRAIN_BUGS, cases)


def check_encode(encode: Callable[[str, list[Pair]], Ids], seed: int = 0) -> Passed:
    """Check ``encode("abc", [(98, 99), (97, 98)])``, which is ``[97, 256]``: rank comes first."""
    random = Random(seed)
    b_c_first, abc_before_ab = [(98, 99), (97, 98)], [(98, 99), (97, 256), (97, 98)]
    cases = [("", []), ("x", [(97, 98)]), ("abc", b_c_first), ("ab ab abc", b_c_first)]
    cases += [("abcbcbc", b_c_first), ("abc", b_c_first[::-1]), ("abc", abc_before_ab)]
    cases += [("aaaaa", [(97, 97), (256, 256)]), ("é🦙", [])]
    for _ in range(16):
        text = _text(random)
        cases.append((_text(random) + text, known.train(text, random.randint(2, 8))))
    return check_function(encode, known.encode, known.ENCODE_BUGS, cases)


def check_decode(decode: Callable[[Ids, list[Pair]], str], seed: int = 0) -> Passed:
    """Check ``decode([195, 169, 256], [(97, 98)])``, which is ``"éab"``."""
    random = Random(seed)
    cases = [([], []), ([195, 169, 256], [(97, 98)]), ([97, 195], []), ([255, 98], [])]
    for _ in range(12):
        text = _text(random) + "é🦙"
        merges = known.train(text, random.randint(2, 8))
        cases.append((known.encode(_text(random) + text, merges), merges))
    return check_function(decode, known.decode, known.DECODE_BUGS, cases)


def _text(random: Random) -> str:
    alphabet = random.choice(["ab", "aab ", "abc ", "aé ", "ab🦙", "low er"])
    return "".join(random.choices(alphabet, k=random.randint(4, 16)))
