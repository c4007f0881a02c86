"""Each benchmark at its smallest size runs to its end, and its last line is the JSON object that its docstring names.

`distillation.py` is left out, which trains teacher and students whole; tests/rewards has `humaneval_mutants.py`.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from sandboxed import needs_sandbox

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ELSEWHERE = {"distillation.py", "humaneval_mutants.py"}
STEP = ["--steps", "1", "--warmup", "1", "--prompts", "2", "--samples", "2", "--limit", "12"]
RATIOS = {"ratio", "ratio_training", "ratio_engine", "ours_tokens_per_s", "trl_tokens_per_s", "mean_length"}
SMALLEST = {
    "curation.py": (["--rows", "300", "--kills", "1"], {"rows", "seconds", "same_bytes_after_kills"}),
    "logprob_memory.py": (["--pairs", "1", "--vocabulary", "32768"], {"ours_mib_32768", "ratio_32768"}),
    "mixing_search.py": (["--seeds", "1", "--trials", "12"], {"median_regret", "tpe_better"}),
    "model_step.py": (["--pairs", "1"], {"ratio", "ours_tokens_per_s"}),
    "record.py": (["--steps", "2", "--pause", "0"], {"share_sqlite", "share_server"}),
    "report.py": (["--runs", "4"], {"runs", "sqlite_seconds"}),
    "rewards.py": (["--only", "code", "--candidates", "4", "--rounds", "1"], {"code_ratio"}),
    "rl_profile.py": (STEP, {"above", "seconds", "parts"}),
    "rl_step.py": ([*STEP, "--peer-batch", "2", "--mean-length", "4"], RATIOS),
    "rollout.py": (["--pairs", "1"], {"ratio", "ratio_with_sync"}),
    "sft_step.py": (["--pairs", "1", "--warmup", "1", "--rows", "1"], {"ratio"}),
}


def test_none_is_forgotten() -> None:
    commands = {path.name for path in BENCHMARKS.glob("*.py") if 'if __name__ == "__main__"' in path.read_text("utf-8")}
    assert commands == set(SMALLEST) | ELSEWHERE


def figures(name: str, *more: str) -> dict[str, Any]:
    """The object that a benchmark ends with, which is not to write where it is started."""
    words = [sys.executable, str(BENCHMARKS / name), *SMALLEST[name][0], *more]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        assert not any(Path(folder).iterdir())
    return json.loads(done.stdout.splitlines()[-1])


@needs_sandbox
@pytest.mark.parametrize("name", SMALLEST)
def test_it_ends_with_its_figures(name: str) -> None:
    found, keys = figures(name), SMALLEST[name][1]
    assert keys <= set(found)
    assert not any(found[key] is None or found[key] is False for key in keys)


@pytest.mark.parametrize("name", ["rl_step.py", "sft_step.py"])
def test_the_other_peer_runs_too(name: str) -> None:
    assert figures(name, "--peer-model", "qwen2_moe", "--trl-checkpointing")["ratio"] > 0
