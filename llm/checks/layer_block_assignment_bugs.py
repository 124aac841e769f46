"""The functions of the assignment *Build a block*, right and wrong in the ways that we expect.

They are built from those of the chapter's exercise (`layer_block_bugs`). Where the assignment
leaves a choice there are two catalogues: the block of the storyteller or that of GPT, and dropout
whose p is the share that goes or the share that stays.
"""

from builtins import float, getattr, hasattr  # noqa: UP029  bound now, as in the checks
from collections.abc import Callable
from functools import partial
from math import pi, sqrt

import torch
from torch import Tensor, nn

from llm.checks import layer_block_bugs as known

_gelu, _relu, _silu = nn.functional.gelu, nn.functional.relu, nn.functional.silu
_rand, _randn, _sqrt, _tanh = torch.rand, torch.randn, torch.sqrt, torch.tanh


def standardize(x: Tensor, eps: float, **options) -> Tensor:
    C = x.shape[-1]
    return known.layer_norm(x, x.new_ones(C), x.new_zeros(C), eps, **options)


STANDARDIZE_BUGS = {
    "the variance is divided by C - 1, as torch's std and var do; divide by C.": partial(
        standardize, spread=known.unbiased
    ),
    "torch's std divides by C - 1, and eps stands outside the root.": partial(
        standardize, spread=known.unbiased, below=known.outside
    ),
    "eps stands outside the root; it is added to the variance.": partial(
        standardize, below=known.outside
    ),
    "the result is scaled, and eps with it; divide the variance by C instead.": lambda x, eps: (
        standardize(x, eps, spread=known.unbiased) * sqrt(x.shape[-1] / (x.shape[-1] - 1))
    ),
    "the variance has become larger still; times (C - 1) / C it would be right.": partial(
        standardize,
        spread=lambda x, mean, dim: (
            known.unbiased(x, mean, dim) * x.shape[dim] / (x.shape[dim] - 1)
        ),
    ),
    "the squares are added up; their mean is the variance.": partial(
        standardize,
        spread=lambda x, mean, dim: known.unbiased(x, mean, dim) * (x.shape[dim] - 1),
    ),
    "the standard deviation stands under the root; the variance belongs there.": partial(
        standardize, spread=lambda x, mean, dim: x.std(dim, correction=0, keepdim=True)
    ),
    "eps is missing under the root.": partial(standardize, below=lambda square, eps: _sqrt(square)),
    "the mean is not subtracted.": partial(standardize, centre=lambda x, mean: x),
    "mean and variance run over the positions; take them over the last dimension.": partial(
        standardize, dim=-2
    ),
}


def gelu_tanh(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + _tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))


def gelu_network(
    x: Tensor,
    up_proj: Callable,
    down_proj: Callable,
    *,
    bend=gelu_tanh,
    finish=lambda x, hidden, down: down(hidden),
) -> Tensor:
    return finish(x, bend(up_proj(x)), down_proj)


_network = partial(partial, gelu_network)

GELU_NETWORK_BUGS = {
    "this is GELU by erf; GPT-2's is the formula with tanh.": _network(bend=_gelu),
    "the bend is missing, so both maps are one matrix.": _network(bend=lambda x: x),
    "the bend is ReLU; GPT-2's is GELU.": _network(bend=_relu),
    "the bend is SiLU; GPT-2's is GELU.": _network(bend=_silu),
    "the bend is tanh alone; GELU is x times a share.": _network(bend=_tanh),
    "the half is missing: GELU is half of x (1 + tanh …).": _network(
        bend=lambda x: 2 * gelu_tanh(x)
    ),
    "the 1 is missing: GELU is half of x (1 + tanh …).": _network(
        bend=lambda x: gelu_tanh(x) - 0.5 * x
    ),
    "the cube is missing under the tanh: x + 0.044715 x³.": _network(
        bend=lambda x: 0.5 * x * (1 + _tanh(sqrt(2 / pi) * x))
    ),
    "the root of 2/π is missing under the tanh.": _network(
        bend=lambda x: 0.5 * x * (1 + _tanh(x + 0.044715 * x**3))
    ),
    "under the tanh stands 2/π; it is its square root.": _network(
        bend=lambda x: 0.5 * x * (1 + _tanh(2 / pi * (x + 0.044715 * x**3)))
    ),
    "down_proj is missing, so the result has d_ff numbers.": _network(
        finish=lambda x, hidden, down: hidden
    ),
    "x is added at the end; the residual belongs to the block.": _network(
        finish=lambda x, hidden, down: x + down(hidden)
    ),
    "the result is bent once more; down_proj is the last step.": _network(
        finish=lambda x, hidden, down: gelu_tanh(down(hidden))
    ),
}


