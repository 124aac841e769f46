"""Each catalogued bug gets its name and no other; right solutions pass however they are written."""

import pytest
import torch
from planted import assert_named_alone, named, planted
from torch.nn import functional as F

from llm import checks
from llm.checks import CheckFailed
from llm.checks import layer_block_bugs as known

SEEDS = range(20)
CATALOGUES = {
    checks.check_layer_norm: known.LAYER_NORM_BUGS,
    checks.check_rms_norm: known.RMS_NORM_BUGS,
    checks.check_feed_forward: known.FEED_FORWARD_BUGS,
    checks.check_block: known.BLOCK_BUGS,
}
PLANTED = planted(CATALOGUES)


@pytest.mark.parametrize("check, sentence, bug", PLANTED, ids=[s[:40] for _, s, _ in PLANTED])
def test_each_bug_gets_its_name_and_no_other(check, sentence, bug):
    assert_named_alone(check, CATALOGUES[check], sentence, SEEDS)


def test_the_catalogue_is_large():
    assert len(PLANTED) >= 60
    assert all(len(sentence) < 100 and sentence.endswith(".") for _, sentence, _ in PLANTED)


# Solutions as a learner may write them, apart from the references of the checks


def layer_norm_by_var(x, weight, bias, eps):
    variance, mean = torch.var_mean(x, dim=2, unbiased=False, keepdim=True)
    return torch.addcmul(bias, (x - mean) * torch.rsqrt(variance + eps), weight)


def layer_norm_row_by_row(x, weight, bias, eps):
    y = torch.empty_like(x)
    for b in range(x.shape[0]):
        for t in range(x.shape[1]):
            row = x[b, t] - x[b, t].sum() / len(x[b, t])
            y[b, t] = row / ((row @ row) / len(row) + eps) ** 0.5 * weight + bias
    return y


def rms_norm_by_length(x, weight, eps):
    squares = torch.linalg.vector_norm(x, dim=-1, keepdim=True) ** 2 / x.shape[-1]
    return weight * x * (squares + eps).rsqrt()


def feed_forward_of_modules(x, gate_proj, up_proj, down_proj):
    gate = gate_proj(x)
    return down_proj(up_proj(x) * gate * torch.sigmoid(gate))


def block_with_names(x, attention_norm, attention, ffn_norm, ffn):
    middle = attention(attention_norm(x)) + x
    return ffn(ffn_norm(middle)) + middle


SOLUTIONS = [
    (checks.check_layer_norm, lambda x, w, b, eps: F.layer_norm(x, w.shape, w, b, eps)),
    (checks.check_layer_norm, layer_norm_by_var),
    (checks.check_layer_norm, layer_norm_row_by_row),
    (checks.check_rms_norm, lambda x, w, eps: F.rms_norm(x, w.shape, w, eps)),
    (checks.check_rms_norm, rms_norm_by_length),
    (checks.check_feed_forward, known.feed_forward),
    (checks.check_feed_forward, feed_forward_of_modules),
    (checks.check_block, known.block),
    (checks.check_block, block_with_names),
]


@pytest.mark.parametrize("check, solution", SOLUTIONS)
def test_right_solutions_pass(check, solution):
    for seed in SEEDS:
        assert check(solution, seed=seed).cases == 3
    name = check.__name__.removeprefix("check_")
    assert repr(check(solution)) == f"✓ {name} is correct in all 3 cases"


def test_the_references_are_pytorch_s():
    x, weight, bias = torch.randn(2, 3, 8) + 1, torch.randn(8), torch.randn(8)
    torch.testing.assert_close(
        known.layer_norm(x, weight, bias, 0.1), F.layer_norm(x, (8,), weight, bias, 0.1)
    )
    torch.testing.assert_close(known.rms_norm(x, weight, 0.1), F.rms_norm(x, (8,), weight, 0.1))


# Bugs written as learners write them


def std_plus_eps(x, weight, bias, eps):
    return weight * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + eps) + bias


def var_of_torch(x, weight, bias, eps):
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + eps) * weight + bias


