"""The output view as Python gives it: the model's chances, those drawn from, the true ones."""

import base64
import json
import re

import pytest
import torch

from llm.config import ModelConfig
from llm.data import stories
from llm.model import Transformer
from llm.output import sample
from llm.pretrained import load
from llm.tokenization import CharTokenizer
from llm.views import OutputView
from llm.views.output_view import EXAMPLES
from llm.views.playground_view import LIMIT

HOSTILE = "</script><img src=x onerror=alert(1)><!-- \u2028 \u202e 🦙"
MODEL, TOKENIZER = load("storyteller")
SETTINGS = [
    {},
    {"temperature": 0.5},
    {"temperature": 2, "top_k": 5},
    {"top_p": 0.6, "min_p": 0.1},
    {"temperature": 0},
]


@pytest.fixture(autouse=True)
def no_book_build(monkeypatch):
    monkeypatch.delenv("LLM_BOOK_BUILD", raising=False)


def payload(html: str) -> dict:
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html)[1])


def tiny() -> tuple[Transformer, CharTokenizer]:
    torch.manual_seed(0)
    return Transformer(ModelConfig(3, 8, 8, 1, 2)), CharTokenizer("abc")


def test_a_view_has_a_form_for_every_reader_and_the_same_in_every_run():
    bundles = [OutputView(temperature=0.5)._repr_mimebundle_() for _ in range(2)]
    assert set(bundles[0]) == {"text/html", "text/plain", "image/png"}
    assert bundles[0] == bundles[1]
    assert base64.b64decode(bundles[0]["image/png"]).startswith(b"\x89PNG")


def test_plain_text_by_hand():
    lines = OutputView(EXAMPLES["owner"], top_k=1).describe().splitlines()
    assert (
        lines[0] == f"OutputView(storyteller, prompt={EXAMPLES['owner']!r}, temperature=1, top_k=1)"
    )
    assert re.fullmatch(r"' Jin'\s+\d+\.\d\d\s+99\.\d\d%\s+100\.00%\s+100\.00%", lines[1])
    assert all(line.endswith(" 0.00%    0.00%") for line in lines[2:]) and len(lines) == 9


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_what_is_drawn_from_is_what_sample_draws_from(settings):
    view = OutputView(EXAMPLES["animal"], **settings)
    ids = [TOKENIZER.special_tokens["<|begin|>"], *TOKENIZER.encode(EXAMPLES["animal"])]
    with torch.no_grad():
        logits = MODEL.eval()(torch.tensor([ids]))[0, -1]
    drawn = sample(logits.expand(20_000, -1), generator=torch.manual_seed(0), **settings)
    for token, logit, p, q, _ in view._rows():
        [i] = TOKENIZER.encode(token)
        assert logit == pytest.approx(float(logits[i]), abs=1e-5)
        assert p == pytest.approx(float(logits.softmax(-1)[i]), abs=1e-6)
        share = float((drawn == i).float().mean())
        assert abs(share - q) <= 4 * (q * (1 - q) / 20_000) ** 0.5


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_truth_stands_beside_it(name):
    truth = stories(2, seed=9).next_distribution(EXAMPLES[name])
    for token, *_, true in OutputView(EXAMPLES[name])._rows():
        assert true == truth.get(token.strip(), 0.0)


def test_what_no_story_says_has_no_truth():
    assert {true for *_, true in OutputView("Once there was a dragon")._rows()} == {None}
    assert {true for *_, true in OutputView(model="bard")._rows()} == {None}


def test_a_model_of_your_own():
    view = OutputView(None, *tiny(), name="mine", temperature=0.5)
    assert repr(view) == "OutputView(mine, prompt='a', temperature=0.5)"
    assert len(view._rows()) == 3 and view.payload()["examples"] == []
    assert sum(q for *_, q, _ in view._rows()) == pytest.approx(1)
    assert OutputView("", *tiny()).describe().endswith("temperature=1)")


def test_fallback_and_figure_tell_the_same():
    view = OutputView("Once there was a <b>", temperature=0.5)
    fallback = view.fallback()
    assert "Once there was a &lt;b&gt;" in fallback and fallback.count("<tr>") == 9
    for _, *cells in view._texts():
        assert "".join(f"<td>{cell}</td>" for cell in cells) in fallback
    figure = OutputView(temperature=0.5).figure()
    assert "fox 68.7%" in figure.description and len(figure.axes[0].patches) == 16


def test_hostile_text_stays_text():
    html = OutputView(HOSTILE).html()
    assert payload(html)["view"]["prompt"] == HOSTILE
    assert "<img" not in html and "<!--" not in html
    assert html.count("</script>") == html.count("<script")


def test_settings_reach_the_page():
    view = payload(OutputView(top_k=3, min_p=0.2, shown=True).html())["view"]
    assert view["settings"] == {"temperature": 1.0, "top_k": 3, "top_p": 1, "min_p": 0.2}
    assert view["shown"] == 1 and [name for name, _ in view["examples"]] == list(EXAMPLES)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"prompt": 5}, "prompt must be a str, got 5"),
        ({"prompt": "x" * (LIMIT + 1)}, "prompt"),
        ({"model": "gpt2"}, "no model 'gpt2': choose one of storyteller"),
        ({"temperature": -0.1}, "temperature must be from 0 to 2, got -0.1"),
        ({"temperature": None}, "temperature must be from 0 to 2, got None"),
        ({"top_k": 0}, "top_k must be from 1 to 50, got 0"),
        ({"top_k": 2.5}, "top_k must be from 1 to 50, got 2.5"),
        ({"top_p": 0}, "top_p must be from 0.05 to 1, got 0"),
        ({"min_p": 1.1}, "min_p must be from 0 to 1, got 1.1"),
        ({"anchor": "My View"}, "anchor must be lower-case"),
    ],
)
def test_bad_input_is_named(arguments, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        OutputView(**arguments)
