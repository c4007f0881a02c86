"""How far configurations lie apart, seed by seed: what seeds have in common (data, SFT checkpoint) is taken out."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

from groups import Group
from ringexp.figures.intervals import Interval, paired

Measured = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Values by name, by seed, by the group's label."""


Differences = Mapping[str, Mapping[str, Interval]]
"""Mean differences by name, by the group's label."""


def differences(groups: Sequence[Group], against: Group, measured: Measured) -> Differences:
    """Each group's from `against`, which has none, over the seeds that both have."""
    own = measured[against.label]
    return {group.label: paired(measured[group.label], own) for group in groups if group is not against}


def table_of_differences(against: Group, found: Differences) -> Table:
    """With half their 95 % t-intervals."""
    names = list(dict.fromkeys(name for apart in found.values() for name in apart))
    table = Table("configuration", "seeds", *names, box=box.SIMPLE, title_justify="left",
                  title=f"difference from {against.label} on equal seeds ± half the 95 % t-interval")  # fmt: skip
    for label, apart in found.items():
        count = max((interval.count for interval in apart.values()), default=0)
        table.add_row(label, str(count), *(apart[n].signed if n in apart else "" for n in names))
    return table