def rms_with_a_mean(x, weight, eps):
    x = x - x.mean(dim=-1, keepdim=True)
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def silu_on_up(x, gate_proj, up_proj, down_proj):
    return down_proj(F.silu(up_proj(x)) * gate_proj(x))


def block_that_forgets_the_middle(x, attention_norm, attention, ffn_norm, ffn):
    h = x + attention(attention_norm(x))
    return x + ffn(ffn_norm(h))


def block_that_norms_the_stream(x, attention_norm, attention, ffn_norm, ffn):
    x = attention_norm(x)
    x = x + attention(x)
    x = ffn_norm(x)
    return x + ffn(x)


LEARNERS = [
    (checks.check_layer_norm, std_plus_eps, "torch's std divides by C - 1"),
    (checks.check_layer_norm, var_of_torch, "use unbiased=False"),
    (checks.check_rms_norm, rms_with_a_mean, "the mean is subtracted"),
    (checks.check_feed_forward, silu_on_up, "gate and up are swapped"),
    (checks.check_block, block_that_forgets_the_middle, "what attention found is lost"),
    (checks.check_block, block_that_norms_the_stream, "both residuals start from the normed x"),
]


@pytest.mark.parametrize("check, wrong, says", LEARNERS)
def test_learners_bugs_are_named(check, wrong, says):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match=says):
            check(wrong, seed=seed)


FOREIGN = [
    (checks.check_layer_norm, lambda x, w, b, eps: x * 0.5),
    (checks.check_rms_norm, lambda x, w, eps: x.tanh() * w),
    (checks.check_feed_forward, lambda x, gate, up, down: down(gate(x) ** 2)),
    (checks.check_block, lambda x, n1, attention, n2, ffn: x + 0.5 * attention(n1(x))),
]


@pytest.mark.parametrize("check, wrong", FOREIGN)
def test_a_wrong_answer_outside_the_catalogue_is_refused(check, wrong):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match="should be a tensor") as caught:
            check(wrong, seed=seed)
        assert not named(CATALOGUES[check], str(caught.value))


def test_shapes_and_the_first_wrong_number_are_told():
    with pytest.raises(CheckFailed, match=r"x \(\d, \d, \d\), weight \(\d,\), eps=0\.\d\d\)"):
        checks.check_rms_norm(lambda x, weight, eps: x)
    with pytest.raises(CheckFailed, match=r"yours is -?\d\.\d+ at \[0, 0, 0\] in place of"):
        checks.check_rms_norm(lambda x, weight, eps: x)
    with pytest.raises(CheckFailed, match=r"yours is a tensor \(\d, \d\) of torch.float32"):
        checks.check_rms_norm(lambda x, weight, eps: x[0])
    with pytest.raises(CheckFailed, match="torch.float64"):
        checks.check_rms_norm(lambda x, weight, eps: known.rms_norm(x, weight, eps).double())
    with pytest.raises(CheckFailed, match="not a tensor"):
        checks.check_rms_norm(lambda x, weight, eps: 3.5)


def test_what_is_no_answer_is_told():
    with pytest.raises(CheckFailed, match="is the return missing"):
        checks.check_rms_norm(lambda x, weight, eps: None)
    with pytest.raises(CheckFailed, match="pass the function itself"):
        checks.check_layer_norm(torch.zeros(3))
    with pytest.raises(CheckFailed, match="raises TypeError"):
        checks.check_block(lambda x: x)


def test_patched_tools_fool_nothing(monkeypatch):
    monkeypatch.setattr(torch, "allclose", lambda *args, **settings: True)
    monkeypatch.setattr(torch.Tensor, "__eq__", lambda self, other: True)
    with pytest.raises(CheckFailed):
        checks.check_layer_norm(lambda x, weight, bias, eps: x)


def test_the_argument_must_stay_as_it_is():
    def in_place(x, attention_norm, attention, ffn_norm, ffn):
        x += attention(attention_norm(x))
        x += ffn(ffn_norm(x))
        return x

    with pytest.raises(CheckFailed, match="a change of x itself"):
        checks.check_block(in_place)
