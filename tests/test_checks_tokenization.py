"""Each catalogued bug gets its name back; right solutions pass; tricks and other errors do not."""

import builtins
import re

import pytest
import torch

from llm import checks
from llm.checks import CheckFailed
from llm.checks import tokenization_bugs as known
from llm.checks.base import check_function, same

SEEDS = range(20)
EXERCISE = {
    checks.check_count_pairs: (known.count_pairs, known.COUNT_BUGS),
    checks.check_merge: (known.merge, known.MERGE_BUGS),
    checks.check_train: (known.train, known.TRAIN_BUGS),
    checks.check_encode: (known.encode, known.ENCODE_BUGS),
    checks.check_decode: (known.decode, known.DECODE_BUGS),
}
PLANTED = [
    (check, sentence, bug)
    for check, (_, bugs) in EXERCISE.items()
    for sentence, bug in bugs.items()
]


# Solutions as a learner may write them, apart from the references of the checks


def count_pairs(ids):
    counts = {}
    for i in range(len(ids) - 1):
        pair = (ids[i], ids[i + 1])
        counts[pair] = counts.get(pair, 0) + 1
    return counts


def merge(ids, pair, new_id):
    out = []
    for token in ids:
        out.append(token)
    i = 0
    while i < len(out) - 1:
        if (out[i], out[i + 1]) == pair:
            out[i : i + 2] = [new_id]
        i += 1
    return out


def train(text, n_merges):
    ids, merges = list(text.encode()), []
    token = {byte: bytes([byte]) for byte in range(256)}
    for new_id in range(256, 256 + n_merges):
        counts = count_pairs(ids)
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], [token[i] for i in pair]))
        ids = merge(ids, best, new_id)
        token[new_id] = token[best[0]] + token[best[1]]
        merges.append(best)
    return merges


def encode(text, merges):
    ids = list(text.encode())
    for rank, pair in enumerate(merges):
        ids = merge(ids, pair, 256 + rank)
    return ids


def decode(ids, merges):
    def unfold(i):
        return bytes([i]) if i < 256 else unfold(merges[i - 256][0]) + unfold(merges[i - 256][1])

    return b"".join(unfold(i) for i in ids).decode(errors="replace")


SOLUTIONS = [
    (checks.check_count_pairs, count_pairs),
    (checks.check_merge, merge),
    (checks.check_train, train),
    (checks.check_encode, encode),
    (checks.check_decode, decode),
]


@pytest.mark.parametrize("check, solution", SOLUTIONS)
def test_right_solutions_pass(check, solution):
    for seed in SEEDS:
        passed = check(solution, seed=seed)
    assert re.fullmatch(rf"✓ {solution.__name__} is correct in all \d+ cases", repr(passed))


def test_the_catalogue_is_large():
    assert len(PLANTED) >= 60
    assert all(len(sentence) < 100 and sentence.endswith(".") for _, sentence, _ in PLANTED)


@pytest.mark.parametrize("check, sentence, bug", PLANTED, ids=[s[:40] for _, s, _ in PLANTED])
def test_each_bug_gets_its_name(check, sentence, bug):
    for seed in SEEDS:
        with pytest.raises(CheckFailed) as caught:
            check(bug, seed=seed)
        assert sentence in str(caught.value)


# Bugs written as learners write them


def skips_one_only(ids, pair, new_id):
    out = []
    for i, token in enumerate(ids):
        out.append(new_id if tuple(ids[i : i + 2]) == pair else token)
    return out


def trains_from_257(text, n_merges):
    ids, merges = list(text.encode()), []
    token = {byte: bytes([byte]) for byte in range(256)}
    while len(merges) < n_merges and len(ids) > 1:
        counts = count_pairs(ids)
        merges.append(max(counts, key=lambda pair: (counts[pair], [token[i] for i in pair])))
        ids = merge(ids, merges[-1], 256 + len(merges))
        token[256 + len(merges)] = b"".join(token[i] for i in merges[-1])
    return merges


def trains_first_seen(text, n_merges):
    ids, merges = list(text.encode()), []
    while len(merges) < n_merges and len(ids) > 1:
        counts = count_pairs(ids)
        merges.append(max(counts, key=lambda pair: counts[pair]))
        ids = merge(ids, merges[-1], 255 + len(merges))
    return merges


def encodes_by_frequency(text, merges):
    ids = list(text.encode())
    while True:
        counts = {pair: n for pair, n in count_pairs(ids).items() if pair in merges}
        if not counts:
            return ids
        best = max(counts, key=counts.get)
        ids = merge(ids, best, 256 + merges.index(best))


def decodes_in_pieces(ids, merges):
    text = ""
    for i in ids:
        text += decode([i], merges)
    return text


def crashes_on_bytes(ids, merges):
    table = {i: bytes([i]) for i in range(256)}
    for a, b in merges:
        table[len(table)] = table[a] + table[b]
    return b"".join(map(table.get, ids)).decode()


