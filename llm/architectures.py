"""The other families: an encoder, an encoder with a decoder, and a recurrent network.

All are made of the parts of the earlier chapters. An encoder lifts the causal mask (BERT: Devlin et
al., 2019). A decoder with an encoder has a third residual line, cross-attention, which reads the
other text (Vaswani et al., 2017; T5: Raffel et al., 2020). A recurrent network has no attention.
Logits are ``(B, T, V)`` everywhere.
"""

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llm.attention import CrossAttention
from llm.config import RELATIVE_BUCKETS, ModelConfig
from llm.embeddings import LearnedPositionalEmbedding, TokenEmbedding, check_batch, relative_bias
from llm.generation import evaluating
from llm.initialization import initialize
from llm.layer_block import NORMS, RMSNorm, TransformerBlock
from llm.training import IGNORE

BERT_STYLE = {"norm_position": "post", "norm_eps": 1e-12}
T5_STYLE = {"position": "relative", "norm": "rmsnorm", "ffn": "relu", "bias": False}
T5_STYLE |= {"norm_eps": 1e-6}


class Encoder(nn.Module):
    """BERT: every token sees every token, and a head says which word stands at each place.

    ``sizes`` are fields of :class:`llm.ModelConfig`. Blocks are post-norm. Embeddings are a sum of
    a token's row, its position's and its segment's (which of two texts it belongs to), then a norm.
    Source: Devlin et al. (2019, section 3).
    """

    def __init__(self, vocab_size: int, n_segments: int = 2, **sizes):
        super().__init__()
        self.config = c = ModelConfig(vocab_size=vocab_size, **BERT_STYLE | sizes)
        self.token = TokenEmbedding(c.vocab_size, c.d_model)
        self.position = LearnedPositionalEmbedding(c.d_model, c.max_seq_len)
        self.segment = TokenEmbedding(n_segments, c.d_model)
        self.embedding_norm, self.head_norm = NORMS[c.norm](c), NORMS[c.norm](c)
        self.dropout = nn.Dropout(c.dropout)
        self.blocks = nn.ModuleList(_block(TransformerBlock, c, i) for i in range(c.n_layers))
        self.transform = nn.Linear(c.d_model, c.d_model)
        self.lm_head = nn.Linear(c.d_model, c.vocab_size)  # with a bias, which GPT's has not
        initialize(self)
        self.lm_head.weight = self.token.weight

    def encode(
        self, token_ids: Tensor, segments: Tensor | None = None, padding_mask: Tensor | None = None
    ) -> Tensor:
        """A vector for each token, made of the whole text: ids ``(B, T)`` to ``(B, T, C)``.

        ``segments (B, T)`` count from 0; ``padding_mask (B, T)`` is True for real tokens.
        """
        check_batch(token_ids)
        segments = torch.zeros_like(token_ids) if segments is None else segments
        positions = torch.arange(token_ids.shape[1], device=token_ids.device)
        x = self.token(token_ids) + self.position(positions) + self.segment(segments)
        x = self.dropout(self.embedding_norm(x))  # (B, T) -> (B, T, C)
        for block in self.blocks:
            x = block(x, mask=_keys(padding_mask))
        return x

    def forward(
        self, token_ids: Tensor, segments: Tensor | None = None, padding_mask: Tensor | None = None
    ) -> Tensor:
        """Logits ``(B, T, V)``: row t scores the token *at* position t, not the one after it."""
        x = F.gelu(self.transform(self.encode(token_ids, segments, padding_mask)))
        return self.lm_head(self.head_norm(x))  # (B, T, C) -> (B, T, V)


class DecoderBlock(TransformerBlock):
    """A block with three residual lines: the text so far, the other text, the network."""

    def __init__(self, config: ModelConfig, layer: int = 0):
        super().__init__(config, layer)
        c = config
        options = {"head_dim": c.head_dim, "bias": c.bias, "dropout": c.attention_dropout}
        options |= {"scale": 1.0 if c.position == "relative" else None}
        self.cross_norm = NORMS[c.norm](c)
        self.cross_attention = CrossAttention(c.d_model, c.n_heads, **options)

    def forward(self, x: Tensor, context: Tensor, context_mask=None, bias=None) -> Tensor:
        """``x (B, T, C)`` with ``context (B, S, C)`` to ``(B, T, C)``."""
        cross = partial(self.cross_attention, context=context, mask=context_mask)
        x = self._add(x, self.attention_norm, partial(self.attention, bias=bias))
        x = self._add(x, self.cross_norm, cross)
        return self._add(x, self.ffn_norm, self.ffn)


