"""The functions of the Overview assignment, right and wrong in all the ways that we have seen.

The right ones are `count_chances`, `to_ids`, `run_parts`, `newest_chances`, `choose`,
`continue_text`, `changed_rows` and `mean_surprise`; the dictionary below each holds its bugs: a
sentence, and a function that has the bug, which is mostly one changed argument.
"""

from builtins import (  # noqa: UP029  bound now, as in the checks
    abs,
    dict,
    enumerate,
    int,
    len,
    list,
    max,
    min,
    next,
    range,
    reversed,
    sorted,
    sum,
    tuple,
    zip,
)
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from math import log, log2, prod

import torch
from torch import Tensor

_softmax, _arange, _log_softmax = torch.softmax, torch.arange, torch.log_softmax
Texts = list[list[str]]
Table = dict[tuple[str, ...], dict[str, float]]


BEGIN = "<begin>"


def count_chances(
    texts: Texts,
    n: int,
    *,
    marks=0,
    read=lambda texts: texts,
    key=lambda text, i, n: tuple(text[i - n : i]),
    starts=lambda text, n: range(n, len(text)),
    follower=lambda text, i: text[i],
    once=False,
    total=lambda found, counts: sum(found.values()),
) -> Table:
    counts: dict[tuple[str, ...], Counter] = {}
    for text in read(texts):
        text = [BEGIN] * (n if marks is None else marks) + text
        for i in starts(text, n):
            found = counts.setdefault(key(text, i, n), Counter())
            word = follower(text, i)
            found[word] = 1 if once else found[word] + 1
    return {
        before: {word: count / total(found, counts) for word, count in found.items()}
        for before, found in counts.items()
    }


def count_from_begin(texts: Texts, n: int) -> Table:
    return count_chances(texts, n, marks=None)


def _of_all(found: Counter, counts: dict) -> int:
    return sum(sum(row.values()) for row in counts.values())


def _count_bugs(marks: int | None) -> dict[str, Callable]:
    """The bugs of the plain table, or of the one whose texts have marks before them."""
    changed = partial(partial, count_chances, marks=marks)
    return {
        "these are counts; divide each by the sum of its row.": changed(
            total=lambda found, counts: 1
        ),
        "each count is divided by all counts; divide by the sum of its own row.": changed(
            total=_of_all
        ),
        "each count is divided by how many words its row has; divide by its sum.": changed(
            total=lambda found, counts: len(found)
        ),
        "the words before are in reverse order; keep the order of the text.": changed(
            key=lambda text, i, n: tuple(text[i - n : i][::-1])
        ),
        "one word too few is looked at; the key has n words.": changed(
            key=lambda text, i, n: tuple(text[i - n + 1 : i])
        ),
        "the key holds the word to predict; it ends just before.": changed(
            key=lambda text, i, n: tuple(text[i - n + 1 : i + 1])
        ),
        "a text runs on into the next one; count within each text.": changed(
            read=lambda texts: [[word for text in texts for word in text]]
        ),
        "the last word of each text is not counted.": changed(
            starts=lambda text, n: range(n, len(text) - 1)
        ),
        "the first row of each text is left out.": changed(
            starts=lambda text, n: range(n + 1, len(text))
        ),
        "a word counts once, however often it followed; count every time.": changed(once=True),
        "the last word of the key is counted; count the one after it.": changed(
            follower=lambda text, i: text[i - 1]
        ),
    }


COUNT_BUGS = _count_bugs(0) | {
    "marks are put before each text; here the first row begins with its first word.": (
        count_from_begin
    ),
}
BEGIN_BUGS = _count_bugs(None) | {
    "the first words are not predicted; put n marks before each text.": count_chances,
    "there is one mark before each text; put n there.": partial(count_chances, marks=1),
}


def to_ids(words: list[str], vocabulary: list[str]) -> list[int]:
    return [vocabulary.index(word) for word in words]


def to_ids_or_mark(words: list[str], vocabulary: list[str], *, mark="<unk>") -> list[int]:
    return [vocabulary.index(word if word in vocabulary else mark) for word in words]


def _known_only(words: list[str], vocabulary: list[str]) -> list[int]:
    return [vocabulary.index(word) for word in words if word in vocabulary]


def _by_order(words: list[str], vocabulary: list[str]) -> list[int]:
    return [list(dict.fromkeys(words)).index(word) for word in words]


def _look_up(words: list[str], vocabulary: list[str]) -> list[int]:
    return [{word: i for i, word in enumerate(vocabulary)}[word] for word in words]


