"""The attention view as Python gives it: what it says of a head, and what it refuses."""

import base64
import json
import re

import pytest
import torch

from llm import load, trace
from llm.config import ModelConfig
from llm.model import Transformer
from llm.tokenization import BPETokenizer, CharTokenizer
from llm.views import AttentionView
from llm.views.attention_trace import TOKENS
from llm.views.attention_view import STORIES

HOSTILE = "</script><img src=x onerror=alert(1)><!-- \u2028 \u202e 🦙"
STORYTELLER, STORY_TOKENIZER = load("storyteller")


@pytest.fixture(autouse=True)
def no_book_build(monkeypatch):
    monkeypatch.delenv("LLM_BOOK_BUILD", raising=False)


@pytest.fixture(scope="module")
def view() -> AttentionView:
    return AttentionView()


def own(text: str = "hello world", **settings) -> tuple[Transformer, CharTokenizer]:
    """A small model with random weights, that reads the characters of a text."""
    torch.manual_seed(0)
    tokenizer = CharTokenizer(text)
    sizes = {"max_seq_len": 16, "d_model": 16, "n_layers": 1, "n_heads": 1} | settings
    return Transformer(ModelConfig(len(tokenizer.vocab), **sizes)), tokenizer


def payload(html: str) -> dict:
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html)[1])


def test_a_view_has_a_form_for_every_reader_and_the_same_in_every_run(view):
    bundle = view._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain", "image/png"}
    assert bundle == AttentionView()._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert repr(view) == "AttentionView(model='storyteller', head=(2, 4), 53 tokens)"


def test_it_opens_with_the_head_that_the_prediction_needs_most(view):
    """Every head taken out in a pass of its own: the slow way to the same answer."""
    ids = torch.tensor([view.traced.ids])
    with torch.no_grad():
        first = int(STORYTELLER(ids)[0, -1].argmax())
        chances = {}
        for layer in range(4):
            for head in range(12):

                def silence(weights, head=head):
                    return weights * (torch.arange(12) != head)[:, None, None]

                with trace(STORYTELLER, {f"blocks.{layer}.attention.weights": silence}):
                    logits = STORYTELLER(ids)[0, -1]
                chances[layer, head] = float(logits.softmax(-1)[first])
    assert view.head == min(chances, key=chances.get) == (2, 4)
    rows = {token: after for token, _, after in view.traced.effect(*view.head)}
    assert rows["␣Yuki"] == pytest.approx(chances[2, 4], rel=1e-4)


def test_plain_text_tells_what_each_token_looks_at_and_what_changes(view):
    with torch.no_grad(), trace(STORYTELLER) as acts:
        STORYTELLER(torch.tensor([view.traced.ids]))
    weights = acts["blocks.2.attention.weights"][0, 4]
    lines = view.describe().splitlines()
    assert len(lines) == 1 + 53 + 1 + len(view.traced.effect(*view.head))
    for row, line in zip(weights, lines[1:54], strict=True):
        assert line.endswith(f"{row.max():.2f}")
    assert re.fullmatch(r"\?\s+looks at  ␣Yuki\s+0.99", lines[53])
    assert lines[54] == "all heads / without head 2.4:"
    assert re.fullmatch(r"␣Yuki\s+99\.99%\s+7\.49%", lines[55])


def test_the_fallback_is_two_tables(view):
    fallback = view.fallback()
    rows = 53 + len(view.traced.effect(*view.head))
    assert fallback.count("<table>") == 2 and fallback.count("<tr>") == 2 + rows
    assert "<td>" not in fallback and "␣Yuki</td>" in fallback and "&lt;|begin|&gt;" in fallback


def test_hostile_text_stays_text():
    html = AttentionView(HOSTILE).html()
    assert payload(html)["view"]["text"] == HOSTILE
    assert "<img" not in html and "<!--" not in html
    assert html.count("</script>") == html.count("<script") == 4  # data, weights, merges, module
    assert not re.search(r"https?://(?!www\.w3\.org/)", html)


