"""A model with its tokenizer as the views take them, see `language_model.js` and `engine.js`."""

import base64
import gzip
import json

import numpy as np
import torch

from llm.embeddings import alibi_bias, relative_bias
from llm.model import Transformer
from llm.tokenization import BPETokenizer, CharTokenizer
from llm.views.tokenizer_view import pack, tokenizer_spec

TABLES = ("embeddings.token.weight", "lm_head.weight")
LARGEST = 4_000_000  # parameters; a page with more is slow to load and to answer


class ViewModel:
    """What a view needs of a model: ``spec`` for its payload and ``files`` for its shared texts.

    Raises ``ValueError`` for what is no :class:`Transformer` or tokenizer of this book, for sizes
    that do not fit together, and for a model that is too large for a page.
    """

    def __init__(self, name: str, model: Transformer, tokenizer: BPETokenizer | CharTokenizer):
        if not isinstance(model, Transformer):
            raise ValueError(f"model must be a llm.Transformer, got {type(model).__name__}")
        if not isinstance(tokenizer, BPETokenizer | CharTokenizer):
            raise ValueError(
                "tokenizer must be a llm.BPETokenizer or llm.CharTokenizer, got "
                f"{type(tokenizer).__name__}"
            )
        if max(tokenizer.vocab) >= model.config.vocab_size:
            raise ValueError(
                f"the tokenizer has ids up to {max(tokenizer.vocab)}, the model a vocab_size of "
                f"{model.config.vocab_size}: give the tokenizer that the model was trained with"
            )
        if model.n_params() > LARGEST:
            raise ValueError(
                f"the model has {model.n_params():,} parameters, a page takes {LARGEST:,}: use "
                "llm.trace and llm.plots for it, or make it smaller"
            )
        self.name, self.model, self.tokenizer = name, model, tokenizer
        self.weights = _weights(model)
        self.key = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower())

    def spec(self, inline: bool) -> dict:
        """Config, tokenizer, and the names, shapes and number formats of the weights."""
        tensors = [[n, list(w.shape), _format(n, w, inline)] for n, w in self.weights.items()]
        config = {k: v for k, v in vars(self.model.config).items() if not k.startswith("_")}
        tokenizer = tokenizer_spec(self.key, self.name, self.tokenizer)
        return {
            "name": self.name,
            "file": f"weights-{self.key}",
            "config": config,
            "tensors": tensors,
            "tokenizer": tokenizer,
        }

    def files(self, inline: bool) -> dict[str, str]:
        """The weights and, of a BPE tokenizer, the merges, packed.

        In a file of the site the weights are exact, in 16 bits where they were kept in these;
        ``inline`` most are integers of 8 bits with a scale for each row of a matrix.
        """
        data = b"".join(packed_bytes(w, _format(n, w, inline)) for n, w in self.weights.items())
        files = {f"weights-{self.key}": base64.b64encode(gzip.compress(data, mtime=0)).decode()}
        if isinstance(self.tokenizer, BPETokenizer):
            files[f"bpe-{self.key}"] = pack(self.tokenizer)
        return files


def _weights(model: Transformer) -> dict[str, np.ndarray]:
    """All weights by name in float32, shared ones once; biases of positions as a table."""
    weights = {name: p.detach().float().cpu().numpy() for name, p in model.named_parameters()}
    config, positions = model.config, torch.arange(model.config.max_seq_len)
    if config.position == "relative":
        table = model.embeddings.position.weight.detach().float().cpu()
        del weights["embeddings.position.weight"]
        bias = relative_bias(table, positions[-1:], positions)
    elif config.position == "alibi":
        bias = alibi_bias(config.n_heads, positions[-1:], positions)
    else:
        return weights
    return weights | {"position_bias": bias[:, 0].flip(-1).numpy()}  # (H, distance)


def _format(name: str, weights: np.ndarray, inline: bool) -> str:
    """``f4``, ``f2`` or ``i1``: vectors stay whole, and so does what half precision would change.

    With ``inline`` the table of tokens has 16 bits and all else 8. Eight bits in the table would
    change the order of words that are equally likely, at twice as many places as all the rest.
    """
    if weights.ndim < 2 or np.abs(weights).max() > np.finfo("<f2").max:
        return "f4"
    if inline:
        return "f2" if name in TABLES else "i1"
    return "f2" if (weights.astype("<f2") == weights).all() else "f4"


def packed_bytes(weights: np.ndarray, kind: str) -> bytes:
    """Numbers as bytes: ``f4`` and ``f2`` as they are, ``i1`` with a scale for each row."""
    if kind == "f4":
        return weights.astype("<f4").tobytes()
    if kind == "f2":  # low bytes, then high bytes, which are alike and pack well
        return weights.astype("<f2").reshape(-1, 1).view(np.uint8).T.tobytes()
    scales = np.maximum(np.abs(weights).max(axis=1, keepdims=True), 1e-12).astype("<f4") / 127
    whole = np.round(weights / scales).astype(np.int8)
    return scales.astype("<f4").tobytes() + whole.tobytes()


def tokens_of(model: Transformer, tokenizer, text: str) -> list[int]:
    """The ids of ``text`` as the views read it, at most ``max_seq_len``: the end of a long text.

    The begin token stands before it where there is one; characters without an id are left out.
    """
    room = model.config.max_seq_len
    if isinstance(tokenizer, CharTokenizer):
        known = set(tokenizer.vocab.values())
        return tokenizer.encode("".join(c for c in text if c in known))[-room:]
    begin = tokenizer.special_tokens.get("<|begin|>")
    if begin is None:
        return tokenizer.encode(text)[-room:]
    return [begin, *tokenizer.encode(text)[-(room - 1) :]]


def story_words() -> str:
    """The lists that the stories choose from, as JSON for `stories.js`."""
    from llm.story_words import WORDS

    return json.dumps(vars(WORDS), default=dict)
