"""One setting for the repository's address: a change of it reaches every place that names it."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "scripts"))
from repository import rewritten, texts  # noqa: E402

OLD = "inside-an-llm/book"
NEW = "some-school/their.copy"


@pytest.fixture
def copy(tmp_path, monkeypatch) -> Path:
    """The repository's texts in another folder, which is where the test then stands."""
    monkeypatch.chdir(ROOT)
    for path in texts():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def repository(*arguments: str) -> tuple[int, str]:
    """Status and output of the script."""
    command = [sys.executable, ROOT / "scripts" / "repository.py", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def change(path: str, old: str, new: str) -> None:
    """Replace ``old``, which must be there, by ``new``."""
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new))


def naming(slug: str) -> set[str]:
    """The files that name a repository."""
    return {path.as_posix() for path in texts() if slug in path.read_text()}


def test_the_book_agrees_with_its_setting(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert repository("--check") == (0, "")


def test_a_new_address_reaches_every_place(copy):
    before = naming(OLD)
    assert {"README.md", "pyproject.toml", "llm/__init__.py", "chapters/training.ipynb"} <= before
    change("_config.yml", OLD, NEW)
    change("_config.yml", "branch: main", "branch: trunk")
    status, said = repository("--check")
    assert status == 1 and "llm/__init__.py: names another repository" in said
    assert repository()[0] == 0 and repository("--check") == (0, "")
    assert not naming(OLD) and naming(NEW) >= before
    urls = tomllib.loads(Path("pyproject.toml").read_text())["project"]["urls"]
    assert urls["Source"] == f"https://github.com/{NEW}"
    assert f"{NEW}/blob/trunk/chapters/training.ipynb" in Path("README.md").read_text()
    cells = json.loads(Path("chapters/training.ipynb").read_text())["cells"]
    first = next(cell for cell in cells if cell["cell_type"] == "code")
    assert "".join(first["source"]) == Path("chapters/bootstrap.py").read_text().strip()
    assert f'repository = "https://github.com/{NEW}"' in "".join(first["source"])


def test_a_new_version_reaches_the_cell(copy):
    text, new = Path("llm/__init__.py").read_text(), "9.8.7"
    version = re.search(r'__version__ = "(.*)"', text)[1]
    change("llm/__init__.py", f'__version__ = "{version}"', f'__version__ = "{new}"')
    assert repository("--check")[0] == 1
    assert repository()[0] == 0 and repository("--check") == (0, "")
    for path in ("chapters/bootstrap.py", "chapters/tokenization.ipynb"):
        assert f"/archive/refs/tags/v{new}.zip" in Path(path).read_text()


def test_a_file_that_must_name_the_address_is_missed(copy):
    change("pyproject.toml", f"https://github.com/{OLD}", "https://example.org/x")
    status, said = repository("--check")
    assert status == 1 and f"pyproject.toml: does not name https://github.com/{OLD}" in said


def test_every_link_that_opens_a_notebook_names_a_tracked_file(monkeypatch):
    monkeypatch.chdir(ROOT)
    tracked = set(
        subprocess.run(["git", "ls-files"], capture_output=True, text=True).stdout.split()
    )
    opened = re.compile(
        rf"colab\.research\.google\.com/github/{OLD}/blob/main/([^)\s\"\\]+)"
        rf"|mybinder\.org/v2/gh/{OLD}/main\?urlpath=lab/tree/([^)\s\"\\]+)"
    )
    found = {
        path.as_posix(): ["".join(pair) for pair in opened.findall(path.read_text())]
        for path in texts()
        if path.parts[0] != "tests"
    }
    assert len(found["README.md"]) >= 13 + 13 + 10
    assert (
        len([path for path in found if path.startswith("assignments/release") and found[path]])
        == 10
    )
    assert (
        not {name for names in found.values() for name in names}
        - tracked
        - {"assignments/release/NAME/NAME.ipynb"}
    )


@pytest.mark.parametrize("url", ["https://example.org/a/b", f"https://github.com/{NEW}/"])
def test_an_address_that_colab_cannot_open_is_refused(copy, url):
    change("_config.yml", f"url: https://github.com/{OLD}", f"url: {url}")
    status, said = repository()
    assert status == 1 and f"repository.url in _config.yml is {url!r}: write it as" in said


@pytest.mark.parametrize(
    "before, after",
    [
        ("https://github.com/a/b", "https://github.com/c/d"),
        ("https://github.com/a/b.git", "https://github.com/c/d.git"),
        ("git clone git@github.com:a/b", "git clone git@github.com:c/d"),
        ("/github/a/b/blob/dev/chapters/x.ipynb", "/github/c/d/blob/main/chapters/x.ipynb"),
        (
            "https://mybinder.org/v2/gh/a/b/dev?urlpath=x",
            "https://mybinder.org/v2/gh/c/d/main?urlpath=x",
        ),
        ("https://github.com/a/bc and x-a/b and a/b-c", None),
        ("https://github.com/e/f/blob/dev/x", None),
    ],
)
def test_only_the_address_is_rewritten(before, after):
    assert rewritten(before, "a/b", "c/d", "main", "1.0.0") == (after or before)
