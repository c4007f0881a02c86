"""How the winners of a search came out: means over seeds, and paired differences from the first candidate.

What a job measured is the user attribute `measured` of its trial (names such as `gain/code` to numbers), or its value.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich import box
from rich.console import Console
from rich.table import Table

from ringexp.figures.intervals import Interval, over_seeds, paired
from ringexp.sweep.claims import LOST
from ringexp.sweep.progress import outcome
from ringexp.sweep.trial import MEASURED
from ringexp.sweep.winners import CANDIDATE, SEED, WINNERS

WIDTH = 160


@dataclass(frozen=True)
class Standing:
    """A candidate: the value that the search found (None: it did not), what was measured by seed, how others ended."""

    name: str
    searched: float | None
    measured: Mapping[int, Mapping[str, float]]
    failed: Mapping[int, str]

    def means(self) -> dict[str, Interval]:
        """Over its seeds, by name."""
        return over_seeds(self.measured.values())

    def ahead_of(self, other: "Standing") -> dict[str, Interval]:
        """Differences to another candidate, over the seeds that both have."""
        return paired(self.measured, other.measured)


def standings(study: optuna.Study) -> list[Standing]:
    """The candidates of a winners' study in their order."""
    trials = [trial for trial in study.get_trials(deepcopy=False)
              if trial.state.is_finished() and LOST not in trial.user_attrs]  # fmt: skip
    known: Mapping[str, float | None] = study.user_attrs[WINNERS]["candidates"]
    return [_standing(name, searched, [t for t in trials if t.params[CANDIDATE] == name])
            for name, searched in known.items()]  # fmt: skip


def _standing(name: str, searched: float | None, trials: Sequence[FrozenTrial]) -> Standing:
    done = {int(t.params[SEED]): t for t in trials if t.state == TrialState.COMPLETE}
    failed = {int(t.params[SEED]): outcome(t) for t in trials if t.state != TrialState.COMPLETE}
    measured = {seed: dict(t.user_attrs.get(MEASURED) or {"value": t.value}) for seed, t in sorted(done.items())}
    return Standing(name, searched, measured, failed)


def families(found: Sequence[Standing]) -> dict[str, list[str]]:
    """What was measured, by what stands before the `/`; in each `mean` last."""
    names = dict.fromkeys(name for own in found for row in own.measured.values() for name in row)
    grouped: dict[str, list[str]] = {}
    for name in names:
        grouped.setdefault(name.rpartition("/")[0] or name, []).append(name)
    return {family: sorted(own, key=lambda name: (name.endswith("/mean"), name)) for family, own in grouped.items()}


def rows(found: Sequence[Standing]) -> list[tuple[str, Mapping[str, Interval], Callable[[Interval], str]]]:
    """Every candidate's means, then each one's lead over the first; the last writes an interval down."""
    means = [(own.name, own.means(), str) for own in found]
    leads = [(f"{own.name} − {found[0].name}", own.ahead_of(found[0]), lambda lead: lead.signed) for own in found[1:]]
    return [*means, *leads]


def tables(study: optuna.Study) -> list[Table]:
    """A table for each family."""
    found, asked = standings(study), len(study.user_attrs[WINNERS]["seeds"])
    shown = []
    for family, names in families(found).items():
        title = f"{family}: mean over seeds ± half the 95 % t-interval; differences on equal seeds"
        table = Table(title=title, title_justify="left", box=box.SIMPLE)
        for column in ("candidate", "search", "seeds", *(name.rpartition("/")[2] for name in names)):
            table.add_column(column, justify="left" if column == "candidate" else "right", no_wrap=True)
        searched = {own.name: "" if own.searched is None else f"{own.searched:.3f}" for own in found}
        for label, intervals, words in rows(found):
            count = max((interval.count for interval in intervals.values()), default=0)
            cells = [words(intervals[name]) if name in intervals else "" for name in names]
            table.add_row(label, searched.get(label, ""), f"{count}/{asked}", *cells)
        shown.append(table)
    return shown


def failures(study: optuna.Study) -> list[str]:
    """A line for every seed that gave nothing."""
    return [f"{own.name}, seed {seed}: {why}" for own in standings(study) for seed, why in own.failed.items()]


def flat(study: optuna.Study) -> dict[str, list[Any]]:
    """All of it as MLflow stores tables: columns, and a row of data for each candidate or difference, and name."""
    found = standings(study)
    failed = {own.name: len(own.failed) for own in found}
    data = [[label, name, interval.mean, interval.half if interval.count > 1 else None, interval.count,
             failed.get(label)]
            for label, intervals, _ in rows(found) for name, interval in intervals.items()]  # fmt: skip
    return {"columns": ["candidate", "measured", "mean", "half 95 % t-interval", "seeds", "failed"], "data": data}


def about(trial: FrozenTrial) -> str:
    """Whose trial it is."""
    return f" ({trial.params[CANDIDATE]}, seed {trial.params[SEED]})" if trial.params else ""


def show(study: optuna.Study) -> None:
    """Print tables and failures."""
    known = study.user_attrs[WINNERS]
    console = Console(width=WIDTH, highlight=False)
    console.print(f"{known['source']}: its winners on seeds {', '.join(map(str, known['seeds']))}")
    for table in tables(study):
        console.print(table)
    if not_there := failures(study):
        console.print(f"{len(not_there)} failed:", *not_there, sep="\n  ")
