"""The functions of the exercise From GPT to LLaMA, right and wrong in the ways that we have seen.

The right ones are `share_heads`, `to_half`, `count_params` and `mix`; the dictionaries below them
hold the bugs: a sentence, and a function that has the bug, which is mostly one changed argument.
"""

from functools import partial
from random import Random

import torch
from torch import Tensor

_softmax, _topk = torch.softmax, torch.topk
_cat, _zeros = torch.cat, torch.zeros_like


def share_heads(k: Tensor, n_heads: int, *, copy=lambda k, n: k.repeat_interleave(n, 1)) -> Tensor:
    return copy(k, n_heads // k.shape[1])


_share = partial(partial, share_heads)

SHARE_HEADS_BUGS = {
    "the heads come in turn, 0 1 0 1; the first group needs 0 0, so use repeat_interleave.": _share(
        copy=lambda k, n: k.repeat(1, n, 1, 1)
    ),
    "the positions are repeated; dimension 1 holds the heads.": _share(
        copy=lambda k, n: k.repeat_interleave(n, 2)
    ),
    "the features are repeated; dimension 1 holds the heads.": _share(
        copy=lambda k, n: k.repeat_interleave(n, 3)
    ),
    "the batch is repeated; dimension 1 holds the heads.": _share(
        copy=lambda k, n: k.repeat_interleave(n, 0)
    ),
    "each head is repeated n_heads times; it serves n_heads / n_kv_heads queries.": _share(
        copy=lambda k, n: k.repeat_interleave(n * k.shape[1], 1)
    ),
    "the heads are not repeated at all.": _share(copy=lambda k, n: k),
    "all queries get the first head.": _share(
        copy=lambda k, n: k[:, :1].repeat_interleave(n * k.shape[1], 1)
    ),
    "all queries get the mean of the heads.": _share(
        copy=lambda k, n: k.mean(1, keepdim=True).repeat_interleave(n * k.shape[1], 1)
    ),
    "the groups come in reverse; query head 0 belongs to key head 0.": _share(
        copy=lambda k, n: k.flip(1).repeat_interleave(n, 1)
    ),
}


def _heads(weight: Tensor, n_heads: int) -> Tensor:
    return weight.unflatten(0, (n_heads, -1))  # (H·D, C) -> (H, D, C)


def to_half(
    weight: Tensor,
    n_heads: int,
    *,
    split=_heads,
    order=lambda w: _cat([w[:, 0::2], w[:, 1::2]], 1),
) -> Tensor:
    return order(split(weight, n_heads)).flatten(0, 1)


def _undone(w: Tensor) -> Tensor:
    return w.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)


def _swapped(w: Tensor) -> Tensor:
    return w.unflatten(1, (-1, 2)).flip(2).flatten(1, 2)


_half = partial(partial, to_half)

