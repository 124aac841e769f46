"""Small stories from an explicit random process, so that what a model should predict is known.

A story is told word by word, and each random choice is one word of the text: whoever has read a
prefix knows all choices so far, and with them the exact distribution of the next word. The same
function :func:`story` therefore samples a story, reads one, and gives the entropy of all.

What there is to learn: to copy a name, to match a pronoun, a verb to its noun over a distance, an
action to a feeling, to recall a colour and a thing, and to keep track of who has it.
"""

import math
import random
import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from llm.story_words import Words

END = "<|end|>"
Options = Mapping[str, float]  # what the next word may be, with its probability
Alike = Callable[[str], Hashable]  # words with equal results leave equally much to choose
Pick = Callable[[str, Options, Alike], str]  # decides one word of a given kind


class Told(NamedTuple):
    """One word of a story: what kind of word it is and what could have stood there."""

    word: str
    kind: str
    options: Options


def story(pick: Pick, words: Words) -> None:
    """Tell one story, asking ``pick`` for each word."""

    def say(text: str, kind: str = "fixed") -> None:
        for word in text.split():
            pick(kind, {word: 1.0}, hash)

    def one(kind: str, choices) -> str:
        return pick(kind, dict.fromkeys(choices, 1 / len(choices)), _all_alike)

    say("Once there was a")
    pronoun, verb, places = words.roles[one("role", words.roles)]
    say("called")
    hero = one("name", words.she if pronoun == "She" else words.he)
    say(".")
    say(pronoun, "pronoun")
    say(verb, "verb")
    say("in a")
    one("place", places)
    say(".")
    say(hero, "name")
    say("had three friends ,")
    people = [hero]
    for separator in (",", "and", "."):
        others = [name for name in (*words.she, *words.he) if name not in people]
        people.append(one("name", others))
        say(separator)
    say("One day")
    owner = one("name", people)
    say("found a")
    thing = one("colour", words.colours), one("object", words.things)
    say("in the")
    one("place", words.finds)
    say(".")
    for _ in range(words.n_events):
        owner = _event(pick, say, one, words, people, owner, thing)
    say("Who has the")
    _recall(say, thing)
    say("now ?")
    say(owner, "owner")
    say(".")
    say(END, "end")


def _event(pick, say, one, words: Words, people: list[str], owner: str, thing) -> str:
    """Tell what happens next, and return who has the thing after it."""
    names = dict.fromkeys(people, 0.45 / len(people))
    start = pick("start", {"Then": 0.35, "The": 0.2} | names, lambda w: "name" if w in names else w)
    if start == "Then":
        owner = _transfer(pick, say, one, people, owner, thing)
    elif start == "The":
        _animal(pick, say, one, words)
    else:
        _person(pick, say, one, words, people, start)
    say(".")
    return owner


def _transfer(pick, say, one, people: list[str], owner: str, thing) -> str:
    others = [name for name in people if name != owner]
    chances = {owner: 0.5} | dict.fromkeys(others, 0.5 / len(others))
    actor = pick("actor", chances, lambda name: name == owner)
    if actor == owner:
        say("gave", "verb")
        say("the")
        _recall(say, thing)
        say("to")
        return one("name", others)
    say("took", "verb")
    say("the")
    _recall(say, thing)
    say("from")
    say(owner, "owner")
    return actor


def _recall(say, thing: tuple[str, str]) -> None:
    say(thing[0], "colour")
    say(thing[1], "object")


def _animal(pick, say, one, words: Words) -> None:
    coats, pets = _favouring(words.coats, 0.6), _favouring(words.pets, 0.4)
    if pick("animal", coats | pets, lambda word: word in coats) in pets:
        say("sat on the")
        pick("place", _favouring(words.seats), _all_alike)
        return
    animal = pick("animal", _favouring([*words.animals, *words.animals.values()]), _all_alike)
    crosses = "crosses" if animal in words.animals else "cross"
    if pick("start", {crosses: 0.5, "near": 0.5}, lambda word: word == "near") == "near":
        say("the")
        one("place", [*words.landmarks, *words.landmarks.values()])
        say(crosses, "agreement")
    say("the")
    pick("place", _favouring(words.ways), _all_alike)


