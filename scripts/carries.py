"""Sums in one go, or with the carries written out: ``python scripts/carries.py``, two minutes.

A small GPT learns sums of two numbers of three digits in three ways, from equal examples:

- ``direct``: ``247+385=0632``;
- ``dots``: ``247+385=......>0632``, as many tokens more as the next, which say nothing;
- ``written``: ``247+385=121306>0632``, first 7 + 5 = 12, then 4 + 8 + 1 = 13, then 2 + 3 + 1 = 06.

A row is a moment of a run: of 300 new sums the share of right digits, each given only the question,
and the share of sums whose four digits are all right.
"""

import random

import torch
from train_weights import save_table

from llm import GPT, cross_entropy
from llm.device import default_device, seed_everything
from llm.pretrained import ASSETS
from llm.training import learning_rate

RESULTS = ASSETS / "carries.csv"
LETTERS = "0123456789+=>."
WAYS, SEEDS, STEPS, EVERY, BATCH, N_TEST = ("direct", "dots", "written"), (0, 1), 600, 100, 64, 300


def steps_of(a: int, b: int) -> str:
    """The three sums of one digit each, units first, with the carry of the one before."""
    carry, said = 0, ""
    for place in (1, 10, 100):
        total = a // place % 10 + b // place % 10 + carry
        said, carry = said + f"{total:02}", total // 10
    return said


def task(way: str, a: int, b: int) -> tuple[str, str]:
    """Question and answer; the last four characters are the sum."""
    between = {"direct": "", "dots": "......>", "written": f"{steps_of(a, b)}>"}[way]
    return f"{a:03}+{b:03}=", f"{between}{a + b:04}"


def sums(way: str, n: int, rng: random.Random) -> list[tuple[str, str]]:
    return [task(way, rng.randrange(1000), rng.randrange(1000)) for _ in range(n)]


def ids(texts: list[str], device) -> torch.Tensor:
    return torch.tensor([[LETTERS.index(c) for c in text] for text in texts], device=device)


def score(model, test: list[tuple[str, str]]) -> dict:
    """Shares of right digits and of right sums, when the model writes all after the question."""
    device = next(model.parameters()).device
    questions, answers = zip(*test, strict=True)
    out = model.generate(ids(questions, device), len(answers[0]), temperature=0)[:, -4:].cpu()
    right = out == ids([answer[-4:] for answer in answers], "cpu")
    return {
        "digits": round(float(right.float().mean()), 4),
        "sums": round(float(right.all(-1).float().mean()), 4),
    }


def run(way: str, seed: int) -> list[dict]:
    seed_everything(seed)
    rng, device = random.Random(seed), default_device()
    n_question, n_answer = map(len, task(way, 0, 0))
    sizes = {"d_model": 64, "n_layers": 2, "n_heads": 4, "max_seq_len": n_question + n_answer}
    model = GPT(vocab_size=len(LETTERS), **sizes).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    test, rows = sums(way, N_TEST, random.Random(99)), []
    for step in range(1, STEPS + 1):
        optimizer.param_groups[0]["lr"] = learning_rate("cosine", step, 60, STEPS, 4e-3, 1e-4)
        batch = ids([q + a for q, a in sums(way, BATCH, rng)], device)
        logits = model(batch[:, :-1])[:, n_question - 1 :]  # only what comes after the question
        loss = cross_entropy(logits, batch[:, n_question:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % EVERY == 0:
            rows.append({"way": way, "seed": seed, "step": step} | score(model, test))
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    save_table(RESULTS, [row for seed in SEEDS for way in WAYS for row in run(way, seed)])


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
