"""How close a model comes to the true process of the stories, and what it has not learned yet.

Only tokenizers in which every word of the stories is one token will do, such as
:func:`llm.data.story_tokenizer` makes: then each word of a story is one prediction.
"""

import math
from collections import defaultdict
from dataclasses import dataclass

import torch
from torch import Tensor

from llm.data import Stories, pad_rows, story_ids
from llm.generation import evaluating
from llm.stories import END, Told


@dataclass(frozen=True)
class KindScore:
    """The words of one kind that earlier text determines: how many, and how well predicted."""

    count: int
    top1: float
    loss: float


@dataclass(frozen=True)
class StoryScores:
    """Nats a token: ``kl`` = KL(truth ‖ model), exact at each position; ``loss`` and ``floor``.

    ``owner`` is the share of closing questions answered right. ``kinds`` are the determined words.
    """

    kl: float
    loss: float
    floor: float
    owner: float
    kinds: dict[str, KindScore]

    @property
    def excess(self) -> float:
        """How far the loss lies above the floor, as a share of it: 0.02 is two per cent."""
        return self.loss / self.floor - 1


def score_stories(
    model: torch.nn.Module, tokenizer, stories: Stories, batch_size: int = 64
) -> StoryScores:
    """Compare the model's next-word distribution with the true one at every word of ``stories``."""
    ids = _WordIds(tokenizer)
    nats = defaultdict(float)
    n_words = right_owners = 0
    kinds: dict[str, list[tuple[bool, float]]] = defaultdict(list)
    documents = stories.documents
    for start in range(0, len(documents), batch_size):
        batch = documents[start : start + batch_size]
        for document, log_q in zip(batch, _log_probabilities(model, tokenizer, batch), strict=True):
            told = stories.told(document)
            best = log_q.argmax(-1)
            for t, word in enumerate(told):
                _add(nats, word, log_q[t], ids)
                if len(word.options) == 1 and word.kind != "fixed":
                    chosen = ids[word.word]
                    kinds[word.kind].append((int(best[t]) == chosen, -float(log_q[t, chosen])))
            n_words += len(told)
            right_owners += int(best[len(told) - 3]) == ids[told[-3].word]  # owner, full stop, end
    table = {
        kind: KindScore(len(rows), _mean(right for right, _ in rows), _mean(x for _, x in rows))
        for kind, rows in sorted(kinds.items())
    }
    mean = {name: total / n_words for name, total in nats.items()}
    return StoryScores(**mean, owner=right_owners / len(documents), kinds=table)


def _add(nats: dict[str, float], word: Told, log_q: Tensor, ids: dict[str, int]) -> None:
    """Add one word to the sums of divergence, loss and floor."""
    nats["loss"] -= float(log_q[ids[word.word]])
    nats["floor"] -= math.log(word.options[word.word])
    options = list(word.options)
    q = log_q[[ids[option] for option in options]].tolist()
    for p, log_model in zip(word.options.values(), q, strict=True):
        nats["kl"] += p * (math.log(p) - log_model)


def _log_probabilities(model, tokenizer, documents: list[str]) -> list[Tensor]:
    """For each document ``(words, V)``: row t has the logarithms for word t, given those before."""
    rows = [story_ids(tokenizer, document) for document in documents]
    inputs = torch.from_numpy(pad_rows([row[:-1] for row in rows], 0)).long()
    device = next(model.parameters()).device
    with torch.no_grad(), evaluating(model):
        log_q = model(inputs.to(device)).float().log_softmax(-1).cpu()
    return [log_q[i, : len(row) - 1] for i, row in enumerate(rows)]


class _WordIds(dict):
    """The token of each word, as it stands inside a story; looked up when first asked for."""

    def __init__(self, tokenizer):
        super().__init__({END: tokenizer.special_tokens[END]})
        self.tokenizer = tokenizer

    def __missing__(self, word: str) -> int:
        tokens = self.tokenizer.encode(word if word in (".", ",", "?", "Once") else f" {word}")
        if len(tokens) != 1:
            raise ValueError(f"{word!r} is {len(tokens)} tokens: use data.story_tokenizer(stories)")
        self[word] = tokens[0]
        return tokens[0]


def _mean(values) -> float:
    values = list(values)
    return sum(values) / len(values)