def _person(pick, say, one, words: Words, people: list[str], name: str) -> None:
    verbs = {"was": 0.5} | dict.fromkeys(words.meetings, 0.5 / len(words.meetings))
    verb = pick("verb", verbs, lambda word: word == "was")
    if verb == "was":
        feeling = one("feeling", words.feelings)
        say(", so")
        say("she" if name in words.she else "he", "pronoun")
        say(words.feelings[feeling], "action")
    else:
        say(words.meetings[verb], "preposition")
        one("name", [other for other in people if other != name])


def _favouring(choices: Sequence[str], total: float = 1.0) -> dict[str, float]:
    """``total`` shared out: a quarter to the first of the choices, the rest evenly."""
    first, *others = choices
    if not others:
        return {first: total}
    return {first: total / 4} | dict.fromkeys(others, 0.75 * total / len(others))


def _all_alike(word: str) -> Hashable:
    return None


def tell(rng: random.Random, words: Words) -> str:
    """Draw one story."""
    told: list[str] = []

    def pick(kind: str, options: Options, alike: Alike) -> str:
        told.append(rng.choices(list(options), list(options.values()))[0])
        return told[-1]

    story(pick, words)
    return _join(told[:-1])


def read(text: str, words: Words) -> tuple[list[Told], Options]:
    """The words of the beginning of a story, and the distribution of the word that comes next.

    After :data:`END` nothing follows. Raises ``ValueError`` for a text that no story begins with.
    """
    given = re.findall(r"<\|end\|>|\w+|[^\w\s]", text)
    told: list[Told] = []
    ahead: list[Options] = []

    def pick(kind: str, options: Options, alike: Alike) -> str:
        if len(told) == len(given):
            ahead.append(options)
            raise _EndOfText
        word = given[len(told)]
        if word not in options:
            before = _join(given[max(0, len(told) - 6) : len(told)]) or "the beginning"
            likely = ", ".join(sorted(options, key=options.get, reverse=True)[:4])
            raise ValueError(f"no story goes on with {word!r} after {before!r}: try {likely}")
        told.append(Told(word, kind, options))
        return word

    try:
        story(pick, words)
    except _EndOfText:
        return told, ahead[0]
    if len(told) < len(given):
        raise ValueError(f"{given[len(told)]!r} stands after the end of the story")
    return told, {}


class _EndOfText(Exception):
    """The text that is read is used up."""


def tellings(words: Words, merge: bool = True) -> Iterator[tuple[float, list[Told]]]:
    """Every way a story can go, with its probability; these add up to 1.

    With ``merge``, choices that leave equally much to choose are followed once, by their first
    word, and carry the probability of all. Without it every single story comes up: small ``words``
    only.
    """
    todo: list[list[str]] = [[]]  # the words that a way begins with
    while todo:
        script, told, weight = todo.pop(), [], 1.0

        def pick(kind: str, options: Options, alike: Alike) -> str:
            nonlocal weight
            classes: dict[Hashable, list[str]] = {}
            for word in options:
                classes.setdefault(alike(word) if merge else word, []).append(word)
            firsts = {members[0]: sum(map(options.get, members)) for members in classes.values()}
            place = len(told)  # noqa: B023  called only before the next round
            if place < len(script):  # noqa: B023
                word = script[place]  # noqa: B023
            else:
                word, *rest = firsts
                begun = [t.word for t in told]  # noqa: B023
                todo.extend([*begun, other] for other in rest)
            weight *= firsts[word]
            told.append(Told(word, kind, options))  # noqa: B023
            return word

        story(pick, words)
        yield weight, told


@cache
def entropy_of(words: Words) -> float:
    """The exact entropy of a story, its end included, in nats."""
    return sum(
        weight * sum(-p * math.log(p) for t in told for p in t.options.values())
        for weight, told in tellings(words)
    )


def _join(words: list[str]) -> str:
    return re.sub(r" ([.,?])", r"\1", " ".join(words))
