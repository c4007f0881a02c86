"""What a finished pipeline prints, and writes as summary.json into its folder."""

import json
import sys
from pathlib import Path
from typing import Any

from mlflow.entities import Run
from rich.console import Console
from rich.table import Table

from ringexp.config.schema import ISOLATION
from ringexp.tasks.evaluate import recorded
from ringexp.tasks.opening import about
from ringexp.tasks.rl import stage_key, stage_name, stages, weights_after
from ringexp.tasks.select import selected
from ringexp.tasks.workspace import Workspace
from ringexp.tracking.notes import NOTE, describe_run
from ringexp.tracking.run import TAG
from ringexp.tracking.secrets import without_credentials
from ringexp.tracking.views import LOCAL_UI, link


def summarise(workspace: Workspace) -> None:
    """Gather the pipeline's results from MLflow, write them, print them."""
    show(conclude(workspace))


def conclude(workspace: Workspace) -> dict[str, Any]:
    """Gather the pipeline's results from MLflow and write them: `best/pass_at_1`, summary.json."""
    summary = gather(workspace)
    best = max(row["pass_at_1"]["mean"] for row in summary["evaluations"])
    if workspace.config.evaluation.split == "test":
        workspace.record.log({"best/pass_at_1": best}, summary["steps"])
    workspace.record.set_tags(_pointers(workspace, summary) | _note(workspace, summary))
    text = json.dumps(summary, indent=2)
    (workspace.folder / "summary.json").write_text(text + "\n")
    workspace.record.log_text(text, "summary.json")
    return summary


def _note(workspace: Workspace, summary: dict[str, Any]) -> dict[str, str]:
    """The description with its results, unless somebody has written another."""
    known, run_id = workspace.record.tags.get(NOTE), workspace.record.run_id
    begun = about(workspace)
    return {NOTE: describe_run(begun, run_id, summary)} if known in (None, describe_run(begun, run_id)) else {}


def _pointers(workspace: Workspace, summary: dict[str, Any]) -> dict[str, str]:
    """Tags that lead from the pipeline to weights: the selected checkpoint (its step too), the best, the last."""
    chosen = selected(workspace)
    paths = {"sft": chosen.path, **{stage_name(s): weights_after(workspace, chosen, s) for s in stages(workspace)}}
    best = max(summary["evaluations"], key=lambda row: row["pass_at_1"]["mean"])["after"]
    found = {"selected": "sft", "best": best, "last": list(paths)[-1]}
    weights = {f"{TAG}{name}_weights": workspace.place(paths[after]) for name, after in found.items()}
    return weights | {TAG + "selected_step": str(chosen.step)}


def gather(workspace: Workspace) -> dict[str, Any]:
    """The summary as plain data."""
    chosen = selected(workspace)
    rl = stages(workspace)
    results = [("sft", recorded(workspace, "evaluate-sft", chosen.key))]
    results += [
        (name, recorded(workspace, f"evaluate-{name}", stage_key(workspace, chosen, stage)))
        for stage in rl for name in [stage_name(stage)]
    ]  # fmt: skip
    rl_runs = [workspace.require(stage_name(x), stage_key(workspace, chosen, x), "rl") for x in rl]
    rl_tokens = sum(int(run.data.tags[TAG + "rl_tokens"]) for run in rl_runs)
    runs = workspace.store.find({"mlflow.parentRunId": workspace.record.run_id, TAG + "kind": "stage"})
    return {
        "experiment": workspace.config.experiment_name,
        "seed": workspace.config.seed,
        "run_id": workspace.record.run_id,
        "experiment_id": workspace.store.experiment_id,
        "folder": str(workspace.folder),
        "tracking_uri": without_credentials(workspace.store.uri),
        "steps": chosen.sft_steps + workspace.config.trainer.max_steps,
        "selected": {"step": chosen.step, "of": chosen.sft_steps, "reason": chosen.reason,
                     "fallback": chosen.fallback, "path": str(chosen.path)},
        "evaluations": [{"after": name, "pass_at_1": _pass_at_1(metrics)} for name, metrics in results],
        "tokens": {"sft": chosen.sft_tokens, "rl": rl_tokens},
        "seconds": {run.data.tags[TAG + "stage"]: _seconds(run) for run in reversed(runs)},
        "code_isolation": workspace.tags.get("code_isolation"),
        "reused": [run.data.tags[TAG + "stage"] for run in reversed(runs) if TAG + "reused_from" in run.data.tags],
    }  # fmt: skip


def _pass_at_1(metrics: Any) -> dict[str, float]:
    found = {key.split("/")[1]: value for key, value in metrics.items() if key.endswith("/pass_at_1")}
    return {name: found[name] for name in sorted(found, key=lambda n: (n == "mean", n))}


def _seconds(run: Run) -> float:
    return float(run.data.tags.get(TAG + "seconds", 0))


def show(summary: dict[str, Any]) -> None:
    """The table at the end of a pipeline, on standard output."""
    chosen, tokens = summary["selected"], summary["tokens"]
    console = Console(width=110 if not sys.stdout.isatty() else None)
    table = Table(title=f"{summary['experiment']}, seed {summary['seed']}", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    flag = " (fallback)" if chosen["fallback"] else ""
    table.add_row("checkpoint", f"SFT step {chosen['step']} of {chosen['of']}{flag}: {chosen['reason']}")
    table.add_row("tokens trained", f"SFT {tokens['sft']:,}  RL {tokens['rl']:,}")
    spent = {name: "reused" if name in summary["reused"] else f"{value:.0f}"
             for name, value in summary["seconds"].items()}  # fmt: skip
    table.add_row("seconds", "  ".join(f"{name} {value}" for name, value in spent.items()))
    if (level := summary["code_isolation"]) not in (None, ISOLATION[0]):
        table.add_row("[red]code[/red]", f"ran at isolation={level}, WITHOUT a file system of its own")
    table.add_row("folder", summary["folder"])
    table.add_row("MLflow", f"run {summary['run_id']}")
    uri, store = summary["tracking_uri"], Path(summary["folder"]).parent
    local = uri.startswith("sqlite:")
    table.add_row("open the UI", "make ui" + ("" if str(store) == "runs" else f" STORE={store}") if local else uri)
    console.print(table)
    console.print(_scores(summary["evaluations"]))
    where = link(LOCAL_UI if local else uri, summary["experiment_id"])
    console.print(f"compare pipelines in the UI: {where}", soft_wrap=True, highlight=False, markup=False)


def _scores(evaluations: list[dict[str, Any]]) -> Table:
    """Test pass@1: a row for each evaluated policy, a column for each domain."""
    table = Table(title="pass@1", title_justify="left")
    table.add_column("after", style="bold")
    for name in evaluations[0]["pass_at_1"]:
        table.add_column(name, justify="right")
    for row in evaluations:
        table.add_row(row["after"], *(f"{value:.3f}" for value in row["pass_at_1"].values()))
    return table
