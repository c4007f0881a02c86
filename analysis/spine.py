"""Draw a pipeline's spine from MLflow: SFT's entropies and the chosen checkpoint, RL's reward, test pass@1.

    python analysis/spine.py [--store runs] [--run-id ID] [--out spine.png]

Without a run id, the newest finished pipeline of the store.
"""

import argparse
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from ringexp.figures.spine import spine_figure

CURVES = ("entropy/rollout", "entropy/teacher_forced", "val/loss", "eval/mean/pass_at_1", "reward/mean")


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

    sft, select = by_name["sft"], by_name["select"]
    curves = {key: curve(sft, key) for key in CURVES[:-1]}
    rl = [run for name, run in by_name.items() if name.startswith("rl-")]
    curves["reward/mean"] = sorted(point for run in rl for point in curve(run, "reward/mean"))
    finals = {}
    for checkpoint in ("sft", "rl"):
        finals |= dict(curve(pipeline, f"final/{checkpoint}/mean/pass_at_1"))
    reason = select.data.tags["ringexp.reason"]
    band = None
    if "[" in reason:
        low, high = reason.split("[")[1].split("]")[0].split(",")
        band = (float(low), float(high))
    figure = spine_figure(curves, int(select.data.tags["ringexp.selected_step"]), finals, band, pipeline.info.run_name)
    figure.savefig(arguments.out, dpi=130)
    print(arguments.out)


if __name__ == "__main__":
    main()
