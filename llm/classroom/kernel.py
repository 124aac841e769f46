"""The process in which one student's notebook runs, cell by cell, behind the locks of `locks.py`.

A plain IPython shell reads requests from its input and answers on its output, a line of JSON each:
no server, no ports, no threads. Tests are not run by the shell, which a student can change, but
here: with the names and functions that the checks rest on as they were before the student's code.
"""

import builtins
import contextlib
import importlib
import io
import itertools
import json
import os
import signal
import sys
import threading
from builtins import (  # noqa: UP029  bound now, so that replacing them later changes nothing
    any,
    delattr,
    hasattr,
    isinstance,
    setattr,
    type,
    vars,
)
from collections.abc import Callable
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import llm
from llm.classroom import locks

LONGEST = 20_000  # characters that a cell may print
LONGEST_MESSAGE = 2_000
_IMPORTS = (ModuleType, FunctionType, BuiltinFunctionType, type)
_PICTURES = 2_000_000  # characters of pictures and pages that a cell may show


def main(memory_mb: int, seconds: int) -> None:
    """Lock this process, then run what is asked until the input ends."""
    ask, tell = _channel()
    folder = Path.cwd()
    in_force = {"files": locks.works(locks.keep_files_apart, folder)}
    shell, guard = _shell(), Guard()
    in_force["memory"] = locks.works(locks.limit, memory_mb, seconds)
    in_force["processes and network"] = locks.works(locks.refuse_calls)
    locks.watch(folder, guard.guarded)
    tell({"locks": [name for name, works in in_force.items() if works]})
    cells = Cells(shell, guard)
    for line in ask:
        request = json.loads(line)
        tell(cells.run(**request["cell"]) | {"token": request["token"]})


def _channel() -> tuple[Any, Callable[[dict], None]]:
    """Lines in and a function to answer; the usual input and outputs are closed to the code."""
    locks.works(locks.end_with_parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ask, out = os.fdopen(os.dup(0), encoding="utf-8"), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)

    def tell(answer: dict) -> None:
        data = json.dumps(answer).encode() + b"\n"
        while data:
            data = data[os.write(out, data) :]

    return ask, tell


def _shell() -> Any:
    """An IPython shell that keeps no history and shows its errors to nobody but the grader."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    settings = Config(HistoryManager={"enabled": False}, InteractiveShell={"colors": "nocolor"})
    shell = InteractiveShell.instance(config=settings)
    shell._showtraceback = lambda *_: None
    shell.enable_gui = lambda *_: None  # there is no window, but %matplotlib asks for one
    for module in ("llm.checks", "llm.classroom", "torch.nn.functional"):
        importlib.import_module(module)
    for name in llm.__all__:  # now, so that no other module can take the name of one of ours
        getattr(llm, name)
    return shell


class Cells:
    """Runs cells in one namespace, and judges the tests among them."""

    def __init__(self, shell: Any, guard: "Guard"):
        self.shell, self.guard = shell, guard
        self.names: dict[str, Any] = shell.user_ns
        self.given: dict[str, Any] = {}

    def run(self, name: str, kind: str, source: str) -> dict:
        """One cell: its outputs, the sentence of its error if it has one, and what was mended."""
        changed, before = self.guard.put_back(), dict(self.names)
        how = self._judge if kind == "test" else self._show
        with _watched() as outputs, _interruptible():
            error = how(name, source)
        changed += self.guard.put_back()
        what = ", ".join(changed[:5]) + " and more" * (len(changed) > 5)
        notes = [f"Your code replaced {what}; it was put back."] if changed else []
        if changed and kind == "test" and error is None:
            error = PermissionError(f"your code replaces {what} while it is tested")
        if kind == "locked":
            self.given |= {n: v for n, v in self.names.items() if _imported(v, before.get(n))}
        notes += ["Your code left a thread running."] if _threads() else []
        said = ("", "") if error is None else (type(error).__name__ or "Error", sentence(error))
        return {"outputs": outputs(), "error": said[0], "message": said[1], "notes": notes}

    def _show(self, name: str, source: str) -> BaseException | None:
        """Run a cell as Jupyter would."""
        try:
            self.shell.compile.get_code_name = lambda *_: _place(name)
            result = self.shell.run_cell(source)
            return result.error_before_exec or result.error_in_exec
        except BaseException as error:
            return error

    def _judge(self, name: str, source: str) -> BaseException | None:
        """Run a test with what the notebook imported, whatever the student's cells made of it."""
        kept = {n: v for n, v in self.names.items() if n not in self.guard.builtins}
        scope = kept | self.given | {"__builtins__": builtins}
        before = dict(scope)
        try:
            exec(compile(source, _place(name), "exec"), scope)
        except BaseException as error:
            return error
        self.names |= {n: v for n, v in scope.items() if before.get(n, scope) is not v}
        return None


