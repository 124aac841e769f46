"""What does each head look at, and what changes without it? Every head of a model, on any text.

The model runs in the page (`engine.js`); a browser test holds what is shown to `llm.trace`.
"""

import html
import json
from functools import cached_property

import torch
from torch import Tensor

from llm.generation import evaluating
from llm.model import Transformer
from llm.pretrained import load
from llm.probes import trace
from llm.tokenization import BPETokenizer, CharTokenizer
from llm.views.language_model import ViewModel, story_words
from llm.views.tokenizer_view import LIMIT, _checked, visible
from llm.views.view import View, strings

TOKENS = 128  # the view reads at most so many at a time
TOP = 5  # tokens compared before and after
_BEGINNING = (
    "Once there was a queen called Mia. She ruled in a castle. Mia had three friends, Tom, Ravi "
    "and Yuki. One day Ravi found a red kite in the pond. "
)
STORIES = (
    _BEGINNING + "Soon Ravi gave the red kite to Yuki. Who has the red kite now?",
    _BEGINNING + "Soon Ravi gave the",
    _BEGINNING + "Tom was tired, so",
    "Once there was a queen called Mia. She ruled in a castle.",
)
OTHERS = (
    "ROMEO:\nBut soft, what light through yonder window breaks?",
    "The cat sat on the mat because it was tired.",
)


class AttentionView(View):
    """All heads at a glance; one head step by step; the prediction without it.

    ``model`` is a :class:`llm.Transformer` that comes with its ``tokenizer``, called ``name``, or
    the name of a model for :func:`llm.load`; without one it is the storyteller. ``head`` is the
    ``(layer, head)`` shown first: by default the one without which the model's first choice for
    the next token loses most. Raises ``ValueError`` for a text without tokens of the model, for a
    head that it does not have, and for what :class:`ViewModel` refuses.

    >>> AttentionView()
    AttentionView(model='storyteller', head=(2, 4), 53 tokens)
    >>> AttentionView("To be, or not to be", my_model, my_tokenizer)
    """

    name = "attention"

    def __init__(
        self,
        text: str | None = None,
        model: Transformer | str | None = None,
        tokenizer: BPETokenizer | CharTokenizer | None = None,
        *,
        name: str | None = None,
        head: tuple[int, int] | None = None,
        anchor: str | None = None,
    ):
        super().__init__(anchor)
        if isinstance(text, Transformer):
            raise ValueError("text must be a str: write AttentionView(text, model, tokenizer)")
        self.model = _view_model(model, tokenizer, name)
        self.config = self.model.model.config
        self.words = json.loads(story_words()) if _tells_stories(self.model.tokenizer) else None
        self.examples = [t for t in (STORIES if self.words else OTHERS) if self._encode(t)]
        self.text = _checked(self.examples[0] if text is None and self.examples else text or "")
        self.ids = self._encode(self.text)
        if not self.ids:
            raise ValueError(f"the model has no token for text {text!r}: give one that it can read")
        self._head = head if head is None else self._checked_head(head)

    def __repr__(self) -> str:
        head, n = self.head, len(self.ids)
        return f"AttentionView(model={self.model.name!r}, head={head}, {n} tokens)"

    @property
    def head(self) -> tuple[int, int]:
        """Layer and head that the view opens with."""
        return self._head or self._most_needed

    def payload(self, inline: bool = True) -> dict:
        """Text, examples, the model's description, and the words of its stories if it tells any."""
        layer, head = self.head
        start = {"text": self.text, "layer": layer, "head": head, "examples": self.examples}
        limits = {"limit": LIMIT, "tokens": TOKENS}
        return start | limits | {"words": self.words, "model": self.model.spec(inline)}

    def shared(self, inline: bool = True) -> dict[str, str]:
        """The weights and the merges."""
        return self.model.files(inline)

    def describe(self) -> str:
        """What each token looks at most, and the next token with and without the head."""
        looks = [f"{q:<14} looks at  {k:<14} {w:.2f}" for q, k, w in self._looks()]
        after = [f"{token:<14} {p:7.2%} {q:7.2%}" for token, p, q in self._effect()]
        words = strings(self.name)
        title = words["without"].format(head=self._head_name())
        return "\n".join([repr(self), *looks, f"{words['with_all']} / {title}:", *after])

    def fallback(self) -> str:
        """The same as two tables."""
        words = strings(self.name)
        name = self._head_name()
        looks = _table(
            words["table_looks"].format(head=name),
            (words["query"], words["most"], words["weight"]),
            [(q, k, f"{w:.2f}") for q, k, w in self._looks()],
        )
        effect = _table(
            words["next_title"],
            (words["token"], words["with_all"], words["without"].format(head=name)),
            [(token, f"{p:.2%}", f"{q:.2%}") for token, p, q in self._effect()],
        )
        return f'<p class="llm-question">{words["question"]}</p>{looks}{effect}'

    def figure(self):
        """The weights of the head as a map."""
        from llm.plots import attention_map

        layer, head = self.head
        words = strings(self.name)
        title = words["map_title"].format(head=self._head_name())
        return attention_map(self._weights(layer)[head].numpy(), self._labels(self.ids), title)

    def _encode(self, text: str) -> list[int]:
        """Ids as the page reads them: what is known, behind the begin token, the end of it."""
        tokenizer = self.model.tokenizer
        if isinstance(tokenizer, CharTokenizer):
            known = set(tokenizer.vocab.values())
            start, ids = [], tokenizer.encode("".join(c for c in text if c in known))
        else:
            begin = tokenizer.special_tokens.get("<|begin|>")
            start, ids = [] if begin is None else [begin], tokenizer.encode(text.rstrip())
        room = min(self.config.max_seq_len, TOKENS) - len(start)
        return start + ids[max(0, len(ids) - room) :]

    def _checked_head(self, head) -> tuple[int, int]:
        limits = (self.config.n_layers, self.config.n_heads)
        whole = isinstance(head, tuple) and len(head) == 2 and all(type(n) is int for n in head)
        if not whole or not all(0 <= n < limit for n, limit in zip(head, limits, strict=True)):
            raise ValueError(
                f"head must be (layer, head) below ({limits[0]}, {limits[1]}), got {head!r}"
            )
        return head

    @cached_property
    def _acts(self) -> dict[str, Tensor]:
        return self._run(1)

    def _run(self, copies: int, edits: dict | None = None) -> dict[str, Tensor]:
        """Every activation, for some copies of the text."""
        model = self.model.model
        ids = torch.tensor([self.ids] * copies, device=next(model.parameters()).device)
        with torch.no_grad(), evaluating(model), trace(model, edits) as acts:
            model(ids)
        return acts

    def _weights(self, layer: int) -> Tensor:
        return self._acts[f"blocks.{layer}.attention.weights"][0].float().cpu()

    def _chances(self, layer: int | None = None) -> Tensor:
        """For the next token ``(1, V)``, or ``(H, V)`` without each head of a layer in turn."""
        if layer is None:
            return self._acts["logits"][:, -1].float().softmax(-1).cpu()
        edits = {f"blocks.{layer}.attention.weights": _each_without_one}
        return self._run(self.config.n_heads, edits)["logits"][:, -1].float().softmax(-1).cpu()

    @cached_property
    def _most_needed(self) -> tuple[int, int]:
        """The head without which the first choice for the next token has the smallest chance."""
        first = int(self._chances()[0].argmax())
        chances = torch.stack([self._chances(i)[:, first] for i in range(self.config.n_layers)])
        return divmod(int(chances.argmin()), self.config.n_heads)

    def _looks(self) -> list[tuple[str, str, float]]:
        """For each token the one that the head looks at most, and with what weight."""
        layer, head = self.head
        weights, keys = self._weights(layer)[head].max(-1)
        labels = self._labels(self.ids)
        return [(labels[t], labels[k], float(weights[t])) for t, k in enumerate(keys.tolist())]

    def _effect(self) -> list[tuple[str, float, float]]:
        """The likeliest next tokens, with their chances before and after the head is taken out."""
        layer, head = self.head
        before, after = self._chances()[0], self._chances(layer)[head]
        top = dict.fromkeys([*before.topk(TOP).indices.tolist(), *after.topk(TOP).indices.tolist()])
        rows = zip(self._labels(top), before[[*top]].tolist(), after[[*top]].tolist(), strict=True)
        return sorted(rows, key=lambda row: -max(row[1:]))

    def _labels(self, ids) -> list[str]:
        return [visible(self.model.tokenizer.decode([token_id])) for token_id in ids]

    def _head_name(self) -> str:
        return "{}.{}".format(*self.head)