class EncoderDecoder(nn.Module):
    """T5: an encoder reads a source text, a decoder writes another and looks at it in each block.

    Scores are not divided by √D, positions are a bias for each distance, shared by the blocks of a
    stack and absent from cross-attention, and the tied head is scaled by 1/√C. ``sizes`` are fields
    of :class:`llm.ModelConfig`. Source: Raffel et al. (2020, section 2.1).
    """

    def __init__(self, vocab_size: int, **sizes):
        super().__init__()
        self.config = c = ModelConfig(vocab_size=vocab_size, **T5_STYLE | sizes)
        self.token = TokenEmbedding(c.vocab_size, c.d_model)
        self.encoder = nn.ModuleList(_block(TransformerBlock, c, i) for i in range(c.n_layers))
        self.decoder = nn.ModuleList(_block(DecoderBlock, c, i, True) for i in range(c.n_layers))
        for stack in ("encoder", "decoder"):
            setattr(self, f"{stack}_position", nn.Embedding(RELATIVE_BUCKETS, c.n_heads))
            setattr(self, f"{stack}_norm", RMSNorm(c.d_model, c.norm_eps))
        self.dropout = nn.Dropout(c.dropout)
        initialize(self, "xavier")
        with torch.no_grad():  # what T5 does in place of the division by √D
            nn.init.normal_(self.token.weight)
            for name, weight in self.named_parameters():
                if name.endswith("q_proj.weight"):
                    weight /= math.sqrt(c.head_dim)

    def encode(self, source: Tensor, source_mask: Tensor | None = None) -> Tensor:
        """Read the source ``(B, S)`` once: ``(B, S, C)``. The mask is True for real tokens."""
        check_batch(source)
        bias = _bias(self.encoder_position, source, bidirectional=True)
        x = self.dropout(self.token(source))
        for block in self.encoder:
            x = block(x, mask=_keys(source_mask), bias=bias)
        return self.dropout(self.encoder_norm(x))

    def decode(
        self, token_ids: Tensor, context: Tensor, source_mask: Tensor | None = None
    ) -> Tensor:
        """Logits ``(B, T, V)`` for the token after each of ``token_ids (B, T)``."""
        check_batch(token_ids)
        bias = _bias(self.decoder_position, token_ids, bidirectional=False)
        x = self.dropout(self.token(token_ids))
        for block in self.decoder:
            x = block(x, context, _keys(source_mask), bias)
        x = self.dropout(self.decoder_norm(x)) / math.sqrt(self.config.d_model)
        return x @ self.token.weight.T  # (B, T, C) -> (B, T, V)

    def forward(
        self, source: Tensor, token_ids: Tensor, source_mask: Tensor | None = None
    ) -> Tensor:
        """Source ``(B, S)`` and the text written so far ``(B, T)`` to logits ``(B, T, V)``."""
        return self.decode(token_ids, self.encode(source, source_mask), source_mask)

    @torch.no_grad()
    def write(self, source: Tensor, begin: int, max_new_tokens: int, source_mask=None) -> Tensor:
        """The likeliest token, again and again, after ``begin``: ``(B, max_new_tokens)``."""
        written = torch.full((len(source), 1), begin, device=source.device)
        with evaluating(self):
            context = self.encode(source, source_mask)
            for _ in range(max_new_tokens):
                newest = self.decode(written, context, source_mask)[:, -1].argmax(-1)
                written = torch.cat([written, newest[:, None]], dim=1)
        return written[:, 1:]


class RNN(nn.Module):
    """A recurrent language model: one state, changed by each token; logits ``(B, T, V)``.

    ``kind`` is ``"lstm"`` (Hochreiter and Schmidhuber, 1997), ``"gru"`` (Cho et al., 2014) or
    ``"rnn"``, the plain one.
    """

    def __init__(self, vocab_size: int, d_model: int, n_layers: int = 1, kind: str = "lstm"):
        super().__init__()
        kinds = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
        if kind not in kinds:
            raise ValueError(f"kind={kind!r}: choose one of {', '.join(kinds)}")
        self.token = nn.Embedding(vocab_size, d_model)
        self.rnn = kinds[kind](d_model, d_model, n_layers, batch_first=True)
        self.lm_head = nn.Linear(d_model, vocab_size, bias=False)

    def forward(self, token_ids: Tensor) -> Tensor:
        check_batch(token_ids)
        states, _ = self.rnn(self.token(token_ids))  # (B, T) -> (B, T, C)
        return self.lm_head(states)  # (B, T, C) -> (B, T, V)


def mask_tokens(
    token_ids: Tensor,
    mask_id: int,
    vocab_size: int,
    special: tuple[int, ...] = (),
    share: float = 0.15,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """A lesson for an encoder: ids ``(B, T)`` with words hidden, and the targets ``(B, T)``.

    Each token but the ``special`` ones is chosen with probability ``share``. Of the chosen, 80% are
    replaced by ``mask_id``, 10% by a random token, 10% stay. Targets are the chosen tokens, and
    :data:`IGNORE` elsewhere. Source: Devlin et al. (2019, section 3.1).
    """
    if not 0 < share <= 1:
        raise ValueError(f"share={share} must be above 0 and at most 1: BERT hides 0.15")
    ids = token_ids.cpu()  # drawn on the CPU, so that a seed means the same everywhere
    chance, fate = torch.rand(2, *ids.shape, generator=generator)
    chosen = (chance < share) & ~torch.isin(ids, torch.tensor([*special, mask_id]))
    strangers = torch.randint(vocab_size, ids.shape, generator=generator)
    hidden = torch.where(fate < 0.8, mask_id, torch.where(fate < 0.9, strangers, ids))
    inputs = torch.where(chosen, hidden, ids)
    return inputs.to(token_ids.device), ids.where(chosen, IGNORE).to(token_ids.device)


def _block(kind: type, config: ModelConfig, layer: int, causal: bool = False) -> TransformerBlock:
    """A block that looks both ways unless it is ``causal``; T5 does not divide the scores."""
    block = kind(config, layer)
    block.attention.causal = causal
    block.attention.scale = 1.0 if config.position == "relative" else None
    return block


def _bias(table: nn.Embedding, token_ids: Tensor, bidirectional: bool) -> Tensor:
    positions = torch.arange(token_ids.shape[1], device=token_ids.device)[None]
    return relative_bias(table.weight, positions, bidirectional=bidirectional)  # (1, H, T, T)


def _keys(padding_mask: Tensor | None) -> Tensor | None:
    """Which keys are real, for every head and query: ``(B, S)`` to ``(B, 1, 1, S)``."""
    return None if padding_mask is None else padding_mask[:, None, None, :]
