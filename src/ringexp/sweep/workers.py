"""Further processes of the same command, and signals: what ends the first worker ends the others too."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

WORKER = "RINGEXP_SWEEP_WORKER"
"""Set in the environment of a process that another worker started: it starts none itself."""

_joined: list[bool] = []


def is_worker() -> bool:
    """Whether another worker, or a launcher, started this process."""
    return bool(_joined) or WORKER in os.environ


def join() -> None:
    """Say that a launcher started this process."""
    _joined.append(True)


def stop() -> None:
    """Ask this process to stop."""
    os.kill(os.getpid(), signal.SIGTERM)


class Workers:
    """The processes this one started, and the signals this one got."""

    def __init__(self) -> None:
        self.signals: list[int] = []
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, count: int) -> None:
        """Start the same command `count` times: each joins the study. A pipe tells them when we die."""
        for index in range(count):
            self._processes.append(subprocess.Popen(
                [sys.executable, *sys.orig_argv[1:]], env=os.environ | {WORKER: str(index + 1)},
                stdin=subprocess.PIPE, start_new_session=True,
            ))  # fmt: skip

    def end(self) -> list[int]:
        """Wait for all to end; their statuses."""
        return [process.wait() for process in self._processes]

    def signal(self, signum: int) -> None:
        """Send all of them a signal."""
        for process in self._processes:
            process.send_signal(signum)

    @contextmanager
    def signalled(self) -> Iterator[None]:
        """In the body SIGINT and SIGTERM are noted and passed on to the workers, then do what they did before.

        Where SIGTERM would have killed this process, SystemExit is raised instead, so that the trial is closed.
        """
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def forward(signum: int, frame: FrameType | None) -> None:
            self.signals.append(signum)
            self.signal(signum)
            handler = before[signal.Signals(signum)]
            if callable(handler):
                handler(signum, frame)
            elif handler != signal.SIG_IGN:
                raise SystemExit(128 + signum)

        for number in before:
            signal.signal(number, forward)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def end_with_parent() -> None:
    """Ask this process to stop when the worker that started it is gone: the pipe from it then ends."""
    if WORKER not in os.environ:
        return

    def watch() -> None:
        while os.read(0, 1):
            pass
        stop()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
