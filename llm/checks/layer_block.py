"""Checks of the Layer block exercise: two norms, a gated feed-forward network, a pre-norm block.

The learner writes, for ``x (B, T, C)`` and results of the same shape:

- ``layer_norm(x, weight, bias, eps)`` and ``rms_norm(x, weight, eps)``, over the last dimension,
  with ``weight`` and ``bias`` of shape ``(C,)``;
- ``feed_forward(x, gate_proj, up_proj, down_proj)``, LLaMA's: three linear maps, the first two from
  C to d_ff, the last back;
- ``block(x, attention_norm, attention, ffn_norm, ffn)``: a pre-norm block of four functions.
"""

from builtins import callable, float, isinstance, range, tuple, zip  # noqa: UP029  bound now, as elsewhere
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from random import Random

import torch
from torch import Tensor, nn

from llm.checks import layer_block_bugs as known
from llm.checks.base import Catalogue, Passed, check_function, plain, same, shown
from llm.checks.watching import Seen

CASES = 3
_isclose = torch.isclose


@dataclass(frozen=True)
class Case:
    """Arguments of one call, which show themselves by their shapes."""

    names: tuple[str, ...]
    arguments: tuple

    def __repr__(self) -> str:
        pairs = zip(self.names, self.arguments, strict=True)
        return ", ".join([f"{name}{_size(argument)}" for name, argument in pairs])


class Named(nn.Module):
    """A function of the check that shows itself by its name."""

    def __init__(self, name: str, act: Callable[[Tensor], Tensor]):
        super().__init__()
        self.name, self.act = name, act

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x)

    def __repr__(self) -> str:
        return self.name


def check_layer_norm(layer_norm: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``layer_norm(x, weight, bias, eps)``, with an eps so large that its place tells."""
    random, cases = Random(seed), []
    for _ in range(CASES):
        x, generator = draw_stream(random)
        weight, bias = _draw(generator, 2, x.shape[-1]).unbind()
        arguments = (x, weight, bias, random.uniform(0.3, 0.6))
        cases.append(Case(("x", "weight", "bias", "eps"), arguments))
    return check_tensors(layer_norm, known.layer_norm, known.LAYER_NORM_BUGS, cases)


def check_rms_norm(rms_norm: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``rms_norm(x, weight, eps)``, with an eps so large that its place tells."""
    random, cases = Random(seed), []
    for _ in range(CASES):
        x, generator = draw_stream(random)
        arguments = (x, _draw(generator, x.shape[-1]), random.uniform(0.3, 0.6))
        cases.append(Case(("x", "weight", "eps"), arguments))
    return check_tensors(rms_norm, known.rms_norm, known.RMS_NORM_BUGS, cases)


def check_feed_forward(feed_forward: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``feed_forward(x, gate_proj, up_proj, down_proj)``, LLaMA's network of SwiGLU."""
    random, cases = Random(seed), []
    for _ in range(CASES):
        x, generator = draw_stream(random)
        C, d_ff = x.shape[-1], x.shape[-1] + random.randint(3, 5)
        sizes = {"gate_proj": (d_ff, C), "up_proj": (d_ff, C), "down_proj": (C, d_ff)}
        maps = [draw_linear(name, generator, *size) for name, size in sizes.items()]
        cases.append(Case(("x", *sizes), (x, *maps)))
    return check_tensors(feed_forward, known.feed_forward, known.FEED_FORWARD_BUGS, cases)


def check_block(block: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``block(x, attention_norm, attention, ffn_norm, ffn)``, two residual lines.

    In the check, attention mixes positions that come before, and ffn mixes the features.
    """
    random, cases = Random(seed), []
    for _ in range(CASES):
        x, generator = draw_stream(random)
        parts = [draw_norm("attention_norm", generator, x), _attention(generator, x)]
        parts += [draw_norm("ffn_norm", generator, x), _ffn(generator, x)]
        cases.append(Case(("x", *[part.name for part in parts]), (x, *parts)))
    return check_tensors(block, known.block, known.BLOCK_BUGS, cases)


def draw_stream(random: Random) -> tuple[Tensor, torch.Generator]:
    """``x (B, T, C)`` of sizes that all differ, with a mean that is not 0."""
    generator = torch.Generator().manual_seed(random.randrange(10**6))
    size = random.sample(range(2, 4), 1) + random.sample(range(4, 6), 1) + [random.randint(6, 7)]
    return torch.randn(size, generator=generator) + 0.7, generator


def _draw(generator: torch.Generator, *size: int) -> Tensor:
    """Numbers around 1, of both signs."""
    return 1 + 0.8 * torch.randn(size, generator=generator)


def draw_linear(name: str, generator: torch.Generator, n_out: int, n_in: int) -> Named:
    """A linear map without bias, from n_in to n_out numbers."""
    weight = torch.randn(n_out, n_in, generator=generator)
    return Named(name, lambda x: x @ weight.T)


def draw_norm(name: str, generator: torch.Generator, x: Tensor) -> Named:
    """An RMSNorm of rows like those of x, with weights around 1."""
    weight = _draw(generator, x.shape[-1])
    return Named(name, lambda x: known.rms_norm(x, weight, 0.1))


def _attention(generator: torch.Generator, x: Tensor) -> Named:
    T, C = x.shape[1:]
    look = torch.rand(T, T, generator=generator).tril()
    value = torch.randn(C, C, generator=generator)
    return Named("attention", lambda x: look @ x @ value)


def _ffn(generator: torch.Generator, x: Tensor) -> Named:
    C = x.shape[-1]
    up, down = (torch.randn(C, C, generator=generator) for _ in range(2))
    return Named("ffn", lambda x: torch.relu(x @ up) @ down)


def check_tensors(
    function: Callable, reference: Callable, bugs: Catalogue, cases: list[Case]
) -> Passed:
    """Compare functions whose answer is one tensor, and tell its first wrong number."""
    seen = {sentence: _seen(bug, reference) for sentence, bug in bugs.items()}
    arguments = [(case,) for case in cases]
    return check_function(_seen(function, reference), _seen(reference, reference), seen, arguments)


def _seen(function: Callable, reference: Callable) -> Callable:
    """A function of the same name that answers with what is to be seen of the result."""
    if not callable(function):
        return function

    @wraps(function)
    def answer(case: Case) -> Seen | None:
        arguments = plain(case.arguments)
        value = function(*arguments)
        if value is None:
            return None
        for name, before, after in zip(case.names, case.arguments, arguments, strict=True):
            if not same(before, after):
                how = f"write {name} = {name} + …, not {name} += …"
                return Seen("changed", f"a change of {name} itself; {how}")
        return _look(value, reference(*case.arguments))

    return answer


def _look(value, right: Tensor) -> Seen:
    """A result, and in words its shape or the first number that is not the right one."""
    if not isinstance(value, Tensor):
        return Seen("no tensor", f"{shown(value)}, not a tensor")
    if value.shape != right.shape or value.dtype != right.dtype:
        return Seen(value, f"a tensor{_size(value)} of {value.dtype}")
    wrong = (~_isclose(value, right, rtol=1e-5, atol=1e-5)).nonzero().tolist()
    if not wrong:
        return Seen(value, f"a tensor{_size(value)}")
    first = tuple(wrong[0])
    return Seen(value, f"{value[first]:.4f} at {wrong[0]} in place of {right[first]:.4f}")


def _size(value) -> str:
    """What to say of an argument behind its name."""
    if isinstance(value, Tensor):
        return f" {tuple(value.shape)}"
    if callable(value):
        return ""
    return f"={value:.2f}" if isinstance(value, float) else f"={value!r}"
