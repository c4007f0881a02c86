"""What a curation's MLflow run holds of its counts, and what the command prints at the end."""

import json
from pathlib import Path

from ringexp.curation.card import Card, StepCount, read_card
from ringexp.tasks.dataset import log_card
from ringexp.tracking.run import Record


def record_counts(record: Record, output: Path) -> None:
    """Parameters, counts by step, the card's files, the dataset's version."""
    card = log_card(record, output)
    own = card.about.settings["curation"]
    record.log_parameters({"dataset": card.name, "version": card.version, "seed": card.about.settings["seed"]}
                          | {key: json.dumps(value) if isinstance(value, dict) else value
                             for key, value in own.items() if key != "dataset"})  # fmt: skip
    for number, step in enumerate(card.about.steps):
        record.log({"curation/rows": step.rows_out, "curation/dropped": step.rows_in - step.rows_out,
                    f"curation/{step.step}/dropped": step.rows_in - step.rows_out}, number)  # fmt: skip


def show(output: Path) -> None:
    """Print the counts and where the dataset is."""
    card = read_card(output)
    for step in card.about.steps:
        print(_line(step))
    print(f"{card.name}, version {card.version}: {_rows(card)}")
    print(f"{output}; train on it: ringexp data=curated data.path={output}")


def _line(step: StepCount) -> str:
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in step.dropped.items())
    why = f"not run: {step.skipped}" if step.skipped else reasons
    return f"{step.step:18}{step.rows_in:>11,} → {step.rows_out:>9,}  {why}".rstrip()


def _rows(card: Card) -> str:
    """`math 1,024 train, 20 test; code …`."""
    return "; ".join(f"{domain} " + ", ".join(f"{count:,} {split}" for split, count in sorted(counts.items()))
                     for domain, counts in card.rows.items())  # fmt: skip
