"""From token ids to vectors, and six ways to tell a model where a token stands.

Token and sinusoidal embeddings follow Vaswani et al. (2017, sections 3.4 and 3.5); learned
positions Radford et al. (2018); rotary Su et al. (2021); ALiBi Press et al. (2022); relative biases
Raffel et al. (2020, section 2.1).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TokenEmbedding(nn.Module):
    """A table with one row of ``d_model`` numbers for each entry of the vocabulary.

    ``forward`` takes ``token_ids (…)`` of integers and returns ``(…, d_model)``. With ``scale`` the
    rows are multiplied by √d_model. Raises ``ValueError`` for ids that are not integers of the
    vocabulary.
    """

    def __init__(self, vocab_size: int, d_model: int, scale: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(vocab_size, d_model) * 0.02)
        self.factor = math.sqrt(d_model) if scale else 1.0

    def forward(self, token_ids: Tensor) -> Tensor:
        check_ids(token_ids, len(self.weight), "token id", "vocab_size")
        return F.embedding(token_ids, self.weight) * self.factor  # (…) -> (…, C)


class SinusoidalPositionalEncoding(nn.Module):
    """Fixed positions: feature pair i of position p holds sin and cos of p · 10000^(−2i / d_model).

    ``forward`` takes integer ``positions (…)`` and returns ``(…, d_model)``. Even features are
    sines, odd ones cosines; ``d_model`` must be even.
    """

    def __init__(self, d_model: int, max_seq_len: int):
        super().__init__()
        if d_model % 2:
            raise ValueError(f"d_model must be even for pairs of sine and cosine, got {d_model}")
        position = torch.arange(max_seq_len, dtype=torch.float64)[:, None]  # (T, 1)
        angles = position * rotation_frequencies(d_model, 10000.0, torch.float64)  # (T, C/2)
        table = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)  # (T, C)
        self.register_buffer("table", table.float(), persistent=False)

    def forward(self, positions: Tensor) -> Tensor:
        check_ids(positions, len(self.table), "position", "max_seq_len")
        return self.table[positions]


class LearnedPositionalEmbedding(nn.Module):
    """A table with one trained row for each position: ``positions (…)`` to ``(…, d_model)``."""

    def __init__(self, d_model: int, max_seq_len: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(max_seq_len, d_model) * 0.02)

    def forward(self, positions: Tensor) -> Tensor:
        check_ids(positions, len(self.weight), "position", "max_seq_len")
        return F.embedding(positions, self.weight)


class RotaryPositionalEmbedding(nn.Module):
    """Turn each pair of features of a query or key by an angle that grows with its position.

    A pair at position p turns by p · theta^(−2i / head_dim), so the product of a turned query and
    a turned key depends on the difference of their positions alone. ``layout`` says which features
    form pair i: ``"half"`` i and i + head_dim/2 (LLaMA as published by Hugging Face),
    ``"interleaved"`` 2i and 2i + 1 (the paper). ``forward`` takes ``x (…, T, D)`` and positions
    that broadcast to ``(…, T)``, by default 0 … T − 1, and returns the shape of ``x``. Raises
    ``ValueError`` for an odd ``head_dim``, an unknown layout, or T above ``max_seq_len``.
    """

    def __init__(
        self, head_dim: int, max_seq_len: int, theta: float = 10000.0, layout: str = "half"
    ):
        super().__init__()
        if head_dim % 2:
            raise ValueError(f"head_dim must be even to form pairs, got {head_dim}")
        if layout not in ("half", "interleaved"):
            raise ValueError(f"layout must be 'half' or 'interleaved', got {layout!r}")
        self.head_dim, self.max_seq_len = head_dim, max_seq_len
        self.theta, self.layout = theta, layout

    def forward(self, x: Tensor, positions: Tensor | None = None) -> Tensor:
        *_, T, D = x.shape
        if D != self.head_dim:
            raise ValueError(f"x has {D} features, but head_dim is {self.head_dim}")
        if positions is None:
            if T > self.max_seq_len:
                raise ValueError(f"x has {T} positions, but max_seq_len is {self.max_seq_len}")
            positions = torch.arange(T, device=x.device)
        # At least float32, and at each call: a table kept in bfloat16 would lose far positions.
        precise = torch.promote_types(x.dtype, torch.float32)
        frequencies = rotation_frequencies(D, self.theta, precise, x.device)
        angles = positions[..., None].to(precise) * frequencies  # (…, T) -> (…, T, D/2)
        first, second = self._pairs(x.to(precise))
        turned = self._join(
            first * angles.cos() - second * angles.sin(),
            first * angles.sin() + second * angles.cos(),
        )
        return turned.type_as(x)

    def _pairs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.layout == "half":
            return x.chunk(2, dim=-1)
        return x[..., 0::2], x[..., 1::2]

    def _join(self, first: Tensor, second: Tensor) -> Tensor:
        if self.layout == "half":
            return torch.cat([first, second], dim=-1)
        return torch.stack([first, second], dim=-1).flatten(-2)


def rotation_frequencies(
    dim: int, theta: float, dtype: torch.dtype, device: torch.device | None = None
) -> Tensor:
    """The ``dim/2`` angles a position turns by: theta^(−2i / dim) for i = 0, 1, …"""
    return 1.0 / theta ** (torch.arange(0, dim, 2, device=device).to(dtype) / dim)


def alibi_bias(
    n_heads: int, query_positions: int | Tensor, key_positions: Tensor | None = None
) -> Tensor:
    """A penalty on distance for each head: ``−slope_h · |i − j|``, added to the scores.

    Positions ``(…, T)`` and ``(…, S)`` give ``(…, H, T, S)``; an integer T stands for 0 … T − 1,
    and keys default to the queries. With H a power of two, head h (from 1) has slope 2^(−8h / H);
    otherwise the slopes of the power of two below are filled up from the one above, as in the
    paper's code.
    """
    i, j = _positions(query_positions, key_positions)
    distance = (i[..., :, None] - j[..., None, :]).abs()  # (…, T, S)
    slopes = torch.tensor(_alibi_slopes(n_heads), device=i.device)
    return -slopes[:, None, None] * distance[..., None, :, :]  # (…, H, T, S)


def _alibi_slopes(n_heads: int) -> list[float]:
    power = 2 ** int(math.log2(n_heads))
    slopes = [2 ** (-8 * h / power) for h in range(1, power + 1)]
    finer = [2 ** (-4 * h / power) for h in range(1, 2 * power + 1, 2)]
    return slopes + finer[: n_heads - power]


def relative_bias(
    table: Tensor,
    query_positions: int | Tensor,
    key_positions: Tensor | None = None,
    bidirectional: bool = False,
    max_distance: int = 128,
) -> Tensor:
    """A learned bias for each distance, looked up in ``table (n_buckets, H)`` as in T5.

    Positions as in :func:`alibi_bias`; returns ``(…, H, T, S)``. Half of the buckets hold one
    distance each; the rest grow logarithmically up to ``max_distance`` and the last holds all
    beyond. ``bidirectional`` splits the buckets between keys before and after the query.
    """
    i, j = _positions(query_positions, key_positions)
    ahead = j[..., None, :] - i[..., :, None]  # (…, T, S), negative for the past
    buckets = _relative_buckets(ahead, len(table), bidirectional, max_distance)
    return F.embedding(buckets, table).movedim(-1, -3)  # (…, T, S, H) -> (…, H, T, S)


def _relative_buckets(ahead: Tensor, n: int, bidirectional: bool, max_distance: int) -> Tensor:
    if bidirectional:
        n //= 2
        offset, distance = n * (ahead > 0), ahead.abs()
    else:
        offset, distance = 0, (-ahead).clamp(min=0)
    exact = n // 2
    ratio = torch.log(distance.clamp(min=1).float() / exact) / math.log(max_distance / exact)
    coarse = exact + (ratio * (n - exact)).long()
    return offset + torch.where(distance < exact, distance, coarse.clamp(max=n - 1))


def _positions(queries: int | Tensor, keys: Tensor | None) -> tuple[Tensor, Tensor]:
    queries = torch.arange(queries) if isinstance(queries, int) else queries
    return queries, queries if keys is None else keys


def check_ids(ids: Tensor, limit: int, what: str, limit_name: str) -> None:
    """Raise ``ValueError`` unless ``ids`` are integers in 0 … limit − 1."""
    if ids.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"{what}s must be int64 or int32, got {ids.dtype}: call .long() on them")
    if ids.numel() == 0 or ids.is_meta:
        return
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= limit:
        wrong = low if low < 0 else high
        raise ValueError(f"{what} {wrong} is outside 0 … {limit - 1} ({limit_name}={limit})")


def check_batch(token_ids: Tensor) -> None:
    """Raise ``ValueError`` unless ``token_ids`` is a tensor ``(B, T)`` with at least one token."""
    if not isinstance(token_ids, Tensor) or token_ids.dim() != 2 or 0 in token_ids.shape:
        got = tuple(token_ids.shape) if isinstance(token_ids, Tensor) else repr(token_ids)
        raise ValueError(
            f"token_ids must be a tensor (B, T) with at least one token, got {got}: write "
            "torch.tensor([ids]), and start an empty prompt with a begin token"
        )
