"""What the tests of all checks share: the bugs of the catalogues, and that each is named alone."""

import pytest

from llm.checks import CheckFailed


def planted(catalogues: dict) -> list[tuple]:
    """For each bug of ``{check: catalogue}`` the check, the sentence and the function with it."""
    return [
        (check, sentence, bug)
        for check, catalogue in catalogues.items()
        for sentence, bug in catalogue.items()
    ]


def named(catalogue: dict, text: str) -> list[str]:
    """The sentences of the catalogue that stand in ``text``."""
    return [sentence for sentence in catalogue if sentence in text]


def assert_named_alone(check, catalogue: dict, sentence: str, seeds, **chosen) -> list[str]:
    """The check gives the bug its own sentence, and no other of the catalogue, for every seed.

    Returns what the check said, seed by seed.
    """
    said = []
    for seed in seeds:
        with pytest.raises(CheckFailed) as caught:
            check(catalogue[sentence], seed=seed, **chosen)
        said.append(str(caught.value))
        assert named(catalogue, said[-1]) == [sentence]
    return said
