"""Pseudonyms: two friendly words in place of a student's name, drawn at random and kept.

``names.csv`` in the course folder holds who is who. It is the teacher's alone: without it nobody
can tell from a page or a table whose it is, since neither the name nor the order decides the draw.
"""

import re
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from secrets import SystemRandom

from filelock import FileLock

from llm.classroom.tables import Table, read_table, write_table

COLUMNS = ("student", "pseudonym")
COLOURS = (
    "azure blue bronze cobalt copper crimson cyan emerald golden green indigo lavender lilac lime "
    "magenta maroon mauve mint navy ochre orange peach pink plum purple red russet sapphire silver "
    "teal turquoise vermilion"
).split()
ANIMALS = (
    "alpaca badger beaver bee bison butterfly camel cheetah crane cricket deer dolphin dragonfly "
    "eagle egret falcon ferret finch firefly fox gazelle gecko giraffe hare hedgehog heron ibex "
    "ibis jaguar kestrel kingfisher koala lark leopard lion llama lynx magpie moose nightingale "
    "octopus okapi osprey otter owl panda parrot pelican penguin puffin reindeer salmon seal "
    "sparrow squirrel starling stork swallow swan swift tiger tortoise toucan turtle wombat zebra"
).split()
_ANY = [f"{colour}-{animal}" for colour, animal in product(COLOURS, ANIMALS)]


def pseudonyms(root: Path, students: Iterable[str]) -> dict[str, str]:
    """The pseudonym of each student, such as ``"teal-otter"``; who has none yet is given one.

    Two processes at once wait for one another, so that no pseudonym is given twice. Raises
    ``ValueError`` where ``names.csv`` was changed into something that cannot be used.
    """
    students = list(students)
    path = root / "names.csv"
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / "names.csv.lock"):
        known = read_names(root)
        new = {name: "" for name in students if name not in known}
        if new:
            known |= dict(zip(new, _drawn(len(new), known | new), strict=True))
            _write(path, known)
    return {name: known[name] for name in students}


def read_names(root: Path) -> dict[str, str]:
    """What ``names.csv`` holds: student to pseudonym."""
    path, known = root / "names.csv", {}
    for number, row in enumerate(read_table(path, COLUMNS).rows, start=2):
        student, pseudonym = row["student"], row["pseudonym"].strip()
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", pseudonym):
            raise ValueError(
                f"{path}, row {number}: {pseudonym!r} is no pseudonym; use small letters, digits "
                "and hyphens, as in teal-otter, or remove the row"
            )
        if pseudonym in known.values() or student in known:
            raise ValueError(f"{path}, row {number}: {student}, {pseudonym} twice; remove one row")
        known[student] = pseudonym
    return known


def forget(root: Path, students: Iterable[str]) -> None:
    """Take the rows of these students out of ``names.csv``."""
    gone = set(students)
    with FileLock(root / "names.csv.lock"):
        known = read_names(root)
        if gone & set(known):
            _write(root / "names.csv", {s: p for s, p in known.items() if s not in gone})


def _drawn(n: int, known: dict[str, str]) -> list[str]:
    """``n`` pseudonyms that nobody has and that are nobody's name."""
    taken = {name.lower() for name in known} | set(known.values())
    free = [name for name in _ANY if name not in taken]
    if n > len(free):
        raise ValueError(f"{n} pseudonyms are needed and {len(free)} are left: delete old students")
    return SystemRandom().sample(free, n)


def _write(path: Path, known: dict[str, str]) -> None:
    rows = [dict(zip(COLUMNS, pair, strict=True)) for pair in known.items()]
    write_table(path, Table(rows, COLUMNS))
