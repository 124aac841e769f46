"""How well do positions reach beyond training? ``python scripts/extrapolation.py``: five ways.

One small model for each way and seed, trained on windows of 64 tokens from a long row of stories,
reads windows of 256 from stories that it has not seen. A row of the table is one run: its mean loss
in nats a token at places 32 to 64 of the window, 64 to 96, and 128 to 256.
"""

import numpy as np
import torch
from train_weights import save_table

from llm import data
from llm.config import ModelConfig, TrainConfig
from llm.device import default_device, seed_everything
from llm.model import Transformer
from llm.output import cross_entropy
from llm.pretrained import ASSETS
from llm.story_words import WORDS
from llm.training import Trainer

RESULTS = ASSETS / "extrapolation.csv"
WAYS, SEEDS = ("sinusoidal", "learned", "rope", "alibi", "none"), (0, 1)
PLACES = {"32 to 64": (32, 64), "64 to 96": (64, 96), "128 to 256": (128, 256)}
SIZES = {"d_model": 64, "n_layers": 2, "n_heads": 4, "max_seq_len": 256}
TRAINING = TrainConfig(
    steps=1500, batch_size=16, seq_len=64, lr=1e-2, min_lr=5e-4, warmup=50, eval_every=1500
)
HELD_OUT = 500


def main() -> None:
    """Run all and write one row a run."""
    corpus = data.stories(12_000, words=WORDS.first(6, max_events=1))
    tokenizer = data.story_tokenizer(corpus)
    rows = [data.story_ids(tokenizer, document) for document in corpus.documents]
    train, test = np.concatenate(rows[:-HELD_OUT]), np.concatenate(rows[-HELD_OUT:])
    vocab_size = len(tokenizer.vocab)
    save_table(RESULTS, [run(w, s, vocab_size, train, test) for w in WAYS for s in SEEDS])


def run(position: str, seed: int, vocab_size: int, train, test) -> dict:
    """One training, and the losses of the model at each range of places."""
    seed_everything(seed)
    scaled = position == "sinusoidal"  # as in its paper; else sines drown the tokens
    config = ModelConfig(vocab_size=vocab_size, position=position, scale_embeddings=scaled, **SIZES)
    model = Transformer(config).to(default_device())
    trainer = Trainer(model, train, test, TRAINING)
    trainer.progress = False
    trainer.fit()
    losses = losses_by_place(model, test)
    found = {name: round(float(losses[a:b].mean()), 3) for name, (a, b) in PLACES.items()}
    print(position, seed, found, flush=True)
    return {"position": position, "seed": seed} | found


@torch.no_grad()
def losses_by_place(model: Transformer, test, length: int = 256) -> torch.Tensor:
    """The mean loss at each place of windows of ``length`` tokens that follow one another."""
    n = (len(test) - 1) // length
    device = next(model.parameters()).device
    ids = torch.from_numpy(test[: n * length + 1].astype(np.int64)).to(device)
    inputs, targets = ids[:-1].view(n, length), ids[1:].view(n, length)
    logits = model.eval()(inputs)
    each = [cross_entropy(logits[:, t], targets[:, t]) for t in range(length)]
    return torch.stack(each).cpu()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
