"""The functions of the assignment on a KV cache, right and wrong in all the ways we have seen.

The right ones come first in each part; the dictionaries below them hold the bugs: a sentence, and a
function that has the bug, which is mostly one changed argument. ``axis`` is where the tokens stand
in a key: 2 in ``(B, H, S, D)``, 1 in ``(B, S, H, D)``.
"""

from builtins import len, list, max, range, slice, sorted, tuple, zip  # noqa: UP029  bound now, as elsewhere
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from llm.attention import KVCache
from llm.checks.generation_bugs import rest

_arange, _cat, _stack, _tensor = torch.arange, torch.cat, torch.stack, torch.tensor
_ones_like = torch.ones_like
_attend = nn.functional.scaled_dot_product_attention
Cache = dict[int, tuple[Tensor, Tensor]]


def update(
    cache: Cache,
    layer: int,
    k: Tensor,
    v: Tensor,
    axis: int = 2,
    *,
    place=lambda layer: layer,
    order=lambda old, new: [old, new],
    kept=lambda joined, new: joined,
    given=lambda joined, new: joined,
) -> tuple[Tensor, Tensor]:
    new, joined = (k, v), (k, v)
    if place(layer) in cache:
        pairs = zip(cache[place(layer)], new, strict=True)
        joined = tuple([_cat(order(a, b), axis) for a, b in pairs])
    cache[place(layer)] = kept(joined, new)
    return given(joined, new)


def update_bugs(axis: int) -> dict[str, Callable]:
    """The bugs of ``update`` in one layout."""
    bug = partial(partial, update, axis=axis)
    wrong = {
        0: "the new keys are joined along the batch; the tokens stand along dimension {}.",
        3: "the new keys are joined along the features; the tokens stand along dimension {}.",
        3 - axis: "the new keys are joined along the heads; the tokens stand along dimension {}.",
    }
    return {text.format(axis): partial(update, axis=at) for at, text in wrong.items()} | {
        "the new tokens stand before the old ones; they come after them.": bug(
            order=lambda old, new: [new, old]
        ),
        "all layers share one place; each has keys and values of its own.": bug(
            place=lambda layer: 0
        ),
        "the new keys and values alone are returned; attention needs the old ones too.": bug(
            given=lambda joined, new: new
        ),
        "the cache keeps the newest call alone; it has to keep what was joined.": bug(
            kept=lambda joined, new: new
        ),
        "keys and values have changed places.": bug(given=lambda joined, new: joined[::-1]),
        "the keys stand where the values belong.": bug(
            given=lambda joined, new: (joined[0], joined[0])
        ),
    }


def truncate(
    cache: Cache,
    n: int,
    axis: int = 2,
    *,
    part=lambda n, size: slice(0, n),
    layers=lambda cache: list(cache),
    values=True,
) -> None:
    for layer in layers(cache):
        k, v = cache[layer]
        cut = (slice(None),) * axis + (part(n, k.shape[axis]),)
        cache[layer] = k[cut], v[cut] if values else v


def truncate_bugs(axis: int) -> dict[str, Callable]:
    """The bugs of ``truncate`` in one layout."""
    bug = partial(partial, truncate, axis=axis)
    return {
        "the last n tokens are kept; the first n are asked for.": bug(
            part=lambda n, size: slice(-n, None)
        ),
        "n tokens are dropped; n are to be kept.": bug(part=lambda n, size: slice(0, size - n)),
        "one token too many is kept.": bug(part=lambda n, size: slice(0, n + 1)),
        "one token too few is kept.": bug(part=lambda n, size: slice(0, n - 1)),
        "only layer 0 forgets; every layer has to.": bug(layers=lambda cache: [0]),
        "the values are not cut; they belong to the same tokens as the keys.": bug(values=False),
        f"heads are cut off; the tokens stand along dimension {axis}.": partial(
            truncate, axis=3 - axis
        ),
        "nothing is forgotten; put the shorter tensors back into the cache.": bug(
            layers=lambda cache: []
        ),
    }


def visible(
    n_new: int,
    real: Tensor,
    *,
    first=lambda S, n_new: S - n_new,
    causal=lambda key, query: key <= query,
    hide=lambda mask, real: mask & real[:, None],
    finish=lambda mask, n_new: mask,
) -> Tensor:
    S = real.shape[1]
    query = first(S, n_new) + _arange(n_new)[:, None]
    mask = causal(_arange(S), query).expand(len(real), n_new, S)
    return finish(hide(mask, real), n_new)


