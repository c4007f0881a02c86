"""What a step reports, added up so that it can be merged over ranks: the merged numbers are the same on each."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence


class Tally:
    """Means as sums with their weights, plain sums, maxima, and numbers that every rank knows alike."""

    def __init__(self) -> None:
        self._means: dict[str, tuple[float, float]] = {}
        self._sums: dict[str, float] = {}
        self._maxima: dict[str, float] = {}
        self._known: dict[str, float] = {}

    def mean(self, name: str, total: float, weight: float) -> None:
        """Part of a mean: `total` over `weight` things. A name of weight 0 overall is left out."""
        before = self._means.get(name, (0.0, 0.0))
        self._means[name] = (before[0] + total, before[1] + weight)

    def sum(self, name: str, value: float) -> None:
        """Part of a sum."""
        self._sums[name] = self._sums.get(name, 0.0) + value

    def maximum(self, name: str, value: float) -> None:
        """A candidate for a maximum."""
        self._maxima[name] = max(self._maxima.get(name, value), value)

    def known(self, numbers: Mapping[str, float]) -> None:
        """Numbers that are the same on every rank."""
        self._known.update(numbers)

    @classmethod
    def merged(cls, tallies: Iterable["Tally"]) -> "Tally":
        """One tally of all ranks', given in the order of ranks."""
        whole = cls()
        for tally in tallies:
            for name, (total, weight) in tally._means.items():
                whole.mean(name, total, weight)
            for name, value in tally._sums.items():
                whole.sum(name, value)
            for name, value in tally._maxima.items():
                whole.maximum(name, value)
            whole.known(tally._known)
        return whole

    def metrics(self) -> dict[str, float]:
        """Everything by name."""
        means = {name: total / weight for name, (total, weight) in self._means.items() if weight}
        return means | self._sums | self._maxima | self._known


def add_mixture(tally: Tally, domains: Sequence[str], weights: Mapping[str, float]) -> None:
    """The normalised weights beside the shares of the domains that a step's prompts are of."""
    counts = Counter(domains)
    for domain, weight in weights.items():
        tally.known({f"mixture/target/{domain}": weight})
        tally.mean(f"mixture/realised/{domain}", counts[domain], len(domains))
