"""The whole model: embeddings, a stack of blocks, a final norm, a head.

One class, :class:`Transformer`, holds every variant; the named models only choose a config.
Decoder-only transformers: Radford et al. (2018); LLaMA: Touvron et al. (2023).
"""

import torch
from torch import Tensor, nn

from llm.attention import KVCache
from llm.config import GPT_STYLE, LLAMA_STYLE, RELATIVE_BUCKETS, ModelConfig
from llm.embeddings import (
    LearnedPositionalEmbedding,
    SinusoidalPositionalEncoding,
    TokenEmbedding,
    check_batch,
    check_ids,
    relative_bias,
)
from llm.generation import generate
from llm.initialization import initialize
from llm.layer_block import NORMS, TransformerBlock
from llm.probes import Probe


class Embeddings(nn.Module):
    """Token rows plus, where positions are added to them, position rows; then dropout.

    ``forward(token_ids (B, T), positions (B or 1, T))`` returns ``(B, T, C)``. With relative
    positions ``position`` holds the table of biases ``(buckets, H)``; with rope, alibi and none it
    is ``None``.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        c = config
        self.token = TokenEmbedding(c.vocab_size, c.d_model, scale=c.scale_embeddings)
        kinds = {
            "sinusoidal": lambda: SinusoidalPositionalEncoding(c.d_model, c.max_seq_len),
            "learned": lambda: LearnedPositionalEmbedding(c.d_model, c.max_seq_len),
            "relative": lambda: nn.Embedding(RELATIVE_BUCKETS, c.n_heads),
        }
        self.position = kinds.get(c.position, lambda: None)()
        self.added = c.position in ("sinusoidal", "learned")
        self.dropout = nn.Dropout(c.dropout)

    def forward(self, token_ids: Tensor, positions: Tensor) -> Tensor:
        x = self.token(token_ids)  # (B, T) -> (B, T, C)
        if self.added:
            x = x + self.position(positions)
        return self.dropout(x)


class Transformer(nn.Module):
    """A decoder-only language model built from a :class:`llm.ModelConfig`.

    Weights start as in GPT-2; :func:`llm.initialize` has the other ways.
    """

    traced = ("embeddings", "final_norm")  # besides the probes; see llm.probes

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.blocks = nn.ModuleList(TransformerBlock(config, i) for i in range(config.n_layers))
        # A post-norm block ends in a norm of its own.
        self.final_norm = NORMS[config.norm](config) if config.norm_position == "pre" else Probe()
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.logits = Probe()
        initialize(self)
        if config.tie_embeddings:
            self.lm_head.weight = self.embeddings.token.weight

    def forward(
        self,
        token_ids: Tensor,
        cache: KVCache | None = None,
        padding_mask: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Logits ``(B, T, V)`` for ``token_ids (B, T)``: row t scores the token after position t.

        With a ``cache`` the tokens continue those it holds. ``padding_mask (B, S)``, cached tokens
        included, is True for real tokens; positions then count real tokens only. ``positions
        (B or 1, T)`` overrides that. Raises ``ValueError`` for more than ``max_seq_len`` tokens,
        ids outside the vocabulary, and masks or positions that do not fit.
        """
        past = 0 if cache is None else cache.length
        self._check(token_ids, past, padding_mask, positions)
        new = _positions(token_ids, past, padding_mask) if positions is None else positions
        positions = new if cache is None else cache.append_positions(new)  # (B or 1, S)
        mask = None if padding_mask is None else padding_mask[:, None, None, :]  # (B, 1, 1, S)
        bias = self._relative_bias(new, positions)
        x = self.embeddings(token_ids, new)  # (B, T) -> (B, T, C)
        for block in self.blocks:
            x = block(x, mask=mask, cache=cache, positions=positions, bias=bias)
        return self.logits(self.lm_head(self.final_norm(x)))  # (B, T, C) -> (B, T, V)

    generate = generate

    def n_params(self, trainable_only: bool = False, embeddings: bool = True) -> int:
        """Count parameters, shared ones once; ``embeddings=False`` leaves out the token and
        position tables (and so the head, where it is tied to the token table)."""
        left_out = set() if embeddings else {id(p) for p in self.embeddings.parameters()}
        return sum(
            p.numel()
            for p in self.parameters()
            if id(p) not in left_out and (p.requires_grad or not trainable_only)
        )

    def _relative_bias(self, queries: Tensor, keys: Tensor) -> Tensor | None:
        if self.config.position != "relative":
            return None
        return relative_bias(self.embeddings.position.weight, queries, keys)  # (B or 1, H, T, S)

    def _check(self, token_ids, past, padding_mask, positions) -> None:
        """What a caller can get wrong; the embeddings check the ids themselves."""
        check_batch(token_ids)
        B, T = token_ids.shape
        limit = self.config.max_seq_len
        if past + T > limit:
            cached = f" after {past} cached ones" if past else ""
            raise ValueError(
                f"{T} tokens{cached} exceed max_seq_len={limit}: shorten the input, or use "
                "generate(), which keeps the last max_seq_len tokens"
            )
        if padding_mask is not None and (
            padding_mask.shape != (B, past + T) or padding_mask.dtype != torch.bool
        ):
            raise ValueError(
                f"padding_mask must be bool of shape {(B, past + T)}, cached tokens included, "
                f"got {padding_mask.dtype} {tuple(padding_mask.shape)}"
            )
        if positions is not None:
            if positions.dim() != 2 or positions.shape[1] != T or len(positions) not in (1, B):
                raise ValueError(
                    f"positions must be (B or 1, T) = ({B} or 1, {T}), got {tuple(positions.shape)}"
                )
            check_ids(positions, limit, "position", "max_seq_len")


