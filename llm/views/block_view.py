"""What does each block add, and to what does it add up? The residual stream of a token as a sum.

The model runs in the page (`engine.js`); a browser test holds what is shown to `llm.trace`.
"""

import json
from functools import cached_property

import torch
from torch import Tensor

from llm.generation import evaluating
from llm.model import Transformer
from llm.probes import trace
from llm.tokenization import BPETokenizer, CharTokenizer
from llm.views.attention_trace import TOKENS, TracedText
from llm.views.attention_view import STORIES, _table, _tells_stories
from llm.views.language_model import ViewModel, story_words
from llm.views.playground_view import PROMPTS, _shipped
from llm.views.tokenizer_view import LIMIT, _checked, visible
from llm.views.view import View, strings

LIVE = ("storyteller", "gpt-storyteller")  # the models between which the reader chooses
PARTS = ("attention", "ffn")
EXAMPLES = (
    STORIES[0],
    STORIES[0].split(" kite in")[0],
    "Once there was a queen called Mia.",
    "Once there was a boy called Tom. He",
)


class BlockView(View):
    """The residual stream of a token: what each part adds, the sum, and what it would say so far.

    Without arguments it holds the storyteller and the gpt-storyteller. ``model`` is a
    :class:`llm.Transformer` of your own with its ``tokenizer``, or the name of a model for
    :func:`llm.load`. ``token`` is the place in the text that is followed, by default the last;
    ``block`` the part looked at first, such as ``"2.ffn"``, and ``without`` the parts left out.
    Raises ``ValueError`` for a text without tokens of the model, for a place or a part that it does
    not have, and for what :class:`ViewModel` refuses.

    >>> BlockView("Once there was a", without=["0.ffn"])
    BlockView(storyteller, 5 tokens, without 0.ffn)
    """

    name = "block"

    def __init__(
        self,
        prompt: str | None = None,
        model: Transformer | str | None = None,
        tokenizer: BPETokenizer | CharTokenizer | None = None,
        *,
        name: str | None = None,
        token: int = -1,
        block: str | None = None,
        without: tuple[str, ...] | list[str] = (),
        anchor: str | None = None,
    ):
        super().__init__(anchor)
        if isinstance(prompt, Transformer):
            raise ValueError("prompt must be a str: write BlockView(prompt, model, tokenizer)")
        if isinstance(model, Transformer) or tokenizer is not None:
            words = strings(self.name)
            self.models = [ViewModel(name or words["own_model"], model, tokenizer)]
        else:
            self.models = [_shipped(one) for one in ([model] if model else LIVE)]
        self.examples = self._examples(self.models[0])
        self.prompt = _checked(self.examples[0] if prompt is None else prompt)
        self.ids = self._encode(self.prompt)
        if not -len(self.ids) <= token < len(self.ids):
            raise ValueError(f"token={token}: the text has {len(self.ids)} tokens for this model")
        self.token = token
        self.names = ["embedding", *(f"{i}.{p}" for i in range(self._depth) for p in PARTS)]
        self.block = self._part(block or self.names[-1], self.names)
        self.without = [self._part(name, self.names[1:]) for name in without]

    def __repr__(self) -> str:
        out = f", without {', '.join(self.without)}" if self.without else ""
        return f"BlockView({self.models[0].name}, {len(self.ids)} tokens{out})"

    def payload(self, inline: bool = True) -> dict:
        """The models, the text, what is looked at and what is left out."""
        start = {"prompt": self.prompt, "token": self.token, "block": self.block}
        start |= {"without": ",".join(self.without), "limit": LIMIT, "tokens": TOKENS}
        models = [m.spec(inline) | {"stories": _tells_stories(m.tokenizer)} for m in self.models]
        words = json.loads(story_words()) if any(m["stories"] for m in models) else None
        return start | {"models": models, "examples": self.examples, "words": words}

    def shared(self, inline: bool = True) -> dict[str, str]:
        """Weights and merges of the models, packed."""
        return {key: text for m in self.models for key, text in m.files(inline).items()}

    def describe(self) -> str:
        """What each part adds, the sum, and what the model would say if it ended there."""
        lines = [
            f"{name:<12} {added:>7} {stream:>7}  {word} {p}"
            for name, added, stream, _, word, p in self._texts()
        ]
        return "\n".join([repr(self), *lines])

    def fallback(self) -> str:
        """The same as a table."""
        words = strings(self.name)
        head = ("column_part", "column_added", "column_stream", "column_cosine")
        titles = tuple(words[t] for t in (*head, "column_says", "column_chance"))
        token = visible(self._word(self.ids[self.token]))
        caption = words["table_caption"].format(token=token, text=self.prompt)
        return f'<p class="llm-question">{words["question"]}</p>' + _table(
            caption, titles, self._texts()
        )

    def figure(self):
        """The lengths of what is added, as bars."""
        from llm.plots import stream_sum

        token = self._word(self.ids[self.token])
        return stream_sum(token, [(row[0], row[1], row[4]) for row in self._rows()])

    @property
    def _model(self) -> Transformer:
        return self.models[0].model

    @property
    def _depth(self) -> int:
        return self._model.config.n_layers

    def _word(self, token_id: int) -> str:
        return self.models[0].tokenizer.decode([token_id])

    def _part(self, name: str, names: list[str]) -> str:
        if name not in names:
            raise ValueError(f"no part {name!r}: choose from {', '.join(names)}")
        return name

    def _examples(self, m: ViewModel) -> list[str]:
        if _tells_stories(m.tokenizer):
            return list(EXAMPLES)
        if isinstance(m.tokenizer, BPETokenizer):
            return list(PROMPTS["plays"].values())
        letters = set(m.tokenizer.vocab.values())
        return [p for p in PROMPTS["plays"].values() if set(p) <= letters] or [min(letters)]

    def _encode(self, text: str) -> list[int]:
        ids = TracedText(self.models[0], text).ids
        if not ids:
            raise ValueError(f"the model has no token for text {text!r}: give one that it can read")
        return ids

    @cached_property
    def _acts(self) -> dict[str, Tensor]:
        """Every activation at the followed token, with the parts left out."""
        edits = {f"blocks.{name}.output": torch.zeros_like for name in self.without}
        ids = torch.tensor([self.ids], device=next(self._model.parameters()).device)
        with torch.no_grad(), evaluating(self._model), trace(self._model, edits) as acts:
            self._model(ids)
        return {n: a[0, self.token].float().cpu() for n, a in acts.items() if a.dim() == 3}

    def _rows(self) -> list[tuple[str, float, float, float | None, str, float]]:
        """Part, length of what it adds and of the sum, their cosine, likeliest word, its chance."""
        acts, before, rows = self._acts, None, []
        for name in self.names:
            added, after = acts[added_name(name)], acts[after_name(name)]
            alike = None if before is None else _cosine(added, before)
            chances = self._lens(after)
            best = int(chances.argmax())
            lengths = (float(added.norm()), float(after.norm()))
            rows.append((name, *lengths, alike, self._word(best), float(chances[best])))
            before = after
        return rows

    def _lens(self, row: Tensor) -> Tensor:
        """Chances ``(V,)`` if the model ended with this row of the stream."""
        with torch.no_grad():
            device = next(self._model.parameters()).device
            logits = self._model.lm_head(self._model.final_norm(row.to(device)))
        return logits.float().softmax(-1).cpu()

    def _texts(self) -> list[tuple[str, ...]]:
        return [
            (n, f"{a:.1f}", f"{s:.1f}", "" if c is None else f"{c:.2f}", visible(w), f"{p:.2%}")
            for n, a, s, c, w, p in self._rows()
        ]


def added_name(part: str) -> str:
    """The activation that a part adds."""
    return "embeddings" if part == "embedding" else f"blocks.{part}.output"


def after_name(part: str) -> str:
    """The activation that holds the stream after a part."""
    if part == "embedding":
        return "embeddings"
    layer, kind = part.split(".")
    return f"blocks.{layer}.residual_{'mid' if kind == 'attention' else 'post'}"


def _cosine(one: Tensor, other: Tensor) -> float:
    return float(one @ other / (one.norm() * other.norm()).clamp_min(1e-12))
