"""Which bug a message names, so that the same one counts once, and what to read again.

A check says "attention: the scores are not divided by the square root of head_dim. attention(q
(3, 4), …) should be …". The sentence in it comes from a catalogue; the rest differs from student
to student.
"""

import importlib
import pkgutil
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import llm.checks

_WHO = re.compile(r"^(?:CheckFailed: |AssertionError: )?(?:([a-z_]\w*): )?")
LONGEST = 160  # letters of a sentence that a notebook made
NOT_WRITTEN = "not written yet."
UNKNOWN = "its answer is wrong in a way that no catalogue knows."
_RAISED = re.compile(r"\b([A-Z]\w*(?:Error|Exception|Interrupt|Iteration|Exit))\b")


@dataclass(frozen=True)
class Bug:
    """What went wrong: the function it is in, one sentence, and the catalogue that knows it.

    Bugs are equal whose function and ``kind`` are: the sentence without its numbers.
    """

    function: str
    kind: str
    sentence: str = field(compare=False)
    catalogue: str = ""  # such as "attention.MASK_BUGS"; "" where no catalogue has the sentence

    @property
    def text(self) -> str:
        """The bug in one line: the function, then the sentence."""
        return f"{self.function}: {self.sentence}" if self.function else begun(self.sentence)


def bug_in(message: str) -> Bug:
    """The bug that a message tells of: two messages of the same bug give equal bugs."""
    who = _WHO.match(message)
    function = who[1] or ""
    for sentence, catalogue in _catalogues().items():
        if sentence in message:
            return Bug(function, sentence, sentence, catalogue)
    sentence = _sentence(message[who.end() :])
    function = "" if sentence == NOT_WRITTEN else function
    return Bug(function, re.sub(r"(?<!\w)-?\d+(\.\d+)?", "…", sentence), sentence)


def in_words(message: str) -> tuple[str, str, str]:
    """A message for the student: the function, a sentence, and the example that shows it."""
    bug = bug_in(message)
    told = message[_WHO.match(message).end() :].strip()
    if bug.catalogue:
        return bug.function, bug.sentence, told.split(bug.sentence, 1)[1].strip()
    if bug.sentence == NOT_WRITTEN:
        return bug.function, NOT_WRITTEN, ""
    if _is_general(told):
        return bug.function, bug.sentence, told
    return bug.function, told, ""


def begun(sentence: str) -> str:
    """A sentence with its first letter large, unless it begins with a name of the program."""
    word = sentence.split(" ", 1)[0]
    return sentence[:1].upper() + sentence[1:] if len(word) > 1 and word.isalpha() else sentence


def to_read(bug: Bug) -> tuple[str, str]:
    """Chapter and section that help with a bug; both ``""`` for one that no catalogue knows."""
    module, _, catalogue = bug.catalogue.partition(".")
    for chapter, sections in _sections().items():
        if f"{module}_".startswith(f"{chapter}_"):
            return sections["chapter"], sections.get(catalogue, "")
    return "", ""


def _sentence(told: str) -> str:
    """One sentence for a message that no catalogue knows."""
    if told.startswith("not written yet") or "NotImplementedError" in told:
        return NOT_WRITTEN
    if _is_general(told):
        raised = _RAISED.search(told)
        return f"it stops with {_an(raised[1])}." if raised else UNKNOWN
    return (
        re.split(r"(?<=[.!?])\s|\n", told, maxsplit=1)[0][:LONGEST]
        or "it failed without a message."
    )


def _is_general(told: str) -> bool:
    """Whether a message is best told by its kind: an exception, or an answer that is wrong."""
    return bool(_RAISED.search(told)) or (" should be " in told and ", yours is " in told)


def _an(name: str) -> str:
    return f"an {name}" if name[0] in "AEIOU" else f"a {name}"


@cache
def _catalogues() -> dict[str, str]:
    """Every sentence of every catalogue, the longest first, and the catalogue's name."""
    found: dict[str, str] = {}
    modules = [module.name for module in pkgutil.iter_modules(llm.checks.__path__)]
    for module in sorted(name[:-5] for name in modules if name.endswith("_bugs")):
        for name, catalogue in vars(importlib.import_module(f"llm.checks.{module}_bugs")).items():
            if name.endswith("_BUGS") and name[0] != "_":
                sentences = _sentences(catalogue)
                found |= {s: f"{module}.{name}" for s in sentences if s not in found}
    return dict(sorted(found.items(), key=lambda pair: -len(pair[0])))


def _sentences(catalogue: Mapping) -> Iterator[str]:
    """The sentences of a catalogue, which may hold one catalogue for each convention."""
    for sentence, bug in catalogue.items():
        yield from _sentences(bug) if isinstance(bug, Mapping) else [sentence]


@cache
def _sections() -> dict[str, dict[str, str]]:
    path = Path(__file__).parent / "pages" / "reading.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))
