"""Checks of the Output assignment: costs, their slope, and the steps of a sampler.

The learner writes, with B rows that may each have their own settings:

- ``log_softmax(x (…, V))``: logarithms of probabilities along the last dimension;
- ``token_costs(log_p (B, T, V), targets (B, T))``: what each target costs, 0 for padding (−100);
- ``grade(costs, targets)``: their mean and the perplexity, two numbers;
- ``training_pair(rows (B, L))``: inputs and targets from rows of ids that −100 fills up;
- ``loss_gradient(logits (B, T, V), targets (B, T))``: the slope of the mean loss by each logit;
- ``warm_chances(logits (B, V), temperature (B,))``: probabilities at a temperature;
- ``keep_top_k(logits, k (B,))``, ``keep_top_p(logits, limit (B,))``, ``keep_min_p``: filters;
- ``pick(weights (B, V), u (B,))``: the token of each row that a number from 0 to 1 falls on;
- ``mean_over_batches(batches)``: one mean of costs that come in batches of unequal size.
"""

from builtins import (  # noqa: UP029  bound now, as in the other checks
    float,
    isinstance,
    len,
    list,
    range,
    tuple,
)
from collections.abc import Callable
from functools import partial, update_wrapper
from random import Random

import torch
from torch import Tensor

from llm.checks import output_steps_bugs as known
from llm.checks.base import Passed, shown
from llm.checks.output import batch, check_in_turn, numbers_of, scores
from llm.checks.watching import Seen, look_at_number

IGNORE = -100


def check_log_softmax(log_softmax: Callable[[Tensor], Tensor], seed: int = 0) -> Passed:
    """Check ``log_softmax(torch.zeros(4))``, four times −1.386; scores in the hundreds too."""
    random = Random(seed)
    cases = [([2.0, 1.0, 0.0],), ([122.0, 120.0, 120.0],), ([[120.0, 119.0], [0.0, 1.0]],)]
    cases += [([-120.0, -121.0],), ([400.0, 0.0, 0.0, 0.0],)]
    cases += [(scores(random, *sizes),) for sizes in ((5,), (2, 3), (3, 5), (2, 3, 4))]
    looks = [(known.LOG_SOFTMAX_BUGS, cases)]
    return check_in_turn(log_softmax, known.log_softmax, numbers_of, looks)


def check_token_costs(token_costs: Callable, seed: int = 0, unit: str = "nats") -> Passed:
    """Check ``token_costs(log_p, targets)``: −log p of each target, in ``unit``, 0 for padding."""
    cases = []
    for logits, targets in _padded(seed):
        targets[-1][0] = 0  # a real token that a bug may take for padding
        log_p = torch.tensor(logits).log_softmax(-1)
        cases.append((_rounded(log_p, 5), targets))  # they add up to 1, closely enough
    reference = _named(known.token_costs, unit=known.UNITS[unit])
    return check_in_turn(token_costs, reference, numbers_of, [(known.cost_bugs(unit), cases)])


def check_grade(grade: Callable, seed: int = 0, unit: str = "nats") -> Passed:
    """Check ``grade(costs, targets)``, (mean, perplexity), for costs in ``unit``, 0 at padding."""
    random, cases = Random(seed), []
    for _, targets in _padded(seed):
        costs = scores(random, len(targets), len(targets[0]))
        costs[-1][0] = 0.0  # a real token that was certain
        real = torch.tensor(targets) != IGNORE
        cases.append((_rounded(torch.tensor(costs).abs() * real), targets))
    reference = _named(known.grade, base=known.BASES[unit])
    return check_in_turn(grade, reference, _two_numbers_of, [(known.grade_bugs(unit), cases)])


def check_training_pair(training_pair: Callable, seed: int = 0, where: str = "labels") -> Passed:
    """Check ``training_pair(rows)``: inputs that a model can read, and what each is to predict.

    ``where="labels"``: both ``(B, L)``, the last target −100. ``where="inputs"``: ``(B, L - 1)``.
    """
    random, cases = Random(seed), []
    for B, L in ((1, 4), (2, 5), (4, 6)):
        rows = [random.sample(range(1, 30), L) for _ in range(B)]
        if B > 1:
            rows[0][-2:] = [IGNORE] * 2
        cases.append((rows,))
    reference = _named(known.training_pair, where=where)
    looks = [(known.shift_bugs(where), cases)]
    return check_in_turn(training_pair, reference, _pair_of, looks)


def check_loss_gradient(loss_gradient: Callable, seed: int = 0) -> Passed:
    """Check ``loss_gradient(logits, targets)``: p minus what came, shared by the real targets."""
    cases = list(_padded(seed))
    looks = [(known.GRADIENT_BUGS, cases)]
    return check_in_turn(loss_gradient, known.loss_gradient, numbers_of, looks)


def check_warm_chances(warm_chances: Callable, seed: int = 0) -> Passed:
    """Check ``warm_chances(logits, temperature)``: softmax of the logits over the temperature."""
    return _check_rows(warm_chances, known.warm_chances, known.WARM_BUGS, (0.5, 2.0, 1.5), seed)


def check_keep_top_k(keep_top_k: Callable, seed: int = 0) -> Passed:
    """Check ``keep_top_k(logits, k)``: the k greatest of each row stay, the others are −inf."""
    return _check_rows(keep_top_k, known.keep_top_k, known.TOP_K_BUGS, (2, 4, 1), seed)


