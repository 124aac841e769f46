"""Attention: each position gathers, by a softmax, what it needs from the positions it may see.

Follows Vaswani et al. (2017, section 3.2). A mask is boolean (True = may be seen) or float (added
to the scores), as in ``torch.nn.functional.scaled_dot_product_attention``; where a query may see no
key at all, its weights and its output are 0.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llm.embeddings import RotaryPositionalEmbedding, alibi_bias
from llm.probes import Probe


def scaled_dot_product_attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, scale: float | None = None
) -> tuple[Tensor, Tensor]:
    """softmax(q kᵀ · scale) v, with scale 1/√D: the readable version, which also shows the weights.

    ``q (…, T, D)``, ``k (…, S, D)`` and ``v (…, S, D_v)`` with any leading dimensions give
    ``(output (…, T, D_v), weights (…, T, S))``. Source: Vaswani et al. (2017), equation 1.
    """
    if q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ValueError(
            f"q {tuple(q.shape)}, k {tuple(k.shape)}, v {tuple(v.shape)} do not fit: q and k need "
            "the same last size, k and v the same length"
        )
    weights = masked_softmax(attention_scores(q, k, scale), mask)
    return weights @ v, weights  # (…, T, S) @ (…, S, D_v) -> (…, T, D_v)


def attention_scores(q: Tensor, k: Tensor, scale: float | None = None) -> Tensor:
    """How well each query matches each key: ``(…, T, D)`` and ``(…, S, D)`` to ``(…, T, S)``."""
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    return q @ k.transpose(-2, -1) * scale


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Softmax over the keys that may be seen; a row that may see none becomes 0, not NaN."""
    if mask is not None:
        check_mask(mask, scores.shape)
        if mask.dtype == torch.bool:
            scores = scores.masked_fill(~mask, -math.inf)
        else:
            scores = scores + mask.to(scores.dtype)
    blind = (scores == -math.inf).all(dim=-1, keepdim=True)
    return scores.masked_fill(blind, 0.0).softmax(dim=-1).masked_fill(blind, 0.0)


def check_mask(mask: Tensor, shape: tuple[int, ...]) -> None:
    """Raise ``ValueError`` unless ``mask`` is boolean or float and broadcasts to ``shape``."""
    if mask.dtype != torch.bool and not mask.is_floating_point():
        raise ValueError(
            f"mask has dtype {mask.dtype}: use bool (True = may be seen) or float (added to scores)"
        )
    pairs = zip(reversed(mask.shape), reversed(shape), strict=False)
    if mask.dim() > len(shape) or any(size not in (1, wanted) for size, wanted in pairs):
        raise ValueError(f"mask {tuple(mask.shape)} must broadcast to (…, T, S) = {tuple(shape)}")


def causal_mask(
    T: int, S: int | None = None, window: int | None = None, device: torch.device | None = None
) -> Tensor:
    """Which of S keys each of the last T positions may see: ``(T, S)``, True = itself and the past.

    ``window`` keeps only the nearest keys, itself included.

    >>> causal_mask(3).int().tolist()
    [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    """
    S = T if S is None else S
    if S < T:
        raise ValueError(f"the last {T} positions cannot be taken from {S} keys: S must be >= T")
    query = torch.arange(S - T, S, device=device)[:, None]
    key = torch.arange(S, device=device)
    allowed = key <= query
    return allowed if window is None else allowed & (key > query - window)


def padding_mask(lengths: list[int] | Tensor, side: str = "left") -> Tensor:
    """Which tokens of a padded batch are real: ``(B,)`` lengths to ``(B, S)``, True = real.

    S is the greatest length. Prompts to be continued are padded on the left.

    >>> padding_mask([1, 3]).int().tolist()
    [[0, 0, 1], [1, 1, 1]]
    """
    if side not in ("left", "right"):
        raise ValueError(f"side must be 'left' or 'right', got {side!r}")
    lengths = torch.as_tensor(lengths)[:, None]
    index = torch.arange(int(lengths.max()), device=lengths.device)
    return index < lengths if side == "right" else index >= lengths.max() - lengths


