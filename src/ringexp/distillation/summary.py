"""What a finished distillation prints, from its card."""

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ringexp.curation.card import Card, StepCount
from ringexp.distillation.counts import ACCEPTED, accepted


def show(card: Card, folder: Path) -> None:
    """A row for each domain and split, on standard output."""
    console = Console(width=110 if not sys.stdout.isatty() else None)
    table = Table(title=f"{card.name}, version {card.version}", title_justify="left")
    for name in ("domain, split", "prompts", "with a trace", "responses", "correct", "accepted", "traces", "tokens"):
        table.add_column(name, justify="left" if name.startswith("domain") else "right")
    table.add_column("rejected for")
    for step in card.about.steps:
        table.add_row(step.step, *_numbers(step), _reasons(step))
    console.print(table)
    teacher = card.about.lineage["teacher"]
    which = f"run {teacher['run_id']}, {teacher['checkpoint']}" if "run_id" in teacher else teacher["path"]
    for line in (f"teacher: {which}", f"train on it: ringexp data=curated data.path={folder}"):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _numbers(step: StepCount) -> list[str]:
    responses, found = step.rows_in, step.kept
    shares = [f"{count / responses:.3f}" if responses else "" for count in (found["correct"], accepted(step))]
    length = f"{found['trace_tokens'] / step.rows_out:.1f}" if step.rows_out else ""
    counts = [str(number) for number in (found["prompts"], found["prompts_with_trace"], responses)]
    return [*counts, *shares, str(step.rows_out), length]


def _reasons(step: StepCount) -> str:
    """The fates of rejected responses, the most frequent first."""
    found = [(-count, name) for name, count in step.dropped.items() if name not in ACCEPTED]
    return ", ".join(f"{name} {-count}" for count, name in sorted(found))
