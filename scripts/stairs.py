"""When is copying learned? ``python scripts/stairs.py``: layers, heads and rates, a small world.

The model is that of the chapter on training, of width 64, with two layers or one. Stories have one
event and the first six words of each list; a run is 800 steps of 16 stories. A row is one run: how
many of the names, and of the closing questions, were right at the end, and after which step nine in
ten names were.
"""

from dataclasses import replace

import torch
from train_weights import save_table

from llm import data
from llm.config import LLAMA_STYLE, ModelConfig, TrainConfig
from llm.device import default_device, seed_everything
from llm.films import held_out
from llm.model import Transformer
from llm.pretrained import ASSETS
from llm.story_scores import score_stories
from llm.story_words import WORDS
from llm.training import IGNORE, Trainer

RESULTS = ASSETS / "stairs.csv"
SETTINGS = [(2, heads, rate) for heads in (2, 4, 8) for rate in (0.01, 0.03)]
SETTINGS += [(1, 8, 0.03), (1, 1, 0.03)]  # layers, heads, rate
SEEDS = (0, 1, 2)
SIZES = {"max_seq_len": 64, "d_model": 64, "rope_theta": 100.0}
TRAINING = TrainConfig(steps=800, batch_size=16, warmup=50, eval_every=800)


def main() -> None:
    """Run all and write one row a run."""
    corpus = data.stories(12_000, words=WORDS.first(6, max_events=1))
    tokenizer = data.story_tokenizer(corpus)
    table = data.pad_rows([data.story_ids(tokenizer, d) for d in corpus.documents], IGNORE)
    rows = [
        run(*setting, seed, tokenizer, table, held_out(corpus, 100))
        for setting in SETTINGS
        for seed in SEEDS
    ]
    save_table(RESULTS, rows)


def run(n_layers: int, n_heads: int, rate: float, seed: int, tokenizer, table, test) -> dict:
    """One training, looked at every 50 steps."""
    seed_everything(seed)
    fields = (
        LLAMA_STYLE | SIZES | {"n_layers": n_layers, "n_heads": n_heads, "tie_embeddings": True}
    )
    config = ModelConfig(**fields, vocab_size=len(tokenizer.vocab))
    model = Transformer(config).to(default_device())
    names: dict[int, float] = {}

    def watch(trainer: Trainer, row: dict) -> None:
        if row["step"] % 50 == 0:
            scores = score_stories(model, tokenizer, test)
            names[row["step"]] = scores.kinds["name"].top1
            row["owner"], row["kl"] = scores.owner, scores.kl

    settings = replace(TRAINING, lr=rate, min_lr=rate / 20, seed=seed)
    trainer = Trainer(model, table[:-500], table[-500:], settings, [watch])
    trainer.progress = False
    last = trainer.fit().rows[-1]
    found = {"layers": n_layers, "heads": n_heads, "rate": rate, "seed": seed}
    found["names"] = round(names[800], 3)
    learned = next((step for step, share in names.items() if share >= 0.9), "")
    found |= {"step": learned, "owner": last["owner"], "kl": round(last["kl"], 4)}
    print(found, flush=True)
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
