"""What task=score prints: outcomes by domain, and, where rows are labelled, how far the verifier agrees."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from ringexp.records import CHOICE, Outcome


class ScoreTable:
    """Counts judged rows; as text, a table for people. Multiple choice is counted apart from its domain."""

    def __init__(self) -> None:
        self._outcomes: dict[str, Counter[str]] = defaultdict(Counter)
        self._pairs: dict[str, Counter[tuple[int, int]]] = defaultdict(Counter)

    def count(self, row: Mapping[str, Any]) -> None:
        """Count a row with `domain`, `outcome` and `reward`, and with its `label` where it has one."""
        name = f"{row['domain']} {CHOICE}" if row.get("kind") == CHOICE else row["domain"]
        self._outcomes[name][row["outcome"]] += 1
        if row.get("label") is not None:
            self._pairs[name][int(row["label"]), int(row["reward"])] += 1

    def agreement(self, domain: str) -> Mapping[tuple[int, int], int]:
        """Labelled rows by (label, reward)."""
        return dict(self._pairs[domain])

    def __str__(self) -> str:
        lines = [["", "rows", "reward", *(outcome.value for outcome in Outcome)]]
        for name in sorted(self._outcomes):
            counts = self._outcomes[name]
            share = counts[Outcome.CORRECT.value] / counts.total()
            numbers = [f"{counts[outcome.value]:,}" for outcome in Outcome]
            lines.append([name, f"{counts.total():,}", f"{share:.3f}", *numbers])
        tables = [_aligned(lines)]
        if any(self._pairs.values()):
            tables.append(_aligned(self._agreements()))
        return "\n\n".join(tables)

    def _agreements(self) -> list[list[str]]:
        lines = [["label → reward", "1 → 1", "0 → 0", "1 → 0", "0 → 1", "agree"]]
        for name in sorted(n for n, pairs in self._pairs.items() if pairs):
            pairs = self._pairs[name]
            numbers = [pairs[p] for p in ((1, 1), (0, 0), (1, 0), (0, 1))]
            agree = (numbers[0] + numbers[1]) / sum(numbers)
            lines.append([name, *(f"{n:,}" for n in numbers), f"{agree:.4f}"])
        return lines


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns of equal width, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    rows = ([line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:]))] for line in lines)
    return "\n".join("  ".join(row).rstrip() for row in rows)
