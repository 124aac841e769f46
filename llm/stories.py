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
    _Telling(pick, words).tell()


class _Telling:
    """One story as it is told: the people in it, the thing, and who has it now."""

    def __init__(self, pick: Pick, words: Words):
        self.pick, self.words = pick, words

    def say(self, text: str, kind: str = "fixed") -> None:
        for word in text.split():
            self.pick(kind, {word: 1.0}, hash)

    def one(self, kind: str, choices) -> str:
        return self.pick(kind, dict.fromkeys(choices, 1 / len(choices)), _all_alike)

    def tell(self) -> None:
        self.introduce()
        self.say("One day")
        self.owner = self.one("name", self.people)
        self.say("found a")
        self.thing = self.one("colour", self.words.colours), self.one("object", self.words.things)
        self.say("in the")
        self.one("place", self.words.finds)
        self.say(".")
        for told in range(self.words.max_events + 1):
            start = self.start_event(told)
            if start == "Who":
                break
            self.event(start)
            self.say(".")
        self.say("has the")
        self.recall()
        self.say("now ?")
        self.say(self.owner, "owner")
        self.say(".")
        self.say(END, "end")

    def introduce(self) -> None:
        words = self.words
        self.say("Once there was a")
        pronoun, verb, places = words.roles[self.one("role", words.roles)]
        self.say("called")
        hero = self.one("name", words.she if pronoun == "She" else words.he)
        self.say(".")
        self.say(pronoun, "pronoun")
        self.say(verb, "verb")
        self.say("in a")
        self.one("place", places)
        self.say(".")
        self.say(hero, "name")
        self.say("had three friends ,")
        self.people = [hero]
        for separator in (",", "and", "."):
            others = [name for name in (*words.she, *words.he) if name not in self.people]
            self.people.append(self.one("name", others))
            self.say(separator)

    def start_event(self, told: int) -> str:
        """The first word after ``told`` events: of another one, or of the closing question."""
        if told == self.words.max_events:
            return self.pick("question", {"Who": 1.0}, hash)
        names = dict.fromkeys(self.people, 0.35 / len(self.people))
        options = {"Soon": 0.25, "Then": 0.25, "The": 0.15} | names
        if told:
            options = {word: 0.8 * chance for word, chance in options.items()} | {"Who": 0.2}
        return self.pick("start", options, lambda word: "name" if word in names else word)

    def event(self, start: str) -> None:
        events = {"Soon": self.gift, "Then": self.taking, "The": self.animal}
        events.get(start, lambda: self.person(start))()

    def gift(self) -> None:
        self.say(self.owner, "owner")
        self.say("gave the")
        self.recall()
        self.say("to")
        self.owner = self.one("name", self.all_but(self.owner))

    def taking(self) -> None:
        taker = self.one("name", self.all_but(self.owner))
        self.say("took the")
        self.recall()
        self.say("from")
        self.say(self.owner, "owner")
        self.owner = taker

    def all_but(self, name: str) -> list[str]:
        return [other for other in self.people if other != name]

    def recall(self) -> None:
        self.say(self.thing[0], "colour")
        self.say(self.thing[1], "object")

    def animal(self) -> None:
        words = self.words
        coats, pets = _favouring(words.coats, 0.6), _favouring(words.pets, 0.4)
        if self.pick("animal", coats | pets, lambda word: word in coats) in pets:
            self.say("sat on the")
            self.pick("place", _favouring(words.seats), _all_alike)
            return
        animals = _favouring([*words.animals, *words.animals.values()])
        animal = self.pick("animal", animals, _all_alike)
        crosses = "crosses" if animal in words.animals else "cross"
        after = {crosses: 0.5, "near": 0.5}
        if self.pick("start", after, lambda word: word == "near") == "near":
            self.say("the")
            self.one("place", [*words.landmarks, *words.landmarks.values()])
            self.say(crosses, "agreement")
        self.say("the")
        self.pick("place", _favouring(words.ways), _all_alike)

    def person(self, name: str) -> None:
        words = self.words
        verbs = {"was": 0.5} | dict.fromkeys(words.meetings, 0.5 / len(words.meetings))
        verb = self.pick("verb", verbs, lambda word: word == "was")
        if verb == "was":
            feeling = self.one("feeling", words.feelings)
            self.say(", so")
            self.say("she" if name in words.she else "he", "pronoun")
            self.say(words.feelings[feeling], "action")
        else:
            self.say(words.meetings[verb], "preposition")
            self.one("name", self.all_but(name))


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
