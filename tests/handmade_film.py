"""A small film whose every number is known: two layers of three heads, four moments."""

from llm.films import FORMAT

TOKENS = ["<|begin|>", "Once", " Mia", " saw", " Mia", "?", " Mia", ".", "<|end|>"]
WORDS = [("she", "Mia"), ("she", "Rosa"), ("he", "Tom"), ("colours", "<b>red</b>")]
HOSTILE = "</script><img src=x onerror=alert(1)>"
STEPS = (0, 10, 100, 1000)
KNOWN = {"pronoun": 1, "name": 2, "owner": 3}  # from which moment each kind is right


def handmade_film(name: str = "storyteller") -> dict:
    """A film as ``llm.Film.to_dict`` gives it."""
    return {
        "format": FORMAT,
        "name": name,
        "prompt": "Once",
        "tokens": TOKENS,
        "words": [list(pair) for pair in WORDS],
        "n_layers": 2,
        "n_heads": 3,
        "curve": {
            "step": [10, 100, 500, 1000],
            "loss": [3.9, 1.6, 1.2, 0.52],
            "val_loss": [None, 1.5, None, 0.5],
            "lr": [0.001] * 4,
            "grad_norm": [1.0] * 4,
        },
        "moments": [_moment(i, step) for i, step in enumerate(STEPS)],
    }


def digit(moment: int, layer: int, head: int, row: int, column: int) -> int:
    """The grade of one weight, from 0 to 15."""
    return (moment + 2 * layer + 3 * head + 5 * row + 7 * column) % 16


def _moment(i: int, step: int) -> dict:
    size = len(TOKENS)
    attention = [
        [
            "".join(f"{digit(i, la, he, r, c):x}" for r in range(size) for c in range(r + 1))
            for he in range(3)
        ]
        for la in range(2)
    ]
    table = [
        [round(0.1 * i + 0.2 * layer + 0.05 * head, 2) for head in range(3)] for layer in (0, 1)
    ]
    kinds = {kind: [1.0, 0.01] if i >= first else [0.2, 3.5] for kind, first in KNOWN.items()}
    return {
        "step": step,
        "loss": [4.0, 2.0, 1.0, 0.5][i],
        "floor": 0.4,
        "kl": [3.6, 1.6, 0.6, 0.1][i],
        "owner": [0.0, 0.25, 0.3, 1.0][i],
        "kinds": kinds,
        "sample": "Once " + [HOSTILE, "Mia Mia", "there was Tom", "there was Mia."][i],
        "previous": table,
        "induction": table,
        "answer": table,
        "attention": attention,
        "points": [[100 * i, 200], [-900, 40 * i], [1000, -1000], [0, 0]],
    }
