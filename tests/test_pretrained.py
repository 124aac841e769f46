"""The models that come with the book: they load offline, and are as good as their table says."""

import csv
import re
from dataclasses import replace
from pathlib import Path
from statistics import mean

import pytest
import torch

from llm import __version__, data, generate, load
from llm.pretrained import ASSETS, CHECKPOINTS, CHECKPOINTS_URL, model_table
from llm.story_scores import StoryScores, score_stories

STORY_MODELS = ("storyteller", "gpt-storyteller", "draft")
UNSEEN = data.stories(1000, seed=2026)


@pytest.fixture(scope="module")
def scores() -> dict[str, StoryScores]:
    """Of each story model, on a thousand stories that no run has seen."""
    return {name: score_stories(*load(name), UNSEEN) for name in STORY_MODELS}


@pytest.mark.parametrize("name", model_table())
def test_a_model_loads_as_its_table_describes_it(name):
    model, tokenizer = load(name)
    row = model_table()[name]
    assert model.n_params() == row["parameters"] == model.config.n_params()
    assert model.config.to_dict() == row["config"] and not model.training
    assert len(tokenizer.vocab) == model.config.vocab_size
    assert next(model.parameters()).dtype == torch.float32
    assert row["minutes"] > 0 and row["command"].endswith(name)


def test_the_models_keep_to_their_sizes():
    table = model_table()
    assert table["storyteller"]["parameters"] <= 1_000_000
    assert table["draft"]["parameters"] <= 150_000
    assert sum(path.stat().st_size for path in ASSETS.glob("*.safetensors")) <= 6_000_000


def test_unseen_means_unseen():
    trained_on = set(data.stories(182_000).documents)
    assert not trained_on & set(UNSEEN.documents)


def test_the_storyteller_is_close_to_the_truth(scores):
    found = scores["storyteller"]
    assert found.kl <= 0.012 and found.owner >= 0.95
    for kind in ("name", "pronoun", "colour", "object", "agreement"):
        assert found.kinds[kind].top1 >= 0.99 and found.kinds[kind].loss <= 0.05


def test_guessing_the_owner_without_reading_fails_on_the_same_stories():
    last = most = 0
    for document in UNSEEN.documents:
        body, question = document.split(" Who has")
        names = [w for w in re.findall(r"\w+", body) if w in UNSEEN.words.she + UNSEEN.words.he]
        owner = question.split()[-1].strip(".")
        last += names[-1] == owner
        most += max(sorted(set(names)), key=names.count) == owner
    assert last <= 550 and most <= 550  # of 1,000; chance among four people is 250


def test_the_others_learned_as_well(scores):
    assert scores["gpt-storyteller"].kl < 0.05
    assert scores["draft"].kl < 0.3 and scores["draft"].kinds["pronoun"].top1 > 0.99


def test_the_table_s_figures_are_those_of_the_files(scores):
    for name, found in scores.items():
        row = model_table()[name]
        assert found.kl == pytest.approx(row["kl"], rel=0.15)
        assert found.floor == pytest.approx(row["floor"], rel=0.01)


def test_the_storyteller_tells_a_story_of_the_process():
    model, tokenizer = load("storyteller")
    begin, end = (tokenizer.special_tokens[name] for name in ("<|begin|>", data.END))
    told = 0
    for seed in range(10):
        generator = torch.Generator().manual_seed(seed)
        ids = generate(model, torch.tensor([[begin]]), 100, generator=generator, stop=(end,))
        try:
            told += len(UNSEEN.told(tokenizer.decode(ids[0, 1:-1].tolist()))) > 40
        except ValueError:
            pass
    assert told >= 8


@pytest.mark.parametrize("step", model_table()["storyteller"]["checkpoints"])
def test_early_checkpoints_lie_in_the_repository(step):
    model, tokenizer = load(f"storyteller@{step}")
    few = replace(UNSEEN, documents=UNSEEN.documents[:100])
    assert score_stories(model, tokenizer, few).kl > model_table()["storyteller"]["kl"]
    assert (CHECKPOINTS / f"storyteller@{step}.safetensors").is_file()


def test_a_checkpoint_that_cannot_be_had_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr("llm.pretrained.CHECKPOINTS", tmp_path)
    monkeypatch.setattr("llm.pretrained.CHECKPOINTS_URL", "http://127.0.0.1:9/")
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache")
    with pytest.raises(ValueError, match=r"clone the book.*load\('storyteller'\) needs no network"):
        load("storyteller@300")


def test_an_unknown_model_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'shakespeare': choose one of .*bard.*storyteller@300"):
        load("shakespeare")


def test_checkpoints_come_from_this_release_in_the_repository_that_the_book_names():
    config = (Path(__file__).parents[1] / "_config.yml").read_text()
    repository = re.search(r"url: (https://github\.com/\S+)", config)[1]
    assert f"{repository}/raw/v{__version__}/checkpoints/" == CHECKPOINTS_URL


def test_the_table_of_tiny_shakespeare_keeps_to_known_figures():
    with open(ASSETS / "tiny_shakespeare.csv") as file:
        rows = list(csv.DictReader(file))
    losses, sizes = ({m: [] for m in ("gpt", "llama")} for _ in range(2))
    for row in rows:
        losses[row["model"]].append(float(row["loss"]))
        sizes[row["model"]].append(int(row["parameters"]))
    assert [len(x) for x in losses.values()] == [3, 3]
    assert mean(losses["llama"]) < mean(losses["gpt"]) <= 1.90
    assert mean(sizes["llama"]) == pytest.approx(mean(sizes["gpt"]), rel=0.02)
    assert model_table()["bard"]["loss"] <= 1.60
