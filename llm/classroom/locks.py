"""What a student's code may not do while it is graded: reach out, spread, read or write elsewhere.

On Linux the system itself refuses it: Landlock keeps files apart, a seccomp filter refuses new
processes, sockets and signals to others, and resource limits bound memory and files. A hook of
Python's own audit events stands behind them everywhere, says in a sentence what was refused, and is
all there is on macOS and Windows. A lock holds until the process ends, whatever the code does.

Student code runs in the process that judges it: whoever writes code against the grader itself, not
against the exercise, can still find a way. What the locks protect is the machine and other people's
work; use a container of its own where you do not trust your students at all.
"""

import ctypes
import os
import platform
import struct
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

MB = 2**20
LARGEST_FILE = 20 * MB
MOST_FILES = 200  # opened for writing

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_EPERM, _ENOSYS = 1, 38  # not allowed; no such call
_LANDLOCK = (444, 445, 446)  # create a ruleset, add a rule, restrict: the same on all machines
# The least version of Landlock for each right: to run … make_sym, to refer, truncate, control.
_RIGHTS = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
_READ = 0b1101  # run, read a file, list a folder
_READ_FILE, _WRITE_FILE = 1 << 2, 1 << 1

# Numbers of system calls: fork, vfork, execve, execveat, socket, kill, tkill, pidfd_send_signal,
# rt_sigqueueinfo, rt_tgsigqueueinfo, ptrace, process_vm_readv and _writev, io_uring_setup, unshare,
# setns, chmod, fchmod, fchmodat, fchmodat2, chown, fchown, lchown, fchownat; where there are such.
_REFUSED = {
    "x86_64": (57, 58, 59, 322, 41, 62, 200, 424, 129, 297, 101, 310, 311, 425, 272, 308)
    + (90, 91, 268, 452, 92, 93, 94, 260),
    "aarch64": (221, 281, 198, 129, 130, 424, 138, 240, 117, 270, 271, 425, 97, 268)
    + (52, 53, 452, 55, 54),
}
_CLONE, _CLONE3, _TGKILL = {"x86_64": 56, "aarch64": 220}, 435, {"x86_64": 234, "aarch64": 131}
_MACHINE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_THREAD = 0x10000


def works(lock: Callable[..., None], *arguments) -> bool:
    """Put a lock in place; False where this system does not have it."""
    try:
        lock(*arguments)
    except (OSError, AttributeError, ImportError, KeyError, ValueError):
        return False
    return True


def readable() -> list[Path]:
    """What code needs to read: Python and its packages, this package, the system's libraries."""
    system = "/usr /lib /lib64 /bin /etc /sys /nix/store /System /Library".split()
    system += [f"/dev/{name}" for name in ("null", "zero", "random", "urandom")]
    system += [f"/proc/{name}" for name in ("self", "cpuinfo", "meminfo", "stat", "sys")]
    python = [sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()]
    python += [path for path in sys.path if path.endswith("-packages")]
    package = Path(__file__).parent.parent
    found = dict.fromkeys([Path(path).resolve() for path in (package, *python, *system)])
    return [path for path in found if path.exists()]


# Linux: Landlock


def keep_files_apart(folder: Path) -> None:
    """Reading where Python lives, anything in ``folder``, nothing elsewhere."""
    version = _syscall(_LANDLOCK[0], None, 0, 1)
    rights = sum(bits for least, bits in _RIGHTS.items() if version >= least)
    scopes = 0b11 if version >= 6 else 0  # no abstract sockets of others, no signals to them
    attributes = struct.pack("QQQ", rights, 0, scopes)
    rules = _syscall(_LANDLOCK[0], attributes, len(attributes), 0)
    for path in readable():
        _allow(rules, path, _READ & rights)
    _allow(rules, Path("/dev/null"), _READ_FILE | _WRITE_FILE)
    _allow(rules, folder, rights)
    _control(_PR_SET_NO_NEW_PRIVS, 1)
    _syscall(_LANDLOCK[2], rules, 0, 0)
    os.close(rules)


def _allow(rules: int, path: Path, rights: int) -> None:
    if not path.is_dir():
        rights &= _READ_FILE | _WRITE_FILE
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    _syscall(_LANDLOCK[1], rules, 1, struct.pack("=Qi", rights, place), 0)
    os.close(place)


# Linux: seccomp


