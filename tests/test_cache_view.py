"""The cache view as Python gives it: text of `llm.generate`, work of `llm.multiply_adds`."""

import json
import re

import pytest
import torch

from llm import generate, kv_cache_bytes, load, multiply_adds
from llm.views import CacheView
from llm.views.cache_view import STEPS

HOSTILE = "</script><img src=x onerror=alert(1)> \u2028 🦙"


@pytest.fixture(autouse=True)
def no_book_build(monkeypatch):
    monkeypatch.delenv("LLM_BOOK_BUILD", raising=False)


def payload(view) -> dict:
    text = re.search(r'<script type="application/json">(.*?)</script>', view.html())[1]
    return json.loads(text)["view"]


def test_a_view_has_a_form_for_every_reader_and_the_same_in_every_run():
    bundles = [CacheView(model="draft")._repr_mimebundle_() for _ in range(2)]
    assert set(bundles[0]) == {"text/html", "text/plain", "image/png"} and bundles[0] == bundles[1]


def test_rows_are_what_the_model_writes_and_what_it_costs():
    view, (model, tokenizer) = CacheView(), load("storyteller")
    ids = torch.tensor([view.ids])
    text = generate(model, ids, STEPS, temperature=0, stop=[tokenizer.special_tokens["<|end|>"]])
    assert view._text == text[0].tolist()
    first, second = view._rows[:2]
    assert first[2:4] == (10, 10) and second[2:4] == (1, 11)
    assert first[4] == first[5] == sum(multiply_adds(model.config, 10).values())
    assert second[4] == sum(multiply_adds(model.config, 1, 10).values())
    assert second[6] == kv_cache_bytes(model.config, 11, 4)


def test_past_the_window_all_is_read():
    view = CacheView("Once there was a " + "cat " * 200, "draft")
    assert view._rows[-1][2] == 128 == view._rows[-1][3]


def test_both_models_travel_and_text_stays_text():
    data = payload(CacheView(HOSTILE, step=3))
    assert [m["name"] for m in data["models"]] == ["storyteller", "gpt-storyteller"]
    assert data["prompt"] == HOSTILE and data["step"] == 3
    assert "<img" not in CacheView(HOSTILE, "draft").html()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"prompt": 5}, "must be a str, got 5"),
        ({"model": "gpt2"}, "no model 'gpt2'"),
        ({"step": -1}, "step=-1: choose one from 0 to 40"),
    ],
)
def test_bad_input_is_named(arguments, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        CacheView(**arguments)
