"""Each catalogued bug gets its name and no other; right solutions pass however they are written."""

from collections import defaultdict
from functools import partial
from itertools import accumulate
from math import exp, log, log2

import pytest
import torch
from planted import assert_named_alone, planted

from llm import checks
from llm.checks import CheckFailed
from llm.checks import overview_bugs as known

SEEDS = range(20)
begin = partial(checks.check_count_chances, begin=True)
mark = partial(checks.check_to_ids, unknown="mark")
bits = partial(checks.check_mean_surprise, unit="bits")
CATALOGUES = {
    checks.check_count_chances: known.COUNT_BUGS,
    begin: known.BEGIN_BUGS,
    checks.check_to_ids: known.IDS_BUGS,
    mark: known.MARK_BUGS,
    checks.check_run_parts: known.RUN_BUGS,
    checks.check_newest_chances: known.NEWEST_BUGS,
    checks.check_choose: known.CHOOSE_BUGS,
    checks.check_continue_text: known.CONTINUE_BUGS,
    checks.check_changed_rows: known.CHANGED_BUGS,
    checks.check_mean_surprise: known.NATS_BUGS,
    bits: known.BITS_BUGS,
}
PLANTED = planted(CATALOGUES)


@pytest.mark.parametrize("check, sentence, bug", PLANTED, ids=[s[:40] for _, s, _ in PLANTED])
def test_each_bug_gets_its_name_and_no_other(check, sentence, bug):
    assert_named_alone(check, CATALOGUES[check], sentence, SEEDS)


def test_the_catalogue_is_large():
    assert len(PLANTED) >= 90
    assert all(len(sentence) < 100 and sentence.endswith(".") for _, sentence, _ in PLANTED)


# Solutions as a learner may write them, apart from the references of the checks


def chances_by_zip(texts, n):
    follow = defaultdict(list)
    for text in texts:
        for *before, word in zip(*[text[i:] for i in range(n + 1)], strict=False):
            follow[tuple(before)].append(word)
    return {
        before: {word: found.count(word) / len(found) for word in set(found)}
        for before, found in follow.items()
    }


def chances_from_begin(texts, n):
    return chances_by_zip([["<begin>"] * n + text for text in texts], n)


def ids_or_error(words, vocabulary):
    places = {word: place for place, word in enumerate(vocabulary)}
    unknown = set(words) - set(places)
    if unknown:
        raise ValueError(f"unknown: {unknown}")
    return [places[word] for word in words]


def ids_or_mark(words, vocabulary):
    places = {word: place for place, word in enumerate(vocabulary)}
    return [places.get(word, places["<unk>"]) for word in words]


def run_by_blocks(model, ids):
    x = model.embeddings.token(ids) + model.embeddings.position.weight[: ids.shape[1]]
    for block in model.blocks:
        x = block(x)
    return model.lm_head(model.final_norm(x))


def newest_by_hand(logits):
    scores = logits[:, -1] - logits[:, -1].amax(-1, keepdim=True)
    return scores.exp() / scores.exp().sum(-1, keepdim=True)


def choose_by_bisecting(chances, die):
    return min(sum(total <= die for total in accumulate(chances)), len(chances) - 1)


def continue_by_loop(chances_after, ids, dice):
    text = ids.copy()
    for die in dice:
        text.append(choose_by_bisecting(chances_after(text.copy()), die))
    return text


def rows_by_tensors(model, ids, place, token):
    other = ids.copy()
    other[place] = token
    old, new = (torch.tensor(model(x), dtype=torch.float64) for x in (ids, other))
    return ((old - new).abs() > 1e-6).any(1).nonzero()[:, 0].tolist()


SOLUTIONS = [
    (checks.check_count_chances, chances_by_zip),
    (begin, chances_from_begin),
    (checks.check_to_ids, ids_or_error),
    (mark, ids_or_mark),
    (checks.check_run_parts, run_by_blocks),
    (checks.check_run_parts, known.run_parts),
    (checks.check_newest_chances, newest_by_hand),
    (checks.check_choose, choose_by_bisecting),
    (checks.check_continue_text, continue_by_loop),
    (checks.check_changed_rows, rows_by_tensors),
    (checks.check_mean_surprise, lambda chances: log(1) - sum(map(log, chances)) / len(chances)),
    (checks.check_mean_surprise, lambda chances: -torch.tensor(chances).log().mean().item()),
    (checks.check_mean_surprise, lambda chances: -torch.tensor(chances).log().mean()),
    (bits, lambda chances: sum(-log2(chance) for chance in chances) / len(chances)),
]


