"""The first half of the tokenizer assignment, from text to merges, right and wrong.

The right ones are `split_specials`, `count_words`, `pair_counts`, `merge_words` and
`learn_merges`; the dictionaries below them hold the bugs: a sentence, and a function that has the
bug, which is mostly one changed argument.
"""

from builtins import (  # noqa: UP029  bound now, so that replacing them later changes nothing
    bytes,
    dict,
    int,
    len,
    list,
    max,
    min,
    reversed,
    set,
    sorted,
    str,
    sum,
    tuple,
    zip,
)
from functools import partial

import regex

from llm.pretokens import GPT2_PATTERN

Pair = tuple[bytes, bytes]
Word = tuple[bytes, ...]
Words = dict[Word, int]
FOREVER = 10**9
_split, _escape, _pattern = regex.split, regex.escape, regex.compile(GPT2_PATTERN)


def pretokens(text: str) -> list[str]:
    return _pattern.findall(text)


def spell(word: str) -> Word:
    return tuple([bytes([byte]) for byte in word.encode("utf-8")])


def longest_first(names: list[str]) -> list[str]:
    return sorted(names, key=len, reverse=True)


def split_specials(
    text: str,
    specials: list[str],
    *,
    order=longest_first,
    escape=_escape,
    form="({})",
    most: int = 0,
    finish=lambda pieces: [piece for piece in pieces if piece],
    without=lambda text: [text] if text else [],
) -> list[str]:
    if not specials:
        return without(text)
    names = "|".join([escape(name) for name in order(specials)])
    return finish(_split(form.format(names), text, maxsplit=most))


SPLIT_BUGS = {
    "the names are read as a pattern, in which | means or; put regex.escape around each.": partial(
        split_specials, escape=str
    ),
    "the special listed first is cut first; the longest comes first.": partial(
        split_specials, order=list
    ),
    "the shortest special is cut first; the longest comes first.": partial(
        split_specials, order=lambda names: sorted(names, key=len)
    ),
    "empty pieces are kept; leave them out.": partial(split_specials, finish=list),
    "the specials themselves are lost; each is a piece.": partial(split_specials, form="{}"),
    "only the first special of the text is cut.": partial(split_specials, most=1),
    "spaces beside a special are lost; a cut takes nothing away.": partial(
        split_specials, finish=lambda pieces: [p.strip() for p in pieces if p.strip()]
    ),
    "without specials every character is cut; the text is one piece then.": partial(
        split_specials, without=list
    ),
    "an empty text gives an empty piece; it has no piece at all.": partial(
        split_specials, without=lambda text: [text]
    ),
    "nothing is cut.": lambda text, specials: [text] if text else [],
}


def count_words(
    text: str,
    specials: list[str],
    *,
    split=split_specials,
    cut=pretokens,
    special=lambda piece: [],
    key=spell,
    count=sum,
) -> Words:
    seen: dict[Word, list[int]] = {}
    for piece in split(text, specials):
        for word in special(piece) if piece in specials else cut(piece):
            seen.setdefault(key(word), []).append(1)
    return {word: count(ones) for word, ones in seen.items()}


def _remove(text: str, specials: list[str], *, leave: str = "") -> list[str]:
    return [leave.join([p for p in split_specials(text, specials) if p not in specials])]


WORD_BUGS = {
    "the text is not cut at the specials, so their letters are counted.": partial(
        count_words, split=lambda text, specials: [text]
    ),
    "the letters of a special are counted, cut like other text; leave it out.": partial(
        count_words, special=pretokens
    ),
    "a special is counted as a word; leave it out.": partial(
        count_words, special=lambda piece: [piece]
    ),
    "a special is taken out and its neighbours are joined; cut there.": partial(
        count_words, split=_remove
    ),
    "a special is replaced by a space; cut there and add nothing.": partial(
        count_words, split=partial(_remove, leave=" ")
    ),
    "spaces are lost; use pretokens, which keeps them with the word that follows.": partial(
        count_words, cut=str.split
    ),
    "the text is not cut into pre-tokens.": partial(count_words, cut=lambda piece: [piece]),
    "each word counts once; count how often it occurs.": partial(count_words, count=lambda ones: 1),
    "a word is kept whole; begin with its single bytes.": partial(
        count_words, key=lambda word: (word.encode(),)
    ),
    "a word is cut into characters; é is two bytes.": partial(
        count_words, key=lambda word: tuple([c.encode() for c in word])
    ),
    "a word is a tuple of numbers; make each a byte string with bytes([number]).": partial(
        count_words, key=lambda word: tuple(word.encode())
    ),
    "a word is a tuple of characters; begin with the bytes of word.encode().": partial(
        count_words, key=tuple
    ),
    "the words are written in small letters; The and the are two words.": partial(
        count_words, cut=lambda piece: pretokens(piece.lower())
    ),
    "only the first piece is counted; go on after a special.": partial(
        count_words, split=lambda text, specials: split_specials(text, specials)[:1]
    ),
}


