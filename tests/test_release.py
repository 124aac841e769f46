"""Student versions and variants, on a small assignment made here."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from llm.classroom import __main__ as commands
from llm.classroom import hidden_seeds, when_written
from llm.classroom.assignments import Course, choose, options, points, read, titles, variants, write
from llm.classroom.release import is_fresh, release, student_version

NORMS = ("layer", "rms")
SIGNS = ("plus", "minus", "both")


def marked(cell, grade_id, tags=(), **marks):
    """A cell as nbgrader knows it."""
    usual = {"grade": False, "solution": False, "locked": False, "task": False}
    cell.metadata.nbgrader = usual | {"schema_version": 3, "grade_id": grade_id} | marks
    cell.metadata.tags = list(tags)
    cell.id = grade_id
    return cell


def answer(name, body, **kind):
    source = f"def {name}(x):\n    ### BEGIN SOLUTION\n    {body}\n    ### END SOLUTION"
    return marked(new_code_cell(source), name, solution=True, **kind)


def graded(name, seen, hidden, points, **kind):
    source = f"{seen}\n### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS"
    return marked(
        new_code_cell(source), f"{name}-test", grade=True, locked=True, points=points, **kind
    )


@pytest.fixture
def course(tmp_path):
    """A course with one small assignment, of six variants."""
    cells = [
        new_markdown_cell("# Small"),
        marked(new_code_cell("VARIANT = 0"), "setup", locked=True),
        new_markdown_cell("## 1 · Double"),
        answer("double", "return 2 * x"),
        graded("double", "assert double(2) == 4", "assert double(3) == 6", 3),
        *[answer(f"norm_{n}", "return x", tags=[f"choice:norm:{n}"]) for n in NORMS],
        *[answer(f"sign_{s}", "return -x", tags=[f"choice:sign:{s}"]) for s in SIGNS],
        marked(
            new_code_cell("n = None  # replace None\n### BEGIN SOLUTION\nn = 7\n### END SOLUTION"),
            "n",
            solution=True,
        ),
        new_markdown_cell("They ask here.", metadata={"tags": ["teacher"]}),
        marked(
            new_markdown_cell("### BEGIN SOLUTION\nBecause.\n### END SOLUTION"),
            "written",
            grade=True,
            solution=True,
            points=2,
        ),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = Course(tmp_path / "course")
    write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), made.source("small"))
    return made


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
