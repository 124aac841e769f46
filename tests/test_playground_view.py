"""The playground as Python gives it: true chances, any model, safe, the same in every run."""

import base64
import json
import re
from functools import cache

import numpy as np
import pytest
import torch

from llm.config import ModelConfig
from llm.data import stories
from llm.embeddings import alibi_bias
from llm.model import Transformer
from llm.output import softmax
from llm.pretrained import load, model_table
from llm.story_words import WORDS
from llm.tokenization import BPETokenizer, CharTokenizer
from llm.views import Playground
from llm.views.language_model import LARGEST, ViewModel
from llm.views.playground_view import LIMIT, LIVE, PROMPTS, STORY, TOUR
from llm.views.view import strings

HOSTILE = "</script><img src=x onerror=alert(1)><!-- \u2028 \u202e \x00 🦙"
BEGINNINGS = [
    "Once there was a",
    "Once there was a queen called Mia.",
    f"{STORY} Omar.",
    " ".join(stories(3, seed=12).documents[2].split()[:33]),
]


@pytest.fixture(autouse=True)
def no_book_build(monkeypatch):
    monkeypatch.delenv("LLM_BOOK_BUILD", raising=False)


def tiny(size: int, **switches) -> Transformer:
    """A model that nobody has trained."""
    torch.manual_seed(0)
    return Transformer(ModelConfig(size, 8, 8, 1, 2, **switches))


@cache
def story(prompt: str) -> Playground:
    """The storyteller at work on a text."""
    return Playground("storyteller", prompt=prompt)


def payload(html: str) -> dict:
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html)[1])


def shared(html: str) -> dict[str, str]:
    return dict(re.findall(r'data-shared="([\w-]+)">"(.*?)"</script>', html))


# --- what is said without a script ------------------------------------------------------------


def test_a_view_has_a_form_for_every_reader_and_the_same_in_every_run():
    bundles = [Playground()._repr_mimebundle_() for _ in range(2)]
    assert set(bundles[0]) == {"text/html", "text/plain", "image/png"}
    assert bundles[0] == bundles[1]
    assert base64.b64decode(bundles[0]["image/png"]).startswith(b"\x89PNG")
    assert all(" at 0x" not in text for text in bundles[0].values())


def test_plain_text_by_hand():
    lines = story(STORY).describe().splitlines()
    assert lines[0] == f"Playground(storyteller, 537,312 parameters, prompt={STORY!r})"
    assert re.fullmatch(r"' Omar'\s+99\.\d\d%  100\.00%", lines[1])  # by hand: Omar took the kite
    assert all(line.endswith(" 0.00%") for line in lines[2:]) and len(lines) == 9


@pytest.mark.parametrize("text", BEGINNINGS)
def test_rows_hold_the_models_chances_and_the_true_ones(text):
    model, tokenizer = load("storyteller")
    ids = [tokenizer.special_tokens["<|begin|>"], *tokenizer.encode(text)]
    with torch.no_grad():
        chances = softmax(model.eval()(torch.tensor([ids]))[0, -1])
    truth = stories(5, seed=77).next_distribution(text)
    for token, p, true in story(text)._rows():
        [i] = tokenizer.encode(token)
        assert p == pytest.approx(float(chances[i]), abs=1e-6)
        assert true == truth.get(token.strip(), 0.0)
    assert [p for _, p, _ in story(text)._rows()] == pytest.approx(
        chances.topk(8).values.tolist(), abs=1e-6
    )


def test_a_space_at_the_end_changes_nothing_for_tokens_that_begin_with_one():
    rows = [story(f"Once there was a{end}")._rows() for end in ("", " ", "\n")]
    assert rows[0] == rows[1] == rows[2] and rows[0][0][2] == 0.125


def test_a_beginning_that_no_story_has_comes_without_truth():
    assert {true for _, _, true in story("Once there was a dragon")._rows()} == {None}
    assert {true for _, _, true in Playground("bard")._rows()} == {None}


def test_fallback_and_figure_tell_the_same():
    view = story("Once there was a <b>")
    fallback = view.fallback()
    assert "<caption" in fallback and "Once there was a &lt;b&gt;" in fallback
    for heading in ("Token", "Chance", "True chance"):
        assert f'<th scope="col">{heading}</th>' in fallback
    for token, p, _ in view._texts():
        assert f"<td>{token.replace('<', '&lt;').replace('>', '&gt;')}</td><td>{p}</td>" in fallback
    view = story(STORY)
    assert "Omar 100" in view.figure().description and len(view.figure().axes[0].patches) == 16


