"""The view of three families as Python gives it: masks, answers, and what it refuses."""

import base64
import json
import re

import pytest
import torch

from llm.attention import causal_mask
from llm.views import FamilyView

HOSTILE = "</script><img src=x onerror=alert(1)> b"


@pytest.fixture(autouse=True)
def no_book_build(monkeypatch):
    monkeypatch.delenv("LLM_BOOK_BUILD", raising=False)


def payload(html: str) -> dict:
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html)[1])


def test_a_view_has_a_form_for_every_reader_and_the_same_in_every_run():
    bundle = FamilyView()._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain", "image/png"}
    assert bundle == FamilyView()._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert repr(FamilyView()) == "FamilyView(encoder, query=4)"
    assert repr(FamilyView(family="both")) == "FamilyView(both, query=5)"


def test_the_masks_are_those_of_the_families():
    tables = FamilyView("a b c", 1, "u v w", "x y").tables
    assert tables["encoder"]["mask"] == [[1, 1, 1]] * 3
    assert tables["decoder"]["mask"] == causal_mask(3).int().tolist()
    both = torch.tensor(tables["both"]["mask"])
    assert both[:3, :3].all() and both[3:, :3].all() and not both[:3, 3:].any()
    assert torch.equal(both[3:, 3:].bool(), causal_mask(3))


def test_each_token_is_asked_for_what_it_is_trained_to_predict():
    tables = FamilyView("a b c", 1, "u v w", "x y").tables
    assert tables["encoder"]["tokens"] == ["a", "[mask]", "c"]
    assert tables["encoder"]["asked"] == ["", "b", ""]
    assert tables["decoder"]["asked"] == ["b", "c", ""]
    assert tables["both"]["tokens"] == ["u", "v", "w", "[begin]", "x", "y"]
    assert tables["both"]["asked"] == ["", "", "", "x", "y", "[end]"]
    assert tables["both"]["read"] == 3


def test_readers_without_scripts_get_all_of_it():
    view = FamilyView("a b c", 1, family="decoder", query=2)
    assert view.describe().splitlines()[1:5] == [
        "encoder",
        "  a ■■■ –",
        "  [mask] ■■■ b",
        "  c ■■■ –",
    ]
    assert "<td>b</td><td>■■·</td><td>c</td>" in view.fallback()
    assert view.payload()["state"] == {"family": "decoder", "query": 2, "shown": 0}


def test_text_is_never_markup():
    view = FamilyView(HOSTILE, 0, HOSTILE, HOSTILE, family="decoder")
    html = view.html()
    assert "<img" not in html.replace("\\u003cimg", "")
    assert payload(html)["view"]["families"]["decoder"]["tokens"] == HOSTILE.split()


@pytest.mark.parametrize(
    "settings, says",
    [
        ({"family": "tree"}, "family='tree': choose one of encoder, decoder, both"),
        ({"gap": 10}, "gap=10: the sentence has words 0 to 9"),
        ({"query": 10}, "query=10: this family has tokens 0 to 9"),
        ({"family": "both", "query": -1}, "query=-1"),
        ({"sentence": "alone", "gap": 0}, "needs 2 to 16 words, got 'alone'"),
        ({"source": 7}, "needs 2 to 16 words, got 7"),
    ],
)
def test_what_cannot_be_shown_is_refused(settings, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        FamilyView(**settings)