def test_weights_are_exact_on_the_site_and_small_inline(view, tmp_path, monkeypatch):
    inline = view.html()
    assert 'data-shared="weights-storyteller"' in inline and len(inline) < 1_200_000
    kinds = {kind for _, _, kind in payload(inline)["view"]["model"]["tensors"]}
    assert kinds == {"i1", "f2", "f4"}
    monkeypatch.setenv("LLM_BOOK_BUILD", str(tmp_path))
    html = view.html()
    data = payload(html)
    assert len(html) < 160_000 and set(data["files"]) == {"weights-storyteller", "bpe-storyteller"}
    assert {kind for _, _, kind in data["view"]["model"]["tensors"]} <= {"f2", "f4"}
    assert all((tmp_path / file).exists() for file in data["files"].values())


def test_only_models_of_the_stories_know_the_true_chances(view):
    data = view.payload()
    assert data["words"]["max_events"] == 4 and data["examples"] == list(STORIES)
    assert AttentionView(model="draft").words == data["words"]
    assert AttentionView(model="bard").words is None
    some = BPETokenizer.train("Once there was a queen", 300)
    model = Transformer(ModelConfig(300, max_seq_len=32, d_model=16, n_layers=1, n_heads=2))
    assert AttentionView("Once", model, some).words is None


def test_a_model_of_ones_own_in_training_mode_is_read_without_dropout():
    model, tokenizer = own(n_layers=2, n_heads=4, n_kv_heads=2, dropout=0.5, position="learned")
    model.train()
    view = AttentionView("hello", model, tokenizer, name="mine", head=(1, 3))
    assert repr(view) == "AttentionView(model='mine', head=(1, 3), 5 tokens)"
    assert (
        view.describe()
        == AttentionView("hello", model, tokenizer, name="mine", head=(1, 3)).describe()
    )
    assert model.training and view.shared().keys() == {"weights-mine"}
    assert AttentionView("hello", model, tokenizer).model.name == "Your model"


def test_one_layer_with_one_head_is_enough():
    view = AttentionView("hell", *own())
    assert view.head == (0, 0)
    assert view.describe().splitlines()[1] == f"{'h':<14} looks at  {'h':<14} 1.00"


def test_a_long_text_is_read_from_its_end():
    assert len(AttentionView("a b " * 400).traced.ids) == TOKENS
    model, tokenizer = own()
    assert AttentionView("hello world, hello", model, tokenizer).traced.ids == tokenizer.encode(
        "hello world hello"[-16:]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": 5}, "text must be a str, got 5"),
        ({"text": "x" * 2001}, "text has 2001 characters"),
        ({"text": STORYTELLER}, "text must be a str: write AttentionView(text, model, tokenizer)"),
        ({"text": "", "model": "bard"}, "no token for text ''"),
        ({"model": "nobody"}, "no model 'nobody'"),
        ({"model": STORYTELLER}, "tokenizer must be"),
        ({"model": torch.nn.Linear(2, 2), "tokenizer": STORY_TOKENIZER}, "got Linear"),
        ({"model": "draft", "tokenizer": STORY_TOKENIZER}, "comes with its own tokenizer"),
        ({"tokenizer": STORY_TOKENIZER}, "comes with its own tokenizer"),
        ({"head": (4, 0)}, "head must be (layer, head) below (4, 12), got (4, 0)"),
        ({"head": (0, -1)}, "got (0, -1)"),
        ({"head": "2.4"}, "got '2.4'"),
        ({"anchor": "My View"}, "anchor must be"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        AttentionView(**arguments)


def test_the_figure_shows_the_weights_of_the_head(view):
    with torch.no_grad(), trace(STORYTELLER) as acts:
        STORYTELLER(torch.tensor([view.traced.ids]))
    figure = view.figure()
    shown = torch.tensor(figure.axes[0].images[0].get_array())
    torch.testing.assert_close(shown, acts["blocks.2.attention.weights"][0, 4])
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()][-1] == "?"
    assert "? at ␣Yuki" in figure.description