@pytest.mark.parametrize("check, solution", SOLUTIONS)
def test_right_solutions_pass(check, solution):
    for seed in SEEDS:
        assert check(solution, seed=seed).cases >= 2
    name = getattr(check, "func", check).__name__.removeprefix("check_")
    assert repr(check(solution)).startswith(f"✓ {name} is correct")


def test_what_was_predicted_without_a_program_is_checked_and_not_told():
    shapes = {"ids": (3, 7), "stream": (3, 7, 128), "logits": (3, 7, 980), "newest": (3, 980)}
    assert repr(checks.check_pencil(0.5, 0.333)) == "✓ each chance is right"
    assert repr(checks.check_shapes(shapes, 21)) == "✓ every shape is right"
    for chances, message in (
        ((None, None), "cat_after_a: not answered yet"),
        ((3 / 15, 1 / 3), "of all 15 words"),
        ((0.9, 1 / 3), "cat_after_a: 0.9 is not it"),
        ((torch.tensor(0.5), 1 / 3), "give a plain number"),
        ((0.5, 1 / 6), "the word before it is saw"),
    ):
        with pytest.raises(CheckFailed, match=message):
            checks.check_pencil(*chances)
    for changed, n, message in (
        ({"newest": None}, 21, "newest.*not answered yet"),
        ({"ids": [3, 7]}, 21, "give a tuple"),
        ({"newest": (3, 7, 980)}, 21, "one row for each text"),
        ({"stream": (3, 128, 7)}, 21, r"stream.*\(3, 128, 7\) is not it"),
        ({}, 18, "what comes next"),
        ({}, 20, "20 is not it"),
    ):
        with pytest.raises(CheckFailed, match=message) as caught:
            checks.check_shapes(shapes | changed, n)
        assert "(3, 980)" not in str(caught.value)


def test_an_error_that_is_due_is_told_by_its_name():
    with pytest.raises(CheckFailed, match="should raise ValueError, yours is"):
        checks.check_to_ids(ids_or_mark)


def counts_in_whole_numbers(texts, n):
    found = known.count_chances(texts, n, total=lambda found, counts: 1)
    return {before: {word: int(k) for word, k in row.items()} for before, row in found.items()}


def test_counts_are_told_from_chances_be_they_whole_numbers():
    with pytest.raises(CheckFailed, match="these are counts"):
        checks.check_count_chances(counts_in_whole_numbers)


FOREIGN = [
    (checks.check_count_chances, lambda texts, n: {}),
    (checks.check_to_ids, lambda words, vocabulary: [3] * len(words)),
    (checks.check_run_parts, lambda model, ids: 2 * known.run_parts(model, ids)),
    (checks.check_newest_chances, lambda logits: logits[:, -1].sigmoid()),
    (checks.check_choose, lambda chances, die: 2),
    (checks.check_continue_text, lambda chances_after, ids, dice: [*ids, *[1 for _ in dice]]),
    (checks.check_changed_rows, lambda model, ids, place, token: []),
    (checks.check_mean_surprise, lambda chances: exp(-chances[0])),
]


@pytest.mark.parametrize("check, wrong", FOREIGN)
def test_a_wrong_answer_outside_the_catalogue_is_refused(check, wrong):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match="should (be|raise)") as caught:
            check(wrong, seed=seed)
        assert not [s for s in CATALOGUES[check] if s in str(caught.value)]


def test_an_unknown_convention_is_refused():
    with pytest.raises(ValueError, match="write error or mark"):
        checks.check_to_ids(ids_or_mark, unknown="ignore")
    with pytest.raises(ValueError, match="write nats or bits"):
        checks.check_mean_surprise(log, unit="digits")
    with pytest.raises(CheckFailed, match="pass the function itself"):
        checks.check_choose(3)
    with pytest.raises(CheckFailed, match="is the return missing"):
        checks.check_continue_text(lambda chances_after, ids, dice: None)
