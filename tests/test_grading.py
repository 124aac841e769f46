"""Grading: the right points and words, whatever is handed in, and nothing else is touched."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from hostile import (
    ALL,
    CHEATS,
    DEAF,
    ENDINGS,
    ORDINARY,
    OTHERWISE,
    REACHING,
    REFUSED,
    a_class,
    course,
    equal_to_everything,
    hand_in,
    put,
    reaching,
)
from nbgrader.api import Gradebook
from small_course import small_course

from llm.classroom.assignments import Course, grade_id, read, variants, write
from llm.classroom.grade import grade
from llm.classroom.process import Limits, Process, Stopped, protections
from llm.classroom.release import release

ROOT = Path(__file__).parent.parent
LIMITS = Limits(cell_seconds=2, notebook_seconds=120, memory_mb=600)


def tree(folder) -> dict[str, tuple]:
    """Every file with its content, rights and time."""
    return {
        f"{path}": (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat()[:2],
            path.stat().st_mtime,
        )
        for path in folder.rglob("*")
        if path.is_file() and "graded" not in path.parts
    }


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """One batch of everything: results by name, the cases, and the files before and after."""
    made = course(tmp_path_factory.mktemp("course"))
    (made.root / "kept").write_text("kept")
    cases = ORDINARY | ENDINGS | CHEATS | reaching(made.root)
    for name, case in cases.items():
        hand_in(made, name, case.answers)
    before = tree(made.root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET", "the teacher's own")
        failed = grade(made, jobs=2, seeds=[7, 8, 9], limits=LIMITS)
    results = {
        path.parts[-3]: json.loads(path.read_text())
        for path in made.root.glob("graded/*/hostile/result.json")
    }
    return made, cases, results, failed, before


NAMES = [*ORDINARY, *ENDINGS, *CHEATS, *reaching(ROOT)]


@pytest.mark.parametrize("name", NAMES)
def test_points_and_words(graded, name):
    _, cases, results, _, _ = graded
    case, cells = cases[name], {cell["grade_id"]: cell for cell in results[name]["cells"]}
    wanted = {test: 0 if test in case.lost else most for test, most in ALL.items()}
    messages = {test: cells[test]["message"] for test in ALL}
    assert {test: cells[test]["points"] for test in ALL} == wanted, messages
    assert all(bool(messages[test]) == (test in case.lost) for test in ALL), messages
    if case.lost:
        assert re.search(case.message, messages[case.lost[0]]), messages
    notes = results[name]["notes"]
    assert case.note in " ".join(notes), notes


def test_what_reaches_out_is_refused(graded):
    made = graded[0]
    cells = {grade_id(cell): cell for cell in read(made.graded("reaching", "hostile")).cells}
    (printed,) = cells["n"].outputs
    said = dict(line.split(" | ", 1) for line in printed.text.splitlines() if " | " in line)
    assert list(said) == list(REACHING)
    for name, words in said.items():
        assert re.match(OTHERWISE.get(name, REFUSED), words), (name, words)


def test_the_batch_ends_and_nothing_else_has_changed(graded):
    made, cases, results, failed, before = graded
    assert not failed and set(results) == set(cases)
    assert tree(made.root) == before
    assert not list(Path(tempfile.gettempdir()).glob(f"llm-grade-{os.getpid()}-*"))
    assert not psutil.Process().children(recursive=True)


def test_an_executed_notebook_is_small_and_shows_what_happened(graded):
    made, _, results, _, _ = graded
    for name in results:
        assert made.graded(name, "hostile").stat().st_size < 3_000_000, name
    cells = {grade_id(cell): cell for cell in read(made.graded("prints", "hostile")).cells}
    (printed,) = cells["double-test"].outputs
    assert printed.text.startswith("0\n1\n") and printed.text.endswith("… (the rest is cut)\n")
    cells = {grade_id(cell): cell for cell in read(made.graded("unscaled", "hostile")).cells}
    assert cells["attention-test"].outputs[0].evalue.startswith("attention: the scores are not")


def test_a_written_answer_waits_for_the_teacher(graded):
    results = graded[2]
    right, untouched = results["right"]["cells"][-1], results["untouched"]["cells"][-1]
    assert (right["kind"], right["points"], right["max_points"]) == ("written", None, 2)
    assert right["answer"] == "Because." and right["title"] == "2 · Double"
    assert (untouched["points"], untouched["message"]) == (0, "not written yet")


def test_the_result_says_what_it_belongs_to(graded):
    _, _, results, _, _ = graded
    right = results["right"]
    assert (right["assignment"], right["variant"], right["student"]) == ("hostile", 0, "right")
    assert right["notes"] == [] and right["seconds"] > 0 and len(right["key"]) == 64
    assert len({result["key"] for result in results.values()}) == len(results)


HOOK_ALONE = """
from pathlib import Path
import torch
from llm.classroom import locks

locks.watch(Path.cwd(), set())
"""
TRY = """
try:
    {}
