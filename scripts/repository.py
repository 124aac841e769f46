"""Write the repository's address, its branch and the book's version wherever links name them.

    python scripts/repository.py            after a change of _config.yml or of llm.__version__
    python scripts/repository.py --check    print what disagrees, and fail on any

The address and the branch stand in ``_config.yml``, the version in ``llm/__init__.py``. The package
cannot read the first, so it holds a copy, from which the old address is known. Every text of the
repository that names the old one is rewritten; no list of places has to be kept.
"""

import re
import sys
from pathlib import Path

import yaml

SKIPPED = {"_build", "runs", "build", "dist"}
SUFFIXES = set(".py .md .ipynb .toml .txt .yml .html .css .js .json .bib .cff".split())
HOST = "https://github.com/"
PACKAGE = Path("llm/__init__.py")
NAMED = [Path(name) for name in ("README.md", "pyproject.toml", "chapters/bootstrap.py", PACKAGE)]


def setting() -> tuple[str, str]:
    """Address and branch in ``_config.yml``; ``ValueError`` if Colab could not open them."""
    found = yaml.safe_load(Path("_config.yml").read_text(encoding="utf-8"))["repository"]
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]*[\w-]", found["url"]):
        raise ValueError(
            f"repository.url in _config.yml is {found['url']!r}: write it as "
            "https://github.com/OWNER/NAME, the only host that Colab opens, with nothing after it"
        )
    return found["url"], found["branch"]


def rewritten(text: str, old: str, new: str, branch: str, version: str) -> str:
    """``text`` with the address ``new`` for ``old``, and the branch and the version in its links.

    >>> rewritten("[x](https://github.com/a/b/blob/dev/x)", "a/b", "c/d", "main", "0.2.0")
    '[x](https://github.com/c/d/blob/main/x)'
    """
    text = re.sub(rf"(?<![\w.-]){re.escape(old)}(?![\w-])", new, text)
    name = re.escape(new)
    text = re.sub(rf"({name}/(?:blob|tree|edit)/|/v2/gh/{name}/)[\w.-]+", rf"\g<1>{branch}", text)
    return re.sub(r"(/archive/refs/tags/v)[\w.]+(?=\.zip)", rf"\g<1>{version}", text)


def changes() -> dict[Path, str]:
    """The texts that disagree with the setting, each as it should be."""
    url, branch = setting()
    package = PACKAGE.read_text(encoding="utf-8")
    old = _constant(package, "__repository__").removeprefix(HOST)
    new, version = url.removeprefix(HOST), _constant(package, "__version__")
    found = {}
    for path in texts():
        text = path.read_text(encoding="utf-8")
        if (right := rewritten(text, old, new, branch, version)) != text:
            found[path] = right
    return found


def texts() -> list[Path]:
    """The repository's own text files; what was built or installed is left out."""
    tops = [top for top in Path().iterdir() if top.name[0] != "." and top.name not in SKIPPED]
    files = [path for top in tops for path in (top.rglob("*") if top.is_dir() else [top])]
    return sorted(path for path in files if path.suffix in SUFFIXES and path.is_file())


def silent() -> list[Path]:
    """Files that have to name the address and do not."""
    slug = setting()[0].removeprefix(HOST)
    return [path for path in NAMED if slug not in path.read_text(encoding="utf-8")]


def _constant(source: str, name: str) -> str:
    return re.search(rf'^{name} = "(.+)"$', source, re.MULTILINE)[1]


def main(check: bool) -> int:
    wrong = changes()
    for path, text in wrong.items():
        if not check:
            path.write_text(text, encoding="utf-8")
        print(f"{path}: {'names another repository, branch or version' if check else 'rewritten'}")
    if check and wrong:
        print("run python scripts/repository.py")
    missing = silent()
    for path in missing:
        print(f"{path}: does not name {setting()[0]}")
    return int(bool(missing or check and wrong))


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
