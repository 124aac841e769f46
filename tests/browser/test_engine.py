"""The model in JavaScript against PyTorch: the same activations, texts, chances and draws."""

import copy
import math
import random

import numpy as np
import pytest
import torch
from engine_page import acts, put_model, write_page

from llm import generate, load, sample, trace
from llm.config import ModelConfig
from llm.data import stories, story_ids
from llm.model import Transformer
from llm.output import softmax, temperature_scale, top_k_filter, top_p_filter
from llm.pretrained import model_table
from llm.tokenization import BPETokenizer, CharTokenizer
from llm.views.language_model import ViewModel, tokens_of

pytestmark = pytest.mark.browser

STORIES = stories(30, seed=77).documents
PLAY = "ROMEO:\nBut soft, what light through yonder window breaks?\n"
TEXTS = [
    "",
    "O",
    " ",
    "Once",
    "Once there was a",
    "Once there was a queen called Mia. She ruled in a castle.",
    "The cat sat on the mat.",
    "the brown fox crosses the road",
    "Xylophone quartz 12345",
    "🦙 🦙🦙",
    "naïve café, ½ Å",
    "नमस्ते 你好",
    "a\tb\n\nc  d" + " and so on" * 60,
    PLAY,
    "To be, or not to be: that is the question." * 5,
    *STORIES[:5],
]


@pytest.fixture(scope="module")
def page(chromium_browser, tmp_path_factory):
    page = chromium_browser.new_page()
    page.goto(write_page(tmp_path_factory.mktemp("engine") / "engine.html").as_uri())
    page.wait_for_function("() => window.engine")
    yield page
    page.close()


def python_acts(model, ids, edits=None) -> dict[str, np.ndarray]:
    with torch.no_grad(), trace(model, edits) as found:
        model(torch.tensor([ids]))
    return {name: value[0].numpy() for name, value in found.items()}


def worst(ours: dict, theirs: dict) -> float:
    """The greatest difference of any number of any activation; names and shapes must agree."""
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert ours[name].shape == theirs[name].shape, name
    return max(float(np.abs(ours[name] - theirs[name]).max()) for name in ours)


@pytest.mark.parametrize("name", model_table())
def test_shipped_models_agree_with_pytorch(page, name):
    """Ids, every named activation and the logits, on 20 texts."""
    model, tokenizer = load(name)
    exact = copy.deepcopy(model).double()
    put_model(page, ViewModel(name, model, tokenizer), inline=False)
    assert len(TEXTS) == 20
    lengths = set()
    for text in TEXTS:
        expected = tokens_of(model, tokenizer, text)
        ids = page.evaluate("text => model.encode(text).ids", text)
        assert ids == expected, text
        if not ids:
            continue  # nothing in it that the characters of the plays have
        lengths.add(len(ids))
        found = acts(page, ids)
        single, double = python_acts(model, ids), python_acts(exact, ids)
        assert worst(found, double) < 1e-4, text
        for key in found:  # in single precision PyTorch itself is off by more
            limit = 1e-4 + 1e-5 * np.abs(single[key]).max()
            assert np.abs(found[key] - single[key]).max() < limit, (text, key)
    assert model.config.max_seq_len in lengths and 1 in lengths


@pytest.mark.parametrize("name", model_table())
def test_greedy_continuations_agree(page, name):
    """200 tokens, past the window, with the cache in use."""
    model, tokenizer = load(name)
    put_model(page, ViewModel(name, model, tokenizer), inline=False)
    ids = tokens_of(model, tokenizer, "Once there was a" if "story" in name else "The ")
    expected = generate(model, torch.tensor([ids]), 200, temperature=0)[0].tolist()
    found = page.evaluate(
        """ids => {
            for (let n = 0; n < 200; n++) {
                const logits = model.next(ids.slice(-model.config.max_seq_len));
                ids.push(logits.indexOf(Math.max(...logits)));
            }
            return ids;
        }""",
        ids,
    )
    assert found == expected


