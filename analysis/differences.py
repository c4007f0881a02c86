"""How far configurations lie apart, seed by seed: what seeds have in common (data, SFT checkpoint) is taken out."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

from groups import Group
from ringexp.figures.intervals import paired

Measured = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Values by name, by seed, by the group's label."""


def table_of_differences(groups: Sequence[Group], against: Group, measured: Measured) -> Table:
    """Each group's mean difference from `against` over the seeds that both have, with half its 95 % t-interval."""
    own = measured[against.label]
    names = list(dict.fromkeys(name for values in own.values() for name in values))
    found = Table("configuration", "seeds", *names, box=box.SIMPLE, title_justify="left",
                  title=f"difference from {against.label} on equal seeds ± half the 95 % t-interval")  # fmt: skip
    for group in groups:
        if group is not against:
            apart = paired(measured[group.label], own)
            count = max((interval.count for interval in apart.values()), default=0)
            found.add_row(group.label, str(count), *(apart[n].signed if n in apart else "" for n in names))
    return found
