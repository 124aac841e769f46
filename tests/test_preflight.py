"""Putting answers back: whatever happens to a notebook on its way, the answers survive it."""

import os

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell
from small_course import small, small_course

from llm.classroom import __main__ as commands
from llm.classroom.assignments import kind, read, write
from llm.classroom.preflight import LARGEST, defined, preflight, with_answers
from llm.classroom.release import release, student_version

DOUBLE = "def double(x):\n    return x + x"
ANSWERS = {"double": DOUBLE, "n": "n = 7", "written": "Because it is so.\n\nQuite."}


@pytest.fixture
def given_out(tmp_path):
    """The course after its release."""
    course = small_course(tmp_path / "course")
    release(course, [])
    return course


@pytest.fixture
def work(given_out):
    """The student version with answers in it."""
    return answered(read(given_out.release("small")))


def answered(notebook):
    for cell in notebook.cells:
        cell.source = ANSWERS.get(cell.id, cell.source)
    return notebook


def hand_in(course, notebook, student="ada", file="small/small.ipynb"):
    path = course.root / "submitted" / student / file
    write(notebook, path)
    return path


def mended(course):
    """The one clean notebook, and the notes on it."""
    ((student, name, notes),) = preflight(course, [])
    return read(course.clean(student, name)), notes


def answers(notebook) -> dict[str, str]:
    return {cell.id: cell.source for cell in notebook.cells if cell.id in ANSWERS}


def test_a_notebook_in_order_stays_as_it_is(given_out, work):
    hand_in(given_out, work)
    clean, notes = mended(given_out)
    assert clean == work and notes == []


def test_what_is_handed_in_is_never_changed(given_out, work):
    path = hand_in(given_out, work)
    before = path.read_bytes(), path.stat().st_mtime_ns
    mended(given_out)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_metadata_and_ids_may_be_lost(given_out, work):
    for index, cell in enumerate(work.cells):
        cell.metadata, cell.id = nbformat.NotebookNode(), f"other-{index}"
    hand_in(given_out, work)
    clean, notes = mended(given_out)
    assert answers(clean) == ANSWERS and notes == []


def test_edited_and_deleted_tests_come_back(given_out, work):
    given = {cell.id: cell.source for cell in read(given_out.release("small")).cells}
    by_id = {cell.id: cell for cell in work.cells}
    by_id["double-test"].source = "pass"
    work.cells.remove(by_id["setup"])
    hand_in(given_out, work)
    clean, notes = mended(given_out)
    assert {cell.id: cell.source for cell in clean.cells if kind(cell) == "test"} == {
        "double-test": given["double-test"]
    }
    assert notes == [
        "The locked cell setup was deleted; it was put back as given out.",
        "The locked cell double-test was edited; it was put back as given out.",
    ]


def test_points_cannot_be_raised(given_out, work):
    for cell in work.cells:
        if kind(cell) == "test":
            cell.metadata.nbgrader.points = 1000
    hand_in(given_out, work)
    assert mended(given_out)[0] == answered(read(given_out.release("small")))


def test_of_doubled_answers_the_last_that_was_written_counts(given_out, work):
    place = next(i for i, cell in enumerate(work.cells) if cell.id == "double")
    stub = read(given_out.release("small")).cells[place]
    work.cells[place + 1 : place + 1] = [stub]
    hand_in(given_out, work)
    clean, notes = mended(given_out)
    assert answers(clean) == ANSWERS
    assert notes == ["The answer cell double stands there more than once; the last counts."]


def test_a_deleted_answer_counts_as_not_written(given_out, work):
    work.cells = [cell for cell in work.cells if cell.id != "double"]
    hand_in(given_out, work)
    clean, notes = mended(given_out)
    assert "NotImplementedError" in answers(clean)["double"]
    assert notes == ["The answer cell double is missing; it counts as not written."]


def test_cells_of_a_students_own_do_not_count_and_are_named(given_out, work):
    work.cells.append(new_code_cell("def helper(x):\n    return x"))
    hand_in(given_out, work)
    clean, notes = mended(given_out)
    assert "helper" not in nbformat.writes(clean)
    assert len(notes) == 1 and "define helper" in notes[0] and "only answer cells" in notes[0]


