"""Learning a new rule from examples in the text: ``python scripts/few_examples.py``, one minute.

Each text shows pairs of a letter and a digit: which digit follows a letter is drawn anew for each
text and the same throughout it. So the weights cannot know it, and the text can. Models of one and
two layers, on nine pairs of three letters. A row is a run and a number of times that a letter has
been shown before: the share of digits named right then, and the loss in nats.
"""

import torch
from train_weights import save_table

from llm import Llama, cross_entropy
from llm.device import default_device, seed_everything
from llm.pretrained import ASSETS
from llm.training import learning_rate

RESULTS = ASSETS / "few_examples.csv"
LETTERS, DIGITS, PAIRS, BATCH, STEPS, SEEDS = 3, 8, 9, 64, 400, (0, 1)


def texts(n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids ``(n, 2 · PAIRS)``, letters at even places, and how often each letter was shown
    before ``(n, PAIRS)``."""
    letters = torch.randint(LETTERS, (n, PAIRS), generator=generator)
    rules = torch.randint(DIGITS, (n, LETTERS), generator=generator)
    ids = torch.stack([letters, LETTERS + rules.gather(1, letters)], -1).flatten(1)
    same = letters[:, :, None] == letters[:, None, :]
    return ids, same.tril(-1).sum(-1)


def run(n_layers: int, seed: int) -> list[dict]:
    seed_everything(seed)
    generator, device = torch.Generator().manual_seed(seed), default_device()
    sizes = {"d_model": 64, "n_layers": n_layers, "n_heads": 4, "max_seq_len": 2 * PAIRS}
    model = Llama(vocab_size=LETTERS + DIGITS, rope_theta=100.0, **sizes).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(1, STEPS + 1):
        optimizer.param_groups[0]["lr"] = learning_rate("cosine", step, 50, STEPS, 5e-3, 2e-4)
        ids = texts(BATCH, generator)[0].to(device)
        loss = cross_entropy(model(ids[:, :-1])[:, ::2], ids[:, 1::2])  # the digits only
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ids, shown = texts(500, torch.Generator().manual_seed(99))
    with torch.no_grad():
        log_q = model(ids[:, :-1].to(device))[:, ::2].log_softmax(-1).cpu()  # (500, PAIRS, V)
    digits = ids[:, 1::2]
    nats, right = -log_q.gather(-1, digits[..., None])[..., 0], log_q.argmax(-1) == digits
    found = []
    for k in range(4):
        here = shown == k
        row = {"layers": n_layers, "seed": seed, "shown": k}
        row |= {"right": round(float(right[here].float().mean()), 4)}
        found.append(row | {"nats": round(float(nats[here].mean()), 4)})
        print(found[-1], flush=True)
    return found


def main() -> None:
    save_table(RESULTS, [row for n in (1, 2) for seed in SEEDS for row in run(n, seed)])


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
