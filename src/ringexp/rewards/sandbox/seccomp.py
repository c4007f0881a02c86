"""The system-call filter of a process inside the sandbox: what an interpreter at work needs, nothing else.

Not on the list, so refused with EPERM: new processes and threads, executing, signals to others, tracing, sockets,
mounts, name spaces, shared memory, keys, io_uring. Part of the program inside the sandbox: standard library only, by
way of its C modules, because every candidate waits for imports (`ctypes` and `os` would take longer than all the rest).
"""

from __future__ import annotations

import posix as os
from _ctypes import FUNCFLAG_CDECL, FUNCFLAG_USE_ERRNO, CFuncPtr, _SimpleCData, addressof, dlopen, dlsym, get_errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_SIGKILL = 9
_FILTER_MODE = 2
_CAPABILITY_VERSION = 0x20080522
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_KILL, _ALLOW, _REFUSE = 0x80000000, 0x7FFF0000, 0x00050001  # the last one: EPERM
_CHANGES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

_X86_64 = {
    "read": 0, "write": 1, "readv": 19, "writev": 20, "pread64": 17, "pwrite64": 18, "close": 3, "openat": 257,
    "lseek": 8, "fstat": 5, "newfstatat": 262, "statx": 332, "getdents64": 217, "readlinkat": 267, "faccessat": 269,
    "faccessat2": 439, "getcwd": 79, "dup": 32, "dup3": 292, "fcntl": 72, "fsync": 74, "ftruncate": 77,
    "mkdirat": 258, "unlinkat": 263, "renameat": 264, "renameat2": 316, "brk": 12, "mmap": 9, "munmap": 11,
    "mprotect": 10, "mremap": 25, "madvise": 28, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15,
    "sigaltstack": 131, "restart_syscall": 219, "exit": 60, "exit_group": 231, "futex": 202, "sched_yield": 24,
    "sched_getaffinity": 204, "membarrier": 324, "ppoll": 271, "pselect6": 270, "nanosleep": 35,
    "clock_nanosleep": 230, "clock_gettime": 228, "clock_getres": 229, "gettimeofday": 96, "times": 100,
    "getrusage": 98, "getrandom": 318, "uname": 63, "sysinfo": 99, "getpid": 39, "getppid": 110, "gettid": 186,
    "getuid": 102, "geteuid": 107, "getgid": 104, "getegid": 108, "getrlimit": 97, "stat": 4, "lstat": 6,
    "access": 21, "readlink": 89, "poll": 7, "select": 23, "mkdir": 83, "rmdir": 84, "unlink": 87, "rename": 82,
    "dup2": 33, "time": 201, "open": 2,
}  # fmt: skip
_AARCH64 = {
    "read": 63, "write": 64, "readv": 65, "writev": 66, "pread64": 67, "pwrite64": 68, "close": 57, "openat": 56,
    "lseek": 62, "fstat": 80, "newfstatat": 79, "statx": 291, "getdents64": 61, "readlinkat": 78, "faccessat": 48,
    "faccessat2": 439, "getcwd": 17, "dup": 23, "dup3": 24, "fcntl": 25, "fsync": 82, "ftruncate": 46, "mkdirat": 34,
    "unlinkat": 35, "renameat": 38, "renameat2": 276, "brk": 214, "mmap": 222, "munmap": 215, "mprotect": 226,
    "mremap": 216, "madvise": 233, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139,
    "sigaltstack": 132, "restart_syscall": 128, "exit": 93, "exit_group": 94, "futex": 98, "sched_yield": 124,
    "sched_getaffinity": 123, "membarrier": 283, "ppoll": 73, "pselect6": 72, "nanosleep": 101,
    "clock_nanosleep": 115, "clock_gettime": 113, "clock_getres": 114, "gettimeofday": 169, "times": 153,
    "getrusage": 165, "getrandom": 278, "uname": 160, "sysinfo": 179, "getpid": 172, "getppid": 173, "gettid": 178,
    "getuid": 174, "geteuid": 175, "getgid": 176, "getegid": 177, "getrlimit": 163,
}  # fmt: skip
_WATCHES = {
    "x86_64": {"wait4": 61, "setitimer": 38, "statfs": 137},
    "aarch64": {"wait4": 260, "setitimer": 103, "statfs": 43},
}
_FORKS = {
    "x86_64": {"clone": 56, "pipe2": 293, "prctl": 157, "prlimit64": 302, "setrlimit": 160, "close_range": 436,
               "set_robust_list": 273, "kill": 62},
    "aarch64": {"clone": 220, "pipe2": 59, "prctl": 167, "prlimit64": 261, "setrlimit": 164, "close_range": 436,
                "set_robust_list": 99, "kill": 129},
}  # fmt: skip
_KILLS = {"x86_64": 62, "aarch64": 129}
_OPENS = {"x86_64": {2: 1, 257: 2}, "aarch64": {56: 2}}  # the number, and which argument has the flags
_CHANGE_NAMES = ("mkdirat", "unlinkat", "renameat", "renameat2", "mkdir", "rmdir", "unlink", "rename")

