"""The image built for real, by buildah on a base made by debootstrap: no engine and no registry are needed, root is.

What is fetched once is kept in `.image/` (RINGEXP_IMAGE_CACHE): the base and the wheels of the lock.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("RINGEXP_IMAGE_CACHE", ROOT / ".image"))
MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org")
BASE = "localhost/ringexp-base"
LOCK = ROOT / "requirements/cpu.lock"
NEEDED = ("buildah", "debootstrap", "bwrap", "setpriv")


def missing() -> str:
    """Why no image can be built here; empty where one can."""
    absent = [program for program in NEEDED if shutil.which(program) is None]
    if os.getuid() != 0:
        return "building an image without an engine takes root"
    return f"not installed: {' '.join(absent)}" if absent else ""


def buildah(*words: str | Path) -> str:
    """Run buildah on a storage of our own; what it prints."""
    storage = ["--root", CACHE / "storage", "--runroot", CACHE / "run", "--storage-driver", _driver()]
    done = subprocess.run(["buildah", *storage, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"buildah {words[0]}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout.strip()


def _driver() -> str:
    """The storage driver: `vfs` copies every layer whole, but works everywhere."""
    return os.environ.get("STORAGE_DRIVER", "overlay")


def base() -> str:
    """The name of a bare bookworm in the storage, made where it is missing."""
    if BASE not in buildah("images", "--format", "{{.Name}}").split():
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            subprocess.run(["debootstrap", "--variant=minbase", "bookworm", f"{folder}/root", f"{MIRROR}/debian"],
                           check=True, stdout=subprocess.DEVNULL)  # fmt: skip
            (Path(folder) / "Basefile").write_text("FROM scratch\nCOPY . /\n", encoding="utf-8")
            buildah("build", "--isolation", "chroot", "--timestamp", "0", "-f", f"{folder}/Basefile", "-t", BASE,
                    f"{folder}/root")  # fmt: skip
    return BASE


def wheels() -> Path:
    """A folder with what the lock names, downloaded where it is not there yet, checked by hash."""
    folder, stamp = CACHE / "wheels", CACHE / f"wheels-{sha256(LOCK.read_bytes()).hexdigest()[:16]}"
    if not stamp.exists():
        folder.mkdir(parents=True, exist_ok=True)
        words = ["download", "--quiet", "--no-deps", "--require-hashes", "-r", str(LOCK), "-d", str(folder)]
        subprocess.run([sys.executable, "-m", "pip", *words], check=True)
        stamp.touch()
    return folder


def context(folder: Path) -> Path:
    """The files that git knows, or would, as a fresh checkout has them; beside them what must not get into an image."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout.split("\0")  # fmt: skip
    for name in filter(lambda name: name and (ROOT / name).exists(), listed):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target, follow_symlinks=False)
        if not target.is_symlink():
            target.chmod(0o755 if os.access(target, os.X_OK) else 0o644)
    for planted in (".env", "runs/secret", "docker/.env", "src/ringexp/.env"):
        (folder / planted).parent.mkdir(exist_ok=True)
        (folder / planted).write_text("SECRET=planted\n", encoding="utf-8")
    if gone := _gone(folder / "requirements/debian.lock"):
        print(f"{gone} is on no mirror that is reached from here: the Debian packages are locked anew for this test")
        subprocess.run(["sh", ROOT / "docker/lock-debian.sh", folder / "requirements"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    return folder


def _gone(lock: Path) -> str:
    """A file of the lock that neither the mirror nor the archive of all versions gives; empty if there is none."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    (day,) = [line.split()[2] for line in lines if line.startswith("# snapshot ")]
    for path in (line.split()[1] for line in lines if not line.startswith("#")):
        archive, _, rest = path.partition("/")
        archived = f"http://snapshot.debian.org/archive/{archive}/{day}/{rest}"
        if not any(_is_there(url) for url in (f"{MIRROR}/{path}", archived)):
            return path
    return ""


def _is_there(url: str) -> bool:
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=20).close()
    except OSError:
        return False
    return True


def build(folder: Path, name: str, commit: str) -> str:
    """Build the target `cpu` of a context, nothing reused from an earlier build; the image's digest."""
    lock = sha256((folder / "requirements/cpu.lock").read_bytes()).hexdigest()
    arguments = {"BASE": base(), "DEBIAN_MIRROR": MIRROR, "COMMIT": commit, "LOCK_SHA256": lock,
                 "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels", "PIP_EXTRA_INDEX_URL": ""}  # fmt: skip
    given = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
    buildah("build", "--isolation", "chroot", "--layers=false", "--no-cache", "--timestamp", "0", "--target", "cpu",
            "--volume", f"{wheels()}:/wheels:ro", *given, "-t", name, folder)  # fmt: skip
    return buildah("inspect", "--type", "image", "--format", "{{.FromImageDigest}}", name)


def inspect(name: str) -> dict[str, Any]:
    """The image's configuration (`OCIv1.config`: user, environment, labels, volumes) and its manifest."""
    found: dict[str, Any] = json.loads(buildah("inspect", "--type", "image", name))
    return found


def layers(name: str) -> list[tuple[str, int]]:
    """(what made it, bytes) of each layer, the base first."""
    found = inspect(name)
    sizes = [layer["size"] for layer in json.loads(found["Manifest"])["layers"]]
    makers = ["base (debootstrap)", "Debian packages", "user and folders", "/opt/ringexp"]
    return list(zip(makers, sizes, strict=True))


def clean() -> None:
    """Remove every container, also of a build that was killed, and every image but the base."""
    buildah("rm", "--all")
    for name in set(buildah("images", "--format", "{{.Name}}:{{.Tag}}").split()) - {f"{BASE}:latest"}:
        if not name.startswith("<none>"):
            buildah("rmi", "--force", name)
    buildah("rmi", "--prune")


@contextmanager
def mounted(name: str) -> Iterator[Path]:
    """The root file system of a container made of the image; both are gone afterwards."""
    container = buildah("from", name)
    try:
        yield Path(buildah("mount", container)).resolve()
    finally:
        buildah("umount", container)
        buildah("rm", container)