@pytest.mark.parametrize("name", model_table())
def test_eight_bits_hardly_change_the_prediction(page, name, capsys):
    """What the weights inlined in notebooks cost: top-1 differs in under 2 % of positions."""
    model, tokenizer = load(name)
    put_model(page, ViewModel(name, model, tokenizer), inline=True)
    texts = STORIES if "story" in name or name == "draft" else [PLAY * 3, *STORIES[:10]]
    changed = positions = 0
    nats = 0.0
    for text in texts:
        ids = tokens_of(model, tokenizer, text)
        exact = torch.from_numpy(python_acts(model, ids)["logits"])
        coarse = torch.from_numpy(acts(page, ids)["logits"].copy())
        changed += int((exact.argmax(-1) != coarse.argmax(-1)).sum())
        nats += float((softmax(exact) * (exact.log_softmax(-1) - coarse.log_softmax(-1))).sum())
        positions += len(ids)
    with capsys.disabled():
        share, kl = changed / positions, nats / positions
        print(f"\n{name}, 8 bits: top-1 changed in {share:.2%} of {positions}, KL {kl:.5f} nats")
    assert changed / positions < 0.02


SWITCHES = [
    {},
    {"position": "sinusoidal", "scale_embeddings": True, "ffn": "relu", "tie_embeddings": False},
    {"position": "rope", "rope_layout": "interleaved", "norm": "rmsnorm", "ffn": "swiglu"},
    {"position": "rope", "n_kv_heads": 2, "qk_norm": True, "bias": False, "head_dim": 6},
    {"position": "alibi", "norm_position": "post", "ffn": "gelu_tanh"},
    {"position": "relative", "attention_window": 3, "n_kv_heads": 1},
    {"position": "none", "d_ff": 7},
]