def check_keep_top_p(keep_top_p: Callable, seed: int = 0) -> Passed:
    """Check ``keep_top_p(logits, limit)``: the fewest that together reach the limit stay.

    The one that crosses the limit is among them; at a limit of 1 all stay.
    """
    tail = ([[20.0, 0.0, -3.0, 1.0]], [1.0])
    return _check_rows(
        keep_top_p, known.keep_top_p, known.TOP_P_BUGS, (0.4, 0.9, 0.7), seed, last=[tail]
    )


def check_keep_min_p(keep_min_p: Callable, seed: int = 0) -> Passed:
    """Check ``keep_min_p(logits, limit)``: what has that share of the greatest probability stays.

    At a limit of 0 all stay.
    """
    ends = ([[0.0, 3.0, 1.0], [2.0, 1.0, -1.0]], [0.0, 1.0])
    flat = ([[1.0, 0.9, 0.8, 0.7], [1.0, 0.0, -0.1, 0.2]], [0.5, 0.5])
    return _check_rows(
        keep_min_p, known.keep_min_p, known.MIN_P_BUGS, (0.3, 0.05, 0.1), seed, [ends, flat]
    )


def check_pick(pick: Callable, seed: int = 0) -> Passed:
    """Check ``pick(weights, u)``: the first token of each row whose running sum is above u.

    For the weights 1, 2, 1 it is token 0 below u = 0.25, token 1 below 0.75, then token 2.
    """
    random = Random(seed)
    cases = [([[0.0, 1.0, 3.0, 2.0]], [0.0]), ([[0.25, 0.5, 0.25]], [0.5])]
    cases += [([[1.0, 2.0, 1.0, 0.0], [3.0, 0.0, 0.0, 1.0]], [0.99, 0.7])]
    for B, V in ((3, 4), (4, 7)):
        weights = [[float(random.randint(1, 9)) for _ in range(V)] for _ in range(B)]
        cases.append((weights, [random.choice([0.07, 0.31, 0.53, 0.77, 0.97]) for _ in range(B)]))
    return check_in_turn(pick, known.pick, numbers_of, [(known.PICK_BUGS, cases)])


def check_mean_over_batches(mean_over_batches: Callable, seed: int = 0) -> Passed:
    """Check ``mean_over_batches(batches)`` for a list of costs ``(n,)``, where n may differ."""
    random, cases = Random(seed), []
    for sizes in ((3, 1), (4, 4, 2), (2, 2, 2, 1)):
        cases.append((tuple([scores(random, size) for size in sizes]),))
    looks = [(known.BATCH_MEAN_BUGS, cases)]
    return check_in_turn(mean_over_batches, known.mean_over_batches, _mean_of, looks)


def _padded(seed: int):
    """Logits and targets of sizes that differ, where the first row of a batch is padded."""
    random = Random(seed)
    for B, T, V in ((2, 3, 5), (3, 4, 6), (4, 5, 3)):
        logits, targets = batch(random, B, T, V)
        targets[0][-2:] = [IGNORE] * 2
        yield logits, targets


def _rounded(values: Tensor, digits: int = 2) -> list:
    """Nested lists of short numbers, which are easier to read in a message."""
    return (values.double() * 10**digits).round().div(10**digits).tolist()


def _check_rows(function, reference, bugs, amounts, seed, extra=(), last=()) -> Passed:
    """Check a function of logits ``(B, V)`` and one setting a row, taken from ``amounts``.

    The cases of ``last`` wait until the others are right.
    """
    random, cases = Random(seed), [*extra]
    for B, V in ((1, 5), (2, 6), (3, 7), (3, 5)):
        cases.append((scores(random, B, V), [amounts[(i + V) % 3] for i in range(B)]))
    looks = [(bugs, cases), (bugs, last)]
    return check_in_turn(function, reference, numbers_of, looks)


def _named(function: Callable, **changes) -> Callable:
    """The function with some arguments set, under its own name."""
    return update_wrapper(partial(function, **changes), function)


def _pair_of(function: Callable, rows: Tensor) -> Seen | None:
    """The two tensors of ids that ``function`` returns; any id does for an input of padding."""
    padding = rows == IGNORE
    value = function(rows)
    if value is None:
        return None
    if not _two(value, Tensor):
        return Seen("no pair", f"{shown(value)}, not a pair of tensors (inputs, targets)")
    inputs, targets = [part.long() for part in value]
    if inputs.shape == padding[:, : inputs.shape[-1]].shape:
        inputs = inputs.masked_fill(padding[:, : inputs.shape[-1]] & (inputs >= 0), 0)
    return Seen([inputs, targets], f"inputs {inputs.tolist()}, targets {targets.tolist()}")


def _two_numbers_of(function: Callable, *arguments) -> Seen | None:
    value = function(*arguments)
    if value is None:
        return None
    if not _two(value, float | Tensor):
        return Seen("no pair", f"{shown(value)}, not two numbers (mean, perplexity)")
    numbers = [look_at_number(lambda part=part: part) for part in value]
    return Seen([number.fact for number in numbers], f"{numbers[0]} and {numbers[1]}")


def _two(value, kind) -> bool:
    pair = isinstance(value, tuple | list) and len(value) == 2
    return pair and isinstance(value[0], kind) and isinstance(value[1], kind)


def _mean_of(function: Callable, batches: tuple) -> Seen | None:
    return look_at_number(function, [torch.tensor(costs) for costs in batches])
