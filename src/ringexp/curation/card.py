"""The card of a versioned dataset: what is in it, what was left out and why, from where, by which settings and code.

`card.json` is for programs, `README.md` says the same to people. Nothing in them depends on the clock, so that the same
rows made by the same settings give the same files.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ringexp.errors import DataError

CARD, README = "card.json", "README.md"
FORMAT = 1
"""The version of the folder's layout."""

VERSION_CHARS = 12
TRAINING_ROWS = "Training rows only; other splits are carried along unchanged."


@dataclass(frozen=True, slots=True)
class StepCount:
    """What one step did: rows that came in, rows that stayed, rows dropped by reason.

    `kept` are numbers about rows that stayed, e.g. how many could not be checked; `skipped` says why it did not run.
    """

    step: str
    rows_in: int
    rows_out: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[str, int] = field(default_factory=dict)
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """What a writer says of a dataset beside its rows; JSON-like values throughout.

    `sources` names where rows come from, each with its fingerprint; `settings` is the configuration that made it, with
    the seed; `lineage` the runs, models, checkpoints and verifiers behind it; `made_by` commit, sources, lock.
    """

    name: str
    steps: Sequence[StepCount] = ()
    sources: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    lineage: Mapping[str, Any] = field(default_factory=dict)
    made_by: Mapping[str, Any] = field(default_factory=dict)
    counted: str = TRAINING_ROWS
    """What the steps count, a sentence."""


@dataclass(frozen=True, slots=True)
class Card:
    """A dataset's card. `fingerprint` is the SHA-256 (hex) of all rows in order, `rows` counts them: domain → split."""

    name: str
    fingerprint: str
    rows: Mapping[str, Mapping[str, int]]
    about: About

    @property
    def version(self) -> str:
        """The fingerprint's beginning: other rows are another version."""
        return self.fingerprint[:VERSION_CHARS]

    def write(self, folder: Path) -> None:
        """Write `card.json` and `README.md`."""
        about = asdict(self.about)
        tree = {"format": FORMAT, "name": about.pop("name"), "version": self.version, "fingerprint": self.fingerprint,
                "rows": self.rows, **about}  # fmt: skip
        (folder / CARD).write_text(json.dumps(tree, indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")
        (folder / README).write_text(self.markdown(), "utf-8")

    def markdown(self) -> str:
        """The card for people."""
        about = self.about
        parts = [f"# {self.name}, version {self.version}", "", f"Fingerprint of the rows: `{self.fingerprint}`", "",
                 "| domain | train | validation | test |", "|---|---|---|---|"]  # fmt: skip
        for domain, counts in sorted(self.rows.items()):
            parts.append(f"| {domain} | {' | '.join(str(counts.get(s, 0)) for s in ('train', 'validation', 'test'))} |")
        if about.steps:
            parts += ["", "## Steps", "", about.counted, "",
                      "| step | rows in | rows out | dropped, by reason | kept |", "|---|---|---|---|---|"]  # fmt: skip
            parts += [_step_line(step) for step in about.steps]
        for title, tree in (("Sources", about.sources), ("Lineage", about.lineage), ("Made by", about.made_by),
                            ("Settings", about.settings)):  # fmt: skip
            if tree:
                parts += ["", f"## {title}", "", "```json", json.dumps(tree, indent=1, sort_keys=True), "```"]
        return "\n".join(parts) + "\n"


def _step_line(step: StepCount) -> str:
    if step.skipped:
        return f"| {step.step} | {step.rows_in} | {step.rows_out} | not run: {step.skipped} | |"
    dropped, kept = (", ".join(f"{reason} {count}" for reason, count in sorted(found.items()))
                     for found in (step.dropped, step.kept))  # fmt: skip
    return f"| {step.step} | {step.rows_in} | {step.rows_out} | {dropped} | {kept} |"


def recorded_source(path: str | None) -> tuple[str, dict[str, str]] | None:
    """Name and source of a versioned dataset as later runs record it; None where `path` is no folder with a card."""
    if path is None or not (Path(path) / CARD).is_file():
        return None
    card = read_card(path)
    return card.name, {"dataset": card.name, "version": card.version, "fingerprint": card.fingerprint}


def read_card(folder: str | Path) -> Card:
    """The card of the dataset in a folder.

    Raises:
        DataError: no such folder, no card in it, or one that this version cannot read.
    """
    path = Path(folder) / CARD
    if not path.is_file():
        raise DataError(f"{folder}: no {CARD} there: set data.path to the folder of a curated dataset")
    try:
        tree = json.loads(path.read_text("utf-8"))
        if tree["format"] != FORMAT:
            raise DataError(f"{path}: format {tree['format']}, this version reads {FORMAT}: curate the data again")
        said = ("sources", "settings", "lineage", "made_by", "counted")
        about = About(tree["name"], [StepCount(**step) for step in tree["steps"]], **{key: tree[key] for key in said})
        return Card(tree["name"], tree["fingerprint"], tree["rows"], about)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a card of ringexp ({error}): curate the data again") from error
