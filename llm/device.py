"""Where tensors live and how runs are repeated."""

import os
import random

import numpy as np
import torch


def default_device() -> torch.device:
    """The device to run on: ``LLM_DEVICE`` (auto, cpu, cuda or mps); by default CUDA, else the CPU.

    Apple's ``mps`` is used only when asked for. Raises ``ValueError`` for another name or for a
    device that this machine does not have.
    """
    wanted = os.environ.get("LLM_DEVICE", "auto")
    if wanted not in ("auto", "cpu", "cuda", "mps"):
        raise ValueError(f"LLM_DEVICE={wanted!r}: choose one of auto, cpu, cuda, mps")
    has_cuda = torch.cuda.is_available()
    if wanted == "auto":
        return torch.device("cuda" if has_cuda else "cpu")
    if (wanted == "cuda" and not has_cuda) or (
        wanted == "mps" and not torch.backends.mps.is_available()
    ):
        raise ValueError(f"LLM_DEVICE={wanted!r}, but torch finds no such device here; unset it")
    return torch.device(wanted)


def seed_everything(seed: int) -> torch.Generator:
    """Seed Python, NumPy and torch; return a CPU generator with the same seed.

    Draw random numbers on the CPU with this generator and move them: CPU and GPU generators give
    different numbers for one seed.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)
