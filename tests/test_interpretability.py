"""Looking inside, held to the model's own logits, to weights set by hand, and to built heads."""

import csv

import pytest
import torch
from torch.testing import assert_close

from llm import data, load, trace
from llm.interpretability import (
    attribution,
    fit_probe,
    head_outputs,
    head_scores,
    linear_memory,
    logit_lens,
    mean_outputs,
    patch_effects,
    recalled,
    replace_heads,
    text_head_scores,
)
from llm.pretrained import ASSETS

STYLES = [
    {},
    {"norm": "layernorm", "bias": False},
    {"norm": "rmsnorm", "position": "rope", "ffn": "swiglu", "bias": False, "n_kv_heads": 2},
    {"norm": "rmsnorm", "bias": True, "tie_embeddings": False, "position": "alibi"},
]


@pytest.fixture(params=STYLES, ids=["gpt", "no bias", "llama", "mixed"])
def model(request, tiny):
    return tiny(**request.param)


def run(model, ids, edits=None):
    with torch.no_grad(), trace(model, edits) as acts:
        model(ids)
    return acts


def some_ids(rows=2, length=7):
    return torch.randint(13, (rows, length))


def attending(model, layer: int, offset: int):
    """Make every head of one layer look ``offset`` places back, by replacing its weights."""

    def look_back(weights):
        T = weights.shape[-1]
        shifted = torch.eye(T).roll(-offset, dims=1).tril()
        shifted[:offset, 0] = 1.0
        return shifted.expand_as(weights)

    return trace(model, edits={f"blocks.{layer}.attention.weights": look_back})


def test_a_head_that_looks_one_back_is_a_previous_token_head(tiny):
    model = tiny(max_seq_len=16)
    with attending(model, 1, 1):
        scores = head_scores(model, length=8)
    assert scores.previous.shape == scores.induction.shape == (2, 4)
    torch.testing.assert_close(scores.previous[1], torch.ones(4))
    assert scores.induction[1].max() < 0.2


def test_a_head_that_looks_a_saying_less_one_back_is_an_induction_head(tiny):
    model = tiny(max_seq_len=16)
    with attending(model, 0, 7):
        scores = head_scores(model, length=8)
    torch.testing.assert_close(scores.induction[0], torch.ones(4))
    assert scores.previous[0].max() < 0.2


def test_heads_that_attend_evenly_score_little(tiny):
    model = tiny(max_seq_len=16)
    for parameter in model.parameters():
        parameter.data.zero_()
    scores = head_scores(model, length=8)
    even = torch.tensor([1 / (t + 1) for t in range(16)])
    torch.testing.assert_close(scores.previous, even[1:].mean().expand(2, 4))
    torch.testing.assert_close(scores.induction, even[8:].mean().expand(2, 4))


@pytest.mark.parametrize("length", [1, 9])
def test_rows_that_do_not_fit_are_refused(tiny, length):
    with pytest.raises(ValueError, match=f"length={length} said twice.*max_seq_len=16"):
        head_scores(tiny(max_seq_len=16), length=length)


# Scores on a text


def test_on_a_row_said_twice_both_ways_to_score_agree(tiny):
    model, ids = tiny(vocab_size=500), torch.randperm(500)[:8].repeat(2)[None]
    acts = run(model, ids)
    scores = text_head_scores(model, ids)
    for layer in range(2):
        weights = acts[f"blocks.{layer}.attention.weights"][0]
        previous = torch.stack([weights[:, t, t - 1] for t in range(1, 16)]).mean(0)
        induction = torch.stack([weights[:, t, t - 7] for t in range(8, 16)]).mean(0)
        assert_close(scores.previous[layer], previous)
        assert_close(scores.induction[layer], induction)


def test_only_the_queries_that_are_wanted_are_scored(tiny):
    model, ids = tiny(), torch.tensor([[4, 9, 4, 1, 4, 9]])
    where = torch.zeros(1, 6, dtype=torch.bool)
    where[0, 4] = True
    weights = run(model, ids)["blocks.1.attention.weights"][0, :, 4]  # (H, S)
    scores = text_head_scores(model, ids, where)
    assert_close(scores.previous[1], weights[:, 3])
    assert_close(scores.induction[1], weights[:, 1] + weights[:, 3])  # after each earlier 4


