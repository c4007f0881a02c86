"""What the making of a dataset is held together by: an output that is there once, its work folder, its MLflow run.

The same command goes on with what was killed, and shows what is finished; an output that something else made is
refused, unless `fresh=true`, which replaces it when the new one is whole.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from mlflow.exceptions import MlflowException
from omegaconf import DictConfig, OmegaConf

from ringexp.config.schema import Config
from ringexp.curation.card import CARD, README, About, Card, read_card
from ringexp.curation.dataset import DatasetWriter
from ringexp.distillation.work import differing
from ringexp.errors import ConfigError, RecordError
from ringexp.tasks.opening import alone
from ringexp.tracking import provenance
from ringexp.tracking.run import TAG, Record, Store
from ringexp.tracking.secrets import scrub, scrub_tree

REPLACES = "replaces"
"""File of a work folder: its dataset is to take the place of the one that is there."""


@dataclass(frozen=True)
class Output:
    """Where a dataset is to be (`key` is the option that says so), and everything that decides it: `about`."""

    key: str
    folder: Path
    about: About

    @property
    def work(self) -> Path:
        """The folder of what is computed already."""
        return self.folder.with_name(f"{self.folder.name}.work")

    @property
    def causes(self) -> dict[str, Any]:
        """What decides the rows, but for the code."""
        return {"settings": self.about.settings, "sources": self.about.sources, "lineage": self.about.lineage}

    @property
    def work_settings(self) -> dict[str, Any]:
        """What has to be the same for work to be gone on with: the code and what is installed too."""
        return self.causes | {"source_hash": provenance.source_hash(), "lock_hash": provenance.lock_hash()}

    def finished(self, *, fresh: bool) -> Card | None:
        """The card of the dataset that is there, None where it is to be made.

        `fresh` deletes what was computed before. Raises ConfigError where something else is there.
        """
        if fresh:
            if self.work.is_dir():
                with alone(self.work):
                    shutil.rmtree(self.work)
            if self.folder.exists():
                read_card(self.folder)  # nothing but a dataset is replaced
                self.work.mkdir(parents=True)
                (self.work / REPLACES).touch()
        if not self.folder.exists() or (self.work / REPLACES).is_file():
            return None
        card = read_card(self.folder)
        if changed := differing(self.causes, {name: getattr(card.about, name) for name in self.causes}):
            raise ConfigError(f"{self.key}={self.folder}: is another dataset ({changed}): name another folder, or "
                              "replace it with fresh=true")  # fmt: skip
        shutil.rmtree(self.work, ignore_errors=True)  # left by a kill after the last step
        return card

    @contextmanager
    def writer(self) -> Iterator[DatasetWriter]:
        """The writer of the dataset; after the body, which finishes it, it is in its place and the work is deleted."""
        new, old = (self.folder.with_name(f".{self.folder.name}.{part}") for part in ("new", "old"))
        place = new if self.folder.exists() else self.folder
        shutil.rmtree(new, ignore_errors=True)
        with DatasetWriter(place) as writer:
            yield writer
        if place == new:
            shutil.rmtree(old, ignore_errors=True)
            self.folder.rename(old)
            new.rename(self.folder)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(self.work)


@contextmanager
def dataset_record(
    config: Config, store: Store, kind: str, output: Output, parameters: Mapping[str, Any]
) -> Iterator[Record]:
    """The MLflow run of a dataset in the making: the unfinished one of the same causes, or a new one."""
    key = provenance.digest(output.work_settings)
    own = {TAG + "kind": kind, TAG + "dataset_key": key}
    unfinished = [run for run in store.find(own) if run.info.status != "FINISHED"]
    if unfinished and not config.fresh:
        record = store.resume(unfinished[0])
    else:
        record = _create(config, store, own, f"{kind} {output.folder.name} · s{config.seed}")
    tree = OmegaConf.to_container(cast(DictConfig, config))
    record.log_text(OmegaConf.to_yaml(OmegaConf.create(scrub_tree(tree))), "config.yaml")
    record.log_parameters({"data": config.data.name, "seed": config.seed, **parameters})
    with record.running(system_metrics=True):
        yield record


def _create(config: Config, store: Store, own: dict[str, str], name: str) -> Record:
    commit, dirty = provenance.git_state()
    tags = own | {
        TAG + "command": provenance.command(), TAG + "git_commit": commit, TAG + "git_dirty": str(dirty).lower(),
        TAG + "source_hash": provenance.source_hash(), TAG + "lock_hash": provenance.lock_hash(),
        TAG + "seed": str(config.seed),
    }  # fmt: skip
    try:
        return store.create(name, tags)
    except MlflowException as error:
        reason = scrub(str(error).splitlines()[0])
        raise RecordError(f"tracking.experiment={config.tracking.experiment}: MLflow does not take a new run there "
                          f"({reason})") from error  # fmt: skip


def record_card(record: Record, folder: Path, card: Card) -> None:
    """The finished dataset's card, version and place, on its run."""
    for file in (CARD, README):
        record.log_text((folder / file).read_text("utf-8"), file)
    record.set_tags({TAG + "dataset": str(folder), TAG + "dataset_version": card.version,
                     TAG + "dataset_fingerprint": card.fingerprint})  # fmt: skip


def made_by() -> dict[str, str]:
    """The code that makes a dataset, for its card."""
    return {"git_commit": provenance.git_state()[0], "source_hash": provenance.source_hash(),
            "lock_hash": provenance.lock_hash()}  # fmt: skip
