"""llm.output: softmax, loss, filters and draws against PyTorch and Hugging Face."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from transformers.generation import logits_process as theirs

from llm import (
    cross_entropy,
    min_p_filter,
    perplexity,
    repetition_penalty,
    sample,
    softmax,
    temperature_scale,
    top_k_filter,
    top_p_filter,
    top_predictions,
)

close = torch.testing.assert_close


@pytest.mark.parametrize("dim", [-1, 0, 1])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_softmax_equals_pytorch_s(dim, scale):
    x = torch.randn(3, 4, 5) * scale
    close(softmax(x, dim), F.softmax(x, dim))
    close(softmax(x, dim).sum(dim), torch.ones_like(x.sum(dim)))


def test_softmax_gives_masked_entries_exactly_zero():
    assert softmax(torch.tensor([0.0, -math.inf, 0.0])).tolist() == [0.5, 0.0, 0.5]


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (2, 3, 2)], ids=str)
def test_cross_entropy_equals_pytorch_s(shape):
    logits, targets = torch.randn(*shape, 7) * 5, torch.randint(7, shape)
    expected = F.cross_entropy(logits.reshape(-1, 7), targets.reshape(-1))
    close(cross_entropy(logits, targets), expected)


@pytest.mark.parametrize("ignore_index", [-100, 3])
def test_ignored_targets_do_not_count(ignore_index):
    logits, targets = torch.randn(2, 6, 7), torch.randint(7, (2, 6))
    targets[0, 2:] = ignore_index
    expected = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=ignore_index)
    close(cross_entropy(logits, targets, ignore_index), expected)


def test_the_gradient_of_the_loss_is_p_minus_one_hot():
    logits, targets = torch.randn(5, 7, requires_grad=True), torch.tensor([1, 6, -100, 0, 3])
    cross_entropy(logits, targets).backward()
    expected = softmax(logits.detach()) - F.one_hot(targets.clamp(min=0), 7)
    expected[2] = 0
    close(logits.grad, expected / 4)


def test_uniform_logits_cost_ln_v_and_huge_ones_stay_finite():
    assert cross_entropy(torch.zeros(3, 50), torch.arange(3)).item() == pytest.approx(math.log(50))
    logits = torch.tensor([[1e4, -1e4]])
    assert cross_entropy(logits, torch.tensor([1])).item() == pytest.approx(2e4)
    assert perplexity(math.log(50)) == pytest.approx(50)
    assert perplexity(torch.tensor(0.0)) == 1


@pytest.mark.parametrize(
    "logits, targets, parts",
    [
        ((2, 3, 7), torch.zeros(2, 4, dtype=torch.long), ["(2, 3, 7)", "(2, 3)", "(2, 4)"]),
        ((3, 7), torch.tensor([0, 7, 1]), ["target 7", "0 … 6"]),
        ((3, 7), torch.tensor([0, -1, 1]), ["target -1", "0 … 6"]),
        ((3, 7), torch.tensor([0.0, 1.0, 2.0]), ["float32", ".long()"]),
        ((2, 7), torch.tensor([-100, -100]), ["no target", "-100"]),
    ],
)
def test_targets_that_do_not_fit_are_named(logits, targets, parts):
    with pytest.raises(ValueError) as error:
        cross_entropy(torch.randn(logits), targets)
    assert all(part in str(error.value) for part in parts), error.value


LOGITS = torch.randn(4, 50, generator=torch.Generator().manual_seed(3)) * 3
WARPERS = {
    "temperature": (temperature_scale, theirs.TemperatureLogitsWarper, [0.3, 1.0, 2.5]),
    "top-k": (top_k_filter, theirs.TopKLogitsWarper, [1, 5, 50, 99]),
    "top-p": (top_p_filter, theirs.TopPLogitsWarper, [0.01, 0.5, 0.9, 0.999, 1.0]),
    "min-p": (min_p_filter, theirs.MinPLogitsWarper, [0.0, 0.05, 0.5, 1.0]),
}


@pytest.mark.parametrize(
    "ours, warper, amount", [(f, w, a) for f, w, amounts in WARPERS.values() for a in amounts]
)
def test_filters_equal_hugging_face_s(ours, warper, amount):
    expected = warper(amount)(torch.zeros(4, 1, dtype=torch.long), LOGITS.clone())
    close(ours(LOGITS, amount), expected)


@given(k=st.integers(1, 9), p=st.floats(0.01, 0.99), min_p=st.floats(0.01, 1))
def test_filters_keep_what_their_definition_says_ties_included(k, p, min_p):
    logits = torch.tensor([2.0, 1, 2, 0, 1, -3, 2])
    probabilities = F.softmax(logits.double(), -1)
    finite = lambda x: x > -math.inf  # noqa: E731
    by_k, by_p = finite(top_k_filter(logits, k)), finite(top_p_filter(logits, p))
    assert by_k.sum() == min(k, 7)  # of equals some, so exactly k
    assert logits[by_k].min() >= logits[~by_k].max() if k < 7 else by_k.all()
    mass = probabilities[by_p]
    assert mass.sum() >= p - 1e-6 and mass.sum() - mass.min() < p + 1e-6  # enough, and no more
    kept = finite(min_p_filter(logits, min_p))
    margin = (probabilities / probabilities.max() - min_p).abs() > 1e-6
    assert (kept == (probabilities >= min_p * probabilities.max()))[margin].all()


def test_top_p_by_hand_keeps_the_token_that_crosses():
    logits = torch.tensor([0.2, 0.5, 0.3]).log()
    kept = {p: (top_p_filter(logits, p) > -math.inf).tolist() for p in (0.4, 0.6, 0.9)}
    assert kept == {0.4: [False, True, False], 0.6: [False, True, True], 0.9: [True] * 3}


def test_top_p_of_1_drops_nothing_of_a_long_tail():
    assert top_p_filter(torch.randn(50_000) * 5, 1.0).isfinite().all()


@pytest.mark.parametrize("penalty", [0.5, 1.3, 4.0])
def test_repetition_penalty_equals_hugging_face_s(penalty):
    ids = torch.randint(50, (4, 8))
    expected = theirs.RepetitionPenaltyLogitsProcessor(penalty)(ids, LOGITS.clone())
    close(repetition_penalty(LOGITS, ids, penalty), expected)
    close(repetition_penalty(LOGITS, ids.int(), penalty), expected)


def test_padding_is_not_penalised():
    ids, seen = torch.tensor([[7, 7, 2]]), torch.tensor([[False, False, True]])
    penalised = repetition_penalty(LOGITS[:1], ids, 2.0, seen)
    assert (penalised != LOGITS[:1]).nonzero().tolist() == [[0, 2]]


@pytest.mark.parametrize(
    "call, parts",
    [
        (lambda: temperature_scale(LOGITS, 0), ["temperature", "got 0", "argmax"]),
        (lambda: sample(LOGITS, temperature=-1), ["temperature", "-1"]),
        (lambda: top_k_filter(LOGITS, 0), ["top_k", "got 0"]),
        (lambda: top_p_filter(LOGITS, 0.0), ["top_p", "got 0.0"]),
        (lambda: top_p_filter(LOGITS, 1.1), ["top_p", "got 1.1"]),
        (lambda: min_p_filter(LOGITS, -0.1), ["min_p", "got -0.1"]),
        (lambda: repetition_penalty(LOGITS, torch.zeros(4, 1).long(), 0), ["penalty", "got 0"]),
        (lambda: top_predictions(LOGITS), ["(V,)", "(4, 50)", "[0, -1]"]),
    ],
)
def test_settings_out_of_range_are_named(call, parts):
    with pytest.raises(ValueError) as error:
        call()
    assert all(part in str(error.value) for part in parts), error.value


SETTINGS = [
    {},
    {"temperature": 0.5},
    {"temperature": 2.0, "top_k": 4},
    {"top_p": 0.8},
    {"min_p": 0.2},
    {"temperature": 1.5, "top_k": 5, "top_p": 0.9, "min_p": 0.05},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_samples_have_the_frequencies_of_the_filtered_softmax(settings):
    logits, n = torch.tensor([2.0, 1.0, 0.5, 0.0, -1.0, -2.0, 1.5]), 40_000
    drawn = sample(logits.expand(n, -1), generator=torch.Generator().manual_seed(0), **settings)
    frequencies = torch.bincount(drawn, minlength=7) / n
    filtered = logits / settings.get("temperature", 1.0)
    for name, keep in (("top_k", top_k_filter), ("top_p", top_p_filter), ("min_p", min_p_filter)):
        if name in settings:
            filtered = keep(filtered, settings[name])
    p = F.softmax(filtered, -1)
    assert (frequencies[p == 0] == 0).all()
    assert ((frequencies - p).abs() <= 4 * (p * (1 - p) / n).sqrt()).all()


def test_temperature_0_takes_the_lowest_id_of_the_greatest():
    assert sample(torch.tensor([[1.0, 3, 3], [2, 0, 2]]), temperature=0).tolist() == [1, 0]


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)], ids=str)
def test_a_draw_has_one_id_a_row_and_repeats_with_its_generator(shape):
    logits = torch.randn(*shape, 9)
    first, second = (sample(logits, generator=torch.Generator().manual_seed(5)) for _ in range(2))
    assert first.shape == shape and torch.equal(first, second)
    assert sample(logits.bfloat16(), top_k=1).shape == shape


def test_top_predictions_are_sorted_and_named():
    class Letters:
        def decode(self, ids):
            return "".join("abc"[i] for i in ids)

    logits = torch.tensor([0.1, 0.6, 0.3]).log()
    found = top_predictions(logits, 2)
    assert [i for i, _ in found] == [1, 2]
    assert [p for _, p in found] == pytest.approx([0.6, 0.3])
    assert [name for name, _ in top_predictions(logits, 9, Letters())] == ["b", "c", "a"]
