"""task=reproduce after one planted change each: found in the curves, or named before anything runs."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from pipelines import Store, ringexp

SMALL = ("sft.max_steps=10", "sft.checkpoint_every=5", "trainer.max_steps=2", "trainer.checkpoint_every=1",
         "algorithm.warmup_steps=0", "evaluation.prompts=4", "schedule=math_only", "seed=3")  # fmt: skip


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    lines = [f'{{"question": "What is {i} + 1?", "answer": "It is one more.\\n#### {i + 1}"}}\n' for i in range(200)]
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, rows: Path) -> Store:
    folder = tmp_path_factory.mktemp("recorded")
    done = ringexp(f"paths.store={folder}", "data=gsm8k", f"data.path={rows}", *SMALL)
    assert done.returncode == 0, done.stderr[-3000:]
    return Store(folder)


def reproduce(recorded: Store, *overrides: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return ringexp("task=reproduce", f"run_id={recorded.pipeline.info.run_id}", f"paths.store={recorded.folder}",
                   *overrides, **environment)  # fmt: skip


def planted(folder: Path) -> Path:
    """A copy of the package, to change."""
    package = Path(__file__).parents[2]
    shutil.copytree(package / "src/ringexp", folder / "ringexp")
    shutil.copytree(package / "conf", folder / "ringexp/conf")
    return folder / "ringexp"


def test_nothing_changed(recorded: Store) -> None:
    done = reproduce(recorded)
    assert (done.returncode, done.stdout.splitlines()[-1][:10]) == (0, "identical:"), done.stderr[-3000:]


def test_code(recorded: Store, tmp_path: Path) -> None:
    """Half the learning rate: the curves part at once."""
    path = planted(tmp_path) / "training/optim.py"
    half = "\n\ndef cosine(*arguments):\n    return lambda step: 0.5 * _cosine(*arguments)(step)\n"
    path.write_text(path.read_text().replace("def cosine(", "def _cosine(", 1) + half)
    done = reproduce(recorded, PYTHONPATH=str(tmp_path))
    assert done.returncode == 4, done.stdout[-3000:] + done.stderr[-3000:]
    assert "differs now: code: training/optim.py changed" in done.stdout
    assert re.search(r"^different: .* the first at \w+ step \d+: ", done.stdout, re.MULTILINE)


def test_data(recorded: Store, rows: Path) -> None:
    whole = rows.read_text()
    rows.write_text(whole.replace("one more", "a bit more"))
    try:
        done = reproduce(recorded)
    finally:
        rows.write_text(whole)
    assert "differs now: data fingerprint: " in done.stdout
    assert done.returncode == 4, done.stdout[-3000:] + done.stderr[-3000:]


def test_seed(recorded: Store) -> None:
    done = reproduce(recorded, "seed=4")
    assert "differs now: configuration: seed 3 then, 4 now" in done.stdout
    assert done.returncode == 4, done.stdout[-3000:] + done.stderr[-3000:]


def test_lock(recorded: Store, tmp_path: Path) -> None:
    folder = tmp_path / "planted-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
    done = reproduce(recorded, PYTHONPATH=str(tmp_path))
    assert "differs now: installed: planted None then, 1.0 now" in done.stdout
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
