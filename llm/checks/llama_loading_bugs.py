"""The functions of the assignment on LLaMA, right and wrong in the ways that we have seen.

The dictionaries hold the bugs: a sentence, and a function that has the bug, which is mostly one
changed argument. A ``layout`` is ``"half"`` or ``"interleaved"``, a checkpoint's ``source``
``"meta"``, whose rows are interleaved, or ``"hf"``, whose rows are halves.
"""

from builtins import ValueError, dict, int, len, range, set  # noqa: UP029  bound now, as elsewhere
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from llm.checks.attention_bugs import ROPE_BUGS, _halves, _neighbours, _woven, rope
from llm.checks.llama_bugs import TO_HALF_BUGS, _heads, _undone, share_heads, to_half
from llm.model import Transformer

_attend = nn.functional.scaled_dot_product_attention
_cat = torch.cat
INTERLEAVED = {"pairs": _neighbours, "join": _woven}


def rotate(x: Tensor, positions: Tensor, theta: float, layout: str = "half") -> Tensor:
    return rope(x, positions, theta, **(INTERLEAVED if layout == "interleaved" else {}))


def rotate_bugs(layout: str) -> dict[str, Callable]:
    """The bugs of ``rotate`` in one layout."""
    if layout == "half":
        return dict(ROPE_BUGS)
    mixed = [sentence for sentence in ROPE_BUGS if "2i and 2i + 1" in sentence]
    others = {s: partial(bug, **INTERLEAVED) for s, bug in ROPE_BUGS.items() if s not in mixed}
    return {
        "features i and i + D/2 form a pair; in this layout it is 2i and 2i + 1.": rope,
        "the layouts are mixed: pairs are i and i + D/2, but written to 2i and 2i + 1.": partial(
            rope, pairs=_halves, join=_woven
        ),
        "the layouts are mixed: pairs are 2i and 2i + 1, but written to i and i + D/2.": partial(
            rope, pairs=_neighbours
        ),
    } | others


