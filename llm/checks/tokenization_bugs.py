"""The functions of the Tokenization exercise, right and wrong in all the ways that we have seen.

The right ones are `count_pairs`, `merge`, `train`, `encode` and `decode`; the dictionaries
below them hold the bugs: a sentence, and a function that has the bug, which is mostly one changed
argument.
"""

from builtins import (  # noqa: UP029  bound now, so that replacing them later changes nothing
    bytes,
    chr,
    dict,
    enumerate,
    len,
    list,
    map,
    max,
    min,
    ord,
    range,
    reversed,
    sorted,
    tuple,
    zip,
)
from functools import partial

Ids = list[int]
Pair = tuple[int, int]
FOREVER = 10**9


def _utf8(text: str) -> Ids:
    return list(text.encode("utf-8"))


def _code_points(text: str) -> Ids:
    return list(map(ord, text))


def _count(pairs) -> dict[Pair, int]:
    counts: dict[Pair, int] = {}
    for pair in pairs:
        counts[pair] = counts.get(pair, 0) + 1
    return counts


def count_pairs(ids: Ids) -> dict[Pair, int]:
    return _count(zip(ids, ids[1:], strict=False))


def merge(
    ids: Ids, pair: Pair, new_id: int, *, step=2, most=FOREVER, either_way=False, spare=0
) -> Ids:
    wanted = {pair, pair[::-1]} if either_way else {pair}
    merged, i, times = [], 0, 0
    while i < len(ids) - spare:
        found = tuple(ids[i : i + 2]) in wanted and times < most
        merged.append(new_id if found else ids[i])
        i, times = i + (step if found else 1), times + found
    return merged


def _merge_backwards(ids: Ids, pair: Pair, new_id: int) -> Ids:
    return merge(ids[::-1], pair[::-1], new_id)[::-1]


def _merge_keeping_pair(ids: Ids, pair: Pair, new_id: int) -> Ids:
    merged = merge(ids, pair, -1)
    return [i for token in merged for i in ([*pair, new_id] if token == -1 else [token])]


def _greatest(counts: dict[Pair, int], spell) -> Pair:
    return max(counts, key=lambda pair: (counts[pair], spell(pair)))


def _greatest_ids(counts: dict[Pair, int], spell) -> Pair:
    return max(counts, key=lambda pair: (counts[pair], pair))


def train(
    text: str,
    n_merges: int,
    *,
    raw=_utf8,
    choose=_greatest,
    new_id=lambda ids, n: 256 + n,
    count=count_pairs,
    join=merge,
    enough=lambda counts: counts,
) -> list[Pair]:
    ids, merges, tokens = raw(text), [], {}

    def spell(pair: Pair) -> list[bytes]:
        return [tokens.get(i) or (bytes([i]) if i < 256 else chr(i).encode()) for i in pair]

    while len(merges) < n_merges and enough(count(ids)):
        pair = choose(count(ids), spell)
        made = new_id(ids, len(merges))
        tokens[made] = b"".join(spell(pair))
        ids = join(ids, pair, made)
        merges.append(pair)
    return merges


def _train_once_counted(text: str, n_merges: int) -> list[Pair]:
    counts = count_pairs(_utf8(text))
    return sorted(counts, key=lambda pair: (counts[pair], pair), reverse=True)[:n_merges]


def _count_inside_words(ids: Ids) -> dict[Pair, int]:
    return {pair: n for pair, n in count_pairs(ids).items() if pair[1] != ord(" ")}


def _lowest_rank(found: list[Pair], ranks: dict[Pair, int]) -> Pair:
    return min(found, key=lambda pair: ranks[pair])


def encode(
    text: str,
    merges: list[Pair],
    *,
    raw=_utf8,
    choose=_lowest_rank,
    join=merge,
    first=256,
    rounds: int = FOREVER,
    least: int = 1,
) -> Ids:
    ids, ranks = raw(text), {pair: rank for rank, pair in enumerate(merges)}
    for _ in range(min(rounds, 4 * len(text) + 4)):  # some bugs would never end
        found = [pair for pair in zip(ids, ids[1:], strict=False) if pair in ranks]
        if len(found) < least:
            break
        pair = choose(found, ranks)
        ids = join(ids, pair, first + ranks[pair])
    return ids


def _encode_longest_first(text: str, merges: list[Pair]) -> Ids:
    table, rest, ids = _table(merges), text.encode("utf-8"), []
    while rest:
        best = max((i for i in table if rest.startswith(table[i])), key=lambda i: len(table[i]))
        ids.append(best)
        rest = rest[len(table[best]) :]
    return ids


