"""llm.device: where tensors live, and how runs are repeated."""

import random

import numpy as np
import pytest
import torch

from llm import default_device, seed_everything


@pytest.mark.parametrize("wanted", [None, "auto", "cpu"])
@pytest.mark.parametrize("has_cuda", [True, False])
def test_cuda_is_taken_where_there_is_one_unless_told_otherwise(monkeypatch, wanted, has_cuda):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_cuda)
    monkeypatch.delenv("LLM_DEVICE", raising=False)
    if wanted:
        monkeypatch.setenv("LLM_DEVICE", wanted)
    expected = "cuda" if has_cuda and wanted != "cpu" else "cpu"
    assert default_device() == torch.device(expected)


def test_mps_is_used_only_when_asked_for(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.delenv("LLM_DEVICE", raising=False)
    assert default_device() == torch.device("cpu")
    monkeypatch.setenv("LLM_DEVICE", "mps")
    assert default_device() == torch.device("mps")


@pytest.mark.parametrize("wanted", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_named(monkeypatch, wanted):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setenv("LLM_DEVICE", wanted)
    with pytest.raises(ValueError, match=f"LLM_DEVICE='{wanted}'.*no such device.*unset"):
        default_device()


def test_an_unknown_device_is_named(monkeypatch):
    monkeypatch.setenv("LLM_DEVICE", "tpu")
    with pytest.raises(ValueError, match="'tpu'.*auto, cpu, cuda, mps"):
        default_device()


def test_a_seed_repeats_all_generators():
    def draw(seed):
        generator = seed_everything(seed)
        own = torch.rand(2, generator=generator).tolist()
        return random.random(), np.random.rand(), torch.rand(2).tolist(), own

    assert draw(3) == draw(3)
    assert all(a != b for a, b in zip(draw(3), draw(4), strict=True))
    assert draw(2**40) == draw(2**40)  # NumPy alone takes no seed above 2³²
