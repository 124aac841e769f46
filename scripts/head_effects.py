"""What does each head of the storyteller do, and what is lost without it?

``python scripts/head_effects.py`` (about two minutes) reads 60 stories that the storyteller has not
seen. A row is one head, replaced by 0 or by its mean over 60 other stories: how much the loss over
all words rises, in nats a word, and the share of determined words of each kind that are still
right. The row without a head is the whole model.
"""

import time

import torch
from train_weights import save_table

from llm import data, load, mean_outputs, replace_heads
from llm.output import cross_entropy
from llm.pretrained import ASSETS

RESULTS = ASSETS / "head_effects.csv"
N_STORIES, SEED, MEAN_SEED = 60, 11, 12
KINDS = ("pronoun", "name", "colour", "object", "owner", "action")


@torch.no_grad()
def main() -> None:
    """Replace each head in turn, in both ways, and write one row for each."""
    model, tokenizer = load("storyteller")
    inputs, _, _ = read(tokenizer, data.stories(N_STORIES, seed=MEAN_SEED))
    means = mean_outputs(model, inputs.clamp(min=0), inputs >= 0)
    inputs, targets, kinds = read(tokenizer, data.stories(N_STORIES, seed=SEED))
    inputs = inputs.clamp(min=0)
    heads = [(i, h) for i in range(model.config.n_layers) for h in range(model.config.n_heads)]
    whole = measured(model(inputs), targets, kinds)
    table = [{"how": "whole", "layer": "", "head": "", **whole, "loss": 0.0}]
    for how, by in (("zero", None), ("mean", means)):
        for layer, head in heads:
            with replace_heads(model, [(layer, head)], by):
                row = measured(model(inputs), targets, kinds)
            row["loss"] = round(row["loss"] - whole["loss"], 4)
            table.append({"how": how, "layer": layer, "head": head} | row)
            print(table[-1], flush=True)
    save_table(RESULTS, table)


def read(tokenizer, stories: data.Stories):
    """Inputs and targets ``(N, T)``, padded with -1 and -100, and where words of a kind are due."""
    rows = [data.story_ids(tokenizer, text) for text in stories.documents]
    inputs = torch.from_numpy(data.pad_rows([row[:-1] for row in rows], -1)).long()
    targets = torch.from_numpy(data.pad_rows([row[1:] for row in rows], -100)).long()
    kinds = {kind: torch.zeros_like(inputs, dtype=torch.bool) for kind in KINDS}
    for n, text in enumerate(stories.documents):
        for t, told in enumerate(stories.told(text)):
            if told.kind in kinds and len(told.options) == 1:
                kinds[told.kind][n, t] = True
    return inputs, targets, kinds


def measured(logits: torch.Tensor, targets: torch.Tensor, kinds: dict) -> dict[str, float]:
    """The loss over all words, and the share of right first choices of each kind."""
    right = logits.argmax(-1) == targets
    shares = {kind: round(float(right[where].float().mean()), 3) for kind, where in kinds.items()}
    return {"loss": float(cross_entropy(logits, targets))} | shares


if __name__ == "__main__":
    torch.set_num_threads(1)
    start = time.process_time()
    main()
    print(f"{time.process_time() - start:.0f} s of processor time")
