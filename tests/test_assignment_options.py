"""A teacher who gives out another variant: answers to the old one must not pass its tests."""

from itertools import permutations

import pytest
from environments import ROOT

from llm.classroom.assignments import Course, choose, kind, options, read, tags, variants

COURSE = Course(ROOT / "assignments")


def swaps(name: str) -> list:
    """Group, the option that was answered, and the one that is asked for, of one assignment."""
    groups = options(read(COURSE.source(name)))
    pairs = [(group, *two) for group, names in groups.items() for two in permutations(names, 2)]
    return [pytest.param(name, *pair, id="-".join([name, *pair])) for pair in pairs]


def of_option(notebook, group: str, option: str):
    """The variant with that option of the group, and the first options of all other groups."""
    wanted = f"choice:{group}:{option}"
    ids = {cell.id for cell in notebook.cells if wanted in tags(cell)}
    found = (choose(notebook, n) for n in range(variants(notebook)))
    chosen = next(v for v in found if ids <= {cell.id for cell in v.cells})
    return chosen, [cell for cell in chosen.cells if cell.id in ids and kind(cell) == "test"]


@pytest.mark.parametrize(
    "name, group, answered, asked", [s for name in COURSE.names for s in swaps(name)]
)
def test_answers_to_one_option_pass_its_tests_and_fail_every_test_of_another(
    name, group, answered, asked
):
    notebook = read(COURSE.source(name))
    old, old_tests = of_option(notebook, group, answered)
    _, new_tests = of_option(notebook, group, asked)
    space = answers_of(old)
    assert old_tests and new_tests
    for test in old_tests:
        exec(test.source, space)
    for test in new_tests:
        with pytest.raises((AssertionError, NameError)):  # wrong, or under another name
            exec(test.source, space)


def answers_of(notebook) -> dict:
    """What the names stand for after the answers ran, and the locked cells that they need."""
    space: dict = {}
    for cell in notebook.cells:
        if kind(cell) == "answer" or is_setting(cell):
            exec(cell.source, space)
    return space


def is_setting(cell) -> bool:
    """Whether a locked cell imports or sets something, and shows nothing."""
    locked = kind(cell) == "locked" and cell.cell_type == "code"
    shows = {"exhibit", "challenge"} & set(tags(cell)) or "when_written(" in cell.source
    return locked and not shows
