"""What size costs and what it buys: parameters, operations, memory, and laws fitted to losses.

Everything is worked out from a :class:`llm.ModelConfig`; no weight is made. An operation is one
multiplication or one addition of numbers (a FLOP). Follows Kaplan et al. (2020) for the counting,
Hoffmann et al. (2022) for the laws.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from llm.config import GPT_STYLE, LLAMA_STYLE, ModelConfig

GPT3 = GPT_STYLE | {"vocab_size": 50257, "max_seq_len": 2048}
LLAMA3 = LLAMA_STYLE | {"vocab_size": 128256, "max_seq_len": 8192, "n_kv_heads": 8}
LLAMA3 |= {"rope_theta": 500000.0}
PUBLISHED = {  # as published, where ModelConfig has no preset
    "GPT-3": GPT3 | {"d_model": 12288, "n_layers": 96, "n_heads": 96},
    "Llama 3 8B": LLAMA3 | {"d_model": 4096, "n_layers": 32, "n_heads": 32, "d_ff": 14336},
    "Llama 3.1 405B": LLAMA3
    | {"d_model": 16384, "n_layers": 126, "n_heads": 128, "d_ff": 53248, "max_seq_len": 131072},
}


def published(name: str) -> ModelConfig:
    """The shape of a large model: one of ``PUBLISHED``.

    >>> published("GPT-3").n_params()
    174604259328
    """
    if name not in PUBLISHED:
        raise ValueError(f"no model {name!r}: choose one of {', '.join(PUBLISHED)}")
    return ModelConfig(**PUBLISHED[name])


def parameters(config: ModelConfig) -> dict[str, int]:
    """Parameters by term; they add up to ``config.n_params()``. Shared matrices count once.

    ``"attention"`` and ``"ffn"`` are the matrices of all layers with their biases, ``"norms"`` all
    norms, ``"positions"`` the table of learned or relative positions; a tied ``"head"`` counts 0.
    """
    c = config
    table = c.vocab_size * c.d_model
    terms = {
        "tokens": table,
        "positions": c._embedding_params() - table,
        "attention": c.n_layers * c._attention_params(),
        "ffn": c.n_layers * c._ffn_params(),
        "head": 0 if c.tie_embeddings else table,
    }
    norms = c.n_params() - sum(terms.values())
    return terms | {"norms": norms}


def forward_flops(config: ModelConfig, T: int, causal: bool = False) -> dict[str, int]:
    """Operations of one pass over a text of ``T`` tokens, by term: matrix products only.

    ``"projections"`` are the four maps of attention, ``"scores"`` the products q · k and
    weights · v of all T² pairs, or with ``causal`` of the T(T + 1)/2 that the mask leaves. For
    GPT's shape this is 24·d² + 4·T·d a token and layer (d = d_model), and 2·V·d a token for the
    head. Norms, activations, softmax and biases are left out: they are few, and no matrix products.
    """
    c = config
    _positive(T=T)
    _fits(c, T)
    queries, keys = c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim
    n_ffn = 3 if c.ffn == "swiglu" else 2
    pairs = T * (T + 1) // 2 if causal else T * T
    return {
        "projections": c.n_layers * T * 2 * c.d_model * (2 * queries + 2 * keys),
        "scores": c.n_layers * pairs * 4 * queries,
        "ffn": c.n_layers * T * 2 * n_ffn * c.d_model * c.d_ff,
        "head": T * 2 * c.d_model * c.vocab_size,
    }


def training_flops(config: ModelConfig, n_tokens: int, T: int | None = None) -> int:
    """Operations of training on ``n_tokens`` in rows of ``T`` (``max_seq_len``): 3 × forward.

    Each product of the forward pass needs two of its size on the way back: one for the gradient of
    its input, one for that of its weights.
    """
    T = T or config.max_seq_len
    _positive(n_tokens=n_tokens)
    return 3 * sum(forward_flops(config, T).values()) * n_tokens // T


def kv_cache_bytes(config: ModelConfig, n_tokens: int, bytes_per_value: int = 2) -> int:
    """Bytes of the keys and values of ``n_tokens``: two vectors a token, layer and kv head."""
    _positive(n_tokens=n_tokens, bytes_per_value=bytes_per_value)
    c = config
    return 2 * c.n_layers * c.n_kv_heads * c.head_dim * n_tokens * bytes_per_value


def multiply_adds(config: ModelConfig, n_new: int, n_past: int = 0) -> dict[str, int]:
    """Multiply-adds of one forward pass over ``n_new`` tokens behind ``n_past`` cached ones.

    ``weights``: every matrix of the blocks meets every new token. ``attention``: each query meets
    the keys up to itself, once for its score and once for the mean of the values. ``head``: C · V
    for each new token; a loop that writes needs only the last of them. Each is two FLOPs.
    """
    width = config.n_heads * config.head_dim
    square = 2 * config.d_model * (width + config.n_kv_heads * config.head_dim)
    ffn = (3 if config.ffn == "swiglu" else 2) * config.d_model * config.d_ff
    pairs = n_new * n_past + n_new * (n_new + 1) // 2  # a query and a key that it may see
    return {
        "weights": config.n_layers * (square + ffn) * n_new,
        "attention": config.n_layers * 2 * width * pairs,
        "head": config.d_model * config.vocab_size * n_new,
    }


def training_memory(
    config: ModelConfig, batch_size: int, T: int, bytes_per_value: int = 4
) -> dict[str, int]:
    """Bytes that a training step holds, by term, with AdamW.

    Two terms of ``"optimizer"``: the running means of gradient and of its square. ``"scores"`` are
    kept only without a fused kernel: scores and weights ``(B, H, T, T)`` of each layer.
    ``"stream"`` is the residual stream after each sublayer ``(B, T, C)``: a floor for what the
    backward pass needs, which keeps several tensors more in each sublayer. ``"logits"`` ``(B, T,
    V)`` and their gradient.
    """
    c = config
    _positive(batch_size=batch_size, T=T, bytes_per_value=bytes_per_value)
    _fits(c, T)
    n, rows = c.n_params(), batch_size * T
    values = {
        "weights": n,
        "gradients": n,
        "optimizer": 2 * n,
        "stream": (2 * c.n_layers + 1) * rows * c.d_model,
        "scores": 2 * c.n_layers * c.n_heads * rows * T,
        "logits": 2 * rows * c.vocab_size,
    }
    return {name: bytes_per_value * count for name, count in values.items()}


@dataclass(frozen=True)
class PowerLaw:
    """``L(N) = E + A / N**alpha``: a floor, and an excess that falls by a power of the size."""

    floor: float
    scale: float
    exponent: float

    def __call__(self, n: float) -> float:
        return self.floor + self.scale / n**self.exponent


def fit_power_law(
    sizes: Sequence[float], losses: Sequence[float], floor: float | None = None
) -> PowerLaw:
    """The power law closest to some runs; without ``floor``, that is fitted, too.

    For a given floor E the law is a straight line, log(L − E) = log A − α log N, and least squares
    find it. E is the one of 400 floors below the smallest loss that leaves the least squared error.
    Raises ``ValueError`` for fewer than three sizes and for losses that are not above the floor.
    """
    n, loss = (torch.tensor(v, dtype=torch.float64) for v in (list(sizes), list(losses)))
    if len(n) != len(loss) or len(n.unique()) < 3 or not (n > 0).all():
        raise ValueError(f"need three sizes above 0, with a loss each: got {sizes} and {losses}")
    lowest = float(loss.min())
    if floor is not None and floor >= lowest:
        raise ValueError(f"floor={floor} must be below the smallest loss, {lowest}")
    floors = [lowest * i / 400 for i in range(400)] if floor is None else [floor]
    return min((_line(n, loss, e) for e in floors), key=lambda law: _error(law, n, loss))


def _line(n: Tensor, loss: Tensor, floor: float) -> PowerLaw:
    x, y = n.log(), (loss - floor).log()
    slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    return PowerLaw(floor, float((y.mean() - slope * x.mean()).exp()), float(-slope))


def _error(law: PowerLaw, n: Tensor, loss: Tensor) -> float:
    return float(((torch.stack([law(size) for size in n]).log() - loss.log()) ** 2).sum())


def _positive(**values: int) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} must be above 0, got {value}")


def _fits(config: ModelConfig, T: int) -> None:
    if config.position == "learned" and T > config.max_seq_len:
        raise ValueError(
            f"T={T} exceeds max_seq_len={config.max_seq_len}, and a learned table has no row for "
            "more: raise max_seq_len, which adds parameters"
        )
