"""Each catalogued bug gets its name and no other; right solutions pass however they are written."""

import pytest
import torch
from planted import assert_named_alone, named, planted
from torch.nn import functional as F

from llm import checks
from llm.checks import CheckFailed
from llm.checks import architectures_bugs as known

SEEDS = range(20)
CATALOGUES = {
    checks.check_hide: known.HIDE_BUGS,
    checks.check_cross_attention: known.CROSS_ATTENTION_BUGS,
    checks.check_prefix_mask: known.PREFIX_MASK_BUGS,
}
PLANTED = planted(CATALOGUES)


@pytest.mark.parametrize("check, sentence, bug", PLANTED, ids=[s[:40] for _, s, _ in PLANTED])
def test_each_bug_gets_its_name_and_no_other(check, sentence, bug):
    assert_named_alone(check, CATALOGUES[check], sentence, SEEDS)


def test_the_catalogue_is_large():
    assert len(PLANTED) >= 30
    assert all(len(sentence) < 100 and sentence.endswith(".") for _, sentence, _ in PLANTED)


# Solutions as a learner may write them, apart from the references of the checks


def hide_word_by_word(token_ids, chosen, fate, strangers, mask_id):
    inputs, targets = token_ids.clone(), torch.full_like(token_ids, -100)
    for b, t in chosen.nonzero().tolist():
        targets[b, t] = token_ids[b, t]
        if fate[b, t] < 0.8:
            inputs[b, t] = mask_id
        elif fate[b, t] < 0.9:
            inputs[b, t] = strangers[b, t]
    return inputs, targets


def cross_attention_fused(x, context, q_proj, k_proj, v_proj, out_proj):
    q, k, v = q_proj(x), k_proj(context), v_proj(context)
    return out_proj(F.scaled_dot_product_attention(q, k, v))


def prefix_mask_in_parts(S, T):
    mask = torch.zeros(S + T, S + T, dtype=torch.bool)
    mask[:S, :S] = True
    mask[S:, :S] = True
    for t in range(T):
        mask[S + t, S : S + t + 1] = True
    return mask


SOLUTIONS = [
    (checks.check_hide, known.hide),
    (checks.check_hide, hide_word_by_word),
    (checks.check_cross_attention, known.cross_attention),
    (checks.check_cross_attention, cross_attention_fused),
    (checks.check_prefix_mask, known.prefix_mask),
    (checks.check_prefix_mask, prefix_mask_in_parts),
]


@pytest.mark.parametrize("check, solution", SOLUTIONS)
def test_right_solutions_pass(check, solution):
    for seed in SEEDS:
        assert check(solution, seed=seed).cases == 3
    name = check.__name__.removeprefix("check_")
    assert repr(check(solution)) == f"✓ {name} is correct in all 3 cases"


# Bugs written as learners write them


def hide_all(token_ids, chosen, fate, strangers, mask_id):
    inputs = token_ids.masked_fill(chosen, mask_id)
    return inputs, token_ids.masked_fill(~chosen, -100)


def cross_of_x(x, context, q_proj, k_proj, v_proj, out_proj):
    return cross_attention_fused(x, x, q_proj, k_proj, v_proj, out_proj)


def plain_triangle(S, T):
    return torch.ones(S + T, S + T).tril().bool()


LEARNERS = [
    (checks.check_hide, hide_all, "every chosen token is masked"),
    (checks.check_cross_attention, cross_of_x, "this is self-attention of x"),
    (checks.check_prefix_mask, plain_triangle, "the prefix does not see ahead"),
]


@pytest.mark.parametrize("check, wrong, says", LEARNERS)
def test_learners_bugs_are_named(check, wrong, says):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match=says):
            check(wrong, seed=seed)


FOREIGN = [
    (checks.check_hide, lambda ids, chosen, fate, strangers, mask: (ids + 1, ids)),
    (checks.check_cross_attention, lambda x, c, q, k, v, o: x * 0.5),
    (checks.check_prefix_mask, lambda S, T: torch.eye(S + T).bool()),
]


@pytest.mark.parametrize("check, wrong", FOREIGN)
def test_a_wrong_answer_outside_the_catalogue_is_refused(check, wrong):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match="should be a tensor") as caught:
            check(wrong, seed=seed)
        assert not named(CATALOGUES[check], str(caught.value))
        assert "in place of" in str(caught.value)


def test_shapes_and_the_first_wrong_number_are_told():
    with pytest.raises(CheckFailed, match=r"x \(\d, 4, 7\), context \(\d, \d, 7\), q_proj, k_proj"):
        checks.check_cross_attention(lambda x, context, q, k, v, out: x)
    with pytest.raises(CheckFailed, match=r"yours is a tensor \(\d, \d, 7\) of torch.float32"):
        checks.check_cross_attention(lambda x, context, q, k, v, out: context)
    with pytest.raises(CheckFailed, match=r"at \[0, 0, \d\] in place of"):
        checks.check_hide(lambda ids, chosen, fate, strangers, mask_id: (ids, ids))
    with pytest.raises(CheckFailed, match="torch.float32"):
        checks.check_prefix_mask(lambda S, T: known.prefix_mask(S, T).float())


def test_what_is_no_answer_is_told():
    with pytest.raises(CheckFailed, match="not a tensor"):
        checks.check_hide(lambda *arguments: 3.5)
    with pytest.raises(CheckFailed, match="is the return missing"):
        checks.check_prefix_mask(lambda S, T: None)
    with pytest.raises(CheckFailed, match="pass the function itself"):
        checks.check_hide(torch.zeros(3))
    with pytest.raises(CheckFailed, match="raises TypeError"):
        checks.check_cross_attention(lambda x: x)


def test_the_argument_must_stay_as_it_is():
    def in_place(token_ids, chosen, fate, strangers, mask_id):
        inputs, targets = known.hide(token_ids, chosen, fate, strangers, mask_id)
        token_ids[chosen] = mask_id
        return inputs, targets

    with pytest.raises(CheckFailed, match="a change of"):
        checks.check_hide(in_place)


def test_patched_tools_fool_nothing(monkeypatch):
    monkeypatch.setattr(torch, "allclose", lambda *args, **settings: True)
    monkeypatch.setattr(torch.Tensor, "__eq__", lambda self, other: True)
    with pytest.raises(CheckFailed):
        checks.check_prefix_mask(plain_triangle)
