"""llm.cache_costs: bytes as the cache really holds them, multiply-adds as PyTorch counts them."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from llm import KVCache, ModelConfig, cache_bytes, multiply_adds, trace


@pytest.mark.parametrize("options", [{}, {"n_kv_heads": 1}, {"n_kv_heads": 2, "head_dim": 6}])
@pytest.mark.parametrize("ffn", ["gelu", "swiglu"])
def test_the_formulas_count_what_runs(tiny, options, ffn):
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
    assert cache_bytes(model.config, cache.length) == held


def test_published_models():
    seven, seventy = ModelConfig.llama2_7b(), ModelConfig.llama2_70b()
    assert cache_bytes(seven, 1, 2) == 512 * 1024
    assert cache_bytes(seventy, 1, 2) == 320 * 1024
    assert multiply_adds(ModelConfig.gpt2(), 1)["weights"] == 12 * 12 * 768**2


def test_a_text_read_at_once_costs_what_it_costs_in_steps():
    config = ModelConfig(vocab_size=50, d_model=32, n_heads=4)
    once = multiply_adds(config, 20)
    steps = [multiply_adds(config, 1, past) for past in range(20)]
    assert once == {name: sum(step[name] for step in steps) for name in once}
