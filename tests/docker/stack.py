"""The stack of compose.yaml as processes on loopback: its own commands and variables, other addresses.

Debian's PostgreSQL stands for that image and `moto` for the S3 store; MLflow's server, the one-off jobs, the dashboard
and the workers are what compose.yaml says, word for word but for host names and ports.
"""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

import composition

ROOT = Path(__file__).parents[2]
GIVEN = {"POSTGRES_PASSWORD": "p a/s:s@word", "S3_ACCESS_KEY": "ringexp", "S3_SECRET_KEY": "se/cr+et",
         "RINGEXP_IMAGE": "ringexp", "RINGEXP_IMAGE_DIGEST": "sha256:" + "d" * 64}  # fmt: skip
INNER = {"postgres": 5432, "storage": 9000, "mlflow": 5000, "dashboard": 8080}


def programs() -> Path | None:
    """Debian's newest PostgreSQL."""
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


class Stack:
    """The services, each started and ended by name; `folder` keeps what they store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in INNER}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._data = Path(tempfile.mkdtemp(prefix="ringexp-stack-"))

    def start(self) -> None:
        """Everything, in the order in which compose would."""
        self._postgres()
        store = ["-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.ports["storage"])]
        self._serve("storage", [sys.executable, *store], {})
        self.once("bucket")
        self.once("studies")
        for name in ("mlflow", "dashboard"):
            self.serve(name)

    def command(self, name: str, *more: str) -> tuple[list[str], dict[str, str]]:
        """(words, environment) of a service here: programs of this environment, addresses of these processes."""
        words, environment = composition.own_environment(name, ROOT, GIVEN)
        if more:  # as `docker compose run` does, these take the place of `command`
            words = [*composition.load((ROOT / "compose.yaml").read_text())["services"][name]["entrypoint"], *more]
        words = [self._here(word) for word in words]
        if "--host" in words:
            words[words.index("--host") + 1] = "127.0.0.1"
            words[words.index("--port") + 1] = str(self.ports[name])
        program = [sys.executable] if words[0] == "python" else [str(Path(sys.executable).parent / words[0])]
        here = {key: self._here(str(value)) for key, value in environment.items()}
        return [*program, *words[1:]], composition.clean(here)

    def _here(self, text: str) -> str:
        return re.sub(r"\b(postgres|storage|mlflow):(\d+)\b", lambda m: f"127.0.0.1:{self.ports[m[1]]}", text)

    def once(self, name: str) -> str:
        """Run a one-off job to its end; what it prints."""
        words, environment = self.command(name)
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
        return done.stdout

    def serve(self, name: str) -> None:
        """Start a server and wait until it passes the health check that compose.yaml gives it."""
        words, environment = self.command(name)
        self._serve(name, words, environment)
        check = composition.load((ROOT / "compose.yaml").read_text())["services"][name]["healthcheck"]["test"]
        assert check[:2] == ["CMD", "python"]
        test = [sys.executable, *(word.replace(f":{INNER[name]}/", f":{self.ports[name]}/") for word in check[2:])]
        wait(lambda: subprocess.run(test, capture_output=True, check=False).returncode == 0, f"{name} is not healthy")

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def kill(self, name: str) -> None:
        """End a server and all its processes without a word to it."""
        process = self._processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for name in list(self._processes):
            self.kill(name)
        shutil.rmtree(self._data)

    def job(self, *overrides: str) -> tuple[list[str], dict[str, str]]:
        """`docker compose run ringexp …`: the command and its environment, its store in this folder."""
        words, environment = self.command("ringexp", *overrides)
        return [*words, f"paths.store={self.folder / 'runs'}"], environment

    def _serve(self, name: str, words: Sequence[str | Path], environment: dict[str, str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(words, env=environment or None, stdout=log, stderr=log,
                                                     cwd=self._data, start_new_session=True)  # fmt: skip
        if name == "storage":
            wait(lambda: answers(self.url(name)), f"{name} does not answer")

    def _postgres(self) -> None:
        """What the image's entry point does: a cluster with user, password and database, then the mounted script."""
        folder, environment = programs(), composition.own_environment("postgres", ROOT, GIVEN)[1]
        assert folder is not None
        user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        (self._data / "password").write_text(environment["POSTGRES_PASSWORD"], encoding="utf-8")
        self._data.chmod(0o755)
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if os.getuid() == 0 else []
        cluster = self._data / "cluster"
        cluster.mkdir(mode=0o700)
        if os.getuid() == 0:
            shutil.chown(cluster, user)
            shutil.chown(self._data / "password", user)
        subprocess.run([*as_user, folder / "initdb", "-D", cluster, "-U", environment["POSTGRES_USER"], "--no-sync",
                        "--auth=scram-sha-256", f"--pwfile={self._data / 'password'}"],
                       check=True, capture_output=True, cwd=self._data)  # fmt: skip
        self._serve("postgres", [*as_user, folder / "postgres", "-D", cluster, "-h", "127.0.0.1", "-F",
                                 "-p", str(self.ports["postgres"]), "-k", cluster], {})  # fmt: skip
        client = {**os.environ, "PGPASSWORD": environment["POSTGRES_PASSWORD"], "PGHOST": "127.0.0.1",
                  "PGPORT": str(self.ports["postgres"]), "PGUSER": environment["POSTGRES_USER"]}  # fmt: skip
        wait(lambda: subprocess.run([folder / "pg_isready", "-q"], env=client, check=False).returncode == 0, "postgres")
        (script,) = re.findall(r"\./(docker/\S+?\.sql):", (ROOT / "compose.yaml").read_text(encoding="utf-8"))
        for more in (["-d", "postgres", "-c", f"CREATE DATABASE {environment['POSTGRES_DB']}"],
                     ["-d", environment["POSTGRES_DB"], "-f", ROOT / script]):  # fmt: skip
            subprocess.run([folder / "psql", "-q", "-v", "ON_ERROR_STOP=1", *more], env=client, check=True)


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except OSError:
        return False
    return True


def wait(there: Callable[[], bool], what: str, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)
