"""Each catalogued bug gets its name and no other; right solutions pass however they are written."""

import pytest
import torch
from planted import assert_named_alone, planted

from llm import causal_mask, checks, speculative
from llm.checks import CheckFailed
from llm.checks import generation_bugs as known

SEEDS = range(20)
CATALOGUES = {
    checks.check_write: known.WRITE_BUGS,
    checks.check_cached_mask: known.CACHED_MASK_BUGS,
    checks.check_rest: known.REST_BUGS,
}
PLANTED = planted(CATALOGUES)


@pytest.mark.parametrize("check, sentence, bug", PLANTED, ids=[s[:40] for _, s, _ in PLANTED])
def test_each_bug_gets_its_name_and_no_other(check, sentence, bug):
    assert_named_alone(check, CATALOGUES[check], sentence, SEEDS)


def test_the_catalogue_is_large():
    assert len(PLANTED) >= 30
    assert all(len(sentence) < 100 and sentence.endswith(".") for _, sentence, _ in PLANTED)


# Solutions as a learner may write them, apart from the references of the checks


def write_by_torch(next_logits, ids, n, limit, stop):
    new = []
    while len(new) < n and stop not in new:
        window = (ids + new)[-limit:]
        new.append(int(torch.tensor(next_logits(window), dtype=torch.float64).argmax()))
    return ids + new


def mask_by_tril(n_new, n_past):
    return torch.ones(n_new, n_past + n_new, dtype=torch.bool).tril(diagonal=n_past)


def mask_of_the_book(n_new, n_past):
    return causal_mask(n_new, n_past + n_new)


def rest_row_by_row(p, q):
    if p.dim() > 1:
        return torch.stack([rest_row_by_row(a, b) for a, b in zip(p, q, strict=True)])
    above = torch.relu(p - q)
    return p.clone() if torch.equal(p, q) else above / above.sum()


SOLUTIONS = [
    (checks.check_write, known.write),
    (checks.check_write, write_by_torch),
    (checks.check_cached_mask, mask_by_tril),
    (checks.check_cached_mask, mask_of_the_book),
    (checks.check_rest, speculative.rest),
    (checks.check_rest, rest_row_by_row),
]


@pytest.mark.parametrize("check, solution", SOLUTIONS)
def test_right_solutions_pass(check, solution):
    for seed in SEEDS:
        assert check(solution, seed=seed).cases >= 3
    assert repr(check(solution)).startswith(f"✓ {check.__name__.removeprefix('check_')} is correct")


FOREIGN = [
    (checks.check_write, lambda next_logits, ids, n, limit, stop: [*ids, 0, 0]),
    (checks.check_cached_mask, lambda n_new, n_past: torch.zeros(n_new, n_past + n_new).bool()),
    (checks.check_rest, lambda p, q: p.square()),
]


@pytest.mark.parametrize("check, wrong", FOREIGN)
def test_a_wrong_answer_outside_the_catalogue_is_refused(check, wrong):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match="should be") as caught:
            check(wrong, seed=seed)
        assert not [s for s in CATALOGUES[check] if s in str(caught.value)]


def test_the_first_wrong_entry_and_the_shape_are_told():
    with pytest.raises(CheckFailed, match=r"yours is .* at \[0\] in place of .* \(7,\)"):
        checks.check_rest(lambda p, q: p + 1)
    with pytest.raises(CheckFailed, match=r"a tensor \(7,\) of torch.float32"):
        checks.check_rest(lambda p, q: torch.zeros(7))
    with pytest.raises(CheckFailed, match="not a tensor"):
        checks.check_cached_mask(lambda n_new, n_past: [[True]])
    with pytest.raises(CheckFailed, match="is the return missing"):
        checks.check_write(lambda next_logits, ids, n, limit, stop: None)
    with pytest.raises(CheckFailed, match="changes its argument number 2"):
        checks.check_write(lambda next_logits, ids, n, limit, stop: ids.append(1) or ids)
    with pytest.raises(CheckFailed, match="pass the function itself"):
        checks.check_rest(3)
