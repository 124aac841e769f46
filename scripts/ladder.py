"""A ladder of models on the small stories: ``python scripts/ladder.py``, a quarter of an hour.

All runs read stories of one event from the first six words of each list, 16 stories a step, and are
scored on 1,000 stories that none of them has read. Three experiments, in the column ``experiment``:

- ``size``: two layers, widths 8 to 352, 600 steps;
- ``depth``: one to eight layers with 281,000 to 284,000 parameters, 600 steps;
- ``budget``: two layers, as many steps as 6 · parameters · tokens allows, equal for all.

The learning rate is 0.03 up to width 64 and falls as 1 / width beyond. A row is written when its
run is done, and a row that is there is not run again: delete the file to begin anew.
"""

import csv

import torch
from train_weights import save_table

from llm import data
from llm.config import LLAMA_STYLE, ModelConfig, TrainConfig
from llm.device import default_device, seed_everything
from llm.films import held_out
from llm.model import Transformer
from llm.pretrained import ASSETS
from llm.story_scores import _log_probabilities, _WordIds, score_stories
from llm.story_words import WORDS
from llm.training import IGNORE, Trainer

RESULTS = ASSETS / "ladder.csv"
KINDS = ("pronoun", "agreement", "action", "name", "colour", "object", "owner")
STEPS, BATCH, N_TEST = 600, 16, 1000
BUDGET_WIDTHS = (16, 32, 128, 256)  # beside 64, which is a row of "size"
DEPTHS = {1: (128, 344), 2: (96, 256), 4: (72, 176), 6: (56, 168), 8: (48, 152)}  # width, d_ff
SIZES = (8, 16, 32, 64, 128, 256, 352)


def plan(vocab_size: int) -> list[dict]:
    """All runs, those that matter most first."""
    size = [{"experiment": "size", "layers": 2, "width": w, "steps": STEPS} for w in SIZES]
    depth = [
        {"experiment": "depth", "layers": n, "width": w, "d_ff": f, "steps": STEPS}
        for n, (w, f) in DEPTHS.items()
    ]
    middle = STEPS * config_of({"layers": 2, "width": 64}, vocab_size).n_params()
    budget = [
        {"experiment": "budget", "layers": 2, "width": w}
        | {"steps": middle // config_of({"layers": 2, "width": w}, vocab_size).n_params()}
        for w in BUDGET_WIDTHS
    ]
    runs = [run | {"seed": 0} for run in (*size, *depth, *budget)]
    again = [run | {"seed": n} for n in (1, 2) for run in size if run["width"] <= 128]
    again += [run | {"seed": 1} for run in depth]
    return sorted([*runs, *again], key=lambda run: run["seed"] + 1.5 * (run["width"] == 352))


def config_of(run: dict, vocab_size: int) -> ModelConfig:
    """The model of a run: LLaMA's style, heads of eight numbers."""
    fields = LLAMA_STYLE | {"tie_embeddings": True, "max_seq_len": 64, "rope_theta": 100.0}
    fields |= {"d_model": run["width"], "n_layers": run["layers"], "n_heads": run["width"] // 8}
    return ModelConfig(**fields, d_ff=run.get("d_ff"), vocab_size=vocab_size)


def train(run: dict, tokenizer, table, test) -> dict:
    """One run and its scores."""
    seed_everything(run["seed"])
    config = config_of(run, len(tokenizer.vocab))
    model = Transformer(config).to(default_device())
    rate = 0.03 * min(1, 64 / run["width"])
    steps = run["steps"]
    settings = TrainConfig(
        steps=steps, batch_size=BATCH, lr=rate, min_lr=rate / 20, warmup=steps // 12,
        eval_every=steps, seed=run["seed"],
    )  # fmt: skip
    trainer = Trainer(model, table[: -2 * N_TEST], table[-2 * N_TEST : -N_TEST], settings)
    trainer.progress = False
    trainer.fit()
    scores = score_stories(model, tokenizer, test)
    row = {key: run[key] for key in ("experiment", "layers", "width", "steps", "seed")}
    row |= {"parameters": model.n_params(), "blocks": model.n_params(embeddings=False)}
    row |= {"loss": round(scores.loss, 4), "floor": round(scores.floor, 4)}
    row |= {"kl": round(scores.kl, 4), "owner_question": scores.owner}
    words, stories = determined(model, tokenizer, test)
    row |= {"words": round(words, 4), "stories": round(stories, 4)}
    for kind in KINDS:
        found = scores.kinds[kind]
        row |= {kind: round(found.top1, 4), f"{kind}_nats": round(found.loss, 4)}
    return row


def determined(model, tokenizer, stories) -> tuple[float, float]:
    """Of the words that earlier text determines: the share named right, and of stories in which
    all of them are."""
    ids, marks = _WordIds(tokenizer), []
    rows = _log_probabilities(model, tokenizer, stories.documents)
    for document, log_q in zip(stories.documents, rows, strict=True):
        best = log_q.argmax(-1).tolist()
        told = [(t, w) for t, w in enumerate(stories.told(document)) if len(w.options) == 1]
        marks.append([best[t] == ids[w.word] for t, w in told if w.kind != "fixed"])
    return sum(map(sum, marks)) / sum(map(len, marks)), sum(map(all, marks)) / len(marks)


def main() -> None:
    """Run what is not in the file yet, and write it row by row."""
    corpus = data.stories(13_000, words=WORDS.first(6, max_events=1))
    tokenizer = data.story_tokenizer(corpus)
    table = data.pad_rows([data.story_ids(tokenizer, d) for d in corpus.documents], IGNORE)
    test = held_out(corpus, N_TEST)
    rows = list(csv.DictReader(RESULTS.open())) if RESULTS.exists() else []
    keys = ("experiment", "layers", "width", "steps", "seed")
    done = {tuple(str(row[key]) for key in keys) for row in rows}
    for run in plan(len(tokenizer.vocab)):
        if tuple(str(run[key]) for key in keys) not in done:
            rows.append(train(run, tokenizer, table, test))
            save_table(RESULTS, rows)
            print(rows[-1], flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
