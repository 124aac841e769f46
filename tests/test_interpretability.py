"""Head scores, on heads that are built to do one thing."""

import pytest
import torch

from llm import trace
from llm.interpretability import head_scores


def attending(model, layer: int, offset: int):
    """Make every head of one layer look ``offset`` places back, by replacing its weights."""

    def look_back(weights):
        T = weights.shape[-1]
        shifted = torch.eye(T).roll(-offset, dims=1).tril()
        shifted[:offset, 0] = 1.0
        return shifted.expand_as(weights)

    return trace(model, edits={f"blocks.{layer}.attention.weights": look_back})


def test_a_head_that_looks_one_back_is_a_previous_token_head(tiny):
    model = tiny(max_seq_len=16)
    with attending(model, 1, 1):
        scores = head_scores(model, length=8)
    assert scores.previous.shape == scores.induction.shape == (2, 4)
    torch.testing.assert_close(scores.previous[1], torch.ones(4))
    assert scores.induction[1].max() < 0.2


def test_a_head_that_looks_a_saying_less_one_back_is_an_induction_head(tiny):
    model = tiny(max_seq_len=16)
    with attending(model, 0, 7):
        scores = head_scores(model, length=8)
    torch.testing.assert_close(scores.induction[0], torch.ones(4))
    assert scores.previous[0].max() < 0.2


def test_heads_that_attend_evenly_score_little(tiny):
    model = tiny(max_seq_len=16)
    for parameter in model.parameters():
        parameter.data.zero_()
    scores = head_scores(model, length=8)
    even = torch.tensor([1 / (t + 1) for t in range(16)])
    torch.testing.assert_close(scores.previous, even[1:].mean().expand(2, 4))
    torch.testing.assert_close(scores.induction, even[8:].mean().expand(2, 4))


@pytest.mark.parametrize("length", [1, 9])
def test_rows_that_do_not_fit_are_refused(tiny, length):
    with pytest.raises(ValueError, match=f"length={length} said twice.*max_seq_len=16"):
        head_scores(tiny(max_seq_len=16), length=length)
