"""The grader's side of the process in which a student's notebook runs: start, ask, wait, end."""

import contextlib
import json
import os
import queue
import secrets
import shutil
import signal
import site
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import psutil

import llm

PATIENCE = 6  # times the seconds of a cell, on the clock
GRACE = 5  # seconds between an interrupt and the end
START = 120  # seconds
LOCKS = ("files", "processes and network", "memory")
_FOLDER = "llm-grade-"  # then the number of the grader's process
_LONGEST = 10_000_000  # bytes of one answer
_PASSED_ON = "PATH LANG LC_ALL SYSTEMROOT".split()


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    ``cell_seconds`` are seconds at work, so that a busy machine takes nothing from anybody; a cell
    that only waits is stopped after six times as many on the clock.
    """

    cell_seconds: float = 10
    notebook_seconds: float = 300
    memory_mb: int = 2048

    def __post_init__(self):
        if min(self.cell_seconds, self.notebook_seconds, self.memory_mb) <= 0:
            raise ValueError(f"limits are above 0, not {self}")


class Stopped(Exception):
    """The process had to be ended, or ended itself; the message says why."""


@cache
def protections() -> str:
    """A line on what protects this machine, found out by starting a process."""
    process = Process(Limits(), ())
    process.stop()
    missing = [name for name in LOCKS if name not in process.locks]
    said = [f"Locked by the system: {', '.join(process.locks)}."] if process.locks else []
    if missing:
        said += [f"Watched by Python alone: {', '.join(missing)}; grade in a container."]
    return " ".join(said)


class Process:
    """A process in an empty folder of its own, which runs cells behind locks."""

    running: ClassVar[set["Process"]] = set()
    interrupted: ClassVar[bool] = False

    def __init__(self, limits: Limits, seeds: Sequence[int]):
        self.check()
        self.limits, self.token = limits, ""
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-"))
        for name, content in _lists_of_fonts().items():
            (self.folder / name).write_bytes(content)
        self.errors = tempfile.TemporaryFile()
        seconds = int(2 * limits.notebook_seconds) + 60
        command = [sys.executable, "-P", "-m", "llm.classroom.kernel"]
        self.process = subprocess.Popen(
            [*command, f"{limits.memory_mb}", f"{seconds}"],
            cwd=self.folder,
            env=_environment(self.folder, seeds),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            start_new_session=True,
        )
        self.watched = psutil.Process(self.process.pid)
        self.running.add(self)
        self.lines: queue.Queue[bytes] = queue.Queue(2)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.locks = self._started()["locks"]
        self.most = self._memory() + 2 * limits.memory_mb * 2**20  # of torch alone, 200 to 500 MB

    def _read(self) -> None:
        """Pass on lines; the empty one says that there are no more."""
        line = b"\n"
        while line.endswith(b"\n"):
            line = self.process.stdout.readline(_LONGEST)
            self.lines.put(line if line.endswith(b"\n") else b"")

    def _started(self) -> dict:
        with contextlib.suppress(queue.Empty):
            line = self.lines.get(timeout=START)
            if line:
                return json.loads(line)
        self.errors.seek(0)
        text = self.errors.read().decode(errors="replace").strip()[-500:]
        self.stop()
        raise RuntimeError(f"the process for a notebook does not start: {text or 'no reason'}")

    def run(self, cell: dict, end: float) -> dict:
        """Run a cell; `Stopped` if that takes the process along."""
        self.token = secrets.token_hex(8)  # so that code cannot write the answer beforehand
        request = json.dumps({"token": self.token, "cell": cell}).encode() + b"\n"
        threading.Thread(target=self._send, args=[request], daemon=True).start()
        worked, started, over = self._seconds(), time.monotonic(), ""
        while not over:
            answer = self._answer()
            if answer:
                return answer
            over = self._over(self._seconds() - worked, time.monotonic() - started, end)
        return self._interrupted(over) | {"error": "Stopped", "message": over}

    def _interrupted(self, over: str) -> dict:
        """The answer to an interrupt; `Stopped` where there is none."""
        with contextlib.suppress(OSError, ValueError):  # Windows cannot send it
            self.process.send_signal(signal.SIGINT)
        until = time.monotonic() + GRACE
        while time.monotonic() < until:
            answer = self._answer()
            if answer:
                return answer
        raise Stopped(over)

    def _send(self, request: bytes) -> None:
        """Write a request, in a thread: a process that does not read stops nobody."""
        with contextlib.suppress(OSError, ValueError):
            self.process.stdin.write(request)
            self.process.stdin.flush()

    def _answer(self) -> dict | None:
        """What came within a moment, if it is the answer to the last request."""
        try:
            line = self.lines.get(timeout=0.05)
        except queue.Empty:
            return None
        if not line:
            raise Stopped(self._end())
        try:
            return _checked(json.loads(line), self.token)
        except (ValueError, TypeError, KeyError, RecursionError):
            return None

    def _end(self) -> str:
        """How the process ended by itself."""
        try:
            status = self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            return "the code closed the line to the grader"
        if status == -9:  # the code cannot send that signal
            return "the system ended the program: too little memory? Grade again with fewer --jobs"
        if status < 0:
            return f"the code crashed Python ({signal.Signals(-status).name})"
        return f"the code ended the program (exit status {status})"

    def _over(self, worked: float, waited: float, end: float) -> str:
        """The limit that is exceeded, in words."""
        limits, clock = self.limits, PATIENCE * self.limits.cell_seconds
        if worked > limits.cell_seconds:
            return f"ran longer than {limits.cell_seconds:g} seconds: an endless loop?"
        if waited > clock:
            return f"took longer than {clock:g} seconds: an endless loop, or does it wait?"
        if time.monotonic() > end:
            return f"stopped: the notebook took {limits.notebook_seconds:g} seconds"
        if self._memory() > self.most:
            return f"used {2 * limits.memory_mb:,} MB and more"
        return ""

    def _seconds(self) -> float:
        """How long the process has been at work."""
        with contextlib.suppress(psutil.Error):
            times = self.watched.cpu_times()
            return times.user + times.system
        return 0.0

    def _memory(self) -> int:
        with contextlib.suppress(psutil.Error):
            return self.watched.memory_info().rss
        return 0

    def stop(self) -> None:
        """End the process with all that it started, and remove its folder."""
        self.running.discard(self)
        with contextlib.suppress(psutil.Error):
            for child in self.watched.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    child.kill()
        if hasattr(os, "killpg") and self.process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        self._close()
        _remove(self.folder)

    def _close(self) -> None:
        """Close the lines; what is still on them is dropped."""
        until = time.monotonic() + GRACE
        while self.reader.is_alive() and time.monotonic() < until:
            with contextlib.suppress(queue.Empty):
                self.lines.get(timeout=0.01)
        for file in (self.process.stdin, self.process.stdout, self.errors):
            with contextlib.suppress(OSError):
                file.close()

    @classmethod
    def check(cls) -> None:
        """`RuntimeError` once the batch was interrupted: what runs then is no result."""
        if cls.interrupted:
            raise RuntimeError("the batch was interrupted")

    @classmethod
    def begin(cls) -> None:
        """Before a batch: remove the folders of one that was cut off."""
        cls.interrupted = False
        for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*-*"):
            number = folder.name.removeprefix(_FOLDER).partition("-")[0]
            if number.isdecimal() and not psutil.pid_exists(int(number)):
                _remove(folder)

    @classmethod
    def stop_all(cls) -> None:
        """End every process, and let no other start."""
        cls.interrupted = True
        for process in list(cls.running):
            process.stop()


def _remove(folder: Path) -> None:
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)


@cache
def _lists_of_fonts() -> dict[str, bytes]:
    """What Matplotlib knows about fonts: made once, as it may take longer than a cell is given."""
    import matplotlib.font_manager

    found = Path(matplotlib.get_cachedir()).glob("fontlist-*.json")
    return {path.name: path.read_bytes() for path in found}


def _environment(folder: Path, seeds: Sequence[int]) -> dict[str, str]:
    """Little of the teacher's own: no keys, no names; one thread, and the folder as home."""
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    paths = [f"{Path(llm.__file__).parent.parent}", os.environ.get("PYTHONPATH", "")]
    own = dict.fromkeys(
        "HOME USERPROFILE TMPDIR TEMP TMP IPYTHONDIR MPLCONFIGDIR".split(), f"{folder}"
    )
    own |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    own |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}
    own |= {"MPLBACKEND": "agg", "LLM_DEVICE": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    own |= {"PYTHONUSERBASE": site.getuserbase()}
    if seeds:
        own["LLM_HIDDEN_SEEDS"] = " ".join(map(str, seeds))
    return kept | own


def _checked(answer: dict, token: str) -> dict | None:
    """An answer with the parts that it must have, each of its type; None if it is to another."""
    if answer["token"] != token:
        return None
    text = {name: f"{answer[name]}" for name in ("error", "message")}
    lists = {"notes": [f"{note}" for note in answer["notes"]], "outputs": list(answer["outputs"])}
    whole = json.dumps(text | lists, ensure_ascii=False)
    return json.loads(whole.encode("utf-8", "replace"))
