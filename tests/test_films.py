"""Films of training: what they record is what the model does."""

import gzip
import json

import numpy as np
import pytest
import torch

from llm import Film, Llama, Trainer, data, trace
from llm.config import TrainConfig
from llm.films import FORMAT, GRADES, held_out, load_film, save_film, shipped_films
from llm.story_scores import score_stories
from llm.story_words import WORDS
from llm.training import IGNORE

CORPUS = data.stories(1500, words=WORDS.first(4, max_events=2))
TOKENIZER = data.story_tokenizer(CORPUS)
TEST = held_out(CORPUS, 30)


def small_model() -> Llama:
    torch.manual_seed(0)
    sizes = {"d_model": 16, "n_layers": 2, "n_heads": 2, "max_seq_len": 80}
    return Llama(vocab_size=len(TOKENIZER.vocab), tie_embeddings=True, **sizes)


@pytest.fixture(scope="module")
def filmed() -> tuple[Llama, Film]:
    """A model after 20 steps and the film of them."""
    rows = [data.story_ids(TOKENIZER, text) for text in CORPUS.documents[:-30]]
    table = data.pad_rows(rows, IGNORE)
    model, film = small_model(), Film(TOKENIZER, TEST, (10, 20), "test")
    film.record(model, 0)
    settings = TrainConfig(steps=20, batch_size=8, lr=1e-2, log_every=5, eval_every=10)
    Trainer(model, table[:-100], table[-100:], settings, [film]).fit()
    return model, film


def test_a_film_has_the_moments_it_was_asked_for_and_the_whole_curve(filmed):
    content = filmed[1].to_dict()
    assert [m["step"] for m in content["moments"]] == [0, 10, 20]
    assert content["curve"]["step"] == [5, 10, 15, 20]
    assert [v is not None for v in content["curve"]["val_loss"]] == [False, True, False, True]
    assert content["moments"][2]["loss"] < content["moments"][0]["loss"] - 0.5


def test_the_scores_of_a_moment_are_those_of_the_model(filmed):
    model, film = filmed
    scores, moment = score_stories(model, TOKENIZER, TEST), film.to_dict()["moments"][-1]
    assert moment["loss"] == pytest.approx(scores.loss, abs=1e-4)
    assert moment["floor"] == pytest.approx(scores.floor, abs=1e-4)
    assert moment["owner"] == pytest.approx(scores.owner, abs=1e-3)
    assert moment["kinds"]["name"][1] == pytest.approx(scores.kinds["name"].loss, abs=1e-4)


def test_the_digits_are_the_weights_of_the_attention(filmed):
    model, film = filmed
    content = film.to_dict()
    ids = data.story_ids(TOKENIZER, film.story)
    assert content["tokens"] == [TOKENIZER.decode([i]) for i in ids]
    with trace(model) as acts:
        model(torch.tensor([ids]))
    weights = acts["blocks.1.attention.weights"][0, 1].detach()
    found = np.zeros(weights.shape)
    found[np.tril_indices(len(ids))] = [
        int(digit, 16) / GRADES for digit in content["moments"][-1]["attention"][1][1]
    ]
    assert np.abs(found - weights.numpy()).max() <= 0.5 / GRADES + 1e-6


def test_the_story_is_one_in_which_the_thing_changes_hands_if_there_is_one():
    assert (
        " gave " in Film(TOKENIZER, TEST, ()).story or " took " in Film(TOKENIZER, TEST, ()).story
    )


def test_the_map_turns_with_no_moment_and_fits_its_frame(filmed):
    points = np.array([m["points"] for m in filmed[1].to_dict()["moments"]])
    assert points.shape == (3, len(filmed[1].words), 2)
    assert np.abs(points).max() == 1000
    assert np.abs(points[2] - points[1]).max() < np.abs(points[2] - points[0]).max()


def test_a_sample_begins_with_the_prompt_and_is_the_same_each_time(filmed):
    model, film = filmed
    again = Film(TOKENIZER, TEST, ())
    again.record(model, 20)
    assert again.frames[0]["sample"] == film.frames[-1]["sample"]
    assert again.frames[0]["sample"].startswith("Once there was a")


def test_a_film_comes_back_as_it_was_saved(filmed, tmp_path):
    path = tmp_path / "test.film.json.gz"
    save_film(path, filmed[1])
    assert load_film(path) == json.loads(json.dumps(filmed[1].to_dict()))
    save_film(tmp_path / "again", load_film(path))
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_bad_films_are_refused_by_name(filmed, tmp_path):
    path = tmp_path / "film.gz"
    save_film(path, filmed[1])
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(ValueError, match="film.gz is not a whole film"):
        load_film(path)
    path.write_bytes(gzip.compress(json.dumps({"format": "other"}).encode()))
    with pytest.raises(ValueError, match="its format is 'other'"):
        load_film(path)
    with pytest.raises(ValueError, match="no film 'storytelller': choose storyteller"):
        load_film("storytelller")
    with pytest.raises(ValueError, match="shows nothing"):
        Film(TOKENIZER, TEST, ()).to_dict()


@pytest.mark.parametrize("name", shipped_films())
def test_the_films_of_the_book_can_be_read(name):
    film = load_film(name)
    assert film["format"] == FORMAT and film["name"] == name
    steps = [moment["step"] for moment in film["moments"]]
    assert steps == sorted(set(steps)) and steps[0] == 0 and len(steps) >= 13


def test_the_storyteller_s_film_is_small_and_dense_early():
    film, path = load_film("storyteller"), shipped_films()["storyteller"]
    steps = [moment["step"] for moment in film["moments"]]
    assert path.stat().st_size < 600_000 and 24 <= len(steps) <= 30
    assert sum(step <= 1000 for step in steps) > len(steps) / 2
