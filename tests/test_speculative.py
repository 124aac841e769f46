"""llm.speculative: the distribution of the large model, by enumeration; and its greedy text."""

import math

import pytest
import torch

from llm import accept_distribution, data, generate, load, speculative_generate
from llm.speculative import expected_tokens, judge, rest, round_outcomes


def chances_of(model):
    """A function from a text to the probabilities (V,) behind it, in double precision."""

    def chances(text):
        with torch.no_grad():
            return model(torch.tensor([[0, *text]])).double()[0, -1].softmax(-1)

    return chances


@pytest.fixture
def pair(tiny):
    """Two small models of three words that disagree."""
    torch.manual_seed(3)
    return tiny(vocab_size=3, position="rope"), tiny(vocab_size=3, d_model=8, n_layers=1)


def random_rows(n, V=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(n, V, generator=generator, dtype=torch.float64)).softmax(-1)


def test_the_hand_example_of_three_words():
    p = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    q = torch.tensor([0.2, 0.6, 0.2], dtype=torch.float64)
    assert rest(p, q).tolist() == [1, 0, 0]
    assert torch.minimum(p, q).sum().item() == pytest.approx(0.7)
    torch.testing.assert_close(accept_distribution(p, q), p)


@pytest.mark.parametrize("seed", range(20))
def test_what_a_guess_ends_as_has_the_distribution_of_the_model(seed):
    p, q = random_rows(2, seed=seed)
    torch.testing.assert_close(accept_distribution(p, q), p, rtol=0, atol=1e-12)
    torch.testing.assert_close(accept_distribution(p, p), p)
    assert torch.equal(rest(p, p), p)


def test_a_guess_that_the_model_excludes_never_stays_and_certainty_is_kept():
    p, q = torch.tensor([0.0, 1.0, 0.0]), torch.tensor([1.0, 0.0, 0.0])
    for seed in range(50):
        generator = torch.Generator().manual_seed(seed)
        assert judge(torch.stack([p, q]), [q], [0], generator) == [1]
        assert judge(torch.stack([p, q]), [p], [1], generator) == [1, 0]


@pytest.mark.parametrize("n_draft", [0, 1, 2, 3])
def test_every_text_has_the_probability_that_the_model_gives_it(pair, n_draft):
    """Rounds are chained until three tokens stand there; all 27 texts, all ways to each."""
    p, q = map(chances_of, pair)
    total = dict.fromkeys([(a, b, c) for a in range(3) for b in range(3) for c in range(3)], 0.0)

    def write(text, chance):
        if len(text) >= 3:
            total[text[:3]] += chance
            return
        for new, share in round_outcomes(p, q, n_draft, text):
            if share:
                write(text + new, chance * share)

    write((), 1.0)
    assert sum(total.values()) == pytest.approx(1, abs=1e-9)
    gaps = []
    for text, chance in total.items():
        right = math.prod(float(p(text[:i])[text[i]]) for i in range(3))
        gaps.append(abs(chance - right))
    assert max(gaps) < 1e-6
    alone = max(abs(float(q(())[x] - p(())[x])) for x in range(3))
    assert alone > 0.05  # the draft by itself has another distribution


def test_the_outcomes_of_a_round_are_those_of_judge(pair):
    """Draws against enumeration: every ending of a round, within four standard errors."""
    p, q = map(chances_of, pair)
    expected = {}
    for new, chance in round_outcomes(p, q, 2):
        expected[new] = expected.get(new, 0) + chance
    assert sum(expected.values()) == pytest.approx(1, abs=1e-9)
    generator, n, seen = torch.Generator().manual_seed(0), 4000, {}
    rows = {t: (p(t), q(t)) for t in [(), *[(a,) for a in range(3)]]}
    rows |= {(a, b): (p((a, b)), q((a, b))) for a in range(3) for b in range(3)}
    for _ in range(n):
        guesses = []
        for _ in range(2):
            row = rows[tuple(guesses)][1]
            guesses.append(int(torch.multinomial(row, 1, generator=generator)))
        seen_rows = [rows[tuple(guesses[:i])] for i in range(3)]
        judged = judge(
            torch.stack([r[0] for r in seen_rows]),
            [r[1] for r in seen_rows[:2]],
            guesses,
            generator,
        )
        seen[tuple(judged)] = seen.get(tuple(judged), 0) + 1
    assert set(seen) <= set(expected)
    for new, chance in expected.items():
        error = math.sqrt(chance * (1 - chance) / n)
        assert abs(seen.get(new, 0) / n - chance) < 4 * error + 1e-3


