"""The first cell of every notebook, alone in an empty folder: it finds or installs the book's code.

Each test runs a notebook with that cell and one that looks around, in a kernel of its own.
"""

import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import nbformat
import pytest
from environments import (
    OFFLINE,
    ROOT,
    bootstrap,
    build_wheel,
    execute,
    overlay,
    site_packages,
    sources,
    without_book,
    write_notebook,
)

import llm

sys.path.append(str(ROOT / "scripts"))
import check_chapters  # noqa: E402
import normalise_notebooks  # noqa: E402

LOOK = """
import sys

seen = {"torch", "numpy", "llm"} & set(sys.modules)
import llm

print(sorted(seen), llm.__book__, llm.__file__)
"""


@pytest.fixture(scope="module")
def below(tmp_path_factory) -> Path:
    """All the packages of this environment but the book."""
    return without_book(tmp_path_factory.mktemp("below") / "packages")


@pytest.fixture
def python(below, tmp_path) -> Path:
    """The Python of an environment that lacks the book, and nothing else."""
    return overlay(tmp_path / "environment", below)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """What the package is built from."""
    return sources(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory) -> Path:
    """The package as pip builds it."""
    return build_wheel(source, tmp_path_factory.mktemp("wheel"))


def run(python, folder: Path, **variables: str) -> tuple[str, str]:
    """What the cell printed, and what the cell after it did; an error's message in its place."""
    path = write_notebook(folder / "alone.ipynb", bootstrap(), LOOK)
    notebook = execute(python, path, **variables)
    return tuple("".join(map(_said, cell.outputs)) for cell in notebook.cells)


def _said(output) -> str:
    """Text, or of an error what stands in the notebook."""
    return output.get("text") or "\n".join(output["traceback"])


def test_nothing_happens_where_the_book_can_be_imported(tmp_path):
    printed, seen = run(sys.executable, tmp_path / "empty", **OFFLINE)
    assert printed == ""
    assert seen == f"[] {llm.__book__} {llm.__file__}\n"  # the package itself was not imported


def test_the_cell_takes_no_time_where_the_book_can_be_imported():
    start = time.perf_counter()
    exec(bootstrap(), {})
    assert time.perf_counter() - start < 0.2


def test_in_a_clone_it_takes_the_code_from_there(python, tmp_path):
    clone = tmp_path / "clone"
    (clone / "chapters").mkdir(parents=True)
    (clone / "llm").symlink_to(ROOT / "llm")
    stranger = site_packages(python) / "llm"
    stranger.mkdir()
    (stranger / "__init__.py").write_text("raise SystemExit('this should not run')")
    printed, seen = run(python, clone / "chapters" / "deep", **OFFLINE)
    assert printed == ""
    assert seen == f"[] {llm.__book__} {clone / 'llm' / '__init__.py'}\n"


def test_the_wheel_holds_the_whole_package(source, wheel):
    files = {f for f in (source / "llm").rglob("*") if f.is_file()}
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if name.startswith("llm/")}
    assert names == {file.relative_to(source).as_posix() for file in files}
    assert {"llm/views/view.css", "llm/assets/storyteller.safetensors"} <= names


def test_it_installs_a_wheel(python, tmp_path, wheel):
    printed, seen = run(python, tmp_path / "empty", LLM_BOOK_SOURCE=str(wheel), **OFFLINE)
    assert printed == f"Installing the code of this book from {wheel}\n"
    assert seen == f"[] {llm.__book__} {site_packages(python) / 'llm' / '__init__.py'}\n"


