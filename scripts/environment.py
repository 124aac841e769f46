"""Create `.venv` and install the book's exact environment into it, unless that is done already.

    python3 scripts/environment.py

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


def main() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 (whoever starts this may have an older one)
        sys.exit(f"Python 3.11 or newer is needed; this is {platform.python_version()}")
    if STAMP.exists() and STAMP.read_text() == fingerprint():
        return
    if not PYTHON.exists():
        print("creating .venv", flush=True)
        venv.create(VENV, with_pip=True)
    install_torch()
    print("installing requirements.txt (about a minute, some 1.5 GB on disk)", flush=True)
    pip("install", "-r", "requirements.txt")
    STAMP.write_text(fingerprint())


def fingerprint() -> str:
    """Changes with the requirements and the package's own dependencies."""
    files = (ROOT / "requirements.txt", ROOT / "pyproject.toml")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def install_torch() -> None:
    """Install the pinned torch, as a CPU build where that is enough and can be had."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    wanted = next(line for line in lines if line.startswith("torch=="))
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
    main()
