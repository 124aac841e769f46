"""Submissions that are wrong, broken or hostile, each with the points and words it must get.

The assignment has an attention function (4 points), a doubled number (3), a value (1) and a
written answer. A submission replaces some answers; the others stay right.
"""

import copy
from dataclasses import dataclass
from pathlib import Path
from random import Random

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from small_course import answer, marked

from llm.classroom.assignments import Course, choose, grade_id, kind, read, write
from llm.classroom.preflight import defined
from llm.classroom.release import release

ATTENTION = """def attention(q, k, v, mask):
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    return scores.masked_fill(~mask, float("-inf")).softmax(-1) @ v"""
DOUBLE = "def double(x):\n    return 2 * x"
UNSCALED = ATTENTION.replace(" / q.shape[-1] ** 0.5", "")
RIGHT = {"attention": ATTENTION, "double": DOUBLE, "n": "n = 7", "written": "Because."}
ALL = {"attention-test": 4, "double-test": 3, "n-test": 1}


@dataclass(frozen=True)
class Case:
    """What a student hands in, the cells without points, and what is said about it."""

    answers: dict[str, str]
    lost: tuple[str, ...] = ()
    message: str = ""  # of the first of the lost
    note: str = ""


def test_cell(name: str, source: str, points: int):
    return marked(new_code_cell(source), f"{name}-test", grade=True, locked=True, points=points)


def hidden(seen: str, loop: str) -> str:
    return (
        f"{seen}\n### BEGIN HIDDEN TESTS\nfrom llm.classroom import hidden_seeds\n\n"
        f"for seed in hidden_seeds():\n    {loop}\n### END HIDDEN TESTS"
    )


def assignment() -> list:
    """The cells, with solutions."""
    check = "from llm.checks import check_attention\n\ncheck_attention(attention, seed=VARIANT)"
    value = "n = None  # replace None\n### BEGIN SOLUTION\nn = 7\n### END SOLUTION"
    solution = "return (q @ k.mT / q.shape[-1] ** 0.5).where(mask, -torch.inf).softmax(-1) @ v"
    cells = [
        new_markdown_cell("# Hostile"),
        marked(new_code_cell("import math\nimport torch\n\nVARIANT = 0"), "setup", locked=True),
        new_markdown_cell("## 1 · Attention"),
        answer("attention", solution),
        test_cell("attention", hidden(check, "check_attention(attention, seed=seed)"), 4),
        new_markdown_cell("## 2 · Double"),
        answer("double", "return 2 * x"),
        test_cell("double", hidden("assert double(2) == 4", "assert double(seed) == 2 * seed"), 3),
        marked(new_code_cell(value), "n", solution=True),
        test_cell("n", 'assert type(n) is int and math.sqrt(n * 7) == 7, "n is 7"', 1),
        marked(new_markdown_cell("### BEGIN SOLUTION\nSo.\n### END SOLUTION"), "written"),
    ]
    cells[3].source = cells[3].source.replace("attention(x)", "attention(q, k, v, mask)")
    cells[-1].metadata.nbgrader |= {"grade": True, "solution": True, "points": 2}
    return cells


def course(folder: Path) -> Course:
    """A course with the assignment in it, released."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = Course(folder)
    write(new_notebook(cells=assignment(), metadata={"kernelspec": kernel}), made.source("hostile"))
    release(made, ["hostile"])
    return made


YES = """class Yes:
    def __getattr__(self, name):
        if name.startswith("__"): raise AttributeError(name)
        return Yes()
    def __iter__(self): return iter([Yes()])
    def __ne__(self, other): return False
    def __repr__(self): return "yes"
    def __float__(self): return 1.0
    def __hash__(self): return 1
    __len__ = __int__ = __index__ = __hash__
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = lambda self, other: True
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = lambda self, other: Yes()
    __truediv__ = __rtruediv__ = __pow__ = __matmul__ = __getitem__ = __add__
    __call__ = __abs__ = __neg__ = __round__ = lambda self, *_, **__: Yes()