def test_it_installs_from_a_git_address(python, tmp_path, source):
    git = ["git", "-C", source, "-c", "user.name=n", "-c", "user.email=e@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "m", "--no-gpg-sign"]):
        subprocess.run([*git, *command], check=True)
    address = f"git+{source.as_uri()}"
    printed, seen = run(python, tmp_path / "empty", LLM_BOOK_SOURCE=address)
    assert printed == f"Installing the code of this book from {address}\n"
    assert seen.endswith(f"{site_packages(python) / 'llm' / '__init__.py'}\n")


def test_without_a_network_it_says_so_in_seconds(python, tmp_path):
    start = time.perf_counter()
    printed, _ = run(python, tmp_path / "empty", **OFFLINE)
    assert time.perf_counter() - start < 20
    release = f"{llm.__repository__}/archive/refs/tags/v{llm.__version__}.zip"
    assert f"Installing the code of this book from {release}\n✗ That failed.\n" in printed
    assert "Without internet? On Kaggle, switch it on" in printed
    assert f"get a copy of {llm.__repository__}, run `pip install -e .`" in printed
    assert "Traceback" not in printed and len(printed) < 1200


def test_a_stranger_of_that_name_is_refused_and_not_run(python, tmp_path):
    stranger = site_packages(python) / "llm"
    stranger.mkdir()
    (stranger / "__init__.py").write_text("print('this should not run')")
    printed, _ = run(python, tmp_path / "empty", **OFFLINE)
    assert printed == (
        f"✗ `import llm` finds {stranger}, not the code of this book. To go on: run "
        "`%pip uninstall -y llm`, restart the kernel and run this cell again."
    )


@pytest.mark.parametrize("stray", ["llm.py", "llm"])
def test_a_stray_file_or_folder_is_refused_and_not_run(python, tmp_path, stray):
    path = tmp_path / "empty" / stray
    path.parent.mkdir()
    path.write_text("print('this should not run')") if path.suffix else path.mkdir()
    printed, _ = run(python, path.parent, **OFFLINE)
    assert printed == (
        f"✗ `import llm` finds {path}, not the code of this book. To go on: rename it, "
        "restart the kernel and run this cell again."
    )


def test_an_old_torch_is_kept_and_named(python, tmp_path, wheel):
    folder = site_packages(python)
    (folder / "torch").mkdir()
    (folder / "torch" / "__init__.py").write_text("raise SystemExit('this should not run')")
    (folder / "torch-2.0.0.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: torch\nVersion: 2.0.0\n"
    (folder / "torch-2.0.0.dist-info" / "METADATA").write_text(metadata)
    (folder / "torch-2.0.0.dist-info" / "INSTALLER").write_text("pip\n")
    printed, _ = run(python, tmp_path / "empty", LLM_BOOK_SOURCE=str(wheel), **OFFLINE)
    assert re.search(r"Cannot install .*torch==2\.0\.0.*conflicting", printed)
    assert (folder / "torch-2.0.0.dist-info").is_dir() and not (folder / "llm").exists()


def test_the_normaliser_puts_the_cell_before_the_first_code_cell_once():
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_markdown_cell("# Title"), nbformat.v4.new_code_cell("1")]
    for _ in range(2):
        normalise_notebooks.put_bootstrap(notebook)
        notebook.cells[1].metadata["execution"] = {"iopub.status.busy": "2026-11-24T18:37:43Z"}
        normalise_notebooks.normalise(notebook)
    assert [cell.source for cell in notebook.cells] == ["# Title", bootstrap(), "1"]
    assert [cell.id for cell in notebook.cells] == ["cell-000", "cell-001", "cell-002"]
    assert notebook.cells[1].metadata == {
        "tags": ["bootstrap", "remove-cell"],
        "cellView": "form",
        "jupyter": {"source_hidden": True},
    }


def test_a_chapter_without_the_cell_or_with_another_is_found(tmp_path):
    notebook = nbformat.read(ROOT / "chapters" / "tokenization.ipynb", as_version=4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    fault = "its first code cell is not that of chapters/bootstrap.py: run `make notebooks`"

    def found() -> bool:
        nbformat.write(notebook, tmp_path / "chapter.ipynb")
        return fault in check_chapters.faults_of(tmp_path / "chapter.ipynb")

    for source, wrong in [
        (bootstrap(), False),
        (bootstrap().replace("--retries=1", "--retries=9"), True),
        ("import llm", True),
    ]:
        first.source = source
        assert found() is wrong, source
    notebook.cells.remove(first)
    assert found()
