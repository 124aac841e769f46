"""llm.layer_block: norms and feed-forward networks by formula, blocks by composition."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaMLP, LlamaRMSNorm

from llm import FeedForward, LayerNorm, ModelConfig, RMSNorm, SwiGLU, TransformerBlock, swiglu

close = torch.testing.assert_close


@pytest.mark.parametrize("eps", [1e-5, 0.1])
@pytest.mark.parametrize("bias", [True, False])
def test_layer_norm_is_its_formula(disturb, eps, bias):
    norm, x = disturb(LayerNorm(8, eps, bias)), torch.randn(2, 3, 8) + 1
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)  # divided by C, not by C − 1
    expected = (x - mean) / torch.sqrt(variance + eps) * norm.weight
    close(norm(x), expected + norm.bias if bias else expected)
    theirs = nn.LayerNorm(8, eps, bias=bias)
    theirs.load_state_dict(norm.state_dict())
    close(norm(x), theirs(x))


@pytest.mark.parametrize("eps", [1e-5, 0.1])
def test_rms_norm_is_its_formula_and_hugging_face_s(disturb, eps):
    norm, x = disturb(RMSNorm(8, eps)), torch.randn(2, 3, 8) + 1
    close(norm(x), x / torch.sqrt((x**2).mean(-1, keepdim=True) + eps) * norm.weight)
    theirs = LlamaRMSNorm(8, eps)
    theirs.load_state_dict(norm.state_dict())
    close(norm(x), theirs(x))


def test_layer_norm_forgets_the_mean_and_rms_norm_does_not():
    x = torch.randn(4, 8)
    close(LayerNorm(8)(x + 3), LayerNorm(8)(x), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(RMSNorm(8)(x + 3), RMSNorm(8)(x), atol=0.1)


def test_a_constant_row_stays_finite():
    assert LayerNorm(4)(torch.full((1, 4), 5.0)).tolist() == [[0, 0, 0, 0]]
    assert RMSNorm(4)(torch.zeros(1, 4)).tolist() == [[0, 0, 0, 0]]


def test_swiglu_by_hand():
    a, b = torch.tensor([4.0, -1.0]), torch.tensor([5.0, 2.0])
    hand = torch.tensor([4 / (1 + math.exp(-4)) * 5, -1 / (1 + math.exp(1)) * 2])
    close(swiglu(a, b), hand)
    close(swiglu(a, b), torch.tensor([19.640, -0.538]), atol=5e-4, rtol=0)


ACTIVATIONS = {
    "relu": lambda x: x.clamp(min=0),
    "gelu": lambda x: x * 0.5 * (1 + torch.erf(x / math.sqrt(2))),
    "gelu_tanh": lambda x: (
        0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    ),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_feed_forward_is_its_formula(disturb, name):
    ffn, x = disturb(FeedForward(6, 20, name)), torch.randn(2, 3, 6) * 3
    hidden = ACTIVATIONS[name](x @ ffn.up_proj.weight.T + ffn.up_proj.bias)
    close(ffn(x), hidden @ ffn.down_proj.weight.T + ffn.down_proj.bias)


def test_the_two_gelus_differ():
    exact, tanh = FeedForward(4, 8, "gelu"), FeedForward(4, 8, "gelu_tanh")
    tanh.load_state_dict(exact.state_dict())
    assert not torch.equal(
        exact.activation(torch.tensor([1.5])), tanh.activation(torch.tensor([1.5]))
    )


def test_an_unknown_activation_is_named():
    with pytest.raises(ValueError, match="'swish'.*relu, gelu, gelu_tanh"):
        FeedForward(4, 8, "swish")


@pytest.mark.parametrize("bias", [False, True])
def test_swiglu_network_equals_hugging_face_s(disturb, bias):
    ours = disturb(SwiGLU(12, 20, bias=bias))
    theirs = LlamaMLP(
        LlamaConfig(hidden_size=12, num_attention_heads=2, intermediate_size=20, mlp_bias=bias)
    )
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, 12)
    close(ours(x), theirs(x))


@pytest.mark.parametrize("norm", ["layernorm", "rmsnorm"])
@pytest.mark.parametrize("ffn", ["gelu", "swiglu"])
@pytest.mark.parametrize("norm_position", ["pre", "post"])
def test_a_block_is_two_residual_lines(disturb, norm, ffn, norm_position):
    config = ModelConfig(
        vocab_size=5, d_model=16, n_heads=2, norm=norm, ffn=ffn, norm_position=norm_position
    )
    block, x = disturb(TransformerBlock(config)), torch.randn(2, 4, 16)
    if norm_position == "pre":
        middle = x + block.attention(block.attention_norm(x))
        expected = middle + block.ffn(block.ffn_norm(middle))
    else:
        middle = block.attention_norm(x + block.attention(x))
        expected = block.ffn_norm(middle + block.ffn(middle))
    close(block(x), expected)


def test_the_parts_of_a_block_stand_in_the_order_of_the_book():
    block = TransformerBlock(ModelConfig(vocab_size=5))
    parts = [name for name, child in block.named_children() if list(child.parameters())]
    assert parts == ["attention_norm", "attention", "ffn_norm", "ffn"]


def test_a_post_norm_block_equals_pytorch_s_encoder_layer(disturb):
    config = ModelConfig(
        vocab_size=5, d_model=16, n_heads=2, d_ff=24, ffn="relu", norm_position="post"
    )
    ours = disturb(TransformerBlock(config)).eval()
    theirs = nn.TransformerEncoderLayer(16, 2, 24, activation=F.relu, batch_first=True).eval()
    a = ours.attention
    state = {
        "self_attn.in_proj_weight": torch.cat([m.weight for m in (a.q_proj, a.k_proj, a.v_proj)]),
        "self_attn.in_proj_bias": torch.cat([m.bias for m in (a.q_proj, a.k_proj, a.v_proj)]),
    }
    modules = {
        "self_attn.out_proj": a.out_proj,
        "linear1": ours.ffn.up_proj,
        "linear2": ours.ffn.down_proj,
        "norm1": ours.attention_norm,
        "norm2": ours.ffn_norm,
    }
    for name, module in modules.items():
        state |= {f"{name}.weight": module.weight, f"{name}.bias": module.bias}
    theirs.load_state_dict(state)
    x = torch.randn(2, 4, 16)
    forbidden = nn.Transformer.generate_square_subsequent_mask(4)
    close(ours(x), theirs(x, src_mask=forbidden, is_causal=True))


@pytest.mark.parametrize("kind", [FeedForward, SwiGLU])
def test_a_network_drops_hidden_features_in_training_only(kind):
    network, x = kind(4, 64, dropout=0.5), torch.randn(3, 4)
    assert not torch.equal(network(x), network(x))
    network.eval()
    plain = kind(4, 64)
    plain.load_state_dict(network.state_dict())
    assert torch.equal(network(x), plain(x))


@pytest.mark.parametrize("ffn", ["gelu", "swiglu"])
def test_dropout_is_off_in_evaluation(ffn):
    block = TransformerBlock(ModelConfig(vocab_size=5, d_model=16, n_heads=2, ffn=ffn, dropout=0.5))
    x = torch.randn(1, 4, 16)
    assert not torch.equal(block(x), block(x))
    block.eval()
    assert torch.equal(block(x), block(x))


@pytest.mark.parametrize("position", ["none", "learned", "rope", "alibi", "relative"])
def test_a_block_runs_alone_and_takes_a_mask(position):
    block = TransformerBlock(ModelConfig(vocab_size=5, d_model=16, n_heads=2, position=position))
    x = torch.randn(2, 4, 16)
    real = torch.tensor([[True, True, False, True]])[:, None, None]
    changed = x.clone()
    changed[:, 2] = torch.randn(2, 16)
    assert torch.allclose(block(x, mask=real)[:, 3], block(changed, mask=real)[:, 3])
    assert not torch.allclose(block(x)[:, 3], block(changed)[:, 3])