@pytest.mark.parametrize("n_draft", [0, 1, 2, 4, 7])
def test_the_greedy_text_is_that_of_the_large_model_token_for_token(n_draft):
    (model, tokenizer), (draft, _) = load("storyteller"), load("draft")
    for document in data.stories(3, seed=n_draft).documents:
        prompt = torch.tensor([data.story_ids(tokenizer, document)[:12]])
        done = speculative_generate(model, draft, prompt, 50, n_draft, temperature=0)
        assert torch.equal(done.token_ids, generate(model, prompt, 50, temperature=0))
        assert done.passes + done.accepted == 50


@pytest.mark.parametrize("position", ["none", "sinusoidal", "learned", "rope", "alibi", "relative"])
def test_rolled_back_caches_change_nothing_whatever_the_positions(tiny, position):
    torch.manual_seed(1)
    model, draft = tiny(position=position), tiny(position=position, n_layers=1)
    prompt = torch.randint(13, (1, 4))
    for settings in ({"n_draft": 3}, {"n_draft": 12}):
        done = speculative_generate(model, draft, prompt, 13, temperature=0, **settings)
        assert torch.equal(done.token_ids, generate(model, prompt, 13, temperature=0))


def test_a_model_that_drafts_for_itself_is_always_right(tiny):
    model = tiny()
    done = speculative_generate(model, model, torch.tensor([[1, 2]]), 10, n_draft=4)
    assert (done.passes, done.drafted, done.accepted) == (2, 8, 8)


def test_a_stop_token_ends_the_text_even_inside_a_round():
    (model, tokenizer), (draft, _) = load("storyteller"), load("draft")
    prompt = torch.tensor([data.story_ids(tokenizer, "Once there was")[:-1]])
    stop = tokenizer.encode(".")
    done = speculative_generate(model, draft, prompt, 40, n_draft=8, temperature=0, stop=stop)
    assert torch.equal(done.token_ids, generate(model, prompt, 40, temperature=0, stop=stop))
    assert done.token_ids[0, -1] == stop[0] and done.token_ids.shape[1] < 40


def test_sampled_text_has_the_model_s_frequencies(pair):
    """Two tokens, 800 times: each of nine texts within four standard errors."""
    model, draft = pair
    p, n, generator = chances_of(model), 800, torch.Generator().manual_seed(0)
    seen = torch.zeros(3, 3)
    for _ in range(n):
        done = speculative_generate(
            model, draft, torch.tensor([[0]]), 2, n_draft=2, generator=generator
        )
        seen[tuple(done.token_ids[0, 1:].tolist())] += 1
    for a in range(3):
        for b in range(3):
            chance = float(p(())[a] * p((a,))[b])
            assert abs(seen[a, b] / n - chance) < 4 * math.sqrt(chance * (1 - chance) / n) + 1e-3


def test_expected_tokens_are_the_geometric_sum():
    for a in (0.0, 0.3, 0.9):
        for K in (1, 4, 9):
            assert expected_tokens(a, K) == pytest.approx((1 - a ** (K + 1)) / (1 - a))
    assert expected_tokens(1, 4) == 5


def test_no_new_tokens_give_the_prompt(tiny):
    done = speculative_generate(tiny(), tiny(), torch.tensor([[1, 2]]), 0)
    assert done.token_ids.tolist() == [[1, 2]] and done.passes == 0


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"token_ids": torch.zeros(2, 3, dtype=torch.long)}, r"one prompt \(1, T\), got \(2, 3\)"),
        ({"max_new_tokens": 15}, "3 tokens and 15 new ones pass max_seq_len=16"),
        ({"max_new_tokens": -1}, "max_new_tokens=-1, n_draft=4: neither may be negative"),
        ({"n_draft": -2}, "n_draft=-2"),
    ],
)
def test_what_cannot_be_done_is_named(tiny, arguments, words):
    settings = {"token_ids": torch.tensor([[1, 2, 3]]), "max_new_tokens": 5} | arguments
    with pytest.raises(ValueError, match=words):
        speculative_generate(tiny(), tiny(), **settings)


def test_two_vocabularies_are_refused(tiny):
    with pytest.raises(ValueError, match="one vocabulary, got 13 and 5"):
        speculative_generate(tiny(), tiny(vocab_size=5), torch.tensor([[1]]), 5)