_visible = partial(partial, visible)
VISIBLE_BUGS = {
    "the triangle sits at the upper left; the queries are the last n_new tokens.": _visible(
        first=lambda S, n_new: 0
    ),
    "a query sees the tokens behind it; the prompt needs the causal mask as well.": _visible(
        causal=lambda key, query: key == key + 0 * query
    ),
    "a query does not see itself.": _visible(causal=lambda key, query: key < query),
    "padding can be seen; hide the keys where real is False.": _visible(
        hide=lambda mask, real: mask
    ),
    "only padding can be seen; real is True for the tokens that count.": _visible(
        hide=lambda mask, real: mask & ~real[:, None]
    ),
    "padding is hidden as a query; it has to be hidden as a key, for everyone.": _visible(
        hide=lambda mask, real: mask & real[:, -mask.shape[1] :, None]
    ),
    "the new tokens alone are keys; the cached ones can be seen too.": _visible(
        finish=lambda mask, n_new: mask[:, :, -n_new:]
    ),
    "True is what is hidden; it should be what may be seen.": _visible(
        finish=lambda mask, n_new: ~mask
    ),
    "the mask is of numbers; True and False are asked for.": _visible(
        finish=lambda mask, n_new: mask.float()
    ),
}


def positions(
    real: Tensor,
    n_new: int,
    *,
    count=lambda real: real.long().cumsum(-1) - 1,
    part=lambda where, n_new: where[:, -n_new:],
) -> Tensor:
    return part(count(real).clamp(min=0), n_new)


_positions = partial(partial, positions)
POSITIONS_BUGS = {
    "every pass starts at 0; the cached tokens come before the new ones.": _positions(
        part=lambda where, n_new: _arange(n_new).expand(len(where), n_new)
    ),
    "padding is counted; a position counts the real tokens before it.": _positions(
        count=lambda real: _arange(real.shape[1]).expand(real.shape)
    ),
    "they start at 1; the first real token has position 0.": _positions(
        count=lambda real: real.long().cumsum(-1)
    ),
    "those of all tokens are returned; only the last n_new are asked for.": _positions(
        part=lambda where, n_new: where
    ),
    "those of the first n_new tokens are returned; the new ones are the last.": _positions(
        part=lambda where, n_new: where[:, :n_new]
    ),
    "the new tokens alone are counted; the cached real ones come before them.": (
        lambda real, n_new: positions(real[:, -n_new:], n_new)
    ),
    "the rows are added up; each row counts for itself.": _positions(
        count=lambda real: real.long().cumsum(0) - 1
    ),
}


def cached_attention(
    part: nn.Module,
    x: Tensor,
    where: Tensor,
    mask: Tensor,
    remember: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    axis: int = 2,
    *,
    turn_q=True,
    turn_k="before",
    turn_v=False,
    given_axis=None,
    split=lambda x, H: x.unflatten(-1, (H, -1)).transpose(1, 2),
    use=lambda joined, new: joined,
    look=lambda mask: mask,
    scale=None,
    merge=lambda heads: heads.transpose(1, 2).flatten(2),
    out=lambda part, x: part.out_proj(x),
    blind=lambda heads, mask: heads,
) -> Tensor:
    def turned(t, positions):
        return part.rope(t, positions[:, None])

    def there(t):  # (B, H, T, D) to the layout of the cache, and back
        return t.transpose(1, 2) if (given_axis or axis) == 1 else t

    maps = (part.q_proj, part.k_proj, part.v_proj)
    q, k, v = (split(p(x), part.n_heads) for p in maps)
    q = turned(q, where) if turn_q else q
    k = turned(k, where) if turn_k == "before" else k
    v = turned(v, where) if turn_v else v
    joined = [there(t) for t in remember(there(k), there(v))]
    k, v = use(joined, (k, v))
    if turn_k == "again":
        k = turned(k, _arange(k.shape[2])[None])
    if turn_k == "late":
        k = turned(k, where)
    heads = _attend(q, k, v, look(mask[:, None, :, : k.shape[2]]), scale=scale)
    return out(part, merge(blind(heads, mask)))


