"""The storyteller learns to answer questions: ``python scripts/fine_tune.py``, six ways.

All weights, all weights with the lower half frozen, all weights with stories mixed in, new weights,
and LoRA. Each way has the same 200 batches of 32 questions (the mixed ones have 8 stories more) and
is asked the same 100 questions about stories that none has seen. A sixth way is asked for places,
which pretraining never had to recall. A row is one look at one run, after so many batches. The
adapter that LoRA trained goes to ``llm/assets/storyteller.lora.safetensors``, in half precision.
"""

import torch
from safetensors.torch import load_file, save
from train_weights import save_table

from llm import load
from llm.checkpoint import write_atomically
from llm.data import pad_rows, stories, story_ids
from llm.device import seed_everything
from llm.finetuning import (
    add_lora,
    answers,
    fine_tune,
    freeze,
    question_batches,
    save_lora,
    story_questions,
)
from llm.model import Transformer
from llm.pretrained import ASSETS
from llm.training import IGNORE, evaluate

RESULTS, ADAPTER = ASSETS / "fine_tune.csv", ASSETS / "storyteller.lora.safetensors"
RATES = {"full": 2e-3, "frozen": 2e-3, "mixed": 2e-3, "scratch": 2e-3, "lora": 5e-3, "place": 2e-3}
LOOKS, STEPS, SIZE = (0, 10, 25, 50, 100, 150, 200), 200, 32
FROZEN = ("embeddings.*", "blocks.[01].*")


def main() -> None:
    """Fine-tune each way and write one row a look."""
    rows = [row for way in RATES for row in run(way)]
    save_table(RESULTS, rows)


def run(way: str) -> list[dict]:
    """One way, looked at before, while and after it is trained."""
    seed_everything(0)
    model, tokenizer = load("storyteller")
    if way == "scratch":
        model = Transformer(model.config)
    if way == "lora":
        add_lora(model, rank=3, alpha=6)
    if way == "frozen":
        freeze(model, *FROZEN)
    kinds = ("place",) if way == "place" else ("owner", "finder")
    asked, told = story_questions(100, 99, kinds), stories(200, seed=77).documents
    told = pad_rows([story_ids(tokenizer, story) for story in told], IGNORE)
    mix = stories(9_000, seed=3).documents if way == "mixed" else ()
    batches = question_batches(tokenizer, story_questions(9_000, 1, kinds), SIZE, 0, mix)
    rows = []

    def look(step: int, loss: float) -> None:
        if step not in LOOKS:
            return
        given = answers(model, tokenizer, asked)
        rows.append(
            {
                "way": way,
                "step": step,
                "trained": sum(p.numel() for p in model.parameters() if p.requires_grad),
                "loss": "" if step == 0 else round(loss, 4),
                "right": sum(a == e.answer for a, e in zip(given, asked, strict=True)),
                "stories": round(evaluate(model, told, 128), 4),
            }
        )
        print(rows[-1], flush=True)

    look(0, 0.0)
    fine_tune(model, batches, STEPS, RATES[way], watch=look)
    if way == "lora":
        save_lora(ADAPTER, model)
        half = {name: tensor.half() for name, tensor in load_file(ADAPTER).items()}
        write_atomically(ADAPTER, save(half))
    return rows


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
