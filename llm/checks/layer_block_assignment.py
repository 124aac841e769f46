"""Checks of the assignment *Build a block*: a norm in half precision, dropout, branches, a block.

The student writes, beside functions of the chapter's exercise:

- ``factor``: how what attention adds changes, if the stream is 1,000 times as long;
- ``rms_norm(x, weight, eps)`` or ``layer_norm(x, weight, bias, eps)``, in any precision of x;
- ``standardize(x, eps)``: a LayerNorm without weights;
- ``gelu_network(x, up_proj, down_proj)``: GPT-2's network, with the GELU of tanh;
- ``dropout(x, p, training)``; with ``keep`` p is the share that stays, else the one that goes;
- ``steady_forward(module, x)``: a pre-norm branch with dropout, of ``module.norm``,
  ``module.sublayer`` and ``module.p``;
- ``branch(x, norm, sublayer, place)``, with place ``"pre"`` or ``"post"``;
- ``block_params(C, F)``: the number of parameters of a block;
- ``run_block(x, block)``: what one of the book's blocks does with x, by its parts.
"""

from builtins import abs, bool, callable, float, isinstance, range  # noqa: UP029  bound now
from collections.abc import Callable
from functools import partial, wraps
from random import Random

import torch
from torch import Tensor, nn

from llm.checks import layer_block_assignment_bugs as known
from llm.checks import layer_block_bugs
from llm.checks.base import CheckFailed, Passed, check_function, shown
from llm.checks.layer_block import (
    CASES,
    Case,
    check_layer_norm,
    check_rms_norm,
    check_tensors,
    draw_linear,
    draw_norm,
    draw_stream,
)
from llm.checks.predictions import Right, check_prediction
from llm.checks.watching import Seen
from llm.config import ModelConfig
from llm.layer_block import TransformerBlock

_allclose = torch.allclose


def check_factor(factor: float) -> Right:
    """Check by what factor the output of a pre-norm sublayer changes, if x is 1,000 times x."""
    x = torch.tensor([3.0, 4.0])
    short, long = (layer_block_bugs.rms_norm(way * x, torch.ones(2), 0.0) for way in (1, 1000))
    wrong = {
        "Attention does not read x itself, but x through a norm.": 1000,
        "What is added is not gone: what does the norm make of a long row?": 0,
        "The norm takes the length away; nothing is left of it to divide by.": 0.001,
        "The norm divides by the whole length, not by its root.": 1000**0.5,
        "Queries and keys are both longer, but both are read through the norm.": 1000**2,
    }
    return check_prediction("factor", factor, float(long[0] / short[0]), wrong)