def dropout(
    x: Tensor,
    p: float,
    training: bool,
    *,
    gone=lambda p: p,
    scale=lambda q: 1 / (1 - q),
    when=lambda training: training,
    shape=lambda x: x.shape,
    draw=_rand,
    stays=lambda drawn, q: drawn >= q,
    evaluated=lambda x, q: x,
) -> Tensor:
    """With q the share that goes, which is p or 1 - p."""
    q = gone(p)
    if not when(training):
        return evaluated(x, q)
    return x * stays(draw(shape(x)), q) * scale(q)


_dropped = partial(partial, dropout)
_DROPOUT_BUGS = {
    "what stays is not made larger, so the mean shrinks.": _dropped(scale=lambda q: 1),
    "what stays is multiplied by its share; divide by it.": _dropped(scale=lambda q: 1 - q),
    "what stays is divided by the share that goes; divide by the share that stays.": _dropped(
        scale=lambda q: 1 / q
    ),
    "it drops in evaluation too; then x stays as it is.": _dropped(when=lambda training: True),
    "it drops in evaluation, and not in training.": _dropped(when=lambda training: not training),
    "it never drops.": _dropped(when=lambda training: False),
    "in evaluation x is made smaller; what stays has been made larger in training.": _dropped(
        evaluated=lambda x, q: x * (1 - q)
    ),
    "training leaves the size and evaluation shrinks it; what stays grows in training.": _dropped(
        scale=lambda q: 1, evaluated=lambda x, q: x * (1 - q)
    ),
    "the comparison is turned round: what should go stays, and the other way round.": _dropped(
        stays=lambda drawn, q: drawn < q
    ),
    "torch.randn is a bell; the numbers of torch.rand are even, from 0 to 1.": _dropped(
        draw=_randn
    ),
    "one chance decides for all; each number has a chance of its own.": _dropped(
        shape=lambda x: (1,)
    ),
    "whole rows are dropped; each number has a chance of its own.": _dropped(
        shape=lambda x: (*x.shape[:-1], 1)
    ),
    "whole columns are dropped; each number has a chance of its own.": _dropped(
        shape=lambda x: (x.shape[-1],)
    ),
}
DROPOUT_BUGS = {
    "p is taken for the share that stays; here it is the share that goes.": _dropped(
        gone=lambda p: 1 - p
    ),
    **_DROPOUT_BUGS,
}
KEEP_BUGS = {
    "p is taken for the share that goes; here it is the share that stays.": _dropped(),
    **{s: partial(bug, gone=lambda p: 1 - p) for s, bug in _DROPOUT_BUGS.items()},
}


def keep_dropout(x: Tensor, p: float, training: bool) -> Tensor:
    return dropout(x, p, training, gone=lambda p: 1 - p)


keep_dropout.__name__ = "dropout"


def steady_forward(
    module,
    x: Tensor,
    *,
    rate=lambda module: module.p,
    when=lambda module: module.training,
    norm=lambda module, x: module.norm(x),
    start=lambda module, x: x,
) -> Tensor:
    found = module.sublayer(norm(module, x))
    return start(module, x) + dropout(found, rate(module), when(module))


STEADY_BUGS = {
    "it drops in evaluation too; a new or bare dropout does not know module.training.": partial(
        steady_forward, when=lambda module: True
    ),
    "it never drops; in training a share p goes.": partial(
        steady_forward, when=lambda module: False
    ),
    "it drops in evaluation, and not in training.": partial(
        steady_forward, when=lambda module: not module.training
    ),
    "module.p is taken for the share that stays; it is the share that goes.": partial(
        steady_forward, rate=lambda module: 1 - module.p
    ),
    "the sum is dropped from, x and all; drop only of what the sublayer finds.": (
        lambda module, x: dropout(x + module.sublayer(module.norm(x)), module.p, module.training)
    ),
    "in evaluation only the dropping ends; what the sublayer finds is still added.": (
        lambda module, x: steady_forward(module, x) if module.training else x
    ),
    "the norm is missing.": partial(steady_forward, norm=lambda module, x: x),
    "the residual is missing; add what is found to x.": partial(
        steady_forward, start=lambda module, x: 0 * x
    ),
}


def branch(
    x: Tensor,
    norm: Callable,
    sublayer: Callable,
    place: str,
    *,
    pre=known.pre_norm,
    post=lambda x, norm, sublayer: norm(x + sublayer(x)),
) -> Tensor:
    return {"pre": pre, "post": post}[place](x, norm, sublayer)


def _post(x: Tensor, norm: Callable, sublayer: Callable) -> Tensor:
    return norm(x + sublayer(x))


_branched = partial(partial, branch)

