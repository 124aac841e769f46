"""Create `.venv` and install the book's exact environment into it, unless that is done already.

    python3 scripts/environment.py             the pins of requirements.txt
    python3 scripts/environment.py newest      the newest release of each package it names
    python3 scripts/environment.py oldest      the same with constraints-oldest.txt

A torch that fits is kept. On Linux without an NVIDIA GPU, PyTorch's own index of CPU builds is
tried first, since the plain package brings gigabytes of CUDA.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "installed"
CPU_BUILDS = "https://download.pytorch.org/whl/cpu"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def main(which: str = "pinned") -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 (whoever starts this may have an older one)
        sys.exit(f"Python 3.11 or newer is needed; this is {platform.python_version()}")
    if which not in WAYS:
        sys.exit(f"{which}? Choose one of {', '.join(WAYS)}")
    if STAMP.exists() and STAMP.read_text() == fingerprint(which):
        return
    if not PYTHON.exists():
        print("creating .venv", flush=True)
        venv.create(VENV, with_pip=True)
    print("installing (about a minute, some 1.5 GB on disk)", flush=True)
    WAYS[which]()
    STAMP.write_text(fingerprint(which))
    say = "import torch; print(f'torch {torch.__version__} in .venv')"
    subprocess.run([PYTHON, "-c", say], check=True)


def install_pinned() -> None:
    """The exact environment."""
    install_torch(line_of("requirements.txt", "torch"))
    pip("install", "-r", "requirements.txt")


def install_newest() -> None:
    """What a user gets who installs everything today; Jupyter Book 2 is another program."""
    install_torch("torch")
    pip("install", "--upgrade", *named(), "jupyter-book<2", "-e", ".")


def install_oldest() -> None:
    """The oldest releases that the book is meant to run with."""
    install_torch(line_of("constraints-oldest.txt", "torch"))
    constraints = ("-c", "constraints-oldest.txt")
    pip("install", *constraints, *named(), "jupyter-book<2", "-e", ".")


WAYS = {"pinned": install_pinned, "newest": install_newest, "oldest": install_oldest}


def named() -> list[str]:
    """The packages that requirements.txt names for their own sake, without their versions."""
    chosen = (ROOT / "requirements.txt").read_text().split("# What those depend on")[0]
    lines = [line for line in chosen.splitlines() if line and not line.startswith("#")]
    return [line.split("==")[0] for line in lines if not line.startswith("jupyter-book")]


def line_of(file: str, package: str) -> str:
    """The line of a file that pins a package."""
    lines = (ROOT / file).read_text().splitlines()
    return next(line for line in lines if line.startswith(f"{package}=="))


def fingerprint(which: str) -> str:
    """Changes with the way, the requirements and the package's own dependencies."""
    files = ("requirements.txt", "constraints-oldest.txt", "pyproject.toml")
    texts = [(ROOT / file).read_bytes() for file in files]
    return hashlib.sha256(b"".join([which.encode(), *texts])).hexdigest()


def install_torch(wanted: str) -> None:
    """Install ``wanted``, as a CPU build where that is enough and can be had."""
    found = subprocess.run(
        [PYTHON, "-c", "import torch; print(torch.__version__)"], capture_output=True, text=True
    ).stdout.strip()
    if found.split("+")[0] == wanted.removeprefix("torch=="):
        return
    if platform.system() == "Linux" and not shutil.which("nvidia-smi"):
        print(f"installing {wanted}, CPU build", flush=True)
        quick = ("--timeout", "5", "--retries", "0", "--quiet")
        if not pip("install", wanted, "--index-url", CPU_BUILDS, *quick, check=False):
            return
        print("that index cannot be reached; the usual one may bring a CUDA build of some 3 GB")
    pip("install", wanted)


def pip(*arguments: str, check: bool = True) -> int:
    """Run pip inside `.venv`; stop with its message where it fails and `check` is set."""
    silent = None if check else subprocess.DEVNULL
    command = [PYTHON, "-m", "pip", "--disable-pip-version-check", *arguments]
    command += ["--progress-bar", "on" if sys.stdout.isatty() else "off"]
    code = subprocess.run(command, cwd=ROOT, stderr=silent).returncode
    if check and code:
        sys.exit(f"pip {' '.join(arguments)} failed with status {code}")
    return code


if __name__ == "__main__":
    main(*sys.argv[1:2])
