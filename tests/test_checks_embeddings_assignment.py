"""The checks of the embeddings assignment: bugs get their names, right solutions pass."""

import math
import re
from functools import partial

import pytest
import torch
from planted import assert_named_alone
from torch.nn import functional as F

from llm import RotaryPositionalEmbedding, SinusoidalPositionalEncoding, checks
from llm.checks import CheckFailed, check_embedding
from llm.checks import embeddings_bugs as embedding_known
from llm.checks import embeddings_clocks_bugs as clocks_known
from llm.checks import embeddings_tables_bugs as tables_known
from llm.embeddings import rotation_frequencies

SEEDS = range(12)
UNSCALED = partial(check_embedding, scale=False)
BASES = {base: partial(checks.check_frequencies, base=base) for base in (10000, 500)}
CLOCK, SHIFT, TURN = (
    {layout: partial(check, layout=layout) for layout in clocks_known.JOINS}
    for check in (checks.check_clock, checks.check_shift_matrix, checks.check_turn)
)
CATALOGUES = [
    (UNSCALED, embedding_known.UNSCALED_BUGS),
    (checks.check_look_up, tables_known.LOOK_UP_BUGS),
    (checks.check_table_gradient, tables_known.GRADIENT_BUGS),
    *[(BASES[base], clocks_known.frequency_bugs(base)) for base in BASES],
    *[(CLOCK[layout], clocks_known.clock_bugs(layout)) for layout in CLOCK],
    *[(SHIFT[layout], clocks_known.shift_bugs(layout)) for layout in SHIFT],
    (checks.check_relative_products, clocks_known.PRODUCT_BUGS),
    *[(TURN[layout], clocks_known.turn_bugs(layout)) for layout in TURN],
    (checks.check_nearest, tables_known.NEAREST_BUGS),
    (checks.check_match, clocks_known.MATCH_BUGS),
    (checks.check_count_places, tables_known.PLACES_BUGS),
]
PLANTED = [(check, s, bugs) for check, bugs in CATALOGUES for s in bugs]


@pytest.mark.parametrize("check, sentence, bugs", PLANTED, ids=[p[1][:40] for p in PLANTED])
def test_each_bug_gets_its_name_and_no_other(check, sentence, bugs):
    assert_named_alone(check, bugs, sentence, SEEDS)


def test_sentences_are_short():
    assert all(len(s) < 100 and s[-1] in ".?" for _, s, _ in PLANTED)


# Solutions as a learner may write them, apart from the references of the checks


def look_up(token_ids, table):
    return F.embedding(token_ids, table)


def gradient_by_autograd(token_ids, gradient, vocab_size):
    table = torch.zeros(vocab_size, gradient.shape[-1], requires_grad=True)
    F.embedding(token_ids, table).backward(gradient)
    return table.grad


def gradient_by_adding(token_ids, gradient, vocab_size):
    table = torch.zeros(vocab_size, gradient.shape[-1])
    return table.index_add(0, token_ids.flatten(), gradient.flatten(0, 1))


def frequencies_of_the_book(d_model, base):
    return rotation_frequencies(d_model, float(base), torch.float32)


def clock_in_place(positions, omega):
    x = torch.zeros(*positions.shape, 2 * len(omega))
    x[..., 0::2] = torch.sin(positions[..., None] * omega)
    x[..., 1::2] = torch.cos(positions[..., None] * omega)
    return x


def clock_in_halves(positions, omega):
    angle = positions.unsqueeze(-1) * omega
    return torch.cat([angle.sin(), angle.cos()], -1)


def shift_by_fitting(clock, k, omega):
    """The matrix that carries enough positions to those k further on, by least squares."""
    p = torch.arange(60)
    omega = omega.double()
    matrix = torch.linalg.lstsq(clock(p, omega).double(), clock(p + k, omega).double()).solution
    return matrix.T.float()


def exact(clock):
    """`clock` without rounding, which the fit needs."""
    return lambda p, omega: clock(p.double(), omega)


def clock_double(positions, omega):
    angle = positions[..., None] * omega
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(-2)


def products_of_clocks(distances, omega):
    p = torch.arange(len(distances)) + 5
    return (clock_in_halves(p, omega) * clock_in_halves(p + distances, omega)).sum(-1)


def turn_by_complex(x, positions, omega):
    angles = positions[:, None] * omega
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).flatten(-2)


def turn_in_halves(x, positions, omega):
    cos, sin = ((positions[:, None] * omega).cos(), (positions[:, None] * omega).sin())
    cos, sin = torch.cat([cos, cos], -1), torch.cat([sin, sin], -1)
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


def nearest(token_id, table, n):
    score = F.cosine_similarity(table[token_id], table)
    score[token_id] = -2
    return score.topk(n).indices.tolist()


def match(query, key, p, s, omega):
    return (query * key.conj() * torch.exp(1j * (p - s) * omega)).real.sum()


def count_places(real):
    rows = [[max(0, sum(row[: t + 1]) - 1) for t in range(len(row))] for row in real.tolist()]
    return torch.tensor(rows)


def unscaled(token_ids, table, positions):
    return F.embedding(token_ids, table) + positions[: token_ids.shape[1]]


