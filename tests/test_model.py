"""llm.model: shapes, no leak from the future, every combination of switches, the cache."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llm import GPT, KVCache, Llama, ModelConfig, SimpleLLM, Transformer, padding_mask, trace
from llm.config import CHOICES

POSITIONS = CHOICES["position"]
close = torch.testing.assert_close

SWITCHES = {
    "position": POSITIONS,
    "norm": CHOICES["norm"],
    "norm_position": CHOICES["norm_position"],
    "ffn": ("gelu", "swiglu"),
    "n_kv_heads": (4, 1),
    "bias": (True, False),
    "attention_window": (None, 2),
    "tie_embeddings": (True, False),
}
OTHERS = [  # less common switches, in turn
    {},
    {"qk_norm": True, "ffn": "relu"},
    {"head_dim": 6, "qkv_bias": True},
    {"qkv_bias": False, "scale_embeddings": True, "ffn": "gelu_tanh"},
    {"rope_layout": "interleaved", "d_ff": 7, "n_kv_heads": 2},
]


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("norm", CHOICES["norm"])
def test_every_combination_of_switches_runs_and_agrees_with_itself(position, norm):
    switches = SWITCHES | {"position": (position,), "norm": (norm,)}
    ids = torch.randint(7, (2, 5))
    for number, values in enumerate(itertools.product(*switches.values())):
        fields = dict(zip(switches, values, strict=True)) | OTHERS[number % len(OTHERS)]
        sizes = {"vocab_size": 7, "max_seq_len": 6, "d_model": 8, "n_layers": 2, "n_heads": 4}
        config = ModelConfig(**sizes | fields)
        model = Transformer(config).eval()
        assert model.n_params() == config.n_params(), config
        with torch.no_grad():
            logits = model(ids)
            with trace(model):
                traced = model(ids)
            cache = KVCache()
            cached = torch.cat([model(part, cache=cache) for part in ids.split([3, 1, 1], 1)], 1)
        assert logits.shape == (2, 5, 7) and logits.isfinite().all(), config
        for other in (traced, cached):
            close(other, logits, atol=1e-5, rtol=1e-4, msg=lambda m, c=config: f"{c}: {m}")


@pytest.mark.parametrize("position", POSITIONS)
def test_b_and_t_run_from_1_to_the_maximum(tiny, position):
    model = tiny(position=position)
    for B, T in itertools.product((1, 3), (1, 2, 9, 16)):
        assert model(torch.randint(13, (B, T))).shape == (B, T, 13)


@pytest.mark.parametrize(
    "options", [{}, {"norm_position": "post"}, {"attention_window": 4}], ids=str
)
@pytest.mark.parametrize("position", POSITIONS)
def test_the_future_does_not_leak(tiny, position, options):
    model, ids = tiny(position=position, **options), torch.randint(13, (2, 16))
    logits = model(ids)
    for j in (0, 1, 7, 15):
        changed = ids.clone()
        changed[:, j] = (changed[:, j] + 1) % 13
        after = model(changed)
        close(after[:, :j], logits[:, :j], atol=1e-6, rtol=0)
        assert not torch.allclose(after[:, j], logits[:, j])
        close(model(ids[:, : j + 1]), logits[:, : j + 1], atol=1e-5, rtol=1e-4)


def test_a_window_hides_what_lies_before_it(tiny):
    model, ids = tiny(n_layers=1, attention_window=3, position="rope"), torch.randint(13, (1, 9))
    changed = ids.clone()
    changed[:, 2] = (changed[:, 2] + 1) % 13
    differs = (model(changed) - model(ids)).abs().amax(-1)[0] > 1e-4
    assert differs.nonzero().flatten().tolist() == [2, 3, 4]


@pytest.mark.parametrize("position", POSITIONS)
@given(chunks=st.lists(st.integers(1, 6), min_size=1, max_size=8).filter(lambda c: sum(c) <= 16))
def test_a_prompt_read_in_chunks_gives_the_same_logits(position, chunks):
    torch.manual_seed(0)
    config = ModelConfig(
        vocab_size=13, max_seq_len=16, d_model=16, n_layers=2, position=position, n_kv_heads=2
    )
    model, ids, cache = Transformer(config), torch.randint(13, (2, sum(chunks))), KVCache()
    with torch.no_grad():
        parts = [model(part, cache=cache) for part in ids.split(chunks, dim=1)]
        close(torch.cat(parts, dim=1), model(ids), atol=1e-5, rtol=1e-4)
    assert cache.length == sum(chunks)


@pytest.mark.parametrize("position", POSITIONS)
def test_padded_rows_equal_rows_alone_with_and_without_a_cache(tiny, position):
    model, lengths = tiny(position=position), [3, 8, 1]
    mask = padding_mask(lengths)
    ids, cache = torch.randint(13, mask.shape), KVCache()
    whole = model(ids, padding_mask=mask)
    parts = [
        model(ids[:, a:b], padding_mask=mask[:, :b], cache=cache)
        for a, b in [(0, 4), (4, 7), (7, 8)]
    ]
    cached = torch.cat(parts, dim=1)
    for row, length in enumerate(lengths):
        alone = model(ids[row : row + 1, -length:])[0]
        close(whole[row, -length:], alone, atol=1e-5, rtol=1e-4)
        close(cached[row, -length:], alone, atol=1e-5, rtol=1e-4)
    assert whole.isfinite().all()


def test_right_padding_changes_no_real_logits(tiny):
    model, mask = tiny(), padding_mask([2, 5], side="right")
    ids = torch.randint(13, (2, 5))
    close(model(ids, padding_mask=mask)[0, :2], model(ids[:1, :2])[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("position", POSITIONS)
def test_given_positions_override_the_counted_ones(tiny, position):
    model, ids = tiny(position=position), torch.randint(13, (2, 4))
    usual = model(ids)
    close(model(ids, positions=torch.arange(4)[None]), usual)
    moved = model(ids, positions=torch.arange(4, 8).expand(2, 4))
    relative = position not in ("sinusoidal", "learned")
    assert torch.allclose(moved, usual, atol=1e-4) == relative
    spread = torch.tensor([[0, 3, 4, 9]])
    assert torch.allclose(model(ids, positions=spread), usual, atol=1e-4) == (position == "none")
    cache = KVCache()
    parts = [
        model(ids[:, :3], positions=spread[:, :3], cache=cache),
        model(ids[:, 3:], positions=spread[:, 3:], cache=cache),
    ]
    close(torch.cat(parts, 1), model(ids, positions=spread), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("position", POSITIONS)
def test_truncating_the_cache_equals_never_having_read(tiny, position):
    model, ids, other = (
        tiny(position=position),
        torch.randint(13, (2, 6)),
        torch.randint(13, (2, 3)),
    )
    cache = KVCache()
    model(ids, cache=cache)
    cache.truncate(4)
    expected = model(torch.cat([ids[:, :4], other], 1))[:, 4:]
    close(model(other, cache=cache), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("position", POSITIONS)
def test_a_refused_call_leaves_the_cache_as_it_was(tiny, position):
    model, ids, cache = tiny(position=position), torch.randint(13, (1, 5)), KVCache()
    model(ids[:, :3], cache=cache)
    for wrong in (torch.tensor([[99]]), torch.zeros(2, 1, dtype=torch.long), torch.tensor([[0.5]])):
        with pytest.raises(ValueError):
            model(wrong, cache=cache)
    close(model(ids[:, 3:], cache=cache), model(ids)[:, 3:], atol=1e-5, rtol=1e-4)


TWO = torch.zeros(1, 2, dtype=torch.long)


@pytest.mark.parametrize(
    "ids, arguments, parts",
    [
        (torch.zeros(1, 17).long(), {}, ["17 tokens", "max_seq_len=16", "shorten", "generate()"]),
        (torch.zeros(2).long(), {}, ["(B, T)", "(2,)"]),
        (torch.zeros(1, 0).long(), {}, ["at least one token", "(1, 0)"]),
        (torch.zeros(0, 2).long(), {}, ["(0, 2)"]),
        (torch.tensor([[0, 13]]), {}, ["token id 13", "0 … 12", "vocab_size=13"]),
        (torch.tensor([[-1]]), {}, ["token id -1"]),
        (torch.zeros(1, 2), {}, ["float32", ".long()"]),
        (TWO, {"padding_mask": torch.ones(1, 3).bool()}, ["(1, 2)", "(1, 3)"]),
        (TWO, {"padding_mask": torch.ones(1, 2).long()}, ["bool", "int64"]),
        (TWO, {"positions": torch.tensor([0, 1])}, ["(1 or 1, 2)", "(2,)"]),
        (TWO, {"positions": torch.zeros(3, 2).long()}, ["(3, 2)"]),
        (TWO, {"positions": torch.tensor([[0, 16]])}, ["position 16", "max_seq_len=16"]),
        (TWO, {"positions": torch.tensor([[-1, 0]])}, ["position -1"]),
        (TWO, {"positions": torch.zeros(1, 2)}, ["float32", ".long()"]),
    ],
)
def test_inputs_that_do_not_fit_are_named(tiny, ids, arguments, parts):
    with pytest.raises(ValueError) as error:
        tiny()(ids, **arguments)
    assert all(part in str(error.value) for part in parts), error.value


def test_cached_tokens_count_towards_the_limit(tiny):
    model, cache = tiny(), KVCache()
    model(torch.zeros(1, 15).long(), cache=cache)
    with pytest.raises(ValueError, match="2 tokens after 15 cached ones exceed max_seq_len=16"):
        model(TWO, cache=cache)


def test_a_model_starts_as_gpt_2_does():
    model = Transformer(ModelConfig(vocab_size=500, d_model=64, n_layers=8))
    for name, parameter in model.named_parameters():
        if name.endswith(("out_proj.weight", "down_proj.weight")):
            assert parameter.std().item() == pytest.approx(0.02 / math.sqrt(16), rel=0.1), name
        elif parameter.dim() > 1:
            assert parameter.std().item() == pytest.approx(0.02, rel=0.1), name
        elif name.endswith("bias"):
            assert not parameter.any(), name
        else:
            assert (parameter == 1).all(), name
    loss = torch.nn.functional.cross_entropy(model(torch.arange(16)[None])[0], torch.arange(16) + 1)
    assert loss.item() == pytest.approx(math.log(500), abs=0.1)


def test_tied_weights_are_one_matrix_and_count_once():
    tied, untied = (
        GPT(vocab_size=9, d_model=8, n_heads=2, tie_embeddings=t) for t in (True, False)
    )
    assert tied.lm_head.weight is tied.embeddings.token.weight
    assert untied.n_params() - tied.n_params() == 9 * 8
    assert untied.lm_head.bias is None


def test_parameters_are_counted_as_asked():
    model = GPT(vocab_size=9, max_seq_len=5, d_model=8, n_heads=2, n_layers=1)
    whole = model.n_params()
    assert whole - model.n_params(embeddings=False) == (9 + 5) * 8
    model.blocks[0].requires_grad_(False)
    left = 9 * 8 + 5 * 8 + 2 * 8
    assert model.n_params(trainable_only=True) == left
    assert model.n_params(trainable_only=True, embeddings=False) == 2 * 8


def test_named_models_only_choose_a_config():
    gpt, llama = GPT(vocab_size=9), Llama(vocab_size=9, n_kv_heads=2)
    assert (gpt.config.position, gpt.config.norm, gpt.config.ffn) == (
        "learned",
        "layernorm",
        "gelu_tanh",
    )
    assert (llama.config.position, llama.config.norm, llama.config.ffn) == (
        "rope",
        "rmsnorm",
        "swiglu",
    )
    assert not llama.config.bias and not llama.config.tie_embeddings
    assert Llama(ModelConfig.llama_tiny()).config == ModelConfig.llama_tiny()
    assert GPT(vocab_size=9, ffn="relu").config.ffn == "relu"
    for wrong in ({}, {"config": gpt.config, "vocab_size": 9}):
        with pytest.raises(ValueError, match="GPT takes a ModelConfig or fields"):
            GPT(**wrong)


def test_simple_llm_adds_sinusoids_to_rows_scaled_by_root_d_model():
    model = SimpleLLM(
        vocab_size=20, d_model=16, n_layers=1, n_heads=2, d_ff=32, max_seq_len=8
    ).eval()
    ids = torch.tensor([[3, 7]])
    with trace(model) as acts:
        assert model(ids).shape == (1, 2, 20)
    rows = 4 * model.embeddings.token.weight[ids]
    close(acts["embeddings"], rows + model.embeddings.position(torch.arange(2)))
    assert model.config.dropout == 0.1


@pytest.mark.parametrize("name", ["Llama", "GPT"])
def test_one_step_of_training_lowers_the_loss(name):
    model = {"Llama": Llama, "GPT": GPT}[name](vocab_size=11, d_model=16, n_heads=2, n_layers=2)
    ids = torch.randint(11, (4, 9))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    losses = []
    for _ in range(3):
        loss = torch.nn.functional.cross_entropy(
            model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten()
        )
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > losses[1] > losses[2]


@pytest.mark.parametrize("position", POSITIONS)
def test_a_bfloat16_model_runs_on_both_paths(tiny, position):
    model, ids = tiny(position=position), torch.randint(13, (2, 5))
    expected = model(ids)
    model.bfloat16()
    with trace(model):
        traced = model(ids)
    assert traced.dtype == torch.bfloat16
    for logits in (traced, model(ids)):
        close(logits.float(), expected, atol=0.3, rtol=0.1)
