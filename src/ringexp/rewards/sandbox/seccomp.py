"""The system-call filter of a process inside the sandbox: what an interpreter at work needs, nothing else.

Not on the list, so refused with EPERM: new processes and threads, executing, signals to others, tracing, sockets,
mounts, name spaces, shared memory, keys, io_uring. Part of the program inside the sandbox: standard library only.
"""

import ctypes
import os
import struct

_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 4, 22, 38
_FILTER_MODE = 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_KILL, _ALLOW, _REFUSE = 0x80000000, 0x7FFF0000, 0x00050001  # the last one: EPERM

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
_CHECKER = {
    "x86_64": {"wait4": 61, "kill": 62, "setitimer": 38, "statfs": 137},
    "aarch64": {"wait4": 260, "kill": 129, "setitimer": 103, "statfs": 43},
}

MACHINES = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _AARCH64)}
"""By machine, as `os.uname` names it: the kernel's number of the architecture, and the calls that are allowed."""


class Unconfined(Exception):
    """The filter cannot be installed; the message says why. Nothing untrusted may run then."""


def confine(checker: bool = False) -> None:
    """Put this process under the filter, for good; the checker may also watch the clock and end its child.

    Raises:
        Unconfined: an unknown machine, or a kernel that refuses.
    """
    machine = os.uname().machine
    if machine not in MACHINES:
        raise Unconfined(f"no system-call filter for {machine}")
    architecture, calls = MACHINES[machine]
    numbers = [*calls.values(), *(_CHECKER[machine].values() if checker else ())]
    program = _program(architecture, numbers)
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.create_string_buffer(header, len(header)))


def hide() -> None:
    """Make this process's memory unreadable to others of the same user.

    Raises:
        Unconfined: the kernel refuses.
    """
    _prctl(_PR_SET_DUMPABLE, 0)


def _program(architecture: int, numbers: list[int]) -> bytes:
    """The filter's instructions: another architecture kills, a listed call passes, all else is refused."""
    lines = [(_LOAD, 0, 0, _ARCHITECTURE_AT), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL)]
    lines.append((_LOAD, 0, 0, _NUMBER_AT))
    lines += [(_EQUAL, len(numbers) - i, 0, number) for i, number in enumerate(numbers)]
    lines += [(_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def _prctl(option: int, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    padded = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in (*arguments, 0, 0, 0, 0)][:4]
    if libc.prctl(option, *padded):
        raise Unconfined(f"prctl {option}: {os.strerror(ctypes.get_errno())}")
