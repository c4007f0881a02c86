"""What task=curate and task=distill share: an output that is made once, its work folder, its MLflow run.

The same command goes on with what was killed, and shows what is finished. An output that something else made is
refused; with `fresh=true` it is set aside, never deleted.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ringexp.config.schema import Config
from ringexp.curation.card import CARD, README, Card, read_card, recorded_source
from ringexp.curation.work import require_same
from ringexp.errors import ConfigError
from ringexp.tasks.opening import alone
from ringexp.terminal import say
from ringexp.tracking import provenance
from ringexp.tracking.run import TAG, Record, Store


@contextmanager
def made_once(key: str, output: Path, settings: Mapping[str, Any], *, fresh: bool) -> Iterator[Path]:
    """The work folder of the dataset at `output`, no other process's; deleted once the body has made the dataset.

    Where the dataset is there already, it is one of these settings. `key` is the option that names the output.
    Raises ConfigError where something else is there.
    """
    work = output.with_name(f"{output.name}.work")
    work.mkdir(parents=True, exist_ok=True)
    with alone(work):
        if fresh:
            _set_aside(output, work)
        if (output / CARD).is_file():
            require_same(str(output), read_card(output).about.settings, settings)
        elif output.exists():
            raise ConfigError(f"{key}={output}: is there and no dataset; name a folder that is not there yet")
        yield work
        shutil.rmtree(work)


def _set_aside(output: Path, work: Path) -> None:
    """Begin anew: work is deleted, a dataset that is there gets its version into its name."""
    for path in work.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != ".lock":
            path.unlink()
    if (output / CARD).is_file():
        aside = output.with_name(f"{output.name}.{read_card(output).version}")
        if aside.exists():
            raise ConfigError(f"fresh=true: {output} and {aside} are there already: move one of them away first")
        output.rename(aside)
        say(f"the dataset that was there is {aside} now")


@contextmanager
def open_record(
    store: Store, config: Config, kind: str, name: str, output: Path, settings: Mapping[str, Any]
) -> Iterator[Record | None]:
    """The MLflow run of this dataset, continued where it is not finished; None where it and the dataset are."""
    identity = provenance.digest([settings, str(output)])
    runs = store.find({TAG + "kind": kind, TAG + "identity": identity})
    if config.fresh:
        for run in runs:
            store.client.set_tag(run.info.run_id, TAG + "superseded", "true")
        runs = []
    if runs and runs[0].info.status == "FINISHED" and (output / CARD).is_file():
        yield None
        return
    tags = {"kind": kind, "identity": identity, "output": str(output), "seed": str(config.seed), **made_by(),
            "command": provenance.command()}  # fmt: skip
    record = store.resume(runs[0]) if runs else store.create(
        f"{name} · s{config.seed}", {TAG + key: value for key, value in tags.items()}, config.sweep_run)  # fmt: skip
    with record.running():
        yield record


def made_by() -> dict[str, str]:
    """The code and what is installed, for a card and for tags."""
    commit, dirty = provenance.git_state()
    return {"git_commit": commit, "git_dirty": str(dirty).lower(), "source_hash": provenance.source_hash(),
            "lock_hash": provenance.lock_hash()}  # fmt: skip


def log_card(record: Record, output: Path) -> Card:
    """The card's files and the dataset's version, on its run."""
    card = read_card(output)
    for file in (CARD, README):
        record.log_text((output / file).read_text("utf-8"), file)
    record.set_tags({TAG + "dataset_version": card.version, TAG + "data_fingerprint": card.fingerprint})
    return card


def parents(config: Config) -> dict[str, dict[str, dict[str, str]]]:
    """For the lineage: the versioned datasets that the configured pools come from, by domain; empty where none do."""
    found = {domain: source[1] for domain, pool in config.data.pools.items()
             if (source := recorded_source(pool.get("path"))) is not None}  # fmt: skip
    return {"parents": found} if found else {}
