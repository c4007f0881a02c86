"""The verifier of code: the last Python block of a response, judged by the problem's tests in a sandbox of its own.

One fresh sandbox per candidate, limited by CPU time and counts, so that verdicts do not depend on the number of workers
or on how busy the machine is, as long as a candidate gets its CPU time within the wall limit and the host of a virtual
machine withholds none (docs/rewards.md).
"""

import re
import textwrap
import warnings
from collections.abc import Sequence

from ringexp.code_tests import read_tests
from ringexp.config.schema import ISOLATION
from ringexp.errors import ConfigError, DataError, RingexpWarning
from ringexp.records import Outcome, Prompt, Verdict
from ringexp.rewards.memory import Pair, VerdictMemory
from ringexp.rewards.sandbox import Job, Limits, Sandbox, require

_FENCE = re.compile(r"(?P<indent>[ \t]*)(?P<ticks>`{3,})[ \t]*(?P<info>[^`]*)")
_PYTHON = ("", "py", "python", "python3")

WEAKER = ("rewards.code.isolation={}: generated code runs WITHOUT a file system and a process space of its own: it can "
          "read every file that you can; use it only where bubblewrap cannot run, and for code you would run yourself")
"""What is said at the start of a run whose code is judged at a weaker level."""


class CodeVerifier:
    """Scores code by the tests in `Prompt.answer` (`code_tests`, as JSON); thread-safe.

    Args:
        workers: sandboxes at a time.
        cpu_seconds: CPU time of one candidate and its tests, all calls or cases together; beyond it the outcome is
            `timeout`.
        wall_seconds: a backstop against a candidate that sleeps, far beyond what a busy machine needs.
        memory_bytes: address space of the candidate's process.
        tmp_bytes: what a function may write to its /tmp; a program has no files.
        value_bytes: the largest value that a call may return, as JSON text; what a program may print in a case.
        cache_size: how many (tests, code) pairs are remembered.
        max_code_chars: a longer program is `unparsable`.
        isolation: `bubblewrap`, or the weaker `process`, which warns (RingexpWarning): it is for machines where
            bubblewrap cannot run and the code is not out to do harm.

    Raises:
        RingexpError: no sandbox of that level works here; one line says what is missing.
        ConfigError: an unknown level, impossible limits, or a wall limit so near the CPU limit that it would decide.
    """

    def __init__(
        self,
        workers: int = 2,
        cpu_seconds: float = 4.0,
        wall_seconds: float = 20.0,
        memory_bytes: int = 512 * 1024**2,
        tmp_bytes: int = 16 * 1024**2,
        value_bytes: int = 1024**2,
        cache_size: int = 16_384,
        max_code_chars: int = 100_000,
        isolation: str = ISOLATION[0],
    ) -> None:
        if isolation not in ISOLATION:
            raise ConfigError(f"rewards.code.isolation={isolation}: use one of {', '.join(ISOLATION)}")
        _check(workers, cpu_seconds, wall_seconds, memory_bytes, tmp_bytes, value_bytes, cache_size, max_code_chars)
        limits = Limits(cpu_seconds, wall_seconds, memory_bytes, tmp_bytes, value_bytes=value_bytes)
        require(limits, isolation)
        if isolation != ISOLATION[0]:
            warnings.warn(WEAKER.format(isolation), RingexpWarning, stacklevel=2)
        self.tags = {"code_isolation": isolation}
        """What a run's tags say of its verdicts on code."""
        self._sandbox = Sandbox(limits, workers, isolation)
        self._memory = VerdictMemory(cache_size)
        self._max_code_chars = max_code_chars

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Verdict]:
        """One verdict per pair, in order; no response makes it raise. Equal candidates run once.

        Raises:
            RingexpError: bubblewrap has gone since the verifier was made.
        """
        found = [
            self._read(prompt.answer, text) for prompt, text in zip(prompts, texts, strict=True)
        ]
        keys = dict.fromkeys(f for f in found if not isinstance(f, Verdict))
        verdicts = self._memory.recall(keys)
        missing = [key for key in keys if key not in verdicts]
        new = self._sandbox.run([Job(code, read_tests(answer)) for answer, code in missing])
        verdicts.update(zip(missing, new))
        self._memory.keep(zip(missing, new))
        return [f if isinstance(f, Verdict) else verdicts[f] for f in found]

    def close(self) -> None:
        """End the threads that run sandboxes. A later `score` starts new ones."""
        self._sandbox.close()

    def _read(self, answer: str, text: str) -> Verdict | Pair:
        """What to run, as the answer and the code; or the verdict where there is nothing to run."""
        try:
            read_tests(answer)
        except DataError as error:
            return Verdict(Outcome.ERROR, str(error))
        code = last_code(text)
        if code is None:
            return Verdict(Outcome.UNPARSABLE, "no complete code block")
        if len(code) > self._max_code_chars:
            return Verdict(Outcome.UNPARSABLE, f"code longer than {self._max_code_chars} characters")
        return (answer, code) if code.strip() else Verdict(Outcome.UNPARSABLE, "empty code block")


def _check(workers: int, cpu_seconds: float, wall_seconds: float, *counts: int) -> None:
    """Refuse limits that cannot be kept."""
    key = "rewards.verifiers.code"
    for value in (workers, *counts):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigError(f"{key}: workers, bytes and sizes must be whole numbers greater than 0, not {value!r}")
    if not isinstance(cpu_seconds, int | float) or not cpu_seconds > 0:
        raise ConfigError(f"{key}.cpu_seconds={cpu_seconds}: must be greater than 0")
    if not isinstance(wall_seconds, int | float) or not wall_seconds > cpu_seconds:
        raise ConfigError(f"{key}.wall_seconds={wall_seconds}: must be well above cpu_seconds={cpu_seconds}; it is "
                          "only against programs that sleep")  # fmt: skip


def last_code(text: str) -> str | None:
    """The content of the last fenced block that is marked as Python or not marked; None if it is not closed.

    A fence stands on a line of its own and is closed by one that is at least as long; a block of another language is
    passed over. The block's own indentation is removed, so a block inside a list is read as well. One pass.
    """
    code: str | None = None
    fence, python, body = "", False, list[str]()
    for line in text.splitlines():
        found = _FENCE.fullmatch(line.rstrip())
        if not fence and found:
            words = found["info"].lower().split()
            fence, python, body = found["ticks"], (words[0] if words else "") in _PYTHON, []
            code = None if python else code  # if the response ends in it, nothing complete was the last
        elif fence and found and not found["info"] and len(found["ticks"]) >= len(fence):
            code = textwrap.dedent("\n".join(body)) + "\n" if python else code
            fence = ""
        elif fence:
            body.append(line)
    return code
