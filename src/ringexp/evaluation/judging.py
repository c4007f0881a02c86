"""Draws responses and judges them meanwhile: a verifier does not wait for the last response.

Verdicts depend on prompt and text only, so what is judged when, and with what else, changes nothing in the groups.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from ringexp.records import Group, Request, Rollout, Sampling, Verdict
from ringexp.rewards.registry import Verifier
from ringexp.rollout.engine import RolloutEngine


@dataclass(frozen=True)
class Collected:
    """Judged groups in the order of their requests, and the wall time they took.

    `generation_seconds` until the engine had all responses, with judging beside it; `waiting_seconds` from then until
    the last verdict.
    """

    groups: tuple[Group, ...]
    generation_seconds: float
    waiting_seconds: float


def collect(
    engine: RolloutEngine, verifier: Verifier, requests: Sequence[Request], sampling: Sampling, samples: int
) -> Collected:
    """Draw a response to each request, `samples` in a row to a prompt, and judge each as soon as it is complete.

    Raises:
        What engine or verifier raise, a verifier's error at the next complete response. No request and no thread is
        left over then; a batch that is being judged is waited for.
    """
    start = time.perf_counter()
    with Judging(verifier) as judging:
        rollouts = engine.generate(requests, sampling, judging.add)
        generated = time.perf_counter()
        verdicts = judging.verdicts()
    groups = tuple(grouped(rollouts, verdicts, samples))
    return Collected(groups, generated - start, time.perf_counter() - generated)


def grouped(rollouts: Sequence[Rollout], verdicts: Sequence[Verdict], samples: int) -> list[Group]:
    """Groups of `samples` rollouts in a row, with their verdicts. Raises ValueError unless each rollout has one."""
    judged = list(zip(rollouts, verdicts, strict=True))
    groups = [judged[i : i + samples] for i in range(0, len(judged), samples)]
    return [
        Group(group[0][0].request.prompt, tuple(r for r, _ in group), tuple(v for _, v in group)) for group in groups
    ]


class Judging:
    """A thread that judges rollouts as they come, all that have come since its last batch in one call of `score`.

    Used as a context; leaving it ends the thread. `add` and `verdicts` belong to the thread that made it.
    """

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self._waiting: dict[int, Rollout] = {}
        self._verdicts: dict[int, Verdict] = {}
        self._error: BaseException | None = None
        self._open = True
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._judge, name="ringexp-judging", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()  # what still waits is dropped: there is something only after an error
        self._thread.join()

    def add(self, index: int, rollout: Rollout) -> None:
        """Have the rollout judged. Raises what the verifier has raised."""
        with self._changed:
            self._check()
            self._waiting[index] = rollout
            self._changed.notify()

    def verdicts(self) -> list[Verdict]:
        """All verdicts, by index; to be called once, after the last `add`. Raises what the verifier has raised.

        The calling thread judges what is left, beside the last batch of the other: sandboxes stay busy, and an
        interrupt ends them.
        """
        self._check()
        self._score(self._close())
        self._thread.join()
        self._check()
        return [self._verdicts[index] for index in sorted(self._verdicts)]

    def _close(self) -> dict[int, Rollout]:
        """Let the thread end after its batch; what it has not taken."""
        with self._changed:
            self._open = False
            self._changed.notify()
            return self._take()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _judge(self) -> None:
        try:
            while batch := self._next():
                self._score(batch)
        except BaseException as error:  # raised again in the thread that waits for verdicts
            self._error = error

    def _next(self) -> dict[int, Rollout]:
        """All that waits, once there is something; nothing when there will be no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or not self._open)
            return self._take()

    def _take(self) -> dict[int, Rollout]:
        taken, self._waiting = self._waiting, {}
        return taken

    def _score(self, batch: dict[int, Rollout]) -> None:
        if not batch:
            return
        found = self._verifier.score([r.request.prompt for r in batch.values()], [r.text for r in batch.values()])
        with self._changed:
            self._verdicts.update(zip(batch, found, strict=True))
