"""Byte-pair encoding as an algorithm on byte strings: learn merges, then apply them in that order.

Adds to nothing: plain functions, no text, no ids. `llm.tokenization` makes a tokenizer of them.
Follows Sennrich, Haddow and Birch (2016), "Neural machine translation of rare words with subword
units", section 3.2, on bytes as in GPT-2 (Radford et al., 2019, section 2.2).

A *word* here is one pre-token: merges happen inside it and never across its borders.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush
from itertools import pairwise

Pair = tuple[bytes, bytes]


def split_bytes(word: bytes) -> list[bytes]:
    """The single bytes of ``word``: ``b"hi"`` gives ``[b"h", b"i"]``."""
    return [bytes([byte]) for byte in word]


def merge_pair(tokens: list[bytes], pair: Pair) -> list[bytes]:
    """Join each occurrence of ``pair`` in ``tokens``, from left to right and without overlap.

    ``[b"a", b"a", b"a"]`` with the pair ``(b"a", b"a")`` gives ``[b"aa", b"a"]``.
    """
    merged, i = [], 0
    while i < len(tokens):
        if i + 1 < len(tokens) and (tokens[i], tokens[i + 1]) == pair:
            merged.append(tokens[i] + tokens[i + 1])
            i += 2
        else:
            merged.append(tokens[i])
            i += 1
    return merged


def learn_merges(word_counts: Mapping[bytes, int], n_merges: int) -> list[Pair]:
    """Join the most frequent pair of neighbours, count again, and so on ``n_merges`` times.

    Ties go to the greatest pair of byte strings. Stops early when no pair is left, so the list may
    be shorter than asked for. Only words that hold the joined pair are counted again; one merge
    costs the length of those words and one look at the table of distinct pairs.

    ``{b"aab": 2, b"ab": 1}`` has the pairs ``aa`` twice and ``ab`` three times: ``ab`` is joined
    first, then ``a`` and ``ab``.
    """
    words = [(split_bytes(word), count) for word, count in word_counts.items()]
    counts: Counter[Pair] = Counter()
    holders: dict[Pair, set[int]] = defaultdict(set)  # pair -> the words that hold it

    def tally(index: int, sign: int) -> None:
        tokens, count = words[index]
        for pair in pairwise(tokens):
            counts[pair] += sign * count
            if sign > 0:
                holders[pair].add(index)
            elif not counts[pair]:
                del counts[pair]

    for index in range(len(words)):
        tally(index, +1)
    merges: list[Pair] = []
    while counts and len(merges) < n_merges:
        highest = max(counts.values())
        best = max(pair for pair, count in counts.items() if count == highest)
        merges.append(best)
        for index in holders.pop(best):
            tally(index, -1)
            words[index] = (merge_pair(words[index][0], best), words[index][1])
            tally(index, +1)
    return merges


def apply_merges(tokens: Iterable[bytes], ranks: Mapping[Pair, int]) -> list[bytes]:
    """Join neighbours in order of rank, the lowest first, until no pair of ``ranks`` is left.

    The rank of a merge is its place in the order of training; how often a pair occurs in the text
    at hand plays no part. A heap keeps the candidates, so a word of n bytes costs O(n log n).

    ``[b"a", b"b", b"c"]`` with ranks ``{(b"b", b"c"): 0, (b"a", b"b"): 1}`` gives
    ``[b"a", b"bc"]``, though ``ab`` comes first in the text.
    """
    tokens = [*tokens, b""]  # joins with nothing; found at both ends as tokens[-1]
    left = list(range(-1, len(tokens) - 1))
    right = [*range(1, len(tokens)), -1]
    heap = [(ranks[pair], i) for i, pair in enumerate(pairwise(tokens)) if pair in ranks]
    heapify(heap)
    while heap:
        rank, i = heappop(heap)
        j = right[i]
        if ranks.get((tokens[i], tokens[j])) != rank:
            continue  # one of the two has been joined to another token since
        tokens[i], tokens[j] = tokens[i] + tokens[j], b""
        right[i] = right[j]
        left[right[i]] = i
        for k in (left[i], i):
            if (new := ranks.get((tokens[k], tokens[right[k]]))) is not None:
                heappush(heap, (new, k))
    return [token for token in tokens if token]


def recover_merges(tokens: Iterable[bytes]) -> list[Pair]:
    """The merges that made ``tokens``, the multi-byte tokens of a vocabulary in order of rank.

    A token encoded with the merges before its own falls into the two parts that its merge joined.
    Raises ``ValueError`` for a token that does not.
    """
    ranks: dict[Pair, int] = {}
    for token in tokens:
        parts = apply_merges(split_bytes(token), ranks)
        if len(parts) != 2:
            raise ValueError(
                f"token {token!r} falls into {len(parts)} parts under the merges before it, "
                "not 2: give the tokens in the order in which they were learned"
            )
        ranks[parts[0], parts[1]] = len(ranks)
    return list(ranks)
