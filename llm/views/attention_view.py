"""What does each head look at, and what changes without it? Every head of a model, on any text.

The model runs in the page (`engine.js`); a browser test holds what is shown to `llm.trace`.
"""

import html
import json

from llm.model import Transformer
from llm.pretrained import load
from llm.tokenization import BPETokenizer, CharTokenizer
from llm.views.attention_trace import TOKENS, TracedText
from llm.views.language_model import ViewModel, story_words
from llm.views.tokenizer_view import LIMIT, _checked
from llm.views.view import View, strings

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
        self.examples = [
            t for t in (STORIES if self.words else OTHERS) if TracedText(self.model, t).ids
        ]
        self.text = _checked(self.examples[0] if text is None and self.examples else text or "")
        self.traced = TracedText(self.model, self.text)
        if not self.traced.ids:
            raise ValueError(f"the model has no token for text {text!r}: give one that it can read")
        self._head = head if head is None else self._checked_head(head)

    def __repr__(self) -> str:
        head, n = self.head, len(self.traced.ids)
        return f"AttentionView(model={self.model.name!r}, head={head}, {n} tokens)"

    @property
    def head(self) -> tuple[int, int]:
        """Layer and head that the view opens with."""
        return self._head or self.traced.most_needed

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
        looks = [f"{q:<14} looks at  {k:<14} {w:.2f}" for q, k, w in self.traced.looks(*self.head)]
        after = [f"{token:<14} {p:7.2%} {q:7.2%}" for token, p, q in self.traced.effect(*self.head)]
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
            [(q, k, f"{w:.2f}") for q, k, w in self.traced.looks(*self.head)],
        )
        effect = _table(
            words["next_title"],
            (words["token"], words["with_all"], words["without"].format(head=name)),
            [(token, f"{p:.2%}", f"{q:.2%}") for token, p, q in self.traced.effect(*self.head)],
        )
        return f'<p class="llm-question">{words["question"]}</p>{looks}{effect}'

    def figure(self):
        """The weights of the head as a map."""
        from llm.plots import attention_map

        words = strings(self.name)
        title = words["map_title"].format(head=self._head_name())
        weights = self.traced.weights(*self.head).numpy()
        return attention_map(weights, self.traced.labels(self.traced.ids), title)

    def _checked_head(self, head) -> tuple[int, int]:
        limits = (self.config.n_layers, self.config.n_heads)
        whole = isinstance(head, tuple) and len(head) == 2 and all(type(n) is int for n in head)
        if not whole or not all(0 <= n < limit for n, limit in zip(head, limits, strict=True)):
            raise ValueError(
                f"head must be (layer, head) below ({limits[0]}, {limits[1]}), got {head!r}"
            )
        return head

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


def _table(caption: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    columns = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in head)
    lines = "".join(
        "<tr>" + "".join(f'<td dir="auto">{html.escape(value)}</td>' for value in row) + "</tr>"
        for row in rows
    )
    caption = f"<caption>{html.escape(caption)}</caption>"
    return f"<table>{caption}<thead><tr>{columns}</tr></thead><tbody>{lines}</tbody></table>"
