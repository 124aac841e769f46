"""Environments for notebooks, one without the book and one like Colab, and running one in them.

An environment is an empty one laid over a folder of packages: what is installed goes on top, and
what lies below stays as it was. So a folder is made once and serves every test.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib import metadata
from pathlib import Path

import nbformat
from filelock import FileLock
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = Path(sysconfig.get_path("purelib"))
CONSTRAINTS = ROOT / "constraints-colab.txt"
DEAD = "http://127.0.0.1:9"  # nothing listens there
OFFLINE = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_INDEX_URL": f"{DEAD}/simple",
    **{f"{scheme}_proxy": DEAD for scheme in ("http", "https", "all")},
}
_UNSET = {"PYTHONPATH", "LLM_BOOK_SOURCE", "LLM_BOOK_BUILD", "PIP_FIND_LINKS", "no_proxy"}
_EXECUTE = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=300, allow_errors=True).execute()
nbformat.write(notebook, sys.argv[1])
"""


def overlay(folder: Path, below: Path) -> Path:
    """Make an environment in ``folder`` over the packages in ``below``; its Python."""
    venv.create(folder, symlinks=os.name != "nt")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    (site_packages(python) / "below.pth").write_text(f"{below}\n")
    return python


def site_packages(python: Path) -> Path:
    """Where packages are installed for ``python``, the Python of an environment."""
    return next(python.parents[1].glob("[Ll]ib*/**/site-packages"))


def without_book(folder: Path) -> Path:
    """Links in ``folder`` to all that is installed here, save the book itself."""
    folder.mkdir()
    for entry in PACKAGES.iterdir():
        if "inside_an_llm" not in entry.name:
            (folder / entry.name).symlink_to(entry)
    return folder


def colab() -> Path:
    """The packages of Colab's image that constraints-colab.txt names, with the torch of .venv.

    Made once for all tests and kept in ``_build``; it takes half a minute and some 400 MB.
    """
    text = CONSTRAINTS.read_text() + metadata.version("torch") + sys.version
    folder = ROOT / "_build" / "colab" / hashlib.sha256(text.encode()).hexdigest()[:10]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            pip = [sys.executable, "-m", "pip", "install", "-q", "-t", str(part)]
            subprocess.run([*pip, "-r", str(CONSTRAINTS)], check=True, timeout=400)
            _link(part, "torch", "pip")
            part.rename(folder)
    return folder


def _link(folder: Path, *names: str) -> None:
    """Link the named distributions, and what they need, into ``folder`` where it lacks them."""
    for distribution in map(metadata.distribution, sorted(_needed(*names))):
        for top in {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(PACKAGES / top)


def _needed(*names: str) -> set[str]:
    """``names`` and the distributions that they depend on here."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop().lower()
        if name not in found:
            found.add(name)
            needs = map(Requirement, metadata.requires(name) or [])
            todo += [n.name for n in needs if not n.marker or n.marker.evaluate({"extra": ""})]
    return found


def sources(folder: Path) -> Path:
    """A copy of what the package is built from, since building leaves traces in its folder."""
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "llm", folder / "llm", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def build_wheel(source: Path, folder: Path) -> Path:
    """The package as pip builds it from ``source``, in ``folder``."""
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, source]
    subprocess.run(pip, check=True, timeout=200)
    return next(folder.glob("inside_an_llm-*.whl"))


def bootstrap() -> str:
    """The first code cell of every notebook."""
    return (ROOT / "chapters" / "bootstrap.py").read_text(encoding="utf-8").strip()


def write_notebook(path: Path, *cells: str) -> Path:
    """A notebook of code cells, in a folder that is made if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    code = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=code), path)
    return path


def execute(python: Path, path: Path, **variables: str) -> nbformat.NotebookNode:
    """Run the notebook ``path`` under ``python``, in its own folder, and read it again."""
    environment = {k: v for k, v in os.environ.items() if k not in _UNSET} | variables
    environment |= {"JUPYTER_DATA_DIR": str(path.parent / ".jupyter"), "OMP_NUM_THREADS": "1"}
    environment |= {"IPYTHONDIR": str(path.parent / ".ipython")}
    done = subprocess.run(
        [python, "-c", _EXECUTE, path.name],
        cwd=path.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    return nbformat.read(path, as_version=4)
