"""A student's evening: a release notebook alone in an empty folder, in an environment like Colab's.

It is opened untouched, then worked through with wrong answers, then with right ones.
"""

from pathlib import Path

import environments
import nbformat
import pytest
import torch

from llm.classroom.assignments import Course, choose, kind, read, tags
from llm.classroom.release import student_version

COURSE = Course(environments.ROOT / "assignments")
VERSIONS = "import torch, numpy\n\nprint(torch.__version__, numpy.__version__)"
QUICK = ["overview"]
EVERY = [
    pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in COURSE.names
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> str:
    """The package as pip builds it."""
    source = environments.sources(tmp_path_factory.mktemp("source"))
    return str(environments.build_wheel(source, tmp_path_factory.mktemp("wheel")))


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The Python of an environment like Colab's; the first notebook installs the book in it."""
    return environments.overlay(
        tmp_path_factory.mktemp("colab") / "environment", environments.colab()
    )


def worked_through(python, wheel, folder, notebook) -> nbformat.NotebookNode:
    """The notebook after all its cells ran, and one that tells the versions."""
    notebook.cells = [cell for cell in notebook.cells if "challenge" not in tags(cell)]
    notebook.cells.append(nbformat.v4.new_code_cell(VERSIONS, id="versions"))
    path = folder / "notebook.ipynb"
    folder.mkdir()
    nbformat.write(notebook, path)
    return environments.execute(python, path, LLM_BOOK_SOURCE=wheel)


def messages(notebook) -> dict[str, str]:
    """What stands as an error below each cell that has one."""
    return {
        cell.id: "\n".join(output.traceback)
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "error"
    }


def with_answers_of(notebook, source) -> nbformat.NotebookNode:
    answers = {cell.id: cell.source for cell in source.cells if kind(cell) == "answer"}
    for cell in notebook.cells:
        cell.source = answers.get(cell.id, cell.source)
    return notebook


@pytest.mark.parametrize("name", EVERY)
def test_a_release_works_from_the_first_cell_to_the_last_point(name, python, wheel, tmp_path):
    source = choose(read(COURSE.source(name)), 0)
    tests = [cell.id for cell in source.cells if kind(cell) == "test"]
    untouched = worked_through(python, wheel, tmp_path / "untouched", student_version(source))
    assert list(messages(untouched)) == tests
    unwritten = [text for text in messages(untouched).values() if "not written yet" in text]
    assert len(unwritten) >= len(tests) / 2
    solved = with_answers_of(student_version(source), source)
    done = worked_through(python, wheel, tmp_path / "solved", solved)
    assert messages(done) == {}
    assert done.cells[-1].outputs[0].text.split() == [torch.__version__, "2.1.3"]


def test_a_wrong_answer_gets_one_line_that_names_the_bug(python, wheel, tmp_path):
    source = choose(read(COURSE.source("overview")), 0)
    wrong = with_answers_of(student_version(source), source)
    for cell in wrong.cells:
        if cell.id == "newest":
            cell.source = cell.source.replace("logits[:, -1]", "logits[:, 0]")
        elif cell.id == "parts":
            cell.source = cell.source.replace("model.final_norm(x)", "x")
    said = messages(worked_through(python, wheel, tmp_path / "wrong", wrong))
    said = {name: text for name, text in said.items() if name.endswith("-test")}
    assert set(said) == {"newest-test", "parts-test"}
    assert said["newest-test"].startswith("✗ newest_chances: the first row is taken")
    assert said["parts-test"].startswith("✗ run_parts: the final norm is missing.")
    assert "Traceback" not in "".join(said.values())
