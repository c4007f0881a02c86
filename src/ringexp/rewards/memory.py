"""What a verifier remembers: the verdicts on pairs of gold answer and candidate that it has judged before."""

import threading
from collections import OrderedDict
from collections.abc import Iterable

from ringexp.records import Outcome, Verdict

Pair = tuple[str, str]
"""A gold answer and what is judged by it."""


class VerdictMemory:
    """The newest `size` verdicts, by pair; thread-safe. Errors are not remembered: they may pass."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._verdicts: OrderedDict[Pair, Verdict] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, pairs: Iterable[Pair]) -> dict[Pair, Verdict]:
        """The verdicts of those pairs that are remembered."""
        with self._lock:
            known = {pair: self._verdicts[pair] for pair in pairs if pair in self._verdicts}
            for pair in known:
                self._verdicts.move_to_end(pair)
            return known

    def keep(self, found: Iterable[tuple[Pair, Verdict]]) -> None:
        """Remember these; the oldest beyond the size are forgotten."""
        with self._lock:
            for pair, verdict in found:
                if verdict.outcome is not Outcome.ERROR:
                    self._verdicts[pair] = verdict
                    self._verdicts.move_to_end(pair)
            while len(self._verdicts) > self._size:
                self._verdicts.popitem(last=False)
