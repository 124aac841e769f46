"""Which heads does the closing question need? ``python scripts/owner_heads.py``: each, left out.

The storyteller reads 200 stories that it has not seen, up to the closing question, and is asked who
has the thing now. A row is one head: the share of questions answered right when the weights of this
head are 0 and all other heads are as they were.
"""

import torch
from train_weights import save_table

from llm import data, load, trace
from llm.pretrained import ASSETS

RESULTS = ASSETS / "owner_heads.csv"
N_STORIES, SEED = 200, 11


@torch.no_grad()
def main() -> None:
    """Leave out each head in turn and write one row a head."""
    model, tokenizer = load("storyteller")
    stories = data.stories(N_STORIES, seed=SEED).documents
    rows = [data.story_ids(tokenizer, story) for story in stories]  # … owner, full stop, end
    ids = torch.from_numpy(data.pad_rows([row[:-3] for row in rows], 0)).long()
    last = torch.tensor([len(row) - 4 for row in rows])
    owners = torch.tensor([row[-3] for row in rows])
    table = []
    for layer in range(model.config.n_layers):
        for head in range(model.config.n_heads):
            name = f"blocks.{layer}.attention.weights"
            with trace(model, edits={name: silencer(head)}):
                answers = model(ids)[torch.arange(len(rows)), last].argmax(-1)
            right = float((answers == owners).float().mean())
            print(f"{layer}.{head}", right, flush=True)
            table.append({"layer": layer, "head": head, "right": round(right, 3)})
    save_table(RESULTS, table)


def silencer(head: int):
    """An edit that sets the weights of one head to 0."""

    def silence(weights: torch.Tensor) -> torch.Tensor:
        weights = weights.clone()  # (B, H, T, S)
        weights[:, head] = 0
        return weights

    return silence


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
