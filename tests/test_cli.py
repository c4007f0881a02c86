"""The command as a user runs it: light where it can be, one line where the user must mend something."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ringexp import cli

ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("HYDRA_", "MLFLOW_"))}
HEAVY = ("torch", "vllm", "mlflow", "transformers", "lightning", "datasets")


def python(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=ENVIRONMENT | environment,
                          capture_output=True, text=True, timeout=60)  # fmt: skip


def ringexp(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return python(folder, "-m", "ringexp.cli", *arguments, **environment)


def databases(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.name.startswith("mlflow") or p.suffix in (".db", ".sqlite")]


@pytest.mark.parametrize(("arguments", "says"), [
    (["--help"], "experiments with the Ring-lite recipe"),
    (["--cfg", "job"], "experiment_name: ring_tiny"),
    (["--cfg", "job", "debug=fast", "seed=3"], "group_size: 4"),
    (["algorithm.token_budget=0"], ""),
])  # fmt: skip
def test_nothing_heavy_is_imported_before_a_task_starts(tmp_path: Path, arguments: list[str], says: str) -> None:
    code = (
        "import atexit, sys\n"
        f"heavy = {HEAVY!r}\n"
        "atexit.register(lambda: print('HEAVY', sorted(sys.modules.keys() & set(heavy))))\n"
        f"sys.argv = ['ringexp', *{arguments!r}]\n"
        "import ringexp.cli\n"
        "ringexp.cli.main()\n"
    )
    done = python(tmp_path, "-c", code)
    assert done.stdout.splitlines()[-1] == "HEAVY []"
    assert says in done.stdout
    assert databases(tmp_path) == []


def test_help_lists_every_group(tmp_path: Path) -> None:
    done = ringexp(tmp_path, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for group in ("algorithm", "data", "experiment", "model", "schedule", "selection", "sft", "task"):
        assert f"\n{group}: " in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("arguments", "names"), [
    (["nosuch=1"], "nosuch"),
    (["data=nosuch"], "data/nosuch"),
    (["=="], "=="),
    (["seed=1,2", "-m", "--cfg", "job"], "without -m"),
    (["algorithm.token_budget=0"], "algorithm.token_budget=0"),
    (["trainer.max_steps=-3"], "trainer.max_steps=-3"),
    (["trainer.max_steps=1.5"], "trainer.max_steps"),
    (["schedule.stages.0.weights.math=0"], "schedule.stages[math].weights"),
    (["evaluation.k=[1,9]"], "evaluation.k=[1, 9]"),
    (["+schedule.stages.0.weights.law=1.0"], "domain 'law' has no prompts"),
    (["data=jsonl"], "data.path=<value>"),
    (["data=gsm8k", "data.path=nowhere.jsonl"], "schedule=math_only"),
    (["data=gsm8k", "data.path=nowhere.jsonl", "schedule=math_only"], "data.path=nowhere.jsonl"),
])  # fmt: skip
def test_bad_input_is_one_line_and_status_2(tmp_path: Path, arguments: list[str], names: str) -> None:
    done = ringexp(tmp_path, f"paths.store={tmp_path}/store", *arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("ringexp: ")
    assert names in line
    assert done.stdout == ""
    assert databases(tmp_path) == []


def test_a_bad_row_is_named_and_the_mended_file_gets_past_it(tmp_path: Path) -> None:
    """Nothing is trained, no run is made; the mended file gets past the data."""
    good = '{"question": "1+1?", "answer": "1+1=2\\n#### 2"}'
    rows = {"no_number": '{"question": "2+2?", "answer": "?"}', "cut": '{"question": "2+2?", "answer": ', "mended": ""}
    for name, row in rows.items():
        (tmp_path / name).write_text(f"{good}\n{row}\n" if row else f"{good}\n")
    done = ringexp(tmp_path, "-m", "data=gsm8k", "schedule=math_only", f"data.path={','.join(rows)}",
                   f"paths.store={tmp_path}/store", f"hydra.sweep.dir={tmp_path}/jobs")  # fmt: skip
    assert done.returncode == 2
    no_number, cut, mended = done.stderr.splitlines()
    assert 'no_number, line 2: field "answer"' in no_number
    assert "cut, line 2" in cut
    assert "there is no validation prompt" in mended  # one row, three splits
    assert databases(tmp_path) == []


def test_hydras_own_switch_shows_the_whole_trace(tmp_path: Path) -> None:
    done = ringexp(tmp_path, "seed=-1", HYDRA_FULL_ERROR="1")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ConfigError: seed=-1" in done.stderr


JOBS = """
import warnings
from ringexp import cli
from ringexp.errors import RingexpWarning

cli._quiet()  # the command
before = warnings.formatwarning
warnings.formatwarning = lambda *said: before(*said)  # as lightning does when it is imported, in the first job
for job in ("first", "second"):
    cli._quiet()
    warnings.warn(f"{job}: of another")
    warnings.warn(f"{job}: of ours", RingexpWarning)
"""


def test_warnings_are_shown_in_every_job_of_a_multirun(tmp_path: Path) -> None:
    done = python(tmp_path, "-c", JOBS)
    assert done.returncode == 0, done.stderr
    for job in ("first", "second"):
        assert f"UserWarning: {job}: of another" in done.stderr
        assert f"\nringexp: warning: {job}: of ours\n" in done.stderr


@pytest.mark.parametrize(("given", "turns"), [
    ({}, cli.SPIN), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "PASSIVE"}, None),
])  # fmt: skip
def test_how_threads_wait_is_the_users_choice(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], turns: str | None
) -> None:
    monkeypatch.setattr(os, "environ", dict(given))
    cli._environment()
    assert os.environ.get("GOMP_SPINCOUNT") == turns
    assert given.items() <= os.environ.items()