def cached_attention_bugs(axis: int) -> dict[str, Callable]:
    """The bugs of ``cached_attention`` in one layout."""
    bug = partial(partial, cached_attention, axis=axis)
    layouts = {1: "(B, T, H, D)", 2: "(B, H, T, D)"}
    return {
        f"remember gets keys in the other layout; here it takes {layouts[axis]}.": bug(
            given_axis=3 - axis
        ),
        "what remember returns is not used; the queries look at the new tokens alone.": bug(
            use=lambda joined, new: new
        ),
        "the keys are not turned; turn q and k by their positions.": bug(turn_k="never"),
        "the queries are not turned; turn q and k by their positions.": bug(turn_q=False),
        "all keys are turned after the cache; turn the new ones, before they are kept.": bug(
            turn_k="again"
        ),
        "all keys are turned by where, which is for the new ones; turn these before remember.": bug(
            turn_k="late"
        ),
        "the values are turned; positions belong to q and k alone.": bug(turn_v=True),
        "the mask is not used.": bug(look=lambda mask: None),
        "is_causal=True stands in place of the mask; it counts queries from 0 and sees padding.": (
            bug(look=lambda mask: _ones_like(mask).tril())
        ),
        "the scores are not divided by √D.": bug(scale=1.0),
        "the heads are split without moving H before T.": bug(
            split=lambda x, H: x.reshape(x.shape[0], H, x.shape[1], -1)
        ),
        "the heads are merged without moving H behind T.": bug(
            merge=lambda heads: heads.reshape(heads.shape[0], heads.shape[2], -1)
        ),
        "the output projection is missing.": bug(out=lambda part, x: x),
        "a padding token that sees nothing gives NaN; it has to give 0.": bug(
            blind=lambda heads, mask: heads.masked_fill(~mask.any(-1)[:, None, :, None], torch.nan)
        ),
    }


def write_on(
    read: Callable[[list[int], int], Tensor],
    ids: list[int],
    n: int,
    limit: int,
    stop: int,
    keep_stop: bool = True,
    *,
    choose=lambda rows: int(rows[-1].argmax()),
    new=lambda text, held, limit: (text[held:], held),
    window=lambda text, limit: text[-limit:],
    full=lambda text, limit: len(text) > limit,
    more=0,
    after=False,
    ends=lambda text, token, stop: token == stop,
    result=lambda text, ids: text,
) -> list[int]:
    text, held = list(ids), 0
    for _ in range(n + more):
        if full(text, limit):
            tokens, keep = window(text, limit), 0
        else:
            tokens, keep = new(text, held, limit)
        token = choose(read(tokens, keep))
        held = len(text)
        if ends(text, token, stop):
            text = [*text, token] if keep_stop else text
            break
        text = [*text, token]
    if after:
        read(text[held:], held)
    return result(text, ids)


def write_on_bugs(keep_stop: bool) -> dict[str, Callable]:
    """The bugs of ``write_on``, where the stop token is kept or left out."""
    bug = partial(partial, write_on, keep_stop=keep_stop)
    other = {
        True: "the stop token is left out; here it is the last token of the text.",
        False: "the stop token stands in the text; here it is left out.",
    }
    return {
        other[keep_stop]: partial(write_on, keep_stop=not keep_stop),
        "the whole text is read for each token; what the cache holds need not be.": bug(
            new=lambda text, held, limit: (text, 0)
        ),
        "the newest token is read alone, with nothing kept; keep what the cache holds.": bug(
            new=lambda text, held, limit: (text[held:], 0)
        ),
        "the window holds the first tokens; it holds the last limit tokens.": bug(
            window=lambda text, limit: text[:limit]
        ),
        "past the window the newest token is read alone; every position has changed.": bug(
            window=lambda text, limit: text[-1:]
        ),
        "the window is one token too short; it holds limit tokens.": bug(
            window=lambda text, limit: text[-(limit - 1) :]
        ),
        "the cache is refilled one token too early; limit tokens still fit.": bug(
            full=lambda text, limit: len(text) >= limit
        ),
        "the text outgrows the window; then read its last limit tokens, with keep = 0.": bug(
            full=lambda text, limit: False
        ),
        "the first row of the logits is used; the last one scores the next token.": bug(
            choose=lambda rows: int(rows[0].argmax())
        ),
        "the least logit is taken; greedy takes the greatest.": bug(
            choose=lambda rows: int(rows[-1].argmin())
        ),
        "stop is not heeded; the text ends with its first new stop token.": bug(
            ends=lambda text, token, stop: False
        ),
        "a stop token in the prompt ends the text; only a new one does.": bug(
            ends=lambda text, token, stop: stop in [*text, token]
        ),
        "one token too many is written.": bug(more=1),
        "one token too few is written.": bug(more=-1),
        "the last token is read although nobody asks for another.": bug(after=True),
        "the prompt is missing in the result.": bug(result=lambda text, ids: text[len(ids) :]),
        "the list ids itself grows, and with it the caller's prompt; work on a copy.": bug(
            result=lambda text, ids: ids.extend(text[len(ids) :]) or ids
        ),
    }