def network_width(
    d_model: int,
    multiple: int,
    factor: float = 1.0,
    *,
    base=lambda C: 8 * C // 3,
    grow=lambda width, factor: int(factor * width),
    up=lambda width, m: -(-width // m) * m,
) -> int:
    return up(grow(base(d_model), factor), multiple)


def network_width_bugs(factor: float) -> dict[str, Callable]:
    """The bugs of ``network_width``, with LLaMA's rule (factor 1) or that of Llama 3 (1.3)."""
    bug = partial(partial, network_width, factor=factor)
    other = {
        1.0: "the factor 1.3 is not asked for; this rule is that of the first LLaMA.",
        1.3: "the factor 1.3 is missing; it comes before the width is rounded up.",
    }
    late = {
        "the factor comes after rounding up; it comes before.": bug(
            grow=lambda width, factor: width,
            up=lambda width, m: int(1.3 * (-(-width // m) * m)),
        )
    }
    return {
        other[factor]: partial(network_width, factor=2.3 - factor),
        "the width is rounded down; round it up.": bug(up=lambda width, m: width // m * m),
        "the width is rounded to the nearest multiple; round it up.": bug(
            up=lambda width, m: (width + m // 2) // m * m
        ),
        "the width is not rounded.": bug(up=lambda width, m: width),
        "where the width is a multiple already, one more is added.": bug(
            up=lambda width, m: (width // m + 1) * m
        ),
        "this is GPT's width, 4 times d_model; three matrices share that, so take 8/3.": bug(
            base=lambda C: 4 * C
        ),
        "8/3 of d_model is asked for, not 3/8.": bug(base=lambda C: 3 * C // 8),
        "a third of 4 times d_model is missing too much; take two thirds of it.": bug(
            base=lambda C: 4 * C // 3
        ),
    } | (late if factor > 1 else {})


def grouped_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    keys=share_heads,
    values=share_heads,
    causal=True,
    scale=None,
    merge=lambda heads: heads.transpose(1, 2).flatten(2),
) -> Tensor:
    H, T = q.shape[1:3]
    mask = torch.ones(T, T, dtype=torch.bool).tril() if causal else None
    factor = None if scale is None else scale(q, k)
    return merge(_attend(q, keys(k, H), values(v, H), mask, scale=factor))


def _tile(k: Tensor, n_heads: int) -> Tensor:
    return k.repeat(1, n_heads // k.shape[1], 1, 1)


def _first(k: Tensor, n_heads: int) -> Tensor:
    return k[:, :1].expand(-1, n_heads, -1, -1)


def _mean(k: Tensor, n_heads: int) -> Tensor:
    return k.mean(1, keepdim=True).expand(-1, n_heads, -1, -1)


_grouped = partial(partial, grouped_attention)
GROUPED_BUGS = {
    "the heads come in turn, 0 1 0 1; the first group needs 0 0, so use repeat_interleave.": (
        _grouped(keys=_tile, values=_tile)
    ),
    "the keys come in turn, 0 1 0 1; the first group needs 0 0, as for the values.": _grouped(
        keys=_tile
    ),
    "the values come in turn, 0 1 0 1; the first group needs 0 0, as for the keys.": _grouped(
        values=_tile
    ),
    "all queries get the first key and value head.": _grouped(keys=_first, values=_first),
    "all queries get the mean of the heads.": _grouped(keys=_mean, values=_mean),
    "a query sees what comes after it; the causal mask is missing.": _grouped(causal=False),
    "the scores are not divided by √D.": _grouped(scale=lambda q, k: 1.0),
    "the scores are divided by D; it is √D.": _grouped(scale=lambda q, k: 1 / q.shape[-1]),
    "the scores are divided by √(H·D); each head has D features.": _grouped(
        scale=lambda q, k: (q.shape[1] * q.shape[-1]) ** -0.5
    ),
    "the heads are merged without moving H behind T.": _grouped(
        merge=lambda heads: heads.reshape(heads.shape[0], heads.shape[2], -1)
    ),
    "the heads are not merged; the result is (B, T, H·D).": _grouped(merge=lambda heads: heads),
}


def read_config(
    config: dict,
    *,
    kv=lambda c: c.get("num_key_value_heads") or c["num_attention_heads"],
    head=lambda c: c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"],
    tied=lambda c: c.get("tie_word_embeddings", False),
    theta=lambda c: c.get("rope_theta", 10000.0),
    eps=lambda c: c.get("rms_norm_eps", 1e-6),
    width=lambda c: c["intermediate_size"],
    limit=lambda c: c["max_position_embeddings"],
    refused=("rope_scaling", "hidden_act"),
) -> dict:
    if "rope_scaling" in refused and config.get("rope_scaling") is not None:
        raise ValueError("rope_scaling is not supported")
    if "hidden_act" in refused and config.get("hidden_act", "silu") != "silu":
        raise ValueError("only hidden_act='silu' is supported")
    return {
        "vocab_size": config["vocab_size"],
        "max_seq_len": limit(config),
        "d_model": config["hidden_size"],
        "n_layers": config["num_hidden_layers"],
        "n_heads": config["num_attention_heads"],
        "n_kv_heads": kv(config),
        "head_dim": head(config),
        "d_ff": width(config),
        "norm_eps": eps(config),
        "rope_theta": theta(config),
        "tie_embeddings": tied(config),
    }


_read = partial(partial, read_config)
READ_CONFIG_BUGS = {
    "a missing num_key_value_heads counts as 1; it means as many as num_attention_heads.": _read(
        kv=lambda c: c.get("num_key_value_heads") or 1
    ),
    "num_key_value_heads is not read; K and V may have fewer heads than Q.": _read(
        kv=lambda c: c["num_attention_heads"]
    ),
    "head_dim is not read; where it is given it need not be hidden_size / heads.": _read(
        head=lambda c: c["hidden_size"] // c["num_attention_heads"]
    ),
    "head_dim is hidden_size / num_key_value_heads; query heads count.": _read(
        head=lambda c: (
            c.get("head_dim")
            or c["hidden_size"] // (c.get("num_key_value_heads") or c["num_attention_heads"])
        )
    ),
    "a missing tie_word_embeddings counts as true; for a LLaMA it means false.": _read(
        tied=lambda c: c.get("tie_word_embeddings", True)
    ),
    "tie_word_embeddings is not read.": _read(tied=lambda c: False),
    "rope_theta is not read; 10000 holds only where the file says nothing.": _read(
        theta=lambda c: 10000.0
    ),
    "rms_norm_eps is not read; 1e-6 holds only where the file says nothing.": _read(
        eps=lambda c: 1e-6
    ),
    "a missing rms_norm_eps counts as 1e-5; here it means 1e-6.": _read(
        eps=lambda c: c.get("rms_norm_eps", 1e-5)
    ),
    "intermediate_size is not read; the file's width need not follow the rule.": _read(
        width=lambda c: 4 * c["hidden_size"]
    ),
    "rope_scaling is passed over; angles that change would be wrong: raise ValueError.": _read(
        refused=("hidden_act",)
    ),
    "hidden_act is passed over; another activation would be wrong: raise ValueError.": _read(
        refused=("rope_scaling",)
    ),
    "nothing is refused; rope_scaling and another hidden_act need a ValueError.": _read(refused=()),
}


def params_of(
    s: dict,
    *,
    kv=lambda s: s["n_kv_heads"],
    head=lambda s: s["head_dim"],
    matrices=3,
    out=1,
    norms=lambda C, L: (2 * L + 1) * C,
    tables=lambda s: 1 if s["tie_embeddings"] else 2,
    layers=lambda L: L,
    biases=lambda s: 0,
    extra=lambda s: 0,
    wide=lambda s, D: s["n_heads"] * D,
) -> int:
    C, L, D = s["d_model"], s["n_layers"], head(s)
    attention = C * ((1 + out) * wide(s, D) + 2 * kv(s) * D)
    block = attention + matrices * C * s["d_ff"] + biases(s)
    return tables(s) * s["vocab_size"] * C + layers(L) * block + norms(C, L) + extra(s)


_params = partial(partial, params_of)
PARAMS_OF_BUGS = {
    "K and V are counted as wide as Q; they have n_kv_heads heads.": _params(
        kv=lambda s: s["n_heads"]
    ),
    "heads are counted as d_model / n_heads wide; they have head_dim features.": _params(
        head=lambda s: s["d_model"] // s["n_heads"]
    ),
    "Q and the output projection are counted as C · C; they have C · H · D numbers each.": (
        _params(wide=lambda s, D: s["d_model"])
    ),
    "the feed-forward network has three matrices: gate, up and down.": _params(matrices=2),
    "the output projection of attention is forgotten.": _params(out=0),
    "the final norm is forgotten.": _params(norms=lambda C, L: 2 * L * C),
    "a block has two norms.": _params(norms=lambda C, L: (L + 1) * C),
    "the norms are forgotten.": _params(norms=lambda C, L: 0),
    "the norms of the blocks are forgotten; each block has two.": _params(norms=lambda C, L: C),
    "the norms are counted with biases; RMSNorm has none.": _params(
        norms=lambda C, L: 2 * (2 * L + 1) * C
    ),
    "a tied head is counted; it is the token table again.": _params(tables=lambda s: 2),
    "the head is forgotten where it is not tied.": _params(tables=lambda s: 1),
    "tying is read the wrong way round.": _params(tables=lambda s: 2 if s["tie_embeddings"] else 1),
    "one block is counted; there are n_layers.": _params(layers=lambda L: 1),
    "a table of positions is counted; RoPE has none.": _params(
        extra=lambda s: s["max_seq_len"] * s["d_model"]
    ),
    "biases of q, k and v are counted; here they have none.": _params(
        biases=lambda s: s["head_dim"] * (s["n_heads"] + 2 * s["n_kv_heads"])
    ),
}


def cache_bytes(
    s: dict,
    n_tokens: int,
    n_bytes: int,
    *,
    pair=2,
    heads=lambda s: s["n_kv_heads"],
    layers=lambda s: s["n_layers"],
    size=lambda s: s["head_dim"],
    width=lambda n_bytes: n_bytes,
) -> int:
    return pair * layers(s) * heads(s) * size(s) * n_tokens * width(n_bytes)


_cache = partial(partial, cache_bytes)
CACHE_BYTES_BUGS = {
    "query heads are counted; the cache holds n_kv_heads.": _cache(heads=lambda s: s["n_heads"]),
    "keys alone are counted; values are kept too.": _cache(pair=1),
    "one layer is counted; each has a cache.": _cache(layers=lambda s: 1),
    "d_model is counted for each head; a head keeps head_dim numbers.": _cache(
        size=lambda s: s["d_model"]
    ),
    "d_model numbers are counted for a key; it has n_kv_heads · head_dim.": _cache(
        heads=lambda s: 1, size=lambda s: s["d_model"]
    ),
    "heads are counted as d_model / n_heads wide; they have head_dim features.": _cache(
        size=lambda s: s["d_model"] // s["n_heads"]
    ),
    "numbers are counted; a number takes n_bytes bytes.": _cache(width=lambda n_bytes: 1),
}


def to_interleaved(
    weight: Tensor, n_heads: int, *, split=_heads, order=lambda w: _undone(w)
) -> Tensor:
    return order(split(weight, n_heads)).flatten(0, 1)


def _evens_first(w: Tensor) -> Tensor:
    return _cat([w[:, 0::2], w[:, 1::2]], 1)


_woven_rows = partial(partial, to_interleaved)
TO_INTERLEAVED_BUGS = {
    "the rows of all heads are woven together; each head has pairs of its own.": _woven_rows(
        split=lambda w, n: w[None]
    ),
    "this is the other way, from interleaved to half.": _woven_rows(order=_evens_first),
    "the second half comes first; in a pair the row of the first half leads.": _woven_rows(
        order=lambda w: _undone(w.roll(w.shape[1] // 2, 1))
    ),
    "nothing is moved.": _woven_rows(order=lambda w: w),
    "the two halves of each head change places.": _woven_rows(
        order=lambda w: w.roll(w.shape[1] // 2, 1)
    ),
    "the rows of each head are reversed.": _woven_rows(order=lambda w: w.flip(1)),
    "the heads change places; only rows within a head do.": _woven_rows(
        order=lambda w: _undone(w).flip(0)
    ),
    "the columns are moved; they belong to the residual stream, which has no pairs.": _woven_rows(
        order=lambda w: w.unflatten(-1, (2, -1)).transpose(-1, -2).flatten(-2)
    ),
}
CONVERT = {"half": (to_half, TO_HALF_BUGS), "interleaved": (to_interleaved, TO_INTERLEAVED_BUGS)}

OUTER = {
    "meta": {"tok_embeddings": "embeddings.token", "norm": "final_norm", "output": "lm_head"},
    "hf": {
        "model.embed_tokens": "embeddings.token",
        "model.norm": "final_norm",
        "lm_head": "lm_head",
    },
}
BLOCK = {
    "meta": {
        "attention_norm": "attention_norm",
        "attention.wq": "attention.q_proj",
        "attention.wk": "attention.k_proj",
        "attention.wv": "attention.v_proj",
        "attention.wo": "attention.out_proj",
        "ffn_norm": "ffn_norm",
        "feed_forward.w1": "ffn.gate_proj",
        "feed_forward.w3": "ffn.up_proj",
        "feed_forward.w2": "ffn.down_proj",
    },
    "hf": {
        "input_layernorm": "attention_norm",
        "self_attn.q_proj": "attention.q_proj",
        "self_attn.k_proj": "attention.k_proj",
        "self_attn.v_proj": "attention.v_proj",
        "self_attn.o_proj": "attention.out_proj",
        "post_attention_layernorm": "ffn_norm",
        "mlp.gate_proj": "ffn.gate_proj",
        "mlp.up_proj": "ffn.up_proj",
        "mlp.down_proj": "ffn.down_proj",
    },
}
LAYERS = {"meta": "layers", "hf": "model.layers"}
LAYOUT_OF = {"meta": "half", "hf": "interleaved"}  # what a source's rows are turned into


def names_of(source: str, n_layers: int) -> dict[str, str]:
    """Every tensor of a checkpoint with its name in this book."""
    names = {f"{theirs}.weight": f"{ours}.weight" for theirs, ours in OUTER[source].items()}
    for i in range(n_layers):
        for theirs, ours in BLOCK[source].items():
            names[f"{LAYERS[source]}.{i}.{theirs}.weight"] = f"blocks.{i}.{ours}.weight"
    return names


def translate(
    state: dict[str, Tensor],
    sizes: dict,
    source: str = "meta",
    *,
    rename=lambda name: name,
    moved=("q_proj", "k_proj"),
    heads=lambda part, s: s["n_heads"] if part == "q_proj" else s["n_kv_heads"],
    tie=lambda found, sizes: {"lm_head.weight": found["embeddings.token.weight"]} | found,
    layers=lambda n: n,
) -> dict[str, Tensor]:
    convert, _ = CONVERT[LAYOUT_OF[source]]
    found = {}
    for theirs, ours in names_of(source, layers(sizes["n_layers"])).items():
        if theirs in state:
            part = ours.split(".")[-2]
            tensor = state[theirs]
            found[rename(ours)] = convert(tensor, heads(part, sizes)) if part in moved else tensor
    return tie(found, sizes)


def _swapped(first: str, second: str) -> Callable[[str], str]:
    pair = {first: second, second: first}

    def rename(name: str) -> str:
        parts = name.split(".")
        return ".".join([pair.get(part, part) for part in parts])

    return rename


def translate_bugs(source: str) -> dict[str, Callable]:
    """The bugs of ``translate`` for one source."""
    bug = partial(partial, translate, source=source)
    return {
        "gate_proj and up_proj have changed places.": bug(rename=_swapped("gate_proj", "up_proj")),
        "up_proj and down_proj have changed places.": bug(rename=_swapped("up_proj", "down_proj")),
        "the two norms of a block have changed places.": bug(
            rename=_swapped("attention_norm", "ffn_norm")
        ),
        "k_proj and v_proj have changed places.": bug(
            rename=_swapped("k_proj", "v_proj"), moved=("q_proj", "k_proj")
        ),
        "no rows are moved; q_proj and k_proj have to change their layout.": bug(moved=()),
        "k_proj keeps its rows; its pairs have to move like those of q_proj.": bug(
            moved=("q_proj",)
        ),
        "q_proj keeps its rows; its pairs have to move like those of k_proj.": bug(
            moved=("k_proj",)
        ),
        "v_proj changes its rows; values are not turned.": bug(
            moved=("q_proj", "k_proj", "v_proj")
        ),
        "k_proj is split into n_heads heads; it has n_kv_heads.": bug(
            heads=lambda part, s: s["n_heads"]
        ),
        "a tied head is missing; lm_head.weight is the token table then.": bug(
            tie=lambda found, sizes: found
        ),
        "the head is always the token table; a checkpoint may bring its own.": bug(
            tie=lambda found, sizes: found | {"lm_head.weight": found["embeddings.token.weight"]}
        ),
        "only the first block is translated; there are n_layers.": bug(layers=lambda n: 1),
    }


def count_tensors(state: dict[str, Tensor], *, once=lambda state: _by_place(state)) -> int:
    return sum([tensor.numel() for tensor in once(state)])


def _by_place(state: dict[str, Tensor]) -> list[Tensor]:
    return list({(t.data_ptr(), t.shape): t for t in state.values()}.values())


def _by_value(state: dict[str, Tensor]) -> list[Tensor]:
    found: list[Tensor] = []
    for tensor in state.values():
        if not any([tensor.shape == t.shape and torch.equal(tensor, t) for t in found]):
            found.append(tensor)
    return found


_count = partial(partial, count_tensors)
COUNT_TENSORS_BUGS = {
    "a tensor with two names is counted twice: two objects, one place in memory, data_ptr().": (
        _count(once=lambda state: state.values())
    ),
    "lm_head is never counted; where it is no tied one it has numbers of its own.": _count(
        once=lambda state: [t for name, t in state.items() if "lm_head" not in name]
    ),
    "tensors that happen to be equal are counted once; only shared ones are stored once.": _count(
        once=_by_value
    ),
    "tensors of one shape are counted once; only shared ones are stored once.": _count(
        once=lambda state: {t.shape: t for t in state.values()}.values()
    ),
    "tensors are counted; count their numbers.": lambda state: len(
        set([t.data_ptr() for t in state.values()])
    ),
}


def patients(model: Transformer) -> dict[str, Transformer]:
    """Five ways to load a grouped LLaMA wrongly; each runs, and gives logits of the right shape."""
    c, state = model.config, model.state_dict()
    other = {"half": "interleaved", "interleaved": "half"}[c.rope_layout]
    rename = _swapped("gate_proj", "up_proj")
    tiled = {name: _tile_rows(w, c.n_heads // c.n_kv_heads, name) for name, w in state.items()}
    return {
        "swap": _loaded(c, {rename(name): w for name, w in state.items()}),
        "base": _loaded(c.replace(rope_theta=c.rope_theta / 20), state),
        "tile": _loaded(c.replace(n_kv_heads=c.n_heads), tiled),
        "layout": _loaded(c.replace(rope_layout=other), state),
        "eps": _loaded(c.replace(norm_eps=100 * c.norm_eps), state),
    }


def _tile_rows(weight: Tensor, times: int, name: str) -> Tensor:
    return weight.repeat(times, 1) if "k_proj" in name or "v_proj" in name else weight


def _loaded(config, state: dict[str, Tensor]) -> Transformer:
    model = Transformer(config)
    model.load_state_dict(state)
    return model.eval()


FINGERPRINTS = {
    "layout": "position 0 is exactly right, and position 1 is far off at once",
    "base": "position 0 is exactly right, and the fault grows with the distance",
    "swap": "attention is exactly right at position 0, and the network behind it is far off",
    "tile": "the values are wrong as well, so attention is far off at position 0 already",
    "eps": "every number is a little off, at every position",
}