# The lens


def test_the_lens_at_the_end_is_the_model_and_at_the_start_the_table(model):
    ids = some_ids()
    acts = run(model, ids)
    lens = logit_lens(model, acts)
    assert list(lens) == ["embeddings"] + [
        f"blocks.{i}.residual_{h}" for i in range(2) for h in ("mid", "post")
    ]
    assert_close(lens["blocks.1.residual_post"], acts["logits"])
    assert_close(lens["embeddings"], model.lm_head(model.final_norm(acts["embeddings"])))


def test_the_lens_is_a_model_whose_later_parts_are_left_out(model):
    ids = some_ids()
    edits = {f"blocks.1.{part}.output": torch.zeros_like for part in ("attention", "ffn")}
    lens = logit_lens(model, run(model, ids))
    assert_close(lens["blocks.0.residual_post"], run(model, ids, edits)["logits"])


def test_the_lens_of_a_post_norm_model_ends_at_its_logits(tiny):
    model, ids = tiny(norm_position="post"), some_ids()
    acts = run(model, ids)
    assert_close(logit_lens(model, acts)["blocks.1.residual_post"], acts["logits"])


# Attribution


def test_what_the_heads_add_is_what_attention_adds(model):
    acts = run(model, some_ids())
    for layer in range(2):
        bias = model.blocks[layer].attention.out_proj.bias
        total = head_outputs(model, acts, layer).sum(1) + (0 if bias is None else bias)
        assert_close(total, acts[f"blocks.{layer}.attention.output"])


@pytest.mark.parametrize("word", [3, "each"])
def test_what_all_parts_bring_adds_up_to_the_logit(model, word):
    ids = some_ids()
    acts = run(model, ids)
    word = ids if word == "each" else word
    brought = attribution(model, acts, word)
    names = ["embedding", *(f"{i}.{p}" for i in range(2) for p in (*range(4), "ffn"))]
    assert list(brought) == names + ["bias"] * model.config.bias
    logits = acts["logits"]
    wanted = (
        logits[..., word] if isinstance(word, int) else logits.gather(2, ids[..., None])[..., 0]
    )
    assert_close(sum(brought.values()), wanted, atol=1e-4, rtol=1e-4)


def test_a_lead_is_the_difference_of_two_logits(model):
    acts = run(model, some_ids())
    lead, one, other = (attribution(model, acts, *w) for w in ((3, 8), (3,), (8,)))
    for name in lead:
        assert_close(lead[name], one[name] - other[name], atol=1e-4, rtol=1e-4)


def test_attribution_agrees_with_a_sum_worked_by_hand(tiny):
    """One number a part: C = 2, the divisor is the root of the mean square of (3, 4)."""
    model = tiny(
        d_model=2,
        n_heads=1,
        n_layers=1,
        norm="rmsnorm",
        bias=False,
        position="none",
        norm_eps=1e-12,
    )
    model.final_norm.weight.data = torch.tensor([1.0, 2.0])
    model.lm_head.weight.data[5] = torch.tensor([10.0, 1.0])
    edits = {
        "embeddings": lambda x: torch.tensor([1.0, 1.0]).expand_as(x),
        "blocks.0.attention.v": torch.zeros_like,
        "blocks.0.ffn.output": lambda x: torch.tensor([2.0, 3.0]).expand_as(x),
    }
    acts = run(model, some_ids(1, 3), edits)
    brought = attribution(model, acts, 5)
    r = 12.5**0.5  # √((9 + 16) / 2)
    wanted = {"embedding": (10 + 2) / r, "0.0": 0.0, "0.ffn": (20 + 6) / r}
    assert {name: round(b[0, 0].item(), 4) for name, b in brought.items()} == {
        name: round(value, 4) for name, value in wanted.items()
    }


def test_a_post_norm_model_has_no_such_sum(tiny):
    model = tiny(norm_position="post")
    with pytest.raises(ValueError, match="only a pre-norm stream is a sum"):
        attribution(model, run(model, some_ids()), 3)


