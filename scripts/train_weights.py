"""Train the models of the book: ``python scripts/train_weights.py storyteller``, or all of them.

A run is kept in ``runs/weights/NAME`` and goes on from there when it is stopped. Weights, in half
precision, go to ``llm/assets/`` together with a row of its table ``models.json``.
"""

import csv
import hashlib
import io
import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from llm import data
from llm.checkpoint import save_weights, write_atomically
from llm.config import GPT_STYLE, LLAMA_STYLE, ModelConfig, TrainConfig
from llm.device import default_device, seed_everything
from llm.model import Transformer
from llm.pretrained import ASSETS, CHECKPOINTS
from llm.story_scores import score_stories
from llm.tokenization import CharTokenizer
from llm.training import IGNORE, Trainer, evaluate

RUNS = Path("runs/weights")
N_STORIES = 180_000  # about as many as a run reads
N_HELD_OUT = 2_000  # one half to watch, one half to test
MOMENTS = (0, 10, 20, 40, 60, 80, 100, 150, 200, 300, 400, 500, 600, 700, 750, 800, 850, 900, 950)
MOMENTS += (1000, 1100, 1200, 1400, 1700, 2000, 2500, 3000, 4000, 6000, 7000)  # for the film


@dataclass(frozen=True)
class Recipe:
    """What one model is trained on, and how.

    ``moments`` are the steps whose weights are kept for its film, ``checkpoints`` those of them
    that readers can load.
    """

    model: dict
    training: TrainConfig
    corpus: str = "stories"
    moments: tuple[int, ...] = ()
    checkpoints: tuple[int, ...] = ()


STORY_LLAMA = LLAMA_STYLE | {"tie_embeddings": True, "max_seq_len": 128}
RECIPES = {
    "storyteller": Recipe(
        STORY_LLAMA | {"d_model": 96, "n_layers": 4, "n_heads": 12, "rope_theta": 100.0},
        TrainConfig(steps=7000, lr=5e-3, min_lr=1e-4, warmup=100),
        moments=MOMENTS,
        checkpoints=(100, 300, 750, 1000, 1400, 3000),
    ),
    "gpt-storyteller": Recipe(
        GPT_STYLE | {"max_seq_len": 128, "d_model": 128, "n_layers": 4, "n_heads": 8},
        TrainConfig(steps=6000, lr=4e-3, min_lr=8e-5, warmup=200),
    ),
    "draft": Recipe(
        STORY_LLAMA | {"d_model": 48, "n_layers": 3, "n_heads": 6, "n_kv_heads": 2},
        TrainConfig(steps=6000, lr=6e-3, min_lr=1e-4, warmup=100),
    ),
    "bard": Recipe(
        LLAMA_STYLE
        | {"tie_embeddings": True, "max_seq_len": 128, "d_model": 128}
        | {"n_layers": 4, "n_heads": 4},
        TrainConfig(steps=3500, batch_size=16, lr=3e-3, min_lr=3e-5, warmup=200),
        corpus="tinyshakespeare",
    ),
}


def main(names: list[str]) -> None:
    """Train the models called ``names``, one after another."""
    for name in names or RECIPES:
        train(name, RECIPES[name])


