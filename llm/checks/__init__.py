"""Checks for the exercises: each runs the reader's function and names its bug in one sentence."""

from llm.checks.base import CheckFailed, Passed, check_function
from llm.checks.output import (
    check_cross_entropy,
    check_next_token_loss,
    check_sampling,
    check_softmax,
)
from llm.checks.tokenization import (
    check_count_pairs,
    check_decode,
    check_encode,
    check_merge,
    check_train,
)
from llm.checks.training import (
    check_accumulate,
    check_cosine_schedule,
    check_get_batch,
    check_train_step,
)

__all__ = [
    "CheckFailed",
    "Passed",
    "check_accumulate",
    "check_cosine_schedule",
    "check_count_pairs",
    "check_cross_entropy",
    "check_decode",
    "check_encode",
    "check_function",
    "check_get_batch",
    "check_merge",
    "check_next_token_loss",
    "check_sampling",
    "check_softmax",
    "check_train",
    "check_train_step",
]