def pad_rows(
    rows: list[list[int]],
    pad: int,
    side: str = "left",
    *,
    width=max,
    mark=lambda real, ids, pad: real,
    order=lambda rows: rows,
) -> tuple[Tensor, Tensor]:
    size = width([len(row) for row in rows])
    ids, real = [], []
    for row in order(rows):
        gap = size - len(row)
        empty, filled = [pad] * gap, [True] * len(row)
        ids.append([*empty, *row] if side == "left" else [*row, *empty])
        real.append([False] * gap + filled if side == "left" else filled + [False] * gap)
    ids = _tensor(ids)
    return ids, mark(_tensor(real), ids, pad)


def pad_rows_bugs(side: str) -> dict[str, Callable]:
    """The bugs of ``pad_rows``, for padding on one side."""
    bug = partial(partial, pad_rows, side=side)
    other = "right" if side == "left" else "left"
    return {
        f"the padding stands on the {other}; here it belongs on the {side}.": partial(
            pad_rows, side=other
        ),
        "real is True for padding; it should be True for the tokens of the prompts.": bug(
            mark=lambda real, ids, pad: ~real
        ),
        "real tells padding by its id; a prompt may hold that token itself.": bug(
            mark=lambda real, ids, pad: ids != pad
        ),
        "real stands on the other side than the padding.": bug(
            mark=lambda real, ids, pad: real.flip(1)
        ),
        "real is of numbers; True and False are asked for.": bug(
            mark=lambda real, ids, pad: real.float()
        ),
        "the rows are sorted by length; they stay in their order.": bug(
            order=lambda rows: sorted(rows, key=len)
        ),
        "the rows are one token too wide.": bug(width=lambda lengths: max(lengths) + 1),
    }


def judge(
    p: Tensor,
    q: Tensor,
    guesses: list[int],
    dice: Tensor,
    *,
    keeps=lambda p, q, x, u: u * q[x] < p[x],
    replace=rest,
    last=lambda p: p[-1],
    goes_on=False,
    count=lambda kept, total: kept,
) -> tuple[int, Tensor]:
    kept, refused = 0, None
    for i, x in enumerate(guesses):
        if keeps(p[i], q[i], x, dice[i]):
            kept += 1
        else:
            refused = i if refused is None else refused
            if not goes_on:
                break
    chances = last(p) if refused is None else replace(p[refused], q[refused])
    return count(kept, len(guesses)), chances


_judge = partial(partial, judge)
JUDGE_BUGS = {
    "guesses behind a refused one are kept; the first refusal ends the round.": _judge(
        goes_on=True
    ),
    "the test is turned round; a guess stays if its number is below p/q.": _judge(
        keeps=lambda p, q, x, u: u * q[x] >= p[x]
    ),
    "p and q have changed places in the test; a guess stays with min(1, p/q).": _judge(
        keeps=lambda p, q, x, u: u * p[x] < q[x]
    ),
    "the number is compared with p alone; a guess stays with min(1, p/q).": _judge(
        keeps=lambda p, q, x, u: u < p[x]
    ),
    "a guess stays only where it is the greatest of p; it stays with min(1, p/q).": _judge(
        keeps=lambda p, q, x, u: x == int(p.argmax())
    ),
    "a guess always stays where p is not 0; it stays with min(1, p/q).": _judge(
        keeps=lambda p, q, x, u: True
    ),
    "a refused guess is replaced from p; then the draft shines through: use the rest.": _judge(
        replace=lambda p, q: p
    ),
    "a refused guess is replaced from q, which has just been refused.": _judge(
        replace=lambda p, q: q
    ),
    "the rest does not add up to 1.": _judge(replace=lambda p, q: (p - q).clamp(min=0)),
    "the rest is taken the wrong way round; it is what p has above q.": _judge(
        replace=lambda p, q: rest(q, p)
    ),
    "where all stay, the row before the last is used; the last gives one more token.": _judge(
        last=lambda p: p[-2]
    ),
    "the number counts the token that is drawn as well; count kept guesses alone.": _judge(
        count=lambda kept, total: kept + 1
    ),
    "the refused guesses are counted; count those that are kept.": _judge(
        count=lambda kept, total: total - kept
    ),
}


