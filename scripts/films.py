"""Make the films of training: ``python scripts/films.py``, after ``scripts/train_weights.py``.

The storyteller's film is put together from the weights that its run has kept. The others are short
runs of a deep, narrow model: one that learns as it should, and three that fail. They go to
``llm/assets/`` as ``NAME.film.json.gz``.
"""

from dataclasses import replace

import torch
from torch import nn
from train_weights import ASSETS, RECIPES, RUNS, STORY_LLAMA, moment_path, story_data

from llm.checkpoint import load_weights
from llm.config import ModelConfig, TrainConfig
from llm.device import default_device, seed_everything
from llm.films import Film, save_film
from llm.history import History
from llm.initialization import initialize
from llm.layer_block import TransformerBlock
from llm.model import Transformer
from llm.training import Trainer

SHORT_MOMENTS = (0, 10, 20, 40, 60, 80, 100, 150, 200, 250, 300, 350, 400)
DEEP = STORY_LLAMA | {"d_model": 64, "n_layers": 12, "n_heads": 4}
SHORT = TrainConfig(steps=400, lr=1e-2, warmup=40, eval_every=50)


class BlockWithoutResiduals(TransformerBlock):
    """A block whose sublayers replace the stream where they should add to it."""

    def _add(self, x, norm, sublayer):
        return sublayer(norm(x))


SHORT_FILMS = {  # what differs from the deep model that learns: its config, its training, its block
    "deep-and-sound": ({}, {}, TransformerBlock),
    "rate-too-high": ({}, {"lr": 0.3}, TransformerBlock),
    "post-norm-no-warmup": ({"norm_position": "post"}, {"warmup": 0}, TransformerBlock),
    "no-residuals": ({}, {}, BlockWithoutResiduals),
}


def main() -> None:
    """Make all films."""
    tokenizer, train, val, test = story_data()
    save(storyteller_film(tokenizer, test))
    for name in SHORT_FILMS:
        save(short_film(name, tokenizer, train, val, test))


def short_film(name: str, tokenizer, train, val, test) -> Film:
    """The film of a short run that differs from the sound one as :data:`SHORT_FILMS` says."""
    model_changes, changes, block = SHORT_FILMS[name]
    seed_everything(0)
    config = ModelConfig(**DEEP | model_changes, vocab_size=len(tokenizer.vocab))
    model = Transformer(config)
    model.blocks = nn.ModuleList(block(config, i) for i in range(config.n_layers))
    initialize(model)
    film = Film(tokenizer, first(test, 40), SHORT_MOMENTS, name)
    film.record(model.to(default_device()), 0)
    Trainer(model, train, val, replace(SHORT, **changes), [film]).fit()
    return film


def storyteller_film(tokenizer, test) -> Film:
    """The film of the storyteller from the weights that its run has kept."""
    recipe = RECIPES["storyteller"]
    film = Film(tokenizer, first(test, 200), (), "storyteller")
    film.history = History.load(RUNS / "storyteller" / "history.csv").rows
    for step in recipe.moments:
        model = Transformer(ModelConfig(**recipe.model, vocab_size=len(tokenizer.vocab))).half()
        load_weights(moment_path("storyteller", step), model)
        film.record(model.float(), step)
    return film


def first(stories, n: int):
    """The first ``n`` documents of a corpus."""
    return replace(stories, documents=stories.documents[:n])


def save(film: Film) -> None:
    """Write a film, and say how large it is."""
    path = ASSETS / f"{film.name}.film.json.gz"
    save_film(path, film)
    print(f"{path}: {path.stat().st_size:,} bytes, {film.frames[-1]['sample']!r}")


if __name__ == "__main__":
    torch.set_num_threads(1)  # many small steps: more threads only wait for one another
    main()