@pytest.mark.parametrize(
    "check, solution, name",
    [
        (checks.check_merge, skips_one_only, "move on by two"),
        (checks.check_train, trains_from_257, "yours start at 257"),
        (checks.check_train, trains_first_seen, "the pair seen first"),
        (checks.check_encode, encodes_by_frequency, "the most frequent pair"),
        (checks.check_decode, decodes_in_pieces, "one by one"),
        (checks.check_decode, crashes_on_bytes, "errors='replace'"),
    ],
)
def test_learners_bugs_get_their_names(check, solution, name):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match=name):
            check(solution, seed=seed)


def changes_its_input(ids, pair, new_id):
    i = 0
    while i < len(ids) - 1:
        if (ids[i], ids[i + 1]) == pair:
            ids[i : i + 2] = [new_id]
        i += 1
    return ids


def not_written(ids):
    raise NotImplementedError


@pytest.mark.parametrize(
    "check, solution, message",
    [
        (checks.check_merge, changes_its_input, "changes its argument number 1"),
        (checks.check_count_pairs, lambda ids: None, "is the return missing"),
        (checks.check_count_pairs, not_written, "not written yet"),
        (checks.check_count_pairs, lambda ids: 1 / 0, "yours raises ZeroDivisionError"),
        (checks.check_count_pairs, lambda ids: [], "of type list instead of dict"),
        (checks.check_count_pairs, {}, "pass the function itself"),
        (checks.check_merge, lambda ids, pair, new_id: tuple(ids), "of type tuple instead of list"),
        (checks.check_train, lambda text, n: [(1, 2)] * n, r"should be \[.*yours is \[\(1, 2\)"),
        (checks.check_decode, lambda ids, merges: "?", "should be .*yours is '.'"),
    ],
)
def test_other_mistakes_are_shown(check, solution, message):
    with pytest.raises(CheckFailed, match=message):
        check(solution)


def test_an_answer_outside_the_catalogue_shows_the_smallest_case():
    def odd(ids, pair, new_id):
        return merge(ids, pair, new_id) if len(ids) < 5 else [0]

    with pytest.raises(CheckFailed, match=r"merge: merge\(\[1, 2, 2, 1, 2\].*yours is \[0\]"):
        checks.check_merge(odd, seed=3)


def test_answers_learned_by_heart_do_not_pass():
    by_heart = {}

    def record(ids):
        by_heart[tuple(ids)] = known.count_pairs(ids)
        return by_heart[tuple(ids)]

    checks.check_count_pairs(record, seed=0)
    with pytest.raises(CheckFailed):
        checks.check_count_pairs(lambda ids: by_heart.get(tuple(ids), {}), seed=1)


class EqualsEverything(list):
    __hash__ = None

    def __eq__(self, other):
        return True

    def __len__(self):
        return 0


def refused(check, solution):
    try:
        check(solution)
    except CheckFailed:
        return True
    return False


def test_tricks_fool_nothing(monkeypatch):
    monkeypatch.setattr(torch, "allclose", lambda *_, **__: True)
    monkeypatch.setattr(torch, "equal", lambda *_: True)
    assert not same(torch.zeros(2), torch.ones(2))
    assert refused(checks.check_merge, lambda *_: EqualsEverything([1]))
    answers = {"all": True, "any": True, "len": 0, "max": 0, "min": 0, "sorted": [], "zip": []}
    for name, answer in answers.items():
        with monkeypatch.context() as patch:
            patch.setattr(builtins, name, lambda *_, answer=answer, **__: answer)
            outcome = refused(checks.check_count_pairs, lambda ids: {(0, 0): 99})
        assert outcome, name


def test_tensors_are_compared_in_shape_type_and_value():
    ones = torch.ones(2, 3)
    assert same(ones, ones + 1e-7)
    assert not same(ones, ones.T) and not same(ones, ones.double()) and not same(ones, ones * 1.1)
    nan = torch.tensor([float("nan")])
    assert same({"a": [nan]}, {"a": [nan.clone()]}) and not same(nan, torch.zeros(1))


def test_a_notebook_shows_one_line():
    IPython = pytest.importorskip("IPython")
    shell = IPython.core.interactiveshell.InteractiveShell.instance()
    shell.user_ns["check"] = lambda: check_function(lambda x: x, known.count_pairs, {}, [([1, 2],)])
    shown = []
    shell._showtraceback = lambda kind, value, lines: shown.extend(lines)
    shell.run_cell("check()")
    assert len(shown) == 1 and shown[0].startswith("✗ count_pairs: count_pairs([1, 2]) should be")


def test_long_answers_that_look_alike_are_shown_whole():
    def changed(numbers):
        return [*numbers[:50], -1, *numbers[51:]]

    with pytest.raises(CheckFailed, match="49, -1, 51"):
        check_function(changed, list, {}, [(list(range(100)),)])
