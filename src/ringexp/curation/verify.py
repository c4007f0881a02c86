"""Verification: a row stays when the verifiers that reward it later agree with what it says of itself.

Maths and science: the answer in a box has to be correct by its own verifier, else no response could ever be. A trace
has to be judged correct. Code: the tests have to be well formed, and the trace has to pass them all in the sandbox.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import suppress

from ringexp.code_tests import read_tests
from ringexp.curation.dataset import Row
from ringexp.curation.steps import Finding, Judged, Step
from ringexp.errors import ConfigError, DataError
from ringexp.records import Outcome, Prompt, Verdict
from ringexp.rewards.boxed import last_boxed
from ringexp.rewards.quantities import UnreadableError, split_tolerance
from ringexp.rewards.registry import Verifier

WRONG_TRACE = ("drop", "remove")


class Verify(Step):
    """Judges answers and traces by the configured verifiers.

    Args:
        verifier: of all domains.
        require_solution: by domain, whether a row without a trace is dropped; a domain that is not named keeps it.
        wrong_trace: what becomes of a row whose trace is judged wrong: `drop`, or `remove` the trace where the row may
            stay without one.
    """

    name = "verify"

    def __init__(self, verifier: Verifier, require_solution: Mapping[str, bool], wrong_trace: str) -> None:
        if wrong_trace not in WRONG_TRACE:
            raise ConfigError(f"curation.verify.wrong_trace={wrong_trace}: use {' or '.join(WRONG_TRACE)}")
        self._verifier, self._required, self._wrong_trace = verifier, dict(require_solution), wrong_trace

    def judge(self, rows: Sequence[Row]) -> Judged:
        """One verdict per row; no row depends on another."""
        golds = self._scored({i: boxed(row.prompt) for i, row in enumerate(rows) if row.prompt.domain != "code"}, rows)
        good = [i for i in range(len(rows)) if _answer_finding(rows[i].prompt, golds.get(i)) is None]
        traces = self._scored({i: rows[i].prompt.trace or "" for i in good if rows[i].prompt.trace is not None}, rows)
        judged = Judged()
        for i, row in enumerate(rows):
            finding = _answer_finding(row.prompt, golds.get(i))
            if finding is not None:
                judged.drop(row, finding)
            else:
                self._by_trace(judged, row, traces.get(i))
        return judged

    def _scored(self, texts: Mapping[int, str], rows: Sequence[Row]) -> dict[int, Verdict]:
        found = self._verifier.score([rows[i].prompt for i in texts], list(texts.values()))
        return dict(zip(texts, found, strict=True))

    def _by_trace(self, judged: Judged, row: Row, verdict: Verdict | None) -> None:
        """Keep or drop a row whose answer is in order."""
        required = self._required.get(row.prompt.domain, False)
        if verdict is None and required:
            judged.drop(row, Finding("no_solution"))
        elif verdict is None:
            judged.counts["without_solution"] += 1
            judged.keep(row)
        elif verdict.outcome is Outcome.CORRECT:
            judged.keep(row)
        elif self._wrong_trace == "remove" and not required:
            judged.counts["wrong_traces_removed"] += 1
            bare = dataclasses.replace(row.prompt, trace=None)
            judged.keep(dataclasses.replace(row, prompt=bare), _of_trace(verdict))
        else:
            judged.drop(row, _of_trace(verdict))


def _of_trace(verdict: Verdict) -> Finding:
    return Finding(f"trace_{verdict.outcome}", detail=verdict.detail)


def boxed(prompt: Prompt) -> str:
    """The answer as a response gives it: in a box, a quantity without its tolerance."""
    answer = last_boxed(prompt.answer) or prompt.answer
    with suppress(UnreadableError):  # the verifier says so of the answer itself
        answer, _ = split_tolerance(answer)
    return f"\\boxed{{{answer.strip()}}}"


def _answer_finding(prompt: Prompt, verdict: Verdict | None) -> Finding | None:
    """What is wrong with the answer itself; None where nothing is."""
    if prompt.domain == "code":
        try:
            read_tests(prompt.answer)
        except DataError as error:
            return Finding("malformed_tests", detail=str(error))
        return None
    if verdict is None or verdict.outcome is Outcome.CORRECT:
        return None
    return Finding("answer_not_verifiable", detail=f"{verdict.outcome}: {verdict.detail}".removesuffix(": "))
