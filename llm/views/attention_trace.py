"""A text as the heads of a model read it: what each token looks at, and the text without a head."""

from functools import cached_property

import torch
from torch import Tensor

from llm.generation import evaluating
from llm.probes import trace
from llm.tokenization import CharTokenizer
from llm.views.language_model import ViewModel
from llm.views.tokenizer_view import visible

TOKENS = 128  # a view of attention reads at most so many at a time
TOP = 5  # tokens compared before and after


class TracedText:
    """The activations of a text, worked out when first asked for.

    ``ids`` are those that the page reads: what the model knows, behind the begin token where there
    is one, and of a long text its end.
    """

    def __init__(self, view_model: ViewModel, text: str):
        self.model, self.tokenizer = view_model.model, view_model.tokenizer
        self.config = self.model.config
        self.ids = self._encode(text)

    def _encode(self, text: str) -> list[int]:
        if isinstance(self.tokenizer, CharTokenizer):
            known = set(self.tokenizer.vocab.values())
            start, ids = [], self.tokenizer.encode("".join(c for c in text if c in known))
        else:
            begin = self.tokenizer.special_tokens.get("<|begin|>")
            start = [] if begin is None else [begin]
            ids = self.tokenizer.encode(text.rstrip())
        room = min(self.config.max_seq_len, TOKENS) - len(start)
        return start + ids[max(0, len(ids) - room) :]

    @cached_property
    def most_needed(self) -> tuple[int, int]:
        """The head without which the first choice for the next token has the smallest chance."""
        first = int(self._chances()[0].argmax())
        chances = torch.stack([self._chances(i)[:, first] for i in range(self.config.n_layers)])
        return divmod(int(chances.argmin()), self.config.n_heads)

    def weights(self, layer: int, head: int) -> Tensor:
        """``(T, T)``: how much each token looks at each other."""
        return self._acts[f"blocks.{layer}.attention.weights"][0, head].float().cpu()

    def looks(self, layer: int, head: int) -> list[tuple[str, str, float]]:
        """For each token the one that the head looks at most, and with what weight."""
        weights, keys = self.weights(layer, head).max(-1)
        labels = self.labels(self.ids)
        return [(labels[t], labels[k], float(weights[t])) for t, k in enumerate(keys.tolist())]

    def effect(self, layer: int, head: int) -> list[tuple[str, float, float]]:
        """The likeliest next tokens, with their chances before and after the head is taken out."""
        before, after = self._chances()[0], self._chances(layer)[head]
        n = min(TOP, len(before))
        top = dict.fromkeys([*before.topk(n).indices.tolist(), *after.topk(n).indices.tolist()])
        rows = zip(self.labels(top), before[[*top]].tolist(), after[[*top]].tolist(), strict=True)
        return sorted(rows, key=lambda row: -max(row[1:]))

    def labels(self, ids) -> list[str]:
        """Tokens as they are shown: each character can be seen."""
        return [visible(self.tokenizer.decode([token_id])) for token_id in ids]

    @cached_property
    def _acts(self) -> dict[str, Tensor]:
        return self._run(1)

    def _run(self, copies: int, edits: dict | None = None) -> dict[str, Tensor]:
        """Every activation, for some copies of the text."""
        ids = torch.tensor([self.ids] * copies, device=next(self.model.parameters()).device)
        with torch.no_grad(), evaluating(self.model), trace(self.model, edits) as acts:
            self.model(ids)
        return acts

    def _chances(self, layer: int | None = None) -> Tensor:
        """For the next token ``(1, V)``, or ``(H, V)`` without each head of a layer in turn."""
        if layer is None:
            acts = self._acts
        else:
            edits = {f"blocks.{layer}.attention.weights": _each_without_one}
            acts = self._run(self.config.n_heads, edits)
        return acts["logits"][:, -1].float().softmax(-1).cpu()


def _each_without_one(weights: Tensor) -> Tensor:
    """Weights ``(H, H, T, S)`` of copies of a text: copy ``h`` loses head ``h``."""
    weights = weights.clone()
    heads = torch.arange(len(weights))
    weights[heads, heads] = 0
    return weights