def _view_model(model, tokenizer, name: str | None) -> ViewModel:
    if model is None or isinstance(model, str):
        if tokenizer is not None:
            raise ValueError(
                f"model={model!r} comes with its own tokenizer: leave tokenizer out, or give a "
                "llm.Transformer"
            )
        model = model or "storyteller"
        return ViewModel(name or model, *load(model))
    words = strings("attention")
    return ViewModel(name or words["own_model"], model, tokenizer)


def _tells_stories(tokenizer) -> bool:
    """Whether each word of the stories is one token."""
    if not isinstance(tokenizer, BPETokenizer):
        return False
    tokens = set(tokenizer.vocab.values())
    lists = [v for v in json.loads(story_words()).values() if isinstance(v, list | dict)]
    return all(f" {word}".encode() in tokens for words in lists for word in words)


def _each_without_one(weights: Tensor) -> Tensor:
    """Weights ``(H, H, T, S)`` of copies of a text: copy ``h`` loses head ``h``."""
    weights = weights.clone()
    heads = torch.arange(len(weights))
    weights[heads, heads] = 0
    return weights


def _table(caption: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    columns = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in head)
    lines = "".join(
        "<tr>" + "".join(f'<td dir="auto">{html.escape(value)}</td>' for value in row) + "</tr>"
        for row in rows
    )
    caption = f"<caption>{html.escape(caption)}</caption>"
    return f"<table>{caption}<thead><tr>{columns}</tr></thead><tbody>{lines}</tbody></table>"