def refuse_calls() -> None:
    """A filter that refuses new processes, sockets, signals to others and changes of owners."""
    machine = platform.machine()
    load, equal, at_least, any_bit, end = 0x20, 0x15, 0x35, 0x45, 0x06
    deny, allow = (end, 0, 0, 0x50000 | _EPERM), (end, 0, 0, 0x7FFF0000)
    program = [(load, 0, 0, 4), (equal, 1, 0, _MACHINE[machine]), deny, (load, 0, 0, 0)]
    program += [(at_least, 0, 1, 0x40000000), deny]
    for number in _REFUSED[machine]:
        program += [(equal, 0, 1, number), deny]
    program += [(equal, 0, 1, _CLONE3), (end, 0, 0, 0x50000 | _ENOSYS)]
    program += [(equal, 0, 4, _CLONE[machine]), (load, 0, 0, 16), (any_bit, 0, 1, _THREAD)]
    program += [allow, deny]
    program += [(equal, 0, 4, _TGKILL[machine]), (load, 0, 0, 16), (equal, 0, 1, os.getpid())]
    program += [allow, deny, allow]
    code = ctypes.create_string_buffer(b"".join([struct.pack("HBBI", *line) for line in program]))
    _control(_PR_SET_NO_NEW_PRIVS, 1)
    _control(_PR_SET_SECCOMP, 2, struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code)))


def end_with_parent() -> None:
    """Let the system end this process when the one that started it ends."""
    _control(_PR_SET_PDEATHSIG, 9)


def _control(*arguments: int | bytes) -> None:
    _checked(ctypes.CDLL(None, use_errno=True).prctl, *arguments, *[0] * (5 - len(arguments)))


def _syscall(*arguments: int | bytes | None) -> int:
    return _checked(ctypes.CDLL(None, use_errno=True).syscall, *arguments)


def _checked(function: Callable, *arguments: int | bytes | None) -> int:
    if sys.platform != "linux":
        raise OSError("a call of Linux")
    sent = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = function(*sent)
    if result < 0:
        raise OSError(ctypes.get_errno(), "the system refuses")
    return result


# Limits


def limit(memory_mb: int, seconds: int) -> None:
    """Bound the memory beyond what is in use now, files, dumps of memory, and time at work."""
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + memory_mb * MB
    limits = {"AS": most, "FSIZE": LARGEST_FILE, "CORE": 0, "CPU": seconds}
    for name, value in limits.items():
        which = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(which)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (value, value))


# Everywhere: the events that Python reports before it does something

_PROCESS = "os.system os.exec os.fork os.forkpty os.posix_spawn os.spawn os.startfile os.kill"
_PROCESS += " os.killpg pty.spawn subprocess.Popen"
_NETWORK = "connect bind sendto sendmsg getaddrinfo gethostbyname gethostbyaddr getnameinfo"
_INNER = "gc.get_objects gc.get_referrers resource.setrlimit resource.prlimit ctypes.dlopen"
_INNER += " sys.settrace sys.setprofile sys.monitoring.register_callback"
_INNER += " ctypes.dlsym ctypes.dlsym/handle ctypes.cdata ctypes.call_function ctypes.string_at"
_READS = "os.listdir os.scandir"
_WRITES = "remove rename rmdir mkdir link symlink truncate chmod chown utime setxattr"
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def watch(folder: Path, guarded: set[int]) -> None:
    """Refuse, with a sentence, what no answer needs; ``guarded``: ids of what stays as it is."""
    refusals = _refusals(folder, guarded)

    def hook(event: str, arguments: tuple) -> None:
        reason = event in refusals and refusals[event](arguments)
        if reason:
            raise PermissionError(f"the grader {reason}")

    sys.addaudithook(hook)


def _refusals(folder: Path, guarded: set[int]) -> dict[str, Callable[[tuple], str]]:
    """For each event that may be refused a function from its arguments to the reason, or ""."""
    own = (f"{folder.resolve()}",)
    everywhere = (*own, *[f"{path}" for path in readable()])
    opened = []

    def opens(arguments: tuple) -> str:
        path, _, flags = arguments
        if not flags & _WRITING or path == os.devnull:
            return _outside(arguments[:1], everywhere)
        opened.append(path)
        return "writes no more files" if len(opened) > MOST_FILES else _outside([path], own)

    refused = {name: lambda _: "starts and ends no programs" for name in _PROCESS.split()}
    refused |= {f"socket.{name}": lambda _: "has no network" for name in _NETWORK.split()}
    refused |= {name: lambda _: "is not to be looked into" for name in _INNER.split()}
    refused |= {name: lambda paths: _outside(paths[:1], everywhere) for name in _READS.split()}
    refused |= {f"os.{name}": lambda paths: _outside(paths[:2], own) for name in _WRITES.split()}
    refused["open"] = opens
    refused["object.__setattr__"] = lambda set_: (
        "keeps the checks as they are" if id(set_[0]) in guarded else ""
    )
    return refused


def _outside(paths: tuple, roots: tuple[str, ...]) -> str:
    for path in paths:
        if isinstance(path, str | bytes | os.PathLike):
            place = os.path.realpath(os.fsdecode(path))
            if not place.startswith(tuple([root + os.sep for root in roots])) | (place in roots):
                return f"keeps to its own folder: no {os.fsdecode(path)}"
    return ""