# Ablation


def test_leaving_out_a_head_is_leaving_out_its_weights(model):
    ids, D = some_ids(), model.config.head_dim
    with torch.no_grad(), replace_heads(model, [(1, 2), (0, 0), (1, 3)]) as acts:
        model(ids)
    with torch.no_grad():
        for layer, head in ((1, 2), (0, 0), (1, 3)):
            own = slice(head * D, (head + 1) * D)
            model.blocks[layer].attention.out_proj.weight[:, own] = 0
        by_hand = model(ids)
    assert_close(acts["logits"], by_hand)


def test_a_mean_is_put_in_place_of_a_head(model):
    ids = some_ids()
    where = torch.ones_like(ids, dtype=torch.bool)
    where[1, 5:] = False
    means = mean_outputs(model, ids, where)
    outputs = head_outputs(model, run(model, ids), 1)[:, 2]  # (B, T, C)
    mean = torch.cat([outputs[0], outputs[1, :5]]).mean(0)
    assert_close(means[1][2, 0], mean)

    def put(attention):
        return attention - outputs + mean

    with torch.no_grad(), replace_heads(model, [(1, 2)], means) as acts:
        model(ids)
    assert_close(acts["logits"], run(model, ids, {"blocks.1.attention.output": put})["logits"])


def test_all_heads_taken_from_another_run_are_that_runs_attention(model):
    clean, other = some_ids(1), some_ids(1)
    acts = run(model, clean)
    heads = [(1, h) for h in range(4)]
    with (
        torch.no_grad(),
        replace_heads(model, heads, [head_outputs(model, acts, i) for i in (0, 1)]),
    ):
        patched = model(other)
    name = "blocks.1.attention.output"
    assert_close(patched, run(model, other, {name: lambda _: acts[name]})["logits"])


@pytest.mark.parametrize("head", [(2, 0), (0, 4), (-1, 0)])
def test_a_head_that_is_not_there_is_named(tiny, head):
    with pytest.raises(ValueError, match=r"no head .*layers are 0 … 1, heads 0 … 3"):
        replace_heads(tiny(), [(0, 0), head]).__enter__()


# Patching


def lead(logits):
    return logits[0, -1, 3] - logits[0, -1, 8]


def test_everything_brings_the_answer_back_and_nothing_does_not(model):
    clean = some_ids(1)
    corrupted = clean.clone()
    corrupted[0, 2] = (clean[0, 2] + 1) % 13
    stream = ["embeddings", "blocks.0.residual_post", "blocks.1.residual_post"]
    effects = patch_effects(model, clean, corrupted, lead, stream)
    assert effects.shape == (3, 7)
    assert_close(effects[0, 2], torch.tensor(1.0), atol=1e-4, rtol=0)  # the one token that differs
    assert_close(effects[2, -1], torch.tensor(1.0), atol=1e-4, rtol=0)  # all that the head reads
    nothing = torch.cat([effects[0, :2], effects[0, 3:], effects[1, :2], effects[2, :-1]])
    assert_close(nothing, torch.zeros_like(nothing), atol=1e-4, rtol=0)


def test_an_effect_is_the_share_of_the_way_back(model):
    clean, corrupted = some_ids(1), some_ids(1)
    name, t = "blocks.0.ffn.output", 6
    acts = run(model, clean)

    def put(x):
        x = x.clone()
        x[:, t] = acts[name][:, t]
        return x

    with torch.no_grad():
        high, low = lead(model(clean)), lead(model(corrupted))
    middle = lead(run(model, corrupted, {name: put})["logits"])
    effects = patch_effects(model, clean, corrupted, lead, [name])
    assert_close(effects[0, t], (middle - low) / (high - low))


def test_pairs_that_cannot_be_compared_are_refused(tiny):
    model, ids = tiny(), some_ids(1)
    with pytest.raises(ValueError, match=r"\(1, 7\) tokens, \(1, 6\)"):
        patch_effects(model, ids, ids[:, 1:], lead, ["embeddings"])
    with pytest.raises(ValueError, match="the same|for both texts"):
        patch_effects(model, ids, ids, lead, ["embeddings"])


