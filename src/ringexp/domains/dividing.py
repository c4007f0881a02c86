"""Which split a row goes to: by the source's own splits, and by a hash of its question for rows that name none."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ringexp.domains.placing import SPLITS, question_key
from ringexp.errors import ConfigError
from ringexp.seeds import derive

FRACTIONS = (0.8, 0.08, 0.12)

OWN_SPLITS = {"validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
              "test": "test"}  # fmt: skip
"""What sources call the splits that stay what they are; the rows of other splits are divided."""

class Division(NamedTuple):
    """Where rows go: by the source's splits ("" divides by hash, None leaves out), or all to one."""

    named: Mapping[str, str | None]
    shares: Mapping[str, float]
    seed: int
    all_to: str | None = None

    def leaves_out(self, name: str) -> bool:
        """Whether the rows of the source's split `name` are not wanted."""
        return self.named.get(name, "") is None

    def split(self, question: str, said: str | None, name: str) -> str:
        """The split of a row that says it belongs to `said` and stands in the source's split `name`."""
        named = self.all_to or said or self.named.get(name)
        return named or hashed_split(question_key(question), self.shares, self.seed)


def shares_of(fractions: Sequence[float]) -> Mapping[str, float]:
    """Shares by split. Raises ConfigError for impossible ones."""
    if len(fractions) != len(SPLITS) or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ConfigError(
            f"data.fractions is {list(fractions)}: give three shares ≥ 0 for {', '.join(SPLITS)} that sum to 1"
        )
    return dict(zip(SPLITS, fractions))


def hashed_split(key: str, shares: Mapping[str, float], seed: int) -> str:
    """The split of a question, drawn by its hash in proportion to the shares."""
    point = derive(seed, "public/split", key) / 2**63 * sum(shares.values())
    last = "train"
    for split, share in shares.items():
        if share:
            last = split
            if point < share:
                return split
            point -= share
    return last