class Guard:
    """Knows what the checks rest on as it was at the start, and puts back what was replaced."""

    def __init__(self):
        import torch
        import torch._dynamo  # the first optimizer loads it, and it replaces functions of torch

        self.torch = torch
        checks = [m for n, m in sys.modules.items() if n.split(".")[0] == "llm"]
        used = [v for m in checks for v in vars(m).values() if isinstance(v, ModuleType)]
        modules = dict.fromkeys([*checks, *used, builtins, torch, torch.nn.functional])
        classes = [v for m in checks for v in vars(m).values() if _own_class(v)]
        owners = dict.fromkeys([*modules, *classes, torch.Tensor, torch.nn.Module])
        self.saved = [(owner, dict(vars(owner))) for owner in owners]
        self.modules = {n: m for n, m in sys.modules.items() if m in modules}
        self.builtins = set(vars(builtins))
        everything = [v for _, saved in self.saved for v in saved.values()]
        self.guarded = {id(v) for v in [*everything, *owners] if _has_inner_parts(v)}
        self.path, self.finders = list(sys.path), list(sys.meta_path)
        self.folder, self.variables = os.getcwd(), dict(os.environ)

    def put_back(self) -> list[str]:
        """Undo what student code replaced; the names of what was."""
        found = [f"the module {n}" for n, m in self.modules.items() if sys.modules.get(n) is not m]
        sys.modules.update(self.modules)
        for owner, saved in self.saved:
            now = vars(owner)
            replaced = [n for n, value in saved.items() if now.get(n, saved) is not value]
            added = [n for n in now.keys() - saved.keys() if _shadows(owner, n)]
            for name in replaced:
                _set(owner, name, saved[name])
            for name in added:
                delattr(owner, name)
            found += [f"{owner.__name__}.{name}" for name in replaced + added]
        return found + self._put_back_settings()

    def _put_back_settings(self) -> list[str]:
        torch, modes = self.torch, 0
        while torch._C._len_torch_function_stack():
            torch._C._pop_torch_function_stack()
            modes += 1
        seeds = os.environ.get("LLM_HIDDEN_SEEDS")
        changed = seeds != self.variables.get("LLM_HIDDEN_SEEDS")
        os.environ.update(self.variables)
        os.chdir(self.folder)
        sys.path[:], sys.meta_path[:] = self.path, self.finders
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)
        return ["the functions of torch"] * bool(modes) + ["the hidden seeds"] * changed


def _own_class(value: Any) -> bool:
    return isinstance(value, type) and value.__module__.startswith("llm.")


def _has_inner_parts(value: Any) -> bool:
    return isinstance(value, FunctionType | ModuleType) or _own_class(value)


def _shadows(owner: Any, name: str) -> bool:
    """Whether a new name hides an older one: a built-in in a module, a parent's in a class."""
    if isinstance(owner, ModuleType):
        return owner is not builtins and hasattr(builtins, name)
    return any(hasattr(parent, name) for parent in owner.__mro__[1:])