def _encode_one_pass(text: str, merges: list[Pair]) -> Ids:
    """One pass over the text that joins each token to the one before it if there is a merge."""
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    ids: Ids = []
    for token in _utf8(text):
        if ids and (ids[-1], token) in ranks:
            ids[-1] = 256 + ranks[ids[-1], token]
        else:
            ids.append(token)
    return ids


def _table(merges: list[Pair], *, first: int = 256, swap: bool = False) -> dict[int, bytes]:
    table = {i: bytes([i]) for i in range(256)}
    for rank, (a, b) in enumerate(merges):
        table[first + rank] = table[b] + table[a] if swap else table[a] + table[b]
    return table


def decode(ids: Ids, merges: list[Pair], *, errors: str = "replace", **table) -> str:
    tokens = _table(merges, **table)
    return b"".join([tokens[i] for i in ids]).decode("utf-8", errors)


def _decode_one_by_one(ids: Ids, merges: list[Pair]) -> str:
    return "".join([decode([i], merges) for i in ids])


def _decode_as_latin1(ids: Ids, merges: list[Pair]) -> str:
    tokens = _table(merges)
    return "".join([chr(byte) for i in ids for byte in tokens[i]])


def _decode_one_level(ids: Ids, merges: list[Pair]) -> str:
    flat = [byte for i in ids for byte in (merges[i - 256] if i > 255 else [i])]
    return bytes(flat).decode("utf-8", "replace")


COUNT_BUGS = {
    "overlapping pairs are counted once; 1 1 1 holds the pair (1, 1) twice.": lambda ids: {
        pair: merge(ids, pair, -1).count(-1) for pair in count_pairs(ids)
    },
    "the last pair is missed; n ids have n - 1 pairs.": lambda ids: count_pairs(ids[:-1]),
    "the last id is paired with the first; ids[-1] is the end of the list.": lambda ids: _count(
        zip(ids[-1:] + ids, ids, strict=False)
    ),
    "only every second pair is seen; move on by one position, not by two.": lambda ids: _count(
        zip(ids[::2], ids[1::2], strict=False)
    ),
    "the order inside a pair is lost; (1, 2) and (2, 1) are two pairs.": lambda ids: _count(
        (min(p), max(p)) for p in zip(ids, ids[1:], strict=False)
    ),
    "the pair is turned round; the left neighbour comes first.": lambda ids: _count(
        zip(ids[1:], ids, strict=False)
    ),
    "each pair is counted just once; add to the count that is there.": lambda ids: {
        pair: 1 for pair in count_pairs(ids)
    },
    "each count is one too low; the first occurrence counts as 1.": lambda ids: {
        pair: n - 1 for pair, n in count_pairs(ids).items()
    },
    "single ids are counted; count pairs of neighbours.": _count,
}

MERGE_BUGS = {
    "it goes on inside a pair that it has just merged; after a merge move on by two.": partial(
        merge, step=1
    ),
    "only the first occurrence is merged.": partial(merge, most=1),
    "the last id is lost when it is in no pair.": partial(merge, spare=1),
    "it merges from right to left; 1 1 1 with the pair (1, 1) is new_id 1.": _merge_backwards,
    "the pair is also merged when turned round; (1, 2) is not (2, 1).": partial(
        merge, either_way=True
    ),
    "only the left id of the pair is compared.": lambda ids, pair, new_id: [
        new_id if i == pair[0] else i for i in ids
    ],
    "the new id is put beside the pair; it must replace both ids.": _merge_keeping_pair,
    "nothing is merged.": lambda ids, pair, new_id: ids,
    "the new id is always 256; use the argument new_id.": lambda ids, pair, new_id: merge(
        ids, pair, 256
    ),
}

