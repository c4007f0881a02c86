"""Draw a pipeline from MLflow: SFT's entropies and the chosen checkpoint, RL stage by stage, test pass@1 by domain.

    python analysis/pipeline.py [--store runs | --uri http://…] [--run-id ID] [--out pipeline.png]

Without a run id, the newest finished pipeline of the store.
"""

import argparse
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from ringexp.figures.pipeline import Curve, StageCurves, pipeline_figure


def newest(client: MlflowClient) -> Run:
    experiments = [e.experiment_id for e in client.search_experiments()]
    runs = client.search_runs(experiments, "tags.`ringexp.kind` = 'pipeline' AND attributes.status = 'FINISHED'",
                              order_by=["attributes.start_time DESC"], max_results=1)
    if not runs:
        raise SystemExit("no finished pipeline in this store")
    return runs[0]


def curves(client: MlflowClient, run: Run) -> dict[str, Curve]:
    wanted = ("entropy/", "val/", "eval/", "reward/")
    keys = [key for key in run.data.metrics if key.startswith(wanted)]
    return {k: sorted((p.step, p.value) for p in client.get_metric_history(run.info.run_id, k)) for k in keys}


def scores(run: Run) -> dict[str, float]:
    return {k.split("/")[1]: v for k, v in run.data.metrics.items() if k.endswith("/pass_at_1")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=Path("runs"))
    parser.add_argument("--uri", help="MLflow tracking URI instead of a local store")
    parser.add_argument("--run-id")
    parser.add_argument("--out", type=Path, default=Path("pipeline.png"))
    arguments = parser.parse_args()
    client = MlflowClient(arguments.uri or f"sqlite:///{arguments.store}/mlflow.db")
    pipeline = client.get_run(arguments.run_id) if arguments.run_id else newest(client)
    runs = client.search_runs([pipeline.info.experiment_id], f"tags.`mlflow.parentRunId` = '{pipeline.info.run_id}'",
                              order_by=["attributes.start_time DESC"])
    # of each stage the first that finished: later ones belong to another rule over the same record
    by_name = {run.data.tags["ringexp.stage"]: run for run in runs if run.info.status == "FINISHED"}
    names = [name.removeprefix("rl-") for name in reversed(by_name) if name.startswith("rl-")]
    tests = [("sft", scores(by_name["evaluate-sft"]))]
    tests += [(name, scores(by_name[f"evaluate-rl-{name}"])) for name in names]
    reason = by_name["select"].data.tags["ringexp.reason"]
    band = None
    if "[" in reason:
        low, high = reason.split("[")[1].split("]")[0].split(",")
        band = (float(low), float(high))
    rl = [StageCurves(name, curves(client, by_name[f"rl-{name}"])) for name in names]
    step = int(by_name["select"].data.tags["ringexp.selected_step"])
    figure = pipeline_figure(curves(client, by_name["sft"]), rl, tests, step, band, pipeline.info.run_name)
    figure.savefig(arguments.out, dpi=130)
    print(arguments.out)


if __name__ == "__main__":
    main()