BRANCH_BUGS = {
    "pre and post have changed places.": _branched(pre=_post, post=known.pre_norm),
    "place is not looked at; it is always pre.": _branched(post=known.pre_norm),
    "place is not looked at; it is always post.": _branched(pre=_post),
    "post norms what the sublayer finds; it norms the sum.": _branched(
        post=lambda x, norm, sublayer: x + norm(sublayer(x))
    ),
    "post norms x alone; it norms the sum of x and what is found.": _branched(
        post=lambda x, norm, sublayer: norm(x) + sublayer(x)
    ),
    "pre norms what the sublayer finds; it norms what the sublayer reads.": _branched(
        pre=lambda x, norm, sublayer: x + norm(sublayer(x))
    ),
    "post norms twice; its sublayer reads x as it is.": _branched(
        post=lambda x, norm, sublayer: norm(x + sublayer(norm(x)))
    ),
    "pre norms the stream; only the sublayer reads through the norm.": _branched(
        pre=known.from_normed
    ),
    "pre has no residual; add what the sublayer finds to x.": _branched(pre=known.bare),
    "post has no residual; norm the sum of x and what is found.": _branched(
        post=lambda x, norm, sublayer: norm(sublayer(x))
    ),
    "neither has a residual.": _branched(
        pre=known.bare, post=lambda x, norm, sublayer: norm(sublayer(x))
    ),
    "pre has no norm.": _branched(pre=known.unnormed),
    "post has no norm.": _branched(post=known.unnormed),
}


def block_params(C: int, F: int, *, ffn=3, attention=4, norms=2, biases=lambda C, F: 0) -> int:
    """Of the storyteller: squares, matrices of C times F, rows of C, and no biases."""
    return attention * C * C + ffn * C * F + norms * C + biases(C, F)


def _gpt_biases(C: int, F: int) -> int:
    return 4 * C + F + C + 2 * C


def gpt_block_params(C: int, F: int, *, ffn=2, biases=_gpt_biases, **options) -> int:
    return block_params(C, F, ffn=ffn, biases=biases, **options)


gpt_block_params.__name__ = "block_params"
BLOCK_PARAMS_BUGS = {
    "the norms are forgotten; each has a weight for every feature.": partial(block_params, norms=0),
    "one norm is counted; a block has two.": partial(block_params, norms=1),
    "attention has four matrices; three are counted.": partial(block_params, attention=3),
    "attention is forgotten.": partial(block_params, attention=0),
    "SwiGLU has three matrices; two are counted.": partial(block_params, ffn=2),
    "SwiGLU has three matrices; one is counted.": partial(block_params, ffn=1),
    "a norm of this block has no bias.": partial(block_params, norms=4),
    "there are no biases in this block.": partial(block_params, biases=_gpt_biases, norms=2),
}
GPT_BLOCK_PARAMS_BUGS = {
    "4 C numbers are missing, as many as two norms have, and attention's biases.": partial(
        gpt_block_params, biases=lambda C, F: F + 3 * C
    ),
    "2 C numbers are missing; a norm has a weight and a bias for every feature.": partial(
        gpt_block_params, norms=0
    ),
    "attention has four matrices; three are counted.": partial(gpt_block_params, attention=3),
    "attention's matrices are forgotten.": partial(gpt_block_params, attention=0),
    "the network has two matrices; three are counted.": partial(gpt_block_params, ffn=3),
    "the network has two matrices; one is counted.": partial(gpt_block_params, ffn=1),
    "the biases are forgotten.": partial(block_params, ffn=2),
    "the biases of the network are forgotten, F and C numbers.": partial(
        gpt_block_params, biases=lambda C, F: 6 * C
    ),
    "both biases of the network are counted with F numbers; the second has C.": partial(
        gpt_block_params, biases=lambda C, F: 6 * C + 2 * F
    ),
}


def _norm(module, x: Tensor, eps: Callable = lambda module: float(module.eps)) -> Tensor:
    if hasattr(module, "bias"):
        return known.layer_norm(x, module.weight, module.bias, eps(module))
    return known.rms_norm(x, module.weight, eps(module))


def _ffn(module, x: Tensor) -> Tensor:
    if hasattr(module, "gate_proj"):
        return known.feed_forward(x, module.gate_proj, module.up_proj, module.down_proj)
    return gelu_network(x, module.up_proj, module.down_proj)


def run_block(
    x: Tensor,
    block,
    *,
    norm=_norm,
    way=known.block,
    ffn=_ffn,
    order=("attention_norm", "ffn_norm"),
) -> Tensor:
    first, second = (getattr(block, name) for name in order)
    parts = partial(norm, first), block.attention, partial(norm, second), partial(ffn, block.ffn)
    return way(x, *parts)


RUN_BLOCK_BUGS = {
    "eps is not the block's; take it from block.attention_norm.eps.": partial(
        run_block, norm=partial(_norm, eps=lambda module: 1e-5)
    ),
    "the weight of the norms is not used.": partial(
        run_block, norm=lambda module, x: _norm(module, x) / module.weight
    ),
    "attention_norm is used twice; ffn has a norm of its own.": partial(
        run_block, order=("attention_norm", "attention_norm")
    ),
    "the two norms have changed places.": partial(run_block, order=("ffn_norm", "attention_norm")),
    **{
        sentence: partial(run_block, way=bug)
        for sentence, bug in known.BLOCK_BUGS.items()
        if "twice" not in sentence and "changed places" not in sentence
    },
}