IDS_BUGS = {
    "an unknown word is left out, and all after it stand one place too early.": _known_only,
    "an unknown word gets the id of <unk>; here it is an error.": to_ids_or_mark,
    "an unknown word gives -1, which is the last row of a table; raise a ValueError.": (
        lambda words, vocabulary: [
            vocabulary.index(word) if word in vocabulary else -1 for word in words
        ]
    ),
    "an unknown word gives None; raise a ValueError.": (
        lambda words, vocabulary: [
            vocabulary.index(word) if word in vocabulary else None for word in words
        ]
    ),
    "an unknown word raises a KeyError; a ValueError is asked for.": _look_up,
    "ids count from 1; the first word of the vocabulary has the id 0.": (
        lambda words, vocabulary: [vocabulary.index(word) + 1 for word in words]
    ),
    "ids are the order in which words come in the text; look in the vocabulary.": _by_order,
}
MARK_BUGS = {
    "an unknown word is left out, and all after it stand one place too early.": _known_only,
    "an unknown word is an error; here it gets the id of <unk>.": to_ids,
    "an unknown word raises a KeyError; here it gets the id of <unk>.": _look_up,
    "an unknown word gets the id 0; look up where <unk> stands.": (
        lambda words, vocabulary: [
            vocabulary.index(word) if word in vocabulary else 0 for word in words
        ]
    ),
    "an unknown word gives -1; it gets the id of <unk>.": (
        lambda words, vocabulary: [
            vocabulary.index(word) if word in vocabulary else -1 for word in words
        ]
    ),
    "ids count from 1; the first word of the vocabulary has the id 0.": (
        lambda words, vocabulary: [i + 1 for i in to_ids_or_mark(words, vocabulary)]
    ),
    "ids are the order in which words come in the text; look in the vocabulary.": _by_order,
}


def run_parts(
    model,
    ids: Tensor,
    *,
    positions=lambda T: _arange(T),
    place=lambda model, x, positions: x + model.embeddings.position(positions),
    blocks=lambda model: model.blocks,
    mix=lambda block, x: x + block.attention(block.attention_norm(x)),
    work=lambda block, x: x + block.ffn(block.ffn_norm(x)),
    end=lambda model, x: model.final_norm(x),
    order=lambda mix, work: (mix, work),
) -> Tensor:
    x = place(model, model.embeddings.token(ids), positions(ids.shape[-1]))
    for block in blocks(model):
        for step in order(mix, work):
            x = step(block, x)
    return model.lm_head(end(model, x))


def _beside(block, x: Tensor) -> Tensor:
    return x + block.attention(block.attention_norm(x)) + block.ffn(block.ffn_norm(x))


_run = partial(partial, run_parts)
RUN_BUGS = {
    "no positions are added to the token rows.": _run(place=lambda model, x, positions: x),
    "positions count from 1; the first token stands at 0.": _run(
        positions=lambda T: _arange(T) + 1
    ),
    "positions count backwards; the first token stands at 0.": _run(
        positions=lambda T: _arange(T - 1, -1, -1)
    ),
    "every token gets the row of position 0.": _run(positions=lambda T: _arange(T) * 0),
    "the position rows replace the token rows; add them.": _run(
        place=lambda model, x, positions: 0 * x + model.embeddings.position(positions)
    ),
    "the final norm is missing.": _run(end=lambda model, x: x),
    "only the first block is run.": _run(blocks=lambda model: [*model.blocks][:1]),
    "the last block is left out.": _run(blocks=lambda model: [*model.blocks][:-1]),
    "the blocks run in reverse order.": _run(blocks=lambda model: [*reversed([*model.blocks])]),
    "attention replaces the stream; add its result.": _run(
        mix=lambda block, x: block.attention(block.attention_norm(x))
    ),
    "the feed-forward network replaces the stream; add its result.": _run(
        work=lambda block, x: block.ffn(block.ffn_norm(x))
    ),
    "attention reads the stream without its norm.": _run(
        mix=lambda block, x: x + block.attention(x)
    ),
    "the feed-forward network reads the stream without its norm.": _run(
        work=lambda block, x: x + block.ffn(x)
    ),
    "the norms stand on the stream itself; each belongs inside its branch.": _run(
        mix=lambda block, x: (y := block.attention_norm(x)) + block.attention(y),
        work=lambda block, x: (y := block.ffn_norm(x)) + block.ffn(y),
    ),
    "the two norms of a block are exchanged.": _run(
        mix=lambda block, x: x + block.attention(block.ffn_norm(x)),
        work=lambda block, x: x + block.ffn(block.attention_norm(x)),
    ),
    "the feed-forward network comes before attention.": _run(order=lambda mix, work: (work, mix)),
    "both parts of a block read the same stream; the second reads what the first added.": _run(
        mix=_beside, work=lambda block, x: x
    ),
    "attention and the feed-forward network replace the stream; add what each gives.": _run(
        mix=lambda block, x: block.attention(block.attention_norm(x)),
        work=lambda block, x: block.ffn(block.ffn_norm(x)),
    ),
    "both parts of a block read the stream without their norms.": _run(
        mix=lambda block, x: x + block.attention(x), work=lambda block, x: x + block.ffn(x)
    ),
    "each norm comes after the sum; it belongs before its part, inside the branch.": _run(
        mix=lambda block, x: block.attention_norm(x + block.attention(x)),
        work=lambda block, x: block.ffn_norm(x + block.ffn(x)),
    ),
    "these are chances; the logits are what the softmax would read.": lambda model, ids: _softmax(
        run_parts(model, ids), -1
    ),
    "only the last row of each text is given; every token has one.": lambda model, ids: run_parts(
        model, ids
    )[:, -1],
    "attention is left out.": _run(mix=lambda block, x: x),
    "the feed-forward network is left out.": _run(work=lambda block, x: x),
}