def test_an_empty_text_is_a_text():
    first, *rest = story("").describe().splitlines()[1:]
    assert first.startswith("'Once'") and first.endswith("100.00%") and len(rest) == 7
    own = Playground(tiny(3), CharTokenizer("abc"), "")
    assert own.describe() == "Playground(model, 976 parameters, prompt='')"
    assert own._repr_mimebundle_()["image/png"]


# --- models ------------------------------------------------------------------------------------

SWITCHES = [
    {},
    {"position": "sinusoidal", "scale_embeddings": True, "ffn": "relu", "tie_embeddings": False},
    {"position": "rope", "rope_layout": "interleaved", "norm": "rmsnorm", "ffn": "swiglu"},
    {"n_kv_heads": 1, "qk_norm": True, "bias": False, "head_dim": 6},
    {"position": "alibi", "norm_position": "post", "ffn": "gelu_tanh", "qkv_bias": True},
    {"position": "relative", "attention_window": 3},
    {"position": "none", "d_ff": 7, "dropout": 0.5},
]


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_an_untrained_model_of_your_own_with_any_switch(switches):
    tokenizer = CharTokenizer("abc")
    model = tiny(3, **switches).train()
    view = Playground(model, tokenizer, "abcab", name="mine")
    spec = view.payload()["models"][0]
    assert (spec["name"], spec["prompt"], spec["stories"]) == ("mine", "abcab", False)
    assert {k: spec["config"][k] for k in switches} == switches
    with torch.no_grad():
        chances = softmax(model.eval()(torch.tensor([tokenizer.encode("abcab")]))[0, -1])
    found = {token: p for token, p, _ in view._rows()}
    assert found == pytest.approx(dict(zip("abc", chances.tolist(), strict=True)), abs=1e-6)


def test_a_model_that_is_training_goes_on_training():
    model = tiny(3, dropout=0.5).train()
    view = Playground(model, CharTokenizer("abc"), "a")
    assert view.describe() == view.describe() and model.training


def test_a_tokenizer_of_your_own_brings_its_merges():
    tokenizer = BPETokenizer.train("low lower lowest", 260)
    view = Playground(tiny(260), tokenizer, "low")
    spec = view.payload()["models"][0]
    assert set(view.shared()) == {"weights-model", "bpe-model"}
    assert spec["tokenizer"]["table"] == "bpe-model" and not spec["stories"]
    assert view.payload()["words"] is None and view.payload()["tour"] == ()
    assert view.describe().startswith("Playground(model, ")


def test_texts_to_try_are_written_in_the_alphabet():
    letters = set("".join(PROMPTS["plays"].values()))
    whole = Playground(tiny(len(letters)), CharTokenizer(letters))
    assert whole.payload()["models"][0]["examples"] == list(PROMPTS["plays"].items())
    few = Playground(tiny(3), CharTokenizer("xyz"))
    assert few.payload()["models"][0]["examples"] == [("letter", "x")] and few.prompt == "x"


def test_letters_outside_the_alphabet_are_left_out():
    model = tiny(3)
    odd, plain = [Playground(model, CharTokenizer("abc"), t) for t in ("a🦙bX", "ab")]
    assert odd._rows() == plain._rows()


def test_long_texts_are_read_from_their_end():
    model = tiny(3)
    long, end = [
        Playground(model, CharTokenizer("abc"), t) for t in ("abc" * 20, ("abc" * 20)[-8:])
    ]
    assert long._rows() == end._rows()


def test_models_of_the_book_by_name():
    both = Playground()
    assert [m.name for m in both.models] == list(LIVE)
    assert [m.model.n_params() for m in both.models] == [537_312, 800_000]
    for name in model_table():
        view = Playground(name)
        spec = view.payload()["models"][0]
        assert [m.name for m in view.models] == [name] and view.payload()["tour"] == ()
        assert spec["stories"] == (name != "bard")


def test_the_tour_shows_what_the_models_can_take():
    assert len(TOUR) == 8
    for text, part, change in TOUR:
        assert f"tour_{text}" in strings("playground")
        assert part in ("field", "read", "next", "how", "write")
        assert set(change) <= {"model", "prompt", "stage", "head"}
    config = load("storyteller")[0].config
    words = strings("playground")
    assert f"list of {config.vocab_size}." in words["tour_tokens"]
    assert f"row of {config.d_model} numbers" in words["tour_embeddings"]
    assert config.n_layers == 4 and "four blocks" in words["tour_block"]


def test_known_words_are_those_of_the_stories():
    known = set(Playground().payload()["models"][0]["known"])
    told = {w for text in stories(300, seed=5).documents for w in re.findall(r"\w+", text)}
    assert told <= known and not known & {"dragon", "once", "it"}
    listed = {*WORDS.she, *WORDS.he, *WORDS.roles, *WORDS.colours, *WORDS.things, *WORDS.meetings}
    assert listed <= known


