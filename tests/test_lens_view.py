"""The lens view as Python gives it: the numbers of `llm.interpretability`, safe to inline."""

import base64
import json
import re

import pytest
import torch

from llm import attribution, load, logit_lens, replace_heads, trace
from llm.config import ModelConfig
from llm.data import story_ids
from llm.model import Transformer
from llm.tokenization import CharTokenizer
from llm.views import LensView
from llm.views.lens_view import STORY

HOSTILE = "</script><img src=x onerror=alert(1)> \u2028 🦙"


@pytest.fixture(autouse=True)
def no_book_build(monkeypatch):
    monkeypatch.delenv("LLM_BOOK_BUILD", raising=False)


def own(text: str = "hello", **fields) -> LensView:
    torch.manual_seed(1)
    sizes = {"max_seq_len": 16, "d_model": 8, "n_layers": 2, "n_heads": 2}
    model = Transformer(ModelConfig(8, **sizes | fields))
    return LensView(text, model, CharTokenizer("helo wrd"), name="tiny")


def payload(view: LensView) -> dict:
    text = re.search(r'<script type="application/json">(.*?)</script>', view.html())[1]
    return json.loads(text)["view"]


def test_a_view_has_a_form_for_every_reader_and_the_same_in_every_run():
    bundles = [LensView(model="draft")._repr_mimebundle_() for _ in range(2)]
    assert set(bundles[0]) == {"text/html", "text/plain", "image/png"}
    assert bundles[0] == bundles[1]
    assert base64.b64decode(bundles[0]["image/png"]).startswith(b"\x89PNG")


def test_words_and_shares_are_those_of_the_package():
    model, tokenizer = load("storyteller")
    with torch.no_grad(), trace(model) as acts:
        model(torch.tensor([story_ids(tokenizer, STORY)[:-1]]))
        lens = logit_lens(model, acts)
        tom = tokenizer.encode(" Tom")[0]
        shares = attribution(model, acts, tom)
    view = LensView()
    said = dict((place, (word, p)) for place, word, p in view._said())
    assert len(said) == len(lens) == 9 and said["3.post"] == ("␣Tom", "99.99%")
    p = float(lens["blocks.2.residual_mid"][0, -1].softmax(-1)[tom])
    assert said["2.mid"] == ("␣Tom", f"{p:.2%}")
    found = view._brought(tom)
    assert found == pytest.approx({k: float(v[0, -1]) for k, v in shares.items()}, abs=1e-4)
    assert view._shares()[0] == ("2.4", f"{found['2.4']:+.1f}")


def test_a_head_that_is_off_brings_nothing_and_is_left_out():
    view = LensView(off=["2.4", "0.8"])
    assert repr(view) == "LensView(storyteller, 53 tokens, without 2.4, 0.8)"
    model, tokenizer = load("storyteller")
    with torch.no_grad(), replace_heads(model, [(2, 4), (0, 8)]):
        logits = model(torch.tensor([story_ids(tokenizer, STORY)[:-1]]))[0]
    torch.testing.assert_close(view._lens_rows[-1], logits, atol=1e-3, rtol=1e-3)
    best = int(logits[-1].argmax())
    brought = view._brought(best)
    assert brought["2.4"] == brought["0.8"] == 0
    assert sum(brought.values()) == pytest.approx(float(logits[-1, best]), abs=1e-3)
    assert payload(view)["off"] == "2.4,0.8"


def test_a_model_with_biases_and_characters():
    view = own(norm="layernorm", bias=True)
    lines = view.describe().splitlines()
    assert len([line for line in lines if re.match(r"embedding|\d\.(mid|post)", line)]) >= 5
    data = payload(view)
    assert data["models"][0]["name"] == "tiny" and data["words"] is None
    assert "bias" in view._brought(3)


def test_text_stays_text_and_nothing_comes_from_the_net():
    view = LensView(HOSTILE, "draft")
    assert payload(view)["prompt"] == HOSTILE and payload(view)["place"] == "2.post"
    html = view.html()
    assert "<img" not in html and not re.search(r"https?://(?!www\.w3\.org/)", html)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"prompt": 5}, "must be a str, got 5"),
        ({"model": "gpt2"}, "no model 'gpt2': choose one of storyteller"),
        ({"token": 53}, "token=53: the text has 53 tokens"),
        ({"place": "4.mid"}, "no part '4.mid': choose from embedding, 0.mid, 0.post"),
        ({"off": ["2.12"]}, "no part '2.12': choose from 0.0, 0.1"),
    ],
)
def test_bad_input_is_named(arguments, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        LensView(**arguments)


def test_a_post_norm_model_is_refused():
    with pytest.raises(ValueError, match="only a pre-norm stream"):
        own(norm_position="post")
