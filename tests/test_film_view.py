"""The film view as Python gives it: complete, the same in every run, safe to inline."""

import base64
import gzip
import json
import re

import pytest
from handmade_film import HOSTILE, STEPS, TOKENS, digit, handmade_film

from llm.films import save_film, shipped_films
from llm.views import TrainingFilmView


@pytest.fixture(autouse=True)
def no_book_build(monkeypatch):
    monkeypatch.delenv("LLM_BOOK_BUILD", raising=False)


def payload(html: str) -> dict:
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html)[1])


def test_a_view_has_a_form_for_every_reader_and_the_same_in_every_run():
    bundles = [TrainingFilmView(handmade_film())._repr_mimebundle_() for _ in range(2)]
    assert set(bundles[0]) == {"text/html", "text/plain", "image/png"}
    assert bundles[0] == bundles[1]
    assert base64.b64decode(bundles[0]["image/png"]).startswith(b"\x89PNG")


def test_plain_text_has_a_line_a_moment():
    lines = TrainingFilmView(handmade_film()).describe().splitlines()
    assert lines[0] == "TrainingFilmView(storyteller: 4 moments to step 1000)"
    assert [int(line.split()[0]) for line in lines[1:]] == list(STEPS)
    assert "0.500   100%  Once there was Mia." in lines[4]


def test_the_film_travels_whole_and_safe():
    html = TrainingFilmView(handmade_film()).html()
    packed = re.search(r'data-shared="film-storyteller">"(.*?)"</script>', html)[1]
    assert json.loads(gzip.decompress(base64.b64decode(packed))) == handmade_film()
    assert html.count("</script>") == html.count("<script") == 3
    assert "<img" not in html and HOSTILE.replace("<", "&lt;").replace(">", "&gt;") in html
    assert not re.search(r"https?://(?!www\.w3\.org/)", html)


def test_it_opens_at_the_start_on_the_head_that_comes_to_look_at_the_answer():
    state = payload(TrainingFilmView(handmade_film()).html())["view"]["films"][0]["state"]
    row = TOKENS.index("?")
    weights = [digit(3, 1, 2, row, column) for column in range(row + 1)]
    assert state == {
        "film": "storyteller",
        "step": 0,
        "group": "she",
        "layer": 1,
        "head": 2,
        "row": row,
        "column": weights.index(max(weights)),
    }


def test_films_come_from_files_names_and_dictionaries(tmp_path):
    save_film(tmp_path / "a.gz", handmade_film("a"))
    view = TrainingFilmView(tmp_path / "a.gz", handmade_film("b c"))
    assert set(view.shared()) == {"film-a", "film-b-c"}
    shipped = TrainingFilmView()
    assert [film["name"] for film in shipped.films] == list(shipped_films())
    assert shipped.films[0]["name"] == "storyteller"


def _without_answer() -> dict:
    film = handmade_film()
    for moment in film["moments"]:
        del moment["answer"]
    return film


def test_what_diverged_does_not_spoil_the_film():
    film = handmade_film()
    film["curve"]["grad_norm"] = [1.0, float("inf"), float("nan"), 1.0]
    packed = TrainingFilmView(film).shared()["film-storyteller"]
    text = gzip.decompress(base64.b64decode(packed)).decode()
    assert "NaN" not in text and "Infinity" not in text
    assert json.loads(text)["curve"]["grad_norm"] == [1.0, None, None, 1.0]


@pytest.mark.parametrize(
    ("films", "message"),
    [
        ((handmade_film(), handmade_film()), "one name: storyteller, storyteller"),
        ((3,), "a film must be a llm.Film.*got 3"),
        (({"moments": []},), "a film must be"),
        (("nowhere",), "no film 'nowhere'"),
        ((handmade_film("a b"), handmade_film("a-b")), "one name: a b, a-b"),
        ((_without_answer(),), "'storyteller' has no answer of its heads"),
    ],
)
def test_bad_films_are_refused(films, message):
    with pytest.raises(ValueError, match=message):
        TrainingFilmView(*films)