except PermissionError as error:
    print("refused:", error)
"""
FOR_PYTHON = "tcp udp dns unix curl system fork ctypes kill write append delete tree chmod".split()
FOR_PYTHON += "rename link other tests result many memory-of".split()


def test_what_is_missing_is_said_in_one_line(monkeypatch):
    monkeypatch.setattr(Process, "__init__", lambda self, *_: setattr(self, "locks", ["memory"]))
    monkeypatch.setattr(Process, "stop", lambda self: None)
    protections.cache_clear()
    assert protections() == (
        "Locked by the system: memory. Watched by Python alone: files, processes and network; "
        "grade in a container."
    )
    protections.cache_clear()


def test_where_the_system_has_no_locks_python_refuses(tmp_path):
    for place in ("clean/right", "source", "graded/right"):
        (tmp_path / place / "hostile").mkdir(parents=True)
        (tmp_path / place / "hostile/hostile.ipynb").write_text("kept")
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "own").mkdir()
    before = tree(tmp_path)
    tries = [REACHING[name].replace("OUTSIDE", f"{tmp_path}") for name in FOR_PYTHON]
    code = HOOK_ALONE + "".join([TRY.format(line.replace("\n", "\n    ")) for line in tries])
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path / "own", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("refused: the grader ") == len(FOR_PYTHON), done.stdout
    shutil.rmtree(tmp_path / "own")
    assert tree(tmp_path) == before


def test_why_a_process_does_not_start_is_said(monkeypatch):
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(RuntimeError, match="does not start: no reason"):
        Process(Limits(), ())
    assert not Process.running


def test_a_process_that_does_not_listen_stops_nobody():
    process = Process(Limits(cell_seconds=0.5), ())
    cell = {"name": "deaf", "kind": "answer", "source": DEAF}
    try:
        assert process.run(cell, time.monotonic() + 100)["error"] == ""
        with pytest.raises(Stopped, match="took longer than 3 seconds"):
            process.run(cell | {"source": "#" * 1_000_000}, time.monotonic() + 100)
    finally:
        process.stop()


@pytest.fixture
def small(tmp_path):
    """Twenty students with the small course, every second right."""
    made = small_course(tmp_path / "course")
    release(made, ["small"], variant=2)
    for number in range(20):
        notebook = read(made.release("small"))
        for cell in notebook.cells:
            if grade_id(cell) == "double":
                cell.source = f"def double(x):\n    return {2 + number % 2} * x"
        write(notebook, made.clean(f"s{number:02}", "small"))
    return made


def results_of(made) -> dict[str, Path]:
    return {path.parts[-3]: path for path in made.root.glob("graded/*/small/result.json")}


def is_over(process: psutil.Process, seconds: float = 10) -> bool:
    """Whether a process ends in time; one that nobody has buried yet has ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("how, size", [(signal.SIGKILL, 20), (signal.SIGINT, 8)])
def test_a_batch_that_was_cut_off_loses_nothing_and_grades_nothing_twice(small, how, size):
    only(small, *[f"s{number:02}" for number in range(size)])
    command = [sys.executable, "-m", "llm.classroom", "grade", "--course", f"{small.root}"]
    batch = subprocess.Popen([*command, "--jobs", "2"], stderr=subprocess.DEVNULL)
    while len(results_of(small)) < size // 3:
        assert batch.poll() is None
        time.sleep(0.05)
    kernels = psutil.Process(batch.pid).children(recursive=True)
    batch.send_signal(how)
    assert batch.wait(60) == (130 if how == signal.SIGINT else -how)
    assert all(is_over(kernel) for kernel in kernels)
    first = {student: path.stat().st_mtime_ns for student, path in results_of(small).items()}
    assert size // 3 <= len(first) < size
    assert subprocess.run([*command, "--jobs", "2"], stderr=subprocess.DEVNULL).returncode == 0
    second = results_of(small)
    assert len(second) == size
    assert {student: second[student].stat().st_mtime_ns for student in first} == first
    for student, path in second.items():
        cells = json.loads(path.read_text())["cells"]
        assert cells[0]["points"] == (0 if int(student[1:]) % 2 else 3)
    assert not list(Path(tempfile.gettempdir()).glob(f"llm-grade-{batch.pid}-*"))


def only(made, *students: str) -> None:
    for folder in made.root.glob("clean/*"):
        if folder.name not in students:
            shutil.rmtree(folder)


def test_what_decides_the_grade_leads_to_a_new_one_and_nothing_else(small):
    only(small, "s00", "s01")
    path = small.graded("s00", "small").with_name("result.json")

    def graded_anew(**options) -> bool:
        before = path.stat().st_mtime_ns if path.exists() else None
        assert not grade(small, ["small"], jobs=2, **options)
        return path.stat().st_mtime_ns != before

    assert graded_anew()
    assert not graded_anew()
    assert graded_anew(seeds=[5])
    assert not graded_anew(seeds=[5])
    assert graded_anew(seeds=[5], again=True)
    notebook = read(small.clean("s00", "small"))
    notebook.cells[3].source = "def double(x):\n    return x + x"
    write(notebook, small.clean("s00", "small"))
    assert graded_anew(seeds=[5])
    path.write_text('{"key": ')
    assert graded_anew(seeds=[5])


