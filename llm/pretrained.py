"""The models that come with the book, trained by its own code: ``load("storyteller")``.

Weights are safetensors in half precision beside this file, described in ``models.json``: how each
was trained, for how long, and how good it became. Early checkpoints of the storyteller, such as
``"storyteller@300"``, do not come with the package: they lie in the book's repository.
"""

import json
from functools import cache
from pathlib import Path

from llm import __repository__, __version__
from llm.checkpoint import load_weights
from llm.config import ModelConfig
from llm.model import Transformer
from llm.tokenization import BPETokenizer, CharTokenizer

ASSETS = Path(__file__).parent / "assets"
CHECKPOINTS = ASSETS.parents[1] / "checkpoints"  # of a clone of the repository
CHECKPOINTS_URL = f"{__repository__}/raw/v{__version__}/checkpoints/"
TOKENIZERS = {"stories": BPETokenizer, "tinyshakespeare": CharTokenizer}


def load(name: str = "storyteller") -> tuple[Transformer, BPETokenizer | CharTokenizer]:
    """A trained model, in float32 and ready to read, with its tokenizer.

    ``name`` is a model of :func:`model_table`, or ``"storyteller@300"``, the storyteller after 300
    steps of its training, which needs a clone of the book or a network once. Raises ``ValueError``
    for an unknown name, and for a checkpoint that cannot be had, with the way out.

    >>> model, tokenizer = load("storyteller")
    >>> model.generate(torch.tensor([[tokenizer.special_tokens["<|begin|>"]]]), 20)
    """
    base, _, step = name.partition("@")
    table = model_table()
    names = [*table, *(f"{n}@{s}" for n, row in table.items() for s in row.get("checkpoints", {}))]
    if name not in names:
        raise ValueError(f"no model {name!r}: choose one of {', '.join(names)}")
    row = table[base]
    model = Transformer(ModelConfig(**row["config"])).half()
    path = _checkpoint(name, row["checkpoints"][step]) if step else ASSETS / f"{base}.safetensors"
    load_weights(path, model)
    tokenizer = TOKENIZERS[row["corpus"]].load(ASSETS / f"{row['corpus']}.tokenizer.json")
    return model.float().eval(), tokenizer


@cache
def model_table() -> dict[str, dict]:
    """For each model its config, corpus, command, training settings, time and final scores."""
    return json.loads((ASSETS / "models.json").read_text(encoding="utf-8"))


def _checkpoint(name: str, sha256: str) -> Path:
    """The file of an early checkpoint: in the clone, or from its repository, kept in a cache."""
    import pooch

    file = f"{name}.safetensors"
    if (CHECKPOINTS / file).is_file():
        return CHECKPOINTS / file
    try:
        folder = pooch.os_cache("inside-an-llm")
        return Path(pooch.retrieve(CHECKPOINTS_URL + file, f"sha256:{sha256}", file, folder))
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0][:120]
        raise ValueError(
            f"{name} could not be downloaded ({type(error).__name__}: {reason}): clone the book, "
            f"or save {CHECKPOINTS_URL}{file} in {folder}; load({name.partition('@')[0]!r}) "
            "needs no network"
        ) from None
