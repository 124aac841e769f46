"""How weights start: their spread, and what the spread does to a signal."""

import math

import pytest
import torch

from llm import GPT, Llama, cross_entropy, initialize, trace

FIELDS = {"vocab_size": 400, "max_seq_len": 32, "d_model": 128, "n_layers": 8, "n_heads": 4}


def model(scheme: str, kind=GPT, **changes):
    torch.manual_seed(0)
    made = kind(**FIELDS | changes)
    initialize(made, scheme)
    return made


def test_normal_draws_with_the_stated_spread_and_shares_out_what_writes():
    made = model("normal")
    block = made.blocks[3]
    for matrix in (made.embeddings.token.weight, block.attention.q_proj.weight):
        assert float(matrix.detach().std()) == pytest.approx(0.02, rel=0.03)
    for writer in (block.attention.out_proj.weight, block.ffn.down_proj.weight):
        assert float(writer.detach().std()) == pytest.approx(0.02 / 4, rel=0.03)  # √(2 · 8) = 4
    assert float(block.ffn.up_proj.bias.detach().abs().max()) == 0
    assert torch.equal(block.ffn_norm.weight, torch.ones(128))


def test_xavier_stays_inside_its_bound_and_fills_it():
    matrix = model("xavier", d_ff=256).blocks[0].ffn.up_proj.weight  # (256, 128)
    bound = math.sqrt(6 / (256 + 128))
    assert 0.99 * bound < float(matrix.detach().abs().max()) <= bound
    assert float(matrix.detach().std()) == pytest.approx(bound / math.sqrt(3), rel=0.02)


@pytest.mark.parametrize("kind", [GPT, Llama])
def test_a_new_model_starts_as_normal(kind):
    torch.manual_seed(0)
    new = kind(**FIELDS)
    spread = float(new.blocks[0].ffn.down_proj.weight.detach().std())
    assert spread == pytest.approx(0.02 / 4, rel=0.03)


def test_shared_writes_keep_the_stream_small_where_xavier_lets_it_grow():
    ids = torch.randint(400, (2, 32), generator=torch.Generator().manual_seed(0))
    ends = {}
    for scheme in ("normal", "xavier"):
        made = model(scheme)
        with torch.no_grad(), trace(made) as acts:
            loss = cross_entropy(made(ids), torch.roll(ids, -1, 1))
        ends[scheme] = float(acts["blocks.7.residual_post"].std())
        assert math.isfinite(float(loss))
    assert ends["normal"] < 0.2 and ends["xavier"] > 5 * ends["normal"]


def test_an_unknown_scheme_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'he': choose one of normal, xavier"):
        model("he")
