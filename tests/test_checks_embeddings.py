"""Each catalogued bug gets its name and no other; right solutions pass however they are written."""

import math
import re

import pytest
import torch
from planted import assert_named_alone, planted
from torch.nn import functional as F

from llm import SinusoidalPositionalEncoding, checks
from llm.checks import CheckFailed
from llm.checks import embeddings_bugs as known

SEEDS = range(20)
CATALOGUES = {
    checks.check_one_hot: known.ONE_HOT_BUGS,
    checks.check_cosines: known.COSINE_BUGS,
    checks.check_embedding: known.EMBEDDING_BUGS,
    checks.check_sinusoidal: known.SINUSOIDAL_BUGS,
}
PLANTED = planted(CATALOGUES)


@pytest.mark.parametrize("check, sentence, bug", PLANTED, ids=[s[:40] for _, s, _ in PLANTED])
def test_each_bug_gets_its_name_and_no_other(check, sentence, bug):
    assert_named_alone(check, CATALOGUES[check], sentence, SEEDS)


def test_the_catalogue_is_large():
    assert len(PLANTED) >= 60
    assert all(len(sentence) < 100 and sentence.endswith(".") for _, sentence, _ in PLANTED)


# Solutions as a learner may write them, apart from the references of the checks


def one_hot_by_comparing(token_ids, vocab_size):
    return (token_ids[..., None] == torch.arange(vocab_size)).double()


def one_hot_by_scattering(token_ids, vocab_size):
    rows = torch.zeros(*token_ids.shape, vocab_size)
    return rows.scatter(-1, token_ids[..., None], 1.0)


def cosines_of_unit_rows(vector, table):
    return F.normalize(table, dim=1) @ F.normalize(vector, dim=0)


def cosines_by_torch(vector, table):
    return F.cosine_similarity(vector[None], table)


def embedding_by_product(token_ids, table, positions):
    B, T = token_ids.shape
    rows = one_hot_by_scattering(token_ids, len(table)) @ table
    return rows * table.shape[1] ** 0.5 + positions[torch.arange(T)].expand(B, T, -1)


def embedding_in_a_loop(token_ids, table, positions):
    texts = []
    for text in token_ids.tolist():
        rows = [math.sqrt(table.shape[1]) * table[i] + positions[p] for p, i in enumerate(text)]
        texts.append(torch.stack(rows))
    return torch.stack(texts)


def sinusoidal_in_place(n_positions, d_model):
    table = torch.zeros(n_positions, d_model)
    position = torch.arange(n_positions).float()[:, None]
    rate = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
    table[:, 0::2] = torch.sin(position * rate)
    table[:, 1::2] = torch.cos(position * rate)
    return table


def sinusoidal_number_by_number(n_positions, d_model):
    def feature(p, j):
        angle = p / 10000 ** ((j - j % 2) / d_model)
        return math.cos(angle) if j % 2 else math.sin(angle)

    rows = [[feature(p, j) for j in range(d_model)] for p in range(n_positions)]
    return torch.tensor(rows, dtype=torch.float64)


def sinusoidal_of_the_book(n_positions, d_model):
    return SinusoidalPositionalEncoding(d_model, n_positions)(torch.arange(n_positions))


