"""Checks of the assignment *Build attention*: masks, weights, and a layer with rotary positions.

The student writes, beside functions of the chapter's exercises:

- ``open_pairs``: how many pairs of a query and a key are open for three tokens after five;
- ``past_mask(T, S)``: which of S keys each of the last T tokens may see, ``(T, S)``;
- ``batch_mask(lengths)``: the same for texts with padding on the left, ``(B, 1, S, S)``;
- ``softmax_or_nothing(scores)``: weights of ``(…, T, S)``, 0 where all of a row is -inf;
- ``attention_weights(q, k, mask)``: ``(…, T, S)`` from q ``(…, T, D)`` and k ``(…, S, D)``;
- ``attend_last(q, k, v)``: the output of the last T of S tokens;
- ``head_weights(x, w_q, w_k, n_heads)``: the weights of all heads, ``(B, H, T, T)``;
- ``rotary_scores(x, w_q, w_k, positions, turn)``: the scores of one head, with x ``(T, C)``;
- ``self_attention(x, layer, positions, mask)``: all of it, with x ``(B, T, C)``.

With ``additive`` a mask holds 0 for what may be seen and -inf for the rest, in place of booleans.
A solution that is right for the other choice is told so.
"""

from builtins import bool, int, range  # noqa: UP029  bound now, as in the other checks
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from llm.attention import MultiHeadAttention
from llm.checks import attention_assignment_bugs as known
from llm.checks import attention_bugs
from llm.checks.attention import Draw, Inputs, check_tensor
from llm.checks.base import CheckFailed, Passed
from llm.checks.predictions import Right, check_prediction

_isfinite = torch.isfinite
MASKS = (
    "this mask is one to add, 0 and -inf; here it is boolean, True = may be seen.",
    "this mask is boolean; here it is one to add, 0 = may be seen, -inf = hidden.",
)
USES = (
    "the mask is added to the scores; here it is boolean, True = may be seen.",
    "the mask is taken for a boolean one; here it is added to the scores.",
)


def check_open_pairs(open_pairs: int) -> Right:
    """Check the number of keys that three new tokens see in all, with five before them."""
    counts = known.past_mask(3, 8)
    n, n_old, n_new = int(counts.sum()), 3 * 5, int(counts[:, 5:].sum())
    wrong = {
        "The new tokens see the five old ones too, not each other alone.": n_new,
        "The new tokens see themselves and each other, not the old ones alone.": n_old,
        "Each token sees itself too.": n - 3,
        "No token sees the one after it.": n + 2,
        "The first two must not see what comes after them.": counts.numel(),
        "There are rows for the three new tokens only.": 8 * 9 // 2,
    }
    return check_prediction("open_pairs", open_pairs, n, wrong)


def check_past_mask(
    past_mask: Callable[[int, int], Tensor], seed: int = 0, additive: bool = False
) -> Passed:
    """Check ``past_mask(T, S)``: query i is token S - T + i, and sees itself and all before it."""
    random = Draw(seed).random
    sizes = [(T, T + random.randint(2, 4)) for T in random.sample(range(2, 6), 2)]
    sizes += [(1, random.randint(3, 6)), (4, 4)]
    cases = [Inputs({"T": T, "S": S}) for T, S in sizes]
    boolean = (known.past_mask, known.PAST_MASK_BUGS, cases)
    to_add = (known.past_mask_to_add, known.PAST_MASK_TO_ADD_BUGS, cases)
    return _of_two(past_mask, boolean, to_add, additive, MASKS)


def check_batch_mask(
    batch_mask: Callable[[list[int]], Tensor], seed: int = 0, additive: bool = False
) -> Passed:
    """Check ``batch_mask(lengths)`` of lists of lengths; S is the greatest of them."""
    random = Draw(seed).random
    cases = [Inputs({"lengths": random.sample(range(2, 8), B)}) for B in (2, 3, 4)]
    boolean = (known.batch_mask, known.BATCH_MASK_BUGS, cases)
    to_add = (known.batch_mask_to_add, known.BATCH_MASK_TO_ADD_BUGS, cases)
    return _of_two(batch_mask, boolean, to_add, additive, MASKS)


def check_softmax_or_nothing(
    softmax_or_nothing: Callable[[Tensor], Tensor], seed: int = 0
) -> Passed:
    """Check ``softmax_or_nothing(scores)``: its weights, then that its gradient is a number."""
    draw, cases = Draw(seed), []
    for shift in (0.0, 100.0):
        B, T, S = draw.sizes(3)
        scores = draw.normal(B, T, S) + shift
        scores = scores.masked_fill(~_visible(draw, B, T, S), -torch.inf)
        cases.append(Inputs({"scores": scores}))
    passed = check_tensor(softmax_or_nothing, known.softmax_or_nothing, known.SOFTMAX_BUGS, cases)
    for case in cases:
        _check_gradient(softmax_or_nothing, case.values["scores"].clone().requires_grad_())
    return passed


def check_attention_weights(
    attention_weights: Callable[..., Tensor], seed: int = 0, additive: bool = False
) -> Passed:
    """Check ``attention_weights(q, k, mask)``, where T and S differ and some rows see nothing.

    A mask to add holds other numbers too, as ALiBi's penalties.
    """
    boolean = (known.attention_weights, known.ATTENTION_WEIGHTS_BUGS, _looks(seed, False))
    bugs = known.ATTENTION_WEIGHTS_TO_ADD_BUGS
    to_add = (known.attention_weights_to_add, bugs, _looks(seed, True))
    return _of_two(attention_weights, boolean, to_add, additive, USES)


