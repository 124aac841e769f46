"""The view of positions as Python gives it: what it says, holds and refuses."""

import base64
import gzip
import json
import math
import re

import numpy as np
import pytest
import torch

from llm import GPT, Llama, SinusoidalPositionalEncoding, load
from llm.config import ModelConfig
from llm.model import Transformer
from llm.views import PositionView
from llm.views.positions_view import BASES, KINDS, LARGEST, POSITIONS, WIDTHS

TABLE = load("gpt-storyteller")[0].embeddings.position.weight.detach()


@pytest.fixture(autouse=True)
def no_book_build(monkeypatch):
    monkeypatch.delenv("LLM_BOOK_BUILD", raising=False)


@pytest.fixture(scope="module")
def view() -> PositionView:
    return PositionView()


def payload(html: str) -> dict:
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html)[1])


def gpt(**sizes) -> GPT:
    torch.manual_seed(0)
    return GPT(**{"vocab_size": 9, "d_model": 8, "n_layers": 1, "n_heads": 2} | sizes)


def test_a_view_has_a_form_for_every_reader_and_the_same_in_every_run(view):
    bundle = view._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain", "image/png"}
    assert bundle == PositionView()._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert repr(view) == "PositionView(kind='sinusoidal', p=20, k=6, d_model=16, theta=10000)"


def test_the_plain_text_has_the_numbers_of_the_package(view):
    lines = [line.split() for line in view.describe().splitlines()[2:]]
    rows = SinusoidalPositionalEncoding(16, 64)(torch.tensor([20, 26])).view(2, 8, 2)
    for i, (pair, rate, wave, *waves) in enumerate(lines):
        assert int(pair) == i
        assert float(rate) == pytest.approx(10000 ** (-2 * i / 16), rel=1e-3)
        assert float(wave.replace(",", "")) == pytest.approx(2 * math.pi / float(rate), rel=1e-3)
        assert [float(x) for x in waves] == pytest.approx(rows[:, i].flatten().tolist(), abs=6e-5)
    assert len(lines) == 8


def test_the_fallback_is_the_same_table(view):
    cells = re.findall(r"<td>(.*?)</td>", view.fallback())
    assert cells == [cell for row in view._rows() for cell in row]
    assert "16 features and base 10,000" in view.fallback()


def test_the_learned_table_arrives_whole(view):
    data = payload(view.html())["view"]["learned"]
    packed = gzip.decompress(base64.b64decode(view.shared()[data["file"]]))
    table = np.frombuffer(packed, "<f4").reshape(data["rows"], data["columns"])
    assert (table == TABLE.numpy()).all() and table.shape == (128, 128)


def test_a_model_of_the_readers_own():
    model = gpt(max_seq_len=12)
    view = PositionView("learned", p=11, k=-3, model=model, name="mine")
    assert list(view.shared()) == ["positions-mine"]
    assert view.payload()["learned"] == {"file": "positions-mine", "rows": 12, "columns": 8}
    assert torch.equal(view.learned, model.embeddings.position.weight)
    assert not view.learned.requires_grad


def test_the_figure_shows_products_of_the_table(view):
    assert view.figure().description.startswith("Product of two positions at distance 0: 8.00, 16:")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d_model", WIDTHS)
@pytest.mark.parametrize("theta", BASES)
def test_every_choice_is_kept(kind, d_model, theta):
    state = PositionView(kind, d_model=d_model, theta=theta, p=3, k=-3).payload()["state"]
    assert (state["kind"], state["d"], state["theta"]) == (kind, d_model, theta)
    assert (state["p"], state["k"]) == (3, -3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kind": "relative"}, "kind must be one of sinusoidal, offset, learned, rope, alibi"),
        ({"d_model": 5}, "d_model must be one of 4, 8, 16, 32, got 5"),
        ({"theta": 7}, "theta must be one of 100, 1000, 10000, 500000, got 7"),
        ({"p": POSITIONS}, "whole numbers from 0 to 127, got 128"),
        ({"p": 3, "k": -4}, "got 3 and k=-4"),
        ({"p": 1.5}, "got 1.5"),
        ({"p": 120, "k": 8}, "got 120 and k=8"),
        ({"model": "storyteller"}, 'a Transformer with position="learned", got rope'),
        ({"model": Llama(vocab_size=9, d_model=8, n_layers=1, n_heads=2)}, "got rope"),
        ({"model": 5}, "got int"),
        ({"model": gpt(max_seq_len=LARGEST + 1)}, r"has shape (513, 8), a page takes 512"),
        ({"kind": "learned", "model": gpt(max_seq_len=4)}, "whole numbers from 0 to 3, got 20"),
    ],
)
def test_what_does_not_fit_is_named(arguments, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        PositionView(**arguments)


def test_a_hostile_name_stays_a_name():
    config = ModelConfig(9, max_seq_len=32, d_model=8, n_layers=1, n_heads=2, position="learned")
    html = PositionView(model=Transformer(config), name="</script><img src=x>").html()
    assert "<img" not in html and html.count("<script") == html.count("</script>")
