"""From GPT to LLaMA, all ways: ``python scripts/llama_steps.py``: 64 models, equal training.

Six switches, each off or on, make 64 models. Each learns the same stories for 300 steps, once; the
first and the last also with other seeds, which shows what chance does, and four of them for four
times as long. A row is one run: which switches are on, parameters, FLOPs a token at a context of
64, bytes of the KV cache a token, and the loss on stories that it has not seen. All rows take about
eight minutes on a free core.
"""

from dataclasses import replace
from itertools import combinations

import torch
from train_weights import save_table

from llm import data
from llm.config import GPT_STYLE, ModelConfig, TrainConfig
from llm.device import default_device, seed_everything
from llm.llama import SWITCHES, flops_per_token, switch
from llm.model import Transformer
from llm.pretrained import ASSETS
from llm.scaling import kv_cache_bytes
from llm.story_words import WORDS
from llm.training import IGNORE, Trainer

RESULTS = ASSETS / "llama_steps.csv"
SEEDS, LONGER = 4, 4
SIZES = {"max_seq_len": 64, "d_model": 64, "n_layers": 3, "n_heads": 4, "rope_theta": 100.0}
TRAINING = TrainConfig(steps=300, batch_size=8, lr=7e-3, min_lr=4e-4, warmup=30, eval_every=300)
HELD_OUT = 300


def main() -> None:
    """Run all and write one row a run."""
    corpus = data.stories(4_000, words=WORDS.first(6, max_events=1))
    tokenizer = data.story_tokenizer(corpus)
    table = data.pad_rows([data.story_ids(tokenizer, d) for d in corpus.documents], IGNORE)
    gpt = ModelConfig(**GPT_STYLE | SIZES, vocab_size=len(tokenizer.vocab))
    ways = [on for n in range(len(SWITCHES) + 1) for on in combinations(SWITCHES, n)]
    first, last = ways[0], ways[-1]
    runs = [(on, 0, 1) for on in ways]
    runs += [(on, seed, 1) for seed in range(1, SEEDS) for on in (first, last)]
    runs += [(on, 0, LONGER) for on in (first, ("tying",), last[:-1], last)]
    save_table(RESULTS, [run(gpt, on, seed, longer, table) for on, seed, longer in runs])


def run(gpt: ModelConfig, on: tuple[str, ...], seed: int, longer: int, table) -> dict:
    """One training, as long as planned or several times that."""
    seed_everything(seed)
    config = switch(gpt, *on)
    model = Transformer(config).to(default_device())
    steps = longer * TRAINING.steps
    settings = replace(TRAINING, steps=steps, eval_every=steps, eval_batches=None, seed=seed)
    trainer = Trainer(model, table[:-HELD_OUT], table[-HELD_OUT:], settings)
    trainer.progress = False
    loss = trainer.fit().rows[-1]["val_loss"]
    found = {"on": "+".join(on) or "none", "seed": seed, "steps": steps}
    found |= {"params": config.n_params(), "flops": flops_per_token(config, gpt.max_seq_len)}
    found |= {"kv_bytes": kv_cache_bytes(config, 1), "loss": round(loss, 4)}
    print(found, flush=True)
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