def test_an_answer_that_calls_the_book_is_noted(given_out, work):
    next(c for c in work.cells if c.id == "double").source = f"from llm import GPT\n{DOUBLE}"
    hand_in(given_out, work)
    assert mended(given_out)[1] == ["The answer double imports llm, the book's own code."]


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_a_truncated_file_gives_the_untouched_release_and_a_word(given_out, work, share):
    path = hand_in(given_out, work)
    whole = path.read_text()
    path.write_text(whole[: int(len(whole) * share)])
    clean, notes = mended(given_out)
    assert clean == read(given_out.release("small"))
    assert len(notes) == 1 and "not a whole notebook" in notes[0] and "again" in notes[0]


@pytest.mark.parametrize(
    "text",
    ["[]", "{}", "null", '{"cells": 3}', '{"nbformat": 4, "nbformat_minor": 5, "cells": [7]}']
    + ['{"cells": [{"cell_type": "code"}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}']
    + ["[" * 100_000, "\ufeffx", '{"nbformat": 99, "cells": []}'],
)
def test_what_is_json_but_no_notebook_is_refused_in_one_sentence(given_out, text):
    path = given_out.root / "submitted" / "ada" / "small.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    clean, notes = mended(given_out)
    assert clean == read(given_out.release("small")) and len(notes) >= 1


def test_a_link_and_a_giant_are_not_followed(given_out, work, tmp_path):
    secret = tmp_path / "secret.ipynb"
    write(work, secret)
    folder = given_out.root / "submitted" / "ada"
    folder.mkdir(parents=True)
    os.symlink(secret, folder / "small.ipynb")
    assert "is a link" in mended(given_out)[1][0]
    (folder / "small.ipynb").unlink()
    with open(folder / "small.ipynb", "wb") as file:
        file.truncate(LARGEST + 1)
    assert "MB" in mended(given_out)[1][0]


@pytest.mark.parametrize(
    "file", ["small.ipynb", "Copy of small.ipynb", "x/small (1).ipynb", "Ada_small-final.ipynb"]
)
def test_files_are_found_by_any_usual_name(given_out, work, file):
    hand_in(given_out, work, file=file)
    assert answers(mended(given_out)[0]) == ANSWERS


def test_other_assignments_are_not_taken_for_it(given_out, work):
    hand_in(given_out, work, file="smaller.ipynb")
    hand_in(given_out, work, file="not_small_at_all.ipynb".replace("small", "smallish"))
    assert list(preflight(given_out, [])) == []


def test_the_newest_of_several_files_counts(given_out, work):
    hand_in(given_out, read(given_out.release("small")), file="small (1).ipynb")
    path = hand_in(given_out, work, file="small (2).ipynb")
    os.utime(path, (2e9, 2e9))
    clean, notes = mended(given_out)
    assert answers(clean) == ANSWERS and "small (2).ipynb was taken" in notes[0]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_answers_survive_any_order_copies_and_lost_metadata(data):
    """Each answer is kept by its name, its id or what it defines; locked cells are never taken."""
    notebook = nbformat.v4.new_notebook(cells=small())
    notebook.metadata.kernelspec = {"name": "python3", "language": "python", "display_name": "x"}
    given_notebook = student_version(notebook)
    work = answered(student_version(notebook))
    order = data.draw(st.lists(st.sampled_from(range(len(work.cells))), max_size=12))
    whole = [*range(len(work.cells)), *order]
    work.cells = [nbformat.from_dict(work.cells[i]) for i in data.draw(st.permutations(whole))]
    for cell in work.cells:
        if kind(cell) == "test" and data.draw(st.booleans()):
            cell.source = "pass"
        if kind(cell) == "answer" and data.draw(st.booleans()):
            cell.metadata = nbformat.NotebookNode()
    clean, _ = with_answers(given_notebook, work, [])
    assert clean == answered(student_version(notebook))


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def f(x):\n    y = 1", {"f"}),
        ("class A: pass\nb = 3", {"A", "b"}),
        ("a == 3", set()),
        ("def broken(:\n  x = 2", {"broken"}),
    ],
)
def test_names_that_a_cell_defines(source, names):
    assert defined(source) == names


def test_the_command_says_what_it_did(given_out, work, capsys):
    hand_in(given_out, work)
    assert commands.main(["preflight", "--course", f"{given_out.root}"]) == 0
    assert capsys.readouterr().out == "ada, small: in order\n"