def check_half_rms_norm(rms_norm: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``rms_norm(x, weight, eps)``, then on numbers whose squares 16 bits cannot hold."""
    passed = check_rms_norm(rms_norm, seed=seed)
    x, weight, _ = _large(seed)
    _check_half("rms_norm", rms_norm(x, weight, 1e-5), layer_block_bugs.rms_norm, x, weight)
    return passed


def check_half_layer_norm(layer_norm: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``layer_norm(x, weight, bias, eps)``, then where 16 bits cannot hold the squares."""
    passed = check_layer_norm(layer_norm, seed=seed)
    x, *weights = _large(seed)
    given = layer_norm(x, *weights, 1e-5)
    _check_half("layer_norm", given, layer_block_bugs.layer_norm, x, *weights)
    return passed


def _large(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = (900 * torch.randn(2, 3, 8, generator=generator)).half()
    return x, *(1 + 0.5 * torch.randn(2, 8, generator=generator)).half()


def _check_half(name: str, given: Tensor, norm: Callable, x: Tensor, *weights: Tensor) -> None:
    right = norm(x.float(), *[weight.float() for weight in weights], 1e-5)
    if given.dtype != torch.float16:
        raise CheckFailed(
            f"{name}: x is in float16, the result in {given.dtype}; bring it back "
            "(once x = x.float() is done, x.dtype is float32)"
        )
    if not _allclose(given.float(), right, rtol=5e-3, atol=5e-3):
        raise CheckFailed(
            f"{name}: right in float32, but in float16 a square above 65,504 is inf; "
            "compute with x.float(), and bring only the result back to the type of x."
        )


def check_standardize(standardize: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``standardize(x, eps)``: mean 0 and variance 1, but for eps."""
    random, cases = Random(seed), []
    for _ in range(CASES):
        x, _ = draw_stream(random)
        cases.append(Case(("x", "eps"), (x, random.uniform(0.3, 0.6))))
    return check_tensors(standardize, known.standardize, known.STANDARDIZE_BUGS, cases)


def check_gelu_network(gelu_network: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``gelu_network(x, up_proj, down_proj)``, GPT-2's."""
    random, cases = Random(seed), []
    for _ in range(CASES):
        x, generator = draw_stream(random)
        C, d_ff = x.shape[-1], x.shape[-1] + random.randint(3, 5)
        sizes = {"up_proj": (d_ff, C), "down_proj": (C, d_ff)}
        maps = [draw_linear(name, generator, *size) for name, size in sizes.items()]
        cases.append(Case(("x", *sizes), (x, *maps)))
    return check_tensors(gelu_network, known.gelu_network, known.GELU_NETWORK_BUGS, cases)


def check_dropout(dropout: Callable[..., Tensor], seed: int = 0, keep: bool = False) -> Passed:
    """Check ``dropout(x, p, training)``; with ``keep``, p is the share that stays."""
    random = Random(seed)
    right, bugs = known.dropout, known.DROPOUT_BUGS
    if keep:
        right, bugs = known.keep_dropout, known.KEEP_BUGS
    cases = []
    for training in (True, True, False):
        generator = torch.Generator().manual_seed(random.randrange(10**6))
        x = 1 + torch.rand(60, 70, generator=generator)
        p = random.choice([0.1, 0.2, 0.3, 0.7, 0.8])
        cases.append((Case(("x", "p", "training"), (x, p, training)),))
    seen = {sentence: _dropped(bug, right) for sentence, bug in bugs.items()}
    return check_function(_dropped(dropout, right), _dropped(right, right), seen, cases)


def _dropped(function: Callable, reference: Callable) -> Callable:
    """A function of the same name that tells what has become of x."""
    if not callable(function):
        return function

    @wraps(reference)
    def answer(case: Case) -> Seen | None:
        x, p, training = case.arguments
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            given = function(x.clone(), p, training)
        return None if given is None else _what_became(given, x, p)

    return answer


def _what_became(given: Tensor, x: Tensor, p: float) -> Seen:
    if not isinstance(given, Tensor) or given.shape != x.shape:
        return Seen("other", f"{shown(given)}, not a tensor of the shape of x")
    ratio = given / x
    zeros = ratio == 0
    share = float(zeros.float().mean())
    near = [q for q in (0.0, p, 1 - p, 1.0) if abs(share - q) < 0.05]
    whole = [f"whole {n}, " for n, axis in (("rows", 1), ("columns", 0)) if _uniform(zeros, axis)]
    factor = ratio[~zeros].median() if not zeros.all() else torch.tensor(0.0)
    same = (ratio[~zeros] - factor).abs() < 1e-3 * factor.abs()
    steady = same.float().mean() > 0.99 or zeros.all()
    text = f"{''.join(whole)}a share of {(near or [share])[0]:.2g} gone"
    words = f"{text}, the rest {f'times {factor:.4g}' if steady else 'unevenly changed'}"
    return Seen(words, words)


def _uniform(zeros: Tensor, axis: int) -> bool:
    """Whether zeros come in whole lines along an axis, while others have none."""
    return bool((zeros.all(axis) == zeros.any(axis)).all() and zeros.any() and not zeros.all())


class Branch(nn.Module):
    """A norm, a sublayer and the p of its dropout."""

    def __init__(self, norm: nn.Module, sublayer: nn.Module, p: float):
        super().__init__()
        self.norm, self.sublayer, self.p = norm, sublayer, p

    def __repr__(self) -> str:
        return f"module in {'training' if self.training else 'evaluation'}"


def check_steady_forward(steady_forward: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``steady_forward(module, x)`` on modules in evaluation and in training."""
    random, cases = Random(seed), []
    for training in (False, True):
        generator = torch.Generator().manual_seed(random.randrange(10**6))
        x = torch.randn(40, 50, 6, generator=generator)
        parts = draw_norm("norm", generator, x), draw_linear("sublayer", generator, 6, 6)
        module = Branch(*parts, random.choice([0.2, 0.3, 0.7])).train(training)
        cases.append((Case(("module", "x"), (module, x)),))
    right = known.steady_forward
    seen = {sentence: _steady(bug, right) for sentence, bug in known.STEADY_BUGS.items()}
    return check_function(_steady(steady_forward, right), _steady(right, right), seen, cases)


def _steady(function: Callable, reference: Callable) -> Callable:
    """A function of the same name that tells what has become of what the sublayer finds."""
    if not callable(function):
        return function

    @wraps(reference)
    def answer(case: Case) -> Seen | None:
        module, x = case.arguments
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            given = function(module, x.clone())
            found = module.sublayer(module.norm(x))
        if not isinstance(given, Tensor) or given.shape != x.shape:
            return None if given is None else Seen("other", f"{shown(given)}, not like x")
        alone = _what_became(given, found, module.p)
        if "unevenly" not in alone.words:
            return Seen(f"alone, {alone.fact}", f"no x, and of what is found {alone.words}")
        beside = _what_became(given - x, found, module.p)
        return Seen(beside.fact, f"x, and of what is found {beside.words}")

    return answer


def check_branch(branch: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``branch(x, norm, sublayer, place)`` with both places."""
    random, cases = Random(seed), []
    for place in ("pre", "post", "pre", "post"):
        x, generator = draw_stream(random)
        C = x.shape[-1]
        parts = draw_norm("norm", generator, x), draw_linear("sublayer", generator, C, C)
        cases.append(Case(("x", "norm", "sublayer", "place"), (x, *parts, place)))
    return check_tensors(branch, known.branch, known.BRANCH_BUGS, cases)


def check_block_params(
    block_params: Callable[[int, int], int], seed: int = 0, gpt: bool = False
) -> Passed:
    """Check ``block_params(C, F)`` of the storyteller's block, or of GPT's with all its biases."""
    random = Random(seed)
    cases = [(8 * random.randint(2, 9), 8 * random.randint(10, 20)) for _ in range(3)]
    right, bugs = known.block_params, known.BLOCK_PARAMS_BUGS
    if gpt:
        right, bugs = known.gpt_block_params, known.GPT_BLOCK_PARAMS_BUGS
    return check_function(block_params, right, bugs, cases)


def check_run_block(run_block: Callable[..., Tensor], seed: int = 0, gpt: bool = False) -> Passed:
    """Check ``run_block(x, block)`` on blocks like the storyteller's, or like GPT's, untrained.

    Their norms and networks refuse to be called: only what they have learned may be used.
    """
    random, cases = Random(seed), []
    for B, T, C in ((2, 5, 4), (3, 4, 6), (1, 6, 8)):
        generator = torch.Generator().manual_seed(random.randrange(10**6))
        x = torch.randn(B, T, C, generator=generator) + 0.7
        block = random_block(C, generator, gpt)
        for name in ("attention_norm", "ffn_norm", "ffn"):
            getattr(block, name).forward = partial(_refuse, name)
        cases.append(Case(("x", "block"), (x, block)))
    return check_tensors(run_block, known.run_block, known.RUN_BLOCK_BUGS, cases)


def _refuse(name: str, x: Tensor) -> Tensor:
    raise RuntimeError(f"block.{name}(…) is the book's; here your own function does its work")


def random_block(C: int, generator: torch.Generator, gpt: bool = False) -> TransformerBlock:
    """A block whose eps and weights are such that one sees whether they are used."""
    norm, ffn = ("layernorm", "gelu_tanh") if gpt else ("rmsnorm", "swiglu")
    sizes = {"vocab_size": 2, "d_model": C, "n_heads": 2, "d_ff": C + 3}
    config = ModelConfig(**sizes, norm=norm, ffn=ffn, bias=gpt, position="none", norm_eps=0.2)
    block = TransformerBlock(config).eval().requires_grad_(False)
    for name, parameter in block.named_parameters():
        values = torch.randn(parameter.shape, generator=generator)
        parameter.copy_(1 + 0.5 * values if "norm" in name else values)
    return block
