"""Which words does the model take to be alike? Its table of tokens, trained and new.

Neighbours and sums are worked out in the page; a browser test holds them to PyTorch.
"""

import base64
import gzip
import html
from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from llm.films import GROUPS, PER_GROUP, _projected
from llm.model import Transformer
from llm.pretrained import load
from llm.story_words import WORDS
from llm.tokenization import BPETokenizer, CharTokenizer
from llm.views.tokenizer_view import visible
from llm.views.view import View, strings

LARGEST = 2_000_000  # numbers of a table that a page takes
MAPPED = 60  # words on the map where no groups are given
NEAR = 8
SUMS = (("king", "man", "woman"), ("prince", "boy", "girl"), ("king", "boy", "girl"))
TRIES = ("king", "castle", "Mia", "red", "big", "fox")


class EmbeddingView(View):
    """A word's nearest neighbours, sums of words, and a map; for the trained table and a new one.

    ``model`` is a :class:`llm.Transformer` with the ``tokenizer`` that it was trained with, called
    ``name``, or the name of a model for :func:`llm.load`; without one it is the storyteller.
    ``words`` are the groups of the map, a list of words for each name. Raises ``ValueError`` for a
    tokenizer that does not fit, a table too large for a page, and words that are not one token.

    >>> EmbeddingView()
    EmbeddingView(storyteller, 980 rows of 96, word='king')
    """

    name = "embedding"

    def __init__(
        self,
        model: Transformer | str = "storyteller",
        tokenizer: BPETokenizer | CharTokenizer | None = None,
        *,
        word: str | None = None,
        words: Mapping[str, Sequence[str]] | None = None,
        name: str = "model",
        anchor: str | None = None,
    ):
        super().__init__(anchor)
        self.model_name = model if isinstance(model, str) else name
        self.model, self.tokenizer = load(model) if isinstance(model, str) else (model, tokenizer)
        self.table = _table(self.model, self.tokenizer)
        self.labels = [self._label(i) for i in range(len(self.table))]
        self.places = {label: i for i, label in enumerate(self.labels)}
        self.groups = self._groups(words)
        mapped = [each for _, group in self.groups for each in group]
        self.word = (mapped[0] if "king" not in self.places else "king") if word is None else word
        for each in (self.word, *mapped):
            if each not in self.places:
                raise ValueError(f"{each!r} is not one token of the model: choose a word that is")

    def __repr__(self) -> str:
        rows, columns = self.table.shape
        return f"EmbeddingView({self.model_name}, {rows} rows of {columns}, word={self.word!r})"

    @cached_property
    def new(self) -> Tensor:
        """The table of an untrained model of the same shape, as it is drawn with seed 0."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return _rounded(Transformer(self.model.config).embeddings.token.weight)

    def payload(self, inline: bool = True) -> dict:
        """The words, where they lie on the map, and what is shown first."""
        mapped = [[group, word] for group, words in self.groups for word in words]
        rows = [self.places[word] for _, word in mapped]
        points = {n: _projected([t[rows]])[0] for n, t in self._tables().items()}
        sums = [s for s in SUMS if all(w in self.places for w in s)]
        tries = [w for w in TRIES if w in self.places]
        first = sums[0] if sums else tuple((mapped[i % len(mapped)][1]) for i in range(3))
        state = {"word": self.word, "table": "trained", "group": self._first_group()}
        state |= dict(zip("abc", first, strict=True)) | {"without": 1, "shown": 0}
        return {
            "state": state,
            "labels": self.labels,
            "words": mapped,
            "points": points,
            "groups": [[group, list(words)] for group, words in self.groups],
            "sums": sums,
            "tries": tries or [w for _, w in mapped[:5]],
            "files": {n: self._file(n) for n in points},
        }

    def shared(self, inline: bool = True) -> dict[str, str]:
        """Both tables, packed."""
        return {self._file(name): _packed(table) for name, table in self._tables().items()}

    def describe(self) -> str:
        """The nearest words, trained and untrained, and the sum of the first question."""
        lines = [
            f"{n:<10} {', '.join(f'{w} {c:.3f}' for w, c in self.nearest(n))}"
            for n in self._tables()
        ]
        return "\n".join([repr(self), *lines])

    def fallback(self) -> str:
        """The same as a table."""
        words = strings(self.name)
        columns = [self.nearest(name) for name in self._tables()]
        titles = (words["table_trained"], words["column_cosine"], words["table_untrained"])
        head = "".join(f'<th scope="col">{t}</th>' for t in (*titles, words["column_cosine"]))
        rows = "".join(
            "<tr>"
            + "".join(f"<td>{html.escape(w)}</td><td>{c:.3f}</td>" for w, c in pair)
            + "</tr>"
            for pair in zip(*columns, strict=True)
        )
        caption = html.escape(words["near_of"].format(word=self.word))
        return (
            f'<p class="llm-question">{words["question"]}</p><table><caption>{caption}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )

    def figure(self):
        """The cosines of all words of the map with one another, before and after training."""
        from llm.plots import cosine_maps

        rows = [self.places[word] for _, group in self.groups for word in group]
        tables = {n: t[rows] for n, t in reversed(self._tables().items())}
        words = strings(self.name)
        return cosine_maps({words.get(f"group_{g}", g): w for g, w in self.groups}, tables)

    def nearest(self, table: str = "trained", n: int = NEAR) -> list[tuple[str, float]]:
        """The words nearest to ``self.word`` in the ``"trained"`` or ``"untrained"`` table."""
        rows, own = self._tables()[table], self.places[self.word]
        cosines = torch.cosine_similarity(rows[own][None], rows)
        best = [i for i in cosines.argsort(descending=True).tolist() if i != own][:n]
        return [(self.labels[i], float(cosines[i])) for i in best]

    def _tables(self) -> dict[str, Tensor]:
        return {"trained": self.table, "untrained": self.new}

    def _file(self, table: str) -> str:
        key = "".join(c if c.isascii() and c.isalnum() else "-" for c in self.model_name.lower())
        return f"words-{key}-{table}"

    def _label(self, token_id: int) -> str:
        """A word by itself where a space goes before it; what is joined to others in quotes."""
        text = self.tokenizer.decode([token_id])
        if isinstance(self.tokenizer, CharTokenizer):
            return visible(text)
        if text[:1] == " " and text[1:].isalpha():
            return text[1:]
        return f"“{visible(text)}” {token_id}" if "�" in text else f"“{visible(text)}”"

    def _groups(self, words) -> list[tuple[str, list[str]]]:
        if words is not None:
            return [(group, list(each)) for group, each in words.items()]
        told = [(group, list(getattr(WORDS, group))[:PER_GROUP]) for group in GROUPS]
        if all(word in self.places for _, group in told for word in group):
            return told
        return [("words", [label for label in self.labels if label.isalpha()][:MAPPED])]

    def _first_group(self) -> str:
        return next((g for g, words in self.groups if self.word in words), self.groups[0][0])


def _table(model, tokenizer) -> Tensor:
    """The rows of a model's tokens, each with an entry of the tokenizer; in 16 bits' precision."""
    if not isinstance(model, Transformer):
        raise ValueError(f"model must be a Transformer or a name, got {type(model).__name__}")
    if not isinstance(tokenizer, BPETokenizer | CharTokenizer):
        raise ValueError("tokenizer must be the one that the model was trained with")
    table = model.embeddings.token.weight
    if len(tokenizer.vocab) != len(table):
        raise ValueError(
            f"the tokenizer has {len(tokenizer.vocab)} entries, the model {len(table)} rows: give "
            "the tokenizer that the model was trained with"
        )
    if table.numel() > LARGEST:
        raise ValueError(f"the table has {table.numel():,} numbers, a page takes {LARGEST:,}")
    return _rounded(table)


def _rounded(table: Tensor) -> Tensor:
    """Numbers of 16 bits' precision, which pack well and mean the same in the page."""
    return table.detach().cpu().half().float()


def _packed(table: Tensor) -> str:
    data = table.numpy().astype("<f4").tobytes()
    return base64.b64encode(gzip.compress(data, mtime=0)).decode()
