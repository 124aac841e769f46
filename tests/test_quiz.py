"""The quiz as Python gives it, and the answers of the shipped quizzes, each worked out anew."""

import json
import math
import re

import pytest
import torch

from llm import (
    GPT,
    BPETokenizer,
    CrossAttention,
    Encoder,
    KVCache,
    ModelConfig,
    MultiHeadAttention,
    RMSNorm,
    RotaryPositionalEmbedding,
    add_lora,
    attribution,
    causal_mask,
    cosine_schedule,
    fit_probe,
    forward_flops,
    generate,
    gpt2_tokenizer,
    initialize,
    instruction_batch,
    kv_cache_bytes,
    linear_memory,
    mean_outputs,
    replace_heads,
    trace,
)
from llm.llama import flops_per_token, rope_order
from llm.model import Transformer
from llm.output import (
    cross_entropy,
    perplexity,
    softmax,
    temperature_scale,
    top_k_filter,
    top_p_filter,
)
from llm.views import Question, Quiz
from llm.views.quiz_view import ASSETS, ENDING

HOSTILE = "</script><img src=x onerror=alert(1)><!-- \u2028 \u202e \x00 🦙 $x^2$"
ONE = {"choices": ["a", "`b`", "c"], "answer": "`b`"}


@pytest.fixture(autouse=True)
def no_book_build(monkeypatch):
    monkeypatch.delenv("LLM_BOOK_BUILD", raising=False)


@pytest.fixture
def quiz() -> Quiz:
    return Quiz(
        Question("One?", **ONE, why="Since `x < y`.", hints={"c": "No."}),
        Question("Several?", choices=["a", "b", "c"], answer=["c", "a"], why="Both."),
        Question("How much?", answer=0.5, tolerance=0.01, why="Half.", hints={1: "Twice."}),
        Question("What do you think?", why="This."),
        title="Mine",
    )


def test_payload_names_choices_by_their_places(quiz):
    one, several, number, thought = quiz.payload()["questions"]
    assert (one["kind"], one["answer"], one["hints"]) == ("one", [1], [[2, "No."]])
    assert (several["kind"], several["answer"]) == ("several", [0, 2])
    assert (number["kind"], number["answer"], number["hints"]) == ("number", 0.5, [[1.0, "Twice."]])
    assert (thought["kind"], thought["answer"], thought["choices"]) == ("thought", None, [])


def test_an_edited_quiz_has_another_digest(quiz):
    again = Quiz(*quiz.questions, title="Other title")
    edited = Quiz(*quiz.questions[:3], Question("What do you think?", why="That."))
    assert quiz.payload()["digest"] == again.payload()["digest"] != edited.payload()["digest"]


def test_plain_text_has_the_questions_and_then_the_answers(quiz):
    assert quiz.describe().splitlines() == [
        "Quiz(4 questions): Mine",
        "1. One?",
        "   ( ) a",
        "   ( ) `b`",
        "   ( ) c",
        "2. Several?",
        "   [ ] a",
        "   [ ] b",
        "   [ ] c",
        "3. How much?",
        "4. What do you think?",
        "Answers",
        "1. `b`. Since `x < y`.",
        "2. a; c. Both.",
        "3. 0.5. Half.",
        "4. This.",
    ]
    assert repr(Quiz(quiz.questions[0])) == "Quiz(1 question)"


def test_bundle_is_the_same_in_every_run(quiz):
    again = Quiz(*quiz.questions, title="Mine")
    assert quiz._repr_mimebundle_() == again._repr_mimebundle_()


def test_fallback_folds_the_answers_away(quiz):
    fallback = quiz.fallback()
    assert "<ul><li>a</li><li><code>b</code></li><li>c</li></ul>" in fallback
    assert "<details><summary>Answer</summary><p>0.5. Half.</p></details>" in fallback
    assert "Since <code>x &lt; y</code>." in fallback and fallback.count("<details>") == 4


