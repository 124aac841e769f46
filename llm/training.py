"""Training, so far: batches of a corpus and the learning-rate schedule."""

import math

import numpy as np
import torch
from torch import Tensor


def get_batch(
    data: np.ndarray | Tensor,
    batch_size: int,
    seq_len: int,
    device: str | torch.device = "cpu",
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Random windows of a long row of token ids: ``(inputs, targets)``, two int64 ``(B, T)``.

    ``data`` is one-dimensional: an array, a memory map or a tensor of integers. Targets are the
    inputs one place on. Starts are uniform in 0 … len − T − 1, drawn on the CPU. Raises
    ``ValueError`` when ``data`` has fewer than T + 1 tokens.
    """
    if data.ndim != 1:
        raise ValueError(f"data must be one row of token ids, got shape {tuple(data.shape)}")
    if str(data.dtype).removeprefix("torch.").startswith(("float", "bfloat", "complex")):
        raise ValueError(f"data must hold integers, got {data.dtype}")
    if batch_size < 1 or seq_len < 1:
        raise ValueError(f"batch_size={batch_size} and seq_len={seq_len} must be at least 1")
    if len(data) < seq_len + 1:
        raise ValueError(
            f"data has {len(data)} tokens, but seq_len={seq_len} needs at least {seq_len + 1}: "
            "take a longer text or a shorter seq_len"
        )
    starts = torch.randint(len(data) - seq_len, (batch_size,), generator=generator)
    rows = [_window(data, start, seq_len + 1) for start in starts.tolist()]
    windows = torch.stack(rows).to(device)  # (B, T + 1)
    return windows[:, :-1].contiguous(), windows[:, 1:].contiguous()


def _window(data: np.ndarray | Tensor, start: int, length: int) -> Tensor:
    window = data[start : start + length]
    if isinstance(window, Tensor):
        return window.to(torch.int64)
    return torch.from_numpy(window.astype(np.int64))


def cosine_schedule(
    step: int, warmup: int, total: int, max_lr: float, min_lr: float = 0.0
) -> float:
    """The learning rate at a step: up in a line, down along a cosine, then level.

    max_lr · step / warmup below ``warmup``; from there half a cosine to ``min_lr`` at ``total``;
    ``min_lr`` after it. Source: Loshchilov and Hutter (2017), with linear warmup.
    """
    if not 0 <= warmup <= total:
        raise ValueError(f"need 0 <= warmup <= total, got warmup={warmup}, total={total}")
    if step < warmup:
        return max_lr * step / warmup
    if step >= total:
        return min_lr
    progress = (step - warmup) / (total - warmup)
    return min_lr + 0.5 * (max_lr - min_lr) * (1 + math.cos(math.pi * progress))