def pair_counts(
    words: Words, *, pairs=lambda word: zip(word, word[1:], strict=False), weight=lambda n: n
) -> dict[Pair, int]:
    counts: dict[Pair, int] = {}
    for word, n in words.items():
        for pair in pairs(word):
            counts[pair] = counts.get(pair, 0) + weight(n)
    return counts


def _last_word_decides(words: Words) -> dict[Pair, int]:
    counts = {}
    for word, n in words.items():
        counts |= {pair: n for pair in pair_counts({word: n})}
    return counts


def _without_overlaps(word: Word) -> list[Pair]:
    pairs = set(zip(word, word[1:], strict=False))
    joined = {pair: merge_word(word, pair) for pair in pairs}
    return [pair for pair in joined for _ in word[len(joined[pair]) :]]


PAIR_BUGS = {
    "each word counts once; a pair counts as often as the words it is in.": partial(
        pair_counts, weight=lambda n: 1
    ),
    "pairs across the border of two words are counted.": lambda words: pair_counts(
        {tuple([token for word, n in words.items() for token in word * n]): 1}
    ),
    "the last word that holds a pair decides; add up over the words.": _last_word_decides,
    "a pair that occurs twice in a word counts once there.": partial(
        pair_counts, pairs=lambda word: set(zip(word, word[1:], strict=False))
    ),
    "overlapping pairs are counted once; a a a holds the pair (a, a) twice.": partial(
        pair_counts, pairs=_without_overlaps
    ),
    "the last pair of a word is missed; n tokens have n - 1 pairs.": partial(
        pair_counts, pairs=lambda word: zip(word[:-1], word[1:-1], strict=False)
    ),
    "only every second pair is seen; move on by one token.": partial(
        pair_counts, pairs=lambda word: zip(word[::2], word[1::2], strict=False)
    ),
    "the pair is turned round; the left neighbour comes first.": partial(
        pair_counts, pairs=lambda word: zip(word[1:], word, strict=False)
    ),
    "the two tokens are joined; a pair is a tuple of two.": partial(
        pair_counts,
        pairs=lambda word: [a + b for a, b in zip(word, word[1:], strict=False)],
    ),
    "single tokens are counted; count pairs of neighbours.": partial(
        pair_counts, pairs=lambda word: word
    ),
}


def _equal(tokens: Word, pair: Pair) -> bool:
    return tokens == pair


def _touching(tokens: Word, pair: Pair) -> bool:
    return len(tokens) == 2 and tokens[0].endswith(pair[0]) and tokens[1].startswith(pair[1])


def merge_word(
    word: Word, pair: Pair, *, step: int = 2, most: int = FOREVER, spare: int = 0, fits=_equal
) -> Word:
    merged, i, times = [], 0, 0
    while i < len(word) - spare:
        found = fits(word[i : i + 2], pair) and times < most
        merged.append(word[i] + word[i + 1] if found else word[i])
        i, times = i + (step if found else 1), times + found
    return tuple(merged)


def _merge_backwards(word: Word, pair: Pair) -> Word:
    turned = tuple([token[::-1] for token in word[::-1]])
    merged = merge_word(turned, (pair[1][::-1], pair[0][::-1]))
    return tuple([token[::-1] for token in merged[::-1]])


def merge_words(words: Words, pair: Pair, *, join=merge_word, count=lambda n: n) -> Words:
    return {join(word, pair): count(n) for word, n in words.items()}