TO_HALF_BUGS = {
    "the rows of all heads are sorted together; each head has pairs of its own.": _half(
        split=lambda w, n: w[None]
    ),
    "this is the way back, from half to interleaved.": _half(order=_undone),
    "the odd rows come first; the first half holds the even ones.": _half(
        order=lambda w: _cat([w[:, 1::2], w[:, 0::2]], 1)
    ),
    "nothing is moved.": _half(order=lambda w: w),
    "neighbours change places; even rows go to the first half, odd ones to the second.": _half(
        order=_swapped
    ),
    "the two halves of each head change places.": _half(order=lambda w: w.roll(w.shape[1] // 2, 1)),
    "the rows of each head are reversed.": _half(order=lambda w: w.flip(1)),
    "the heads change places; only rows within a head do.": _half(
        order=lambda w: _cat([w[:, 0::2], w[:, 1::2]], 1).flip(0)
    ),
    "the columns are moved; they belong to the residual stream, which has no pairs.": _half(
        order=lambda w: _cat([w[..., 0::2], w[..., 1::2]], -1)
    ),
}


def config_of(random: Random, kind: str) -> dict:
    """A configuration: grouped heads; tied, with a key and value for each head; wide heads."""
    key_heads, head_dim = random.randint(2, 3), random.choice([4, 6])
    heads = (4 if kind == "tied" else 2) * key_heads
    config = {
        "vocab_size": random.randint(50, 90),
        "hidden_size": heads * head_dim,
        "num_hidden_layers": random.randint(2, 4),
        "num_attention_heads": heads,
        "intermediate_size": random.randint(60, 90),
        "tie_word_embeddings": kind == "tied",
    }
    if kind != "tied":
        config["num_key_value_heads"] = key_heads
    return config | ({"head_dim": head_dim + 2} if kind == "wide" else {})


def count_params(
    config: dict,
    *,
    key_heads=lambda c: c.get("num_key_value_heads", c["num_attention_heads"]),
    size=lambda c: c.get("head_dim", c["hidden_size"] // c["num_attention_heads"]),
    matrices=3,
    out=1,
    norms=lambda C, L: (2 * L + 1) * C,
    tables=lambda c, table: table if c["tie_word_embeddings"] else 2 * table,
    biases=lambda c, *sizes: 0,
) -> int:
    C, L, F = (config[k] for k in ("hidden_size", "num_hidden_layers", "intermediate_size"))
    queries, keys = config["num_attention_heads"] * size(config), key_heads(config) * size(config)
    attention = C * ((1 + out) * queries + 2 * keys)
    block = attention + matrices * C * F + biases(config, queries, keys, C, F)
    return tables(config, config["vocab_size"] * C) + L * block + norms(C, L)


_count = partial(partial, count_params)

COUNT_PARAMS_BUGS = {
    "K and V are counted as wide as Q; they have num_key_value_heads heads.": _count(
        key_heads=lambda c: c["num_attention_heads"]
    ),
    "a missing num_key_value_heads counts as 1; it means as many as num_attention_heads.": _count(
        key_heads=lambda c: c.get("num_key_value_heads", 1)
    ),
    "head_dim is ignored; where it is given it need not be hidden_size / heads.": _count(
        size=lambda c: c["hidden_size"] // c["num_attention_heads"]
    ),
    "the feed-forward network has three matrices: gate, up and down.": _count(matrices=2),
    "the output projection of attention is forgotten.": _count(out=0),
    "the final norm is forgotten.": _count(norms=lambda C, L: 2 * L * C),
    "a block has two norms.": _count(norms=lambda C, L: (L + 1) * C),
    "the norms are forgotten.": _count(norms=lambda C, L: 0),
    "the norms are counted with biases; RMSNorm has none.": _count(
        norms=lambda C, L: 2 * (2 * L + 1) * C
    ),
    "a tied head is counted; it is the token table again.": _count(
        tables=lambda c, table: 2 * table
    ),
    "the head is forgotten where it is not tied.": _count(tables=lambda c, table: table),
    "tying is read the wrong way round.": _count(
        tables=lambda c, table: 2 * table if c["tie_word_embeddings"] else table
    ),
    "the linear maps are counted with biases; here they have none.": _count(
        biases=lambda c, queries, keys, C, F: queries + 2 * keys + C + 2 * F + C
    ),
}


def mix(
    scores: Tensor,
    top_k: int,
    *,
    dim=-1,
    best=True,
    shares=lambda scores, chosen: _softmax(scores.masked_fill(~chosen, -torch.inf), -1),
) -> Tensor:
    index = _topk(scores, top_k, dim=dim, largest=best).indices
    chosen = _zeros(scores, dtype=torch.bool).scatter(dim, index, True)
    return shares(scores, chosen)


_mix = partial(partial, mix)

MIX_BUGS = {
    "the shares do not add up to 1; take softmax over the chosen scores alone.": _mix(
        shares=lambda scores, chosen: _softmax(scores, -1) * chosen
    ),
    "all experts are mixed; only the best top_k may have a share.": _mix(
        shares=lambda scores, chosen: _softmax(scores, -1)
    ),
    "the others get the score 0, which is not the share 0; use minus infinity.": _mix(
        shares=lambda scores, chosen: _softmax(scores * chosen, -1)
    ),
    "the chosen have equal shares; softmax over their scores says how much each counts.": _mix(
        shares=lambda scores, chosen: chosen / chosen.sum(-1, keepdim=True)
    ),
    "the shares are sigmoids of the scores; softmax makes them add up to 1.": _mix(
        shares=lambda scores, chosen: torch.sigmoid(scores) * chosen
    ),
    "the scores themselves are the shares; softmax is missing.": _mix(
        shares=lambda scores, chosen: scores * chosen
    ),
    "the lowest scores are chosen.": _mix(best=False),
    "experts choose tokens here; each token, a row, chooses its experts.": _mix(
        dim=0, shares=lambda scores, chosen: _softmax(scores.masked_fill(~chosen, -99.0), -1)
    ),
}
