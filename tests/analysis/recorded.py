"""A real MLflow store with pipelines as the tasks record them: two algorithms, several seeds, and what went wrong."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Metric, Param
from omegaconf import DictConfig, OmegaConf

from ringexp.config.validate import typed
from ringexp.tracking.names import describe
from ringexp.tracking.run import TAG, Record, Store

SFT, RL = (10, 20, 30), 4
"""Steps of the SFT checkpoints; steps of each RL stage."""
AFTER = {("c3po", 1): 0.4, ("c3po", 2): 0.5, ("c3po", 3): 0.6, ("grpo", 1): 0.3, ("grpo", 2): 0.5}
"""Mean pass@1 after RL of every finished pipeline; of maths 0.1 more, of code 0.1 less; before RL all are 0.1 lower."""


@dataclass(frozen=True)
class Recorded:
    """The store's folder, its URI, run ids by algorithm, seed and status, and the id of the sweep's run."""

    folder: Path
    uri: str
    ids: dict[tuple[str, int, str], str]
    sweep: str


def record(folder: Path, composed: Callable[..., DictConfig]) -> Recorded:
    """Write the store. `composed` gives a configuration by its overrides."""
    store = Store(typed(composed(f"paths.store={folder}", "tracking.experiment=tests")).tracking)
    sweep = store.create("a sweep", {TAG + "kind": "sweep"})
    ids: dict[tuple[str, int, str], str] = {}

    def add(algorithm: str, seed: int, status: str, score: float, parent: str | None = None) -> Record:
        name = f"{algorithm} <b>{seed}</b>"
        tags = {TAG + "kind": "pipeline", TAG + "seed": str(seed), TAG + "source_hash": "5" * 64}
        record = store.create(name, tags, parent)
        params = {"experiment": "tests", "algorithm": algorithm, "schedule": "two_stage", "seed": str(seed),
                  "overrides": f"algorithm={algorithm} seed={seed}"}
        store.client.log_batch(record.run_id, params=[Param(key, value) for key, value in params.items()])
        config = composed(f"algorithm={algorithm}")
        config.seed, config.paths.store = seed, f"{folder}/{seed}"
        record.log_text(OmegaConf.to_yaml(config), "config.yaml")
        stages(store, record, seed, score if status == "FINISHED" else None)
        record.finish(status)
        ids[algorithm, seed, status] = record.run_id
        return record

    add("c3po", 3, "FINISHED", 0.0).set_tags({TAG + "superseded": "true"})
    for (algorithm, seed), score in AFTER.items():
        add(algorithm, seed, "FINISHED", score, sweep.run_id if algorithm == "grpo" else None)
    add("c3po", 4, "FAILED", 0.0)
    add("grpo", 3, "KILLED", 0.0)
    sweep.finish("FINISHED")
    return Recorded(folder, f"sqlite:///{folder}/mlflow.db", ids, sweep.run_id)


def stages(store: Store, pipeline: Record, seed: int, after: float | None) -> None:
    """SFT with three checkpoints of which the second is selected, RL in two stages, final scores; None: SFT alone."""

    def stage(name: str, points: Mapping[int, Mapping[str, float]], **tags: str) -> None:
        own = {TAG + "kind": "stage", TAG + "stage": name, **{TAG + key: value for key, value in tags.items()}}
        record = store.create(name, own, pipeline.run_id)
        log(store, record.run_id, points)
        record.finish("FINISHED")
        if name.startswith(("sft", "rl-")):
            log(store, pipeline.run_id, {step: {key: value for key, value in metrics.items() if describe(key).headline}
                                         for step, metrics in points.items()})  # fmt: skip

    quantities = ("val/loss", "entropy/rollout", "entropy/teacher_forced", "eval/mean/pass_at_1")
    stage("sft", {step: dict.fromkeys(quantities, (seed + 1) / step) for step in SFT})
    if after is None:
        return
    stage("select", {SFT[-1]: {"select/entropy/rollout": (seed + 1) / 20}}, selected_step="20", rule="entropy_band",
          fallback=str(seed == 2).lower(), reason="nearest to 0.14, the centre of [0.1, 0.2]")  # fmt: skip
    for number, domain in enumerate(("math", "code")):
        metrics = {
            "reward/mean": after, f"reward/{domain}": after, "train/grad_norm": 0.2, "length/mean": 10.0 * seed,
            "budget/tokens": 512, "throughput/tokens_per_second": 100.0 * seed, "budget/dropped": 0.2,
            f"mixture/target/{domain}": 1.0, f"mixture/realised/{domain}": 1.0,
        }  # fmt: skip
        first = SFT[-1] + number * RL + 1
        stage(f"rl-{domain}", dict.fromkeys(range(first, first + RL), metrics))
    for checkpoint, name, mean in (("sft", "sft", after - 0.1), ("rl", "rl-code", after)):
        scores = {"math": mean + 0.1, "code": mean - 0.1, "mean": mean}
        stage(f"evaluate-{name}", {SFT[-1] + 2 * RL: {f"eval/{key}/pass_at_1": value for key, value in scores.items()}})
        final = {f"final/{checkpoint}/{key}/pass_at_1": value for key, value in scores.items()}
        log(store, pipeline.run_id, {SFT[-1] + 2 * RL: final})
    log(store, pipeline.run_id, {SFT[-1] + 2 * RL: {"best/pass_at_1": after}})


def log(store: Store, run_id: str, points: Mapping[int, Mapping[str, float]]) -> None:
    """All of a run's points in one batch, by step."""
    store.client.log_batch(run_id, [Metric(key, value, 1000 + step, step) for step, metrics in points.items()
                                    for key, value in metrics.items()])  # fmt: skip
