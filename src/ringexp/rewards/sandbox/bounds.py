"""What bounds a process inside the sandbox: its descriptors, its limits in the kernel, its system calls, its end.

Part of the program inside the sandbox: standard library only.
"""

from __future__ import annotations

import builtins
import posix as os
import resource
import sys

from ringexp.rewards.sandbox.seccomp import confine, end_with_parent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_STACK_BYTES = 8 * 1024**2  # the usual one, so that recursion ends alike everywhere
_MOST_DESCRIPTORS = 256  # more than this program ever opens before a candidate's process is shut in
_LOADED_ONCE = ("typing", "math", "collections", "itertools", "functools", "re", "string", "heapq", "bisect")


def shut_in(request: dict[str, Any], kept: tuple[int, ...], parent: int) -> None:
    """Leave this process nothing but the descriptors in `kept`, its limits and the calls on the list, for good.

    Args:
        request: the limits; `read_only` where no file may be changed.
        kept: descriptors that stay open, in ascending order.
        parent: the process that has forked this one; both end together.

    Raises:
        Unconfined: the kernel refuses; nothing untrusted may run then.
    """
    first = 0
    for fd in (*kept, _MOST_DESCRIPTORS):
        if first < fd:  # an empty range from 0 closes everything
            os.closerange(first, fd)
        first = fd + 1
    end_with_parent(parent)
    limit(
        {
            resource.RLIMIT_AS: request["memory_bytes"],
            resource.RLIMIT_FSIZE: request["file_bytes"],
            resource.RLIMIT_CPU: request["cpu_ceiling"],
            resource.RLIMIT_NOFILE: request["open_files"],
            resource.RLIMIT_NPROC: 0,
        }
    )
    confine(read_only=request["read_only"])


def limit(limits: dict[int, int]) -> None:
    """Set this process's limits in the kernel, for good, where they are not lower already."""
    for name, most in {**limits, resource.RLIMIT_STACK: _STACK_BYTES, resource.RLIMIT_CORE: 0}.items():
        present = resource.getrlimit(name)[1]
        least = most if present == resource.RLIM_INFINITY else min(most, present)
        resource.setrlimit(name, (least, least))


def point_nowhere(*descriptors: int) -> None:
    """Make these descriptors lead nowhere."""
    null = os.open("/dev/null", os.O_RDWR)
    for fd in descriptors:
        os.dup2(null, fd)
    os.close(null)


def complete_builtins() -> None:
    """Give programs `exit` and `quit`, which the interpreter's `site` would; it takes too long to load."""
    vars(builtins).update(exit=sys.exit, quit=sys.exit)


def load_mentioned(source: str) -> None:
    """Import what the source is likely to import, so that the processes forked from this one need not."""
    for name in _LOADED_ONCE:
        if f"import {name}" in source or f"from {name}" in source:
            __import__(name)
    if "random" in source:  # also where it is one name of several, or imported late: it has to be seeded
        __import__("random")


def seed() -> None:
    """Make `random`, where it is loaded, the same in every run."""
    if "random" in sys.modules:
        sys.modules["random"].seed(0)
