"""Train a model from a shell: ``python -m llm.train --help``.

Starts a run, or continues the one in ``--out``. With several GPUs or processes:
``torchrun --standalone --nproc-per-node=2 -m llm.train …``.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from llm import data
from llm.checkpoint import save_weights
from llm.config import GPT_STYLE, LLAMA_STYLE, ModelConfig, TrainConfig
from llm.device import default_device, seed_everything
from llm.generation import generate
from llm.initialization import SCHEMES, initialize
from llm.model import Transformer
from llm.tokenization import BPETokenizer, CharTokenizer
from llm.training import IGNORE, Trainer

PRESETS = {  # options that belong together; others on the command line override them
    "small": {"d_model": 64, "layers": 2, "heads": 8, "lr": 1e-2, "steps": 800, "batch_size": 16},
    "stories": {"style": "llama", "d_model": 96, "heads": 12, "lr": 5e-3, "steps": 7000}
    | {"stories": 180_000},
    "plays": {"corpus": "tinyshakespeare", "context": 64, "batch_size": 12, "lr": 2e-3},
}
STYLES = {"gpt": GPT_STYLE, "llama": LLAMA_STYLE | {"tie_embeddings": True}}


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, train, and leave weights, tokenizer and history in ``--out``."""
    options = parse(arguments)
    seed_everything(options.seed)
    tokenizer, train, val = prepare(options)
    config = ModelConfig(
        **STYLES[options.style]
        | {
            "vocab_size": len(tokenizer.vocab),
            "max_seq_len": options.context,
            "d_model": options.d_model,
            "n_layers": options.layers,
            "n_heads": options.heads,
            "dropout": options.dropout,
        }
    )
    device = default_device()
    model = Transformer(config)
    initialize(model, options.init)
    model.to(device)
    print(f"{model.n_params():,} parameters on {device}; run kept in {options.out}")
    trainer = Trainer(model, train, val, settings(options))
    history = trainer.fit()
    if trainer.rank == 0:
        out = Path(options.out)
        save_weights(out / "weights.safetensors", model)
        tokenizer.save(out / "tokenizer.json")
        history.save(out / "history.csv")
        print(f"{history}\n{sample_text(model, tokenizer, int(val.flat[0]))}")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options given, those of the preset where none is given, and the usual values."""
    p = parser()
    preset = p.parse_args(arguments).preset
    p.set_defaults(**PRESETS.get(preset, {}))
    return p.parse_args(arguments)


def parser() -> argparse.ArgumentParser:
    """The options, with what they mean."""
    p = argparse.ArgumentParser(
        prog="python -m llm.train",
        description="Train a small language model. Stop it with Ctrl-C; the same command goes on.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = p.add_argument
    add("--preset", choices=PRESETS, help="settings that belong together, for a start")
    add("--corpus", default="stories", help="stories, tinyshakespeare, python-docs or a text file")
    add("--stories", type=int, default=20_000, help="how many stories to make up")
    add("--tokenizer", choices=("bpe", "characters"), help="by default bpe, for plays characters")
    add("--vocab-size", type=int, default=1024, help="entries of a bpe vocabulary, at most")
    add("--style", choices=STYLES, default="gpt", help="architecture")
    add("--d-model", type=int, default=128, help="width of the residual stream")
    add("--layers", type=int, default=4, help="number of blocks")
    add("--heads", type=int, default=4, help="attention heads in each block")
    add("--context", type=int, default=128, help="tokens that the model sees at most")
    add("--dropout", type=float, default=0.0, help="share of activations dropped while training")
    add("--init", choices=SCHEMES, default="normal", help="how the weights start")
    add("--steps", type=int, default=2000, help="updates of the weights")
    add("--batch-size", type=int, default=32, help="windows or stories in an update")
    add("--accumulation", type=int, default=1, help="parts in which a batch is worked on")
    add("--lr", type=float, default=1e-3, help="highest learning rate")
    add("--warmup", type=int, default=100, help="steps to get there")
    add("--schedule", choices=("cosine", "linear", "constant"), default="cosine", help="after that")
    add("--weight-decay", type=float, default=0.1, help="pull of the matrices towards zero")
    add("--precision", choices=("auto", "fp32", "bf16"), default="auto", help="of the arithmetic")
    add("--save-every", type=int, default=200, help="steps between two checkpoints")
    add("--seed", type=int, default=0, help="of weights, batches and stories")
    add("--out", default="runs/latest", help="folder of the run")
    return p


def settings(options: argparse.Namespace) -> TrainConfig:
    """The training settings among the options."""
    return TrainConfig(
        steps=options.steps,
        batch_size=options.batch_size,
        seq_len=options.context if options.corpus != "stories" else None,
        lr=options.lr,
        min_lr=options.lr / 10,
        warmup=min(options.warmup, options.steps),
        schedule=options.schedule,
        weight_decay=options.weight_decay,
        accumulation=options.accumulation,
        precision=options.precision,
        save_every=options.save_every,
        folder=options.out,
        seed=options.seed,
    )


def prepare(options: argparse.Namespace) -> tuple:
    """A tokenizer, and token ids to train on and to validate with (the last tenth)."""
    if options.corpus == "stories":
        corpus = data.stories(options.stories, options.seed)
        tokenizer = data.story_tokenizer(corpus)
        ids = [data.story_ids(tokenizer, story) for story in corpus.documents]
        rows = data.pad_rows(ids, IGNORE)
        if rows.shape[1] > options.context + 1:
            raise ValueError(
                f"the longest story has {rows.shape[1]} tokens: set --context to at least "
                f"{rows.shape[1] - 1}"
            )
        cut = len(rows) * 9 // 10
        return tokenizer, rows[:cut], rows[cut:]
    text = data.text_corpus(options.corpus).text
    kind = options.tokenizer or ("characters" if options.corpus == "tinyshakespeare" else "bpe")
    if kind == "characters":
        tokenizer = CharTokenizer(text)
    else:
        tokenizer = BPETokenizer.train(text, options.vocab_size, data.SPECIAL)
    cut = len(text) * 9 // 10
    train, val = (np.array(tokenizer.encode(part)) for part in (text[:cut], text[cut:]))
    return tokenizer, train, val


def sample_text(model: Transformer, tokenizer, first: int, length: int = 100) -> str:
    """What the model writes on its own after the token ``first``."""
    prompt = torch.tensor([[first]], device=next(model.parameters()).device)
    generator = torch.Generator().manual_seed(0)
    special = getattr(tokenizer, "special_tokens", {})
    stop = [special[data.END]] if data.END in special else []
    ids = generate(model, prompt, length, temperature=0.8, generator=generator, stop=stop)
    return tokenizer.decode(ids[0].tolist())


if __name__ == "__main__":
    main()