def newest_chances(
    logits: Tensor,
    *,
    row=lambda logits: logits[:, -1],
    share=lambda scores: _softmax(scores, -1),
) -> Tensor:
    return share(row(logits))


_newest = partial(partial, newest_chances)
NEWEST_BUGS = {
    "the first row is taken; the newest token has the last.": _newest(
        row=lambda logits: logits[:, 0]
    ),
    "the last text is taken, with all its rows; take the last row of each text.": _newest(
        row=lambda logits: logits[-1]
    ),
    "all rows are given; only the last of each text is asked.": _newest(row=lambda logits: logits),
    "the rows are averaged; only the last predicts what comes next.": _newest(
        row=lambda logits: logits.mean(1)
    ),
    "these are logits; a softmax makes them chances.": _newest(share=lambda scores: scores),
    "the softmax runs over the texts; it runs over the vocabulary.": _newest(
        share=lambda scores: _softmax(scores, 0)
    ),
    "the softmax runs over the positions; it runs over the vocabulary.": (
        lambda logits: _softmax(logits, 1)[:, -1]
    ),
    "the exponentials are not divided by their sum.": _newest(share=lambda scores: scores.exp()),
    "exp overflows for large logits; subtract the largest first, or call torch.softmax.": _newest(
        share=lambda scores: scores.exp() / scores.exp().sum(-1, keepdim=True)
    ),
    "all texts share one sum; each row adds up to 1 by itself.": _newest(
        share=lambda scores: _softmax(scores.flatten(), -1).view(scores.shape)
    ),
    "the logits are divided by their sum; take exponentials first.": _newest(
        share=lambda scores: scores / scores.sum(-1, keepdim=True)
    ),
    "these are logarithms of chances.": _newest(share=lambda scores: _log_softmax(scores, -1)),
}


def choose(
    chances: list[float],
    die: float,
    *,
    order=lambda chances: list(range(len(chances))),
    passed=lambda total, die: die < total,
    turn=lambda die: die,
) -> int:
    places = order(chances)
    sums = accumulate([chances[place] for place in places])
    return next(
        (place for place, total in zip(places, sums, strict=True) if passed(total, turn(die))),
        places[-1],
    )


def _greatest(chances: list[float], die: float) -> int:
    return max(range(len(chances)), key=chances.__getitem__)


CHOOSE_BUGS = {
    "the greatest chance wins every time; the die decides.": _greatest,
    "the die is compared with each chance alone; add them up from the left.": (
        lambda chances, die: next(
            (i for i, chance in enumerate(chances) if die < chance), len(chances) - 1
        )
    ),
    "every token is as likely as any other; the chances are not looked at.": (
        lambda chances, die: int(die * len(chances))
    ),
    "a sum that equals the die is taken; the die must be less than the sum.": partial(
        choose, passed=lambda total, die: die <= total
    ),
    "the sums are added up from the right; begin with the first token.": partial(
        choose, order=lambda chances: list(range(len(chances)))[::-1]
    ),
    "the chances are sorted, and the place in the sorted list is returned.": (
        lambda chances, die: choose(sorted(chances), die)
    ),
    "the token after the right one is taken.": (
        lambda chances, die: min(choose(chances, die) + 1, len(chances) - 1)
    ),
    "a die beyond the sum gets a place after the last; it takes the last token.": (
        lambda chances, die: sum([total <= die for total in accumulate(chances)])
    ),
    "a die beyond the sum gets -1; give the last place, counted from the left.": (
        lambda chances, die: -1 if die >= sum(chances) else choose(chances, die)
    ),
    "the token before the right one is taken.": lambda chances, die: choose(chances, die) - 1,
}


def continue_text(
    chances_after: Callable[[list[int]], list[float]],
    ids: list[int],
    dice: list[float],
    *,
    seen=lambda text, ids: text,
    pick=choose,
    die=lambda dice, i: dice[i],
    put=lambda text, token: [*text, token],
    result=lambda text, ids: text,
    steps=len,
) -> list[int]:
    text = list(ids)
    for i in range(steps(dice)):
        text = put(text, pick(chances_after(list(seen(text, ids))), die(dice, i)))
    return result(text, ids)


