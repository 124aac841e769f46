"""llm.training: batches and the learning-rate schedule."""

import math

import numpy as np
import pytest
import torch

from llm import cosine_schedule, get_batch

ROW = np.arange(100, 140)


def as_memmap(tmp_path):
    path = tmp_path / "row.bin"
    ROW.astype(np.uint16).tofile(path)
    return np.memmap(path, dtype=np.uint16, mode="r")


KINDS = {
    "array": lambda _: ROW,
    "uint16 array": lambda _: ROW.astype(np.uint16),
    "memory map": as_memmap,
    "tensor": lambda _: torch.from_numpy(ROW),
    "int32 tensor": lambda _: torch.from_numpy(ROW).int(),
}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_targets_are_the_inputs_one_place_on(make, tmp_path):
    inputs, targets = get_batch(make(tmp_path), 6, 9, generator=torch.Generator().manual_seed(0))
    assert inputs.shape == targets.shape == (6, 9)
    assert inputs.dtype == targets.dtype == torch.int64
    assert torch.equal(inputs, inputs[:, :1] + torch.arange(9))
    assert torch.equal(targets, inputs + 1)


def test_starts_are_uniform_and_reach_both_ends():
    inputs, targets = get_batch(torch.arange(12), 16_000, 4)
    counts = torch.bincount(inputs[:, 0])
    assert len(counts) == 8 and counts.min() > 0  # 0 … len − T − 1
    assert targets.max() == 11
    assert (counts - 2000).abs().max() < 5 * math.sqrt(2000)


def test_the_shortest_row_has_one_window():
    inputs, targets = get_batch(torch.arange(5), 3, 4)
    assert inputs.tolist() == [[0, 1, 2, 3]] * 3 and targets.tolist() == [[1, 2, 3, 4]] * 3


def test_a_generator_repeats_the_batch_whatever_the_kind(tmp_path):
    batches = [
        get_batch(make(tmp_path), 5, 7, generator=torch.Generator().manual_seed(4))
        for make in KINDS.values()
    ]
    assert all(torch.equal(batch[0], batches[0][0]) for batch in batches)
    other = get_batch(ROW, 5, 7, generator=torch.Generator().manual_seed(5))
    assert not torch.equal(other[0], batches[0][0])


def test_a_batch_is_a_copy():
    data = torch.arange(20)
    inputs, _ = get_batch(data, 2, 5)
    inputs.zero_()
    assert torch.equal(data, torch.arange(20))


@pytest.mark.parametrize(
    "data, B, T, parts",
    [
        (torch.arange(4), 2, 4, ["4 tokens", "seq_len=4", "at least 5", "shorter"]),
        (torch.zeros(2, 9).long(), 2, 4, ["one row", "(2, 9)"]),
        (torch.arange(9), 0, 4, ["batch_size=0"]),
        (torch.arange(9), 2, 0, ["seq_len=0"]),
        (torch.rand(9), 2, 4, ["integers", "float32"]),
        (np.zeros(9), 2, 4, ["integers", "float64"]),
    ],
)
def test_data_that_does_not_fit_is_named(data, B, T, parts):
    with pytest.raises(ValueError) as error:
        get_batch(data, B, T)
    assert all(part in str(error.value) for part in parts), error.value


@pytest.mark.parametrize(
    "step, rate",
    [(0, 0.0), (5, 0.5), (9, 0.9), (10, 1.0), (35, 0.1 + 0.9 * (1 + math.sqrt(0.5)) / 2)]
    + [(60, 0.55), (110, 0.1), (111, 0.1), (10_000, 0.1)],
)
def test_the_schedule_at_named_points(step, rate):
    assert cosine_schedule(step, 10, 110, 1.0, 0.1) == pytest.approx(rate)


def test_the_schedule_rises_then_falls_without_jumps():
    rates = [cosine_schedule(step, 20, 200, 3e-3, 3e-4) for step in range(250)]
    assert rates[:21] == sorted(rates[:21]) and rates[20:] == sorted(rates[20:], reverse=True)
    assert max(abs(a - b) for a, b in zip(rates, rates[1:], strict=False)) <= 3e-3 / 20 + 1e-12


def test_edges_of_the_schedule():
    assert cosine_schedule(0, 0, 10, 1.0) == 1.0
    assert cosine_schedule(10, 0, 10, 1.0) == 0.0
    assert cosine_schedule(4, 4, 4, 1.0, 0.2) == 0.2
    with pytest.raises(ValueError, match="warmup=11, total=10"):
        cosine_schedule(0, 11, 10, 1.0)
