"""What would the model say if it ended here, and who brought the word? Lens, shares, a switch.

The model runs in the page (`engine.js`); a browser test holds what is shown to
`llm.interpretability`.
"""

from functools import cached_property, partial

import torch
from torch import Tensor

from llm.generation import evaluating
from llm.interpretability import attribution, logit_lens
from llm.model import Transformer
from llm.probes import trace
from llm.tokenization import BPETokenizer, CharTokenizer
from llm.views.attention_view import _table
from llm.views.block_view import BlockView
from llm.views.tokenizer_view import visible
from llm.views.view import strings

STORY = (
    "Once there was a girl called Rosa. She played in a park. Rosa had three friends, Kofi, Mei "
    "and Tom. One day Mei found a red kite in the garden. Then Tom took the red kite from Mei. "
    "Who has the red kite now?"
)
OTHERS = (STORY.split(" kite from")[0], "Once there was a queen called Mia.")
SHOWN = 6  # shares in the table for readers without scripts


class LensView(BlockView):
    """The logit lens over a whole text, what each part brings to a word, a switch for each head.

    Without arguments it holds the storyteller. ``model`` is a :class:`llm.Transformer` of your own
    with its ``tokenizer``, norms before the sublayers, or the name of a model for
    :func:`llm.load`. ``token`` is the place in the text that is looked at first, ``place`` the
    place in the model, such as ``"2.mid"`` (after attention of block 2), and ``off`` the heads that
    are switched off, such as ``["2.4"]``. Raises ``ValueError`` for what the model does not have.

    >>> LensView("Once there was a", off=["0.8"])
    LensView(storyteller, 5 tokens, without 0.8)
    """

    name = "lens"

    def __init__(
        self,
        prompt: str | None = None,
        model: Transformer | str | None = None,
        tokenizer: BPETokenizer | CharTokenizer | None = None,
        *,
        name: str | None = None,
        token: int = -1,
        place: str | None = None,
        off: tuple[str, ...] | list[str] = (),
        anchor: str | None = None,
    ):
        if model is None and tokenizer is None:
            model = "storyteller"
        words = strings(self.name)
        name = name or words["own_model"]
        super().__init__(prompt, model, tokenizer, name=name, token=token, anchor=anchor)
        if self._model.config.norm_position != "pre":
            raise ValueError("norm_position='post': only a pre-norm stream is a sum of its parts")
        layers = range(self._depth)
        self.places = ["embedding", *(f"{i}.{half}" for i in layers for half in ("mid", "post"))]
        self.place = self._part(place or self.places[-1], self.places)
        heads = [f"{i}.{h}" for i in layers for h in range(self._model.config.n_heads)]
        self.off = [self._part(head, heads) for head in off]

    def __repr__(self) -> str:
        out = f", without {', '.join(self.off)}" if self.off else ""
        return f"LensView({self.models[0].name}, {len(self.ids)} tokens{out})"

    def payload(self, inline: bool = True) -> dict:
        """The model, the text, what is looked at and which heads are off."""
        given = super().payload(inline)
        kept = ("prompt", "token", "limit", "tokens", "models", "examples", "words")
        return {k: given[k] for k in kept} | {"place": self.place, "off": ",".join(self.off)}

    def describe(self) -> str:
        """What the model would say after each part, and what the parts bring to its word."""
        said = [f"{place:<10} {word} {p}" for place, word, p in self._said()]
        brought = [f"{part:<10} {share}" for part, share in self._shares()]
        return "\n".join([repr(self), *said, "", *brought])

    def fallback(self) -> str:
        """The same as two tables."""
        words = strings(self.name)
        shown = {"token": visible(self._word(self.ids[self.token])), "text": self.prompt}
        said = _table(
            words["table_caption"].format(**shown),
            tuple(words[f"column_{key}"] for key in ("place", "says", "chance")),
            self._said(),
        )
        title = words["shares_title"].format(word=visible(self._best))
        shares = _table(title, (words["column_part"], words["column_brings"]), self._shares())
        return f'<p class="llm-question">{words["question"]}</p>{said}{shares}'

    def figure(self):
        """The lens over the last tokens."""
        from llm.plots import text_map

        chances = [x[-8:].softmax(-1).max(-1) for x in self._lens_rows]
        tokens = [self._word(i) for i in self.ids[-8:]]
        said = [[self._word(int(i)) for i in best.indices] for best in chances]
        return text_map([b.values for b in chances], self.places, tokens, said, "Logit lens")

    def _examples(self, m) -> list[str]:
        given = super()._examples(m)
        return [STORY, *OTHERS] if given[0].startswith("Once there was") else given

    @cached_property
    def _acts(self) -> dict[str, Tensor]:
        """Every activation of the text, with the heads switched off."""
        ids = torch.tensor([self.ids], device=next(self._model.parameters()).device)
        mine: dict[str, list[int]] = {}
        for head in self.off:
            layer, number = head.split(".")
            mine.setdefault(f"blocks.{layer}.attention.weights", []).append(int(number))
        edits = {name: partial(_silenced, heads) for name, heads in mine.items()}
        with torch.no_grad(), evaluating(self._model), trace(self._model, edits) as acts:
            self._model(ids)
        return acts

    @cached_property
    def _lens_rows(self) -> list[Tensor]:
        """Logits ``(T, V)`` at each place of the model."""
        with torch.no_grad():
            return [x[0].float().cpu() for x in logit_lens(self._model, self._acts).values()]

    @property
    def _best(self) -> str:
        return self._word(int(self._lens_rows[-1][self.token].argmax()))

    def _said(self) -> list[tuple[str, str, str]]:
        best = [x[self.token].softmax(-1).max(-1) for x in self._lens_rows]
        words = [visible(self._word(int(b.indices))) for b in best]
        return [
            (place, word, f"{float(b.values):.2%}")
            for place, word, b in zip(self.places, words, best, strict=True)
        ]

    def _shares(self) -> list[tuple[str, str]]:
        shares = self._brought(int(self._lens_rows[-1][self.token].argmax()))
        largest = sorted(shares, key=lambda part: -abs(shares[part]))[:SHOWN]
        return [(part, f"{shares[part]:+.1f}") for part in largest]

    def _brought(self, word: int) -> dict[str, float]:
        """What each part brings to the logit of a word at the chosen token."""
        with torch.no_grad():
            brought = attribution(self._model, self._acts, word)
        return {part: float(share[0, self.token]) for part, share in brought.items()}


def _silenced(heads: list[int], weights: Tensor) -> Tensor:
    """Weights ``(B, H, T, S)`` with some heads looking nowhere, so that they add nothing."""
    weights = weights.clone()
    weights[:, heads] = 0
    return weights