def go_on(
    model: nn.Module,
    ids: list[int],
    n: int,
    *,
    start=lambda cache, new: cache.length,
    unread=lambda text: text[-1:],
    result=lambda text, ids: text,
) -> list[int]:
    cache, text, new = KVCache(), list(ids), list(ids)
    for _ in range(n):
        where = start(cache, new) + _arange(len(new))[None]
        with torch.no_grad():
            logits = model(_tensor([new]), cache=cache, positions=where)
        text = [*text, int(logits[0, -1].argmax())]
        new = unread(text)
    return result(text, ids)


_go_on = partial(partial, go_on)
GO_ON_BUGS = {
    "every pass starts at position 0; it goes on where the cache ends.": _go_on(
        start=lambda cache, new: 0
    ),
    "later passes start one position too late; the first new one is cache.length.": _go_on(
        start=lambda cache, new: cache.length + (cache.length > 0)
    ),
    "later passes start one position too early; the first new one is cache.length.": _go_on(
        start=lambda cache, new: max(cache.length - 1, 0)
    ),
    "the whole text is read again behind the cache, which holds it already.": _go_on(
        unread=lambda text: text
    ),
    "the prompt is missing in the result.": _go_on(result=lambda text, ids: text[len(ids) :]),
}


def speculate(
    model: nn.Module,
    guess: Callable[[list[int]], list[int]],
    ids: list[int],
    n: int,
    *,
    forget=lambda cache, text, kept: cache.truncate(len(text) - 1),
    end=lambda text, ids, n: text[: len(ids) + n],
) -> list[int]:
    cache, text, new = KVCache(), list(ids), list(ids)
    while len(text) < len(ids) + n:
        guesses = guess(text)
        best = _greedy(model, new + guesses, cache)[-len(guesses) - 1 :]
        kept = 0
        while kept < len(guesses) and guesses[kept] == best[kept]:
            kept += 1
        text = text + guesses[:kept] + [best[kept]]
        forget(cache, text, kept)
        new = text[-1:]
    return end(text, ids, n)


def _greedy(model: nn.Module, new: list[int], cache: KVCache) -> list[int]:
    with torch.no_grad():
        return model(_tensor([new]), cache=cache)[0].argmax(-1).tolist()


_speculate = partial(partial, speculate)
SPECULATE_BUGS = {
    "refused guesses stay in the cache; after each round keep only what stands in the text.": (
        _speculate(forget=lambda cache, text, kept: None)
    ),
    "the cache forgets one token too few; the newest token of the text is not read yet.": (
        _speculate(forget=lambda cache, text, kept: cache.truncate(min(len(text), cache.length)))
    ),
    "only as many tokens as guesses stayed are kept; the text before them stays too.": (
        _speculate(forget=lambda cache, text, kept: cache.truncate(kept))
    ),
    "more is written than was asked for; cut the last round.": _speculate(
        end=lambda text, ids, n: text
    ),
    "the prompt is missing in the result.": _speculate(
        end=lambda text, ids, n: text[len(ids) : len(ids) + n]
    ),
}


def chat(
    model: nn.Module,
    turns: list[list[int]],
    n: int,
    stop: int,
    *,
    unread=lambda text, turn, cache: text[cache.length :],
    fresh=False,
) -> list[int]:
    cache, text = KVCache(), []
    for turn in turns:
        cache = KVCache() if fresh else cache
        text = text + turn
        new = turn if fresh else unread(text, turn, cache)
        for _ in range(n):
            token = _greedy(model, new, cache)[-1]
            text = [*text, token]
            if token == stop:
                break
            new = [token]
    return text


_chat = partial(partial, chat)
CHAT_BUGS = {
    "the last token of a turn is never read; the next turn begins behind it.": _chat(
        unread=lambda text, turn, cache: turn
    ),
    "each turn begins with an empty cache; the model forgets the turns before.": _chat(fresh=True),
    "a token is read twice; read what the cache does not hold yet.": _chat(
        unread=lambda text, turn, cache: text[max(cache.length - 1, 0) :]
    ),
}
