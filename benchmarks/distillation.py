"""A larger in-house teacher's traces train a smaller student, against the built-in traces; docs/distillation.md.

1. experiment=distill_teacher: SFT on the built-in traces, then RL (2.8 M parameters, twice ring_tiny's).
2. task=distill: the policy after RL answers training and validation prompts; the shortest correct response is kept.
3. experiment=distill_student (0.3 M parameters, a quarter of ring_tiny's), fine-tuned for equally many steps and judged
   on the same test prompts: `teacher`: on the teacher's traces; `same_prompts`: on the built-in traces of the very
   prompts that have a teacher's, so that nothing differs but the traces; `all`: on all built-in traces, what there is
   without a teacher.

All have the teacher's tokenizer. Given again it goes on where it was stopped; everything is in MLflow.

    python benchmarks/distillation.py [--store runs-distill] [--seeds 1 2] [--teacher-seed 0] [overrides …]

Last line of stdout: one JSON object with pass@1 and its standard error by policy and domain.
"""

import argparse
import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run
from rich.console import Console
from rich.table import Table

from ringexp import cli
from ringexp.curation.card import About, read_card
from ringexp.curation.dataset import DatasetWriter, Row, read_rows
from ringexp.domains.pool import synthetic_pool

ARMS = ("teacher", "same_prompts", "all")
TAG, NAME = "ringexp.", "distill"


def ringexp(*overrides: str) -> None:
    """The command, in this process: it starts once, and students of one size share an engine."""
    print("$ ringexp", *overrides, file=sys.stderr, flush=True)
    sys.argv = ["ringexp", *overrides]
    cli.main()


class Runs:
    """What MLflow holds of the demonstration."""

    def __init__(self, store: Path) -> None:
        self.client = MlflowClient(f"sqlite:///{store}/mlflow.db")

    def newest(self, name: str, **tags: str) -> Run:
        """The newest run of an experiment with these tags."""
        (experiment,) = [e for e in self.client.search_experiments() if e.name == name]
        clauses = " AND ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        return self.client.search_runs([experiment.experiment_id], clauses, order_by=["start_time DESC"])[0]

    def pipeline(self, name: str, seed: int) -> Run:
        """The pipeline of that seed."""
        return self.newest(name, **{TAG + "kind": "pipeline", TAG + "seed": str(seed)})

    def scores(self, name: str, seed: int, stage: str) -> dict[str, tuple[float, float]]:
        """pass@1 and its standard error by domain."""
        parent = self.pipeline(name, seed).info.run_id
        run = self.newest(name, **{"mlflow.parentRunId": parent, TAG + "stage": f"evaluate-{stage}"})
        found = run.data.metrics
        domains = sorted(key.split("/")[1] for key in found if key.endswith("/standard_error"))
        scores = {d: (found[f"eval/{d}/pass_at_1"], found[f"eval/{d}/standard_error"]) for d in domains}
        errors = [error for _, error in scores.values()]
        return scores | {"mean": (found["eval/mean/pass_at_1"], sum(e * e for e in errors) ** 0.5 / len(errors))}


def same_prompts(traces: Path, folder: Path, pools: dict[str, Any]) -> None:
    """The distilled dataset with the built-in trace in the place of each of the teacher's."""
    if folder.exists():
        return
    own = {p.id: p.trace for pool in pools.values() for p in (*pool.train, *pool.validation)}

    def swapped() -> Iterator[Row]:
        for row in read_rows(traces):
            trace = own[row.place] if row.prompt.trace is not None else None
            yield dataclasses.replace(row, prompt=dataclasses.replace(row.prompt, trace=trace))

    with DatasetWriter(folder) as writer:
        for row in swapped():
            writer.add(row)
        writer.finish(About(folder.name, sources={"prompts": read_card(traces).fingerprint, "traces": "built-in"}))


def built_in() -> dict[str, Any]:
    """The pools of data=synthetic, as conf/data/synthetic.yaml has them."""
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(version_base="1.3", config_dir=str(cli.conf_dir().resolve())):
        pools = compose("config").data.pools
    return {domain: synthetic_pool(**{key: value for key, value in options.items() if key != "_target_"})
            for domain, options in pools.items()}  # fmt: skip


def student(store: Path, arm: str, seed: int, tokenizer: Path, given: list[str]) -> None:
    """SFT and evaluation of one student."""
    data = {"teacher": store / "ring_tiny_traces", "same_prompts": store / "same_prompts"}
    own = [f"paths.store={store}", "experiment=distill_student", f"experiment_name={NAME}_{arm}", f"seed={seed}",
           f"model.tokenizer.path={tokenizer}"]  # fmt: skip
    own += ["data=curated", f"data.path={data[arm]}"] if arm in data else []
    for task in ("sft", "select", "evaluate"):
        ringexp(f"task={task}", *own, *given)


def table(rows: dict[str, list[dict[str, tuple[float, float]]]]) -> Table:
    """A row for each policy: the mean over seeds, and the standard error of pass@1 (of one seed) in brackets."""
    shown = Table(title="test pass@1", title_justify="left")
    names = list(next(iter(rows.values()))[0])
    for name in ("", *names):
        shown.add_column(name, justify="right" if name else "left")
    for policy, seeds in rows.items():
        cells = [f"{statistics.mean(s[name][0] for s in seeds):.3f} ({seeds[0][name][1]:.3f})" for name in names]
        shown.add_row(policy, *cells)
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=Path("runs-distill"))
    parser.add_argument("--teacher-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="of the students")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    arguments, given = parser.parse_known_args()
    store, started = arguments.store, time.monotonic()
    teach = [f"paths.store={store}", "experiment=distill_teacher", f"seed={arguments.teacher_seed}", *given]
    ringexp(*teach)
    runs = Runs(store)
    teacher = runs.pipeline(NAME, arguments.teacher_seed)
    ringexp("task=distill", *teach, f"distillation.teacher.run_id={teacher.info.run_id}")
    same_prompts(store / "ring_tiny_traces", store / "same_prompts", built_in())
    rows = {f"teacher after {stage}": [runs.scores(NAME, arguments.teacher_seed, stage)]
            for stage in ("sft", "rl-code_science")}  # fmt: skip
    tokenizer = store / teacher.data.tags[TAG + "folder"] / "tokenizer"
    for arm in arguments.arms:
        for seed in arguments.seeds:
            student(store, arm, seed, tokenizer, given)
            rows.setdefault(f"student, {arm}", []).append(runs.scores(f"{NAME}_{arm}", seed, "sft"))
    Console(width=110).print(table(rows))
    print(f"{(time.monotonic() - started) / 60:.1f} minutes")
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