def test_one_that_cannot_be_graded_is_named_and_the_others_are_graded(small, capsys):
    only(small, "s00", "s01")
    small.clean("s00", "small").write_text("not a notebook")
    (failed,) = grade(small, jobs=1)
    assert failed.startswith("small of s00 is not graded: ") and "not a whole notebook" in failed
    assert list(results_of(small)) == ["s01"]
    assert "2 submissions, 1 at a time." in capsys.readouterr().out


def test_what_cannot_be_meant_is_refused(small):
    with pytest.raises(ValueError, match="from 0 up, not -1"):
        grade(small, seeds=[3, -1])
    with pytest.raises(ValueError, match="limits are above 0"):
        Limits(cell_seconds=0)
    only(small)
    with pytest.raises(ValueError, match="run preflight first"):
        grade(small)


def test_the_variant_handed_out_is_the_variant_graded(small):
    only(small, "s00")
    grade(small, jobs=1)
    result = json.loads(results_of(small)["s00"].read_text())
    assert result["variant"] == 2
    names = [grade_id(cell) for cell in read(small.graded("s00", "small")).cells]
    assert "norm_layer" in names and "norm_rms" not in names and "sign_minus" in names


def test_preflights_sentences_come_first(small):
    only(small, "s00")
    notes = small.clean("s00", "small").with_name("notes.json")
    notes.write_text('["The locked cell setup was edited; it was put back as given out."]')
    grade(small, jobs=1)
    assert json.loads(results_of(small)["s00"].read_text())["notes"][0].startswith("The locked")


def test_nbgrader_itself_gives_the_same_points(tmp_path):
    made = course(tmp_path / "course")
    students = {"right": ORDINARY["right"], "unscaled": ORDINARY["unscaled"]}
    for name, case in students.items():
        hand_in(made, name, case.answers)
        shutil.copytree(made.root / "clean" / name, made.root / "submitted" / name)
    assert not grade(made, jobs=2)
    ours = {}
    for name in students:
        result = json.loads(made.graded(name, "hostile").with_name("result.json").read_text())
        ours |= {(name, cell["grade_id"]): cell["points"] for cell in result["cells"]}
    assert nbgraders_points(made) == ours


def nbgraders_points(made) -> dict[tuple[str, str], float | None]:
    """The points of ``nbgrader autograde``, from its database."""
    folder = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    place = [f"--CourseDirectory.root={made.root}", "--course=course"]
    shutil.rmtree(made.root / "release")
    for command in ("generate_assignment", "autograde"):
        call = [f"{folder / 'nbgrader'}", command, "hostile", *place]
        done = subprocess.run(call, env=environment, capture_output=True, text=True, cwd=made.root)
        assert done.returncode == 0, done.stderr
    with Gradebook(f"sqlite:///{made.root}/gradebook.db") as book:
        grades = [
            grade
            for submission in book.assignment_submissions("hostile")
            for notebook in submission.notebooks
            for grade in notebook.grades
        ]
        return {(grade.student.id, grade.cell.name): grade.auto_score for grade in grades}


@pytest.mark.slow
def test_a_class_of_two_hundred_is_graded_in_a_quarter_of_an_hour(tmp_path):
    made, name = Course(tmp_path / "course"), "attention"
    write(read(Course(ROOT / "assignments").source(name)), made.source(name))
    release(made, [name])
    right = a_class(made, name, 200)
    started = time.monotonic()
    assert not grade(made, jobs=2)
    assert time.monotonic() - started < 15 * 60
    for path in made.root.glob(f"graded/*/{name}/result.json"):
        result = json.loads(path.read_text())
        checks = [cell for cell in result["cells"] if cell["kind"] == "check"]
        lost = [cell["message"] for cell in checks if cell["points"] < cell["max_points"]]
        assert all(lost) and not (lost and result["student"] in right), result["student"]


@pytest.mark.slow
@pytest.mark.parametrize("name", Course(ROOT / "assignments").names)
def test_what_equals_everything_earns_nothing(tmp_path, name):
    made = Course(tmp_path / "course")
    write(read(Course(ROOT / "assignments").source(name)), made.source(name))
    for variant in (0, variants(read(made.source(name))) - 1):
        release(made, [name], variant)
        given = read(made.release(name))
        put(given, equal_to_everything(given), made.clean(f"yes{variant}", name))
    assert not grade(made, jobs=2)
    for path in made.root.glob(f"graded/*/{name}/result.json"):
        cells = json.loads(path.read_text())["cells"]
        assert not [cell["grade_id"] for cell in cells if cell["points"]]
