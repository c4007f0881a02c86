"""Draw a pipeline's spine from MLflow: SFT's entropies and the chosen checkpoint, RL's reward, test pass@1.

    python analysis/spine.py [--store runs] [--run-id ID] [--out spine.png]

Without a run id, the newest finished pipeline of the store.
"""

import argparse
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from ringexp.figures.spine import spine_figure

SFT_METRICS = ("entropy/rollout", "entropy/teacher_forced", "val/loss", "eval/mean/pass_at_1")
RL_METRICS = ("entropy/rollout", "reward/mean")


def newest(client: MlflowClient) -> Run:
    experiments = [e.experiment_id for e in client.search_experiments()]
    runs = client.search_runs(experiments, "tags.`ringexp.kind` = 'pipeline' AND attributes.status = 'FINISHED'",
                              order_by=["attributes.start_time DESC"], max_results=1)
    if not runs:
        raise SystemExit("no finished pipeline in this store")
    return runs[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=Path("runs"))
    parser.add_argument("--run-id")
    parser.add_argument("--out", type=Path, default=Path("spine.png"))
    arguments = parser.parse_args()
    client = MlflowClient(f"sqlite:///{arguments.store}/mlflow.db")
    pipeline = client.get_run(arguments.run_id) if arguments.run_id else newest(client)
    stages = client.search_runs([pipeline.info.experiment_id], f"tags.`mlflow.parentRunId` = '{pipeline.info.run_id}'")
    by_name = {run.data.tags["ringexp.stage"]: run for run in stages}

    def curve(run: Run, key: str) -> list[tuple[int, float]]:
        return sorted((p.step, p.value) for p in client.get_metric_history(run.info.run_id, key))

    stage, select = by_name["sft"], by_name["select"]
    sft = {key: curve(stage, key) for key in SFT_METRICS}
    stages = [run for name, run in by_name.items() if name.startswith("rl-")]
    rl = {key: sorted(point for run in stages for point in curve(run, key)) for key in RL_METRICS}
    tests = tuple(pipeline.data.metrics[f"final/{name}/mean/pass_at_1"] for name in ("sft", "rl"))
    reason = select.data.tags["ringexp.reason"]
    band = None
    if "[" in reason:
        low, high = reason.split("[")[1].split("]")[0].split(",")
        band = (float(low), float(high))
    figure = spine_figure(sft, rl, int(select.data.tags["ringexp.selected_step"]), tests, band, pipeline.info.run_name)
    figure.savefig(arguments.out, dpi=130)
    print(arguments.out)


if __name__ == "__main__":
    main()