def test_hostile_text_stays_text():
    html = Quiz(Question(HOSTILE, choices=[HOSTILE, "b"], answer="b", why=HOSTILE)).html()
    data = json.loads(re.search(r'<script type="application/json">(.*?)</script>', html)[1])
    assert data["view"]["questions"][0]["text"] == HOSTILE
    assert "<img" not in html and html.count("<script") == html.count("</script>") == 2


def test_print_draws_any_text_as_it_stands():
    figure = Quiz(Question(HOSTILE, why="x"), Question("2 $ and 3 $", why="x")).figure()
    (text,) = figure.texts
    assert "2 $ and 3 $" in text.get_text() and "U+1F999" in text.get_text()
    assert not text.get_parse_math() and figure.description == "Quiz(2 questions)"


def test_backticks_need_a_partner():
    assert "<li><p>one ` alone</p>" in Quiz(Question("one ` alone", why="x")).fallback()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"text": ""}, "question must be a text, got ''"),
        ({"text": 5}, "question must be a text, got 5"),
        ({"why": " "}, "why must be a text"),
        ({"choices": ["a"], "answer": "a"}, "at least two choices, all different, got ['a']"),
        ({"choices": ["a", "b", "a"], "answer": "a"}, "all different"),
        ({"choices": ["a", "b"], "answer": "c"}, "answer 'c' must be among the choices ['a', 'b']"),
        ({"choices": ["a", "b"], "answer": []}, "answer [] must be among"),
        ({"choices": ["a", "b"]}, "answer None must be among"),
        ({"choices": ["a", 2], "answer": "a"}, "choice must be a text, got 2"),
        ({"choices": ["a", "b"], "answer": "a", "tolerance": 0.1}, "needs a number as answer"),
        ({"choices": ["a", "b"], "answer": "a", "hints": {"a": "x"}}, "belongs to a wrong answer"),
        ({"choices": ["a", "b"], "answer": "a", "hints": {"c": "x"}}, "belongs to a wrong answer"),
        ({"answer": math.nan}, "answer must be a finite number, or give choices, got nan"),
        ({"answer": math.inf}, "answer must be a finite number"),
        ({"answer": True}, "answer must be a finite number"),
        ({"answer": "yes"}, "answer must be a finite number, or give choices, got 'yes'"),
        ({"answer": 1, "tolerance": -0.1}, "tolerance must not be negative, got -0.1"),
        ({"answer": 1, "tolerance": math.nan}, "tolerance must be a finite number"),
        ({"answer": 1, "tolerance": 0.5, "hints": {1.2: "x"}}, "belongs to a wrong answer"),
    ],
)
def test_bad_questions_are_named(arguments, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        Question(**({"text": "Why?", "why": "So."} | arguments))


def test_bad_quizzes_are_named(tmp_path):
    (tmp_path / "bad.toml").write_text("[[question]]\ntext = 'x'\n")
    for sources, words in {
        (): "a quiz needs a question",
        ("cooking",): "tokenization, training",
        (5,): "give Question(…), a Path",
        (tmp_path / "none.toml",): "none.toml is no quiz (FileNotFoundError",
        (tmp_path / "bad.toml",): "bad.toml is no quiz (TypeError",
    }.items():
        with pytest.raises(ValueError, match=re.escape(words)):
            Quiz(*sources)


def test_a_file_gives_a_quiz(tmp_path):
    path = tmp_path / "mine.toml"
    table = 'text = "2 + 2?"\nanswer = 4\nwhy = "Count."\nhints = {"5.5" = "Less."}'
    path.write_text(f"[[question]]\n{table}\n")
    quiz = Quiz(path, Question("And you?", why="x"))
    assert [q.kind for q in quiz.questions] == ["number", "thought"]
    assert quiz.questions[0].payload()["hints"] == [[5.5, "Less."]]


SHIPPED = sorted(path.name.removesuffix(ENDING) for path in ASSETS.glob(f"*{ENDING}"))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_quizzes_hold_all_kinds_and_no_answer_always_first(name):
    questions = Quiz(name).questions
    assert {q.kind for q in questions} == {"one", "several", "number", "thought"}
    firsts = [0 in q.answer for q in questions if q.choices]
    assert not all(firsts) and 5 <= len(questions) <= 8


def answers(name: str) -> list:
    """For each question the choices that are right, or the number."""
    return [
        {q.choices[i].strip("`") for i in q.answer} if q.choices else q.answer
        for q in Quiz(name).questions
    ]


def test_answers_on_tokenization():
    count, cut, ids, never, millions, _ = answers("tokenization")
    learned = [len(BPETokenizer.train("abab aba", 256 + n).encode("abab aba")) for n in (1, 2, 3)]
    assert learned == [5, count, 3]

    tokens = [*(bytes([b]) for b in range(256)), b"er", b"he", b"the"]
    ranks = [(b"e", b"r"), (b"h", b"e"), (b"t", b"he")]
    tokenizer = BPETokenizer(dict(enumerate(tokens)), ranks)
    assert cut == {" ".join(tokenizer.decode([i]) for i in tokenizer.encode("there"))}

    gpt2 = gpt2_tokenizer()
    cat, spaced, capital = (gpt2.encode(word) for word in ("cat", " cat", "Cat"))
    assert ids == {"A space before the word", "A capital as its first letter"}
    assert cat != spaced and cat != capital
    assert (
        gpt2.encode(" cat" * 9) == spaced * 9 and gpt2.encode("The cat sat on a cat")[-1:] == spaced
    )

    choices = [choice.strip("`") for choice in Quiz("tokenization").questions[3].choices]
    assert never == {c for c in choices if len(gpt2.pretokens(c.replace("␣", " "))) > 1}
    assert millions == (16_000 - 8_000) * 512 / 1e6
    assert len(gpt2.encode("l o l l i p o p")) == len("lollipop") > len(gpt2.encode(" lollipop"))


def test_answers_on_training():
    floor, moved, _, same, rate, _ = answers("training")
    assert floor == pytest.approx(2 / 3 * math.log(2), abs=0.0005)

    logits = torch.tensor([0.7, 0.2, 0.1]).log().requires_grad_()
    cross_entropy(logits[None], torch.tensor([1])).backward()
    torch.testing.assert_close(logits.grad, torch.tensor([0.7, -0.8, 0.1]))
    assert moved == {"dog`, up"} and logits.grad.abs().argmax() == 1

    found = gradients()
    before = found.pop("nothing")
    assert same == {
        name for name, after in found.items() if torch.allclose(after, before, atol=1e-6)
    }
    assert cosine_schedule(350, 100, 1100, 0.01, 0) == pytest.approx(rate, abs=5e-5)
    assert round(math.log(1000), 1) == 6.9


def test_answers_on_embeddings():
    summed, day, bag, back, kept, _ = answers("embeddings")
    table = torch.zeros(5, 2, requires_grad=True)
    gradient = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    (table[torch.tensor([3, 1, 3])] * gradient).sum().backward()
    assert table.grad[3, 0] == summed and table.grad.any(-1).sum() == 2

    assert day == {"Saturday and Sunday"}
    assert bag == {"The order in which the three vectors come out"}
    torch.manual_seed(0)
    words, attention = torch.randn(1, 3, 8), MultiHeadAttention(8, 2, causal=False)
    torch.testing.assert_close(attention(words).flip(1), attention(words.flip(1)))
    assert back == next(p for p in range(1, 99) if p * 120 % 360 == 0 == p * 45 % 360)

    rope = RotaryPositionalEmbedding(8, 128)
    query, key = torch.randn(2, 1, 8)

    def match(p, s):
        return float(rope(query, torch.tensor([p])) @ rope(key, torch.tensor([s])).T)

    places = {"4 and 7": (4, 7), "107 and 104": (107, 104), "14 and 8": (14, 8), "3 and 0": (3, 0)}
    found = {
        f"The positions are {name}"
        for name, at in places.items()
        if match(*at) == pytest.approx(match(7, 4), abs=1e-4)
    }
    assert kept == found and match(7, 0) != pytest.approx(match(7, 4), abs=1e-2)


def test_answers_on_output():
    hesitation, sharper, cut, greedy, unshifted, _ = answers("output")
    given = torch.tensor([1 / 2, 1 / 8, 1, 1 / 4])
    assert perplexity(-given.log().mean()) == pytest.approx(hesitation, abs=0.005)

    squared = softmax(temperature_scale(torch.tensor([0.5, 0.25, 0.25]).log(), 0.5))
    assert float(squared[0]) == pytest.approx(sharper, abs=0.0005)
    kept = softmax(top_p_filter(torch.tensor([0.5, 0.25, 0.15, 0.1]).log(), 0.8))
    assert float(kept[0]) == pytest.approx(cut, abs=0.0005)

    logits = torch.randn(200, 9, generator=torch.Generator().manual_seed(0))
    said = logits.argmax(-1, keepdim=True)
    changes = {
        "A temperature of 0.7": temperature_scale(logits, 0.7),
        "A temperature of 3": temperature_scale(logits, 3),
        "Top-k 5": top_k_filter(logits, 5),
        "Top-p 0.9": top_p_filter(logits, 0.9),
        "The number 100 added to every logit": logits + 100,
        "The greatest logit lowered by 2": logits.scatter_add(-1, said, torch.full((200, 1), -2.0)),
    }
    assert set(changes) == set(Quiz("output").questions[3].choices)
    assert greedy == {n for n, z in changes.items() if (z.argmax(-1) != said[:, 0]).any()}

    torch.manual_seed(0)
    new = GPT(vocab_size=5000, d_model=768, n_layers=1, n_heads=2, max_seq_len=16)
    initialize(new)
    torch.nn.init.normal_(new.embeddings.token.weight)
    ids = torch.randint(5000, (2, 16))
    with torch.no_grad():
        row = new(ids)
    assert cross_entropy(row, ids) < 0.1 and cross_entropy(row[:, :-1], ids[:, 1:]) > 100
    assert unshifted == {"The targets are the inputs: the shift is missing"}
    assert round(math.log(5000), 1) == 8.5


def gradients() -> dict[str, torch.Tensor]:
    """The gradient of a small model after each change of the question."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(8, 3, generator=generator)
    targets = torch.randint(5, (8,), generator=generator)
    changes = {
        "The rows stand in another order": (lambda z: z.flip(0), targets.flip(0), 1),
        "Each row stands there twice": (lambda z: z.repeat(2, 1), targets.repeat(2), 1),
        "The number 5 is added to every logit": (lambda z: z + 5, targets, 1),
        "Every logit is doubled": (lambda z: 2 * z, targets, 1),
        "The losses are summed and not averaged": (lambda z: z, targets, 8),
        "nothing": (lambda z: z, targets, 1),
    }
    found = {}
    for name, (change, wanted, times) in changes.items():
        weight = torch.linspace(-1, 1, 15).reshape(3, 5).requires_grad_()
        (times * cross_entropy(change(x @ weight), wanted)).backward()
        found[name] = weight.grad
    assert set(changes) - {"nothing"} == set(Quiz("training").questions[3].choices)
    return found


def test_answers_on_attention():
    weight, rows, unchanged, doubled, mebibytes, _ = answers("attention")
    products = torch.tensor([6.0, 0, 0])
    assert float((products / 9**0.5).softmax(-1)[0]) == pytest.approx(weight, abs=5e-4)

    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 5, 8, generator=generator)
    other = x.clone()
    other[0, 3] = torch.randn(8, generator=generator)
    before, after = (weights_of(MultiHeadAttention(8, 1), text)[0, 0] for text in (x, other))
    changed = (before - after).abs().amax(-1) > 1e-6
    assert rows == {"Rows 3 and 4"} and changed.tolist() == [False, False, False, True, True]

    found = turned_scores()
    original = found.pop("nothing")
    assert unchanged == {
        name for name, scores in found.items() if torch.allclose(scores, original, atol=1e-4)
    }
    eight, sixteen = (MultiHeadAttention(512, n) for n in (8, 16))
    assert doubled == {"The number of tables of weights in a block"}
    assert [weights_of(layer, torch.ones(1, 3, 512)).shape[1] for layer in (eight, sixteen)] == [
        8,
        16,
    ]
    assert sum(p.numel() for p in eight.parameters()) == sum(
        p.numel() for p in sixteen.parameters()
    )
    assert mebibytes == torch.empty(16, 2048, 2048, dtype=torch.half, device="meta").nbytes / 2**20


def weights_of(layer: MultiHeadAttention, x: torch.Tensor) -> torch.Tensor:
    """The weights ``(B, H, T, S)`` of a layer whose numbers are the same in each call."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad(), trace(layer) as acts:
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 3)
        layer(x)
    return acts["weights"]


