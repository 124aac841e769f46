"""What does a model read at each step of writing, and how much work is it with a KV cache?

The model runs in the page (`engine.js`); a browser test holds what is shown to `llm.generate` and
`llm.multiply_adds`.
"""

import html
from functools import cached_property

import torch

from llm.generation import generate
from llm.model import Transformer
from llm.scaling import kv_cache_bytes, multiply_adds
from llm.tokenization import BPETokenizer, CharTokenizer
from llm.views.attention_trace import TracedText
from llm.views.language_model import ViewModel
from llm.views.playground_view import _shipped
from llm.views.tokenizer_view import LIMIT, _checked, visible
from llm.views.view import View, strings

LIVE = ("storyteller", "gpt-storyteller")
EXAMPLES = ("Once there was a queen called Mia. She", "Once there was a")
STEPS = 40  # tokens that are written


class CacheView(View):
    """A text that a model writes greedily, step by step: what is read, what is kept, what it costs.

    Without arguments it holds the storyteller and the gpt-storyteller. ``model`` is a
    :class:`llm.Transformer` of your own with its ``tokenizer``, or the name of a model for
    :func:`llm.load`; ``step`` the step shown first, 0 for the prompt. Raises ``ValueError`` for a
    text without tokens of the model, a negative step, and what :class:`ViewModel` refuses.

    >>> CacheView("Once there was a", step=3)
    CacheView(storyteller, 5 tokens, step 3)
    """

    name = "cache"

    def __init__(
        self,
        prompt: str | None = None,
        model: Transformer | str | None = None,
        tokenizer: BPETokenizer | CharTokenizer | None = None,
        *,
        step: int = 0,
        name: str = "model",
        anchor: str | None = None,
    ):
        super().__init__(anchor)
        if isinstance(model, Transformer) or tokenizer is not None:
            self.models = [ViewModel(name, model, tokenizer)]
        else:
            self.models = [_shipped(one) for one in ([model] if model else LIVE)]
        self.prompt = _checked(EXAMPLES[0] if prompt is None else prompt)
        self.ids = TracedText(self.models[0], self.prompt).ids
        if not self.ids:
            raise ValueError(f"the model has no token for text {self.prompt!r}")
        if not 0 <= step <= STEPS:
            raise ValueError(f"step={step}: choose one from 0 to {STEPS}")
        self.step = step

    def __repr__(self) -> str:
        return f"CacheView({self.models[0].name}, {len(self.ids)} tokens, step {self.step})"

    def payload(self, inline: bool = True) -> dict:
        """The models, the text and the step."""
        models = [m.spec(inline) for m in self.models]
        start = {"prompt": self.prompt, "step": self.step, "limit": LIMIT, "steps": STEPS}
        return start | {"models": models, "examples": list(EXAMPLES)}

    def shared(self, inline: bool = True) -> dict[str, str]:
        """Weights and merges of the models, packed."""
        return {key: text for m in self.models for key, text in m.files(inline).items()}

    def describe(self) -> str:
        """Step, token, tokens read with a cache and without, multiply-adds of both, bytes kept."""
        return "\n".join([repr(self), *("  ".join(map(str, row)) for row in self._rows)])

    def fallback(self) -> str:
        """The same as a table."""
        words = strings(self.name)
        head = "".join(f'<th scope="col">{words[f"column_{n}"]}</th>' for n in COLUMNS)
        rows = [
            "".join(f"<td>{html.escape(visible(str(cell)))}</td>" for cell in row)
            for row in self._rows
        ]
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return (
            f'<p class="llm-question">{words["question"]}</p>\n<div class="llm-table"><table>'
            f"<caption>{words['table_caption']}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table></div>"
        )

    def figure(self):
        """The tokens of the first passes: the prompt, then one a pass."""
        from llm.plots import token_rows

        labels = [self.models[0].tokenizer.decode([i]) for i in self._text]
        n, words = len(self.ids), strings(self.name)
        return token_rows({words["prefill"]: labels[:n], words["decode"]: labels[n : n + 12]})

    @cached_property
    def _text(self) -> list[int]:
        """The prompt and what is written behind it, up to an end token."""
        model = self.models[0].model
        stop = getattr(self.models[0].tokenizer, "special_tokens", {}).get("<|end|>")
        ids = torch.tensor([self.ids], device=next(model.parameters()).device)
        settings = {"temperature": 0, "stop": [] if stop is None else [stop]}
        return generate(model, ids, STEPS, **settings)[0].tolist()

    @cached_property
    def _rows(self) -> list[tuple]:
        config, n = self.models[0].model.config, len(self.ids)
        rows = []
        for step, token in enumerate(self._text[n:]):
            length = min(n + step, config.max_seq_len)
            new = 1 if step and n + step <= config.max_seq_len else length
            work = [sum(multiply_adds(config, t, length - t).values()) for t in (new, length)]
            word = self.models[0].tokenizer.decode([token])
            rows.append((step, word, new, length, *work, kv_cache_bytes(config, length, 4)))
        return rows


COLUMNS = ("step", "token", "read", "all", "work", "work_all", "bytes")
