"""The view of embeddings as Python gives it: neighbours, map, words, and what it refuses."""

import base64
import gzip
import json
import re

import numpy as np
import pytest
import torch

from llm import load
from llm.config import ModelConfig
from llm.model import Transformer
from llm.tokenization import BPETokenizer, CharTokenizer
from llm.views import EmbeddingView

HOSTILE = "</script><img src=x onerror=alert(1)>"
STORYTELLER, TOKENIZER = load("storyteller")
TABLE = STORYTELLER.embeddings.token.weight.detach()


@pytest.fixture(autouse=True)
def no_book_build(monkeypatch):
    monkeypatch.delenv("LLM_BOOK_BUILD", raising=False)


@pytest.fixture(scope="module")
def view() -> EmbeddingView:
    return EmbeddingView()


def small(tokenizer, n: int | None = None) -> Transformer:
    torch.manual_seed(0)
    n = len(tokenizer.vocab) if n is None else n
    return Transformer(ModelConfig(n, max_seq_len=8, d_model=8, n_layers=1, n_heads=1))


def payload(html: str) -> dict:
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html)[1])


def test_a_view_has_a_form_for_every_reader_and_the_same_in_every_run(view):
    torch.manual_seed(5)
    bundle = view._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain", "image/png"}
    assert bundle == EmbeddingView()._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert repr(view) == "EmbeddingView(storyteller, 980 rows of 96, word='king')"


def test_neighbours_are_those_of_all_cosines(view):
    king = TOKENIZER.encode(" king")[0]
    unit = TABLE.double() / TABLE.double().norm(dim=-1, keepdim=True)
    cosines = unit @ unit[king]
    best = cosines.argsort(descending=True)[1:9].tolist()
    near = view.nearest()
    assert [word for word, _ in near] == [TOKENIZER.decode([i]).strip() for i in best]
    assert [c for _, c in near] == pytest.approx(cosines[best].tolist(), abs=1e-3)
    assert [word for word, _ in near[:4]] == ["prince", "boy", "man", "queen"]
    assert "prince 0.971, boy 0.962" in view.describe()


def test_the_new_table_is_that_of_a_new_model(view):
    torch.manual_seed(0)
    new = Transformer(STORYTELLER.config).embeddings.token.weight
    torch.testing.assert_close(view.new, new.detach(), atol=1e-4, rtol=1e-3)
    assert max(c for _, c in view.nearest("untrained")) < 0.5
    fresh, before = EmbeddingView(), torch.get_rng_state()
    fresh.html()
    assert torch.equal(before, torch.get_rng_state())


def test_both_tables_arrive_in_the_precision_that_is_used(view):
    files = payload(view.html())["view"]["files"]
    for name, table in (("trained", view.table), ("untrained", view.new)):
        packed = gzip.decompress(base64.b64decode(view.shared()[files[name]]))
        assert (np.frombuffer(packed, "<f4").reshape(980, 96) == table.numpy()).all()
    torch.testing.assert_close(view.table, TABLE, atol=1e-3, rtol=1e-3)


def test_every_row_has_a_label_of_its_own(view):
    labels = view.labels
    assert len(set(labels)) == len(labels) == 980
    assert labels[TOKENIZER.encode(" king")[0]] == "king"
    assert labels[TOKENIZER.encode("Once")[0]] == "“Once”"


def test_the_map_shows_the_widest_directions(view):
    data = payload(view.html())["view"]
    rows = torch.stack([TABLE[TOKENIZER.encode(f" {word}")[0]] for _, word in data["words"]])
    spread = torch.linalg.svdvals((rows - rows.mean(0)).double())[:2]
    points = torch.tensor(data["points"]["trained"], dtype=torch.float64)
    sizes = torch.linalg.svdvals(points)
    assert len(points) == 56 and points.abs().max() == 1000
    torch.testing.assert_close(sizes / sizes[0], spread / spread[0], atol=0.01, rtol=0)


def test_own_words_and_own_tokenizers():
    letters = CharTokenizer("hello world")
    view = EmbeddingView(small(letters), letters, name="mine", words={"vowels": ["e", "o"]})
    assert view.word == "e" and view.groups == [("vowels", ["e", "o"])]
    assert view.labels == ["␣", "d", "e", "h", "l", "o", "r", "w"]
    assert list(view.shared()) == ["words-mine-trained", "words-mine-untrained"]
    assert len(EmbeddingView(small(letters), letters).groups[0][1]) == 7
    words = BPETokenizer.train("low lower lowest low low lower", 262)
    assert EmbeddingView(small(words), words).groups[0][0] == "words"


def test_the_fallback_is_safe():
    tokenizer = CharTokenizer("<&>ab")
    view = EmbeddingView(small(tokenizer), tokenizer, word="<", words={HOSTILE: ["<", "&", ">"]})
    html = view.html()
    assert "<img" not in html and "<td>&amp;</td>" in view.fallback()
    assert html.count("<script") == html.count("</script>") == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((5,), "model must be a Transformer or a name, got int"),
        ((STORYTELLER,), "tokenizer must be the one that the model was trained with"),
        ((STORYTELLER, CharTokenizer("ab")), "has 2 entries, the model 980 rows"),
        ((small(CharTokenizer("ab"), 2), CharTokenizer("ab"), "z"), None),
    ],
)
def test_what_does_not_fit_is_named(arguments, words):
    if words is None:
        model, tokenizer, word = arguments
        with pytest.raises(ValueError, match="'z' is not one token of the model"):
            EmbeddingView(model, tokenizer, word=word)
        return
    with pytest.raises(ValueError, match=re.escape(words)):
        EmbeddingView(*arguments)


def test_words_that_are_pieces_are_named():
    with pytest.raises(ValueError, match="'strawberry' is not one token"):
        EmbeddingView(words={"fruit": ["strawberry"]})
