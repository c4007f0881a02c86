"""The program of a Math-Verify process: `python -m ringexp.rewards.math_worker`, JSON lines in and out.

A line in is a list of pairs of gold and answer; each pair gets a line of its own in reply. The process gives up address
space beyond its limit, has no clock of its own (the parent judges its CPU time), and ends when its standard input does.
The kernel ends it if it outlives its parent inside an endless item.
"""

import argparse
import importlib
import json
import logging
import math
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any, TextIO

_SPARE_CPU_SECONDS = 5
_PARSED = 4_096  # texts whose parse is kept: a gold answer is asked about as often as its prompt has responses
_SMALL, _FIGURES = 1e-3, 1e-3


def main() -> int:
    """Serve items until standard input ends."""
    parser = argparse.ArgumentParser(description="Math-Verify over JSON lines; started by ringexp.rewards.math.")
    parser.add_argument("--memory-bytes", type=int, required=True)
    parser.add_argument("--cpu-seconds", type=float, required=True)
    parser.add_argument("--units", action="store_true")
    parser.add_argument("--relative-tolerance", type=float, default=0.0)
    limits = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    replies = _private_output()
    read = _reader()
    judge = _judge(read)
    if limits.units:
        judge = _quantity_judge(judge, read, limits.relative_tolerance)
        judge("1/2 m", "\\frac{1}{2} m")
    judge("1/2", "0.5")  # grammars and caches are built before the first item's time is counted
    _send(replies, {"ready": True})
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    for line in sys.stdin:
        for gold, answer in json.loads(line):
            _extend_cpu_limit(limits.cpu_seconds)
            start = time.process_time()
            reply = judge(gold, answer)
            end = time.process_time()
            _send(replies, {**reply, "cpu": end - start, "total": end})
    return 0


def _private_output() -> TextIO:
    """Standard output for replies only: what libraries print goes nowhere."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return replies


def _send(replies: TextIO, message: dict[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


def _extend_cpu_limit(seconds: float) -> None:
    """Let the kernel end this process well after the parent should have, in case the parent is gone."""
    soft = math.ceil(time.process_time() + seconds) + _SPARE_CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _reader() -> Callable[[str], list[Any]]:
    """Import Math-Verify; the returned function parses what stands in a box."""
    import math_verify
    from math_verify.parser import LatexExtractionConfig

    logging.disable(logging.CRITICAL)
    config = (LatexExtractionConfig(),)

    @lru_cache(_PARSED)
    def read(text: str) -> list[Any]:
        found: list[Any] = math_verify.parse(boxed(text), config, parsing_timeout=None)
        return found

    return read


def _judge(read: Callable[[str], list[Any]]) -> Callable[[str, str], dict[str, str]]:
    """The function that judges an answer against a gold, both as they stand in a box."""
    import math_verify

    seed = importlib.import_module("sympy.core.random").seed

    def judge(gold: str, answer: str) -> dict[str, str]:
        try:
            golds = read(gold)
            if not golds:
                return {"outcome": "error", "detail": "gold answer cannot be parsed"}
            answers = read(answer)
            if not answers:
                return {"outcome": "unparsable", "detail": "box cannot be parsed"}
            seed(0)  # SymPy tests some identities at random points: the same ones whatever was judged before
            if math_verify.verify(golds, answers, timeout_seconds=None) and not _rounded_away(golds, answers):
                return {"outcome": "correct", "detail": ""}
        except Exception as error:
            return {"outcome": "error", "detail": f"{type(error).__name__} in Math-Verify"}
        if all(isinstance(a, str) for a in answers):
            return {"outcome": "unparsable", "detail": "box is not an expression"}
        return {"outcome": "wrong", "detail": "not equal"}

    return judge


def _rounded_away(golds: list[Any], answers: list[Any]) -> bool:
    """Whether numbers below a thousandth count as equal for their first zeros only.

    Math-Verify compares decimals rounded to six places, and other numbers to 15, so that 1.6e-19 would equal 0. Of such
    small ones three figures have to agree as well.
    """
    gold, answer = golds[0], answers[0]
    if golds[-1] == answers[-1] or not (getattr(gold, "is_number", False) and getattr(answer, "is_number", False)):
        return False
    gold, answer = gold.doit().evalf(15), answer.doit().evalf(15)
    return bool(0 < abs(gold) < _SMALL and abs(gold - answer) > _FIGURES * abs(gold))


def _quantity_judge(
    judge: Callable[[str, str], dict[str, str]], read: Callable[[str], list[Any]], relative_tolerance: float
) -> Callable[[str, str], dict[str, str]]:
    """Import Pint; the returned function judges quantities, and leaves what is none to `judge`."""
    from ringexp.rewards.quantity_judge import QuantityJudge

    def number(text: str) -> Fraction | None:
        value: Any = next(iter(read(text)), None)
        if not (getattr(value, "is_number", False) and value.is_real and value.is_finite):
            return None
        if value.is_Rational:
            return Fraction(int(value.p), int(value.q))
        decimal = value.evalf(30)
        return Fraction(str(decimal)) if decimal.is_Float and 1e-60 < abs(decimal) < 1e60 else None

    return QuantityJudge(judge, number, relative_tolerance)


def boxed(text: str) -> str:
    """The text as Math-Verify reads a boxed answer; a percent sign has to stand outside the box for it."""
    body = text.strip()
    if body.endswith("%") and body.count("%") == 1 and "$" not in body and "\n" not in body:
        return f"$\\boxed{{{body.removesuffix('%').removesuffix(chr(92))}}}$\\%"
    return f"\\boxed{{{body}}}"


if __name__ == "__main__":
    sys.exit(main())
