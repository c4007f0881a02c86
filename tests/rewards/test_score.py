"""task=score: rewards and order, labels, refusal of rows and paths, a kill in the middle, what it leaves alone."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig
from sandboxed import needs_sandbox

from ringexp.config.validate import typed
from ringexp.errors import ConfigError, DataError
from ringexp.tasks import score
from ringexp.tasks.score_rows import read_rows
from ringexp.tasks.score_table import ScoreTable

Composed = Callable[..., DictConfig]

CODE = {
    "domain": "code", "prompt": 'def add(a, b):\n    """Add."""\n', "entry_point": "add", "language": "python",
    "tests": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
}  # fmt: skip
ROWS: list[tuple[dict[str, Any], float, str]] = [
    ({"domain": "math", "response": "So \\boxed{\\frac{2}{4}}", "answer": "1/2"}, 1, "correct"),
    ({"domain": "math", "response": "The answer is 1/2.", "answer": "1/2"}, 0, "unparsable"),
    ({"domain": "math", "response": "\\boxed{18}", "answer": 18, "mine": [1, "é", None]}, 1, "correct"),
    ({"domain": "science", "response": "\\boxed{0.27 km}", "answer": "270 m"}, 1, "correct"),
    ({"domain": "science", "response": "\\boxed{270}", "answer": "270 m"}, 0, "wrong"),
    ({"domain": "science", "kind": "choice", "response": "\\boxed{(C)}", "answer": "C"}, 1, "correct"),
    ({"domain": "math", "response": "", "answer": "1"}, 0, "unparsable"),
    ({"domain": "math", "response": "\ud800 \\boxed{1}", "answer": "1"}, 1, "correct"),
]


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def scored(composed: Composed, source: Path, target: Path, *overrides: str) -> list[dict[str, Any]]:
    score.run(typed(composed("task=score", f"input={source}", f"output={target}", *overrides)))
    return [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]


def test_rows_keep_their_order_and_fields_and_get_three_more(composed: Composed, tmp_path: Path) -> None:
    rows = [row for row, _, _ in ROWS]
    found = scored(composed, written(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl")
    assert [(f["reward"], f["outcome"]) for f in found] == [(reward, outcome) for _, reward, outcome in ROWS]
    assert [{k: v for k, v in f.items() if k not in ("reward", "outcome", "detail")} for f in found] == rows
    assert found[1]["detail"] == "no complete box"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


@needs_sandbox
def test_code_is_judged_by_tests_of_humanevals_form(composed: Composed, tmp_path: Path) -> None:
    program = "```python\ndef add(a, b):\n    return a {} b\n```"
    rows = [CODE | {"response": program.format("+")}, CODE | {"response": program.format("-")},
            CODE | {"response": "def add(a, b):\n    return a + b\n"}]  # fmt: skip
    found = scored(composed, written(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl")
    assert [f["outcome"] for f in found] == ["correct", "wrong", "unparsable"]


def test_labels_are_held_against_rewards(
    composed: Composed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boxes = [("1", 1), ("1", 0), ("2", 1), ("2", 0), ("2", 0), ("x+1", None)]
    rows = [{"domain": "math", "response": f"\\boxed{{{b}}}", "answer": "1"} | ({} if v is None else {"label": v})
            for b, v in boxes]  # fmt: skip
    scored(composed, written(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl")
    printed = capsys.readouterr().out.splitlines()
    assert printed[1].split() == ["math", "6", "0.333", "2", "4", "0", "0", "0"]
    assert printed[3].split("  ") == ["label → reward", "1 → 1", "0 → 0", "1 → 0", "0 → 1", " agree"]
    assert printed[4].split() == ["math", "1", "2", "1", "1", "0.6000"]


def test_the_table_counts_multiple_choice_apart() -> None:
    table = ScoreTable()
    for kind in ("", "choice"):
        table.count({"domain": "science", "kind": kind, "outcome": "correct", "reward": 1.0, "label": True})
    assert [line.split()[0] for line in str(table).splitlines()[1:3]] == ["science", "science"]
    assert table.agreement("science choice") == {(1, 1): 1}


REFUSED = [
    ("{", "not JSON"),
    ("[1]", "expected a JSON object, found list"),
    ('{"response": "a", "answer": "1"}', 'field "domain": missing'),
    ('{"domain": "law", "response": "a", "answer": "1"}', 'field "domain": no verifier for \'law\'; .*choice, code'),
    ('{"domain": "math", "answer": "1"}', 'field "response": missing; the row has domain, answer'),
    ('{"domain": "math", "response": 3, "answer": "1"}', 'field "response": expected text, found int'),
    ('{"domain": "math", "response": "a"}', 'field "answer": missing'),
    ('{"domain": "math", "response": "a", "answer": " "}', 'field "answer": empty'),
    ('{"domain": "math", "response": "a", "answer": "1", "label": 2}', 'field "label": expected 0 or 1, found 2'),
    ('{"domain": "math", "response": "a", "answer": "1", "reward": 1}', 'field "reward": would be overwritten'),
    (json.dumps(CODE | {"response": "", "language": "rust"}), "field \"language\": 'rust' cannot be judged"),
    (json.dumps(CODE | {"response": "", "tests": "pass"}), r'field "tests": does not define check\(candidate\)'),
    (json.dumps(CODE | {"response": "", "entry_point": "sub"}), 'field "prompt": does not define the function sub'),
    ('{"domain": "code", "response": ""}', 'field "tests": missing'),
    ('{"domain": "code", "response": "", "answer": "1"}', "answer of a code problem"),
]


@pytest.mark.parametrize(("line", "problem"), REFUSED)
def test_a_row_that_does_not_fit_is_named_by_line_and_field(tmp_path: Path, line: str, problem: str) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps(ROWS[0][0]) + "\n\n" + line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=f"in.jsonl, line 3: {problem}"):
        list(read_rows(source, ["math", "science", "code", "choice"]))


def test_nothing_is_judged_before_every_row_is_checked(composed: Composed, tmp_path: Path) -> None:
    source = written(tmp_path / "in.jsonl", [row for row, _, _ in ROWS] + [{"domain": "law"}])
    with pytest.raises(DataError, match=rf"in\.jsonl, line {len(ROWS) + 1}: field"):
        scored(composed, source, tmp_path / "out.jsonl")
    assert list(tmp_path.iterdir()) == [source]


def test_what_is_there_is_not_written_over(composed: Composed, tmp_path: Path) -> None:
    source = written(tmp_path / "in.jsonl", [ROWS[2][0]])
    before = source.read_bytes()
    os.link(source, tmp_path / "same.jsonl")
    (tmp_path / "link.jsonl").symlink_to(source)
    for name, problem in (("in.jsonl", "overwrite the input"), ("link.jsonl", "overwrite the input"),
                          ("same.jsonl", "is there already"), ("nosuch/out.jsonl", "no folder")):  # fmt: skip
        with pytest.raises(ConfigError, match=problem):
            scored(composed, source, tmp_path / name)
    part = written(tmp_path / "x.jsonl.part", [ROWS[2][0]])
    with pytest.raises(ConfigError, match="overwrite the input"):
        scored(composed, part, tmp_path / "x.jsonl", "fresh=true")
    with pytest.raises(DataError, match="no such file"):
        scored(composed, tmp_path / "nosuch", tmp_path / "out.jsonl")
    (tmp_path / "empty").touch()
    with pytest.raises(DataError, match="holds no rows"):
        scored(composed, tmp_path / "empty", tmp_path / "out.jsonl")
    assert source.read_bytes() == before
    scored(composed, source, tmp_path / "out.jsonl")
    assert scored(composed, source, tmp_path / "out.jsonl", "fresh=true")[0]["reward"] == 1


def test_a_killed_command_continues_and_the_output_is_the_same(composed: Composed, tmp_path: Path) -> None:
    boxed = [f"{i - i % 2}" if i < score.CHUNK else f"({i - i % 2})" for i in range(300)]
    rows = [{"domain": "math", "response": f"\\boxed{{{answer}}}", "answer": str(i)} for i, answer in enumerate(boxed)]
    # the first chunk is plain numbers; the second has to wait for Math-Verify
    source, target, whole = written(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl", tmp_path / "whole.jsonl"
    command = [sys.executable, "-m", "ringexp.cli", "task=score", f"input={source}", f"paths.store={tmp_path / 'runs'}"]
    part = tmp_path / "out.jsonl.part"
    process = subprocess.Popen([*command, f"output={target}"])
    deadline = time.monotonic() + 120
    while not (part.exists() and part.stat().st_size):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not target.exists()
    with part.open("ab") as file:
        file.write(b'{"domain": "ma')  # a line that the kill cut short
    again = subprocess.run([*command, f"output={target}"], capture_output=True, text=True, check=True)
    before = re.search(r"(\d+) of 300 rows were judged before", again.stderr)  # the kill may have come in mid-write
    assert before and 0 < int(before[1]) <= score.CHUNK
    assert not part.exists()
    found = [json.loads(line) for line in target.read_text().splitlines()]
    assert [f["reward"] for f in found] == [1 - i % 2 for i in range(300)]
    assert scored(composed, source, whole) == found
    assert whole.read_bytes() == target.read_bytes()
    assert again.stdout.splitlines()[1].split()[:3] == ["math", "300", "0.500"]


def test_an_unfinished_output_of_other_rows_is_begun_anew(
    composed: Composed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = written(tmp_path / "in.jsonl", [ROWS[2][0]])
    (tmp_path / "out.jsonl.part").write_text('{"domain": "math", "outcome": "wrong", "reward": 0.0}\n')
    (tmp_path / "out.jsonl.part.key").write_text("of another input")
    assert [f["reward"] for f in scored(composed, source, tmp_path / "out.jsonl")] == [1]
    assert "beginning anew" in capsys.readouterr().err


@needs_sandbox
def test_neither_torch_nor_mlflow_is_imported_nor_published_tests_complained_of(tmp_path: Path) -> None:
    doubtful = "def check(candidate):\n    assert (candidate(1, 2) is 3) in (True, False)\n"
    code = CODE | {"tests": doubtful, "response": "```python\ndef add(a, b): return a + b\n```"}
    source = written(tmp_path / "in.jsonl", [ROWS[2][0], code])
    program = (
        "import sys; from ringexp.cli import main; main()\n"
        "heavy = {'torch', 'vllm', 'mlflow', 'transformers', 'datasets', 'optuna', 'sympy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    command = [sys.executable, "-c", program, "task=score", f"input={source}", f"output={tmp_path / 'out.jsonl'}"]
    done = subprocess.run([*command, f"paths.store={tmp_path / 'runs'}"], check=True, timeout=120, capture_output=True)
    assert b"SyntaxWarning" not in done.stderr
    with pytest.warns(SyntaxWarning, match="literal"):
        compile(doubtful, "<test>", "exec")
    assert all(json.loads(row)["reward"] == 1 for row in (tmp_path / "out.jsonl").read_text().splitlines())


PAGE = Path(__file__).parents[2] / "docs" / "rewards.md"


@needs_sandbox
def test_the_page_shows_what_is_printed(
    composed: Composed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = PAGE.read_text(encoding="utf-8").split("## Check a verifier")[1].split("## Add a verifier")[0]
    shown = [line.removeprefix("    ") for line in page.splitlines() if line.startswith("    ") or not line]
    rows = [json.loads(line) for line in shown if line.startswith("{")]
    monkeypatch.chdir(tmp_path)
    scored(composed, written(Path("rows.jsonl"), rows), Path("judged.jsonl"))
    assert capsys.readouterr().out.strip() in "\n".join(shown)


def test_the_verifier_that_the_page_adds_works(
    composed: Composed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = PAGE.read_text(encoding="utf-8").split("```python\n# mine.py")[1].split("```")[0]
    (tmp_path / "mine.py").write_text("# mine.py" + program)
    monkeypatch.syspath_prepend(tmp_path)
    responses = ("\\boxed{1969-07-20}", "\\boxed{1969-07-21}", "")
    rows = [{"domain": "history", "response": response, "answer": "1969-07-20"} for response in responses]
    found = scored(composed, written(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl",
                   "+rewards.verifiers.history._target_=mine.Dates")  # fmt: skip
    assert [f["outcome"] for f in found] == ["correct", "wrong", "unparsable"]