class KVCache:
    """The keys and values of the tokens a model has read, so that it need not read them again.

    Handed to ``forward``, which appends to it. Holds ``(B, H_kv, S, D)`` for each layer.
    """

    def __init__(self):
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}
        self.positions: Tensor | None = None  # (B or 1, S)

    @property
    def length(self) -> int:
        """The number of tokens that every layer holds."""
        return min((k.shape[-2] for k, _ in self._layers.values()), default=0)

    def layer_length(self, layer: int) -> int:
        """The number of tokens that one layer holds: ahead of ``length`` during a forward pass."""
        return self._layers[layer][0].shape[-2] if layer in self._layers else 0

    def update(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Append ``k, v (B, H_kv, T, D)`` to a layer; return all of it, ``(B, H_kv, S, D)``."""
        if layer in self._layers:
            old_k, old_v = self._layers[layer]
            if old_k.shape[0] != k.shape[0]:
                raise ValueError(
                    f"the cache holds a batch of {old_k.shape[0]}, got {k.shape[0]}: "
                    "start a new KVCache for another batch"
                )
            k, v = torch.cat([old_k, k], dim=-2), torch.cat([old_v, v], dim=-2)
        self._layers[layer] = k, v
        return k, v

    def append_positions(self, positions: Tensor) -> Tensor:
        """Append the positions ``(B or 1, T)`` of new tokens; return those of all, ``(…, S)``."""
        self.truncate(self.length)  # forget what a forward pass that failed has left
        if self.positions is not None:
            B = max(len(self.positions), len(positions))
            old, new = self.positions.expand(B, -1), positions.expand(B, -1)
            positions = torch.cat([old, new], dim=-1)
        self.positions = positions
        return positions

    def truncate(self, n: int) -> None:
        """Forget all but the first n tokens."""
        if not 0 <= n <= self.length:
            raise ValueError(f"cannot keep {n} tokens of a cache that holds {self.length}")
        self._layers = {i: (k[..., :n, :], v[..., :n, :]) for i, (k, v) in self._layers.items()}
        if self.positions is not None:
            self.positions = self.positions[..., :n]


class MultiHeadAttention(nn.Module):
    """H attentions side by side, each on its own D features, joined by a last linear map.

    ``forward(x (B, T, C))`` returns ``(B, T, C)``. With ``n_kv_heads`` below ``n_heads`` several
    query heads share a key and value head (grouped queries: Ainslie et al., 2023; one for all:
    Shazeer, 2019). ``context (B, S, C)`` takes keys and values from elsewhere, and needs
    ``causal=False``. ``mask`` broadcasts to ``(B, H, T, S)``; ``bias`` is added to the scores.
    ``positions (B or 1, S)`` are those of the keys, the queries being the last T of them.
    ``layer`` names this module's part of a :class:`KVCache`.

    PyTorch's fused kernel does the work, unless a :func:`llm.trace` looks at scores or weights.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        n_kv_heads: int | None = None,
        *,
        causal: bool = True,
        rope: RotaryPositionalEmbedding | None = None,
        alibi: bool = False,
        window: int | None = None,
        scale: float | None = None,
        bias: bool = True,
        qkv_bias: bool | None = None,
        dropout: float = 0.0,
        head_dim: int | None = None,
        qk_norm_eps: float | None = None,
        layer: int = 0,
    ):
        super().__init__()
        n_kv_heads = n_heads if n_kv_heads is None else n_kv_heads
        _check_heads(d_model, n_heads, n_kv_heads, head_dim, window, causal)
        head_dim = d_model // n_heads if head_dim is None else head_dim
        qkv_bias = bias if qkv_bias is None else qkv_bias
        self.q_proj = nn.Linear(d_model, n_heads * head_dim, bias=qkv_bias)
        self.k_proj = nn.Linear(d_model, n_kv_heads * head_dim, bias=qkv_bias)
        self.v_proj = nn.Linear(d_model, n_kv_heads * head_dim, bias=qkv_bias)
        self.out_proj = nn.Linear(n_heads * head_dim, d_model, bias=bias)
        norm = nn.Identity if qk_norm_eps is None else lambda: nn.RMSNorm(head_dim, qk_norm_eps)
        self.q_norm, self.k_norm = norm(), norm()
        self.n_heads, self.n_kv_heads, self.head_dim = n_heads, n_kv_heads, head_dim
        self.causal, self.rope, self.alibi, self.window = causal, rope, alibi, window
        self.scale, self.dropout, self.layer = scale, dropout, layer
        self.q, self.k, self.v = Probe(), Probe(), Probe()
        self.scores, self.weights, self.output = Probe(), Probe(), Probe()

    def forward(
        self,
        x: Tensor,
        context: Tensor | None = None,
        mask: Tensor | None = None,
        cache: KVCache | None = None,
        positions: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> Tensor:
        self._check_inputs(x, context, mask, cache)
        q, k, v, positions = self._project(x, context, cache, positions)
        bias = self._with_alibi(bias, positions, q.shape[-2])
        k, v = (t.repeat_interleave(self.n_heads // self.n_kv_heads, dim=1) for t in (k, v))
        attend = self._explicit if self.scores.watched or self.weights.watched else self._fused
        heads = attend(q, k, v, mask, bias)  # (B, H, T, D)
        merged = heads.transpose(1, 2).flatten(2)  # (B, H, T, D) -> (B, T, H·D)
        return self.output(self.out_proj(merged))  # (B, T, H·D) -> (B, T, C)

    def _check_inputs(self, x, context, mask, cache) -> None:
        C = self.q_proj.in_features
        for name, value in {"x": x, "context": context}.items():
            if value is not None and (value.dim() != 3 or value.shape[-1] != C):
                raise ValueError(f"{name} must be (B, T, {C}), got {tuple(value.shape)}")
        if context is not None and (self.causal or self.rope or self.alibi or cache is not None):
            raise ValueError(
                "context needs causal=False and no rope, alibi or cache: use CrossAttention"
            )
        if mask is not None:
            past = cache.layer_length(self.layer) if cache is not None else 0
            S = past + (x if context is None else context).shape[1]
            check_mask(mask, (len(x), self.n_heads, x.shape[1], S))

    def _project(self, x, context, cache, positions):
        """q (B, H, T, D), k and v (B, H_kv, S, D) with positions worked in and the cache joined."""
        source = x if context is None else context
        q = self.q_norm(self._split(self.q_proj(x), self.n_heads))
        k = self.k_norm(self._split(self.k_proj(source), self.n_kv_heads))
        v = self._split(self.v_proj(source), self.n_kv_heads)
        T = q.shape[-2]
        if positions is None:
            past = cache.layer_length(self.layer) if cache is not None else 0
            positions = torch.arange(past + k.shape[-2], device=x.device)[None]  # (1, S)
            if self.rope is not None and positions.shape[-1] > self.rope.max_seq_len:
                raise ValueError(
                    f"{positions.shape[-1]} positions exceed max_seq_len={self.rope.max_seq_len}"
                )
        if self.rope is not None:
            new = positions[:, None, -T:]  # (B, S) -> (B, 1, T), the same for all heads
            q, k = self.rope(q, new), self.rope(k, new)
        if cache is not None:
            k, v = cache.update(self.layer, k, v)
        return self.q(q), self.k(k), self.v(v), positions

    def _split(self, x: Tensor, n_heads: int) -> Tensor:
        return x.unflatten(-1, (n_heads, self.head_dim)).transpose(1, 2)  # (B,T,HD) -> (B,H,T,D)

    def _with_alibi(self, bias: Tensor | None, positions: Tensor, T: int) -> Tensor | None:
        if not self.alibi:
            return bias
        alibi = alibi_bias(self.n_heads, positions[:, -T:], positions)  # (B or 1, H, T, S)
        return alibi if bias is None else alibi + bias

    def _explicit(self, q, k, v, mask, bias) -> Tensor:
        """Every step in the open, for whoever looks."""
        scores = attention_scores(q, k, self.scale)
        scores = self.scores(scores if bias is None else scores + bias.to(scores.dtype))
        weights = masked_softmax(scores, self._with_causal(mask, q, k))
        weights = self.weights(weights)  # (B, H, T, S)
        return F.dropout(weights, self.dropout, self.training) @ v

    def _fused(self, q, k, v, mask, bias) -> Tensor:
        """The same by PyTorch's kernel, which never holds all scores in memory."""
        dropout = self.dropout if self.training else 0.0
        square = q.shape[-2] == k.shape[-2]  # is_causal aligns query 0 with key 0
        if self.causal and mask is None and bias is None and self.window is None and square:
            return F.scaled_dot_product_attention(
                q, k, v, dropout_p=dropout, is_causal=True, scale=self.scale
            )
        mask = self._with_causal(mask, q, k)
        if bias is not None:
            mask = bias if mask is None else _added(bias, mask)
        if mask is not None and mask.dtype != torch.bool:
            mask = mask.to(q.dtype)
        return F.scaled_dot_product_attention(q, k, v, mask, dropout, scale=self.scale)

    def _with_causal(self, mask: Tensor | None, q: Tensor, k: Tensor) -> Tensor | None:
        """Join the causal mask to the given one; a single query without a window sees all keys."""
        T, S = q.shape[-2], k.shape[-2]
        if not self.causal or (T == 1 and self.window is None):
            return mask
        allowed = causal_mask(T, S, self.window, q.device)
        return allowed if mask is None else _added(mask, allowed)


class CausalSelfAttention(MultiHeadAttention):
    """Multi-head attention in which a token sees itself and what came before."""

    def __init__(self, d_model: int, n_heads: int, **options):
        super().__init__(d_model, n_heads, causal=True, **options)


class GroupedQueryAttention(MultiHeadAttention):
    """Causal attention in which groups of query heads share a key and value head."""

    def __init__(self, d_model: int, n_heads: int, n_kv_heads: int, **options):
        super().__init__(d_model, n_heads, n_kv_heads, causal=True, **options)


class CrossAttention(MultiHeadAttention):
    """Attention to another sequence: ``forward(x (B, T, C), context (B, S, C))``."""

    def __init__(self, d_model: int, n_heads: int, **options):
        super().__init__(d_model, n_heads, causal=False, **options)


def _added(first: Tensor, second: Tensor) -> Tensor:
    """Two masks, boolean or float, as one."""
    if first.dtype == second.dtype == torch.bool:
        return first & second
    if second.dtype == torch.bool:
        return first.masked_fill(~second, -math.inf)
    return second.masked_fill(~first, -math.inf) if first.dtype == torch.bool else first + second


def _check_heads(d_model, n_heads, n_kv_heads, head_dim, window, causal) -> None:
    if n_heads < 1 or n_kv_heads < 1:
        raise ValueError(f"n_heads={n_heads} and n_kv_heads={n_kv_heads} must be at least 1")
    if head_dim is None and d_model % n_heads:
        raise ValueError(f"d_model={d_model} is not divisible by n_heads={n_heads}")
    if n_heads % n_kv_heads:
        raise ValueError(f"n_heads={n_heads} is not divisible by n_kv_heads={n_kv_heads}")
    if window is not None and (window < 1 or not causal):
        raise ValueError(f"window={window} must be at least 1 and needs causal=True")