@pytest.mark.parametrize(
    "switches", SWITCHES, ids=lambda s: "-".join(map(str, s.values())) or "gpt"
)
def test_every_switch_of_the_config(page, switches):
    """A reader's own model may have any of them; random weights, larger than usual."""
    torch.manual_seed(0)
    tokenizer = CharTokenizer("abcdefgh")
    model = Transformer(ModelConfig(8, 12, 24, 2, 4, **switches)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    put_model(page, ViewModel("own", model, tokenizer), inline=False)
    ids = tokenizer.encode("hgfedcbaabcd")
    assert worst(acts(page, ids), python_acts(model, ids)) < 1e-4
    for n in (1, 5, 11):  # the same bit by bit, through the cache
        cached = page.evaluate("ids => (model.read = null, [...model.next(ids)])", ids[:n])
        cached = page.evaluate("ids => [...model.next(ids)]", ids)
        expected = python_acts(model, ids)["logits"][-1]
        assert np.abs(np.array(cached) - expected).max() < 1e-4


def test_edits_reach_all_that_follows(page):
    """A head switched off, and a residual stream replaced, as with `llm.trace`."""
    model, tokenizer = load("storyteller")
    put_model(page, ViewModel("storyteller", model, tokenizer), inline=False)
    ids = story_ids(tokenizer, STORIES[0])[:40]

    def off(weights):
        return weights.index_fill(1, torch.tensor([3]), 0.0)

    edits = {"blocks.1.attention.weights": off, "blocks.2.residual_pre": lambda x: x * 0.5}
    script = """{
        "blocks.1.attention.weights": (w, [H, T, S]) => w.fill(0, 3 * T * S, 4 * T * S),
        "blocks.2.residual_pre": (x) => x.forEach((value, i) => (x[i] = value * 0.5)),
    }"""
    edited = acts(page, ids, script)
    assert worst(edited, python_acts(model.double(), ids, edits)) < 1e-4
    assert worst(edited, acts(page, ids)) > 0.1
    for part in "kv":  # the cache keeps what was not edited
        before = page.evaluate("ids => [...model.next(ids)]", ids)
        acts(page, ids, f"{{'blocks.0.attention.{part}': (x) => x.fill(0)}}")
        assert page.evaluate("ids => (model.read = null, [...model.next(ids)])", ids) == before


def test_too_long_a_text_is_refused(page):
    model, tokenizer = load("draft")
    put_model(page, ViewModel("draft", model, tokenizer), inline=False)
    with pytest.raises(Exception, match="129 tokens exceed max_seq_len=128"):
        page.evaluate("() => model.trace(Array(129).fill(1))")


# --- sampling ---------------------------------------------------------------------------------

SETTINGS = [
    {"temperature": 1.0},
    {"temperature": 0.3},
    {"temperature": 2.0, "top_k": 3},
    {"temperature": 1.0, "top_p": 0.5},
    {"temperature": 0.7, "top_k": 5, "top_p": 0.9},
    {"temperature": 1.0, "top_k": 1},
    {"temperature": 1.5, "top_p": 1.0},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_distributions_agree(page, settings):
    logits = torch.randn(20, generator=torch.Generator().manual_seed(1)) * 3
    logits[4] = logits[7]  # equals
    expected = temperature_scale(logits[None], settings["temperature"])
    if "top_k" in settings:
        expected = top_k_filter(expected, settings["top_k"])
    expected = softmax(top_p_filter(expected, settings.get("top_p", 1.0)))[0]
    found = page.evaluate(
        "([logits, settings]) => [...engine.distribution(Float32Array.from(logits), settings)]",
        [logits.tolist(), settings],
    )
    assert np.abs(np.array(found) - expected.numpy()).max() < 1e-6


def test_temperature_zero_is_greedy(page):
    logits = [1.0, 3.0, 3.0, 2.0]
    greedy = page.evaluate(
        "x => [...engine.distribution(Float32Array.from(x), {temperature: 0})]", logits
    )
    assert greedy == [0, 1, 0, 0] and int(sample(torch.tensor(logits), temperature=0)) == 1


def test_draws_follow_the_distribution_and_the_seed(page):
    script = """([p, seed, n]) => {
        const random = engine.generator(seed);
        return Array.from({length: n}, () => engine.draw(p, random));
    }"""
    p = [0.1, 0.0, 0.6, 0.3]
    first = page.evaluate(script, [p, 7, 20_000])
    assert first == page.evaluate(script, [p, 7, 20_000]) != page.evaluate(script, [p, 8, 20_000])
    shares = [first.count(i) / len(first) for i in range(4)]
    assert shares[1] == 0
    pairs = [(share, chance) for share, chance in zip(shares, p, strict=True) if chance]
    deviations = [abs(a - b) / math.sqrt(b * (1 - b) / 20_000) for a, b in pairs]
    assert max(deviations) < 4


# --- the process of the stories ---------------------------------------------------------------


def test_true_chances_agree(page):
    """At every word of 30 stories the same options, kinds and probabilities as in Python."""
    corpus = stories(30, seed=77)
    for document in corpus.documents:
        told = page.evaluate(
            """text => engine.readStory(text, words).told
                .map(({word, kind, options}) => [word, kind, [...options]])""",
            document + " <|end|>",
        )
        expected = corpus.told(document)
        assert [(word, kind) for word, kind, _ in told] == [(t.word, t.kind) for t in expected]
        for (_, _, options), theirs in zip(told, expected, strict=True):
            assert dict(map(tuple, options)) == pytest.approx(dict(theirs.options), abs=1e-12)


def test_chances_after_a_beginning(page):
    corpus = stories(5, seed=77)
    rng = random.Random(0)
    for document in corpus.documents:
        words = document.split(" ")
        prefix = " ".join(words[: rng.randrange(len(words))])
        found = page.evaluate(
            "text => Object.fromEntries(engine.readStory(text, words).next)", prefix
        )
        assert found == pytest.approx(corpus.next_distribution(prefix), abs=1e-12)
    ended = page.evaluate("t => [...engine.readStory(t, words).next]", f"{document} <|end|>")
    assert ended == []


@pytest.mark.parametrize(
    "text, stranger",
    [
        ("Once there was a dragon", "dragon"),
        ("Hello", "Hello"),
        ("Once there was a king called Mia", "Mia"),
        ("Once there was a constructor", "constructor"),
    ],
)
def test_a_word_that_no_story_goes_on_with(page, text, stranger):
    found = page.evaluate("text => engine.readStory(text, words)", text)
    assert found["stranger"] == stranger and found["next"] is None


# --- what Python refuses ----------------------------------------------------------------------


def test_models_that_no_page_can_take():
    tokenizer = CharTokenizer("abc")
    small = Transformer(ModelConfig(3, 8, 8, 1, 2))
    for model, kind, words in [
        (torch.nn.Linear(2, 2), tokenizer, "must be a llm.Transformer, got Linear"),
        (small, "abc", "tokenizer must be"),
        (small, BPETokenizer.train("abc", 256), "ids up to 255, the model a vocab_size of 3"),
        (Transformer(ModelConfig(3, 8, 512, 4, 2)), tokenizer, "a page takes 4,000,000"),
    ]:
        with pytest.raises(ValueError, match=words):
            ViewModel("own", model, kind)