def turned_scores() -> dict[str, torch.Tensor]:
    """Scores of four tokens after each change of the question."""
    q, k = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0))
    rope, places = RotaryPositionalEmbedding(8, 99, theta=100.0), torch.arange(4)

    def scores(places):
        return rope(q, places) @ rope(k, places).T

    found = {
        "Each token moves to twice its position": scores(2 * places),
        "All positions grow by 7": scores(places + 7),
        "The keys are turned, the queries are not": q @ rope(k, places).T,
        "The values are turned as well": scores(places),
        "The positions count backwards, from T − 1 to 0": scores(places.flip(0)),
    }
    assert set(found) == set(Quiz("attention").questions[2].choices)
    return found | {"nothing": scores(places)}


def test_answers_on_gpt_and_llama():
    head, grown, positions, shares, order, _ = answers("llama")
    assert torch.arange(6).repeat_interleave(4)[17] == head and torch.arange(6).repeat(4)[17] == 5
    gpt = ModelConfig.gpt2()
    changed = gpt.replace(position="rope", tie_embeddings=False)
    assert changed.n_params() - gpt.n_params() == grown

    torch.manual_seed(0)
    sizes = {"d_model": 32, "n_layers": 2, "n_heads": 4, "position": "rope", "norm": "rmsnorm"}
    sizes |= {"bias": False, "n_kv_heads": 2}
    model = Transformer(ModelConfig(50, **sizes)).eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.5)

    def changes(config: ModelConfig, weights=lambda name, w: w) -> list[bool]:
        other = Transformer(config).eval()
        other.load_state_dict({n: weights(n, w) for n, w in model.state_dict().items()})
        ids = torch.arange(10)[None]
        return ((other(ids) - model(ids)).abs().amax(-1)[0] > 1e-3).tolist()

    def tiled(name, w):  # the key heads 0 0 1 1 as 0 1 0 1, with a key for each query
        return w.unflatten(0, (2, -1)).repeat(2, 1, 1).flatten(0, 1)

    def repeated(name, w):
        return w.unflatten(0, (2, -1)).repeat_interleave(2, 0).flatten(0, 1)

    full = model.config.replace(n_kv_heads=4)
    keys = ("k_proj.weight", "v_proj.weight")
    assert not any(changes(full, lambda n, w: repeated(n, w) if n.endswith(keys) else w))
    assert {
        "RoPE pairs features in the other layout": changes(
            model.config.replace(rope_layout="interleaved")
        )[0],
        "The base `rope_theta` is not that of the model": changes(
            model.config.replace(rope_theta=100.0)
        )[0],
        "The epsilon of the norms is too large": changes(model.config.replace(norm_eps=0.1))[0],
        "Key and value heads are tiled in place of repeated": changes(
            full, lambda n, w: tiled(n, w) if n.endswith(keys) else w
        )[0],
    } == {choice: choice not in positions for choice in Quiz("llama").questions[2].choices}

    many = ModelConfig(10, d_model=4096, n_layers=32, n_heads=32)
    few = many.replace(n_kv_heads=8)
    assert kv_cache_bytes(many, 1) == 4 * kv_cache_bytes(few, 1)
    scores = [flops_per_token(c, 9) - flops_per_token(c, 0) for c in (many, few)]
    assert scores[0] == scores[1] and shares == {"a quarter of the cache, all of the scores"}
    assert order == {" ".join(map(str, rope_order(6, "half").tolist()))}