# --- safe, small and shared --------------------------------------------------------------------


def test_hostile_text_stays_text():
    html = Playground(prompt=HOSTILE).html()
    assert payload(html)["view"]["models"][0]["prompt"] == HOSTILE
    assert html.count("</script>") == html.count("<script") and "<img" not in html
    assert not re.search(r"https?://(?!www\.w3\.org/)", html)


def test_half_characters_are_replaced(tmp_path):
    assert Playground(prompt="a\ud83eb").prompt == "a\ufffdb"
    assert Playground(prompt="\ud83e\udd99").prompt == "🦙"
    Playground("draft", prompt="a\ud83e").save_page(tmp_path / "page.html")


def test_a_name_is_text_too(tmp_path):
    view = Playground(tiny(3), CharTokenizer("abc"), name="My <b>model</b>/../x")
    html = view.html()
    assert "<b>" not in html and set(shared(html)) == {"weights-my--b-model--b-----x"}


def test_inline_weights_have_eight_bits_and_shared_ones_are_exact(tmp_path, monkeypatch):
    inline = Playground().html()
    kinds = {name: kind for name, _, kind in payload(inline)["view"]["models"][0]["tensors"]}
    assert kinds["embeddings.token.weight"] == "f2" and kinds["final_norm.weight"] == "f4"
    assert kinds["blocks.0.attention.q_proj.weight"] == "i1"
    monkeypatch.setenv("LLM_BOOK_BUILD", str(tmp_path / "shared"))
    html = Playground().html()
    data = payload(html)
    assert not shared(html) and len(html) < 200_000 < len(inline)
    files = {path.name for path in (tmp_path / "shared").iterdir()}
    assert files == {*data["files"].values(), data["page"]}
    assert set(data["files"]) == {"weights-storyteller", "bpe-storyteller", "weights-bard"}
    kinds = {kind for _, _, kind in data["view"]["models"][0]["tensors"]}
    assert kinds <= {"f2", "f4"}
    page = (tmp_path / "shared" / data["page"]).read_text(encoding="utf-8")
    assert 'data-content_root="../"' in page and not shared(page)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "shared").iterdir()}
    assert Playground().html() == html
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "shared").iterdir()} == before


def test_the_page_is_small_enough_for_a_frame(tmp_path):
    page = Playground().save_page(tmp_path / "page.html")
    assert page.stat().st_size < 2_500_000
    text = page.read_text(encoding="utf-8")
    assert "data-shared" in text and " src=" not in text


def test_alibi_travels_as_a_table():
    weights = ViewModel("m", tiny(3, position="alibi"), CharTokenizer("abc")).weights
    bias = alibi_bias(2, torch.tensor([7]), torch.arange(8))[:, 0]
    assert np.allclose(weights["position_bias"][:, ::-1], bias.numpy())


# --- what is refused ---------------------------------------------------------------------------

ABC = CharTokenizer("abc")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("gpt2",), "no model 'gpt2': choose one of storyteller, gpt-storyteller"),
        (("",), "no model ''"),
        ((5,), "no model 5: choose one of"),
        (([],), "no model []: choose"),
        ((torch.nn.Linear(2, 2),), "or give a llm.Transformer with its tokenizer"),
        ((tiny(3),), "a model needs the tokenizer that it was trained with: give both"),
        ((None, ABC), "a tokenizer goes with a llm.Transformer, got None: give your own model"),
        (("storyteller", ABC), "got 'storyteller': give your own model with it, or leave"),
        ((tiny(3), "abc"), "tokenizer must be a llm.BPETokenizer or llm.CharTokenizer, got str"),
        ((tiny(2), ABC), "ids up to 2, the model a vocab_size of 2: give the tokenizer"),
        ((None, None, 5), "prompt must be a str, got 5"),
        ((None, None, b"Once"), "prompt must be a str, got b'Once'"),
        ((None, None, "x" * (LIMIT + 1)), "prompt has 2,001 characters: a view takes 2,000"),
    ],
)
def test_bad_input_is_named_with_the_way_out(arguments, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        Playground(*arguments)


def test_a_model_that_is_too_large_for_a_page_is_refused():
    large = Transformer(ModelConfig(3, 8, 512, 2, 2))
    assert large.n_params() > LARGEST
    with pytest.raises(ValueError, match=r"parameters, a page takes 4,000,000: use llm\.trace"):
        Playground(large, ABC)
    with pytest.raises(ValueError, match="anchor must be"):
        Playground(anchor="My View")


def test_the_longest_text_is_taken():
    assert len(Playground("draft", prompt="x" * LIMIT).prompt) == LIMIT
    assert len(Playground("draft", prompt="🦙" * LIMIT).prompt) == LIMIT
