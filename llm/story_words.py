"""The words of the stories: names from several cultures, things, places, animals, feelings."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
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


CASTLES = ("castle", "palace", "tower", "fortress", "hall", "mansion", "chapel", "court")
WORKSHOPS = ("bakery", "mill", "shop", "library", "harbour", "stable", "kitchen", "museum")
PLAYGROUNDS = ("school", "park", "yard", "loft", "treehouse", "street", "sandpit", "meadow")

WORDS = Words(
    she=tuple(
        "Mia Amara Yuki Leila Priya Ingrid Rosa Nadia Zuri Mei Freya Hana Sofia Aisha Tala "
        "Esme Lucia Wanjiru Anouk Sita".split()
    ),
    he=tuple(
        "Tom Omar Kofi Ravi Jin Lars Diego Ivan Noah Sami Chen Emeka Hugo Arjun Yusuf Kai "
        "Mateo Anton Bilal Tariq".split()
    ),
    roles={
        "king": ("He", "ruled", CASTLES),
        "queen": ("She", "ruled", CASTLES),
        "prince": ("He", "lived", CASTLES),
        "princess": ("She", "lived", CASTLES),
        "man": ("He", "worked", WORKSHOPS),
        "woman": ("She", "worked", WORKSHOPS),
        "boy": ("He", "played", PLAYGROUNDS),
        "girl": ("She", "played", PLAYGROUNDS),
    },
    colours=tuple(
        "red blue green yellow white black pink purple scarlet golden silver grey".split()
    ),
    things=tuple(
        "kite ball hat cup lamp drum boat book bell key box coin flute mask ring rope scarf shoe "
        "spoon star sword wheel basket candle mirror ladder whistle violin".split()
    ),
    finds=tuple(
        "garden forest cave barn well drawer cellar pond ditch cupboard hedge hollow market valley "
        "desert tunnel quarry orchard swamp canyon".split()
    ),
    pets=tuple("cat dog kitten puppy parrot hen duck goat rabbit hamster pony goose".split()),
    seats=tuple("mat chair rug sofa bed bench table stool cushion blanket pillow step".split()),
    coats=tuple("brown old young small big thin wild shy quick lazy gentle".split()),
    animals={
        "fox": "foxes",
        "bear": "bears",
        "wolf": "wolves",
        "hare": "hares",
        "stag": "stags",
        "badger": "badgers",
        "otter": "otters",
        "squirrel": "squirrels",
        "hedgehog": "hedgehogs",
        "tiger": "tigers",
        "monkey": "monkeys",
        "beaver": "beavers",
    },
    landmarks={
        "tree": "trees",
        "house": "houses",
        "rock": "rocks",
        "tent": "tents",
        "fence": "fences",
        "statue": "statues",
        "bush": "bushes",
        "wall": "walls",
        "gate": "gates",
        "well": "wells",
    },
    ways=tuple("road river bridge field stream path railway square canal lawn track alley".split()),
    feelings={
        "sad": "cried",
        "happy": "laughed",
        "angry": "shouted",
        "tired": "slept",
        "hungry": "ate",
        "thirsty": "drank",
        "afraid": "hid",
        "cold": "shivered",
        "bored": "yawned",
        "proud": "bowed",
        "late": "ran",
        "lonely": "wept",
        "curious": "peeped",
        "brave": "jumped",
    },
    meetings={
        "waved": "to",
        "sang": "to",
        "talked": "to",
        "listened": "to",
        "wrote": "to",
        "danced": "with",
        "walked": "with",
        "argued": "with",
        "cooked": "with",
        "looked": "at",
        "smiled": "at",
        "pointed": "at",
        "nodded": "to",
        "played": "with",
    },
)