# The table of all heads


def test_the_table_of_the_storytellers_heads_holds_what_the_book_says():
    with open(ASSETS / "head_effects.csv") as file:
        whole, *rows = csv.DictReader(file)
    assert [*whole] == [*"how layer head loss pronoun name colour object owner action".split()]
    assert all(float(whole[kind]) == 1 for kind in [*whole][4:])
    table = {(r["how"], f"{r['layer']}.{r['head']}"): r for r in rows}
    assert len(table) == len(rows) == 2 * 48
    for how in ("zero", "mean"):
        for kind, head in {
            "colour": "0.8",
            "object": "0.10",
            "owner": "2.4",
            "action": "3.6",
        }.items():
            shares = {name: float(r[kind]) for (h, name), r in table.items() if h == how}
            assert min(shares, key=shares.get) == head and shares[head] < 0.7
            assert sorted(shares.values())[1] > 0.9
    assert abs(float(table["zero", "1.1"]["loss"])) < 0.001
    assert float(table["zero", "0.1"]["loss"]) > 2 * float(table["mean", "0.1"]["loss"])


def test_a_row_of_the_table_measured_again():
    """Two stories, by a road of its own: the head's columns of the weights are set to 0."""
    model, tokenizer = load("storyteller")
    with torch.no_grad():
        model.blocks[0].attention.out_proj.weight[:, 64:72] = 0  # head 0.8
    corpus, right = data.stories(12, seed=11), []
    for text in corpus.documents:
        ids = data.story_ids(tokenizer, text)
        with torch.no_grad():
            best = model(torch.tensor([ids[:-1]]))[0].argmax(-1).tolist()
        for t, told in enumerate(corpus.told(text)):
            if told.kind == "colour" and len(told.options) == 1:
                right.append(best[t] == ids[t + 1])
    assert len(right) > 20 and sum(right) / len(right) < 0.25


# Probes and memories


def test_a_probe_finds_what_is_there_and_not_what_is_not():
    labels = torch.arange(600) % 3
    x = torch.randn(600, 8)
    x[:, 2] += 6.0 * (labels == 1) + 12.0 * (labels == 2)
    probe = fit_probe(x[:400], labels[:400], ridge=0.1)
    assert (probe(x[400:]) == labels[400:])[labels[400:] != 1].float().mean() > 0.95
    mixed = labels[torch.randperm(600)]
    blind = fit_probe(x[:400], mixed[:400])
    assert (blind(x[400:]) == mixed[400:]).float().mean() < 0.45


def test_a_probe_solves_the_equations_of_ridge_regression():
    x, labels = torch.randn(20, 3, dtype=torch.float64), torch.randint(2, (20,))
    rows = torch.cat([(x - x.mean(0)) / x.std(0), torch.ones(20, 1)], 1)
    weights = torch.zeros(4, 2, dtype=torch.float64, requires_grad=True)
    targets = torch.nn.functional.one_hot(labels)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        total = ((rows @ weights - targets) ** 2).sum() + 2.0 * (weights**2).sum()
        total.backward()
        return total

    optimizer.step(loss)
    assert torch.equal(fit_probe(x, labels, ridge=2.0)(x), (rows @ weights).argmax(-1))


def test_a_memory_by_hand():
    """Keys (1, 0) and (0, 1) with values (2, 3) and (5, 7) are the columns of the matrix."""
    keys, values = torch.eye(2), torch.tensor([[2.0, 3.0], [5.0, 7.0]])
    memory = linear_memory(keys, values)
    assert memory.tolist() == [[2.0, 5.0], [3.0, 7.0]]
    assert_close(memory @ keys[1], values[1])


def test_as_many_orthogonal_keys_as_dimensions_are_recalled_and_more_are_not():
    def unit(n):
        rows = torch.randn(n, 64)
        return rows / rows.norm(dim=-1, keepdim=True)

    keys, values = torch.linalg.qr(torch.randn(64, 64)).Q, unit(64)
    assert recalled(linear_memory(keys, values), keys, values).all()
    keys, values = unit(1024), unit(1024)
    assert recalled(linear_memory(keys, values), keys, values).float().mean() < 0.2
