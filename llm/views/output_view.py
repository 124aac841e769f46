"""Which word comes, and how often? Logits, temperature, filters and a thousand draws."""

import html

import torch

from llm.generation import evaluating
from llm.model import Transformer
from llm.output import min_p_filter, softmax, temperature_scale, top_k_filter, top_p_filter
from llm.stories import read
from llm.story_words import WORDS
from llm.tokenization import BPETokenizer, CharTokenizer
from llm.views.language_model import ViewModel, story_words, tokens_of
from llm.views.playground_view import LIMIT, _shipped, _tells_stories, _usable
from llm.views.view import View, strings

SHOWN = 8  # tokens in the static forms
STORY = (
    "Once there was a girl called Lucia. She played in a sandpit. Lucia had three friends, Nadia, "
    "Anton and Jin. One day Nadia found a black hat in the well."
)
EXAMPLES = {
    "animal": f"{STORY} The brown",
    "fox": f"{STORY} The brown fox",
    "role": "Once there was a",
    "seat": f"{STORY} The cat sat on the",
    "owner": f"{STORY} Soon Nadia gave the black hat to Jin. Who has the black hat now?",
}
LARGEST = {"temperature": 2.0, "top_k": 50, "top_p": 1.0, "min_p": 1.0}


class OutputView(View):
    """The way from a model's scores to a thousand draws, beside the truth where it is known.

    ``prompt`` is the text shown first. ``model`` is a :class:`llm.Transformer` with its
    ``tokenizer``, called ``name``, or the name of a model of :func:`llm.pretrained.model_table`;
    without one it is the storyteller. The settings are those of :func:`llm.sample`, with
    temperatures up to 2 and ``top_k`` up to 50. ``shown`` leaves out the question that comes before
    the answer. Raises ``ValueError`` for settings, texts and models that the view cannot take.

    >>> OutputView("Once there was a", temperature=0.5)
    OutputView(storyteller, prompt='Once there was a', temperature=0.5)
    """

    name = "output"

    def __init__(
        self,
        prompt: str | None = None,
        model: Transformer | str | None = None,
        tokenizer: BPETokenizer | CharTokenizer | None = None,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        shown: bool = False,
        name: str = "model",
        anchor: str | None = None,
    ):
        super().__init__(anchor)
        if isinstance(model, Transformer) or tokenizer is not None:
            self.model = ViewModel(name, model, tokenizer)
        else:
            self.model = _shipped(model or "storyteller")
        self.told = _tells_stories(self.model.tokenizer, WORDS)
        first = EXAMPLES["animal"] if self.told else self._letter()
        self.prompt = first if prompt is None else _usable(prompt)
        given = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p}
        self.settings = {name: _checked(name, value) for name, value in given.items()}
        self.shown = bool(shown)

    def __repr__(self) -> str:
        given = {name: value for name, value in self.settings.items() if value is not None}
        settings = "".join(f", {name}={value:g}" for name, value in given.items())
        return f"OutputView({self.model.name}, prompt={self.prompt!r}{settings})"

    def payload(self, inline: bool = True) -> dict:
        """The model, its settings, the texts to begin with and the words of the stories."""
        usual = {"top_k": 0, "top_p": 1, "min_p": 0}
        settings = {n: usual.get(n) if v is None else v for n, v in self.settings.items()}
        return {
            "model": self.model.spec(inline),
            "prompt": self.prompt,
            "settings": settings,
            "shown": int(self.shown),
            "examples": list(EXAMPLES.items()) if self.told else [],
            "words": story_words() if self.told else None,
            "limit": LIMIT,
        }

    def shared(self, inline: bool = True) -> dict[str, str]:
        """Weights and merges of the model, packed."""
        return self.model.files(inline)

    def describe(self) -> str:
        """The most likely next tokens: the model's chances, those drawn from, and the truth."""
        lines = [
            f"{row[0]!r:<12}" + "".join(f"{cell:>9}" for cell in row[1:]) for row in self._texts()
        ]
        return "\n".join([repr(self), *(line.rstrip() for line in lines)])

    def fallback(self) -> str:
        """The same as a table."""
        words = strings(self.name)
        titles = (
            words["column_token"],
            words["column_logit"],
            words["column_model"],
            words["column_final"],
            words["column_truth"],
        )
        head = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in titles)
        rows = "".join(
            f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>"
            for row in self._texts()
        )
        return (
            f'<p class="llm-question">{words["question"]}</p><table><caption dir="auto">'
            f"{html.escape(self.prompt)}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )

    def figure(self):
        """The chances that are drawn from as bars, beside the truth."""
        from llm.plots import next_words

        return next_words(self.prompt, [(token, p, true) for token, _, _, p, true in self._rows()])

    def _letter(self) -> str:
        """A text to begin with for a model that tells no stories."""
        tokenizer = self.model.tokenizer
        return min(tokenizer.vocab.values()) if isinstance(tokenizer, CharTokenizer) else "The"

    def _rows(self) -> list[tuple[str, float, float, float, float | None]]:
        """Token, logit, the model's chance, the chance drawn from, and the true one if known."""
        m = self.model
        told = isinstance(m.tokenizer, BPETokenizer)
        prompt = self.prompt.rstrip() if told else self.prompt  # a space belongs to the next word
        ids = tokens_of(m.model, m.tokenizer, prompt)
        if not ids:
            return []
        device = next(m.model.parameters()).device
        with torch.no_grad(), evaluating(m.model):
            logits = m.model(torch.tensor([ids], device=device))[0, -1].float().cpu()
        chances, final, truth = softmax(logits), self._final(logits), self._truth(prompt)
        best = chances.topk(min(SHOWN, len(chances))).indices.tolist()
        names = [m.tokenizer.decode([i]) for i in best]
        return [
            (n, float(logits[i]), float(chances[i]), float(final[i]), self._true(truth, n))
            for n, i in zip(names, best, strict=True)
        ]

    def _final(self, logits: torch.Tensor) -> torch.Tensor:
        """The probabilities (V) that are drawn from."""
        temperature = self.settings["temperature"]
        if temperature == 0:
            return torch.zeros_like(logits).index_fill(0, logits.argmax(), 1.0)
        logits = temperature_scale(logits, temperature)
        filters = {"top_k": top_k_filter, "top_p": top_p_filter, "min_p": min_p_filter}
        for name, keep in filters.items():
            if self.settings[name] is not None:
                logits = keep(logits, self.settings[name])
        return softmax(logits)

    def _truth(self, prompt: str) -> dict[str, float]:
        try:
            return dict(read(prompt, WORDS)[1]) if self.told else {}
        except ValueError:  # no story begins like this
            return {}

    @staticmethod
    def _true(truth: dict[str, float], name: str) -> float | None:
        return truth.get(name.strip(), 0.0) if truth else None

    def _texts(self) -> list[tuple[str, ...]]:
        return [
            (token, f"{logit:.2f}", f"{p:.2%}", f"{q:.2%}", "" if true is None else f"{true:.2%}")
            for token, logit, p, q, true in self._rows()
        ]


def _checked(name: str, value: float | None) -> float | None:
    """A setting as the view can show it."""
    if value is None and name != "temperature":
        return None
    least = {"top_k": 1, "top_p": 0.05}.get(name, 0)
    fits = isinstance(value, int | float) and least <= value <= LARGEST[name]
    if not fits or (name == "top_k" and value != int(value)):
        raise ValueError(f"{name} must be from {least} to {LARGEST[name]:g}, got {value!r}")
    return value
