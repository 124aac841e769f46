"""What the tests share: seeds, and small models whose every parameter has been disturbed."""

import pytest
import torch
from hypothesis import settings

from llm import ModelConfig, Transformer

settings.register_profile("book", derandomize=True, deadline=None, max_examples=25)
settings.load_profile("book")


@pytest.fixture(autouse=True)
def seeded():
    """Each test draws the same numbers, whichever others run."""
    torch.manual_seed(0)


@pytest.fixture
def disturb():
    """Replace all weights: matrices by N(0, 0.2²); norms and biases move by as much.

    With the usual small weights a wrong eps or activation would stay unseen.
    """

    def change(model):
        with torch.no_grad():
            for parameter in model.parameters():
                noise = 0.2 * torch.randn_like(parameter)
                parameter.copy_(noise if parameter.dim() > 1 else parameter + noise)
        return model

    return change


@pytest.fixture
def tiny(disturb):
    """Make a small disturbed transformer in evaluation mode: ``tiny(position="rope", …)``."""

    def make(**fields):
        sizes = {"vocab_size": 13, "max_seq_len": 16, "d_model": 16, "n_layers": 2, "n_heads": 4}
        return disturb(Transformer(ModelConfig(**sizes | fields))).eval()

    return make
