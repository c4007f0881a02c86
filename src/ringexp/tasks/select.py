"""task=select: ask MLflow for a run's checkpoints, apply the configured rule, record the decision."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from mlflow.entities import Run

from ringexp.config.schema import Config
from ringexp.figures.selection import selection_figure
from ringexp.records import Checkpoint
from ringexp.selection.catalog import Catalog
from ringexp.selection.rules import Choice
from ringexp.tasks.opening import open_workspace
from ringexp.tasks.reuse import turn
from ringexp.tasks.workspace import Stage, Workspace
from ringexp.terminal import say
from ringexp.tracking import provenance
from ringexp.tracking.run import TAG


@dataclass(frozen=True)
class Selected:
    """The decision as MLflow holds it: SFT step and weights, why, SFT's length in steps and tokens.

    `key` names the checkpoint by what SFT was decided by, and its step.
    """

    key: str
    step: int
    path: Path
    reason: str
    fallback: bool
    sft_steps: int
    sft_tokens: int


def run(config: Config) -> None:
    """Run the stage alone and print the decision."""
    with open_workspace(config) as workspace:
        select(workspace)
        chosen = selected(workspace)
        print(f"step {chosen.step}: {chosen.reason}\n{chosen.path}")


def select(workspace: Workspace) -> None:
    """The stage, unless it is finished or can be taken from another run."""
    sft_run = workspace.require("sft", sft_key(workspace), "sft")
    with turn(workspace, "select", _key(workspace, sft_run)) as stage:
        if stage is None:
            return
        candidates = Catalog(workspace.store, _trained_by(sft_run), workspace.root).candidates()
        choice: Choice = instantiate(workspace.config.selection.rule)(candidates)
        if choice.fallback:
            say(f"warning: select: {choice.reason}")
        _record(workspace, stage, candidates, choice)
    _retire(workspace, _trained_by(sft_run))


def _key(workspace: Workspace, sft_run: Run) -> str:
    """Hash of what decides the selection: its rule, and SFT."""
    return workspace.key("select", sft_run.data.tags[TAG + "stage_key"])


def _trained_by(sft_run: Run) -> str:
    """The run that the checkpoints belong to: another pipeline's where SFT was taken from there."""
    return str(sft_run.data.tags.get(TAG + "reused_from", sft_run.info.run_id))


def _retire(workspace: Workspace, sft_run_id: str) -> None:
    """Delete the weights that `selection.keep` does not keep; what any pipeline of the experiment selected stays."""
    keep = workspace.config.selection.keep
    if keep is None:
        return
    decisions = workspace.store.find({TAG + "kind": "stage", TAG + "stage": "select"})
    selected = {workspace.root / run.data.tags[TAG + "selected_path"] for run in decisions
                if TAG + "selected_path" in run.data.tags}  # fmt: skip
    catalog = Catalog(workspace.store, sft_run_id, workspace.root)
    gone = catalog.retire(catalog.candidates(), keep, selected)
    if gone:
        say(f"select: the weights of {len(gone)} checkpoints are deleted (selection.keep={keep}): "
            + ", ".join(str(checkpoint.step) for checkpoint in gone))  # fmt: skip


def sft_key(workspace: Workspace) -> str | None:
    """The SFT stage that belongs to this configuration; a run named by its id brings its own."""
    return workspace.key("sft") if workspace.config.run_id is None else None


def selected(workspace: Workspace) -> Selected:
    """The recorded decision. Raises RecordError where there is none."""
    sft_run = workspace.require("sft", sft_key(workspace), "sft")
    tags = workspace.require("select", _key(workspace, sft_run), "select").data.tags
    return Selected(
        key=provenance.digest([sft_run.data.tags[TAG + "stage_key"], tags[TAG + "selected_step"]]),
        step=int(tags[TAG + "selected_step"]), path=workspace.root / tags[TAG + "selected_path"],
        reason=tags[TAG + "reason"], fallback=tags[TAG + "fallback"] == "true",
        sft_steps=int(sft_run.data.tags[TAG + "steps"]), sft_tokens=int(sft_run.data.tags[TAG + "sft_tokens"]),
    )  # fmt: skip


def _record(workspace: Workspace, stage: Stage, candidates: list[Checkpoint], choice: Choice) -> None:
    """Table of all candidates with every quantity, figure, reason; the chosen one's quantities as metrics."""
    chosen = choice.checkpoint
    names = sorted({name for c in candidates for name in c.metrics})
    table: dict[str, list[Any]] = {"step": [c.step for c in candidates]}
    table["chosen"] = [c.step == chosen.step for c in candidates]
    table |= {name: [c.metrics.get(name) for c in candidates] for name in names}
    stage.record.log_table(table, "selection.json")
    rule = workspace.config.selection.rule
    band = (float(rule["low"]), float(rule["high"])) if "low" in rule and "high" in rule else None
    figure = selection_figure(candidates, chosen, choice.reason, band)
    figure.savefig(stage.folder / "selection.png", dpi=150)
    stage.record.log_figure(figure, "selection.png")
    last_step = max(c.step for c in candidates)
    stage.record.log({"select/step": chosen.step, **{f"select/{n}": v for n, v in chosen.metrics.items()}}, last_step)
    stage.record.set_tags({
        TAG + "selected_step": str(chosen.step), TAG + "selected_model": chosen.model_id,
        TAG + "selected_path": workspace.place(chosen.path), TAG + "reason": choice.reason,
        TAG + "fallback": str(choice.fallback).lower(), TAG + "rule": workspace.config.selection.name,
    })  # fmt: skip
