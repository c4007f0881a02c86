"""What the commands of this folder share: where the runs are, which experiment, where results go, who is left out."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from groups import Group, read_groups
from store import Reader, StoredRun


@dataclass(frozen=True)
class Question:
    """The runs a command is about: all pipelines of the experiment, newest first, and the complete ones by group."""

    reader: Reader
    title: str
    """The experiment's name, and the sweep's."""
    experiment: str
    experiments: tuple[str, ...]
    """The experiment's id, alone; as the client wants it."""
    pipelines: tuple[StoredRun, ...]
    groups: tuple[Group, ...]
    unread: tuple[StoredRun, ...]
    """Runs grouped by their parameters alone, because their config.yaml is not there."""
    out: Path


def parser(description: str | None, out: str) -> argparse.ArgumentParser:
    """The options that every command has."""
    built = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    built.add_argument("--store", type=Path, default=Path("runs"), help="folder of the local store (default: runs)")
    built.add_argument("--uri", help="MLflow tracking URI instead, e.g. http://127.0.0.1:5000")
    built.add_argument("--experiment", help="MLflow experiment (default: the only one that has pipelines)")
    built.add_argument("--parent", metavar="RUN_ID", help="a sweep's run id: its pipelines alone")
    built.add_argument("--only", nargs="+", metavar="NAME=VALUE", default=[],
                       help="pipelines with these values of parameters alone, e.g. rl_lr=0.0003")  # fmt: skip
    built.add_argument("--out", type=Path, default=Path(out), help=f"file to write (default: {out})")
    return built


def add_against(built: argparse.ArgumentParser) -> None:
    """The option of commands that print `differences.table_of_differences`."""
    built.add_argument("--against", metavar="CONFIGURATION",
                       help="also every configuration's differences from this one, on equal seeds")  # fmt: skip


def ask(arguments: argparse.Namespace) -> Question:
    """Find the runs. Ends with one line where there is no store, no such experiment or no pipeline."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    database = arguments.store / "mlflow.db"
    if arguments.uri is None and not database.is_file():
        raise SystemExit(f"--store {arguments.store}: there is no mlflow.db")
    reader = Reader(arguments.uri or f"sqlite:///{database}")
    name, pipelines = _pipelines(reader, arguments.experiment, arguments.parent)
    for given in arguments.only:
        pipelines = _with(pipelines, given)
    groups, unread = read_groups(reader, pipelines)
    title = name
    if arguments.parent is not None:
        title = f"{name}, {reader.client.get_run(arguments.parent).info.run_name}"
    title = ", ".join((title, *arguments.only))
    return Question(reader, title, name, (reader.experiments()[name],), tuple(pipelines), tuple(groups),
                    tuple(unread), arguments.out)  # fmt: skip


def _pipelines(reader: Reader, experiment: str | None, parent: str | None) -> tuple[str, list[StoredRun]]:
    known = reader.experiments()
    if experiment is not None and experiment not in known:
        raise SystemExit(f"--experiment {experiment}: this store has {', '.join(sorted(known))}")
    names = [experiment] if experiment is not None else sorted(known)
    found = {name: runs for name in names if (runs := reader.pipelines([known[name]], parent))}
    if not found:
        raise SystemExit("no pipeline in this store" if parent is None else f"--parent {parent}: it has no pipelines")
    if len(found) > 1:
        raise SystemExit(f"several experiments have pipelines: give --experiment, one of {', '.join(found)}")
    return next(iter(found.items()))


def _with(pipelines: Sequence[StoredRun], given: str) -> list[StoredRun]:
    """Those with the value that `NAME=VALUE` names."""
    name, _, value = given.partition("=")
    found = [run for run in pipelines if run.params.get(name) == value]
    if not found:
        values = sorted({run.params[name] for run in pipelines if name in run.params})
        names = sorted({name for run in pipelines for name in run.params})
        has = f"{name} is {', '.join(values)}" if values else f"parameters are {', '.join(names)}"
        raise SystemExit(f"--only {given}: no such pipeline; {has}")
    return found


def left_out(question: Question) -> list[str]:
    """A line for every pipeline that no mean contains, with the reason."""
    lines = [f"{run.name} ({run.run_id[:8]}): {'superseded' if run.superseded else run.status}"
             for run in question.pipelines if not run.complete]  # fmt: skip
    repeats = [run for group in question.groups for run in group.repeats]
    return lines + [f"{run.name} ({run.run_id[:8]}): repeats seed {run.seed}" for run in repeats]


def reference(question: Question, label: str) -> Group:
    """The group that `--against` names. Ends with one line where none has this label."""
    found = {group.label: group for group in complete(question)}
    if label not in found:
        raise SystemExit(f"--against {label}: no such configuration; {', '.join(sorted(found))}")
    return found[label]


def doubt(question: Question) -> str:
    """What may be wrong with the groups, in a sentence; empty where nothing is."""
    if not question.unread:
        return ""
    return (f"{len(question.unread)} runs are grouped by their parameters alone: their config.yaml is not where MLflow "
            "says.")  # fmt: skip


def say_left_out(question: Question) -> None:
    """Both, on standard error."""
    lines = left_out(question)
    if question.unread:
        print(doubt(question), file=sys.stderr)
    if lines:
        print(f"left out, {len(lines)} of {len(question.pipelines)} pipelines:", *lines, sep="\n  ", file=sys.stderr)


def complete(question: Question) -> Sequence[Group]:
    """The groups. Ends with one line where no pipeline has finished."""
    if not question.groups:
        raise SystemExit(f"no finished pipeline in experiment {question.experiment}")
    return question.groups