SOLUTIONS = [
    (checks.check_one_hot, known.one_hot),
    (checks.check_one_hot, one_hot_by_comparing),
    (checks.check_one_hot, one_hot_by_scattering),
    (checks.check_cosines, known.cosines),
    (checks.check_cosines, cosines_of_unit_rows),
    (checks.check_cosines, cosines_by_torch),
    (checks.check_embedding, known.embedding),
    (checks.check_embedding, embedding_by_product),
    (checks.check_embedding, embedding_in_a_loop),
    (checks.check_sinusoidal, known.sinusoidal),
    (checks.check_sinusoidal, sinusoidal_in_place),
    (checks.check_sinusoidal, sinusoidal_number_by_number),
    (checks.check_sinusoidal, sinusoidal_of_the_book),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("check, solution", SOLUTIONS)
def test_right_solutions_pass(check, solution):
    for seed in SEEDS:
        passed = check(solution, seed=seed)
    name = check.__name__.removeprefix("check_")
    assert re.fullmatch(rf"✓ {name} is correct in all 4 cases", repr(passed))


# Bugs written as learners write them


def swapped(n_positions, d_model):
    table = torch.zeros(n_positions, d_model)
    angles = torch.arange(n_positions)[:, None] / 10000 ** (torch.arange(0, d_model, 2) / d_model)
    table[:, 1::2], table[:, 0::2] = angles.sin(), angles.cos()
    return table


def steps_of_one(n_positions, d_model):
    i = torch.arange(d_model // 2)
    angles = torch.arange(n_positions)[:, None] / 10000 ** (i / d_model)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


def one_text_only(token_ids, table, positions):
    rows = table[token_ids] * math.sqrt(table.shape[1])
    return rows + positions[: len(token_ids), None]


def scaled_sum(token_ids, table, positions):
    return (table[token_ids] + positions[: token_ids.shape[1]]) * math.sqrt(table.shape[1])


def without_lengths(vector, table):
    return (table * vector).sum(-1)


@pytest.mark.parametrize(
    "check, solution, name",
    [
        (checks.check_sinusoidal, swapped, "sine and cosine are exchanged"),
        (checks.check_sinusoidal, steps_of_one, "the exponent is i / d_model"),
        (checks.check_embedding, one_text_only, "down the batch"),
        (checks.check_embedding, scaled_sum, "the positions are multiplied by √d_model too"),
        (checks.check_cosines, without_lengths, "the bare product"),
        (checks.check_one_hot, lambda ids, n: F.one_hot(ids, n), "the numbers are integers"),
        (checks.check_one_hot, lambda ids, n: F.one_hot(ids, n).float().mT, "it is transposed"),
    ],
)
def test_learners_bugs_get_their_names(check, solution, name):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match=name):
            check(solution, seed=seed)


def not_written(*arguments):
    raise NotImplementedError


def spoils_its_table(token_ids, table, positions):
    table *= math.sqrt(table.shape[1])
    return table[token_ids] + positions[: token_ids.shape[1]]


@pytest.mark.parametrize(
    "check, solution, message",
    [
        (checks.check_one_hot, None, "pass the function itself"),
        (checks.check_one_hot, not_written, "not written yet"),
        (checks.check_one_hot, lambda ids, n: [[0.0]], r"yours is \[\[0.0\]\], which is no tensor"),
        (checks.check_cosines, lambda x, table: None, "is the return missing"),
        (checks.check_cosines, lambda x, table: x @ table, "yours raises RuntimeError"),
        (checks.check_embedding, spoils_its_table, "changes its argument number 2"),
        (checks.check_embedding, lambda *case: known.embedding(*case)[0], r"a tensor \(\d+, \d+\)"),
        (
            checks.check_embedding,
            lambda *case: known.embedding(*case) + 0.5,
            r"should be a tensor \(\d, \d+, \d+\), .* at \[0, 0, 0\] instead of",
        ),
        (
            checks.check_sinusoidal,
            lambda n, d: known.sinusoidal(n, d).round(),
            r"with 1.0000 at \[1, 0\] instead of 0.8415",
        ),
        (checks.check_sinusoidal, lambda n, d: known.sinusoidal(n, d).long(), "of torch.int64"),
    ],
)
def test_other_mistakes_are_shown(check, solution, message):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match=message) as caught:
            check(solution, seed=seed)
        assert "Seen" not in str(caught.value)
        assert not [s for s in CATALOGUES[check] if s in str(caught.value)]


def test_checks_leave_the_random_numbers_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    for check, solution in SOLUTIONS:
        check(solution)
    assert torch.equal(torch.rand(3), expected)


def test_replacing_the_comparison_fools_nothing(monkeypatch):
    monkeypatch.setattr(torch, "allclose", lambda *_, **__: True)
    monkeypatch.setattr(torch, "isclose", lambda *_, **__: torch.tensor(True))
    monkeypatch.setattr(F, "one_hot", lambda ids, n: torch.zeros(*ids.shape, n))
    for check, wrong in (
        (checks.check_embedding, lambda ids, *_: torch.zeros(2)),
        (checks.check_sinusoidal, swapped),
        (checks.check_one_hot, lambda ids, n: torch.zeros(*ids.shape, n)),
    ):
        with pytest.raises(CheckFailed):
            check(wrong)
