"""The fine-tuning view as Python gives it: the numbers of two models, safe to inline."""

import base64
import gzip
import json
import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from llm import load, load_lora
from llm.finetuning import QUESTIONS, prompt_ids
from llm.views import FineTuneView
from llm.views.finetune_view import ADAPTER, ASKS, EXAMPLES

HOSTILE = "</script><img src=x onerror=alert(1)><!-- \u2028 \u202e \x00 🦙"


@pytest.fixture(autouse=True)
def no_book_build(monkeypatch):
    monkeypatch.delenv("LLM_BOOK_BUILD", raising=False)


def payload(view) -> dict:
    found = re.search(r'<script type="application/json">(.*?)</script>', view.html())
    return json.loads(found[1])["view"]


def test_a_form_for_every_reader_and_the_same_in_every_run():
    bundles = [FineTuneView()._repr_mimebundle_() for _ in range(2)]
    assert set(bundles[0]) == {"text/html", "text/plain", "image/png"} and bundles[0] == bundles[1]
    assert base64.b64decode(bundles[0]["image/png"]).startswith(b"\x89PNG")
    assert len(bundles[0]["text/plain"].splitlines()) == 6


@pytest.mark.parametrize("ask", ASKS)
def test_rows_are_those_of_the_two_models(ask):
    base, tokenizer = load("storyteller")
    tuned = load_lora(ADAPTER, load("storyteller")[0])
    if ask == "tell":
        ids = prompt_ids(tokenizer, EXAMPLES[0], "")
        ids = ids[: ids.index(tokenizer.special_tokens["<|question|>"])]
    else:
        ids = prompt_ids(tokenizer, EXAMPLES[0], QUESTIONS[ask].format(colour="red", thing="kite"))
    for model, rows in zip((base, tuned), FineTuneView(ask=ask).rows(), strict=True):
        chances = model(torch.tensor([ids]))[0, -1].softmax(-1).detach()
        assert rows[0][0] == tokenizer.decode([int(chances.argmax())])
        assert [p for _, p in rows] == pytest.approx(chances.topk(5).values.tolist(), rel=1e-4)


def test_the_adapter_travels_exactly():
    view, tensors = FineTuneView(), load_file(ADAPTER)
    spec = payload(view)["adapter"]
    data = gzip.decompress(base64.b64decode(view.shared()[spec["file"]]))
    assert spec["scale"] == float(tensors["scale"]) and len(spec["tensors"]) == 56
    name, shape, _ = spec["tensors"][0]
    size = int(np.prod(shape))
    pairs = np.frombuffer(data[: 2 * size], np.uint8).reshape(2, size).T
    first = np.ascontiguousarray(pairs).view("<f2").reshape(shape)
    assert np.array_equal(first, tensors[name].numpy())


def test_hostile_text_stays_text():
    view = FineTuneView(HOSTILE)
    assert payload(view)["story"] == HOSTILE
    assert "<img" not in view.html() and not re.search(r"https?://(?!www\.w3\.org/)", view.html())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"ask": "why"}, "no question 'why': choose one of owner"), ({"story": 5}, "must be a str")],
)
def test_bad_input_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        FineTuneView(**arguments)
