"""llm.optimizers: step for step what torch.optim does."""

import copy

import pytest
import torch
from torch import nn

from llm import SGD, Adam, AdamW

PAIRS = {
    "SGD": (SGD, torch.optim.SGD, {"lr": 0.05}),
    "SGD with momentum": (SGD, torch.optim.SGD, {"lr": 0.05, "momentum": 0.9}),
    "SGD with decay": (SGD, torch.optim.SGD, {"lr": 0.05, "momentum": 0.5, "weight_decay": 0.1}),
    "Adam": (Adam, torch.optim.Adam, {"lr": 0.01}),
    "Adam, other betas": (Adam, torch.optim.Adam, {"betas": (0.5, 0.7), "eps": 1e-3}),
    "Adam with decay": (Adam, torch.optim.Adam, {"lr": 0.01, "weight_decay": 0.1}),
    "AdamW": (AdamW, torch.optim.AdamW, {"lr": 0.01}),
    "AdamW with decay": (AdamW, torch.optim.AdamW, {"lr": 0.03, "weight_decay": 0.3}),
}
TIGHT = {torch.float64: 1e-12, torch.float32: 1e-6}


def network(dtype):
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)).to(dtype)


def groups(model, options):
    """Two groups, the second with settings of its own."""
    return [
        {"params": model[0].parameters()},
        {"params": model[2].parameters(), "lr": options.get("lr", 1e-3) / 3, "weight_decay": 0.2},
    ]


def run(model, optimizer, steps, start=0):
    """Train on data of its own for each step; the first layer rests every fifth step."""
    for step in range(start, start + steps):
        x = torch.randn(16, 4, generator=torch.Generator().manual_seed(step))
        x = x.to(model[0].weight.dtype)
        model[0].requires_grad_(step % 5 != 4)
        optimizer.zero_grad()
        (model(x) - x[:, :2] * x[:, 2:]).square().mean().backward()
        optimizer.step()
    return model


def assert_equal(ours, theirs, dtype):
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, atol=TIGHT[dtype], rtol=TIGHT[dtype])


@pytest.mark.parametrize("dtype", TIGHT, ids=str)
@pytest.mark.parametrize("ours, theirs, options", PAIRS.values(), ids=PAIRS)
def test_steps_equal_pytorch_s(ours, theirs, options, dtype):
    mine, other, start = network(dtype), network(dtype), network(dtype)
    first, second = (
        kind(groups(model, options), **options) for kind, model in ((ours, mine), (theirs, other))
    )
    for done in range(25):
        run(mine, first, 1, done)
        run(other, second, 1, done)
        assert_equal(mine, other, dtype)
    assert (mine[0].weight - start[0].weight).abs().max() > 1e-3


@pytest.mark.parametrize("ours, theirs, options", PAIRS.values(), ids=PAIRS)
def test_state_can_be_saved_and_restored_midway(ours, theirs, options):
    straight = network(torch.float64)
    run(straight, ours(straight.parameters(), **options), 24)
    model = network(torch.float64)
    optimizer = ours(model.parameters(), **options)
    run(model, optimizer, 12)
    saved = copy.deepcopy(optimizer.state_dict())
    resumed = ours(model.parameters(), lr=99.0)
    resumed.load_state_dict(saved)
    run(model, resumed, 12, start=12)
    for mine, other in zip(model.parameters(), straight.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_the_first_steps_by_hand():
    def moved(kind, **options):
        w = nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
        optimizer = kind([w], **options)
        w.grad = torch.tensor([0.5], dtype=torch.float64)
        optimizer.step()
        return w.item()

    assert moved(SGD, lr=0.1) == pytest.approx(2 - 0.1 * 0.5)
    assert moved(SGD, lr=0.1, weight_decay=0.2) == pytest.approx(2 - 0.1 * (0.5 + 0.2 * 2))
    assert moved(Adam, lr=0.1) == pytest.approx(2 - 0.1 * 0.5 / (0.5 + 1e-8))
    assert moved(AdamW, lr=0.1, weight_decay=0.2) == pytest.approx(2 * (1 - 0.02) - 0.1, abs=1e-7)


def test_a_closure_is_called_with_gradients_on():
    w = nn.Parameter(torch.tensor([3.0]))
    optimizer = SGD([w], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (w**2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 9
    assert w.item() == pytest.approx(3 - 0.1 * 6)


def test_parameters_without_gradient_stay():
    w = nn.Parameter(torch.tensor([3.0]))
    AdamW([w], weight_decay=0.5).step()
    assert w.item() == 3


@pytest.mark.parametrize(
    "kind, options, part",
    [
        (SGD, {"lr": -1}, "lr must not be negative, got -1"),
        (AdamW, {"weight_decay": -0.1}, "weight_decay must not be negative, got -0.1"),
        (SGD, {"momentum": 1.0}, "below 1"),
        (Adam, {"betas": (0.9, 1.0)}, "below 1"),
    ],
)
def test_settings_out_of_range_are_named(kind, options, part):
    with pytest.raises(ValueError, match=part):
        kind([nn.Parameter(torch.ones(1))], **options)
