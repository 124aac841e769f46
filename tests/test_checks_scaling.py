"""Each catalogued bug gets its name and no other; right solutions pass however they are written."""

import numpy as np
import pytest
from planted import assert_named_alone, named, planted

from llm import ModelConfig, checks, parameters
from llm import forward_flops as flops_of
from llm import kv_cache_bytes as cache_of
from llm.checks import CheckFailed
from llm.checks import scaling_bugs as known
from llm.config import GPT_STYLE
from llm.scaling import fit_power_law

SEEDS = range(20)
CATALOGUES = {
    checks.check_n_params: known.N_PARAMS_BUGS,
    checks.check_forward_flops: known.FORWARD_FLOPS_BUGS,
    checks.check_kv_cache_bytes: known.KV_CACHE_BUGS,
    checks.check_power_law: known.POWER_LAW_BUGS,
}
PLANTED = planted(CATALOGUES)


@pytest.mark.parametrize("check, sentence, bug", PLANTED, ids=[s[:40] for _, s, _ in PLANTED])
def test_each_bug_gets_its_name_and_no_other(check, sentence, bug):
    assert_named_alone(check, CATALOGUES[check], sentence, SEEDS)


def test_the_catalogue_is_large():
    assert len(PLANTED) >= 35
    assert all(len(sentence) < 100 and sentence.endswith(".") for _, sentence, _ in PLANTED)


def gpt(vocab_size, max_seq_len, d_model, n_layers):
    sizes = {"vocab_size": vocab_size, "max_seq_len": max_seq_len}
    return ModelConfig(**GPT_STYLE | sizes, d_model=d_model, n_layers=n_layers, n_heads=1)


def params_by_terms(vocab_size, max_seq_len, d_model, n_layers):
    return sum(parameters(gpt(vocab_size, max_seq_len, d_model, n_layers)).values())


def flops_by_terms(vocab_size, d_model, n_layers, T):
    return sum(flops_of(gpt(vocab_size, T, d_model, n_layers), T).values())


def cache_by_config(n_layers, n_heads, n_kv_heads, head_dim, n_tokens, bytes_per_value):
    fields = {"n_layers": n_layers, "n_heads": n_kv_heads, "head_dim": head_dim}
    return cache_of(ModelConfig(5, **fields), n_tokens, bytes_per_value)


def law_by_numpy(sizes, losses, floor):
    slope, height = np.polyfit(np.log(sizes), np.log(np.array(losses) - floor), 1)
    return np.exp(height), -slope


def law_of_the_book(sizes, losses, floor):
    law = fit_power_law(sizes, losses, floor)
    return law.scale, law.exponent


SOLUTIONS = [
    (checks.check_n_params, params_by_terms),
    (checks.check_n_params, lambda V, T, C, L: gpt(V, T, C, L).n_params()),
    (checks.check_forward_flops, flops_by_terms),
    (checks.check_forward_flops, known.forward_flops),
    (checks.check_kv_cache_bytes, cache_by_config),
    (checks.check_kv_cache_bytes, lambda L, H, G, D, T, b: b * T * L * (G * D + G * D)),
    (checks.check_power_law, law_by_numpy),
    (checks.check_power_law, law_of_the_book),
]


@pytest.mark.parametrize("check, solution", SOLUTIONS)
def test_right_solutions_pass(check, solution):
    for seed in SEEDS:
        assert check(solution, seed=seed).cases == 3
    name = check.__name__.removeprefix("check_")
    assert repr(check(solution)) == f"✓ {name} is correct in all 3 cases"


def test_a_bug_as_a_learner_writes_it():
    def matrices_only(vocab_size, max_seq_len, d_model, n_layers):
        return vocab_size * d_model + max_seq_len * d_model + 12 * n_layers * d_model**2

    for seed in SEEDS:
        with pytest.raises(CheckFailed, match="only the matrices are counted"):
            checks.check_n_params(matrices_only, seed=seed)


FOREIGN = [
    (checks.check_n_params, lambda V, T, C, L: V + T + C + L, r"should be \d+, yours is \d+"),
    (checks.check_forward_flops, lambda V, C, L, T: V * C * L * T, r"should be \d+, yours is \d+"),
    (checks.check_kv_cache_bytes, lambda *a: 7.5, "of type float instead of int"),
    (checks.check_power_law, lambda s, x, f: (1.0, 2.0), r"yours is tensor\(\[1\., 2\.\]"),
    (checks.check_power_law, lambda s, x, f: 3.5, "of type float instead of Tensor"),
]


@pytest.mark.parametrize("check, wrong, says", FOREIGN)
def test_a_wrong_answer_outside_the_catalogue_is_refused(check, wrong, says):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match=says) as caught:
            check(wrong, seed=seed)
        assert not named(CATALOGUES[check], str(caught.value))


def test_what_is_no_answer_is_told():
    with pytest.raises(CheckFailed, match="is the return missing"):
        checks.check_n_params(lambda V, T, C, L: None)
    with pytest.raises(CheckFailed, match="pass the function itself"):
        checks.check_power_law(3)
    with pytest.raises(CheckFailed, match="raises TypeError"):
        checks.check_forward_flops(lambda x: x)