def train(name: str, recipe: Recipe) -> None:
    """Train one model and write its weights and its row of the table."""
    started = time.perf_counter()
    read, measure = CORPORA[recipe.corpus]
    tokenizer, train, val, test = read()
    seed_everything(0)
    config = ModelConfig(**recipe.model, vocab_size=len(tokenizer.vocab))
    model = Transformer(config).to(default_device())
    folder = RUNS / name
    settings = replace(recipe.training, folder=str(folder), save_every=500)
    snapshots = Snapshots(folder, recipe.moments)
    if 0 in recipe.moments:
        snapshots.keep(model, 0)
    trainer = Trainer(model, train, val, settings, [snapshots])
    trainer.fit()
    trainer.history.save(folder / "history.csv")
    model.half().float()  # what is measured is what is kept
    row = {
        "config": config.to_dict(),
        "corpus": recipe.corpus,
        "parameters": model.n_params(),
        "command": f"python scripts/train_weights.py {name}",
        "training": asdict(recipe.training),
        "minutes": round((time.perf_counter() - started) / 60, 1),
        **measure(model, tokenizer, test),
    }
    if recipe.checkpoints:
        row["checkpoints"] = publish_checkpoints(name, recipe.checkpoints)
    save_weights(ASSETS / f"{name}.safetensors", model.half())
    path = ASSETS / "models.json"
    table = json.loads(path.read_text()) if path.exists() else {}
    write_atomically(path, json.dumps(table | {name: row}, indent=1).encode())
    print(json.dumps({name: row}, indent=1))


def publish_checkpoints(name: str, steps: tuple[int, ...]) -> dict[str, str]:
    """Copy the weights at some moments to where ``load`` finds them; their checksums."""
    sums = {}
    for step in steps:
        content = moment_path(name, step).read_bytes()
        CHECKPOINTS.mkdir(exist_ok=True)
        write_atomically(CHECKPOINTS / f"{name}@{step}.safetensors", content)
        sums[str(step)] = hashlib.sha256(content).hexdigest()
    return sums


class Snapshots:
    """A callback that keeps the weights, in half precision, at the steps called ``moments``."""

    def __init__(self, folder: Path, moments: tuple[int, ...]):
        self.folder, self.moments = folder, moments

    def __call__(self, trainer: Trainer, row: dict) -> None:
        if row["step"] in self.moments:
            self.keep(trainer.model, row["step"])

    def keep(self, model, step: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        half = Transformer(model.config).half()
        half.load_state_dict(model.state_dict())
        save_weights(moment_path(self.folder.name, step), half)


def moment_path(name: str, step: int) -> Path:
    """Where the weights of a run at one of its moments are kept."""
    return RUNS / name / f"moment-{step:05d}.safetensors"


def save_table(path: Path, rows: list[dict]) -> None:
    """Write rows with equal keys as CSV, whole or not at all."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode())


def story_data() -> tuple:
    """The stories' tokenizer, rows to train on and to validate with, and stories for the test."""
    corpus = data.stories(N_STORIES + N_HELD_OUT)
    tokenizer = data.story_tokenizer(replace(corpus, text="\n".join(corpus.documents[:20_000])))
    tokenizer.save(ASSETS / "stories.tokenizer.json")
    rows = data.pad_rows([data.story_ids(tokenizer, text) for text in corpus.documents], IGNORE)
    test = replace(corpus, documents=corpus.documents[-N_HELD_OUT // 2 :])
    return tokenizer, rows[:N_STORIES], rows[N_STORIES : -N_HELD_OUT // 2], test


def play_data() -> tuple:
    """The same for Tiny Shakespeare, by characters; its last tenth is for validation and test."""
    text = data.text_corpus("tinyshakespeare").text
    tokenizer = CharTokenizer(text)
    tokenizer.save(ASSETS / "tinyshakespeare.tokenizer.json")
    ids = np.array(tokenizer.encode(text))
    cut = len(ids) * 9 // 10
    return tokenizer, ids[:cut], ids[cut:], ids[cut:]


def story_measures(model, tokenizer, test) -> dict:
    """How close the model comes to the process that told the stories."""
    scores = score_stories(model, tokenizer, test)
    return asdict(scores) | {"excess": scores.excess}


def play_measures(model, tokenizer, test) -> dict:
    """The loss on the whole test text, in nats a character."""
    return {"loss": evaluate(model, test, model.config.max_seq_len)}


CORPORA = {"stories": (story_data, story_measures), "tinyshakespeare": (play_data, play_measures)}

if __name__ == "__main__":
    main(sys.argv[1:])
