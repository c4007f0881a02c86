"""Data-parallel training on this machine: rank 0 is the command's own process, the other ranks are kept beside it.

    with Ranks(2) as ranks:
        with ranks.running(stage, config) as others:      # every other rank: stage(environment, config)
            mine = stage(ranks.environment, config)       # a fit by DDPStrategy, plugins=[environment]
        …                                                 # others: what they returned; then the next stage

No script is started again and no variable says who is who: what the other ranks do is pickled to them, so functions are
those of modules. The process group is made by the first fit, serves all later ones, and ends with `close`.
"""

import atexit
import contextlib
import os
import pickle
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from types import TracebackType
from typing import Any, Self

import torch

from ringexp.errors import ConfigError, RingexpError
from ringexp.training.rank_process import LEAVE, RankEnvironment, end_group, leave_process_group, serve
from ringexp.training.rank_watch import Peer, RankDiedError, RankError, Watch, broken

ADDRESS = "127.0.0.1"
LEAVE_LIMIT = 10.0
"""Seconds that an idle rank has to end by itself."""


class Ranks:
    """The ranks 1 … world − 1, started at once and kept; a context manager that closes them. One job at a time.

    `initializer(environment)` is run first in each of them. They have rank 0's environment variables, number of torch
    threads and working folder, may have children of their own, and die with rank 0. When one raises or dies, rank 0's
    collectives end by themselves; what else it waits for is interrupted `grace` seconds later in the main thread. Where
    even that does not help within `limit` seconds (a collective whose socket a stranger holds open), rank 0 prints the
    error and exits with status 2, as if killed. Raises ConfigError for world < 1, RingexpError where this process
    has a process group already.
    """

    def __init__(
        self, world: int, initializer: Callable[[RankEnvironment], object] | None = None, *, grace: float = 5.0,
        limit: float = 45.0,
    ) -> None:
        if world < 1:
            raise ConfigError(f"{world} ranks: at least 1 is needed")
        if torch.distributed.is_initialized():
            raise RingexpError("this process has a torch process group already, vLLM's or that of other ranks: take "
                               "rollout=vllm_process, close the other ranks")  # fmt: skip
        self._environ = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MASTER_ADDR", "MASTER_PORT")}
        # where it is not set, Lightning would set another number of threads in the first fit
        os.environ["OMP_NUM_THREADS"] = str(torch.get_num_threads())
        self._port = _reserve_port()
        self.environment = RankEnvironment(0, world, ADDRESS, self._port.getsockname()[1])
        self._busy = self._closed = False
        self._peers: list[Peer] = []
        atexit.register(self._kill)  # before multiprocessing's own handler, which would wait for them
        for rank in range(1, world):
            self._peers.append(self._start(rank, initializer))
        self._watch = Watch(self._peers, grace, limit)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:  # fmt: skip
        self.close()

    def _start(self, rank: int, initializer: Callable[[RankEnvironment], object] | None) -> Peer:
        spawn = get_context("spawn")
        connection, theirs = spawn.Pipe()
        environment = replace(self.environment, rank=rank)
        process = spawn.Process(
            target=serve, args=(theirs, environment, os.getpid(), torch.get_num_threads(), initializer),
            name=f"ringexp-rank-{rank}",
        )  # fmt: skip
        # a Ctrl-C before the rank can ignore it waits, here and there
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        assert process.pid is not None
        return Peer(rank, process, connection, os.pidfd_open(process.pid))

    def submit(self, function: Callable[..., Any], *args: Any) -> None:
        """Let every other rank call `function(environment, *args)`; does not wait. Raises RankError if one is gone."""
        if self._closed or self._busy:
            raise RuntimeError("these ranks are closed" if self._closed else "the last job's results are not taken")
        job = pickle.dumps((function, args))  # by value: no tensor is shared
        self._busy = True
        failure = self._watch.lost()
        try:
            for peer in self._peers:
                peer.connection.send_bytes(job)
        except OSError:
            failure = self._watch.lost(expected=True) or RankDiedError("a rank does not listen any more")
        if failure is not None:
            self.close()
            raise failure

    def results(self, timeout: float | None = None) -> list[Any]:
        """What the job returned on ranks 1, 2, …, in this order, when all have.

        Raises RankError where one is lost, or has not returned after `timeout` seconds; the ranks are closed then.
        """
        try:
            values = self._watch.values(timeout)
        except RankError:
            self.close()
            raise
        self._busy = False
        return [pickle.loads(value) for value in values]

    @contextmanager
    def running(self, function: Callable[..., Any], *args: Any) -> Iterator[list[Any]]:
        """`submit`, then the body as rank 0's part, then `results`, which are in the yielded list afterwards.

        Raises RankError where another rank is lost, from the body's own error if there is one that says so. After any
        error the other ranks are gone.
        """
        values: list[Any] = []
        try:
            self.submit(function, *args)
            with self._watch.interruptible():
                yield values
            values.extend(self.results())
        except BaseException as error:
            failure = self._watch.lost(expected=True) if broken(error) else None
            self.close()
            if failure is None or failure is error:
                raise
            raise failure from error

    def close(self) -> None:
        """End the other ranks (by force unless they are idle) and this process's group; variables are as before."""
        if self._closed:
            return
        self._closed = True
        self._watch.stop()
        if not self._busy and self._watch.lost() is None:
            for peer in self._peers:
                with contextlib.suppress(OSError):
                    peer.connection.send_bytes(LEAVE)
            end = time.monotonic() + LEAVE_LIMIT
            for peer in self._peers:
                peer.process.join(max(0.0, end - time.monotonic()))
        self._kill()
        for peer in self._peers:
            peer.process.join()
            peer.connection.close()
            os.close(peer.handle)
        leave_process_group()
        self._port.close()
        for name, value in self._environ.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        atexit.unregister(self._kill)

    def _kill(self) -> None:
        """Every other rank with all its children; one that has no process group yet has no children."""
        for peer in self._peers:
            if peer.process.pid is not None and not end_group(peer.process.pid):
                peer.process.kill()


def _reserve_port() -> socket.socket:
    """A socket bound to a free port, on which torch may listen none the less, and nobody else is given it."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("", 0))
    return reserved