MERGE_WORDS_BUGS = {
    "it goes on inside a pair that it has just joined; after a merge move on by two.": partial(
        merge_words, join=partial(merge_word, step=1)
    ),
    "only the first occurrence in a word is joined.": partial(
        merge_words, join=partial(merge_word, most=1)
    ),
    "the last token of a word is lost.": partial(merge_words, join=partial(merge_word, spare=1)),
    "it joins from right to left; a a a with the pair (a, a) is aa a.": partial(
        merge_words, join=_merge_backwards
    ),
    "the pair is also found inside longer tokens; compare whole tokens.": partial(
        merge_words, join=partial(merge_word, fits=_touching)
    ),
    "the pair is also joined when turned round.": partial(
        merge_words, join=partial(merge_word, fits=lambda two, pair: two in (pair, pair[::-1]))
    ),
    "the counts are lost; a word keeps its count.": partial(merge_words, count=lambda n: 1),
    "words without the pair are left out; keep them as they are.": lambda words, pair: {
        merge_word(word, pair): n for word, n in words.items() if merge_word(word, pair) != word
    },
    "nothing is joined.": lambda words, pair: words,
}

TIES = {
    "greatest": lambda counts: max(counts, key=lambda pair: (counts[pair], pair)),
    "first": lambda counts: max(counts, key=counts.get),
    "last": lambda counts: max(reversed(counts), key=counts.get),
    "smallest": lambda counts: min(counts, key=lambda pair: (-counts[pair], pair)),
    "joined": lambda counts: max(counts, key=lambda pair: (counts[pair], pair[0] + pair[1])),
}
TIE_RULES = {
    "greatest": "ties go to the greatest pair",
    "first": "ties go to the pair met first",
}
OTHER_RULES = {
    "greatest": "yours go to the greatest",
    "first": "yours go to the pair met first",
    "last": "yours go to the pair met last",
    "smallest": "yours go to the smallest",
    "joined": "yours compare the two tokens joined into one",
}


def learn_merges(
    words: Words,
    n_merges: int,
    *,
    choose=TIES["greatest"],
    count=pair_counts,
    join=merge_words,
    enough=lambda counts: counts,
) -> list[Pair]:
    merges: list[Pair] = []
    while len(merges) < n_merges and enough(count(words)):
        merges.append(choose(count(words)))
        words = join(words, merges[-1])
    return merges


def _learn_once_counted(words: Words, n_merges: int, *, choose) -> list[Pair]:
    counts, merges = pair_counts(words), []
    while counts and len(merges) < n_merges:
        merges.append(choose(counts))
        del counts[merges[-1]]
    return merges


def learn_bugs(ties: str) -> dict:
    """The bugs of `learn_merges` where ties go by the rule ``ties``, a key of `TIE_RULES`."""
    choose, counted = TIES[ties], PAIR_BUGS
    learn = partial(learn_merges, choose=choose)
    other_ties = {
        f"{TIE_RULES[ties]}; {OTHER_RULES[other]}.": partial(learn_merges, choose=TIES[other])
        for other in TIES
        if other != ties
    }
    return other_ties | {
        "the rarest pair is joined; take the most frequent.": partial(
            learn, choose=lambda counts: min(counts, key=counts.get)
        ),
        "the greatest pair is joined however rare; the count comes first.": partial(
            learn, choose=max
        ),
        "each word counts once; weigh its pairs with its count.": partial(
            learn, count=partial(pair_counts, weight=lambda n: 1)
        ),
        "pairs across the border of two words are counted.": partial(
            learn, count=counted["pairs across the border of two words are counted."]
        ),
        "pairs are counted once at the start; count again after each merge.": partial(
            _learn_once_counted, choose=choose
        ),
        "the joined words are thrown away, so the same pair wins each time.": partial(
            learn, join=lambda words, pair: words
        ),
        "it crashes when no pair is left; stop early instead.": partial(
            learn, enough=lambda counts: True
        ),
        "it stops when no pair occurs twice; go on while there is a pair.": partial(
            learn, enough=lambda counts: max(counts.values(), default=0) > 1
        ),
        "it learns one merge too many.": lambda words, n: learn(words, n + 1),
        "it learns one merge too few.": lambda words, n: learn(words, n - 1),
        "the merges are listed backwards.": lambda words, n: learn(words, n)[::-1],
        "the merges are joined byte strings; list the pairs.": lambda words, n: [
            a + b for a, b in learn(words, n)
        ],
    }
