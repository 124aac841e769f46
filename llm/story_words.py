"""The words of the stories: names from several cultures, things, places, animals, feelings."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parent / "assets" / "story_words.toml"


@dataclass(frozen=True, eq=False, repr=False)
class Words:
    """The words that a story chooses from, and how many events it has at most.

    Lists that stand for one another (``she`` and ``he``, the places of the roles) are of equal
    length, so that which of them is chosen changes nothing in how much is left to choose.
    """

    she: tuple[str, ...]
    he: tuple[str, ...]
    roles: Mapping[str, tuple[str, str, tuple[str, ...]]]  # role: pronoun, verb, places
    colours: tuple[str, ...]
    things: tuple[str, ...]
    finds: tuple[str, ...]
    pets: tuple[str, ...]
    seats: tuple[str, ...]
    coats: tuple[str, ...]
    animals: Mapping[str, str]  # one: many
    landmarks: Mapping[str, str]  # one: many
    ways: tuple[str, ...]
    feelings: Mapping[str, str]  # feeling: what it makes one do
    meetings: Mapping[str, str]  # verb: its preposition
    max_events: int = 4

    def __repr__(self) -> str:
        names = len(self.she) + len(self.he)
        return f"Words({names} names, {len(self.roles)} roles, up to {self.max_events} events)"

    def first(self, n: int, max_events: int) -> "Words":
        """A smaller world: the first ``n`` words of each list, and fewer events in a story.

        Raises ``ValueError`` below four, since a story has four people who may all be women.
        """
        if n < 4 or max_events < 1:
            raise ValueError(f"n={n} must be at least 4, max_events={max_events} at least 1")
        lists = {name: _first(value, n) for name, value in vars(self).items() if name in LISTS}
        roles = {r: (who, verb, places[:n]) for r, (who, verb, places) in self.roles.items()}
        return Words(**lists, roles=roles, max_events=max_events)


LISTS = tuple(name for name in Words.__dataclass_fields__ if name not in ("roles", "max_events"))


def _first(words, n: int):
    return dict(list(words.items())[:n]) if isinstance(words, Mapping) else words[:n]


def _read() -> Words:
    """All words of the book's stories, from ``assets/story_words.toml``."""
    table = tomllib.loads(FILE.read_text(encoding="utf-8"))
    places, roles = table.pop("places"), table.pop("roles")
    roles = {role: (who, verb, tuple(places[at])) for role, (who, verb, at) in roles.items()}
    lists = {name: tuple(w) if isinstance(w, list) else w for name, w in table.items()}
    return Words(**lists, roles=roles)


WORDS = _read()
