"""The story process: its probabilities are held to exhaustive enumeration and to sampling."""

import math
import random
import re
from dataclasses import replace

import pytest

from llm import data
from llm.stories import END, entropy_of, read, tell, tellings
from llm.story_words import WORDS, Words

SMALL = Words(
    she=("Mia", "Leila"),
    he=("Tom", "Omar"),
    roles={"king": ("He", "ruled", ("castle",)), "girl": ("She", "played", ("park",))},
    colours=("red", "blue"),
    things=("kite",),
    finds=("barn",),
    pets=("cat",),
    seats=("mat", "chair"),
    coats=("brown",),
    animals={"fox": "foxes"},
    landmarks={"tree": "trees"},
    ways=("road",),
    feelings={"sad": "cried"},
    meetings={"waved": "to"},
    max_events=1,
)


@pytest.fixture(scope="module")
def everything() -> dict[str, float]:
    """Every story of the small process with its probability, each way followed on its own."""
    ways = tellings(SMALL, merge=False)
    return {" ".join(told.word for told in way): weight for weight, way in ways}


def test_all_stories_of_a_small_process_have_probability_one(everything):
    assert len(everything) > 3_000
    assert math.isclose(sum(everything.values()), 1, rel_tol=1e-9)


def test_the_entropy_equals_that_of_all_stories_enumerated(everything):
    enumerated = sum(-p * math.log(p) for p in everything.values())
    assert math.isclose(entropy_of(SMALL), enumerated, rel_tol=1e-9)


def test_reading_gives_each_story_the_probability_with_which_it_is_told(everything):
    for text in random.Random(0).sample(sorted(everything), 200):
        told, after = read(text, SMALL)
        assert after == {}
        assert math.isclose(math.prod(t.options[t.word] for t in told), everything[text])


def test_the_next_word_is_distributed_as_in_all_stories_that_begin_so(everything):
    rng = random.Random(1)
    for text in rng.sample(sorted(everything), 5):
        words = text.split()
        cut = rng.randrange(len(words))
        begun = words[:cut]
        exact: dict[str, float] = {}
        for other, p in everything.items():
            if other.split()[:cut] == begun:
                following = other.split()[cut]
                exact[following] = exact.get(following, 0) + p
        total = sum(exact.values())
        found = read(" ".join(begun), SMALL)[1]
        assert found == pytest.approx({word: p / total for word, p in exact.items()})


def test_sampled_surprise_agrees_with_the_exact_entropy():
    corpus = data.stories(3000, seed=5)
    surprise = [-corpus.log_probability(document) for document in corpus.documents]
    mean = sum(surprise) / len(surprise)
    spread = math.sqrt(sum((s - mean) ** 2 for s in surprise) / len(surprise))
    assert abs(mean - corpus.entropy) < 4 * spread / math.sqrt(len(surprise))


@pytest.fixture(scope="module")
def corpus() -> data.Stories:
    return data.stories(3000, seed=0)


def test_stories_hold_what_the_book_talks_about(corpus):
    words = set(re.findall(r"\w+", corpus.text))
    assert len(words) >= 300
    assert {"king", "queen", "man", "woman", "cat", "mat", "chair", "brown", "fox"} <= words
    assert "The cat sat on the mat" in corpus.text
    assert "brown fox crosses the road" in corpus.text


def test_the_thing_changes_hands_in_at_least_half_of_the_stories(corpus):
    changing = sum(" gave the " in d or " took the " in d for d in corpus.documents)
    assert changing / len(corpus.documents) > 0.5


def test_guessing_the_owner_from_names_alone_mostly_fails(corpus):
    last = most = 0
    for document in corpus.documents:
        body, question = document.split(" Who has")
        owner = question.split()[-1].strip(".")
        names = [w for w in re.findall(r"\w+", body) if w in WORDS.she + WORDS.he]
        assert owner in names and len(set(names)) == 4
        last += names[-1] == owner
        most += max(set(names), key=names.count) == owner
    assert last / len(corpus.documents) < 0.55 and most / len(corpus.documents) < 0.55


def test_determined_words_of_each_kind_are_labelled(corpus):
    kinds = {
        told.kind
        for document in corpus.documents[:300]
        for told in corpus.told(document)
        if len(told.options) == 1
    }
    assert {"name", "pronoun", "colour", "object", "agreement", "owner", "action"} <= kinds


def test_a_seed_fixes_the_stories_and_a_longer_corpus_begins_with_the_shorter():
    assert data.stories(20, seed=3).documents == data.stories(50, seed=3).documents[:20]
    assert data.stories(20, seed=3).documents != data.stories(20, seed=4).documents


def test_a_smaller_world_tells_stories_of_the_same_kind():
    small = WORDS.first(4, max_events=1)
    corpus = data.stories(300, words=small)
    words = {w for d in corpus.documents for w in re.findall(r"\w+", d)}
    assert words <= set(re.findall(r"\w+", data.stories(20_000).text)) and len(words) < 150
    assert 0 < corpus.entropy < 0.7 * data.stories(1).entropy
    assert all(len(getattr(small, name)) == 4 for name in ("she", "colours", "animals"))
    with pytest.raises(ValueError, match="n=3 must be at least 4"):
        WORDS.first(3, max_events=1)


def test_no_story_comes_twice():
    small = data.stories(2000, seed=0, words=replace(SMALL, colours=("red",)))
    assert len(set(small.documents)) == len(small.documents) == 2000


def test_the_first_word_and_the_end():
    corpus = data.stories(1)
    assert corpus.next_distribution("") == {"Once": 1.0}
    assert corpus.next_distribution(corpus.documents[0]) == {END: 1.0}
    assert corpus.next_distribution(f"{corpus.documents[0]} {END}") == {}


def test_text_that_no_story_begins_with_is_refused_by_name():
    with pytest.raises(ValueError, match="'dragon'.*Once there was a.*try"):
        data.stories(1).next_distribution("Once there was a dragon")
    with pytest.raises(ValueError, match="after the end"):
        read(f"{tell(random.Random(0), WORDS)} {END} Once", WORDS)
    with pytest.raises(ValueError, match="at least 1"):
        data.stories(0)
