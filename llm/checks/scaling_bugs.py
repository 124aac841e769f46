"""The functions of the Scale exercise, right and wrong in all the ways that we have seen.

The right ones are `n_params`, `forward_flops`, `kv_cache_bytes` and `power_law`; the dictionaries
below them hold the bugs: a sentence, and a function that has the bug.
"""

from collections.abc import Sequence
from math import exp, log, log10


def n_params(vocab_size: int, max_seq_len: int, d_model: int, n_layers: int) -> int:
    tables = (vocab_size + max_seq_len) * d_model
    layer = 12 * d_model**2 + 13 * d_model  # attention 4·d² + 4·d, network 8·d² + 5·d, norms 4·d
    return tables + n_layers * layer + 2 * d_model


def _params(tables="vp", attention=4, network=8, biases=9, norms=4, last=2, repeat=True, head=0):
    """A count with some terms changed; ``biases`` are those of a layer's linear maps, in d."""

    def count(vocab_size: int, max_seq_len: int, d_model: int, n_layers: int) -> int:
        d, rows = d_model, {"v": vocab_size, "p": max_seq_len}
        layer = (attention + network) * d**2 + (biases + norms) * d
        layers = layer * (n_layers if repeat else 1)
        return (sum(rows[t] for t in tables) + head * vocab_size) * d + layers + last * d

    return count


N_PARAMS_BUGS = {
    "the head is counted, but it is the token table again.": _params(head=1),
    "the position table is missing.": _params(tables="v"),
    "the token table is missing.": _params(tables="p"),
    "the biases of the linear maps are missing.": _params(biases=0),
    "the norms of the layers are missing.": _params(norms=0),
    "the last norm, after all layers, is missing.": _params(last=0),
    "all norms are missing.": _params(norms=0, last=0),
    "biases and norms are missing: only the matrices are counted.": _params(
        biases=0, norms=0, last=0
    ),
    "a norm has weights and biases, 2·d, not d.": _params(norms=2, last=1),
    "attention has four matrices; the one behind the heads is missing.": _params(
        attention=3, biases=8
    ),
    "the network has two matrices of d · 4d.": _params(network=4),
    "the layers are counted once, not n_layers times.": _params(repeat=False),
}


def forward_flops(vocab_size: int, d_model: int, n_layers: int, T: int) -> int:
    per_token = n_layers * (24 * d_model**2 + 4 * T * d_model) + 2 * vocab_size * d_model
    return T * per_token


def _flops(
    weights=24, scores=4, head=2, tokens=True, per_layer=True, square=False, last_only=False
):
    def count(vocab_size: int, d_model: int, n_layers: int, T: int) -> int:
        attention = scores * T * (T if square else 1) * d_model
        layer = weights * d_model**2 + (attention if per_layer else 0)
        total = n_layers * layer + (0 if per_layer else attention)
        rows = T if tokens else 1
        return rows * total + (1 if last_only else rows) * head * vocab_size * d_model

    return count


FORWARD_FLOPS_BUGS = {
    "a multiplication and an addition are two operations a weight.": _flops(12, 2, 1),
    "the head is missing.": _flops(head=0),
    "the head works at every token, not at the last alone.": _flops(last_only=True),
    "what each query does with T keys and values is missing.": _flops(scores=0),
    "scores and mixing are two products: 4·T·d, not 2·T·d.": _flops(scores=2),
    "scores cost T·d a token and T²·d a text: one T too many.": _flops(square=True),
    "scores are worked out in each layer.": _flops(per_layer=False),
    "that is for one token; the text has T.": _flops(tokens=False),
    "the network is missing: 16·d² a token and layer.": _flops(weights=8),
    "attention's four matrices are missing: 8·d² a token and layer.": _flops(weights=16),
    "that is training, three times the forward pass.": _flops(72, 12, 6),
}


def kv_cache_bytes(
    n_layers: int, n_heads: int, n_kv_heads: int, head_dim: int, n_tokens: int, bytes_per_value: int
) -> int:
    return 2 * n_layers * n_kv_heads * head_dim * n_tokens * bytes_per_value


KV_CACHE_BUGS = {
    "keys and values are two; it counts one of them.": lambda L, H, G, D, T, b: L * G * D * T * b,
    "queries are not kept; only keys and values.": lambda L, H, G, D, T, b: 3 * L * G * D * T * b,
    "it counts query heads; keys and values have n_kv_heads.": (
        lambda L, H, G, D, T, b: 2 * L * H * D * T * b
    ),
    "each layer has a cache of its own.": lambda L, H, G, D, T, b: 2 * G * D * T * b,
    "that is the number of values, not of bytes.": lambda L, H, G, D, T, b: 2 * L * G * D * T,
    "the cache holds T rows, not a table of T².": lambda L, H, G, D, T, b: 2 * L * G * D * T**2 * b,
    "it counts one kv head, not n_kv_heads.": lambda L, H, G, D, T, b: 2 * L * D * T * b,
    "that is for one token; n_tokens is missing.": lambda L, H, G, D, T, b: 2 * L * G * D * b,
    "bits are not bytes: 8 times too many.": lambda L, H, G, D, T, b: 16 * L * G * D * T * b,
}


def _line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Height at 0 and slope of the line through points, by least squares."""
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    over = sum([(a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)])
    slope = over / sum([(a - mean_x) ** 2 for a in x])
    return mean_y - slope * mean_x, slope


def power_law(sizes: Sequence[float], losses: Sequence[float], floor: float) -> tuple[float, float]:
    height, slope = _line([log(n) for n in sizes], [log(loss - floor) for loss in losses])
    return exp(height), -slope


def _law(finish, across=log, up=log, back=exp, subtract=True):
    def fit(sizes: Sequence[float], losses: Sequence[float], floor: float) -> tuple:
        above = [up(loss - floor if subtract else loss) for loss in losses]
        height, slope = _line([across(n) for n in sizes], above)
        return finish(back(height), slope)

    return fit


POWER_LAW_BUGS = {
    "the floor is not subtracted before the logarithm.": _law(lambda a, m: (a, -m), subtract=False),
    "the exponent is minus the slope.": _law(lambda a, m: (a, m)),
    "A is e to the height; it returns the height itself.": _law(
        lambda a, m: (a, -m), back=lambda h: h
    ),
    "the logarithm has base 10, but e undoes it.": _law(lambda a, m: (a, -m), log10, log10),
    "the sizes need a logarithm, too.": _law(lambda a, m: (a, -m), across=float),
    "scale and exponent are swapped.": _law(lambda a, m: (-m, a)),
}
