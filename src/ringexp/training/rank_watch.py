"""Rank 0's eye on the other ranks: what they return, what they raise, and that rank 0 learns of it when one dies."""

import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any

import torch

from ringexp.errors import RingexpError
from ringexp.training.rank_process import RAISED, end_group, exit_reason

POLL = 0.2
"""Seconds between two looks of the watching thread at rank 0."""
REPEAT = 10.0
"""Seconds between two interruptions of rank 0, should it swallow the first."""
SETTLE = 1.0
"""Seconds in which the cause of a broken collective has to show."""
BROKEN = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer", "Broken pipe", "TCPStore",
          "pair closure", "Timed out waiting")  # fmt: skip
"""What the messages of a collective that has lost a peer hold one of."""
INTERRUPT = signal.SIGURG
"""Ignored by default, so that one which comes late does nothing."""


class RankError(RingexpError):
    """Another rank has ended in the middle of a job; all ranks but 0 are gone then."""


class RankFailedError(RankError):
    """Another rank raised; the message holds the rank and its exception's line, its traceback went to stderr."""


class RankDiedError(RankError):
    """Another rank's process ended without an exception; the message holds the rank and its exit status or signal."""


@dataclass(frozen=True)
class Peer:
    """Another rank, seen from rank 0. `handle` tells its death, also where a child of its holds its files open."""

    rank: int
    process: SpawnProcess
    connection: Connection
    handle: int


class Watch:
    """A thread that takes in what the other ranks send, and notices when one ends; `stop` ends it.

    Where rank 0 stays in a job that another rank has left, it is interrupted after `grace` seconds and, should that
    not help, ended after `limit` seconds.
    """

    def __init__(self, peers: Sequence[Peer], grace: float, limit: float) -> None:
        self._peers = peers
        self._changed = threading.Condition()
        self._values: dict[int, bytes] = {}
        self._failures: dict[int, RankError] = {}
        self._inside: int | None = None  # the thread that is in a job
        self._urge = _Urge(grace, limit)
        self._stopped = False
        self._thread = threading.Thread(target=self._watch, daemon=True, name="ringexp-ranks-watch")
        self._thread.start()

    def stop(self) -> None:
        """From now on ranks may end; returns when the thread has."""
        self._stopped = True
        self._thread.join()

    def values(self, timeout: float | None) -> list[bytes]:
        """What every other rank returned, pickled. Raises RankError, also where one has not after `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._failures or self._missing() is None, timeout)
        failure, missing = self.lost(), self._missing()
        if failure is None and missing is not None:
            failure = RankFailedError(f"rank {missing} gave no result in {timeout:g} s")
        if failure is not None:
            raise failure
        return [self._values.pop(peer.rank) for peer in self._peers]

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """The body is rank 0's part of a job: another rank's end interrupts it, if this is the main thread."""

        def interrupt(signum: int, frame: FrameType | None) -> None:
            if self._inside is not None and (failure := self._failure()) is not None:
                raise failure

        main = threading.current_thread() is threading.main_thread()
        before = signal.signal(INTERRUPT, interrupt) if main else None
        self._inside = threading.get_ident()
        try:
            yield
        finally:
            self._inside = None
            if main:
                signal.signal(INTERRUPT, before)

    def _missing(self) -> int | None:
        """The first rank whose result is not there."""
        return next((peer.rank for peer in self._peers if peer.rank not in self._values), None)

    def _failure(self) -> RankError | None:
        """Of several the cause: not a collective that broke with another rank's end."""
        return min(tuple(self._failures.values()), key=broken, default=None)

    def lost(self, expected: bool = False) -> RankError | None:
        """Why a rank is gone, if one is; where that is expected or only a consequence is known, waits for the cause."""

        def cause() -> bool:
            failure = self._failure()
            return failure is not None and not broken(failure)

        with self._changed:
            if self._failures or expected:
                self._changed.wait_for(cause, SETTLE)
        return self._failure()

    def _watch(self) -> None:
        """The watching thread: takes in results and errors, and sees to it that rank 0 learns of a rank's end."""
        source: dict[Any, Peer] = {peer.connection: peer for peer in self._peers}
        source |= {peer.handle: peer for peer in self._peers}
        while not self._stopped:
            for ready in wait(list(source), POLL):
                peer = source[ready]
                more = self._take(peer)
                if ready is not peer.connection:
                    self._bury(peer)
                if ready is not peer.connection or not more:
                    del source[ready]
            self._urge(self._failure(), self._inside)

    def _take(self, peer: Peer) -> bool:
        """Take in what a rank has sent; False when it will not send more."""
        try:
            while peer.connection.poll():
                message = peer.connection.recv_bytes()
                if message.startswith(RAISED):
                    line, trace = pickle.loads(message[1:])
                    print(f"rank {peer.rank}:\n{trace}", end="", file=sys.stderr, flush=True)
                    self._record(peer, RankFailedError(f"rank {peer.rank} failed: {line}"))
                else:
                    with self._changed:
                        self._values[peer.rank] = message[1:]
                        self._changed.notify_all()
        except (EOFError, OSError):
            return False
        return True

    def _bury(self, peer: Peer) -> None:
        """A rank's process has ended: end its children, which may hold its sockets open, and say why it ended."""
        if self._stopped:
            return
        assert peer.process.pid is not None
        end_group(peer.process.pid)
        peer.process.join()
        self._record(peer, RankDiedError(f"rank {peer.rank} died ({exit_reason(peer.process.exitcode)}); the same "
                                         "command continues from the last checkpoint"))  # fmt: skip

    def _record(self, peer: Peer, failure: RankError) -> None:
        with self._changed:
            self._failures.setdefault(peer.rank, failure)
            self._changed.notify_all()


class _Urge:
    """Gets rank 0 out of a job that another rank has left: every REPEAT seconds an interruption, then an end."""

    def __init__(self, grace: float, limit: float) -> None:
        self._grace, self._limit = grace, limit
        self._since: float | None = None
        self._next = 0.0

    def __call__(self, failure: RankError | None, thread: int | None) -> None:
        """To be called again and again: `failure` ends the job, `thread` is in its body."""
        now = time.monotonic()
        if failure is None or thread is None:
            self._since = None
            return
        if self._since is None:
            self._since, self._next = now, now + self._grace
        if now > self._since + self._limit:
            print(f"ringexp: {failure}", file=sys.stderr, flush=True)
            os._exit(2)
        if now > self._next:
            self._next = now + REPEAT
            signal.pthread_kill(thread, INTERRUPT)


def broken(error: BaseException) -> bool:
    """Whether the error is that of a collective which has lost a peer; gloo's are plain RuntimeErrors."""
    if not isinstance(error, Exception):
        return False
    return isinstance(error, torch.distributed.DistError) or any(phrase in str(error) for phrase in BROKEN)
