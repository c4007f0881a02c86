"""A run's description in the MLflow UI, Markdown in a tag: what it is, what came out, how to repeat it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NOTE = "mlflow.note.content"


@dataclass(frozen=True, slots=True)
class StageRow:
    """A stage of the schedule as the description shows it."""

    name: str
    steps: int
    weights: Mapping[str, float]
    max_response_tokens: int


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a pipeline before it begins. `overrides`: its command without `ringexp`."""

    experiment: str
    seed: int
    algorithm: str
    selection: str
    stages: Sequence[StageRow]
    overrides: str
    commit: str
    dirty: bool
    reproduces: str | None = None


def describe_run(about: About, run_id: str, summary: Mapping[str, Any] | None = None) -> str:
    """The description; with the results where there is a summary."""
    repeats = "" if about.reproduces is None else f" It repeats run `{about.reproduces}`."
    parts = [
        f"**{about.experiment}**, seed {about.seed}: SFT, a checkpoint chosen by `{about.selection}`, then RL by "
        f"`{about.algorithm}`.{repeats}",
        *([] if summary is None else _results(summary)),
        _schedule(about.stages),
        _origin(about, run_id),
    ]
    return "\n\n".join(parts) + "\n"


def _results(summary: Mapping[str, Any]) -> list[str]:
    chosen, evaluations = summary["selected"], summary["evaluations"]
    fallback = " *(fallback)*" if chosen["fallback"] else ""
    names = list(evaluations[0]["pass_at_1"])
    rows = [[row["after"], *(f"{value:.3f}" for value in row["pass_at_1"].values())] for row in evaluations]
    return [
        f"**Selected:** SFT step {chosen['step']} of {chosen['of']}{fallback}: {chosen['reason']}.",
        _table(["pass@1 after", *names], rows),
    ]


def _schedule(stages: Sequence[StageRow]) -> str:
    """A line for each stage (the UI sets a table that follows a table into its columns' edge)."""
    lines = []
    for stage in stages:
        mixture = " ".join(f"{domain} {weight:.3f}" for domain, weight in stage.weights.items() if weight > 0)
        lines.append(f"- RL stage {stage.name}: {stage.steps} steps, {mixture}, "
                     f"at most {stage.max_response_tokens} tokens")  # fmt: skip
    return "\n".join(lines)


def _origin(about: About, run_id: str) -> str:
    dirty = " with the change in `git.diff`" if about.dirty else ""
    commit = "" if about.commit == "unknown" else f", at commit `{about.commit[:12]}`{dirty}"
    made = f"ringexp {about.overrides}".strip()
    return f"Made by `{made}`{commit}. Repeat and compare: `ringexp task=reproduce run_id={run_id}`."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
