"""What a sandbox can see: the bubblewrap command line around the guest program.

A read-only root with the interpreter, its standard library and the system's shared libraries; a small /tmp; no /proc,
no /etc, no /home, no network, no capabilities.
"""

import __future__

import ast
import marshal
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ringexp.config.schema import ISOLATION
from ringexp.errors import RingexpError

_SHARED = ("codec", "seccomp", "bounds", "execution", "watch")
GUESTS = {"function": (*_SHARED, "candidate", "proxy", "failure", "guest"), "program": (*_SHARED, "program")}
"""The modules of the two programs that run inside, each after those that it uses; the last one has `main`."""

BUBBLEWRAP, PROCESS = ISOLATION
WEAKER = "where it cannot run at all, rewards.code.isolation=process judges code in a process without a root of its own"
_SYSTEM = ("/usr/lib", "/usr/lib64", "/lib", "/lib64")
_BOOT = """
import gc, marshal, posix, sys
gc.disable()
posix.environ.clear()
for name, code in marshal.loads(posix.read(0, int(posix.read(0, 16)))):
    module = sys.modules[name] = type(sys)(name)
    exec(code, module.__dict__)
gc.freeze()
gc.enable()
module.main()
"""


@cache
def guest_program(kind: str) -> bytes:
    """The modules of a guest (`GUESTS`), compiled, as `_BOOT` reads them; the length comes first.

    Every candidate waits for them to be read and executed: docstrings are left out, `__future__` is not imported.
    """
    modules = []
    for name in GUESTS[kind]:
        tree = ast.parse(Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8"))
        own = [part for part in tree.body if getattr(part, "module", None) != "__future__"]
        flags = __future__.annotations.compiler_flag if len(own) < len(tree.body) else 0
        tree.body = own
        code = compile(tree, name, "exec", flags, dont_inherit=True, optimize=2)
        modules.append((f"{__package__}.{name}", code))
    body = marshal.dumps(modules)
    return str(len(body)).rjust(16).encode() + body


class Command(NamedTuple):
    """How a sandbox is started: the words, and all that its environment holds."""

    words: list[str]
    environment: dict[str, str]


def command(isolation: str, tmp_bytes: int) -> Command:
    """The command that starts one sandbox with the guest program in it.

    Args:
        isolation: `bubblewrap`, or `process`: the interpreter alone, which bounds itself before it runs anything.
        tmp_bytes: the size of /tmp, where the sandbox has one of its own.

    Raises:
        RingexpError: bubblewrap is not installed.
    """
    python = _python()
    # -I would ignore the hash seed too; in an environment that holds nothing else, -s -P is the rest of it
    program = [str(python), "-s", "-P", "-S", "-B", "-c", _BOOT]
    if isolation == PROCESS:
        return Command(program, _environment())
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise RingexpError(
            "code rewards run in bubblewrap, and there is no `bwrap` on PATH: install it, on Debian and Ubuntu with "
            f"`apt-get install bubblewrap`; {WEAKER}"
        )
    words = [bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL"]
    for variable in _environment().items():
        words += ["--setenv", *variable]
    words += _mounts(python)
    words += ["--dev-bind", "/dev/null", "/dev/null", "--dev-bind", "/dev/urandom", "/dev/urandom"]
    words += ["--size", str(tmp_bytes), "--tmpfs", "/tmp", "--chdir", "/tmp", "--remount-ro", "/"]
    return Command([*words, *program], {})


def _environment() -> dict[str, str]:
    """What the interpreter has to find in its environment.

    Its library's folder is for an interpreter whose own shared library is found through the loader's cache, which
    is not there.
    """
    library = {} if sys.base_prefix == "/usr" else {"LD_LIBRARY_PATH": str(Path(sys.base_prefix) / "lib")}
    return {"PYTHONHASHSEED": "0", **library}


def _python() -> Path:
    """The interpreter itself, not a virtual environment's link to it."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()


def _prefixes(python: Path) -> list[Path]:
    """Where the interpreter's library may lie, as it was configured and as its file lies."""
    base = Path(sys.base_prefix)
    return list(dict.fromkeys([base, base.resolve(), python.parent.parent]))


def _mounts(python: Path) -> list[str]:
    """Options that bind the interpreter and libraries, and hide installed packages."""
    words: list[str] = []
    for system in map(Path, _SYSTEM):
        if system.is_symlink():
            words += ["--symlink", str(system.readlink()), str(system)]
        elif system.is_dir():
            words += ["--ro-bind", str(system), str(system)]
    libraries = [Path("/usr/lib")]
    for prefix in _prefixes(python):
        for folder in (prefix / "lib", prefix / "lib64"):
            if folder.is_dir() and str(folder) not in _SYSTEM:
                words += ["--ro-bind", str(folder), str(folder)]
                libraries.append(folder)
    words += ["--ro-bind", str(python), str(python)]
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for library in libraries:
        for packages in (library / version / "site-packages", library / "python3" / "dist-packages"):
            if packages.is_dir():
                words += ["--tmpfs", str(packages), "--remount-ro", str(packages)]
    return words