def _set(owner: Any, name: str, value: Any) -> None:
    if isinstance(owner, ModuleType):
        vars(owner)[name] = value
    else:
        setattr(owner, name, value)


def _imported(value: Any, before: Any) -> bool:
    """Whether a cell has just bound a name to a module, or to a function or class from one."""
    if value is before or not isinstance(value, _IMPORTS):
        return False
    return isinstance(value, ModuleType) or value.__module__ != "__main__"


def _threads() -> bool:
    """Whether a thread runs that student code has started; tqdm has one of its own."""
    return any(type(t).__name__ not in ("_MainThread", "TMonitor") for t in threading.enumerate())


def _place(name: str) -> str:
    return f"the cell {name}"


def sentence(error: BaseException) -> str:
    """One sentence that says what went wrong, and in which line of the student's cells."""
    kind = type(error).__name__
    if isinstance(error, NotImplementedError):
        return "not written yet"
    try:
        text = f"{error.msg if isinstance(error, SyntaxError) else error}".strip()
    except BaseException:
        text = ""
    text = " ".join(text.split())[:LONGEST_MESSAGE]
    if isinstance(error, AssertionError) and text:
        return text
    if isinstance(error, MemoryError) or "can't allocate memory" in text:
        kind, text = "MemoryError", "it asks for more memory than there is for one notebook"
    if isinstance(error, SystemExit):
        text = "the code ends the program; leave exit() out"
    return (f"{kind}: {text}" if text else kind or "Error") + _line(error)


def _line(error: BaseException) -> str:
    """Where in the student's cells it happened, or nothing."""
    lines = []
    if isinstance(error, SyntaxError) and f"{error.filename}".startswith(_place("")):
        lines.append((error.lineno, error.filename))
    trace = error.__traceback__
    while trace:
        file = trace.tb_frame.f_code.co_filename
        lines += [(trace.tb_lineno, file)] * file.startswith(_place(""))
        trace = trace.tb_next
    return f", in line {lines[-1][0]} of {lines[-1][1]}" if lines else ""


class Cut(io.StringIO):
    """A text that stops growing at :data:`LONGEST` characters."""

    is_cut = False

    def write(self, text: str) -> int:
        """Keep what fits."""
        room = max(0, LONGEST - self.tell())
        if not self.is_cut:
            self.is_cut = len(text) > room
            super().write(text[:room] + "\n… (the rest is cut)\n" * self.is_cut)
        return len(text)


@contextlib.contextmanager
def _watched():
    """Collect what a cell prints and shows; gives a function that returns it as Jupyter's outputs.

    What goes to stderr is shown with the rest: a warning is not a failed test.
    """
    from IPython.core.displayhook import CapturingDisplayHook
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell

    shell, text = InteractiveShell.instance(), Cut()
    usual = shell.display_pub, shell.display_trap.hook, sys.stdout, sys.stderr
    shell.display_pub = publisher = CapturingDisplayPublisher()
    shell.display_trap.hook = CapturingDisplayHook(shell=shell, outputs=publisher.outputs)
    sys.stdout = sys.stderr = text
    try:
        yield lambda: _outputs(text.getvalue(), publisher.outputs)
    finally:
        shell.display_pub, shell.display_trap.hook, sys.stdout, sys.stderr = usual


def _outputs(text: str, shown: list[dict]) -> list[dict]:
    found = [{"output_type": "stream", "name": "stdout", "text": text}] if text else []
    for output in shown:
        data, metadata = output["data"], output.get("metadata") or {}
        found.append({"output_type": "display_data", "data": data, "metadata": metadata})
    texts = [json.dumps(output, default=repr) for output in found]
    sizes = itertools.accumulate(map(len, texts))
    return [json.loads(text) for text, size in zip(texts, sizes, strict=True) if size < _PICTURES]


@contextlib.contextmanager
def _interruptible():
    """Let an interrupt reach the cell that runs, and nothing else."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