def _positions(token_ids: Tensor, past: int, padding_mask: Tensor | None) -> Tensor:
    """Positions ``(B or 1, T)`` of new tokens: 0, 1, 2, … over the real tokens of each row."""
    T = token_ids.shape[1]
    if padding_mask is None:
        return torch.arange(past, past + T, device=token_ids.device)[None]
    return (padding_mask.long().cumsum(-1) - 1).clamp(min=0)[:, -T:]


class _Preset(Transformer):
    """A transformer of one style: takes a finished config, or the fields that differ from it."""

    style: dict = {}

    def __init__(self, config: ModelConfig | None = None, **fields):
        if (config is None) == (not fields):
            raise ValueError(
                f"{type(self).__name__} takes a ModelConfig or fields such as vocab_size=…, "
                "one of the two"
            )
        super().__init__(ModelConfig(**self.style | fields) if config is None else config)


class GPT(_Preset):
    """GPT-2's architecture: learned positions, LayerNorm, tanh GELU, biases, a tied head."""

    style = GPT_STYLE


class Llama(_Preset):
    """LLaMA's architecture: rotary positions, RMSNorm, SwiGLU, no biases, a head of its own."""

    style = LLAMA_STYLE


class SimpleLLM(Transformer):
    """A GPT-2-sized model with sinusoidal positions and token rows scaled by √d_model."""

    def __init__(
        self,
        vocab_size: int = 50257,
        d_model: int = 768,
        n_layers: int = 12,
        n_heads: int = 12,
        d_ff: int = 3072,
        max_seq_len: int = 1024,
        dropout: float = 0.1,
        use_learned_pe: bool = False,
        tie_embeddings: bool = True,
    ):
        super().__init__(
            ModelConfig.simple_llm(
                vocab_size=vocab_size,
                d_model=d_model,
                n_layers=n_layers,
                n_heads=n_heads,
                d_ff=d_ff,
                max_seq_len=max_seq_len,
                dropout=dropout,
                position="learned" if use_learned_pe else "sinusoidal",
                tie_embeddings=tie_embeddings,
            )
        )
