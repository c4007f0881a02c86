"""What a sandbox can see: the bubblewrap command line around the guest program.

A read-only root with the interpreter, its standard library and the system's shared libraries; a small /tmp; no /proc,
no /etc, no /home, no network, no capabilities.
"""

import marshal
import shutil
import sys
from functools import cache
from pathlib import Path

from ringexp.errors import RingexpError

_GUEST = ("codec", "seccomp", "candidate", "proxy", "guest")
_SYSTEM = ("/usr/lib", "/usr/lib64", "/lib", "/lib64")
_BOOT = """
import marshal, posix, sys
posix.environ.clear()
for name, code in marshal.loads(posix.read(0, int(posix.read(0, 16)))):
    module = sys.modules[name] = type(sys)(name)
    exec(code, module.__dict__)
module.main()
"""


@cache
def guest_program() -> bytes:
    """The guest's modules, compiled, as `_BOOT` reads them; the length comes first."""
    modules = []
    for name in _GUEST:
        path = Path(__file__).with_name(f"{name}.py")
        code = compile(path.read_text(encoding="utf-8"), name, "exec", dont_inherit=True)
        modules.append((f"{__package__}.{name}", code))
    body = marshal.dumps(modules)
    return str(len(body)).rjust(16).encode() + body


def command(tmp_bytes: int) -> list[str]:
    """The command that starts one sandbox with the guest program in it.

    Raises:
        RingexpError: bubblewrap is not installed.
    """
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise RingexpError(
            "code rewards run in bubblewrap, and there is no `bwrap` on PATH: install it, "
            "on Debian and Ubuntu with `apt-get install bubblewrap`"
        )
    python = _python()
    words = [bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL"]
    words += ["--clearenv", "--setenv", "PYTHONHASHSEED", "0", *_library_path(), *_mounts(python)]
    words += ["--dev-bind", "/dev/null", "/dev/null", "--dev-bind", "/dev/urandom", "/dev/urandom"]
    words += ["--size", str(tmp_bytes), "--tmpfs", "/tmp", "--chdir", "/tmp", "--remount-ro", "/"]
    # -I would ignore the hash seed too; in an environment that holds nothing else, -s -P is the rest of it
    return [*words, str(python), "-s", "-P", "-S", "-B", "-c", _BOOT]


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


def _library_path() -> list[str]:
    """For an interpreter whose own shared library is found through the loader's cache, which is not there."""
    if sys.base_prefix == "/usr":
        return []
    return ["--setenv", "LD_LIBRARY_PATH", str(Path(sys.base_prefix) / "lib")]
