"""One sandbox as the host sees it: started with all that it has to read, heard line by line, ended for sure."""

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from ringexp.rewards.sandbox.root import Command

_REPLY_BYTES = 4096
_STARTED = b"started"


class SandboxFailed(Exception):
    """The sandbox gave no verdict, by no fault that can be laid on the candidate."""


class TimeUp(Exception):
    """The sandbox's wall time is up."""


class SandboxProcess:
    """A sandbox from its start to its end, which leaving the context makes certain.

    Args:
        command: how it is started.
        request: what it reads from standard input.
        end: when its wall time is up, on the monotonic clock.
        passed: descriptors that it inherits, by the same numbers.

    Raises:
        SandboxFailed: it cannot be started.
    """

    def __init__(self, command: Command, request: bytes, end: float, passed: Sequence[int] = ()) -> None:
        self._end = end
        self._heard = b""
        self.cpu_seconds = 0.0
        """CPU time of all that ran in it, known once it has ended."""
        try:
            with os.fdopen(os.memfd_create("request"), "w+b") as file:
                file.write(request)
                file.seek(0)
                self._process = subprocess.Popen(
                    command.words, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, cwd="/",
                    env=command.environment, pass_fds=passed, start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            raise SandboxFailed(f"cannot be started: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.finish(kill=kind is not None)
        assert self._process.stdout is not None and self._process.stderr is not None
        self._process.stdout.close()
        self._process.stderr.close()

    def begun(self) -> None:
        """Wait until the guest program runs.

        Raises:
            SandboxFailed: it does not; the message is what bubblewrap, or an interpreter that cannot start, wrote last.
            TimeUp: the wall time is up first.
        """
        if self.reply() != _STARTED:
            assert self._process.stderr is not None
            self.finish()
            lines = os.read(self._process.stderr.fileno(), 65536).decode(errors="replace").strip().splitlines()
            raise SandboxFailed(lines[-1][:200] if lines else "it gave no reason")

    def reply(self) -> bytes:
        """The next line; empty where there is none any more.

        Raises:
            SandboxFailed: it has no end.
            TimeUp: the wall time is up first.
        """
        assert self._process.stdout is not None
        poll = select.poll()
        poll.register(self._process.stdout)
        while b"\n" not in self._heard:
            if not poll.poll(max(0.0, self._end - time.monotonic()) * 1000):
                raise TimeUp
            part = os.read(self._process.stdout.fileno(), _REPLY_BYTES)
            if not part:
                return b""
            self._heard += part
            if len(self._heard) > _REPLY_BYTES:
                raise SandboxFailed("the checker's reply has no end")
        line, _, self._heard = self._heard.partition(b"\n")
        return line

    def finish(self, kill: bool = False) -> None:
        """Wait for the end, until the wall time is up, or bring it about; nothing of the process group is left then."""
        if self._process.returncode is not None:
            return
        if not kill:
            self._await_end()
        os.killpg(self._process.pid, signal.SIGKILL)  # bubblewrap takes all that is in the sandbox with it
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_seconds = usage.ru_utime + usage.ru_stime

    def _await_end(self) -> None:
        """Wait for the end, which stays to be collected, or for the wall time."""
        fd = os.pidfd_open(self._process.pid)
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.poll(max(0.0, self._end - time.monotonic()) * 1000)
        os.close(fd)


def framed(message: Mapping[str, Any]) -> bytes:
    """A message as the guest reads it: its length, then its JSON text."""
    return frame(json.dumps(message).encode())


def frame(body: bytes) -> bytes:
    """The bytes after their length, as the guest reads it."""
    return str(len(body)).rjust(16).encode() + body
