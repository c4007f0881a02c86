"""The verifier of maths answers: the last boxed answer, judged by Math-Verify in processes of its own.

Math-Verify's own time-outs need the main thread and wall time; here they are off, and a hard limit on CPU time is kept
from outside (`math_process`). So verdicts are the same on a busy machine, in any thread, and by any number of workers.
"""

import threading
import weakref
from collections.abc import Sequence

from ringexp.errors import ConfigError
from ringexp.records import Outcome, Prompt, Verdict
from ringexp.rewards.answers import bare, nesting, plainly_equal, unworked
from ringexp.rewards.boxed import last_boxed
from ringexp.rewards.math_pool import MathPool
from ringexp.rewards.math_process import MathLimits
from ringexp.rewards.memory import Pair, VerdictMemory

_CORRECT = Verdict(Outcome.CORRECT)
_WRONG = Verdict(Outcome.WRONG, "not equal")
_UNWORKED = Verdict(Outcome.WRONG, "a calculation that is not worked out")
_MAX_NESTING = 12  # Math-Verify's parser takes seconds beyond it; written answers nest about half as deep


class MathVerifier:
    """Scores maths responses by their last `\\boxed{...}`; thread-safe.

    Args:
        workers: Math-Verify processes at most; the second is started when there is work for it, and none is busy
            while nothing is scored.
        cpu_seconds: CPU time that judging one answer may take; beyond it the outcome is `timeout`.
        wall_seconds: a backstop against a stopped process, far beyond what a busy machine needs.
        memory_bytes: address space of a process.
        cache_size: how many (gold, answer) pairs are remembered.
        max_answer_chars: a longer box is `unparsable`, as is one with brackets nested more than 12 deep.
        units: whether gold answers are quantities such as "270 m", whose unit counts: an answer without one, or in
            one that cannot be converted, is `wrong`; in an unknown one it is `unparsable`.
        relative_tolerance: with `units`, how far off an answer may be, as a share of the gold number. An absolute
            tolerance in the gold answer ("9.81 m/s^2 ± 0.05", in its unit) goes before it.

    Raises:
        ConfigError: impossible limits; a tolerance that is negative, not below 1, or given without `units`.
    """

    def __init__(
        self,
        workers: int = 2,
        cpu_seconds: float = 5.0,
        wall_seconds: float = 120.0,
        memory_bytes: int = 2 * 1024**3,
        cache_size: int = 65_536,
        max_answer_chars: int = 1_000,
        units: bool = False,
        relative_tolerance: float = 0.0,
    ) -> None:
        _check(workers, cpu_seconds, wall_seconds, memory_bytes, cache_size, max_answer_chars)
        if not 0 <= relative_tolerance < 1 or (relative_tolerance and not units):
            raise ConfigError(
                f"rewards: relative_tolerance={relative_tolerance}: give 0 or more, below 1, and units: true with it"
            )
        options = ["--units", "--relative-tolerance", str(relative_tolerance)] if units else []
        self._pool = MathPool(workers, MathLimits(cpu_seconds, wall_seconds, memory_bytes), options)
        self._units, self._exact = units, relative_tolerance == 0
        self._memory = VerdictMemory(cache_size)
        self._max_answer_chars = max_answer_chars
        self._lock = threading.Lock()
        self._finalizer = weakref.finalize(self, self._pool.stop)  # runs at exit too

    @property
    def worker_pids(self) -> list[int]:
        """The ids of the Math-Verify processes, as many as have been needed so far."""
        return self._pool.pids

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Verdict]:
        """One verdict per pair, in order; no response makes it raise. Equal pairs of gold and answer are judged once.

        Raises:
            RingexpError: a Math-Verify process cannot be started.
        """
        found = [self._read(prompt.answer, text) for prompt, text in zip(prompts, texts, strict=True)]
        pairs = dict.fromkeys(f for f in found if not isinstance(f, Verdict))
        verdicts = self._memory.recall(pairs)
        missing = [pair for pair in pairs if pair not in verdicts]
        if missing:
            with self._lock:
                new = list(zip(missing, self._pool.judge(missing)))
            self._memory.keep(new)
            verdicts.update(new)
        return [f if isinstance(f, Verdict) else verdicts[f] for f in found]

    def close(self) -> None:
        """End the processes. A later `score` starts new ones."""
        with self._lock:
            self._pool.stop()

    def _read(self, gold: str, text: str) -> Verdict | Pair:
        """The gold and the boxed answer as Math-Verify is to get them; or the verdict where it need not be asked."""
        box = last_boxed(text)
        if box is None:
            return Verdict(Outcome.UNPARSABLE, "no complete box")
        if len(box) > self._max_answer_chars:
            return Verdict(Outcome.UNPARSABLE, f"box longer than {self._max_answer_chars} characters")
        answer, gold = bare(box), bare(last_boxed(gold) or gold)
        if not answer:
            return Verdict(Outcome.UNPARSABLE, "empty box")
        equal = plainly_equal(gold, answer)
        if equal:
            return _CORRECT
        if equal is False and self._exact:
            return _WRONG
        if nesting(answer) > _MAX_NESTING:
            return Verdict(Outcome.UNPARSABLE, f"brackets nested deeper than {_MAX_NESTING}")
        if gold == answer and not self._units:
            return _CORRECT
        if unworked(gold, answer, self._units):
            return _UNWORKED
        return gold, answer


def _check(workers: int, cpu_seconds: float, wall_seconds: float, *counts: int) -> None:
    """Refuse limits that cannot be kept."""
    for value in (workers, *counts):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigError(f"rewards: workers, bytes and sizes must be whole numbers greater than 0, not {value!r}")
    if not isinstance(cpu_seconds, int | float) or not cpu_seconds > 0:
        raise ConfigError(f"rewards: cpu_seconds={cpu_seconds}: must be greater than 0")
    if not isinstance(wall_seconds, int | float) or not wall_seconds > 0:
        raise ConfigError(f"rewards: wall_seconds={wall_seconds}: must be greater than 0; it is only against a process "
                          "that does not run")  # fmt: skip
