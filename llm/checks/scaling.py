"""Checks of the Scale exercise: parameters, operations, the cache, and a law through some runs.

The learner writes, for GPT's shape (learned positions, biases, a network of 4·d, a tied head):

- ``n_params(vocab_size, max_seq_len, d_model, n_layers)``;
- ``forward_flops(vocab_size, d_model, n_layers, T)``, of a text of T tokens, all T² pairs counted;
- ``kv_cache_bytes(n_layers, n_heads, n_kv_heads, head_dim, n_tokens, bytes_per_value)``;
- ``power_law(sizes, losses, floor)``, the scale A and the exponent α of L = E + A / N^α.
"""

from builtins import callable, isinstance, range, tuple  # noqa: UP029  bound now, as elsewhere
from collections.abc import Callable
from functools import wraps
from math import exp
from random import Random

import torch

from llm.checks import scaling_bugs as known
from llm.checks.base import Catalogue, Passed, check_function

CASES = 3
_tensor = torch.tensor


def check_n_params(n_params: Callable[..., int], seed: int = 0) -> Passed:
    """Check ``n_params(vocab_size, max_seq_len, d_model, n_layers)`` of a GPT, tied head."""
    return _check_sizes(n_params, known.n_params, known.N_PARAMS_BUGS, "VTCL", seed)


def check_forward_flops(forward_flops: Callable[..., int], seed: int = 0) -> Passed:
    """Check ``forward_flops(vocab_size, d_model, n_layers, T)`` of one text, all pairs counted."""
    bugs = known.FORWARD_FLOPS_BUGS
    return _check_sizes(forward_flops, known.forward_flops, bugs, "VCLT", seed)


def check_kv_cache_bytes(kv_cache_bytes: Callable[..., int], seed: int = 0) -> Passed:
    """Check ``kv_cache_bytes(n_layers, n_heads, n_kv_heads, head_dim, n_tokens, bytes)``."""
    bugs = known.KV_CACHE_BUGS
    return _check_sizes(kv_cache_bytes, known.kv_cache_bytes, bugs, "LHGDTb", seed)


def check_power_law(power_law: Callable[..., tuple], seed: int = 0) -> Passed:
    """Check ``power_law(sizes, losses, floor)``, which returns scale and exponent."""
    random, cases = Random(seed), []
    for _ in range(CASES):
        floor, scale = random.uniform(0.3, 0.9), random.uniform(5, 30)
        exponent = random.uniform(0.2, 0.6)
        sizes = [10.0**k * random.uniform(1, 3) for k in range(2, 6)]
        losses = [floor + exp(random.gauss(0, 0.1)) * scale / n**exponent for n in sizes]
        cases.append((sizes, losses, floor))
    bugs = {sentence: _numbers(bug) for sentence, bug in known.POWER_LAW_BUGS.items()}
    return check_function(_numbers(power_law), _numbers(known.power_law), bugs, cases)


def _check_sizes(function, reference: Callable, bugs: Catalogue, letters: str, seed: int) -> Passed:
    """Cases of sizes that all differ, so that no two counts agree by chance."""
    random, cases = Random(seed), []
    ranges = {"V": (90, 140), "T": (11, 29), "C": (31, 59), "L": (3, 9), "H": (10, 14)}
    ranges |= {"G": (4, 7), "D": (33, 65), "b": (2, 4)}
    for _ in range(CASES):
        cases.append(tuple([random.randint(*ranges[letter]) for letter in letters]))
    return check_function(function, reference, bugs, cases)


def _numbers(function: Callable) -> Callable:
    """A function of the same name whose two numbers come as a tensor, to be compared closely."""
    if not callable(function):
        return function

    @wraps(function)
    def answer(*arguments):
        value = function(*arguments)
        pair = isinstance(value, tuple) and len(value) == 2
        return _tensor([float(v) for v in value], dtype=torch.float64) if pair else value

    return answer
