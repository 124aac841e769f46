"""The calculator as Python gives it: the numbers of `llm.scaling`, and the sizes that it travels
with."""

import base64
import json
import re

import pytest

from llm import forward_flops, kv_cache_bytes, load, parameters
from llm.views import ScaleView
from llm.views.scale_view import resized, shipped


@pytest.fixture(autouse=True)
def no_book_build(monkeypatch):
    monkeypatch.delenv("LLM_BOOK_BUILD", raising=False)


def payload(view: ScaleView) -> dict:
    text = re.search(r'<script type="application/json">(.*?)</script>', view.html())[1]
    return json.loads(text)["view"]


def test_a_view_has_a_form_for_every_reader_and_the_same_in_every_run():
    bundles = [ScaleView()._repr_mimebundle_() for _ in range(2)]
    assert set(bundles[0]) == {"text/html", "text/plain", "image/png"}
    assert bundles[0] == bundles[1]
    assert base64.b64decode(bundles[0]["image/png"]).startswith(b"\x89PNG")


@pytest.mark.parametrize("name", shipped())
def test_rows_are_those_of_the_module(name):
    view = ScaleView(name, tokens=512)
    c, rows = view.config, view.rows()
    terms = {term: number for part, term, number in rows if part == "parameters"}
    assert terms == parameters(c) and sum(terms.values()) == c.n_params()
    flops = {term: number * 512 for part, term, number in rows if part == "operations"}
    assert flops == forward_flops(c, 512)
    bytes_ = {term: number for part, term, number in rows if part == "memory"}
    assert bytes_["cache"] == kv_cache_bytes(c, 512)
    assert bytes_["train"] == 8 * bytes_["run"] == 16 * c.n_params()


def test_the_models_are_those_of_the_book():
    sizes = {name: c.n_params() for name, c in shipped().items()}
    assert sizes["storyteller"] == load("storyteller")[0].n_params()
    assert sizes["LLaMA-7B"] == 6_738_415_616 and sizes["Llama 2 70B"] == 68_976_648_192
    assert list(sizes.values()) == sorted(sizes.values())


def test_twice_as_wide_keeps_the_length_of_a_head():
    c = resized(shipped()["Llama 2 70B"], 1, -1, 64)
    assert (c.d_model, c.n_layers, c.n_heads, c.n_kv_heads) == (16384, 40, 128, 16)
    assert (c.head_dim, c.d_ff, c.max_seq_len) == (128, 57344, 4096)
    assert ScaleView("GPT-2 small", tokens=2048).config.max_seq_len == 2048


def test_all_sizes_travel():
    data = payload(ScaleView("GPT-3", wide=-1, deep=1, tokens=2048))
    start = {"model": "GPT-3", "wide": -1, "deep": 1, "tokens": 2048, "place": 11}
    assert data["start"] == start
    assert [m["name"] for m in data["models"]] == list(shipped())
    assert data["models"][-1]["n_kv_heads"] == 8 and data["models"][-1]["d_ff"] == 53248


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"model": "GPT-4"}, "no model 'GPT-4': choose one of storyteller"),
        ({"wide": 3}, "wide=3 must be a whole number"),
        ({"deep": 0.5}, "deep=0.5 must be"),
        ({"tokens": 1000}, "tokens=1000 must be a power of two up to 131,072"),
    ],
)
def test_bad_input_is_named(arguments, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        ScaleView(**arguments)