def test_answers_on_fine_tuning():
    masked, count, still, rope, nothing, _ = answers("finetuning")
    _, targets = instruction_batch([(range(10), range(3))])
    assert masked == int((targets == -100).sum())

    model = torch.nn.Sequential(torch.nn.Linear(1000, 200))
    add_lora(model, "0", rank=4)
    assert count == sum(p.numel() for p in model.parameters() if p.requires_grad)

    ends = {}
    for name, gradient in {"zeros": torch.zeros(1), "None": None}.items():
        w = torch.nn.Parameter(torch.ones(1))
        optimizer = torch.optim.AdamW([w], weight_decay=0.1)
        w.grad = torch.ones(1)
        optimizer.step()
        before, w.grad = w.item(), gradient
        optimizer.step()
        ends[name] = w.item() == before
    assert ends == {"zeros": False, "None": True}
    assert still == {"Their gradients are set to `None`, and they are frozen"}
    assert len(rope) == 2 and all("RoPE" in choice for choice in rope)

    layer = model[0]
    torch.nn.init.zeros_(layer.A)
    layer(torch.ones(1000)).square().sum().backward()
    assert layer.A.grad.abs().max() == layer.B.grad.abs().max() == 0
    assert nothing == {"Nothing: both gradients are 0 at every step"}


