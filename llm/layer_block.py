"""The block that a transformer repeats: attention, a feed-forward network, two norms, two sums.

LayerNorm: Ba et al. (2016). RMSNorm: Zhang and Sennrich (2019). SwiGLU: Shazeer (2020). Norms
before the sublayers rather than after: Xiong et al. (2020).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llm.attention import KVCache, MultiHeadAttention
from llm.config import ModelConfig
from llm.embeddings import RotaryPositionalEmbedding
from llm.probes import Probe

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
}


class LayerNorm(nn.Module):
    """(x − mean) / √(variance + eps) · weight + bias, over the last dimension of ``x (…, C)``.

    The variance is the biased one (divided by C) and eps stands inside the root.
    """

    def __init__(self, d_model: int, eps: float = 1e-5, bias: bool = True):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


class RMSNorm(nn.Module):
    """x / √(mean(x²) + eps) · weight, over the last dimension of ``x (…, C)``: no mean, no bias."""

    def __init__(self, d_model: int, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(d_model))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


def swiglu(a: Tensor, b: Tensor) -> Tensor:
    """silu(a) · b, where silu(a) = a · sigmoid(a): the gate a lets b through.

    >>> swiglu(torch.tensor([4.0, -1.0]), torch.tensor([5.0, 2.0]))
    tensor([19.6403, -0.5379])
    """
    return F.silu(a) * b


class FeedForward(nn.Module):
    """Widen, bend, narrow: down(activation(up(x))), each position alone; ``(…, C)`` to ``(…, C)``.

    ``activation`` is ``"relu"``, ``"gelu"`` (exact, by erf) or ``"gelu_tanh"`` (GPT-2's).
    """

    def __init__(
        self,
        d_model: int,
        d_ff: int,
        activation: str = "gelu",
        bias: bool = True,
        dropout: float = 0.0,
    ):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation {activation!r}: choose one of {', '.join(ACTIVATIONS)}")
        self.up_proj = nn.Linear(d_model, d_ff, bias=bias)
        self.down_proj = nn.Linear(d_ff, d_model, bias=bias)
        self.activation = ACTIVATIONS[activation]
        self.dropout = nn.Dropout(dropout)
        self.hidden, self.output = Probe(), Probe()

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.hidden(self.activation(self.up_proj(x)))  # (…, C) -> (…, d_ff)
        return self.output(self.down_proj(self.dropout(hidden)))  # (…, d_ff) -> (…, C)


class SwiGLU(nn.Module):
    """LLaMA's feed-forward network: down(silu(gate(x)) · up(x)); ``(…, C)`` to ``(…, C)``."""

    def __init__(self, d_model: int, d_ff: int, bias: bool = False, dropout: float = 0.0):
        super().__init__()
        self.gate_proj = nn.Linear(d_model, d_ff, bias=bias)
        self.up_proj = nn.Linear(d_model, d_ff, bias=bias)
        self.down_proj = nn.Linear(d_ff, d_model, bias=bias)
        self.dropout = nn.Dropout(dropout)
        self.hidden, self.output = Probe(), Probe()

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.hidden(swiglu(self.gate_proj(x), self.up_proj(x)))  # (…, C) -> (…, d_ff)
        return self.output(self.down_proj(self.dropout(hidden)))  # (…, d_ff) -> (…, C)


NORMS: dict[str, Callable[[ModelConfig], nn.Module]] = {
    "layernorm": lambda c: LayerNorm(c.d_model, c.norm_eps, c.bias),
    "rmsnorm": lambda c: RMSNorm(c.d_model, c.norm_eps),
}


def _feed_forward(config: ModelConfig) -> nn.Module:
    c = config
    if c.ffn == "swiglu":
        return SwiGLU(c.d_model, c.d_ff, c.bias, c.dropout)
    return FeedForward(c.d_model, c.d_ff, c.ffn, c.bias, c.dropout)


def _attention(config: ModelConfig, layer: int) -> MultiHeadAttention:
    c = config
    rope = None
    if c.position == "rope":
        rope = RotaryPositionalEmbedding(c.head_dim, c.max_seq_len, c.rope_theta, c.rope_layout)
    return MultiHeadAttention(
        c.d_model,
        c.n_heads,
        c.n_kv_heads,
        rope=rope,
        alibi=c.position == "alibi",
        window=c.attention_window,
        bias=c.bias,
        qkv_bias=c.qkv_bias,
        dropout=c.attention_dropout,
        head_dim=c.head_dim,
        qk_norm_eps=c.norm_eps if c.qk_norm else None,
        layer=layer,
    )


class TransformerBlock(nn.Module):
    """One layer: ``x (B, T, C)`` to ``(B, T, C)``. ``block(x)`` runs alone.

    Pre-norm computes x + f(norm(x)) for each of the two sublayers f, post-norm norm(x + f(x)).
    ``mask``, ``cache``, ``positions`` and ``bias`` go to the attention. ``layer`` is the block's
    place in a :class:`llm.KVCache`.
    """

    def __init__(self, config: ModelConfig, layer: int = 0):
        super().__init__()
        self.attention_norm = NORMS[config.norm](config)
        self.attention = _attention(config, layer)
        self.ffn_norm = NORMS[config.norm](config)
        self.ffn = _feed_forward(config)
        self.dropout = nn.Dropout(config.dropout)
        self.pre_norm = config.norm_position == "pre"
        self.residual_pre, self.residual_mid, self.residual_post = Probe(), Probe(), Probe()

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        cache: KVCache | None = None,
        positions: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> Tensor:
        def attention(x):
            return self.attention(x, mask=mask, cache=cache, positions=positions, bias=bias)

        x = self.residual_pre(x)
        x = self.residual_mid(self._add(x, self.attention_norm, attention))
        return self.residual_post(self._add(x, self.ffn_norm, self.ffn))

    def _add(self, x: Tensor, norm: nn.Module, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        if self.pre_norm:
            return x + self.dropout(sublayer(norm(x)))
        return norm(x + self.dropout(sublayer(x)))
