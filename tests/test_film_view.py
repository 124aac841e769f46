"""The film view as Python gives it: complete, the same in every run, safe to inline."""

import base64
import gzip
import json
import re
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import torch
from handmade_film import HOSTILE, STEPS, TOKENS, digit, handmade_film
from past_oracle import surprises, unpacked

from llm import load
from llm.data import stories
from llm.films import save_film, shipped_films
from llm.story_words import WORDS
from llm.views import TrainingFilmView, film_past, film_view
from llm.views.film_past import past_models
from llm.views.language_model import ViewModel, tokens_of

ROOT = Path(__file__).parents[1]


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


def past(view: TrainingFilmView, inline: bool) -> dict | None:
    return view.payload(inline)["past"]


def test_past_models_come_on_the_site_and_in_a_notebook_if_asked():
    usual, asked = (
        TrainingFilmView(handmade_film()),
        TrainingFilmView(handmade_film(), past_models=True),
    )
    never = TrainingFilmView(handmade_film(), past_models=False)
    assert past(usual, inline=True) == past(never, inline=False) == {"reason": ""}
    assert set(usual.shared(inline=True)) == {"film-storyteller"}
    steps = [100, 300, 750, 1000, 1400, 3000, 7000]
    assert past(usual, inline=False)["steps"] == past(asked, inline=True)["steps"] == steps
    files = asked.shared(inline=True)
    names = {f"weights-storyteller-{step}" for step in steps[:-1]}
    assert set(files) == names | {"film-storyteller", "weights-storyteller", "bpe-storyteller"}
    assert sum(len(files[name]) for name in names) < 4.2e6
    assert past(TrainingFilmView(handmade_film("other")), inline=False) is None


def test_the_finished_model_is_the_file_that_other_views_use():
    final = ViewModel("storyteller", *load("storyteller"))
    for inline in (True, False):
        assert final.files(inline).items() <= past_models().files(inline).items()
    assert past_models().spec(False)["model"] == final.spec(False)
    size = sum(map(len, past_models().files(inline=False).values()))
    assert past_models().spec(False)["megabytes"] == round(size / 1e6, 1)
    assert past_models().spec(True)["megabytes"] is None


def test_without_its_checkpoints_the_view_says_why(monkeypatch):
    def fail(name):
        raise ValueError(f"{name} could not be downloaded <b>")

    monkeypatch.setattr(film_past, "load", fail)
    monkeypatch.setattr(film_view, "past_models", film_past.PastModels)
    view = TrainingFilmView(handmade_film(), past_models=True)
    assert past(view, True) == {"reason": "storyteller could not be downloaded <b>"}
    assert set(view.shared()) == {"film-storyteller"} and "downloaded \\u003cb>" in view.html()


def test_eight_bits_hardly_change_what_past_models_say(capsys):
    """Every matrix in 8 bits, the table of tokens too, against the exact checkpoints."""
    documents = stories(20, seed=77).documents
    lines = []
    for model in past_models().past:
        step = int(model.name.partition("@")[2])
        coarse, changed, nats, positions = unpacked()[step], 0, 0.0, 0
        for text in documents:
            ids = torch.tensor([tokens_of(model.model, model.tokenizer, text)])
            with torch.no_grad():
                exact, found = (m(ids)[0].log_softmax(-1) for m in (model.model, coarse))
            changed += int((exact.argmax(-1) != found.argmax(-1)).sum())
            nats += float((exact.exp() * (exact - found)).sum())
            positions += ids.numel()
        assert changed / positions < 0.01 and 0 < nats / positions < 1e-4
        lines.append(f"{model.name}: top-1 {changed / positions:.2%}, KL {nats / positions:.6f}")
    with capsys.disabled():
        print("", *lines, sep="\n")


def test_what_the_chapter_says_of_past_models_is_so():
    """The two links of its question: Tom takes the kite; then he gives it to Rosa."""
    text = (ROOT / "chapters" / "training.ipynb").read_text(encoding="utf-8")
    links = re.findall(r"#film\?(film=storyteller&step=1000&sentence=[^\\]*)", text)
    took, gave = (parse_qs(link)["sentence"][0] for link in links)
    tokenizer = past_models().final.tokenizer
    words = [tokenizer.decode([i]) for i in surprises(1000, gave)[1].topk(4).indices.tolist()]
    assert words[3] == " Rosa" and {word.strip() for word in words} <= set(WORDS.she)
    assert surprises(1000, took)[1].argmax() == tokenizer.encode(" Tom")[0]
    (rosa,) = tokenizer.encode(" Rosa")
    sure = [step for step in unpacked() if surprises(step, gave)[1][rosa] > 0.99]
    assert sure == [1400, 3000, 7000]