def test_answers_on_the_layer_block():
    length, scaled, alone, width, blind, _ = answers("layer_block")
    row = torch.tensor([7.0, 17.0, 7.0, 17.0])
    assert (float(row.mean()), float(row.std(unbiased=False)), float(row.norm())) == (12, 5, length)

    x, weight = torch.randn(3, 8), torch.randn(20, 8)
    before, after = (RMSNorm(8)(factor * x) @ weight.T for factor in (1, 7))
    assert scaled == {"Nothing, but for the share of epsilon"}
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-3)

    torch.manual_seed(0)
    sizes = {"d_model": 8, "n_layers": 2, "n_heads": 2, "position": "none"}
    model = Transformer(ModelConfig(10, **sizes))
    edits = {f"blocks.{i}.attention.output": torch.zeros_like for i in range(2)}
    with trace(model, edits):
        logits = [model(torch.tensor([ids]))[0] for ids in ([1, 2, 3, 1], [5, 6, 7, 1])]
    torch.testing.assert_close(logits[0][3], logits[0][0])
    torch.testing.assert_close(logits[0][3], logits[1][3])
    assert alone == {choice for choice in alone if "is the same" in choice} and len(alone) == 2

    assert width == pytest.approx(2 * 512 * 2048 / (3 * 512), abs=0.5)

    block = model.blocks[0]
    x, other = torch.randn(1, 4, 8), torch.randn(1, 4, 8)
    other[:, 1:] = x[:, 1:]

    def reaches(changed) -> bool:
        return not torch.allclose(changed(x)[:, 1:], changed(other)[:, 1:], atol=1e-6)

    def swapped(x):
        return x + block.attention(block.ffn_norm(x))

    assert reaches(block) and reaches(swapped)
    assert not reaches(lambda x: x + block.ffn(block.ffn_norm(x)))
    assert len(blind) == 1 and "x + self.ffn(self.ffn_norm(x))" in next(iter(blind))


