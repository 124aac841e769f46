"""Checks for the exercises: each runs the reader's function and names its bug in one sentence."""

from llm.checks.base import CheckFailed, Passed, check_function
from llm.checks.tokenization import (
    check_count_pairs,
    check_decode,
    check_encode,
    check_merge,
    check_train,
)

__all__ = [
    "CheckFailed",
    "Passed",
    "check_count_pairs",
    "check_decode",
    "check_encode",
    "check_function",
    "check_merge",
    "check_train",
]
