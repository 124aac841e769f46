"""The functions of the Fine-tuning exercise, right and wrong in all the ways that we have seen.

The right ones are `answer_targets`, `lora` and `dpo_loss`; the dictionaries below them hold the
bugs: a sentence, and a function that has the bug.
"""

from functools import partial

import torch
from torch import Tensor

_logsigmoid, _sigmoid = torch.nn.functional.logsigmoid, torch.sigmoid
IGNORE = -100
_Pair = tuple[list[int], list[int]]


def answer_targets(
    prompt: list[int], answer: list[int], *, shift=1, spared=0, sign=IGNORE
) -> _Pair:
    """``shift`` places on; of the prompt, all but ``spared`` tokens are masked."""
    ids = prompt + answer
    n_masked = len(prompt) - spared
    marked = [sign] * n_masked + ids[n_masked:]
    return ids[:-1], (marked[shift:] + [sign] * shift)[: len(ids) - 1]


def _unmasked(prompt, answer):
    ids = prompt + answer
    return ids[:-1], ids[1:]


def _answer_masked(prompt, answer):
    return (prompt + answer)[:-1], prompt[1:] + [IGNORE] * len(answer)


def _not_cut(prompt, answer):
    ids = prompt + answer
    return ids, [IGNORE] * len(prompt) + answer


def _mask_then_no_room(prompt, answer):
    return (prompt + answer)[:-1], answer


ANSWER_TARGETS_BUGS = {
    "the targets are not shifted; each place is asked for the token that comes after it.": partial(
        answer_targets, shift=0
    ),
    "the targets are shifted twice.": partial(answer_targets, shift=2),
    "the first token of the answer is masked; the prompt's last token has to predict it.": partial(
        answer_targets, spared=-1
    ),
    "one token of the prompt too many is asked for.": partial(answer_targets, spared=1),
    "nothing is masked; the loss would count the prompt as well.": _unmasked,
    "the answer is masked and the prompt is asked for; it is the other way round.": _answer_masked,
    "the mask is 0, which is a token; cross_entropy leaves out -100.": partial(
        answer_targets, sign=0
    ),
    "the mask is -1; cross_entropy leaves out -100.": partial(answer_targets, sign=-1),
    "the last token stays in the inputs, and the targets are not shifted.": _not_cut,
    "the prompt has no places in the targets; put -100 there.": _mask_then_no_room,
}


def _thin(x: Tensor, A: Tensor, B: Tensor) -> Tensor:
    return x @ A.T @ B.T


def lora(
    x: Tensor,
    weight: Tensor,
    A: Tensor,
    B: Tensor,
    alpha: float,
    *,
    scale=lambda alpha, rank: alpha / rank,
    base=lambda x, weight: x @ weight.T,
    thin=_thin,
    join=lambda old, new: old + new,
) -> Tensor:
    return join(base(x, weight), scale(alpha, len(A)) * thin(x, A, B))


_layer = partial(partial, lora)
_only_old = _layer(join=lambda old, new: old)

LORA_BUGS = {
    "the scale is missing; the product counts alpha / rank times.": _layer(scale=lambda a, r: 1.0),
    "the scale is alpha; divide it by the rank.": _layer(scale=lambda a, r: a),
    "the scale is alpha times the rank; divide by the rank.": _layer(scale=lambda a, r: a * r),
    "the scale is rank / alpha; it is alpha / rank.": _layer(scale=lambda a, r: r / a),
    "the scale is alpha over the root of the rank; divide by the rank itself.": _layer(
        scale=lambda a, r: a / r**0.5
    ),
    "the frozen weight is missing; the adapter is added to what it gives.": _layer(
        join=lambda old, new: new
    ),
    "the adapter is missing.": _only_old,
    "the adapter is taken away; add it.": _layer(join=lambda old, new: old - new),
    "the adapter reads what the weight gives; it reads x.": lambda x, weight, A, B, alpha: (
        x @ weight.T + alpha / len(A) * _thin(x @ weight.T, A, B)
    ),
    "the weight is not transposed; a linear layer gives x @ weight.T.": _layer(
        base=lambda x, weight: x @ weight
    ),
    "A and B have changed places; x meets A first.": _layer(thin=lambda x, A, B: x @ B @ A),
}


def dpo_loss(
    chosen: Tensor,
    rejected: Tensor,
    old_chosen: Tensor,
    old_rejected: Tensor,
    beta: float,
    *,
    margin=lambda new, old: new - old,
    scale=lambda beta, margin: beta * margin,
    last=lambda z: -_logsigmoid(z).mean(),
) -> Tensor:
    return last(scale(beta, margin(chosen - rejected, old_chosen - old_rejected)))


_dpo = partial(partial, dpo_loss)

DPO_BUGS = {
    "the old model is not used; the margin is taken against what it preferred.": _dpo(
        margin=lambda new, old: new
    ),
    "chosen and rejected are swapped, so the wrong answer is taught.": _dpo(
        margin=lambda new, old: old - new
    ),
    "the old model's margin is added; take it away.": _dpo(margin=lambda new, old: new + old),
    "beta is missing.": _dpo(scale=lambda beta, z: z),
    "beta divides; it multiplies the margin.": _dpo(scale=lambda beta, z: z / beta),
    "the log is missing.": _dpo(last=lambda z: -_sigmoid(z).mean()),
    "the minus is missing, so the loss rewards the rejected answers.": _dpo(
        last=lambda z: _logsigmoid(z).mean()
    ),
    "the sum is taken; take the mean over the pairs.": _dpo(last=lambda z: -_logsigmoid(z).sum()),
    "the mean is taken before the sigmoid; each pair has a loss of its own.": _dpo(
        last=lambda z: -_logsigmoid(z.mean())
    ),
    "the loss is the margin itself, which has no floor.": _dpo(last=lambda z: -z.mean()),
    "one loss a pair is returned; take their mean.": _dpo(last=lambda z: -_logsigmoid(z)),
}
