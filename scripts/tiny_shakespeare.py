"""Two architectures on Tiny Shakespeare: ``python scripts/tiny_shakespeare.py``.

The sizes are those that nanoGPT gives for a CPU (Karpathy, 2022; config/train_shakespeare_char
and its README): characters, 4 layers of width 128, context 64, batches of 12, 2,000 steps; the
learning rate is twice its. Each model runs with three seeds; the loss is that on the whole last
tenth of the text.
"""

import statistics
from dataclasses import replace

from train_weights import play_data, save_table

from llm.config import GPT_STYLE, LLAMA_STYLE, ModelConfig, TrainConfig
from llm.device import default_device, seed_everything
from llm.model import Transformer
from llm.pretrained import ASSETS
from llm.training import Trainer, evaluate

RESULTS = ASSETS / "tiny_shakespeare.csv"
SIZES = {"max_seq_len": 64, "d_model": 128, "n_layers": 4, "n_heads": 4, "bias": False}
STYLES = {"gpt": GPT_STYLE, "llama": LLAMA_STYLE | {"tie_embeddings": True}}
TRAINING = TrainConfig(
    steps=2000,
    batch_size=12,
    lr=2e-3,
    min_lr=2e-4,
    warmup=100,
    betas=(0.9, 0.99),
    eval_every=2000,
)
SEEDS = (0, 1, 2)


def main() -> None:
    """Train all models and write one row a run."""
    tokenizer, train, val, test = play_data()
    rows = []
    for style, fields in STYLES.items():
        for seed in SEEDS:
            seed_everything(seed)
            config = ModelConfig(**fields | SIZES, vocab_size=len(tokenizer.vocab))
            model = Transformer(config).to(default_device())
            Trainer(model, train, val, replace(TRAINING, seed=seed)).fit()
            loss = round(evaluate(model, test, 64), 4)
            rows.append(
                {"model": style, "parameters": model.n_params(), "seed": seed, "loss": loss}
            )
        print(style, statistics.mean(row["loss"] for row in rows if row["model"] == style))
    save_table(RESULTS, rows)


if __name__ == "__main__":
    main()
