"""Numbers of pipelines as the figures want them: final scores, RL and SFT curves, selections. Pure but for `Reader`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import yaml

from ringexp.figures.intervals import Interval, over_seeds, t_interval
from store import TAG, Curve, Histories, Reader, StoredRun

Stages = Mapping[str, StoredRun]


def final(run: StoredRun, checkpoint: str) -> dict[str, float]:
    """Test pass@1 by domain, and `mean`, of the checkpoint `sft` or `rl`."""
    parts = {key.split("/")[2]: value for key, value in run.metrics.items()
             if key.startswith(f"final/{checkpoint}/") and key.endswith("/pass_at_1")}  # fmt: skip
    return dict(sorted(parts.items(), key=lambda item: (item[0] == "mean", item[0])))


def finals(runs: Iterable[StoredRun], checkpoint: str) -> dict[str, Interval]:
    """The same over runs of several seeds, each with its 95 % t-interval."""
    return over_seeds(final(run, checkpoint) for run in runs)


def rises(runs: Iterable[StoredRun]) -> Interval | None:
    """How far RL lifts mean pass@1 over the SFT checkpoint, over the runs that have both."""
    pairs = [(final(run, "sft").get("mean"), final(run, "rl").get("mean")) for run in runs]
    values = [after - before for before, after in pairs if before is not None and after is not None]
    return t_interval(values) if values else None


def domains(runs: Iterable[StoredRun]) -> list[str]:
    """The domains any of the runs was tested on."""
    return sorted({name for run in runs for kind in ("sft", "rl") for name in final(run, kind)} - {"mean"})


def by_domain(evaluation: StoredRun, what: str = "pass_at_1") -> dict[str, float]:
    """What an evaluation's stage has measured, e.g. `standard_error`: by domain, and `mean` where it is there."""
    return {key.split("/")[1]: value for key, value in evaluation.metrics.items()
            if key.startswith("eval/") and key.endswith(f"/{what}")}  # fmt: skip


def rl_curves(stages: Stages, histories: Histories) -> dict[str, Curve]:
    """Curves of one pipeline's RL stages joined, by metric name; steps count from 1 at the first RL step."""
    joined: dict[str, Curve] = {}
    for name, stage in stages.items():
        if name.startswith("rl-"):
            for key, curve in histories.get(stage.run_id, {}).items():
                joined.setdefault(key, []).extend(curve)
    first = min((step for curve in joined.values() for step, _ in curve), default=1)
    return {key: sorted((step - first + 1, value) for step, value in curve) for key, curve in joined.items()}


@dataclass(frozen=True)
class Selection:
    """What a pipeline's `select` stage decided; `fallback` where no checkpoint met the rule."""

    step: int
    rule: str
    reason: str
    fallback: bool
    entropy: float | None

    @classmethod
    def of(cls, run: StoredRun) -> "Selection":
        tags = run.tags
        return cls(int(tags[TAG + "selected_step"]), tags[TAG + "rule"], tags[TAG + "reason"],
                   tags[TAG + "fallback"] == "true", run.metrics.get("select/entropy/rollout"))  # fmt: skip


def selections(reader: Reader, experiments: Sequence[str]) -> dict[str, Selection]:
    """By the pipeline's run id."""
    found = reader.stages(experiments, "select")
    return {pipeline: Selection.of(stages["select"]) for pipeline, stages in found.items()}


def accepted(config: str) -> dict[str, tuple[float, float]]:
    """The band of the selection rule in a run's config.yaml, by the quantity it judges; empty where it has none."""
    rule = yaml.load(config, Loader=yaml.CSafeLoader)["selection"]["rule"]
    if "low" not in rule or "high" not in rule:
        return {}
    return {str(rule.get("quantity", "entropy/rollout")): (float(rule["low"]), float(rule["high"]))}