_continue = partial(partial, continue_text)
CONTINUE_BUGS = {
    "the model is asked about the prompt each time; it never reads what is written.": _continue(
        seen=lambda text, ids: ids
    ),
    "the model is shown the newest token alone; it needs the whole text.": _continue(
        seen=lambda text, ids: text[-1:]
    ),
    "the model does not see the prompt; give it the whole text.": _continue(
        seen=lambda text, ids: text[len(ids) :] or ids
    ),
    "the new token is put in front; a text grows at its right end.": _continue(
        put=lambda text, token: [token, *text]
    ),
    "the prompt is missing in the result.": _continue(result=lambda text, ids: text[len(ids) :]),
    "the first die is used for every token.": _continue(die=lambda dice, i: dice[0]),
    "the dice are used in reverse order.": _continue(die=lambda dice, i: dice[-1 - i]),
    "the most probable token is taken, whatever the die.": _continue(pick=_greatest),
    "one token is missing; each die gives one.": _continue(steps=lambda dice: len(dice) - 1),
}


def _differ(old: list[float], new: list[float]) -> bool:
    return max(abs(a - b) for a, b in zip(old, new, strict=True)) > 1e-6


def changed_rows(
    model: Callable[[list[int]], list[list[float]]],
    ids: list[int],
    place: int,
    token: int,
    *,
    edit=lambda ids, place, token: [*ids[:place], token, *ids[place + 1 :]],
    differ=_differ,
    rows=lambda n, place: range(n),
    result=lambda changed: changed,
) -> list[int]:
    before = model(list(ids))
    after = model(list(edit(ids, place, token)))
    return result([i for i in rows(len(ids), place) if differ(before[i], after[i])])


def _in_place(ids: list[int], place: int, token: int) -> list[int]:
    return [*ids[:place], token, *ids[place:]][: len(ids)]


CHANGED_BUGS = {
    "rows before the place are not looked at; a model that looks ahead changes them.": partial(
        changed_rows, rows=lambda n, place: range(place, n)
    ),
    "the row of the changed token itself is left out; a token sees itself.": partial(
        changed_rows, rows=lambda n, place: [i for i in range(n) if i != place]
    ),
    "only the last row is looked at.": partial(changed_rows, rows=lambda n, place: range(n - 1, n)),
    "the token is put in between; it takes the place of the old one.": partial(
        changed_rows, edit=_in_place
    ),
    "these are the rows that stay; the changed ones are asked.": partial(
        changed_rows, differ=lambda old, new: not _differ(old, new)
    ),
    "only the greatest entry of a row is compared; any entry may change.": partial(
        changed_rows, differ=lambda old, new: old.index(max(old)) != new.index(max(new))
    ),
    "only the first entry of a row is compared; any entry may change.": partial(
        changed_rows, differ=lambda old, new: abs(old[0] - new[0]) > 1e-6
    ),
    "every entry of a row has to change; one is enough.": partial(
        changed_rows,
        differ=lambda old, new: min([abs(a - b) for a, b in zip(old, new, strict=True)]) > 1e-6,
    ),
    "two rows that differ by rounding alone count as changed; allow 1e-6.": partial(
        changed_rows, differ=lambda old, new: old != new
    ),
    "this is how many rows change; list which.": partial(changed_rows, result=len),
}


def mean_surprise(chances: list[float], *, log=log, mean=True, sign=-1) -> float:
    total = sign * sum(log(chance) for chance in chances)
    return total / len(chances) if mean else total


def _surprise_bugs(right: Callable, other: Callable, word: str) -> dict[str, Callable]:
    return {
        word: partial(mean_surprise, log=other),
        "this is a sum; divide by how many tokens there are.": partial(
            mean_surprise, log=right, mean=False
        ),
        "the sign is wrong; the logarithm of a chance is negative, its surprise is not.": partial(
            mean_surprise, log=right, sign=1
        ),
        "the chances are averaged first; average the surprises.": (
            lambda chances: -right(sum(chances) / len(chances))
        ),
        "the logarithm is missing; this is a mean of chances.": (
            lambda chances: sum(chances) / len(chances)
        ),
        "this is the perplexity; its logarithm is asked.": (
            lambda chances: prod(chances) ** (-1 / len(chances))
        ),
        "this is the surprise of the last token alone.": lambda chances: -right(chances[-1]),
        "the first token is left out.": lambda chances: mean_surprise(chances[1:], log=right),
    }


NATS_BUGS = _surprise_bugs(log, log2, "this is in bits; for nats take the natural logarithm.")
BITS_BUGS = _surprise_bugs(log2, log, "this is in nats; for bits take the logarithm to base 2.")
