"""A real tracking server on loopback, that a test may kill and start again."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


class TrackingServer:
    """`mlflow server` with a SQLite store and artifacts in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "TrackingServer":
        arguments = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1",
                     "--backend-store-uri", f"sqlite:///{self.folder}/server.db",
                     "--artifacts-destination", str(self.folder / "server-artifacts")]  # fmt: skip
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
        self.process = subprocess.Popen([sys.executable, *arguments], env=environment, start_new_session=True,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=2).close()
            except OSError:
                time.sleep(0.2)
            else:
                return self
        raise AssertionError("the tracking server did not start")

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture
def tracking_server() -> Iterator[Callable[[Path], TrackingServer]]:
    """`tracking_server(folder)` starts one; it ends with the test."""
    started: list[TrackingServer] = []

    def start(folder: Path) -> TrackingServer:
        started.append(TrackingServer(folder))
        return started[-1].start()

    yield start
    for server in started:
        server.kill()