def test_answers_on_looking_inside(disturb):
    network, missing, effect, spared, constant, doubt, memory, _ = answers("interpretability")
    assert network == torch.tensor([-2.0, 4.0]) @ torch.tensor([1.0, 2.0])

    sizes = {"d_model": 8, "n_layers": 2, "n_heads": 2}
    model = disturb(GPT(ModelConfig(20, **sizes)))
    with torch.no_grad(), trace(model) as acts:
        logits = model(torch.randint(20, (1, 6)))
        shares = attribution(model, acts, 3)
    bias = shares.pop("bias")[0]
    torch.testing.assert_close(sum(shares.values())[0] + bias, logits[0, :, 3], atol=1e-4, rtol=0)
    assert bias.abs().max() > 0.01 and bias.std() > 1e-3  # it differs from token to token
    assert missing == {choice for choice in missing if "bias" in choice} and len(missing) == 2

    assert effect == (5 + 4) / (8 + 4)

    ids = torch.randint(20, (4, 6))
    with torch.no_grad():
        model.blocks[1].attention.out_proj.weight[:] = 0  # what nobody hears is not needed
        before = model(ids)
        with replace_heads(model, [(1, 0)]):
            torch.testing.assert_close(model(ids), before)
    assert any("need it" in choice for choice in spared) and len(spared) == 2

    model = disturb(GPT(ModelConfig(20, **sizes)))
    with torch.no_grad():
        model.blocks[0].attention.v_proj.weight[:] = 0  # the same value everywhere: its bias
        before = model(ids)
        means = mean_outputs(model, torch.randint(20, (4, 6)), torch.ones(4, 6).bool())
        with replace_heads(model, [(0, 1)], means):
            torch.testing.assert_close(model(ids), before, atol=1e-4, rtol=1e-4)
        with replace_heads(model, [(0, 1)]):
            assert (model(ids) - before).abs().max() > 0.05
    assert constant == {choice for choice in constant if "the same everywhere" in choice}

    x, labels = torch.randn(400, 8), torch.randint(2, (400,))
    found = fit_probe(x[:200], labels[:200])(x[200:]) == labels[200:]
    assert found.float().mean() < 0.62  # shuffled labels: nothing to find
    assert len(doubt) == 3 and not any("50%" in choice for choice in doubt)

    keys = torch.linalg.qr(torch.randn(64, 64)).Q
    values = torch.randn(64, 64) / 8
    key, value = (torch.randn(64) for _ in range(2))
    key, value = key / key.norm(), value / value.norm()
    more = linear_memory(torch.cat([keys, key[None]]), torch.cat([values, value[None]]))
    torch.testing.assert_close(more @ keys[0], values[0] + (key @ keys[0]) * value)
    assert 0.05 < (keys @ key).abs().mean() < 0.15
    assert memory == {choice for choice in memory if "a little disturbed" in choice}


