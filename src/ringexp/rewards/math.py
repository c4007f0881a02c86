"""The verifier of maths answers: the last boxed answer, judged by Math-Verify in a process of its own.

Math-Verify's own time-outs need the main thread and wall time; here they are off, and a hard limit on CPU time is kept
from outside (`math_process`). So verdicts are the same on a busy machine, and in any thread.
"""

import re
import threading
import weakref
from collections import OrderedDict
from collections.abc import Sequence

from ringexp.errors import ConfigError
from ringexp.records import Outcome, Prompt, Verdict
from ringexp.rewards.boxed import last_boxed
from ringexp.rewards.math_process import MathProcess

_CORRECT = Verdict(Outcome.CORRECT)
_WRONG = Verdict(Outcome.WRONG, "not equal")
_MAX_NESTING = 12  # Math-Verify's parser takes seconds beyond it; written answers nest about half as deep
_PLAIN_INTEGER = re.compile(r"-?[1-9][0-9]{0,11}|0")


class MathVerifier:
    """Scores maths responses by their last `\\boxed{...}`; thread-safe.

    Args:
        cpu_seconds: CPU time that judging one answer may take; beyond it the outcome is `timeout`.
        wall_seconds: a backstop against a stopped process, far beyond what a busy machine needs.
        memory_bytes: address space of the process.
        cache_size: how many (answer, gold) pairs are remembered.
        max_answer_chars: a longer box is `unparsable`, as is one with brackets nested more than 12 deep.
        units: whether gold answers are quantities such as "270 m", whose unit counts: an answer without one, or in
            one that cannot be converted, is `wrong`; in an unknown one it is `unparsable`.
        relative_tolerance: with `units`, how far off an answer may be, as a share of the gold number. An absolute
            tolerance in the gold answer ("9.81 m/s^2 ± 0.05", in its unit) goes before it.

    Raises:
        ConfigError: a tolerance that is negative, not below 1, or given without `units`.
    """

    def __init__(
        self,
        cpu_seconds: float = 5.0,
        wall_seconds: float = 120.0,
        memory_bytes: int = 2 * 1024**3,
        cache_size: int = 65_536,
        max_answer_chars: int = 1_000,
        units: bool = False,
        relative_tolerance: float = 0.0,
    ) -> None:
        if not 0 <= relative_tolerance < 1 or (relative_tolerance and not units):
            raise ConfigError(
                f"rewards: relative_tolerance={relative_tolerance}: give 0 or more, below 1, and units: true with it"
            )
        options = ["--units", "--relative-tolerance", str(relative_tolerance)] if units else []
        self._process = MathProcess(cpu_seconds, wall_seconds, memory_bytes, options)
        self._exact = relative_tolerance == 0
        self._cache: OrderedDict[tuple[str, str], Verdict] = OrderedDict()
        self._cache_size = cache_size
        self._max_answer_chars = max_answer_chars
        self._lock = threading.Lock()
        self._finalizer = weakref.finalize(self, self._process.stop)  # runs at exit too

    @property
    def worker_pid(self) -> int | None:
        """The id of the Math-Verify process, None while none is held."""
        return self._process.pid

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Verdict]:
        """One verdict per pair, in order; no response makes it raise.

        Raises:
            RingexpError: the Math-Verify process cannot be started.
        """
        with self._lock:
            return [self._score(prompt.answer, text) for prompt, text in zip(prompts, texts, strict=True)]

    def close(self) -> None:
        """End the process. A later `score` starts a new one."""
        with self._lock:
            self._process.stop()

    def _score(self, gold: str, text: str) -> Verdict:
        box = last_boxed(text)
        if box is None:
            return Verdict(Outcome.UNPARSABLE, "no complete box")
        if len(box) > self._max_answer_chars:
            return Verdict(Outcome.UNPARSABLE, f"box longer than {self._max_answer_chars} characters")
        answer, gold = _bare(box), _bare(last_boxed(gold) or gold)
        if not answer:
            return Verdict(Outcome.UNPARSABLE, "empty box")
        plain = _PLAIN_INTEGER.fullmatch(answer) and _PLAIN_INTEGER.fullmatch(gold)
        if plain and (self._exact or answer == gold):
            return _CORRECT if answer == gold else _WRONG
        if _nesting(answer) > _MAX_NESTING:
            return Verdict(Outcome.UNPARSABLE, f"brackets nested deeper than {_MAX_NESTING}")
        return self._remembered(answer, gold)

    def _remembered(self, answer: str, gold: str) -> Verdict:
        """The verdict from memory, or from the process; errors are not remembered."""
        key = (answer, gold)
        verdict = self._cache.get(key)
        if verdict is None:
            verdict = self._process.ask(gold, answer)
            if verdict.outcome is Outcome.ERROR:
                return verdict
            self._cache[key] = verdict
            if len(self._cache) > self._cache_size:
                self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        return verdict


def _nesting(text: str) -> int:
    """The greatest depth of brackets of any sort."""
    depth = deepest = 0
    for char in text:
        if char in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in ")]}":
            depth -= 1
    return deepest


def _bare(text: str) -> str:
    """Without surrounding white space and dollar signs, and without the full stop of a sentence."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == "$" and "$" not in text[1:-1]:
        text = text[1:-1].strip()
    return text[:-1].rstrip() if text.endswith(".") and not text.endswith("..") else text
