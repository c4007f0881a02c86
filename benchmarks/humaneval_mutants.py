"""Whether the code verifier tells right from wrong: HumanEval's solutions, and what is one step away from them.

    python benchmarks/humaneval_mutants.py --path FILE

Of every row: the canonical solution has to score 1; its body replaced by `pass`, or by a constant, has to score 0; each
operator of it flipped once (`mutants.SWAPS`) has to score 0. A mutant that survives is equivalent to the solution, or
the published tests are too weak to tell: each is in `humaneval_survivors.json` with the reason, and a weak test with an
expression that does tell. What is not listed, or is listed and does not survive, fails.
Last line of stdout: one JSON object.
"""

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

from mutants import mutants
from rich.console import Console
from rich.table import Table

from ringexp.code_tests import FunctionTests
from ringexp.records import Outcome, Verdict
from ringexp.rewards.sandbox import Job, Limits, Sandbox

SURVIVORS = Path(__file__).with_name("humaneval_survivors.json")
CONSTANTS = ("None", "0", "True", "''", "[]")
KINDS = ("solution", "pass", "constant", "mutant")
LIMITS = Limits(cpu_seconds=1.5, wall_seconds=60)


def jobs(row: dict[str, str], operators: bool = True) -> dict[tuple[str, str], Job]:
    """What is judged of a row, by kind and name."""
    setup = row["prompt"]
    tests = FunctionTests(row["entry_point"], setup, row["test"])
    sources = {("solution", ""): setup + row["canonical_solution"], ("pass", ""): f"{setup}    pass\n"}
    sources |= {("constant", value): f"{setup}    return {value}\n" for value in CONSTANTS}
    if operators:
        first = setup.count("\n") + 1  # the prompt's own helpers stay as they are
        found = mutants(setup + row["canonical_solution"], first)
        sources |= {("mutant", mutant.key): mutant.source for mutant in found}
    return {key: Job(source, tests) for key, source in sources.items()}


def judge(rows: list[dict[str, str]], operators: bool = True) -> dict[tuple[str, str, str], Verdict]:
    """The verdict on every job, by row, kind and name."""
    wanted = {(row["task_id"], *key): job for row in rows for key, job in jobs(row, operators).items()}
    sandbox = Sandbox(LIMITS)
    verdicts = sandbox.run(list(wanted.values()))
    sandbox.close()
    return dict(zip(wanted, verdicts))


def unexpected(found: dict[tuple[str, str, str], Verdict]) -> list[str]:
    """What is not as it has to be, a line each."""
    listed = {(task, key) for task, of_task in json.loads(SURVIVORS.read_text()).items() for key in of_task}
    complaints = []
    for (task, kind, name), verdict in found.items():
        survives = verdict.outcome is Outcome.CORRECT
        should = kind == "solution" or (task, f"{kind} {name}".strip()) in listed
        if survives is not should or verdict.outcome is Outcome.ERROR:
            complaints.append(f"{task} {kind} {name}: {verdict.outcome} {verdict.detail}")
    return complaints


def telling(rows: list[dict[str, str]]) -> dict[tuple[str, str], tuple[Verdict, Verdict]]:
    """For each survivor that a better test would find: the verdicts by that test on the solution and on it."""
    known = json.loads(SURVIVORS.read_text())
    wanted: dict[tuple[str, str], list[Job]] = {}
    for row in rows:
        of_row = {f"{kind} {name}".strip(): job for (kind, name), job in jobs(row).items()}
        for key, entry in known.get(row["task_id"], {}).items():
            if "told_by" in entry:
                tests = FunctionTests(row["entry_point"], "", f"def check(_):\n    assert {entry['told_by']}\n")
                wanted[row["task_id"], key] = [Job(of_row[k].source, tests) for k in ("solution", key)]
    sandbox = Sandbox(LIMITS)
    verdicts = iter(sandbox.run([job for pair in wanted.values() for job in pair]))
    sandbox.close()
    return {key: (next(verdicts), next(verdicts)) for key in wanted}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", type=Path, required=True, help="rows of HumanEval, JSON lines")
    rows = [json.loads(line) for line in parser.parse_args().path.read_text(encoding="utf-8").splitlines()]
    start = time.perf_counter()
    found = judge(rows)
    seconds = time.perf_counter() - start
    outcomes = {kind: Counter(v.outcome for (_, k, _), v in found.items() if k == kind) for kind in KINDS}
    table = Table("kind", *Outcome, title=f"{len(rows)} rows, {len(found)} candidates in {seconds:.0f} s")
    for kind in KINDS:
        table.add_row(kind, *(str(outcomes[kind][outcome]) for outcome in Outcome))
    console = Console(width=140)
    console.print(table)
    reasons = Table("row", "survivor", "why", title="survivors")
    known = json.loads(SURVIVORS.read_text())
    for (task, kind, name), verdict in found.items():
        if kind != "solution" and verdict.outcome is Outcome.CORRECT:
            key = f"{kind} {name}".strip()
            reasons.add_row(task, key, known.get(task, {}).get(key, {"why": "UNEXPECTED"})["why"])
    console.print(reasons)
    complaints = unexpected(found)
    complaints += [f"{task} {key}: told_by does not tell it from the solution"
                   for (task, key), (right, mutant) in telling(rows).items()
                   if (right.reward, mutant.reward) != (1, 0)]  # fmt: skip
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    counts = {kind: dict(of_kind) for kind, of_kind in outcomes.items()}
    print(json.dumps({"rows": len(rows), "candidates": len(found), **counts, "unexpected": len(complaints)}))
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