def test_answers_on_scale():
    share, wider, flops, longer, tokens, _ = answers("scaling")
    table, layers = 50_000 * 512, 12 * (4 * 512**2 + 2 * 512 * 2048)
    assert share == pytest.approx(100 * table / (table + layers), abs=0.2)

    def attention(d_model: int) -> float:
        sizes = {"n_layers": 1, "n_heads": 8, "max_seq_len": 2048}
        terms = forward_flops(ModelConfig(10, d_model=d_model, **sizes), 2048)
        return terms["scores"] / (sum(terms.values()) - terms["head"])

    assert wider == {"It falls"} and attention(2048) < attention(1024)
    assert [round(attention(d), 2) for d in (1024, 2048)] == [0.25, 0.14]

    assert flops == pytest.approx(6 * 3e9 * 60e9 / 1e21)

    many, few = (ModelConfig.llama2_70b(n_kv_heads=n) for n in (8, 1))
    fewer = ModelConfig.llama2_70b(n_heads=8, n_kv_heads=8, head_dim=128)
    assert kv_cache_bytes(many, 5) == 8 * kv_cache_bytes(few, 5) == kv_cache_bytes(fewer, 5)
    eighth = {"Keeping keys and values with 2 bits a number"}  # 2 of 16
    assert longer == eighth | {"A model with an eighth of the key–value heads"}

    right = next(iter(tokens))
    powers = [round(float(p) ** 10, 2) for p in right.split(", ")]
    assert powers == [0.03, 0.11, 0.6]


