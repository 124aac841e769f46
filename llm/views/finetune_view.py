"""What do a storyteller and the same one with an adapter say to a question? Both run in the page.

The adapter is merged there, as `merge_lora` does; a browser test holds the chances to PyTorch.
"""

import base64
import gzip
import re

import torch
from safetensors.torch import load_file

from llm.finetuning import QUESTIONS, load_lora, prompt_ids
from llm.generation import evaluating
from llm.pretrained import ASSETS, load
from llm.views.attention_view import _table
from llm.views.language_model import packed_bytes
from llm.views.playground_view import _shipped
from llm.views.tokenizer_view import LIMIT, _checked, visible
from llm.views.view import View, strings

ADAPTER = ASSETS / "storyteller.lora.safetensors"
ASKS = (*QUESTIONS, "tell")
EXAMPLES = (
    "Once there was a queen called Mia. She ruled in a castle. Mia had three friends, Tom, Ravi "
    "and Yuki. One day Ravi found a red kite in the pond. Soon Ravi gave the red kite to Yuki.",
    "Once there was a boy called Omar. He played in a park. Omar had three friends, Leila, Jin and "
    "Rosa. One day Leila found a golden flute in the cave. Then Rosa took the golden flute from "
    "Leila.",
    "Once there was a woman called Zuri. She worked in a mill.",
)
SHOWN = 5


class FineTuneView(View):
    """One question about a story, put to the storyteller and to the fine-tuned one.

    ``ask`` is a key of :data:`llm.finetuning.QUESTIONS`, or ``"tell"``: to go on with the story.
    Raises ``ValueError`` for another, and for a story that is no text.

    >>> FineTuneView(ask="owner")
    FineTuneView(owner, before '.', after 'Yuki')
    """

    name = "finetune"

    def __init__(self, story: str | None = None, ask: str = "finder", *, anchor: str | None = None):
        super().__init__(anchor)
        self.story = _checked(EXAMPLES[0] if story is None else story)
        if ask not in ASKS:
            raise ValueError(f"no question {ask!r}: choose one of {', '.join(ASKS)}")
        self.ask, self.base = ask, _shipped("storyteller")

    def __repr__(self) -> str:
        before, after = (rows[0][0].strip() for rows in self.rows())
        return f"FineTuneView({self.ask}, before {before!r}, after {after!r})"

    def payload(self, inline: bool = True) -> dict:
        """The base, names and shapes of the adapter, the story and what is asked."""
        tensors = [[n, list(t.shape), "f2"] for n, t in self._adapter().items()]
        start = {"story": self.story, "ask": self.ask, "limit": LIMIT, "examples": EXAMPLES}
        scale = float(load_file(ADAPTER)["scale"])
        adapter = {"file": "adapter-storyteller", "tensors": tensors, "scale": scale}
        return start | {"model": self.base.spec(inline), "adapter": adapter, "asks": QUESTIONS}

    def shared(self, inline: bool = True) -> dict[str, str]:
        """Weights and merges of the base, and the adapter, packed."""
        data = b"".join(packed_bytes(t.numpy(), "f2") for t in self._adapter().values())
        packed = base64.b64encode(gzip.compress(data, mtime=0)).decode()
        return self.base.files(inline) | {"adapter-storyteller": packed}

    def describe(self) -> str:
        """The likeliest words, before and after."""
        lines = [f"{w:<12} {p:>7}  {v:<12} {q:>7}" for w, p, v, q in self._texts()]
        return "\n".join([repr(self), *lines])

    def fallback(self) -> str:
        """The same as a table."""
        words = strings(self.name)
        titles = (words["column_before"], words["column_chance"])
        titles += (words["column_after"], words["column_chance"])
        caption = words["table_caption"].format(question=self.question())
        table = _table(caption, titles, self._texts())
        return f'<p class="llm-question">{words["question"]}</p>{table}'

    def figure(self):
        """The words after fine-tuning, as bars."""
        from llm.plots import next_words

        return next_words(self.question(), [(w, p, None) for w, p in self.rows()[1]])

    def question(self) -> str:
        """What is asked, with the thing of the story in it."""
        found = re.search(r"found a (\w+) (\w+)", self.story)
        colour, thing = found.groups() if found else ("red", "kite")
        return QUESTIONS.get(self.ask, "…").format(colour=colour, thing=thing)

    def rows(self) -> list[list[tuple[str, float]]]:
        """The likeliest words with their chances, of the base and of the fine-tuned model."""
        tokenizer, special = self.base.tokenizer, self.base.tokenizer.special_tokens
        ids = prompt_ids(tokenizer, self.story, self.question())
        if self.ask == "tell":
            ids = ids[: ids.index(special["<|question|>"])]
        tuned = load_lora(ADAPTER, load("storyteller")[0])
        return [self._likeliest(model, ids) for model in (self.base.model, tuned)]

    def _likeliest(self, model, ids: list[int]) -> list[tuple[str, float]]:
        with torch.no_grad(), evaluating(model):
            best = model(torch.tensor([ids]))[0, -1].softmax(-1).topk(SHOWN)
        decode = self.base.tokenizer.decode
        return [
            (decode([i]), p) for i, p in zip(*map(torch.Tensor.tolist, best[::-1]), strict=True)
        ]

    def _texts(self) -> list[tuple[str, ...]]:
        rows = zip(*self.rows(), strict=True)
        return [(visible(a), f"{p:.2%}", visible(b), f"{q:.2%}") for (a, p), (b, q) in rows]

    def _adapter(self) -> dict[str, torch.Tensor]:
        return {n: t for n, t in sorted(load_file(ADAPTER).items()) if n != "scale"}