TRAIN_BUGS = {
    "new ids must start at 256, after the bytes 0 to 255; yours start at 257.": partial(
        train, new_id=lambda ids, n: 257 + n
    ),
    "new ids must start at 256; 255 is a byte.": partial(train, new_id=lambda ids, n: 255 + n),
    "new ids must start at 256; yours start at 0, which are bytes.": partial(
        train, new_id=lambda ids, n: n
    ),
    "new ids must start at 256; yours follow the greatest id of the text.": partial(
        train, new_id=lambda ids, n: max(ids) + 1
    ),
    "each merge needs an id of its own, 256 + its rank; yours are all 256.": partial(
        train, new_id=lambda ids, n: 256
    ),
    "ties go to the greatest pair; yours go to the pair seen first.": partial(
        train, choose=lambda counts, spell: max(counts, key=counts.get)
    ),
    "ties go to the greatest pair; yours go to the pair seen last.": partial(
        train, choose=lambda counts, spell: max(reversed(counts), key=counts.get)
    ),
    "ties go to the greatest pair; yours go to the smallest.": partial(
        train, choose=lambda counts, spell: min(counts, key=lambda p: (-counts[p], spell(p)))
    ),
    "ties are settled by the ids; compare the bytes that the two tokens stand for.": partial(
        train, choose=_greatest_ids
    ),
    "it merges the rarest pair; take the most frequent.": partial(
        train, choose=lambda counts, spell: min(counts, key=lambda p: (counts[p], spell(p)))
    ),
    "it merges the greatest pair however rare; the count comes first.": partial(
        train, choose=lambda counts, spell: max(counts, key=spell)
    ),
    "pairs are counted once at the start; count again after each merge.": _train_once_counted,
    "overlapping pairs are merged twice; after a merge move on by two.": partial(
        train, join=partial(merge, step=1)
    ),
    "the merge loses the last id.": partial(train, join=partial(merge, spare=1)),
    "only the first occurrence of a pair is merged in each round.": partial(
        train, join=partial(merge, most=1)
    ),
    "the merged ids are thrown away, so the same pair wins each time.": partial(
        train, join=lambda ids, pair, new_id: ids
    ),
    "it works on code points; start from the bytes of text.encode('utf-8').": partial(
        train, raw=_code_points
    ),
    "it crashes when no pair is left; stop early instead.": partial(
        train, enough=lambda counts: True
    ),
    "it stops when no pair occurs twice; go on while there is a pair.": partial(
        train, enough=lambda counts: max(counts.values(), default=0) > 1
    ),
    "pairs that end in a space are left out; this exercise does not cut text into words.": partial(
        train, count=_count_inside_words
    ),
    "it learns one merge too many.": lambda text, n_merges: train(text, n_merges + 1),
    "it learns one merge too few.": lambda text, n_merges: train(text, n_merges - 1),
    "the merges are listed backwards.": lambda *case: train(*case)[::-1],
}

ENCODE_BUGS = {
    "the most frequent pair of the text is merged first; the lowest rank comes first.": partial(
        encode, choose=lambda found, ranks: max(found, key=found.count)
    ),
    "the most frequent pair, then the greatest, is merged; the lowest rank comes first.": partial(
        encode, choose=lambda found, ranks: max(found, key=lambda p: (found.count(p), p))
    ),
    "the most frequent pair is merged first, then by rank; the lowest rank comes first.": partial(
        encode, choose=lambda found, ranks: max(found, key=lambda p: (found.count(p), -ranks[p]))
    ),
    "the leftmost pair is merged first; the lowest rank comes first, wherever it stands.": partial(
        encode, choose=lambda found, ranks: found[0]
    ),
    "the highest rank is merged first; the lowest comes first.": partial(
        encode, choose=lambda found, ranks: max(found, key=lambda pair: ranks[pair])
    ),
    "the text is read once from left to right; go through the merges by rank.": _encode_one_pass,
    "the longest token that fits is taken; apply the merges by rank.": _encode_longest_first,
    "it stops after one merge.": partial(encode, rounds=1),
    "no merge is applied.": partial(encode, rounds=0),
    "new ids must start at 256; yours start at 257.": partial(encode, first=257),
    "new ids must start at 256; yours are the bare ranks, which are bytes.": partial(
        encode, first=0
    ),
    "it works on code points; start from the bytes of text.encode('utf-8').": partial(
        encode, raw=_code_points
    ),
    "overlapping pairs are merged twice; after a merge move on by two.": partial(
        encode, join=partial(merge, step=1)
    ),
    "the merge loses the last id.": partial(encode, join=partial(merge, spare=1)),
    "it crashes when no merge applies; return the ids as they are.": partial(encode, least=0),
}

DECODE_BUGS = {
    "tokens are decoded one by one, but a character may span several.": _decode_one_by_one,
    "it crashes on bytes that are no UTF-8; decode with errors='replace'.": partial(
        decode, errors="strict"
    ),
    "it drops bytes that are no UTF-8; decode with errors='replace'.": partial(
        decode, errors="ignore"
    ),
    "bytes are taken for characters; decode them as UTF-8.": _decode_as_latin1,
    "the halves of a merge are in the wrong order.": partial(decode, swap=True),
    "merge number 0 has the id 256; yours has 257.": partial(decode, first=257),
    "a merge is unfolded only once; its halves may be merges too.": _decode_one_level,
    "only ids below 256 are decoded; merges are left out.": lambda ids, merges: bytes(
        [i for i in ids if i < 256]
    ).decode("utf-8", "replace"),
}
