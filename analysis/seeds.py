"""Compare the finished pipelines of a store, a row each: checkpoint, pass@1 of every domain, budget, mixture, seconds.

    python analysis/seeds.py [--store runs]

`filled` counts RL steps that trained exactly the token budget; `dropped` is the share of response tokens not trained;
`mixture` the largest distance of a stage's prompts of a domain from their target, in standard deviations of free draws.
"""

import argparse
import json
import math
import os
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run
from rich import box
from rich.console import Console
from rich.table import Table


def history(client: MlflowClient, run: Run, key: str) -> list[float]:
    return [p.value for p in sorted(client.get_metric_history(run.info.run_id, key), key=lambda p: p.step)]


def deviation(client: MlflowClient, run: Run, per_step: int) -> float:
    """Largest |realised − target| / σ over the domains of a stage, σ that of independent draws."""
    found = [0.0]
    for key in run.data.metrics:
        if key.startswith("mixture/target/"):
            weight = run.data.metrics[key]
            shares = history(client, run, key.replace("target", "realised"))
            draws = per_step * len(shares)
            if 0 < weight < 1:
                sigma = math.sqrt(draws * weight * (1 - weight))
                found.append(abs(per_step * sum(shares) - draws * weight) / sigma)
    return max(found)


def own_stages(client: MlflowClient, experiment: str, pipeline: str) -> dict[str, Run]:
    """The pipeline's stages by name: of each the first that finished (later ones are another rule's)."""
    runs = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{pipeline}'",
                              order_by=["attributes.start_time DESC"])  # fmt: skip
    return {run.data.tags["ringexp.stage"]: run for run in runs if run.info.status == "FINISHED"}


def row(client: MlflowClient, pipeline: Run) -> dict[str, Any]:
    experiment, run_id = pipeline.info.experiment_id, pipeline.info.run_id
    stages = own_stages(client, experiment, run_id)
    path = client.download_artifacts(run_id, "summary.json")
    summary = json.loads(Path(path).read_text())
    config = client.download_artifacts(run_id, "config.yaml")
    per_step = next(int(line.split(":")[1]) for line in Path(config).read_text().splitlines()
                    if "prompts_per_step" in line)  # fmt: skip
    rl = [run for name, run in stages.items() if name.startswith("rl-")]
    budget = pipeline.data.params["token_budget"]
    tokens = [value for run in rl for value in history(client, run, "budget/tokens")]
    dropped = [value for run in rl for value in history(client, run, "budget/dropped")]
    drawn = [trained / (1 - share) for trained, share in zip(tokens, dropped, strict=True)]
    scores = [evaluation["pass_at_1"] for evaluation in summary["evaluations"]]
    return {
        "seed": summary["seed"],
        "schedule": pipeline.data.params["schedule"],
        "checkpoint": f"{summary['selected']['step']} ({stages['select'].data.metrics['select/entropy/rollout']:.3f})",
        **{domain: " → ".join(f"{score[domain]:.3f}" for score in scores) for domain in scores[0]},
        "rise": f"{scores[-1]['mean'] - scores[0]['mean']:+.3f}",
        "filled": f"{sum(str(int(value)) == budget for value in tokens)}/{len(tokens)}",
        "dropped": f"{1 - sum(tokens) / sum(drawn):.3f} (max {max(dropped):.3f})",
        "mixture": f"{max(deviation(client, run, per_step) for run in rl):.2f} σ",
        "seconds": f"{sum(summary['seconds'].values()):.0f}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=Path("runs"))
    store = parser.parse_args().store
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    client = MlflowClient(f"sqlite:///{store}/mlflow.db")
    experiments = [e.experiment_id for e in client.search_experiments()]
    runs = client.search_runs(experiments, "tags.`ringexp.kind` = 'pipeline' AND attributes.status = 'FINISHED'",
                              order_by=["attributes.start_time ASC"])
    if not runs:
        raise SystemExit("no finished pipeline in this store")
    rows = [row(client, run) for run in runs]
    table = Table(box=box.SIMPLE)
    for name in rows[0]:
        table.add_column(name, no_wrap=True)
    for found in rows:
        table.add_row(*(str(found.get(name, "")) for name in rows[0]))
    Console(width=220).print(table)


if __name__ == "__main__":
    main()