MACHINES = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _AARCH64)}
"""By machine, as `os.uname` names it: the kernel's number of the architecture, and the calls that are allowed."""


class Unconfined(Exception):
    """The filter cannot be installed; the message says why. Nothing untrusted may run then."""


class _Function(CFuncPtr):
    """A function of the C library; it gives an int where nothing else is said."""

    _flags_ = FUNCFLAG_CDECL | FUNCFLAG_USE_ERRNO


class _Pointer(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "P"


def confine(read_only: bool = False, watches: int | None = None, forks: bool = False) -> None:
    """Put this process under the filter, for good.

    Args:
        read_only: no file may be made, changed or removed.
        watches: the process that this one watches: it may tell its time, wait for it and end it, and no other.
        forks: this process starts such processes, and each confines itself further.

    Raises:
        Unconfined: an unknown machine, or a kernel that refuses.
    """
    machine = os.uname().machine
    if machine not in MACHINES:
        raise Unconfined(f"no system-call filter for {machine}")
    architecture, calls = MACHINES[machine]
    allowed = dict(calls) | (_WATCHES[machine] if forks or watches is not None else {})
    allowed |= _FORKS[machine] if forks else {}
    conditions: list[tuple[int, int, int, int, int, int]] = []
    if watches is not None:
        conditions.append((_KILLS[machine], 0, _EQUAL, watches, _ALLOW, _REFUSE))
    if read_only:
        allowed = {name: number for name, number in allowed.items() if name not in ("open", "openat", *_CHANGE_NAMES)}
        conditions += [(n, at, _ANY_BIT, _CHANGES, _REFUSE, _ALLOW) for n, at in _OPENS[machine].items()]
    code = _program(architecture, list(allowed.values()), conditions)
    kept = _kept(code)
    header = (len(code) // 8).to_bytes(8, "little") + addressof(kept).to_bytes(8, "little")
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("prctl", _PR_SET_SECCOMP, _FILTER_MODE, header, 0, 0)


def hide() -> None:
    """Make this process's memory unreadable to others of the same user.

    Raises:
        Unconfined: the kernel refuses.
    """
    _call("prctl", _PR_SET_DUMPABLE, 0, 0, 0, 0)


def end_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; end at once where it has ended already.

    Args:
        parent: the parent's process id, as it was when it was alive for certain.

    Raises:
        Unconfined: the kernel refuses.
    """
    _call("prctl", _PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def give_up_capabilities() -> None:
    """Give up what root may do beyond others, such as reading any process's memory.

    Raises:
        Unconfined: the kernel refuses.
    """
    _call("capset", _CAPABILITY_VERSION.to_bytes(4, "little") + bytes(4), bytes(24))


def _program(architecture: int, numbers: list[int], conditions: list[tuple[int, int, int, int, int, int]]) -> bytes:
    """The filter's instructions: another architecture kills, a listed call passes, all else is refused.

    A condition is a call's number, which argument is looked at, how and with what, and what follows if so and if not.
    """
    lines = [(_LOAD, 0, 0, _ARCHITECTURE_AT), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL)]
    lines.append((_LOAD, 0, 0, _NUMBER_AT))
    lines += [(_EQUAL, len(numbers) - i + 5 * len(conditions), 0, n) for i, n in enumerate(numbers)]
    for number, argument, test, value, then, otherwise in conditions:
        lines += [(_EQUAL, 0, 4, number), (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument), (test, 0, 1, value)]
        lines += [(_RETURN, 0, 0, then), (_RETURN, 0, 0, otherwise)]
    lines += [(_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(
        code.to_bytes(2, "little") + bytes((yes, no)) + value.to_bytes(4, "little") for code, yes, no, value in lines
    )


def _kept(data: bytes) -> Any:
    """The bytes, 8 or more, where C can find them; an array type of its own for each length would take far longer."""
    return _Pointer.from_buffer(bytearray(data))


def _call(name: str, *arguments: int | bytes) -> None:
    """Call a function of the C library; bytes are passed as a pointer to them."""
    this_program: Any = None
    function: Any = _Function(dlsym(dlopen(this_program, 0), name))
    kept = [_kept(argument) if isinstance(argument, bytes) else argument for argument in arguments]
    if function(*(one if isinstance(one, int) else _Pointer(addressof(one)) for one in kept)):
        raise Unconfined(f"{name} {arguments[0]!r}: {os.strerror(get_errno())}")
