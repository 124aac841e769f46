"""The functions of the Layer block exercise, right and wrong in all the ways that we have seen.

The right ones are `layer_norm`, `rms_norm`, `feed_forward` and `block`; the dictionaries below them
hold the bugs: a sentence, and a function that has the bug, which is mostly one changed argument.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

_gelu, _relu, _silu = nn.functional.gelu, nn.functional.relu, nn.functional.silu
_sigmoid, _sqrt, _tanh = torch.sigmoid, torch.sqrt, torch.tanh
_mean = torch.mean
_Function = Callable[[Tensor], Tensor]


def _spread(x: Tensor, mean: Tensor, dim, **_) -> Tensor:
    return _mean((x - mean) ** 2, dim, keepdim=True)


def unbiased(x: Tensor, mean: Tensor, dim: int, **_) -> Tensor:
    return _spread(x, mean, dim) * x.shape[dim] / (x.shape[dim] - 1)


def _inside(square: Tensor, eps: float) -> Tensor:
    return _sqrt(square + eps)


def outside(square: Tensor, eps: float) -> Tensor:
    return _sqrt(square) + eps


def _scaled(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return x * weight + bias


def layer_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    eps: float,
    *,
    dim=-1,
    spread=_spread,
    below=_inside,
    centre=lambda x, mean: x - mean,
    finish=_scaled,
) -> Tensor:
    mean = _mean(x, dim, keepdim=True)
    return finish(centre(x, mean) / below(spread(x, mean, dim), eps), weight, bias)


_layer = partial(partial, layer_norm)

LAYER_NORM_BUGS = {
    "the variance is divided by C - 1; use unbiased=False.": _layer(spread=unbiased),
    "torch's std divides by C - 1, and eps stands outside the root.": _layer(
        spread=unbiased, below=outside
    ),
    "eps stands outside the root; it is added to the variance.": _layer(below=outside),
    "eps is missing under the root.": _layer(below=lambda square, eps: _sqrt(square)),
    "it divides by the variance; divide by its square root.": _layer(
        below=lambda square, eps: square + eps
    ),
    "mean and variance run over the positions; take them over the last dimension.": _layer(dim=1),
    "mean and variance run over the batch; take them over the last dimension.": _layer(dim=0),
    "mean and variance run over all of x; each position has its own.": _layer(dim=(0, 1, 2)),
    "mean and variance run over positions and features; each position has its own.": _layer(
        dim=(1, 2)
    ),
    "the mean is not subtracted; that would be a kind of RMSNorm.": _layer(
        centre=lambda x, mean: x
    ),
    "the mean of x² is taken without subtracting the mean of x first.": _layer(
        spread=lambda x, mean, dim: _mean(x**2, dim, keepdim=True)
    ),
    "the squares are added up; divide their sum by C.": _layer(
        spread=lambda x, mean, dim: _spread(x, mean, dim) * x.shape[dim]
    ),
    "weight is forgotten.": _layer(finish=lambda x, weight, bias: x + bias),
    "bias is forgotten.": _layer(finish=lambda x, weight, bias: x * weight),
    "weight and bias are forgotten.": _layer(finish=lambda x, weight, bias: x),
    "bias is added before the weight multiplies; multiply first.": _layer(
        finish=lambda x, weight, bias: (x + bias) * weight
    ),
    "weight and bias have changed places.": _layer(
        finish=lambda x, weight, bias: x * bias + weight
    ),
}


def _square(x: Tensor, dim) -> Tensor:
    return _mean(x**2, dim, keepdim=True)


def rms_norm(
    x: Tensor,
    weight: Tensor,
    eps: float,
    *,
    dim=-1,
    square=_square,
    below=_inside,
    begin=lambda x: x,
    finish=lambda x, weight: x * weight,
) -> Tensor:
    x = begin(x)
    return finish(x / below(square(x, dim), eps), weight)


def _centred(x: Tensor) -> Tensor:
    return x - _mean(x, -1, keepdim=True)


_rms = partial(partial, rms_norm)

RMS_NORM_BUGS = {
    "the mean is subtracted; RMSNorm leaves it in, LayerNorm takes it out.": _rms(begin=_centred),
    "it divides by the standard deviation; the root of the mean of x² has no mean in it.": _rms(
        square=lambda x, dim: _square(_centred(x), dim)
    ),
    "eps stands outside the root; it is added to the mean of x².": _rms(below=outside),
    "eps is missing under the root.": _rms(below=lambda square, eps: _sqrt(square)),
    "the square root is missing.": _rms(below=lambda square, eps: square + eps),
    "the squares are added up; take their mean.": _rms(
        square=lambda x, dim: _square(x, dim) * x.shape[dim]
    ),
    "this is the mean of |x|; square, take the mean, then the root.": _rms(
        square=lambda x, dim: _mean(x.abs(), dim, keepdim=True) ** 2
    ),
    "the mean is squared; take the mean of the squares.": _rms(
        square=lambda x, dim: _mean(x, dim, keepdim=True) ** 2
    ),
    "the mean runs over the positions; take it over the last dimension.": _rms(dim=1),
    "the mean runs over the batch; take it over the last dimension.": _rms(dim=0),
    "the mean runs over all of x; each position has its own.": _rms(dim=(0, 1, 2)),
    "the mean runs over positions and features; each position has its own.": _rms(dim=(1, 2)),
    "it multiplies by the root; divide by it.": _rms(
        below=lambda square, eps: 1 / _inside(square, eps)
    ),
    "weight is forgotten.": _rms(finish=lambda x, weight: x),
    "it multiplies by 1 + weight; here the weight itself is the factor.": _rms(
        finish=lambda x, weight: x * (1 + weight)
    ),
}


def feed_forward(
    x: Tensor,
    gate_proj: _Function,
    up_proj: _Function,
    down_proj: _Function,
    *,
    bend=_silu,
    join=lambda gate, up, bend: bend(gate) * up,
    finish=lambda x, hidden, down: down(hidden),
) -> Tensor:
    return finish(x, join(gate_proj(x), up_proj(x), bend), down_proj)


_network = partial(partial, feed_forward)

FEED_FORWARD_BUGS = {
    "gate and up are swapped; silu belongs to the gate.": _network(
        join=lambda gate, up, bend: gate * bend(up)
    ),
    "silu is missing, so the gate multiplies as it is.": _network(bend=lambda gate: gate),
    "the gate is sigmoid(gate) alone; silu(gate) is gate * sigmoid(gate).": _network(bend=_sigmoid),
    "the exponent lacks its minus; silu(a) is a / (1 + e^(-a)).": _network(
        bend=lambda gate: gate * _sigmoid(-gate)
    ),
    "the gate goes through GELU; SwiGLU has silu there.": _network(bend=_gelu),
    "the gate goes through ReLU; SwiGLU has silu there.": _network(bend=_relu),
    "the gate goes through tanh; SwiGLU has silu there.": _network(bend=_tanh),
    "silu acts on the product; it acts on the gate, before the product.": _network(
        join=lambda gate, up, bend: bend(gate * up)
    ),
    "silu acts on both; what the gate lets through stays as it is.": _network(
        join=lambda gate, up, bend: bend(gate) * bend(up)
    ),
    "gate and up are added; multiply them.": _network(join=lambda gate, up, bend: bend(gate) + up),
    "up_proj is not used; the gate has to let something through.": _network(
        join=lambda gate, up, bend: bend(gate)
    ),
    "gate_proj is not used; up_proj passes without a gate.": _network(
        join=lambda gate, up, bend: bend(up)
    ),
    "down_proj is missing, so the result has d_ff numbers.": _network(
        finish=lambda x, hidden, down: hidden
    ),
    "x is added at the end; the residual belongs to the block.": _network(
        finish=lambda x, hidden, down: x + down(hidden)
    ),
    "the result is bent once more; down_proj is the last step.": _network(
        finish=lambda x, hidden, down: _silu(down(hidden))
    ),
}


def pre_norm(x: Tensor, norm: _Function, sublayer: _Function) -> Tensor:
    return x + sublayer(norm(x))


def bare(x: Tensor, norm: _Function, sublayer: _Function) -> Tensor:
    return sublayer(norm(x))


def from_normed(x: Tensor, norm: _Function, sublayer: _Function) -> Tensor:
    return norm(x) + sublayer(norm(x))


def unnormed(x: Tensor, norm: _Function, sublayer: _Function) -> Tensor:
    return x + sublayer(x)


def _skipped(x: Tensor, norm: _Function, sublayer: _Function) -> Tensor:
    return x


def block(
    x: Tensor,
    attention_norm: _Function,
    attention: _Function,
    ffn_norm: _Function,
    ffn: _Function,
    *,
    first=pre_norm,
    second=pre_norm,
    norms=lambda attention_norm, ffn_norm: (attention_norm, ffn_norm),
) -> Tensor:
    norm_1, norm_2 = norms(attention_norm, ffn_norm)
    return second(first(x, norm_1, attention), norm_2, ffn)


def _both(way) -> Callable:
    return partial(block, first=way, second=way)


def _order_swapped(x, attention_norm, attention, ffn_norm, ffn):
    return block(x, ffn_norm, ffn, attention_norm, attention)


def _second_from_input(x, attention_norm, attention, ffn_norm, ffn):
    return x + ffn(ffn_norm(pre_norm(x, attention_norm, attention)))


def _side_by_side(x, attention_norm, attention, ffn_norm, ffn):
    return x + attention(attention_norm(x)) + ffn(ffn_norm(x))


def _found_alone(x, attention_norm, attention, ffn_norm, ffn):
    found = attention(attention_norm(x))
    return x + found + ffn(ffn_norm(found))


def _normed_at_the_end(x, attention_norm, attention, ffn_norm, ffn):
    return ffn_norm(block(x, attention_norm, attention, ffn_norm, ffn))


BLOCK_BUGS = {
    "the norms stand after the sums (post-norm); they belong before the sublayers.": _both(
        lambda x, norm, sublayer: norm(x + sublayer(x))
    ),
    "the norms act on what the sublayers give; they belong before the sublayers.": _both(
        lambda x, norm, sublayer: x + norm(sublayer(x))
    ),
    "both residuals are missing; add what each sublayer finds to x.": _both(bare),
    "the first residual is missing; add what attention finds to x.": partial(block, first=bare),
    "the second residual is missing; add what ffn finds to the stream.": partial(
        block, second=bare
    ),
    "both residuals start from the normed x; the stream itself is never normed.": _both(
        from_normed
    ),
    "the first residual starts from the normed x; add to x itself.": partial(
        block, first=from_normed
    ),
    "the second residual starts from the normed stream; add to the stream itself.": partial(
        block, second=from_normed
    ),
    "the second residual starts from the input, so what attention found is lost.": (
        _second_from_input
    ),
    "ffn reads the input of the block; it reads what attention has added to.": _side_by_side,
    "ffn reads what attention found alone; it reads the stream with that added.": _found_alone,
    "attention_norm is used twice; ffn has a norm of its own.": partial(
        block, norms=lambda attention_norm, ffn_norm: (attention_norm, attention_norm)
    ),
    "ffn_norm is used twice; attention has a norm of its own.": partial(
        block, norms=lambda attention_norm, ffn_norm: (ffn_norm, ffn_norm)
    ),
    "the two norms have changed places.": partial(
        block, norms=lambda attention_norm, ffn_norm: (ffn_norm, attention_norm)
    ),
    "ffn comes first; attention comes before it.": _order_swapped,
    "both norms are missing; each sublayer reads a normed stream.": _both(unnormed),
    "attention reads x without its norm.": partial(block, first=unnormed),
    "ffn reads the stream without its norm.": partial(block, second=unnormed),
    "attention is missing.": partial(block, first=_skipped),
    "ffn is missing.": partial(block, second=_skipped),
    "the result is normed once more; a pre-norm block ends with the sum.": _normed_at_the_end,
}
