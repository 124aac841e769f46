"""The film of a training run: what a model could do, at a number of moments while it learned.

A :class:`Film` is a callback of :class:`llm.Trainer` for models of the stories. At each moment it
looks at the losses by kind of word, a sample, the attention to one story, the scores of the heads
and the embeddings, and keeps them as plain data that :class:`llm.views.TrainingFilmView` shows.
"""

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from llm.checkpoint import write_atomically
from llm.data import END, Stories, story_ids
from llm.generation import evaluating, generate
from llm.interpretability import head_scores
from llm.pretrained import ASSETS
from llm.probes import trace
from llm.story_scores import score_stories

FORMAT = "inside-an-llm film 1"
PROMPT = "Once there was a"
GROUPS = ("she", "he", "roles", "colours", "pets", "animals", "feelings")  # of the words that move
PER_GROUP = 8
RECALLED = ("name", "colour", "object", "owner")  # kinds of words that stood earlier
GRADES = 15  # attention is kept in fifteenths, one hexadecimal digit a weight


class Film:
    """Watch a model learn: pass one to ``callbacks`` of a :class:`llm.Trainer`.

    ``stories`` are stories that the model does not train on: all are scored, and the attention to
    a short one, in which the thing changes hands, is kept. ``moments`` are the steps to look at,
    multiples of the trainer's ``log_every``; call :meth:`record` yourself for the untrained model,
    step 0. Raises ``ValueError`` for a film without moments when it is saved or shown.
    """

    def __init__(self, tokenizer, stories: Stories, moments: Sequence[int], name: str = "training"):
        self.tokenizer, self.stories = tokenizer, stories
        self.moments, self.name = frozenset(moments), name
        self.story = min(stories.documents, key=self._preference)
        self.words = [
            (group, word)
            for group in GROUPS
            for word in list(getattr(stories.words, group))[:PER_GROUP]
        ]
        self.history: list[dict] = []
        self.frames: list[dict] = []
        self.tables: list[Tensor] = []  # rows of the token table, one for each of the words

    def __repr__(self) -> str:
        return f"Film({self.name!r}, {len(self.frames)} moments)"

    def __call__(self, trainer, row: dict) -> None:
        self.history = trainer.history.rows
        if row["step"] in self.moments:
            self.record(trainer.model, row["step"])

    def record(self, model: nn.Module, step: int) -> None:
        """Look at ``model`` as it is after ``step`` updates."""
        scores = score_stories(model, self.tokenizer, self.stories)
        heads = head_scores(model)
        ids = story_ids(self.tokenizer, self.story)
        weights = _weights(model, ids)
        self.frames.append(
            {
                "step": step,
                "loss": round(scores.loss, 4),
                "floor": round(scores.floor, 4),
                "kl": round(scores.kl, 4),
                "owner": round(scores.owner, 3),
                "kinds": {k: [round(s.top1, 3), round(s.loss, 4)] for k, s in scores.kinds.items()},
                "sample": self._sample(model),
                "previous": _rounded(heads.previous),
                "induction": _rounded(heads.induction),
                "answer": _rounded(self._answer_scores(weights, ids)),
                "attention": _digits(weights),
            }
        )
        rows = [self.tokenizer.encode(f" {word}")[0] for _, word in self.words]
        self.tables.append(model.embeddings.token.weight[rows].detach().float().cpu())

    def to_dict(self) -> dict:
        """Everything as plain data, ready for JSON: what :func:`save` writes and a view reads."""
        if not self.frames:
            raise ValueError(f"{self!r} shows nothing: record a moment, or train with it first")
        ids = story_ids(self.tokenizer, self.story)
        heads = self.frames[0]["previous"]
        points = _projected(self.tables)
        return {
            "format": FORMAT,
            "name": self.name,
            "prompt": PROMPT,
            "tokens": [self.tokenizer.decode([i]) for i in ids],
            "words": self.words,
            "n_layers": len(heads),
            "n_heads": len(heads[0]),
            "curve": _thinned(self.history),
            "moments": [f | {"points": p} for f, p in zip(self.frames, points, strict=True)],
        }

    def _preference(self, text: str) -> tuple[bool, int]:
        """Lowest for a short story in which the thing is given and taken."""
        return not (" gave " in text and " took " in text), len(self.tokenizer.encode(text))

    def _answer_scores(self, weights: Tensor, ids: list[int]) -> Tensor:
        """How much each head looks at earlier mentions of the word that is to come, ``(L, H)``.

        The mean over those words of the story that it has mentioned before and that are determined.
        """
        told = self.stories.told(self.story)
        places = [t for t, word in enumerate(told) if word.kind in RECALLED]
        same = torch.tensor([[ids[j] == ids[t + 1] for j in range(len(ids))] for t in places])
        seen = weights[:, :, places] * same  # ids[0] is begin, so row t predicts told[t]
        return seen.sum(-1).mean(-1)

    def _sample(self, model: nn.Module, length: int = 60) -> str:
        """What the model writes after the prompt, always with the same luck."""
        begin = self.tokenizer.special_tokens["<|begin|>"]
        end = self.tokenizer.special_tokens[END]
        ids = torch.tensor([[begin, *self.tokenizer.encode(PROMPT)]])
        ids = ids.to(next(model.parameters()).device)
        with evaluating(model):
            written = generate(
                model, ids, length, generator=torch.Generator().manual_seed(1), stop=(end,)
            )
        return self.tokenizer.decode(i for i in written[0, 1:].tolist() if i != end)


