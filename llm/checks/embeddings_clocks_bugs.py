"""The functions of the embeddings assignment that turn hands and arrows, right and wrong.

The right ones are `frequencies`, `clock`, `shift_matrix`, `relative_products`, `turn` and `match`;
the dictionaries and functions below them hold the bugs: a sentence, and a function that has the
bug, which is mostly one changed argument.
"""

from builtins import (  # noqa: UP029  bound now, so that replacing them later changes nothing
    abs,
    float,
    len,
)
from functools import partial
from math import pi

import torch
from torch import Tensor

_arange, _block_diag, _cat, _stack = torch.arange, torch.block_diag, torch.cat, torch.stack
_ones_like, _polar = torch.ones_like, torch.polar


def frequencies(
    d_model: int,
    *,
    base: float = 10000.0,
    exponent=lambda pairs, d_model: -2 * pairs / d_model,
    finish=lambda omega: omega,
) -> Tensor:
    pairs = _arange(d_model // 2).double()  # (C/2)
    return finish(base ** exponent(pairs, d_model)).float()


def frequency_bugs(base: int) -> dict:
    """The bugs of `frequencies` where the base is ``base``."""
    of_base = partial(frequencies, base=float(base))
    return {
        f"the base is {other}; it is {base}.": partial(frequencies, base=float(other))
        for other in (10000, 500, 1000)
        if other != base
    } | {
        "the exponent is -i / d_model; it is -2i / d_model for pair i.": partial(
            of_base, exponent=lambda pairs, d_model: -pairs / d_model
        ),
        "the exponent is -4i / d_model; it is -2i / d_model for pair i.": partial(
            of_base, exponent=lambda pairs, d_model: -4 * pairs / d_model
        ),
        "pairs are counted from 1; the first has the exponent 0.": partial(
            of_base, exponent=lambda pairs, d_model: -2 * (pairs + 1) / d_model
        ),
        "the exponent reaches -1; divide by d_model, not by d_model - 2.": partial(
            of_base, exponent=lambda pairs, d_model: -2 * pairs / (d_model - 2)
        ),
        "the sign of the exponent is lost; later hands turn more slowly.": partial(
            of_base, exponent=lambda pairs, d_model: 2 * pairs / d_model
        ),
        "the hands stand backwards; the first is the fastest.": partial(
            of_base, finish=lambda omega: omega.flip(0)
        ),
        "it is the wavelengths, 2π / ω; give ω.": partial(
            of_base, finish=lambda omega: 2 * pi / omega
        ),
        "each stands there twice; a hand has one.": partial(
            of_base, finish=lambda omega: omega.repeat_interleave(2)
        ),
        "there are d_model of them; a hand is a pair of features.": lambda d_model: _cat(
            [of_base(d_model), base ** (-2 * _arange(d_model // 2, d_model) / d_model)]
        ),
        "they have a factor of 2π too much; angles are in radians.": partial(
            of_base, finish=lambda omega: 2 * pi * omega
        ),
    }


JOINS = {
    "interleaved": lambda first, second: _stack([first, second], dim=-1).flatten(-2),
    "halves": lambda first, second: _cat([first, second], dim=-1),
}
PAIRS = {
    "interleaved": lambda x: (x[..., 0::2], x[..., 1::2]),
    "halves": lambda x: x.chunk(2, dim=-1),
}
LAYOUT_RULES = {
    "interleaved": "pair i is features 2i and 2i + 1",
    "halves": "pair i is features i and i + C/2",
}
OTHER_LAYOUTS = {
    "interleaved": "yours puts neighbours together",
    "halves": "yours puts the second of each pair into the second half",
}


def clock(
    positions: Tensor,
    omega: Tensor,
    *,
    join=JOINS["interleaved"],
    angle=lambda p, omega: p * omega,
    hands=lambda angle: (angle.sin(), angle.cos()),
    finish=lambda x: x,
) -> Tensor:
    angles = angle(positions[..., None].double(), omega.double())  # (…, C/2)
    return finish(join(*hands(angles)).float())  # (…, C)


def _other(layout: str) -> str:
    return "halves" if layout == "interleaved" else "interleaved"


def clock_bugs(layout: str) -> dict:
    """The bugs of `clock` where the pairs stand in ``layout``, a key of `JOINS`."""
    other = _other(layout)
    of_layout = partial(clock, join=JOINS[layout])
    return {
        f"{LAYOUT_RULES[layout]}; {OTHER_LAYOUTS[other]}.": partial(clock, join=JOINS[other]),
        "sine and cosine are exchanged; the sine comes first.": partial(
            of_layout, hands=lambda angle: (angle.cos(), angle.sin())
        ),
        "both features of a pair are sines; the second is the cosine.": partial(
            of_layout, hands=lambda angle: (angle.sin(), angle.sin())
        ),
        "both features of a pair are cosines; the first is the sine.": partial(
            of_layout, hands=lambda angle: (angle.cos(), angle.cos())
        ),
        "positions are divided by ω; multiply.": partial(
            of_layout, angle=lambda p, omega: p / omega
        ),
        "positions are counted from 1; take them as they are.": partial(
            of_layout, angle=lambda p, omega: (p + 1) * omega
        ),
        "the positions are replaced by 0, 1, 2 …; take them as they are.": lambda p, omega: (
            of_layout(_arange(p.numel()).view(p.shape), omega)
        ),
        "the angles are in degrees; sin and cos take radians.": partial(
            of_layout, angle=lambda p, omega: p * omega * pi / 180
        ),
        "the angle has a factor of 2π too much.": partial(
            of_layout, angle=lambda p, omega: p * omega * 2 * pi
        ),
        "there is one feature a pair; it has two, sine and cosine.": partial(
            of_layout, join=lambda sines, cosines: sines
        ),
        "features come before positions; they are the last axis.": partial(
            of_layout, finish=lambda x: x.movedim(-1, 0)
        ),
    }


def shift_matrix(
    k: int,
    omega: Tensor,
    *,
    layout: str = "interleaved",
    blocks=lambda c, s: (c, s, -s, c),
    finish=lambda x: x,
) -> Tensor:
    angle = k * omega.double()  # (C/2)
    parts = blocks(angle.cos(), angle.sin())
    return finish(_BUILD[layout](*parts).float())  # (C, C)


def _blocks_in_a_row(*parts: Tensor) -> Tensor:
    return _block_diag(*_stack(parts, dim=-1).view(-1, 2, 2))


def _blocks_of_diagonals(*parts: Tensor) -> Tensor:
    a, b, c, d = [part.diag() for part in parts]
    return _cat([_cat([a, b], dim=1), _cat([c, d], dim=1)])


_BUILD = {"interleaved": _blocks_in_a_row, "halves": _blocks_of_diagonals}


def _one_hand(layout: str, k: int, omega: Tensor) -> Tensor:
    return shift_matrix(k, omega[:1].expand(len(omega)), layout=layout)


def shift_bugs(layout: str) -> dict:
    """The bugs of `shift_matrix` where the pairs stand in ``layout``, a key of `JOINS`."""
    other = _other(layout)
    of_layout = partial(shift_matrix, layout=layout)
    return {
        f"{LAYOUT_RULES[layout]}; {OTHER_LAYOUTS[other]}.": partial(shift_matrix, layout=other),
        "it turns back by k; it must turn on. Is it transposed?": partial(
            of_layout, blocks=lambda c, s: (c, -s, s, c)
        ),
        "sine and cosine are exchanged in the blocks.": partial(
            of_layout, blocks=lambda c, s: (s, c, -c, s)
        ),
        "both sines have the same sign; the lower one is negative.": partial(
            of_layout, blocks=lambda c, s: (c, s, s, c)
        ),
        "the sines are missing; the two features of a hand mix.": partial(
            of_layout, blocks=lambda c, s: (c, s * 0, s * 0, c)
        ),
        "the second row of each block is that of sin; the cosine comes last.": partial(
            of_layout, blocks=lambda c, s: (c, s, c, -s)
        ),
        "k is left out; hand i turns by k·ω.": lambda k, omega: of_layout(1, omega),
        "all hands turn as the first; each has its own ω.": partial(_one_hand, layout),
        "it is for one position too many; it moves by k.": lambda k, omega: of_layout(k + 1, omega),
    }


def relative_products(
    distances: Tensor, omega: Tensor, *, wave=lambda angle: angle.cos(), pool=lambda x: x.sum(-1)
) -> Tensor:
    return pool(wave(distances[..., None].double() * omega.double())).float()


PRODUCT_BUGS = {
    "it is a sum of sines; the product of two hands is the cosine.": partial(
        relative_products, wave=lambda angle: angle.sin()
    ),
    "sines are added too; sin·sin + cos·cos is one cosine.": partial(
        relative_products, wave=lambda angle: angle.sin() + angle.cos()
    ),
    "it is averaged over the hands; add them up.": partial(
        relative_products, pool=lambda x: x.mean(-1)
    ),
    "the hands are kept apart; add them up.": partial(relative_products, pool=lambda x: x),
    "each hand counts twice; a pair of features is one hand.": partial(
        relative_products, pool=lambda x: 2 * x.sum(-1)
    ),
    "it is added over the distances; add over the hands.": partial(
        relative_products, pool=lambda x: x.flatten(0, -2).sum(0)
    ),
    "it is divided by the number of features; it is the bare product.": partial(
        relative_products, pool=lambda x: x.mean(-1) / 2
    ),
    "it is divided by the lengths, a cosine of the whole; it is the bare product.": partial(
        relative_products, wave=lambda angle: angle.cos() / angle.shape[-1] ** 0.5
    ),
}


def turn(
    x: Tensor,
    positions: Tensor,
    omega: Tensor,
    *,
    layout: str = "interleaved",
    angle=lambda p, omega: p * omega,
    mix=lambda a, b, c, s: (a * c - b * s, a * s + b * c),
) -> Tensor:
    angles = angle(positions[..., None].double(), omega.double())  # (T, D/2)
    turned = mix(*PAIRS[layout](x.double()), angles.cos(), angles.sin())
    return JOINS[layout](*turned).to(x.dtype)


def turn_bugs(layout: str) -> dict:
    """The bugs of `turn` where the pairs stand in ``layout``, a key of `JOINS`."""
    other = _other(layout)
    of_layout = partial(turn, layout=layout)
    return {
        f"{LAYOUT_RULES[layout]}; {OTHER_LAYOUTS[other]}.": partial(turn, layout=other),
        "pairs are taken in one layout and put back in the other.": lambda x, p, omega: JOINS[
            other
        ](*PAIRS[layout](of_layout(x, p, omega))),
        "the arrows turn clockwise; a positive angle turns anticlockwise.": partial(
            of_layout, mix=lambda a, b, c, s: (a * c + b * s, b * c - a * s)
        ),
        "both products are added; the first feature is a·cos − b·sin.": partial(
            of_layout, mix=lambda a, b, c, s: (a * c + b * s, a * s + b * c)
        ),
        "sine and cosine are exchanged.": partial(
            of_layout, mix=lambda a, b, c, s: (a * s - b * c, a * c + b * s)
        ),
        "each feature is multiplied alone; the two of a pair mix.": partial(
            of_layout, mix=lambda a, b, c, s: (a * c, b * s)
        ),
        "the second feature uses the first one turned already; keep the old one.": partial(
            of_layout, mix=lambda a, b, c, s: (a * c - b * s, (a * c - b * s) * s + b * c)
        ),
        "the clock is added; turn the arrows instead.": lambda x, p, omega: (
            x + clock(p, omega, join=JOINS[layout]).to(x.dtype)
        ),
        "the positions are replaced by 0, 1, 2 …; take them as they are.": lambda x, p, omega: (
            of_layout(x, _arange(len(p)), omega)
        ),
        "positions are divided by ω; multiply.": partial(
            of_layout, angle=lambda p, omega: p / omega
        ),
        "all arrows turn equally fast; each has its own ω.": partial(
            of_layout, angle=lambda p, omega: p * _ones_like(omega)
        ),
        "nothing is turned.": lambda x, p, omega: x,
    }


def match(
    query: Tensor,
    key: Tensor,
    p: int,
    s: int,
    omega: Tensor,
    *,
    other=lambda k: k.conj(),
    finish=lambda product: product.real.sum(),
) -> Tensor:
    q = query * _polar(_ones_like(omega), p * omega)  # (D/2), complex
    k = other(key * _polar(_ones_like(omega), s * omega))
    return finish(q * k)


def _first_from_the_left(q: Tensor, k: Tensor, p: int, s: int, omega: Tensor) -> Tensor:
    return match(q, k, s, p, omega)


MATCH_BUGS = {
    "the key is not mirrored, so the angles add up; multiply with its .conj().": partial(
        match, other=lambda k: k
    ),
    "the angle is right, but 1 + 2i and 3 + 4i give −5, not 11; mirror the key too, .conj().": (
        lambda q, k, p, s, omega: match(q, k, p, -s, omega, other=lambda k: k)
    ),
    "p and s are exchanged; the query stands at p.": _first_from_the_left,
    "the key is turned the other way and mirrored; do one of the two.": (
        lambda q, k, p, s, omega: match(q, k, p, -s, omega)
    ),
    "the key is not turned, so its place is lost.": lambda q, k, p, s, omega: match(
        q, k, p, 0, omega
    ),
    "nothing is turned, so no place is told.": lambda q, k, p, s, omega: match(q, k, 0, 0, omega),
    "it depends on the distance without its sign; before and after differ.": (
        lambda q, k, p, s, omega: match(q, k, abs(p - s), 0, omega)
    ),
    "it is a complex number; take the real part of the sum.": partial(
        match, finish=lambda product: product.sum()
    ),
    "it is the imaginary part; take the real one.": partial(
        match, finish=lambda product: product.imag.sum()
    ),
    "it is the length of the complex sum; take the real part.": partial(
        match, finish=lambda product: product.sum().abs()
    ),
    "the arrows are kept apart; add them up.": partial(match, finish=lambda product: product.real),
}
