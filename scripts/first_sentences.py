"""Train small models on the first two sentences of each story, in which no name returns.

    python scripts/first_sentences.py

Writes ``llm/assets/first_sentences.csv``: for each seed the mean cosine of the rows of the names of
women, of men, of all forty, and of the places of kings. Three minutes on one core. The chapter on
embeddings reads it.
"""

import torch
from torch import Tensor
from train_weights import save_table

from llm import Llama, Trainer, data, load
from llm.config import TrainConfig
from llm.pretrained import ASSETS
from llm.story_words import WORDS
from llm.training import IGNORE

KINDS = {
    "she": WORDS.she,
    "he": WORDS.he,
    "names": WORDS.she + WORDS.he,
    "castles": WORDS.roles["king"][2],
}
SIZES = {"d_model": 64, "n_layers": 2, "n_heads": 8, "max_seq_len": 64, "rope_theta": 100.0}
SETTINGS = TrainConfig(steps=400, batch_size=32, lr=1e-2, min_lr=1e-3, warmup=30)


def beginnings(tokenizer):
    """Rows of ids: the first two sentences of 8,000 stories."""
    texts = [". ".join(text.split(". ")[:2]) + "." for text in data.stories(8000).documents]
    return data.pad_rows([data.story_ids(tokenizer, text) for text in texts], IGNORE)


def mean_cosine(rows: Tensor) -> float:
    """The mean over all pairs of different rows."""
    unit = rows / rows.norm(dim=-1, keepdim=True)
    n = len(rows)
    return round((float((unit @ unit.T).sum()) - n) / (n * (n - 1)), 3)


def run(seed: int, tokenizer, rows) -> dict:
    torch.manual_seed(seed)
    model = Llama(vocab_size=len(tokenizer.vocab), tie_embeddings=True, **SIZES)
    trainer = Trainer(model, rows[:-500], rows[-500:], SETTINGS, [])
    trainer.progress = False
    trainer.fit()
    table = model.embeddings.token.weight.detach()
    ids = {kind: [tokenizer.encode(f" {w}")[0] for w in words] for kind, words in KINDS.items()}
    return {"seed": seed} | {kind: mean_cosine(table[places]) for kind, places in ids.items()}


def main() -> None:
    _, tokenizer = load("storyteller")
    rows = beginnings(tokenizer)
    found = [run(seed, tokenizer, rows) for seed in range(3)]
    save_table(ASSETS / "first_sentences.csv", found)


if __name__ == "__main__":
    main()
