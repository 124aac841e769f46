"""The storyteller at moments of its training, packed for `film_past.js`."""

import base64
import gzip
from functools import cache, cached_property

from llm.pretrained import load, model_table
from llm.views.language_model import ViewModel, packed_bytes, story_words

NAME = "storyteller"
EXAMPLES = (  # texts that the models go on with in different ways, by what they ask for
    ("name", "Once there was a queen called Mia. She ruled in a castle."),
    ("pronoun", "Once there was a king called Omar."),
    (
        "colour",
        "Once there was a girl called Rosa. She played in a park. Rosa had three friends, Kofi, "
        "Mei and Tom. One day Mei found a golden key in the garden. Soon Mei gave the",
    ),
    (
        "owner",
        "Once there was a girl called Rosa. She played in a park. Rosa had three friends, Kofi, "
        "Mei and Tom. One day Mei found a red kite in the garden. Then Tom took the red kite from "
        "Mei. Who has the red kite now?",
    ),
    ("stranger", "The cat sat on the mat."),
)


class PastModels:
    """What the film needs of its models: ``spec`` for its payload, ``files`` for its shared texts.

    The finished model is the one that other views use. Of the others every matrix, the table of
    tokens included, has 8 bits with a scale for each row. Raises ``ValueError`` if a checkpoint
    cannot be had.
    """

    def __init__(self):
        row = model_table()[NAME]
        self.steps = sorted(int(step) for step in row["checkpoints"])
        self.last = row["training"]["steps"]
        self.final = ViewModel(NAME, *load(NAME))
        names = [f"{NAME}@{step}" for step in self.steps]
        self.past = [ViewModel(name, *load(name)) for name in names]

    def spec(self, inline: bool) -> dict:
        """Each model's step, spec and share of the download, the words of the stories, examples."""
        tensors = [[n, list(w.shape), _format(w)] for n, w in self.past[0].weights.items()]
        final, size = self.final.spec(inline), sum(map(len, self.files(inline).values()))
        return {
            "steps": [*self.steps, self.last],
            "model": final,
            "tensors": tensors,
            "megabytes": None if inline else round(size / 1e6, 1),
            "words": story_words(),
            "examples": EXAMPLES,
        }

    def files(self, inline: bool) -> dict[str, str]:
        """The weights of all models and the merges of their tokenizer, packed."""
        return self.final.files(inline) | self._packed

    @cached_property
    def _packed(self) -> dict[str, str]:
        return {f"weights-{model.key}": _pack(model) for model in self.past}


@cache
def past_models() -> PastModels:
    """The models, loaded once."""
    return PastModels()


def _format(weights) -> str:
    return "i1" if weights.ndim > 1 else "f4"


def _pack(model: ViewModel) -> str:
    data = b"".join(packed_bytes(w, _format(w)) for w in model.weights.values())
    return base64.b64encode(gzip.compress(data, mtime=0)).decode()
