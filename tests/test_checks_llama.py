"""Each catalogued bug gets its name and no other; right solutions pass however they are written."""

import pytest
import torch
from planted import assert_named_alone, named, planted

from llm import ModelConfig, checks
from llm.checks import CheckFailed
from llm.checks import llama_bugs as known
from llm.llama import MixtureOfExperts, rope_order

SEEDS = range(20)
CATALOGUES = {
    checks.check_share_heads: known.SHARE_HEADS_BUGS,
    checks.check_to_half: known.TO_HALF_BUGS,
    checks.check_count_params: known.COUNT_PARAMS_BUGS,
    checks.check_mix: known.MIX_BUGS,
}
PLANTED = planted(CATALOGUES)


@pytest.mark.parametrize("check, sentence, bug", PLANTED, ids=[s[:40] for _, s, _ in PLANTED])
def test_each_bug_gets_its_name_and_no_other(check, sentence, bug):
    assert_named_alone(check, CATALOGUES[check], sentence, SEEDS)


def test_the_catalogue_is_large():
    assert len(PLANTED) >= 39
    assert all(len(sentence) < 100 and sentence.endswith(".") for _, sentence, _ in PLANTED)


# Solutions as a learner may write them, apart from the references of the checks


def share_by_index(k, n_heads):
    return k[:, torch.arange(n_heads) * k.shape[1] // n_heads]


def share_by_expand(k, n_heads):
    B, H, S, D = k.shape
    return k[:, :, None].expand(B, H, n_heads // H, S, D).reshape(B, n_heads, S, D)


def half_by_index(weight, n_heads):
    D = len(weight) // n_heads
    rows = [h * D + i for h in range(n_heads) for i in [*range(0, D, 2), *range(1, D, 2)]]
    return weight[rows]


def half_by_view(weight, n_heads):
    return weight.view(n_heads, -1, 2, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


def half_by_the_book(weight, n_heads):
    order = rope_order(len(weight) // n_heads, "half")
    return weight.unflatten(0, (n_heads, -1))[:, order].flatten(0, 1)


def count_by_the_book(config):
    fields = {"position": "rope", "norm": "rmsnorm", "ffn": "swiglu", "bias": False}
    return ModelConfig.from_names(**config, **fields).n_params()


def mix_by_scatter(scores, top_k):
    best, chosen = scores.topk(top_k)
    return torch.zeros_like(scores).scatter(1, chosen, best.softmax(1))


def mix_by_renormalizing(scores, top_k):
    p = scores.softmax(-1)
    p = p * (p >= p.topk(top_k).values[:, -1:])
    return p / p.sum(-1, keepdim=True)


SOLUTIONS = [
    (checks.check_share_heads, known.share_heads),
    (checks.check_share_heads, share_by_index),
    (checks.check_share_heads, share_by_expand),
    (checks.check_to_half, known.to_half),
    (checks.check_to_half, half_by_index),
    (checks.check_to_half, half_by_view),
    (checks.check_to_half, half_by_the_book),
    (checks.check_count_params, known.count_params),
    (checks.check_count_params, count_by_the_book),
    (checks.check_mix, known.mix),
    (checks.check_mix, mix_by_scatter),
    (checks.check_mix, mix_by_renormalizing),
]


@pytest.mark.parametrize("check, solution", SOLUTIONS)
def test_right_solutions_pass(check, solution):
    for seed in SEEDS:
        assert check(solution, seed=seed).cases == 3
    name = check.__name__.removeprefix("check_")
    assert repr(check(solution)) == f"✓ {name} is correct in all 3 cases"


def test_the_reference_of_mix_is_that_of_the_layer():
    torch.manual_seed(0)
    layer, x = MixtureOfExperts(8, 12, 5, 2), torch.randn(6, 8)
    shares, chosen = layer.route(x)
    dense = torch.zeros(6, 5).scatter(1, chosen, shares)
    torch.testing.assert_close(known.mix(layer.router(x), 2), dense)


FOREIGN = [
    (checks.check_share_heads, lambda k, n: 0.5 * known.share_heads(k, n)),
    (checks.check_to_half, lambda weight, n: weight.tanh()),
    (checks.check_mix, lambda scores, k: 0.5 * known.mix(scores, k)),
]


@pytest.mark.parametrize("check, wrong", FOREIGN)
def test_a_wrong_answer_outside_the_catalogue_is_refused(check, wrong):
    for seed in SEEDS:
        with pytest.raises(
            CheckFailed, match=r"should be a tensor \(.* at \[0, .*in place of"
        ) as e:
            check(wrong, seed=seed)
        assert not named(CATALOGUES[check], str(e.value))


def test_a_wrong_count_is_refused_with_both_counts():
    with pytest.raises(CheckFailed, match=r"should be \d+, yours is 7") as caught:
        checks.check_count_params(lambda config: 7)
    assert not named(CATALOGUES[checks.check_count_params], str(caught.value))
    with pytest.raises(CheckFailed, match="raises KeyError: 'num_key_value_heads'"):
        checks.check_count_params(lambda config: config["num_key_value_heads"])


def test_shapes_and_sizes_are_told():
    with pytest.raises(CheckFailed, match=r"k \(\d, \d, \d, \d\), n_heads=\d\)"):
        checks.check_share_heads(lambda k, n_heads: k)
    with pytest.raises(CheckFailed, match=r"yours is a tensor \(\d+,\) of torch.float32"):
        checks.check_to_half(lambda weight, n_heads: weight[:, 0])
    with pytest.raises(CheckFailed, match="is the return missing"):
        checks.check_mix(lambda scores, top_k: None)
