"""HumanEval's rows, what is one operator away from their solutions, and that no survivor is unexplained."""

import ast
import json
import sys
from pathlib import Path

import pytest
from sandboxed import needs_sandbox

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from humaneval_mutants import SURVIVORS, judge, telling, unexpected
from mutants import mutants

HUMANEVAL = Path(__file__).parents[3] / "shared" / "data" / "humaneval_first60.jsonl"
needs_rows = pytest.mark.skipif(not HUMANEVAL.is_file(), reason="needs ../shared/data/humaneval_first60.jsonl")
FEW = ("HumanEval/0", "HumanEval/18", "HumanEval/35", "HumanEval/40")
"""All rows: `python benchmarks/humaneval_mutants.py`."""


def rows() -> list[dict[str, str]]:
    return [json.loads(line) for line in HUMANEVAL.read_text(encoding="utf-8").splitlines()]


def test_every_operator_is_flipped_once() -> None:
    source = "def f(a, b):\n    if not a < b <= 3 and a in b:\n        a += -b * 2\n    return a\n"
    found = {mutant.key: mutant.source for mutant in mutants(source)}
    assert sorted(key.split()[1] for key in found) == sorted(
        ["And>Or", "Not>", "Lt>LtE", "LtE>Lt", "In>NotIn", "Add>Sub", "Mult>Add", "USub>UAdd"]
    )
    assert len({ast.dump(ast.parse(text)) for text in (*found.values(), source)}) == 9
    assert [key for key in found if key.startswith("3:")] and not [*mutants(source, first_line=4)]


@needs_sandbox
@needs_rows
def test_solutions_pass_and_what_is_one_step_away_fails_or_is_explained() -> None:
    found = judge([row for row in rows() if row["task_id"] in FEW])
    assert unexpected(found) == []
    assert len(found) == 4 * 7 + 14  # a solution, `pass` and five constants each; and the mutants


@needs_sandbox
@needs_rows
def test_a_survivor_is_equivalent_or_a_better_test_tells_it_from_the_solution() -> None:
    listed = [entry for of_row in json.loads(SURVIVORS.read_text()).values() for entry in of_row.values()]
    assert all(entry["why"].startswith("weak: " if "told_by" in entry else "equivalent") for entry in listed)
    quick = [row for row in rows() if row["task_id"] != "HumanEval/32"]  # its survivor runs to its limit
    told = telling(quick)
    assert {key: pair for key, pair in told.items() if [v.reward for v in pair] != [1, 0]} == {}
    assert len(told) == sum("told_by" in entry for entry in listed) - 1
