"""Norms before or after the sums? ``python scripts/norm_places.py``: places, warmups, rates.

A deep, narrow GPT learns small stories for 250 steps at a constant rate, with its norms before the
sublayers or after the sums, and with or without a warmup. A row is one run, with its loss on
stories that it has not seen. All rows take about two minutes on a free core.
"""

import torch
from train_weights import save_table

from llm import data
from llm.config import GPT_STYLE, ModelConfig, TrainConfig
from llm.device import default_device, seed_everything
from llm.model import Transformer
from llm.pretrained import ASSETS
from llm.story_words import WORDS
from llm.training import IGNORE, Trainer

RESULTS = ASSETS / "norm_places.csv"
PLACES, RATES, SEEDS = (("pre", 0), ("post", 0), ("post", 50)), (0.003, 0.01, 0.03, 0.1), (0, 1)
SIZES = {"max_seq_len": 64, "d_model": 32, "n_layers": 12, "n_heads": 4}


def main() -> None:
    """Run all and write one row a run."""
    corpus = data.stories(6_000, words=WORDS.first(6, max_events=1))
    tokenizer = data.story_tokenizer(corpus)
    table = data.pad_rows([data.story_ids(tokenizer, d) for d in corpus.documents], IGNORE)
    rows = [
        run(place, warmup, rate, seed, len(tokenizer.vocab), table)
        for rate in RATES
        for place, warmup in PLACES
        for seed in SEEDS
    ]
    save_table(RESULTS, rows)


def run(place: str, warmup: int, rate: float, seed: int, vocab_size: int, table) -> dict:
    """One training."""
    seed_everything(seed)
    fields = GPT_STYLE | SIZES | {"norm_position": place}
    model = Transformer(ModelConfig(**fields, vocab_size=vocab_size)).to(default_device())
    settings = {"lr": rate, "min_lr": rate, "warmup": warmup, "seed": seed}
    training = TrainConfig(steps=250, batch_size=4, eval_every=250, **settings)
    trainer = Trainer(model, table[:-200], table[-200:], training)
    trainer.progress = False
    loss = trainer.fit().rows[-1]["val_loss"]
    found = {"norm": place, "warmup": warmup, "rate": rate, "seed": seed, "loss": round(loss, 3)}
    print(found, flush=True)
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