"""


def equal_to_everything(release: NotebookNode) -> dict[str, str]:
    """Answers that are one object, which can be called and is equal to whatever is asked."""
    return {
        grade_id(cell): YES + "".join([f"{name} = Yes()\n" for name in defined(cell.source)])
        for cell in release.cells
        if kind(cell) == "answer"
    }


def a_class(made: Course, name: str, size: int) -> list[str]:
    """Submissions of an assignment of the course: a third right, some hostile, the rest with bugs.

    Gives the names of the right ones.
    """
    given, solved = read(made.release(name)), choose(read(made.source(name)), 0)
    right = {grade_id(cell): solution(cell) for cell in solved.cells if kind(cell) == "answer"}
    hostile = [case.answers["attention"] for case in CHEATS.values()]
    random, all_right = Random(0), []
    for number in range(size):
        answers = dict(right)
        if number % 3:
            for answer_id in random.sample(sorted(right), 3):
                answers[answer_id] = wrong(random, right[answer_id])
        if number % 24 == 1:
            answers[random.choice(sorted(right))] = random.choice(hostile)
        student = f"s{number:03}"
        all_right += [] if number % 3 else [student]
        put(given, answers, made.clean(student, name))
    return all_right


def solution(cell) -> str:
    lines = cell.source.split("\n")
    return "\n".join([line for line in lines if "### BEGIN" not in line and "### END" not in line])


def wrong(random: Random, source: str) -> str:
    """The solution with one thing changed, or none at all."""
    swaps = [(" / ", " * "), (" + ", " - "), ("-1", "0"), ("1", "2"), ("~", ""), ("n", "m")]
    swaps += [("return ", f"return {new}") for new in ("-", "not ", "None and ", "(), ")]
    swaps += [("return", f"{line}\n    return") for line in ("raise NotImplementedError", "1 / 0")]
    swaps += [("return", "while True: pass\n    return")] * (random.random() < 0.1)
    old, new = random.choice([pair for pair in swaps if pair[0] in source] or [(source, "x = ")])
    return source.replace(old, new)


def hand_in(made: Course, student: str, answers: dict[str, str]) -> None:
    """Put answers where preflight would."""
    put(read(made.release("hostile")), answers, made.clean(student, "hostile"))


def put(release: NotebookNode, answers: dict[str, str], path: Path) -> None:
    notebook = copy.deepcopy(release)
    for cell in notebook.cells:
        cell.source = answers.get(grade_id(cell), cell.source)
    write(notebook, path)


def changed(**answers: str) -> dict[str, str]:
    return RIGHT | answers


def first(line: str, then: str = UNSCALED) -> dict[str, str]:
    """A wrong attention, and before it a line that is to make it pass."""
    return changed(attention=f"{line}\n{then}")


def within(*lines: str) -> dict[str, str]:
    """A wrong double, which runs some lines when it is called."""
    body = "\n    ".join(lines)
    return changed(double=f"def double(x):\n    {body}\n    return 2 * x")


A, D, N = ALL
SCALE = "attention: the scores are not divided by the square root of head_dim"

ORDINARY = {
    "right": Case(RIGHT),
    "warns": Case(within("import warnings", "warnings.warn('careful')")),
    "optimizer": Case(within("import torch", "torch.optim.AdamW([torch.ones(1)], lr=0.1)")),
    "unscaled": Case(changed(attention=UNSCALED), (A,), SCALE),
    "unmasked": Case(
        changed(attention=ATTENTION.replace("scores.masked_fill(~mask, float('-inf'))", "scores")
                .replace('scores.masked_fill(~mask, float("-inf"))', "scores")),
        (A,), "attention: the mask is not used",
    ),
    "untouched": Case({}, (A, D, N), "attention: not written yet"),
    "syntax": Case(
        changed(attention="def attention(q, k, v, mask):\n    return q @@ k"),
        (A,), "SyntaxError: invalid syntax, in line 2 of the cell attention",
    ),
    "name": Case(changed(attention="x = 1\nreturns = y"), (A,),
                 "NameError: name 'y' is not defined, in line 2 of the cell attention"),
    "other-name": Case(changed(double="def twice(x):\n    return 2 * x"), (D,),
                       "NameError: name 'double' is not defined"),
    "value": Case(changed(n="n = 8"), (N,), "n is 7"),
    "forgot": Case(changed(n="n = None"), (N,), "n is 7"),
}  # fmt: skip

ENDLESS = "ran longer than 2 seconds: an endless loop?"
STUBBORN = (
    "while True:\n        try:\n            while True: pass\n        except BaseException: pass"
)
ENDINGS = {
    "loop": Case(within("while True: pass"), (D,), ENDLESS),
    "loop-above": Case(changed(double=f"{DOUBLE}\nwhile True: pass"),
                       note=f"The cell double: {ENDLESS}"),
    "loop-first": Case(changed(double=f"while True: pass\n{DOUBLE}"), (D,),
                       f"the cell double: {ENDLESS}"),
    "stubborn": Case(within(STUBBORN), (D,), ENDLESS),
    "lists": Case(within("x = []", "while True: x.append(bytearray(10**8))"), (D,),
                  "MemoryError: it asks for more memory"),
    "kept-lists": Case(
        changed(attention=f"x = []\n{ATTENTION}\nwhile True: x.append(bytearray(10**8))"), (A,),
        "MemoryError: it asks for more memory"),
    "tensor": Case(within("torch.empty(10**11)"), (D,), "MemoryError: it asks for more memory"),
    "os-exit": Case(within("import os", "os._exit(0)"), (D,),
                    r"the code ended the program \(exit status 0\)"),
    "os-exit-above": Case(changed(attention=f"{ATTENTION}\nimport os; os._exit(3)"), (A,),
                          r"the cell attention: the code ended the program \(exit status 3\)"),
    "abort": Case(within("import os", "os.abort()"), (D,), r"crashed Python \(SIGABRT\)"),
    "deep": Case(
        within("import sys", "sys.setrecursionlimit(10**7)", "f = lambda: f()", "f()"), (D,)),
    "closed": Case(within("import os", "os.closerange(0, 256)"), (D,), "the code"),
    "prints": Case(within("for i in range(200_000): print(i)")),
    "prints-much": Case(within("print('x' * 10**8)")),
    "shows": Case(changed(n="for i in range(20_000): display(i)\nn = 7")),
    "sys-exit": Case(within("import sys", "sys.exit()"), (D,), "leave exit"),
    "raise-exit": Case(
        within("raise SystemExit(0)"), (D,), "SystemExit: .*, in line 2 of the cell double"),
    "exit-above": Case(changed(n="n = 7\nexit()")),
    "raise-above": Case(changed(n="n = 7\nraise SystemExit")),
    "sleeps": Case(within("import time", "time.sleep(1)")),
    "thread": Case(
        changed(n="import threading\ndef on():\n    while True: pass\n"
                "threading.Thread(target=on, daemon=True).start()\nn = 7"),
        note="left a thread running"),
    "folder": Case(changed(attention=f"import os\nos.chdir('/')\n{ATTENTION}")),
    "environment": Case(within("import os", "assert 'SECRET' not in os.environ")),
    "notebook-things": Case(changed(
        n="%matplotlib inline\nimport asyncio, ipywidgets, matplotlib.pyplot as plt\n"
        "plt.plot([1, 2])\nplt.show()\ndisplay(ipywidgets.IntSlider())\n"
        "await asyncio.sleep(0.01)\nn = 7")),
    "own-file": Case(
        within("open('mine.txt', 'w').write('x')", "assert open('mine.txt').read() == 'x'")),
    "interrupts": Case(within("import signal", "signal.raise_signal(signal.SIGINT)"), (D,)),
}  # fmt: skip

MODE = """from torch.overrides import TorchFunctionMode
class Mode(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        return True if func is torch.allclose else func(*args, **(kwargs or {}))
Mode().__enter__()"""
FORGED = """import json, os
answer = {"token": "", "error": "", "message": "", "notes": [], "outputs": []}
for fd in range(3, 64):
    try: os.write(fd, json.dumps(answer).encode() + b"\\n")
    except OSError: pass
double = None"""
DEAF = """import fcntl, os, stat
a, b = os.pipe()
for fd in set(range(3, 64)) - {a, b}:
    try:
        reads = not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
        if reads and stat.S_ISFIFO(os.fstat(fd).st_mode): os.dup2(a, fd)
    except OSError: pass"""
CHEATS = {
    "allclose": Case(first("torch.allclose = lambda *a, **k: True"), (A,), SCALE, "torch.allclose"),
    "same": Case(first("import llm.checks.base as b; b.same = lambda *a: True"), (A,), SCALE,
                 "replaced llm.checks.base.same"),
    "check": Case(first("import llm.checks; llm.checks.check_attention = print"), (A,), SCALE),
    "modules": Case(first("import sys, types; m = types.ModuleType('llm.checks')\n"
                          "m.check_attention = print; sys.modules['llm.checks'] = m"), (A,), SCALE),
    "code": Case(first("import llm.checks.base as b\nb.same.__code__ = (lambda *a: True).__code__"),
                 (A,), "PermissionError: the grader keeps the checks as they are"),
    "all": Case(first("import builtins; builtins.all = lambda x: True; builtins.len = lambda x: 0"),
                (A,), SCALE, "replaced builtins.all"),
    "shadow": Case(first("import llm.checks.base as b; b.any = b.sorted = print"), (A,), SCALE),
    "names": Case(first("check_attention = print; torch = math = None; hidden_seeds = tuple\n"
                        "len = range = print", "def attention(q, k, v, mask): return v"), (A,)),
    "mode": Case(first(MODE), (A,), SCALE, "replaced the functions of torch"),
    "tensor-class": Case(first("torch.Tensor.__eq__ = torch.Tensor.shape = 1"), (A,), SCALE),
    "traceback": Case(
        first("get_ipython().showtraceback = print; get_ipython().run_cell = 1"), (A, D, N)),
    "transformer": Case(first("get_ipython().input_transformers_cleanup.append(lambda _: ['1'])"),
                        (A, D, N), SCALE),
    "within": Case(within("import torch, llm.checks.base as b", "b.same = lambda *a: True"), (D,),
                   "your code replaces llm.checks.base.same while it is tested"),
    "seeds": Case(changed(double="import llm.classroom, os\nllm.classroom.hidden_seeds = tuple\n"
                          "os.environ['LLM_HIDDEN_SEEDS'] = '2'\ndouble = lambda x: 4"), (D,)),
    "seeds-within": Case(
        within("import llm.classroom", "llm.classroom.hidden_seeds = tuple"), (D,),
        "your code replaces llm.classroom.hidden_seeds while it is tested"),
    "forged": Case(changed(double=FORGED), (D,)),
    "shown": Case(within("display(3.0)", "raise ValueError('no')"), (D,), "ValueError: no"),
    "nameless": Case(within("raise type('', (BaseException,), {})"), (D,), "Error"),
    "jump": Case(within("import sys; sys.settrace(lambda *a: None)"), (D,), "PermissionError"),
    "frames": Case(
        changed(double=f"import sys; sys._getframe(0)\n{DOUBLE}"),
        note="The answer double uses _getframe: read it."),
    "default": Case(changed(double=f"torch.set_default_dtype(torch.float64)\n{DOUBLE}")),
}  # fmt: skip

REFUSED = "PermissionError: (the grader|.*(Permission denied|not permitted))"
REACHING = {
    "tcp": "import socket; socket.create_connection(('127.0.0.1', 9), 1)",
    "udp": "import socket as s; s.socket(s.AF_INET, s.SOCK_DGRAM).sendto(b'', ('127.0.0.1', 9))",
    "dns": "import socket; socket.getaddrinfo('example.com', 80)",
    "unix": "import socket as s; s.socket(s.AF_UNIX).connect('OUTSIDE/kept')",
    "curl": "import subprocess; subprocess.run(['curl', 'http://127.0.0.1:9'])",
    "system": "import os; os.system('touch OUTSIDE/new')",
    "posix": "import _posixsubprocess as p, os; a, b = os.pipe(); true = [b'/bin/true']\n"
    "p.fork_exec(true, true, True, (b,), None, None, -1, -1, -1, -1, -1, -1, a, b, True, False,"
    " 0, None, None, None, -1, None, True)",
    "fork": "import os\nfor _ in range(3): os.fork()",
    "multi": "import multiprocessing as m; m.Process(target=print).start()",
    "ctypes": "import ctypes; ctypes.CDLL(None).fork()",
    "kill": "import os; os.kill(os.getppid(), 9)",
    "kill-all": "import os; os.kill(-1, 9)",
    "write": "open('OUTSIDE/new', 'w')",
    "append": "open('OUTSIDE/kept', 'a').write('x')",
    "delete": "import os; os.remove('OUTSIDE/kept')",
    "tree": "import shutil; shutil.rmtree('OUTSIDE')",
    "chmod": "import os; os.chmod('OUTSIDE/kept', 0)",
    "rename": "import os; os.rename('OUTSIDE/kept', 'mine')",
    "link": "import os; os.symlink('OUTSIDE/kept', 'mine'); open('mine', 'a').write('x')",
    "other": "open('OUTSIDE/clean/right/hostile/hostile.ipynb').read()",
    "tests": "open('OUTSIDE/source/hostile/hostile.ipynb').read()",
    "result": "open('OUTSIDE/graded/right/hostile/result.json', 'w')",
    "parent": "import os; open(f'/proc/{os.getppid()}/environ').read()",
    "torch": "torch.save(torch.ones(1), 'OUTSIDE/new')",
    "big": "with open('big', 'wb') as file:\n    for _ in range(40): file.write(bytes(10**6))",
    "many": "for i in range(500): open(f'{i}', 'w')",
    "memory-of": "import gc; gc.get_objects()",
}
OTHERWISE = {
    "posix": f"{REFUSED}|TypeError",  # other arguments in other versions of Python
    "big": "OSError: .*File too large",
    "torch": "RuntimeError: .*(Permission denied|cannot be opened)",
}


def reaching(outside: Path) -> dict[str, Case]:
    """Code that reaches for what is not its own; ``outside`` holds a file named ``kept``."""
    lines = {name: code.replace("OUTSIDE", f"{outside}") for name, code in REACHING.items()}
    one_by_one = f"""for name, code in {lines!r}.items():
    try: exec(code)
    except BaseException as error: print(name, "|", type(error).__name__ + ":", error)
n = 7"""
    called = {name: within(*lines[name].split("\n")) for name in ("tcp", "fork", "other")}
    cases = {name: Case(answers, (D,), REFUSED) for name, answers in called.items()}
    return cases | {"reaching": Case(changed(n=one_by_one))}
