"""The block view as Python gives it: the numbers of `llm.trace`, complete, safe to inline."""

import base64
import json
import re

import pytest
import torch

from llm import load, trace
from llm.config import ModelConfig
from llm.data import story_ids
from llm.model import Transformer
from llm.tokenization import CharTokenizer
from llm.views import BlockView
from llm.views.block_view import EXAMPLES

HOSTILE = "</script><img src=x onerror=alert(1)> \u2028 🦙"


@pytest.fixture(autouse=True)
def no_book_build(monkeypatch):
    monkeypatch.delenv("LLM_BOOK_BUILD", raising=False)


def own(norm_position: str = "pre", text: str = "hello") -> BlockView:
    torch.manual_seed(1)
    sizes = {"max_seq_len": 16, "d_model": 8, "n_layers": 2, "n_heads": 2}
    model = Transformer(ModelConfig(8, norm_position=norm_position, **sizes))
    return BlockView(text, model, CharTokenizer("helo wrd"), name="tiny")


def payload(view: BlockView) -> dict:
    text = re.search(r'<script type="application/json">(.*?)</script>', view.html())[1]
    return json.loads(text)["view"]


def test_a_view_has_a_form_for_every_reader_and_the_same_in_every_run():
    bundles = [BlockView(model="draft")._repr_mimebundle_() for _ in range(2)]
    assert set(bundles[0]) == {"text/html", "text/plain", "image/png"}
    assert bundles[0] == bundles[1]
    assert base64.b64decode(bundles[0]["image/png"]).startswith(b"\x89PNG")


def test_rows_are_those_of_trace():
    model, tokenizer = load("storyteller")
    ids = story_ids(tokenizer, EXAMPLES[0])[:-1]
    with torch.no_grad(), trace(model) as acts:
        model(torch.tensor([ids]))
    rows = BlockView()._rows()
    assert [row[0] for row in rows][:4] == ["embedding", "0.attention", "0.ffn", "1.attention"]
    added = acts["blocks.2.attention.output"][0, -1]
    before, after = (acts[f"blocks.2.residual_{part}"][0, -1] for part in ("pre", "mid"))
    cosine = torch.nn.functional.cosine_similarity(added, before, dim=0)
    chances = model.lm_head(model.final_norm(after)).softmax(-1)
    expected = (float(added.norm()), float(after.norm()), float(cosine))
    assert rows[5][1:4] == pytest.approx(expected, rel=1e-4)
    assert rows[5][4:] == (" Yuki", pytest.approx(chances.max().item(), rel=1e-4))
    assert rows[-1][4] == " Yuki" and rows[-1][5] > 0.99


def test_what_is_left_out_adds_nothing_and_changes_the_answer():
    view = BlockView(without=["1.attention"])
    assert repr(view) == "BlockView(storyteller, 53 tokens, without 1.attention)"
    row = dict((row[0], row) for row in view._rows())
    assert row["1.attention"][1] == 0 and row["1.attention"][2] == row["0.ffn"][2]
    assert row["3.ffn"][4] == " Ravi" and row["3.ffn"][5] > 0.9
    assert payload(view)["without"] == "1.attention"


def test_the_longest_row_of_the_chapter():
    view = BlockView(token=31)
    added = {row[0]: row[1] for row in view._rows()}
    assert 850 < added["2.ffn"] < 950 and max(v for n, v in added.items() if n != "2.ffn") < 20


def test_a_model_with_norms_on_the_stream_and_characters():
    for place in ("pre", "post"):
        view = own(place)
        assert len(view.describe().splitlines()) == 6
        data = payload(view)
        assert data["models"][0]["name"] == "tiny" and data["words"] is None
        assert data["examples"] == ["h"] or all(set(e) <= set("helo wrd") for e in data["examples"])


def test_both_models_travel_and_text_stays_text():
    data = payload(BlockView(HOSTILE))
    assert [m["name"] for m in data["models"]] == ["storyteller", "gpt-storyteller"]
    assert data["prompt"] == HOSTILE and data["token"] == -1 and data["block"] == "3.ffn"
    html = BlockView(HOSTILE, "draft").html()
    assert "<img" not in html and not re.search(r"https?://(?!www\.w3\.org/)", html)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"prompt": 5}, "must be a str, got 5"),
        ({"model": "gpt2"}, "no model 'gpt2': choose one of storyteller"),
        ({"model": 5, "tokenizer": 5}, "model must be a llm.Transformer, got int"),
        ({"token": 53}, "token=53: the text has 53 tokens"),
        ({"token": -54}, "token=-54"),
        ({"block": "4.ffn"}, "no part '4.ffn': choose from embedding, 0.attention, 0.ffn"),
        ({"without": ["embedding"]}, "no part 'embedding': choose from 0.attention"),
        ({"without": ["ffn"]}, "no part 'ffn'"),
    ],
)
def test_bad_input_is_named(arguments, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        BlockView(**arguments)


def test_a_text_without_tokens_is_refused():
    with pytest.raises(ValueError, match="no token for text 'XYZ'"):
        own(text="XYZ")
    model, tokenizer = load("draft")
    with pytest.raises(ValueError, match="write BlockView"):
        BlockView(model, tokenizer)
