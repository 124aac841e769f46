"""Every assignment: its solutions pass, and its student version fails at its tests only.

The first and the last variant of each are executed: together they hold every option of a group of
two. (The student's last variant is slow, since its cells are those of the solved one.) What is
written in the files is compared for all variants.
"""

import re
import sys
from pathlib import Path

import nbformat
import pytest
from environments import ROOT, execute

from llm.classroom.assignments import Course, choose, kind, read, tags, variants
from llm.classroom.release import is_fresh, student_version

sys.path.append(str(ROOT / "scripts"))
from check_assignments import BEGIN, END, faults_of  # noqa: E402

COURSE = Course(ROOT / "assignments")
SECONDS = "import time\n\nprint(time.process_time())"
LIMIT = 8  # seconds of computing, with the start of the kernel and all imports

every_assignment = pytest.mark.parametrize("name", COURSE.names)
first_and_last = pytest.mark.parametrize("which", ["first", "last"])


def variant_of(source, which: str) -> int:
    return 0 if which == "first" else variants(source) - 1


def run(notebook, folder: Path):
    """The notebook executed to its end, without challenges, and the seconds that it computed."""
    notebook.cells = [cell for cell in notebook.cells if "challenge" not in tags(cell)]
    notebook.cells.append(nbformat.v4.new_code_cell(SECONDS))
    path = folder / "notebook.ipynb"
    nbformat.write(notebook, path)
    done = execute(Path(sys.executable), path)
    return done, float(done.cells.pop().outputs[0].text)


def failed(notebook) -> list[str]:
    """The cells that ended with an error."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [c.id for c in code if any(output.output_type == "error" for output in c.outputs)]


def test_all_the_chapters_that_shall_have_an_assignment_have_one():
    assert set(COURSE.names) == set(
        "overview tokenization embeddings attention layer_block output training generation llama "
        "finetuning".split()
    )


@every_assignment
def test_it_keeps_the_rules(name):
    assert list(faults_of(COURSE, name)) == []


@every_assignment
@first_and_last
def test_the_solutions_pass_in_time(name, which, tmp_path):
    source = read(COURSE.source(name))
    notebook, seconds = run(choose(source, variant_of(source, which)), tmp_path)
    assert failed(notebook) == []
    assert seconds < LIMIT


@every_assignment
@pytest.mark.parametrize("which", ["first", pytest.param("last", marks=pytest.mark.slow)])
def test_the_student_version_fails_at_its_tests_and_nowhere_else(name, which, tmp_path):
    source = read(COURSE.source(name))
    notebook, seconds = run(student_version(source, variant_of(source, which)), tmp_path)
    tests = [cell.id for cell in notebook.cells if kind(cell) == "test"]
    assert failed(notebook) == tests and tests
    assert seconds < LIMIT


@every_assignment
def test_the_committed_student_version_is_fresh(name):
    assert is_fresh(COURSE, name)
    assert read(COURSE.release(name)).metadata.assignment.variant == 0


@every_assignment
def test_no_solution_and_no_hidden_test_is_given_out(name):
    source = read(COURSE.source(name))
    texts = [COURSE.release(name).read_text(encoding="utf-8")]
    notebooks = [student_version(source, variant) for variant in range(variants(source))]
    texts += [nbformat.writes(notebook) for notebook in notebooks]
    secrets = secret_lines(source)
    assert len(secrets) > 20
    for text in texts:
        cells = nbformat.reads(text, 4).cells
        assert {line.strip() for cell in cells for line in lines_of(cell)} & secrets == set()
        assert not any(cell.get("outputs") for cell in cells)
        for word in (
            "SOLUTION",
            "HIDDEN",
            "hidden_seeds",
            '"choice:',
            '"teacher"',
            '"outputs": [{',
        ):
            assert word not in text


def lines_of(cell) -> list[str]:
    return cell.source.split("\n")


def secret_lines(source) -> set[str]:
    """Lines of solutions, hidden tests and words for teachers that stand nowhere else."""
    region = re.compile(
        rf"{BEGIN}\n(.*?){END}|### BEGIN HIDDEN TESTS\n(.*?)### END HIDDEN TESTS", re.DOTALL
    )
    secret, shown = set(), set()
    for cell in source.cells:
        inside = [cell.source] if "teacher" in tags(cell) else []
        inside += ["".join(found) for found in region.findall(cell.source)]
        secret |= {line.strip() for text in inside for line in text.split("\n")}
        if "teacher" not in tags(cell):
            shown |= {line.strip() for line in region.sub("", cell.source).split("\n")}
    return {line for line in secret - shown if len(line) > 8}


def test_a_solution_that_is_given_out_would_be_found():
    source = read(COURSE.source("attention"))
    given = {line.strip() for cell in source.cells for line in lines_of(cell)}
    assert given & secret_lines(source)
