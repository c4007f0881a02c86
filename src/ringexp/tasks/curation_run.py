"""The MLflow run of a curation: its settings, counts and card; and what the command prints at the end."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ringexp.config.schema import Config
from ringexp.curation.card import CARD, README, Card, StepCount, read_card
from ringexp.tracking import provenance
from ringexp.tracking.run import TAG, Record, Store


@contextmanager
def open_record(
    store: Store, config: Config, output: Path, settings: Mapping[str, Any]
) -> Iterator[Callable[[], None]]:
    """The run of this curation, continued where it is not finished; to be called once the dataset is there."""
    identity = provenance.digest([settings, str(output)])
    runs = store.find({TAG + "kind": "curation", TAG + "identity": identity})
    if config.fresh:
        for run in runs:
            store.client.set_tag(run.info.run_id, TAG + "superseded", "true")
        runs = []
    if runs and runs[0].info.status == "FINISHED" and (output / CARD).is_file():
        yield lambda: None
        return
    record = store.resume(runs[0]) if runs else _create(store, config, output, identity)
    with record.running():
        yield lambda: _record(record, output)


def _create(store: Store, config: Config, output: Path, identity: str) -> Record:
    commit, dirty = provenance.git_state()
    tags = {"kind": "curation", "identity": identity, "output": str(output), "seed": str(config.seed),
            "command": provenance.command(), "git_commit": commit, "git_dirty": str(dirty).lower(),
            "source_hash": provenance.source_hash(), "lock_hash": provenance.lock_hash()}  # fmt: skip
    name = f"{config.curation.dataset} · s{config.seed}"
    return store.create(name, {TAG + key: value for key, value in tags.items()}, config.sweep_run)


def _record(record: Record, output: Path) -> None:
    """Parameters, counts by step, the card's files, the dataset's version."""
    card = read_card(output)
    own = card.about.settings["curation"]
    record.log_parameters({"dataset": card.name, "version": card.version, "seed": card.about.settings["seed"]}
                          | {key: json.dumps(value) if isinstance(value, dict) else value
                             for key, value in own.items() if key != "dataset"})  # fmt: skip
    for number, step in enumerate(card.about.steps):
        record.log({"curation/rows": step.rows_out, "curation/dropped": step.rows_in - step.rows_out,
                    f"curation/{step.step}/dropped": step.rows_in - step.rows_out}, number)  # fmt: skip
    for file in (CARD, README):
        record.log_text((output / file).read_text("utf-8"), file)
    record.set_tags({TAG + "dataset_version": card.version, TAG + "data_fingerprint": card.fingerprint})


def show(output: Path) -> None:
    """Print the counts and where the dataset is."""
    card = read_card(output)
    for step in card.about.steps:
        print(_line(step))
    print(f"{card.name}, version {card.version}: {_rows(card)}")
    print(f"{output}; train on it: ringexp data=curated data.path={output}")


def _line(step: StepCount) -> str:
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in step.dropped.items())
    why = f"not run: {step.skipped}" if step.skipped else reasons
    return f"{step.step:18}{step.rows_in:>11,} → {step.rows_out:>9,}  {why}".rstrip()


def _rows(card: Card) -> str:
    """`math 1,024 train, 20 test; code …`."""
    return "; ".join(f"{domain} " + ", ".join(f"{count:,} {split}" for split, count in sorted(counts.items()))
                     for domain, counts in card.rows.items())  # fmt: skip