def _looks(seed: int, additive: bool) -> list[Inputs]:
    draw, cases = Draw(seed), []
    for n_before in (0, 1, 2):
        *before, T, S, D = draw.sizes(n_before + 3)
        mask = _visible(draw, T, S)
        if additive:
            mask = known.to_add(mask) - draw.normal(T, S).abs()
        q, k = 2 * draw.normal(*before, T, D), draw.normal(*before, S, D)
        cases.append(Inputs({"q": q, "k": k, "mask": mask}))
    return cases


def check_attend_last(attend_last: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``attend_last(q, k, v)``: T new tokens among S, as many as S, or one alone."""
    draw, cases = Draw(seed), []
    for T, more in ((3, draw.random.randint(2, 4)), (4, 0), (1, draw.random.randint(2, 5))):
        D, (k, v) = draw.random.choice([6, 8]), draw.normal(2, 2, T + more, 8).unbind()
        q, k, v = draw.normal(2, T, D), k[..., :D], v[..., :D]
        cases.append(Inputs({"q": q, "k": k, "v": v}))
    return check_tensor(attend_last, known.attend_last, known.ATTEND_LAST_BUGS, cases)


def check_head_weights(head_weights: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``head_weights(x, w_q, w_k, n_heads)``: the causal weights of every head."""
    draw, cases = Draw(seed), []
    for _ in range(3):
        B, T, H, D = draw.sizes(4)
        w_q, w_k = draw.normal(2, H * D, H * D) / (H * D) ** 0.5
        x = 2 * draw.normal(B, T, H * D)
        cases.append(Inputs({"x": x, "w_q": w_q, "w_k": w_k, "n_heads": H}))
    return check_tensor(head_weights, known.head_weights, known.HEAD_WEIGHTS_BUGS, cases)


def check_rotary_scores(rotary_scores: Callable[..., Tensor], seed: int = 0) -> Passed:
    """Check ``rotary_scores(x, w_q, w_k, positions, turn)``, with ``turn(x, positions)``."""
    draw, cases = Draw(seed), []
    for _ in range(3):
        T, (C, D) = draw.random.randint(3, 6), draw.random.sample([4, 6, 8], 2)
        w_q, w_k = draw.normal(2, C, D) / C**0.5
        positions = torch.arange(T) + draw.random.randint(3, 9)
        given = {"x": draw.normal(T, C), "w_q": w_q, "w_k": w_k, "positions": positions}
        cases.append(Inputs(given | {"turn": partial(attention_bugs.rope, theta=100.0)}))
    return check_tensor(rotary_scores, known.rotary_scores, known.ROTARY_SCORES_BUGS, cases)


def check_self_attention(
    self_attention: Callable[..., Tensor],
    seed: int = 0,
    layout: str = "half",
    additive: bool = False,
) -> Passed:
    """Check ``self_attention(x, layer, positions, mask)`` with theta 100.

    ``layer`` has ``q_proj``, ``k_proj``, ``v_proj``, ``out_proj`` and ``n_heads``; the positions
    have gaps, since a shift of all would change nothing.
    """
    draw, cases = Draw(seed), []
    for _ in range(3):
        B, T, H = draw.sizes(3)
        D = draw.random.choice([4, 6])
        positions = torch.arange(T).cumsum(0) + draw.random.randint(3, 9)
        mask = _visible(draw, B, 1, T, T)
        given = {"x": 2 * draw.normal(B, T, H * D), "layer": _layer(draw, H, D)}
        given |= {"positions": positions}
        cases.append(Inputs(given | {"mask": known.to_add(mask) if additive else mask}))
    right = known.right_self_attention(layout, additive)
    bugs = known.self_attention_bugs(layout, additive)
    return check_tensor(self_attention, right, bugs, cases)


def _layer(draw: Draw, H: int, D: int) -> MultiHeadAttention:
    """Projections of H heads of D features, with weights drawn here."""
    layer = MultiHeadAttention(H * D, H)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(draw.normal(*parameter.shape) / (H * D) ** 0.5)
    return layer


def _visible(draw: Draw, *shape: int) -> Tensor:
    """A boolean mask: the first query of the first text sees nothing, all others something."""
    mask = draw.normal(*shape) > 0
    mask[..., 0] = True
    mask.view(-1, *shape[-2:])[0, 0] = False
    return mask


def _check_gradient(softmax_or_nothing: Callable[[Tensor], Tensor], scores: Tensor) -> None:
    try:
        with torch.enable_grad():
            (softmax_or_nothing(scores) * torch.arange(scores.shape[-1])).sum().backward()
    except RuntimeError as error:
        why = (
            "numbers are written into the result of an earlier step; make a new tensor instead, "
            "as masked_fill does."
            if "inplace" in str(error)
            else "no gradient comes back to the scores; compute without detach and no_grad."
        )
        raise CheckFailed(
            f"softmax_or_nothing: the weights are right, but backward() fails: {why}"
        ) from None
    if scores.grad is None or not bool(_isfinite(scores.grad).all()):
        raise CheckFailed(
            "softmax_or_nothing: the weights are right, but their gradient is not a number, so "
            "training would fail; take the -inf away from such a row before the softmax."
        )


def _of_two(
    function: Callable, boolean: tuple, to_add: tuple, additive: bool, sentences: tuple[str, str]
) -> Passed:
    """Check for the chosen kind of mask; what is right for the other kind is told so."""
    chosen, other = (to_add, boolean) if additive else (boolean, to_add)
    try:
        return check_tensor(function, *chosen)
    except CheckFailed:
        try:
            check_tensor(function, *other)
        except CheckFailed:
            pass
        else:
            name = chosen[0].__name__
            raise CheckFailed(f"{name}: {sentences[additive]}") from None
        raise