def save_film(path: str | Path, film: "Film | dict") -> None:
    """Write a film as compressed JSON, whole or not at all."""
    content = film if isinstance(film, dict) else film.to_dict()
    text = json.dumps(content, separators=(",", ":"))
    write_atomically(path, gzip.compress(text.encode(), 9, mtime=0))


def load_film(source: str | Path) -> dict:
    """Read a film: one of :func:`shipped_films` by name, or a path that :func:`save_film` wrote.

    Raises ``ValueError`` for an unknown name and for a file of another kind.
    """
    path = shipped_films().get(str(source), Path(source))
    if not path.is_file():
        raise ValueError(f"no film {str(source)!r}: choose {', '.join(shipped_films())} or a path")
    try:
        film = json.loads(gzip.decompress(Path(path).read_bytes()))
        if film["format"] != FORMAT:
            raise ValueError(f"its format is {film['format']!r}")
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is not a whole film ({type(error).__name__}: {error}): save it again"
        ) from error
    return film


def shipped_films() -> dict[str, Path]:
    """The films that come with the book, by name; the storyteller's first."""
    paths = sorted(
        ASSETS.glob("*.film.json.gz"),
        key=lambda path: (not path.name.startswith("storyteller"), path),
    )
    return {path.name.removesuffix(".film.json.gz"): path for path in paths}


def held_out(stories: Stories, n: int) -> Stories:
    """The last ``n`` stories of a corpus, as a corpus."""
    return replace(stories, documents=stories.documents[-n:])


def _weights(model: nn.Module, ids: list[int]) -> Tensor:
    """The attention of all heads to one row of tokens, ``(L, H, T, T)``."""
    token_ids = torch.tensor([ids], device=next(model.parameters()).device)
    with torch.no_grad(), evaluating(model), trace(model) as acts:
        model(token_ids)
    layers = range(model.config.n_layers)
    return torch.cat([acts[f"blocks.{i}.attention.weights"] for i in layers]).float().cpu()


def _digits(weights: Tensor) -> list[list[str]]:
    """For each layer and head the weights on and below the diagonal, row by row, as digits."""
    rows, columns = torch.tril_indices(*weights.shape[-2:]).unbind()
    grades = (weights[:, :, rows, columns] * GRADES).round().int()  # (L, H, T(T+1)/2)
    return [
        ["".join(f"{grade:x}" for grade in head) for head in layer] for layer in grades.tolist()
    ]


def _projected(tables: list[Tensor]) -> list[list[list[float]]]:
    """Each table on the two directions in which the last one spreads most, in one scale."""
    last = tables[-1] - tables[-1].mean(0)
    directions = torch.linalg.svd(last, full_matrices=False).Vh[:2]  # (2, C)
    flat = torch.stack([(table - table.mean(0)) @ directions.T for table in tables])
    return (flat / flat.abs().max().clamp(min=1e-9)).mul(1000).round().int().tolist()


def _thinned(history: list[dict], most: int = 240) -> dict[str, list]:
    """The history in columns, with at most about ``most`` rows; every validation loss is kept."""
    every = max(1, len(history) // most)
    rows = [r for i, r in enumerate(history) if i % every == 0 or r.get("val_loss") is not None]
    digits = {"step": 0, "loss": 4, "val_loss": 4, "lr": 6, "grad_norm": 3}
    return {
        name: [None if r.get(name) is None else round(r[name], n) for r in rows]
        for name, n in digits.items()
    }


def _rounded(table: Tensor) -> list[list[float]]:
    return [[round(value, 2) for value in row] for row in table.tolist()]
