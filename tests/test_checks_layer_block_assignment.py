"""The checks of *Build a block*: bugs get their names, and choices are told apart."""

import pytest
import torch
from planted import assert_named_alone
from torch import nn
from torch.nn import functional as F

from llm import checks
from llm.checks import CheckFailed, layer_block_bugs
from llm.checks import layer_block_assignment_bugs as known
from llm.checks.layer_block_assignment import random_block

SEEDS = range(3)
CATALOGUES = [
    (checks.check_half_rms_norm, {}, layer_block_bugs.RMS_NORM_BUGS),
    (checks.check_half_layer_norm, {}, layer_block_bugs.LAYER_NORM_BUGS),
    (checks.check_standardize, {}, known.STANDARDIZE_BUGS),
    (checks.check_gelu_network, {}, known.GELU_NETWORK_BUGS),
    (checks.check_dropout, {}, known.DROPOUT_BUGS),
    (checks.check_dropout, {"keep": True}, known.KEEP_BUGS),
    (checks.check_steady_forward, {}, known.STEADY_BUGS),
    (checks.check_branch, {}, known.BRANCH_BUGS),
    (checks.check_block_params, {}, known.BLOCK_PARAMS_BUGS),
    (checks.check_block_params, {"gpt": True}, known.GPT_BLOCK_PARAMS_BUGS),
    (checks.check_run_block, {}, known.RUN_BLOCK_BUGS),
    (checks.check_run_block, {"gpt": True}, known.RUN_BLOCK_BUGS),
]
PLANTED = [
    (check, options, bugs, sentence) for check, options, bugs in CATALOGUES for sentence in bugs
]


@pytest.mark.parametrize("check, options, bugs, sentence", PLANTED)
def test_each_bug_gets_its_name_and_no_other(check, options, bugs, sentence):
    said = assert_named_alone(check, bugs, sentence, SEEDS, **options)
    assert len(sentence) < 100 and sentence.endswith(".")
    assert not any("yours raises" in text for text in said)  # else it would name others' errors


# Solutions as a student may write them, apart from the references of the checks


def rms_norm(x, weight, eps):
    return F.rms_norm(x.float(), weight.shape, weight.float(), eps).type_as(x)


def layer_norm(x, weight, bias, eps):
    return F.layer_norm(x.float(), weight.shape, weight.float(), bias.float(), eps).to(x.dtype)


def feed_forward(x, up_proj, down_proj):
    return down_proj(F.gelu(up_proj(x), approximate="tanh"))


def steady_forward(module, x):
    return x + F.dropout(module.sublayer(module.norm(x)), module.p, module.training)


def unnormed_forward(module, x):
    return x + F.dropout(module.sublayer(x), module.p, module.training)


def branch(x, norm, sublayer, place):
    if place == "post":
        return norm(x + sublayer(x))
    return x + sublayer(norm(x))


def params_of_a_block(gpt):
    def block_params(C, F):
        block = random_block(C, torch.Generator(), gpt)
        up = {True: F + 2 * C * F, False: 3 * C * F}[gpt] + C * gpt
        return sum(p.numel() for n, p in block.named_parameters() if "ffn." not in n) + up

    return block_params


def run_block(x, block):
    def norm(part, x):
        bias = getattr(part, "bias", None)
        if bias is None:
            return rms_norm(x, part.weight, part.eps)
        return layer_norm(x, part.weight, bias, part.eps)

    x = x + block.attention(norm(block.attention_norm, x))
    y, ffn = norm(block.ffn_norm, x), block.ffn
    if hasattr(ffn, "gate_proj"):
        return x + ffn.down_proj(F.silu(ffn.gate_proj(y)) * ffn.up_proj(y))
    return x + feed_forward(y, ffn.up_proj, ffn.down_proj)


SOLUTIONS = [
    (checks.check_half_rms_norm, {}, rms_norm),
    (checks.check_half_layer_norm, {}, layer_norm),
    (checks.check_standardize, {}, lambda x, eps: F.layer_norm(x, x.shape[-1:], eps=eps)),
    (checks.check_gelu_network, {}, feed_forward),
    (checks.check_dropout, {}, F.dropout),
    (checks.check_dropout, {}, lambda x, p, training: nn.Dropout(p).train(training)(x)),
    (checks.check_dropout, {"keep": True}, lambda x, p, training: F.dropout(x, 1 - p, training)),
    (checks.check_steady_forward, {}, steady_forward),
    (checks.check_branch, {}, branch),
    (checks.check_block_params, {}, params_of_a_block(gpt=False)),
    (checks.check_block_params, {"gpt": True}, params_of_a_block(gpt=True)),
    (checks.check_run_block, {}, run_block),
    (checks.check_run_block, {"gpt": True}, run_block),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("check, options, solution", SOLUTIONS)
def test_right_solutions_pass(check, options, solution):
    for seed in range(10):
        assert "is correct in all" in repr(check(solution, seed=seed, **options))


@pytest.mark.parametrize(
    "check, solution, message",
    [
        (checks.check_half_rms_norm, layer_block_bugs.rms_norm, "a square above 65,504 is inf"),
        (checks.check_half_layer_norm, layer_block_bugs.layer_norm, "a square above 65,504 is inf"),
        (
            checks.check_half_rms_norm,
            lambda x, weight, eps: layer_block_bugs.rms_norm(x.float(), weight, eps),
            "the result in torch.float32",
        ),
        (checks.check_dropout, lambda x, p, training: x[0], "not a tensor of the shape of x"),
        (checks.check_steady_forward, lambda module, x: x[0], "not like x"),
        (checks.check_run_block, lambda x, block: block(x), "is the book's"),
        (checks.check_steady_forward, unnormed_forward, "the norm is missing"),
    ],
)
def test_other_mistakes_are_shown(check, solution, message):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match=message):
            check(solution, seed=seed)


def not_written(*arguments):
    raise NotImplementedError


@pytest.mark.parametrize("check, options", [case[:2] for case in CATALOGUES])
def test_what_is_not_written_is_told_so(check, options):
    with pytest.raises(CheckFailed, match="not written yet"):
        check(not_written, **options)
    with pytest.raises(CheckFailed, match="is the return missing"):
        check(lambda *arguments: None, **options)
    with pytest.raises(CheckFailed, match="pass the function itself"):
        check(None, **options)


def test_replacing_torchs_functions_fools_nothing(monkeypatch):
    for name in ("allclose", "isclose", "equal"):
        monkeypatch.setattr(torch, name, lambda *_, **__: True)
    for name in ("sqrt", "tanh", "mean", "sigmoid"):
        monkeypatch.setattr(torch, name, lambda x, *_, **__: x * 0)
    for check, options, bugs in CATALOGUES:
        with pytest.raises(CheckFailed):
            check(list(bugs.values())[-1], **options)
    with pytest.raises(CheckFailed, match="65,504"):
        checks.check_half_rms_norm(layer_block_bugs.rms_norm)


@pytest.mark.parametrize(
    "given, message",
    [
        (None, "not answered yet"),
        (1000, "through a norm"),
        (0, "is not gone"),
        (0.001, "is not gone"),
        (31.62, "not by its root"),
        (10**6, "Queries and keys"),
        (2, "is not it"),
        ("none", "give a plain number"),
    ],
)
def test_a_wrong_factor_hears_why(given, message):
    with pytest.raises(CheckFailed, match=message):
        checks.check_factor(given)


def test_the_right_factor_passes():
    assert repr(checks.check_factor(1)) == repr(checks.check_factor(1.0)) == "✓ factor is right"