SOLUTIONS = [
    (UNSCALED, unscaled),
    (checks.check_look_up, look_up),
    (checks.check_table_gradient, gradient_by_autograd),
    (checks.check_table_gradient, gradient_by_adding),
    *[(BASES[base], partial(frequencies_of_the_book, base=base)) for base in BASES],
    (CLOCK["interleaved"], clock_in_place),
    (CLOCK["halves"], clock_in_halves),
    (SHIFT["interleaved"], partial(shift_by_fitting, exact(clock_double))),
    (SHIFT["halves"], partial(shift_by_fitting, exact(clock_in_halves))),
    (checks.check_relative_products, products_of_clocks),
    (TURN["interleaved"], turn_by_complex),
    (TURN["halves"], turn_in_halves),
    (checks.check_nearest, nearest),
    (checks.check_match, match),
    (checks.check_count_places, count_places),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("check, solution", SOLUTIONS)
def test_right_solutions_pass(check, solution):
    for seed in SEEDS:
        passed = check(solution, seed=seed)
    assert re.fullmatch(r"✓ \w+ is correct in all \d cases", repr(passed))


def test_the_references_are_those_of_the_book():
    p, x = torch.arange(9), torch.randn(9, 8)
    book = SinusoidalPositionalEncoding(8, 9)(p)
    torch.testing.assert_close(clocks_known.clock(p, clocks_known.frequencies(8)), book)
    for layout, name in (("interleaved", "interleaved"), ("halves", "half")):
        rope = RotaryPositionalEmbedding(8, 9, theta=500.0, layout=name)
        turned = clocks_known.turn(x, p, clocks_known.frequencies(8, base=500.0), layout=layout)
        torch.testing.assert_close(turned, rope(x, p))


# Bugs written as learners write them


def gradient_by_indexing(token_ids, gradient, vocab_size):
    table = torch.zeros(vocab_size, gradient.shape[-1])
    for ids, rows in zip(token_ids, gradient, strict=True):
        for i, row in zip(ids, rows, strict=True):
            table[i] = row
    return table


def turns_in_place(x, positions, omega):
    x = x.clone()
    angles = positions[:, None] * omega
    x[..., 0::2] = x[..., 0::2] * angles.cos() - x[..., 1::2] * angles.sin()
    x[..., 1::2] = x[..., 0::2] * angles.sin() + x[..., 1::2] * angles.cos()
    return x


def nearest_by_product(token_id, table, n):
    score = table @ table[token_id]
    score[token_id] = -math.inf
    return score.topk(n).indices.tolist()


@pytest.mark.parametrize(
    "check, solution, message",
    [
        (checks.check_table_gradient, gradient_by_indexing, "keeps only its last gradient"),
        (TURN["interleaved"], turns_in_place, "uses the first one turned already"),
        (TURN["interleaved"], turn_in_halves, "pair i is features 2i and 2i"),
        (TURN["halves"], turn_by_complex, "pair i is features i and i"),
        (CLOCK["interleaved"], clock_in_halves, "pair i is features 2i and 2i"),
        (CLOCK["halves"], clock_in_place, "pair i is features i and i"),
        (BASES[500], partial(frequencies_of_the_book, base=10000), "the base is 10000; it is 500"),
        (BASES[10000], partial(frequencies_of_the_book, base=500), "the base is 500; it is 10000"),
        (UNSCALED, lambda i, t, p: t[i] * t.shape[1] ** 0.5 + p[: i.shape[1]], "as they are"),
        (check_embedding, unscaled, "not multiplied by √d_model"),
        (checks.check_nearest, nearest_by_product, "the bare products are compared"),
        (checks.check_look_up, lambda ids, table: F.one_hot(ids).float() @ table, "multiplied"),
        (checks.check_match, lambda q, k, p, s, w: (q * k).real.sum(), r"with -?\d.* instead of"),
        (checks.check_count_places, lambda real: None, "is the return missing"),
    ],
)
def test_learners_bugs_get_their_names(check, solution, message):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match=message):
            check(solution, seed=seed)


def test_large_tensors_are_told_by_their_shape():
    with pytest.raises(CheckFailed) as caught:
        checks.check_table_gradient(gradient_by_indexing)
    call = r"table_gradient\(a tensor \(\d, \d+\), a tensor \(\d, \d+, \d+\), \d+\) should be"
    assert re.search(call, str(caught.value)) and "\n" not in str(caught.value)
    with pytest.raises(CheckFailed, match=r"shift_matrix\(1, tensor\(\[1.0000, 0.1000\]\)\)"):
        checks.check_shift_matrix(lambda k, omega: omega)


def test_hands_of_a_quarter_and_of_ten_degrees_agree_best_after_a_whole_turn_of_the_fast_one():
    assert repr(checks.check_most_alike(4)) == "✓ most_alike is right"


@pytest.mark.parametrize(
    "given, message",
    [
        (None, "not answered yet"),
        (1, "what does the fast one do"),
        (2, "half way round"),
        (6, "they disagree the most"),
        (8, "moved on too far"),
        (36, "about 1 to 8"),
        (1.77, "at which distance"),
        (5, "is not it"),
    ],
)
def test_wrong_distances_hear_why(given, message):
    with pytest.raises(CheckFailed, match=message):
        checks.check_most_alike(given)


def test_replacing_the_comparison_fools_nothing(monkeypatch):
    monkeypatch.setattr(torch, "allclose", lambda *_, **__: True)
    monkeypatch.setattr(torch, "isclose", lambda *_, **__: torch.tensor(True))
    monkeypatch.setattr(F, "one_hot", lambda ids, n: torch.zeros(*ids.shape, n))
    for check, wrong in (
        (checks.check_look_up, lambda ids, table: torch.zeros(*ids.shape, table.shape[1])),
        (checks.check_table_gradient, gradient_by_indexing),
        (checks.check_turn, lambda x, positions, omega: x),
        (checks.check_nearest, lambda token_id, table, n: [0] * n),
    ):
        with pytest.raises(CheckFailed):
            check(wrong)
