"""Sizes and costs against counted weights, PyTorch's counter, measured bytes, published sums."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from llm import KVCache, ModelConfig, Transformer, cross_entropy, trace
from llm.scaling import (
    PUBLISHED,
    PowerLaw,
    fit_power_law,
    forward_flops,
    kv_cache_bytes,
    multiply_adds,
    parameters,
    published,
    training_flops,
    training_memory,
)

TINY = {"vocab_size": 37, "max_seq_len": 24, "d_model": 16, "n_layers": 3, "n_heads": 4}
SHAPES = {
    "gpt": {},
    "llama": {"position": "rope", "norm": "rmsnorm", "ffn": "swiglu", "bias": False}
    | {"tie_embeddings": False, "n_kv_heads": 2},
    "t5": {"position": "relative", "ffn": "relu", "qk_norm": True, "norm_position": "post"},
    "wide": {"head_dim": 6, "d_ff": 20, "n_kv_heads": 1, "qkv_bias": False},
}
CONFIGS = {name: ModelConfig(**TINY | fields) for name, fields in SHAPES.items()}


@pytest.mark.parametrize("name", SHAPES)
def test_terms_are_the_weights_of_a_model(name):
    c = CONFIGS[name]
    model, terms = Transformer(c), parameters(c)
    count = lambda module: sum(p.numel() for p in module.parameters())  # noqa: E731
    assert sum(terms.values()) == model.n_params() == c.n_params()
    assert terms["tokens"] == model.embeddings.token.weight.numel()
    assert terms["attention"] == sum(count(b.attention) for b in model.blocks)
    assert terms["ffn"] == sum(count(b.ffn) for b in model.blocks)
    norms = [n for b in model.blocks for n in (b.attention_norm, b.ffn_norm)]
    assert terms["norms"] == sum(map(count, [*norms, model.final_norm]))
    position = model.embeddings.position
    assert terms["positions"] == (count(position) if position is not None else 0)
    assert terms["head"] == (0 if c.tie_embeddings else model.lm_head.weight.numel())


def test_published_sizes():
    sizes = {name: published(name).n_params() for name in PUBLISHED}
    expected = {"GPT-3": 174_604_259_328, "Llama 3 8B": 8_030_261_248}
    assert sizes == expected | {"Llama 3.1 405B": 405_853_388_800}
    with pytest.raises(ValueError, match="no model 'GPT-4': choose one of GPT-3"):
        published("GPT-4")


@pytest.mark.parametrize("T", [1, 7, 24])
@pytest.mark.parametrize("name", SHAPES)
def test_operations_are_those_that_pytorch_counts(name, T):
    c = CONFIGS[name]
    model = Transformer(c)
    ids = torch.zeros(1, T, dtype=torch.long)
    counter = FlopCounterMode(display=False)  # it sees no products inside a fused kernel
    with sdpa_kernel(SDPBackend.MATH), counter, torch.no_grad():
        model(ids)
    assert sum(forward_flops(c, T).values()) == counter.get_total_flops()


@pytest.mark.parametrize("name", ["gpt", "llama"])
def test_training_is_three_forward_passes(name):
    """Without grouped queries it is exact: PyTorch's backward pass counts twice the forward."""
    c = CONFIGS[name].replace(n_kv_heads=4)
    model, ids = Transformer(c), torch.zeros(1, 10, dtype=torch.long)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        cross_entropy(model(ids), ids).backward()
    assert training_flops(c, 10, T=10) == counter.get_total_flops()
    assert training_flops(c, 70, T=10) == 7 * counter.get_total_flops()
    assert training_flops(c, 24) == training_flops(c, 24, T=24)


def test_the_rule_of_gpt():
    c, T = ModelConfig.gpt2(), 1024
    d, flops = c.d_model, forward_flops(c, T)
    per_token = 12 * (24 * d**2 + 4 * T * d) + 2 * 50257 * d
    assert sum(flops.values()) == T * per_token
    assert flops["scores"] == 12 * T * T * 4 * d
    half = forward_flops(c, T, causal=True)
    assert half["scores"] * 2 * T == flops["scores"] * (T + 1)
    assert {k: v for k, v in half.items() if k != "scores"} == {
        k: v for k, v in flops.items() if k != "scores"
    }


@pytest.mark.parametrize("bytes_per_value, dtype", [(4, torch.float32), (2, torch.bfloat16)])
@pytest.mark.parametrize("name", ["gpt", "llama", "wide"])
def test_the_cache_holds_that_many_bytes(name, bytes_per_value, dtype):
    model = Transformer(CONFIGS[name]).to(dtype).eval()
    kept = {}

    class Watched(KVCache):
        def update(self, layer, k, v):
            kept[layer] = super().update(layer, k, v)
            return kept[layer]

    with torch.no_grad():
        model(torch.zeros(1, 11, dtype=torch.long), cache=Watched())
    measured = sum(x[..., :11, :].numel() * x.element_size() for kv in kept.values() for x in kv)
    assert kv_cache_bytes(CONFIGS[name], 11, bytes_per_value) == measured