def test_answers_on_the_three_families():
    pairs, copied, shape, more, dice, _ = answers("architectures")
    assert pairs == 7 * 7 + int(causal_mask(5).sum()) + 5 * 7

    torch.manual_seed(0)
    sizes = {"d_model": 16, "n_layers": 1, "n_heads": 2, "max_seq_len": 6}
    model, ids = Encoder(9, **sizes), torch.randint(9, (32, 6))
    adam = torch.optim.AdamW(model.parameters(), lr=0.03)
    for _ in range(100):
        adam.zero_grad()
        loss = cross_entropy(model(ids), ids)
        loss.backward()
        adam.step()
    assert loss.item() < 0.01  # of random tokens, of which nothing can be learned
    assert copied == {"It copies: each token sees itself and is asked for itself"}

    cross = CrossAttention(64, 4)
    with torch.no_grad(), trace(cross) as acts:
        cross(torch.randn(2, 5, 64), context=torch.randn(2, 9, 64))
    assert shape == {str(tuple(acts["weights"].shape))}

    assert more == pytest.approx((200 - 1) - 0.15 * 200, abs=0.5)
    assert len(dice) == 3 and not any("ten times the size" in choice for choice in dice)


def test_answers_on_generation():
    rows, kib, where, wrong, kept, _ = answers("generation")
    model = Transformer(ModelConfig(30, max_seq_len=32, d_model=8, n_layers=1, n_heads=2))
    read = []
    model.embeddings.register_forward_pre_hook(lambda _, ids: read.append(ids[0].shape[1]))
    generate(model, torch.zeros(1, 20, dtype=torch.long), 10)
    assert sum(read) == rows

    config = ModelConfig(30, d_model=256, n_layers=16, n_heads=4, head_dim=64)
    assert kv_cache_bytes(config, 1) == kib * 1024

    read.clear()
    generate(model, torch.zeros(1, 31, dtype=torch.long), 4)
    assert read == [31, 1, 32, 32]  # prefill, decode, and twice past the window
    assert where == {"In decode, while the text fits in the window"}

    q, k = torch.randn(1, 1, 4), torch.randn(1, 5, 4)
    attend = torch.nn.functional.scaled_dot_product_attention
    square = attend(k, k, torch.eye(5)[None], is_causal=True)
    assert square[0, -1].min() > 0  # as many queries as keys: right
    assert attend(q, k, torch.eye(5)[None], is_causal=True)[0, 0].tolist() == [1, 0, 0, 0, 0]
    cache, ids = KVCache(), torch.arange(6)[None]
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    with torch.no_grad():
        first = model(ids[:, :5], cache=cache)
        second = model(ids[:, 5:], cache=cache, positions=torch.zeros(1, 1, dtype=torch.long))
        right = model(ids)
    torch.testing.assert_close(first, right[:, :5])
    assert (second[0, 0] - right[0, 5]).abs().max() > 0.1
    assert len(wrong) == 2 and all("is_causal" in w or "Positions" in w for w in wrong)

    p, q = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.4, 0.4, 0.2])
    assert float(torch.minimum(p, q).sum()) == pytest.approx(kept)
