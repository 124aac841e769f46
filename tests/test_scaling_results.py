"""The tables behind the chapter on scale: what its scripts promise, and what the text claims."""

import csv
import random
import sys
from pathlib import Path
from statistics import mean

import pytest
import torch

from llm.pretrained import ASSETS

sys.path.append(str(Path(__file__).resolve().parents[1] / "scripts"))

import carries  # noqa: E402
import few_examples  # noqa: E402
import ladder  # noqa: E402


def table(name: str) -> list[dict]:
    with open(ASSETS / name) as file:
        return list(csv.DictReader(file))


KEYS = ("experiment", "layers", "width", "steps", "seed")
ROWS = table("ladder.csv")
VOCABULARY = 653  # of the small stories' tokenizer


def test_the_ladder_has_a_row_for_each_run_of_its_plan():
    planned = [tuple(str(run[key]) for key in KEYS) for run in ladder.plan(VOCABULARY)]
    assert len(planned) >= 12 and len(set(planned)) == len(planned)
    assert sorted(planned) == sorted(tuple(row[key] for key in KEYS) for row in ROWS)


def test_parameters_are_those_of_the_models():
    runs = {tuple(str(run[key]) for key in KEYS): run for run in ladder.plan(VOCABULARY)}
    for row in ROWS:
        config = ladder.config_of(runs[tuple(row[key] for key in KEYS)], VOCABULARY)
        assert int(row["parameters"]) == config.n_params()
        assert int(row["parameters"]) - int(row["blocks"]) == VOCABULARY * config.d_model


def test_scores_are_possible():
    for row in ROWS:
        assert float(row["loss"]) > float(row["floor"]) > 0.4
        shares = [row[key] for key in (*ladder.KINDS, "words", "stories", "owner_question")]
        assert all(0 <= float(share) <= 1 for share in shares)
        assert float(row["kl"]) > 0 and float(row["stories"]) <= float(row["words"])


def test_budgets_and_depths_are_equal():
    budget = [r for r in ROWS if r["experiment"] == "budget"]
    costs = [int(r["parameters"]) * int(r["steps"]) for r in budget]
    assert max(costs) / min(costs) < 1.03
    sizes = [int(r["parameters"]) for r in ROWS if r["experiment"] == "depth"]
    assert 280_000 < min(sizes) and max(sizes) < 285_000


def average(experiment: str, key: str, **where: str) -> float:
    found = [r for r in ROWS if r["experiment"] == experiment]
    return mean(float(r[key]) for r in found if where.items() <= r.items())


def test_what_the_chapter_says_of_the_ladder():
    smallest, best = (average("size", "kl", width=w) for w in ("8", "128"))
    assert best < 0.5 * smallest < average("size", "kl", width="256")
    assert average("budget", "words", width="16") == 1
    assert average("budget", "loss", width="16") < average("budget", "loss", width="256")
    two = average("depth", "kl", layers="2")
    assert all(two < average("depth", "kl", layers=n) for n in "1468")


def test_what_the_chapter_says_of_examples():
    rows = table("few_examples.csv")
    right = {
        (n, k): mean(float(r["right"]) for r in rows if (r["layers"], r["shown"]) == (n, k))
        for n in "12"
        for k in "0123"
    }
    assert len(rows) == 2 * len(few_examples.SEEDS) * 4
    assert all(right[n, "0"] < 0.2 for n in "12") and right["2", "1"] > 0.99
    assert all(0.6 < right["1", k] < 0.8 for k in "123")


def test_each_text_of_examples_keeps_its_rule():
    ids, shown = few_examples.texts(50, torch.Generator().manual_seed(0))
    assert ids.shape == (50, 2 * few_examples.PAIRS)
    for row, counts in zip(ids.tolist(), shown.tolist(), strict=True):
        letters, digits = row[::2], row[1::2]
        assert len(set(zip(letters, digits, strict=True))) == len(set(letters))
        assert counts == [letters[:t].count(letter) for t, letter in enumerate(letters)]
        assert max(letters) < few_examples.LETTERS <= min(digits)


@pytest.mark.parametrize("seed", range(3))
def test_sums_and_their_steps(seed):
    rng = random.Random(seed)
    for way in carries.WAYS:
        for question, answer in carries.sums(way, 50, rng):
            a, b = map(int, question[:-1].split("+"))
            assert int(answer[-4:]) == a + b
    assert carries.task("written", 247, 385) == ("247+385=", "121306>0632")
    assert carries.task("dots", 247, 385) == ("247+385=", "......>0632")
    assert carries.task("direct", 999, 1) == ("999+001=", "1000")


def test_what_the_chapter_says_of_sums():
    rows = table("carries.csv")
    assert len(rows) == len(carries.WAYS) * len(carries.SEEDS) * carries.STEPS // carries.EVERY

    def at(way: str, step: str, key: str) -> float:
        return mean(float(r[key]) for r in rows if (r["way"], r["step"]) == (way, step))

    written, direct, dots = (at(way, "300", "sums") for way in ("written", "direct", "dots"))
    assert written > 0.85 > 0.3 > direct > dots
    assert at("direct", "200", "digits") > 0.5 > 0.1 > at("direct", "200", "sums")