def test_caches_by_hand():
    assert kv_cache_bytes(ModelConfig.llama2_70b(), 1) == 320 * 1024
    assert kv_cache_bytes(ModelConfig.llama2_70b(n_kv_heads=64), 1) == 2.5 * 2**20


def test_training_memory_is_what_tensors_take():
    c, B, T = CONFIGS["gpt"], 2, 7
    model = Transformer(c)
    optimizer = torch.optim.AdamW(model.parameters())
    ids = torch.zeros(B, T, dtype=torch.long)
    logits = model(ids)
    cross_entropy(logits, ids).backward()
    optimizer.step()
    size = lambda tensors: sum(x.numel() * x.element_size() for x in tensors)  # noqa: E731
    found = training_memory(c, B, T)
    assert found["weights"] == size(model.parameters())
    assert found["gradients"] == size(p.grad for p in model.parameters())
    state = [x for s in optimizer.state.values() for x in s.values() if x.dim()]
    assert found["optimizer"] == size(state)
    assert found["logits"] == 2 * size([logits])
    assert found["scores"] == 2 * 3 * 4 * B * T * T * 4
    assert found["stream"] == 7 * B * T * 16 * 4
    assert training_memory(c, B, T, 2)["weights"] * 2 == found["weights"]


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda c: forward_flops(c, 0), "T must be above 0, got 0"),
        (lambda c: forward_flops(c, 25), "T=25 exceeds max_seq_len=24"),
        (lambda c: training_flops(c, -1), "n_tokens must be above 0, got -1"),
        (lambda c: training_memory(c, 0, 5), "batch_size must be above 0, got 0"),
        (lambda c: kv_cache_bytes(c, 5, 0), "bytes_per_value must be above 0, got 0"),
        (lambda c: fit_power_law([1, 2], [3, 2]), "need three sizes"),
        (lambda c: fit_power_law([1, 2, 3], [3, 2]), "need three sizes"),
        (lambda c: fit_power_law([1, 2, 3], [3, 2, 1], floor=1.0), "floor=1.0 must be below"),
    ],
)
def test_what_cannot_be_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call(CONFIGS["gpt"])


def test_no_table_no_limit():
    assert sum(forward_flops(CONFIGS["llama"], 1000).values()) > 0


def test_a_law_is_found_again():
    law = PowerLaw(floor=0.5, scale=20.0, exponent=0.4)
    sizes = [10**k for k in range(3, 8)]
    losses = [law(n) for n in sizes]
    known = fit_power_law(sizes, losses, floor=0.5)
    assert (known.scale, known.exponent) == pytest.approx((20.0, 0.4))
    free = fit_power_law(sizes, losses)
    assert free.floor == pytest.approx(0.5, abs=0.01)
    assert free.exponent == pytest.approx(0.4, abs=0.01)


def test_a_line_by_hand():
    """100 / N at 10, 100, 1000: a slope of −1 through 100."""
    law = fit_power_law([10, 100, 1000], [10.0, 1.0, 0.1], floor=0.0)
    assert (law.scale, law.exponent) == pytest.approx((100, 1))


@pytest.mark.parametrize("options", [{}, {"n_kv_heads": 1}, {"n_kv_heads": 2, "head_dim": 6}])
@pytest.mark.parametrize("ffn", ["gelu", "swiglu"])
def test_multiply_adds_and_the_cache_are_what_a_model_needs(tiny, options, ffn):
    model, cache = tiny(position="rope", ffn=ffn, **options), KVCache()
    for n_new in (5, 1, 3):
        past = cache.length
        with torch.no_grad(), FlopCounterMode(display=False) as counter, trace(model):
            model(torch.randint(13, (1, n_new)), cache=cache)
        work = multiply_adds(model.config, n_new, past)
        # The readable path works out the scores of keys ahead too, and throws them away.
        pairs = n_new * past + n_new * (n_new + 1) // 2
        work["attention"] = work["attention"] // pairs * n_new * (past + n_new)
        assert counter.get_total_flops() == 2 * sum(work.values())
    held = sum(t.numel() * t.element_size() for kv in cache._layers.values() for t in kv)
    assert kv_cache_bytes(model.config, cache.length, 4) == held


def test_a_text_read_at_once_costs_what_it_costs_in_steps():
    config = ModelConfig(vocab_size=50, d_model=32, n_heads=4)
    once = multiply_adds(config, 20)
    steps = [multiply_adds(config, 1, past) for past in range(20)]
    assert once == {name: sum(step[name] for step in steps) for name in once}
