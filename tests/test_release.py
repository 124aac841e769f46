"""Student versions and variants, on a small assignment made here."""

import nbformat
import pytest
from small_course import NORMS, SIGNS, small_course

from llm.classroom import __main__ as commands
from llm.classroom import hidden_seeds, when_written
from llm.classroom.assignments import Course, choose, options, points, read, titles, variants, write
from llm.classroom.release import is_fresh, release, student_version


@pytest.fixture
def course(tmp_path):
    return small_course(tmp_path / "course")


def sources(notebook) -> dict[str, str]:
    return {cell.id: cell.source for cell in notebook.cells}


def test_a_student_gets_no_solution_and_a_place_to_write(course):
    given = sources(student_version(read(course.source("small"))))
    assert given["double"] == "def double(x):\n    raise NotImplementedError  # your turn"
    assert given["double-test"] == "assert double(2) == 4"
    assert given["n"] == "n = None  # replace None"
    assert given["written"] == "Your answer here."
    assert "They ask here." not in given.values()


def test_a_variant_keeps_one_option_of_each_group(course):
    source = read(course.source("small"))
    assert options(source) == {"norm": list(NORMS), "sign": list(SIGNS)}
    assert variants(source) == 6
    kept = []
    for variant in range(6):
        given = sources(choose(source, variant))
        assert given["setup"] == f"VARIANT = {variant}"
        kept.append([name for name in given if name.startswith(("norm_", "sign_"))])
    assert kept[0] == ["norm_layer", "sign_plus"]
    assert kept[1] == ["norm_rms", "sign_plus"]
    assert len({tuple(pair) for pair in kept}) == 6 and all(len(pair) == 2 for pair in kept)


@pytest.mark.parametrize("variant", [-1, 6])
def test_a_variant_that_is_not_there_is_refused_and_nothing_is_written(course, variant):
    with pytest.raises(ValueError, match=f"0 to 5, not {variant}"):
        release(course, [], variant)
    with pytest.raises(ValueError, match="below 6"):
        choose(read(course.source("small")), variant)
    assert not course.release("small").exists()


def test_a_release_is_fresh_until_its_source_changes(course):
    assert not is_fresh(course, "small")
    release(course, ["small"], variant=4)
    assert is_fresh(course, "small")
    source = read(course.source("small"))
    source.cells[2].source = "## 1 · Twice"
    write(source, course.source("small"))
    assert not is_fresh(course, "small")


def test_another_course_gets_the_source_of_its_variant(course, tmp_path):
    spring = Course(tmp_path / "spring")
    release(course, [], variant=5, to=spring)
    assert variants(read(spring.source("small"))) == 1
    assert "norm_layer" not in sources(read(spring.source("small")))
    assert read(spring.release("small")).metadata.assignment.variant == 5
    assert not course.release("small").exists()


def test_a_variant_of_a_variant_is_itself(course):
    third = choose(read(course.source("small")), 3)
    assert choose(third, 3) == third and third.metadata.assignment.variant == 3
    with pytest.raises(ValueError, match="variant 2 does not exist"):
        choose(third, 2)


def test_points_and_titles(course):
    source = read(course.source("small"))
    assert points(source) == 5
    assert titles(source)[3:5] == ["1 · Double", "1 · Double"]


def test_an_unknown_assignment_is_named(course, capsys):
    assert commands.main(["release", "smal", "--course", f"{course.root}"]) == 1
    said = capsys.readouterr().err
    assert "smal" in said and "choose from small" in said


def test_the_command_writes_what_the_function_does(course):
    assert commands.main(["release", "small", "--course", f"{course.root}", "--variant", "3"]) == 0
    assert nbformat.read(course.release("small"), 4) == student_version(
        read(course.source("small")), 3
    )


def test_hidden_seeds_come_from_the_environment(monkeypatch):
    monkeypatch.delenv("LLM_HIDDEN_SEEDS", raising=False)
    assert hidden_seeds() == (101, 102, 103)
    monkeypatch.setenv("LLM_HIDDEN_SEEDS", "7 8")
    assert hidden_seeds() == (7, 8)
    for wrong in ("", "x", "-1", "1.5"):
        monkeypatch.setenv("LLM_HIDDEN_SEEDS", wrong)
        with pytest.raises(ValueError, match="whole numbers"):
            hidden_seeds()


def test_what_is_not_written_yet_is_waited_for(capsys):
    def unwritten():
        raise NotImplementedError

    assert when_written(lambda: 3) == 3
    assert when_written(unwritten) is None
    assert "once the steps above are written" in capsys.readouterr().out
    with pytest.raises(ZeroDivisionError):
        when_written(lambda: 1 / 0)
