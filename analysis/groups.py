"""Which runs differ by seed alone, and what to call such a group: pure functions over runs and their configurations.

Alike means: the same configuration (all of it, not the parameters alone), the same code, installed versions and data.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from ringexp.tracking.provenance import NOT_IDENTITY
from store import TAG, Reader, StoredRun

ORDER = ("experiment", "algorithm", "schedule", "selection", "model", "data")
"""Parameters that name a group best, tried first."""
NOT_ALIKE = ("seed", "overrides")
"""Parameters that differ between the seeds of a group: a command names its seed."""
ORIGIN = {"code": "source_hash", "versions": "lock_hash", "data": "data_fingerprint"}
"""What else tells groups apart: word in a label, tag."""


@dataclass(frozen=True)
class Group:
    """Runs that differ by seed alone: a name for them, the runs (newest first, one per seed), and repeated seeds."""

    label: str
    runs: tuple[StoredRun, ...]
    repeats: tuple[StoredRun, ...] = ()


def differing(runs: Sequence[StoredRun]) -> list[str]:
    """Parameters with more than one value among the runs, NOT_ALIKE left out, those that name a run best first."""
    names = {name for run in runs for name in run.params} - {*NOT_ALIKE}
    found = [name for name in names if len({run.params[name] for run in runs if name in run.params}) > 1]
    return sorted(found, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))


def without_seed(config: str) -> str:
    """What of a run's config.yaml decides its results, the seed left out."""
    blocks = re.split(r"^(?=[A-Za-z_])", config, flags=re.MULTILINE)
    dropped = {*NOT_IDENTITY, "seed"}
    return "".join(block for block in blocks if block.split(":", 1)[0] not in dropped)


def read_groups(reader: Reader, runs: Sequence[StoredRun]) -> tuple[list[Group], list[StoredRun]]:
    """Groups of the complete ones among the runs, and the runs whose configuration would decide but is not there.

    Configurations are read where parameters are alike; a run without one is grouped by its parameters.
    """
    complete = [run for run in runs if run.complete]
    alike = defaultdict(list)
    for run in complete:
        alike[_outside(run)].append(run)
    shared = [run for same in alike.values() if len(same) > 1 for run in same]
    texts = list(zip(shared, reader.texts(shared, "config.yaml"), strict=True))
    known = {run.run_id: without_seed(text) for run, text in texts if text is not None}
    return group(complete, known), [run for run, text in texts if text is None]


def group(runs: Sequence[StoredRun], configurations: Mapping[str, str]) -> list[Group]:
    """Groups in the order of their newest run; `configurations` by run id, where parameters alone do not decide."""
    alike: dict[Any, list[StoredRun]] = defaultdict(list)
    for run in runs:
        alike[(*_outside(run), configurations.get(run.run_id, ""))].append(run)
    members = list(alike.values())
    labels = _labels([same[0] for same in members], configurations)
    return [_one_per_seed(label, same) for label, same in zip(labels, members, strict=True)]


def _outside(run: StoredRun) -> tuple[Any, ...]:
    """What a run says of itself outside its config.yaml: parameters but NOT_ALIKE, code, versions, data."""
    params = tuple(sorted((name, value) for name, value in run.params.items() if name not in NOT_ALIKE))
    return (params, *(run.tags.get(TAG + tag, "") for tag in ORIGIN.values()))


def _one_per_seed(label: str, runs: Sequence[StoredRun]) -> Group:
    kept: dict[str, StoredRun] = {}
    for run in runs:
        kept.setdefault(run.seed, run)
    own = tuple(kept.values())
    return Group(label, own, tuple(run for run in runs if run not in own))


def _labels(runs: Sequence[StoredRun], configurations: Mapping[str, str]) -> list[str]:
    """A name for each run that tells it from the others: of what differs as little as is needed."""
    columns = [[run.params.get(name, "–") if name in ORDER else f"{name} {run.params.get(name, '–')}" for run in runs]
               for name in differing(runs)]  # fmt: skip
    for word, tag in ORIGIN.items():
        columns.append([f"{word} {run.tags.get(TAG + tag, '–')[:7]}" for run in runs])
    parts: list[tuple[str, ...]] = [() for _ in runs]
    for column in columns:
        refined = [(*own, value) for own, value in zip(parts, column, strict=True)]
        if len(set(refined)) > len(set(parts)):
            parts = refined
    same: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for i, own in enumerate(parts):
        same[own].append(i)
    for places in same.values():
        if len(places) > 1:
            texts = _differences([configurations.get(runs[i].run_id, "") for i in places])
            for i, text in zip(places, texts, strict=True):
                parts[i] = (*parts[i], *text)
    return [" · ".join(own) or run.params.get("experiment", "all") for own, run in zip(parts, runs, strict=True)]


def _differences(configurations: Sequence[str]) -> list[list[str]]:
    """Of each configuration the keys that differ among them, as key=value."""
    flat = [_flat(yaml.load(text, Loader=yaml.CSafeLoader) or {}) for text in configurations]
    keys = sorted({key for one in flat for key in one})
    chosen = [key for key in keys if len({one.get(key) for one in flat}) > 1]
    return [[f"{key}={one[key]}" for key in chosen if key in one] for one in flat]


def _flat(tree: Any, prefix: str = "") -> dict[str, str]:
    if isinstance(tree, Mapping):
        parts = (_flat(value, f"{prefix}.{key}" if prefix else str(key)) for key, value in tree.items())
        return {key: value for part in parts for key, value in part.items()}
    return {prefix: str(tree)}
