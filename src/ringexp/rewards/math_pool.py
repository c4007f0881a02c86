"""A pool of Math-Verify processes: items are spread over whoever is free, each under its own limits, answered in order.

Verdicts do not depend on the number of processes: each judges an item from the same state, whatever it judged before.
"""

import os
from collections import Counter, deque
from collections.abc import Sequence
from multiprocessing.connection import wait

from ringexp.records import Outcome, Verdict
from ringexp.rewards.math_process import MathLimits, MathProcess, WorkerDied
from ringexp.rewards.memory import Pair

_CHUNK = 16  # items in a message: a round trip costs about a tenth of an easy item
_CHUNK_CHARS = 2_500  # a message fits the pipe, so that writing it never waits for a process that does not read
_FEW = 8  # waiting items that are no reason to start one more process, which takes a second of CPU time
_RECYCLE_AFTER = 20_000  # items: the parser's grammar caches only grow
_TICK_SECONDS = 0.05
_DIED_TWICE = Verdict(Outcome.ERROR, "the Math-Verify process died twice on this answer")


class MathPool:
    """At most `workers` processes, started when there is work for them, replaced when they hang, die or are old.

    Not thread-safe: see its owner. After a fork the child starts processes of its own.
    """

    def __init__(self, workers: int, limits: MathLimits, options: Sequence[str] = ()) -> None:
        self._workers, self._limits, self._options = workers, limits, tuple(options)
        self._processes: list[MathProcess] = []
        self._owner = os.getpid()

    @property
    def pids(self) -> list[int]:
        """The ids of the processes that there are."""
        return [process.pid for process in self._processes if self._owner == os.getpid()]

    def judge(self, pairs: Sequence[Pair]) -> list[Verdict]:
        """One verdict per pair of gold and boxed answer, in order. An item whose process dies is asked once more.

        Raises:
            RingexpError: a process cannot be started.
        """
        if self._owner != os.getpid():
            self._processes, self._owner = [], os.getpid()  # a fork: those processes are the parent's
        batch = _Batch(pairs)
        try:
            while len(batch.verdicts) < len(pairs):
                self._hand_out(batch)
                answered = wait([process.fileno() for process in self._processes], _TICK_SECONDS)
                for process in list(self._processes):
                    self._attend(process, batch, process.fileno() in answered)
        except BaseException:
            self.stop()  # what they are at belongs to a batch that nobody waits for
            raise
        return [batch.verdicts[i] for i in range(len(pairs))]

    def stop(self) -> None:
        """End the processes, if any."""
        processes, self._processes = self._processes, []
        if self._owner == os.getpid():
            for process in processes:
                process.stop()

    def _hand_out(self, batch: "_Batch") -> None:
        """Give every free process a chunk, the smaller the less there is left; start one more if that pays."""
        for process in list(self._processes):
            if process.free and (not process.alive or process.served >= _RECYCLE_AFTER):
                self._drop(process)
            elif process.free and batch.waiting:
                try:
                    process.give(batch.take(min(_CHUNK, -(-len(batch.waiting) // (2 * self._workers)))))
                except WorkerDied:
                    self._lost(process, batch)
        while batch.waiting and len(self._processes) < self._workers:
            if self._processes and len(batch.waiting) <= _FEW * len(self._processes):
                break
            self._processes.append(MathProcess(self._limits, self._options))

    def _attend(self, process: MathProcess, batch: "_Batch", answered: bool) -> None:
        """Take what a process has answered; one that is silent is held against its limits."""
        try:
            if answered:
                for index, verdict in process.hear():
                    batch.verdicts[index] = verdict
            elif not process.free and (late := process.overdue()):
                batch.verdicts[process.waiting.popleft()] = late
                self._give_up(process, batch)
        except WorkerDied:
            self._lost(process, batch)

    def _lost(self, process: MathProcess, batch: "_Batch") -> None:
        """The process has died; it was at the first item that it has not answered."""
        cause = process.cause()
        if process.waiting:
            first = process.waiting[0]
            batch.deaths[first] += 1
            if cause or batch.deaths[first] > 1:
                batch.verdicts[process.waiting.popleft()] = cause or _DIED_TWICE
        self._give_up(process, batch)

    def _give_up(self, process: MathProcess, batch: "_Batch") -> None:
        """End a process; what it still had goes back to the front."""
        batch.waiting.extendleft(reversed(process.waiting))
        self._drop(process)

    def _drop(self, process: MathProcess) -> None:
        self._processes.remove(process)
        process.stop()


class _Batch:
    """Items on their way: which wait, which are judged, how often a process died on one."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.pairs = pairs
        self.waiting = deque(range(len(pairs)))
        self.verdicts: dict[int, Verdict] = {}
        self.deaths: Counter[int] = Counter()

    def take(self, most: int) -> list[tuple[int, Pair]]:
        """The next items with their indices: at least one, at most `most`, and no more than fit a message."""
        chunk: list[tuple[int, Pair]] = []
        chars = 0
        while self.waiting and len(chunk) < most:
            pair = self.pairs[self.waiting[0]]
            chars += sum(map(len, pair))
            if chunk and chars > _CHUNK_CHARS:
                break
            chunk.append((self.waiting.popleft(), pair))
        return chunk
