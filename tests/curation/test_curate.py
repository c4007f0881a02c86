"""task=curate whole: planted rows found, the same bytes after SIGKILL, refusals, the record, solve rates of a model."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from curation_rows import plant, shares_dropped
from mlflow import MlflowClient
from mlflow.entities import Run as MlflowRun
from omegaconf import DictConfig

from ringexp.config.validate import typed, validate
from ringexp.curation.card import About, read_card
from ringexp.curation.dataset import DatasetWriter, Row, load_curated, read_rows
from ringexp.domains.pool import synthetic_pool
from ringexp.errors import ConfigError, DataError
from ringexp.models.build import build_config, build_model
from ringexp.models.tokenizer import build_tokenizer
from ringexp.rollout.shared import close_shared
from ringexp.tasks import curate
from ringexp.training.checkpoint import save_model

COUNT = 2_000


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("planted")
    return folder, plant(folder, COUNT)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


def overrides(folder: Path, output: Path, store: Path, *more: str) -> list[str]:
    against = f"curation.against={{planted: {{path: {folder / 'evaluation.jsonl'}}}}}"
    own = [] if any(word.startswith("curation.against=") for word in more) else [against]
    return ["task=curate", "data=jsonl", f"data.path={folder / 'rows.jsonl'}", "progress=false",
            f"paths.store={store}", f"curation.output={output}", "curation.chunk_rows=150", *own, *more]  # fmt: skip


Run = Callable[..., None]


@pytest.fixture
def run(composed: Callable[..., DictConfig]) -> Run:
    """The task in this process."""

    def once(*words: str) -> None:
        config = typed(composed(*words))
        validate(config)
        curate.run(config)

    return once


def contents(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def killed_at(words: list[str], appears: Path) -> None:
    """The real command, killed with SIGKILL as soon as a path is there."""
    process = subprocess.Popen([sys.executable, "-m", "ringexp.cli", *words], start_new_session=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    while not appears.exists():
        assert process.poll() is None, "ended before it was killed"
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def recorded(store: Path, output: Path) -> tuple[MlflowRun, MlflowClient]:
    """The one run of a dataset."""
    client = MlflowClient(f"sqlite:///{store}/mlflow.db")
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    (found,) = [run for run in runs if run.data.tags.get("ringexp.output") == str(output)]
    return found, client


def test_what_was_planted_is_found_and_a_killed_curation_ends_the_same(
    planted: tuple[Path, list[str]], tmp_path: Path, store: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, kinds = planted
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(*overrides(folder, whole, store))
    dropped = shares_dropped(whole, kinds)
    assert dropped["exact"] == dropped["verbatim"] == dropped["embedded"] == 1
    assert dropped["near"] >= 0.95
    assert dropped["own"] <= 0.01

    killed_at(overrides(folder, killed, store), killed.with_name("killed.work") / "3-near_duplicates" / "00004")
    assert not killed.exists()
    capsys.readouterr()
    run(*overrides(folder, killed, store))
    assert "near_duplicates: continuing after" in capsys.readouterr().err
    assert contents(killed) == contents(whole)
    assert not killed.with_name("killed.work").exists()
    found, _ = recorded(store, killed)
    assert found.info.status == "FINISHED"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, store: Path, composed: Callable[..., DictConfig]) -> Path:
    """A finished dataset of few rows, in a folder with its rows."""
    folder = tmp_path_factory.mktemp("small")
    plant(folder, 400)
    curate.run(typed(composed(*overrides(folder, folder / "set", store))))
    return folder


def test_the_card_the_report_and_the_run_say_the_same(small: Path, store: Path) -> None:
    card = read_card(small / "set")
    steps = card.about.steps
    assert [step.step for step in steps] == ["read", "clean", "exact_duplicates", "near_duplicates", "decontaminate",
                                             "verify", "difficulty"]  # fmt: skip
    assert all(step.rows_in - step.rows_out == sum(step.dropped.values()) for step in steps)
    assert [step.rows_out for step in steps[:-1]] == [step.rows_in for step in steps[1:]]
    assert card.rows == {"math": {"train": steps[-1].rows_out}}
    assert steps[-1].skipped.startswith("no model")
    report = pq.read_table(small / "set" / "report.parquet").to_pylist()
    for step in steps:
        reasons: dict[str, set[str]] = {}
        for row in report:
            if row["step"] == step.step and row["dropped"]:
                reasons.setdefault(row["reason"], set()).add(row["id"])
        assert set(reasons) == set(step.dropped)
    held = [row for row in report if row["reason"] == "contaminated"]
    assert held
    assert all(row["matched_set"] == "planted" and "evaluation.jsonl, line" in row["matched"] for row in held)
    assert all(len(row["detail"].split()) >= 8 for row in held)
    run, client = recorded(store, small / "set")
    tags, metrics = run.data.tags, run.data.metrics
    assert (tags["ringexp.kind"], tags["ringexp.dataset_version"]) == ("curation", card.version)
    assert run.data.params["version"] == card.version
    assert metrics["curation/rows"] == steps[-1].rows_out
    assert metrics["curation/decontaminate/dropped"] == len({row["id"] for row in held})
    assert {file.path for file in client.list_artifacts(run.info.run_id)} >= {"card.json", "README.md"}
    assert set(card.about.made_by) == {"git_commit", "git_dirty", "source_hash", "lock_hash"}


def test_a_finished_dataset_is_left_alone_and_other_settings_are_refused(
    small: Path, store: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    words, before = overrides(small, small / "set", store), contents(small / "set")
    run(*words)
    printed = capsys.readouterr().out
    assert f"version {read_card(small / 'set').version}" in printed
    assert "data=curated data.path=" in printed
    with pytest.raises(ConfigError, match=r"curation\.near\.threshold=0\.7 there, 0\.8 here.*fresh=true"):
        run(*words, "curation.near.threshold=0.8")
    with (small / "rows.jsonl").open("a") as file:
        file.write('{"question": "How much is 2 and 3 and 4 together?", "answer": 9, "split": "train"}\n')
    with pytest.raises(ConfigError, match=r"other settings \(data\.pools\.math\.path="):
        run(*words)
    assert contents(small / "set") == before
    run(*words, "fresh=true")
    old = next(small.glob("set.????????????"))
    assert contents(old) == before
    assert read_card(small / "set").rows["math"]["train"] == read_card(old).rows["math"]["train"] + 1


def test_work_of_other_settings_is_refused(small: Path, store: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "set.work").mkdir()
    (tmp_path / "set.work" / "settings.json").write_text(json.dumps({"seed": 4}))
    with pytest.raises(ConfigError, match=r"set.work: was made with other settings"):
        run(*overrides(small, tmp_path / "set", store))


@pytest.mark.parametrize(("more", "error", "message"), [
    (["curation.output=null"], ConfigError, "curation.output: name the folder"),
    (["curation.clean.rules=[images]"], ConfigError, "unknown rule 'images'"),
    (["curation.against={x: {path: nowhere.jsonl}}"], DataError, r"curation\.against\.x: no such file: nowhere.jsonl"),
    (["curation.difficulty.model=nowhere"], ConfigError, "nowhere: neither a folder nor a run"),
    (["curation.near.threshold=1"], ConfigError, r"curation\.near\.threshold=1\.0: must lie between 0 and 1"),
    (["curation.chunk_rows=0"], ConfigError, "curation.chunk_rows=0: must be greater than 0"),
])  # fmt: skip
def test_wrong_settings_are_one_line(
    small: Path, store: Path, tmp_path: Path, run: Run, more: list[str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(*overrides(small, tmp_path / "set", store, *more))
    assert list(tmp_path.iterdir()) == []


def test_held_out_rows_go_along_and_a_later_run_finds_a_pool(tmp_path: Path, store: Path, run: Run) -> None:
    output = tmp_path / "set"
    run("task=curate", "data.pools.math.train=150", "data.pools.code.train=20", "data.pools.science.train=40",
        "curation.verify.enabled=false", f"paths.store={store}", f"curation.output={output}")  # fmt: skip
    for domain, options in (("math", {"kinds": ["add", "subtract", "word"]}),):
        own = synthetic_pool(domain, 150, 200, 400, 0, levels=[1], **options)
        assert load_curated(output, domain).pool == own
    assert read_card(output).rows["code"] == {"test": 400, "train": 20, "validation": 200}


def test_solve_rates_are_the_models_own_and_bounds_are_kept(
    tmp_path: Path, store: Path, run: Run, composed: Callable[..., DictConfig]
) -> None:
    """A model that knows nothing solves nothing: every row stays until a stronger model's results say the same."""
    config = typed(composed())
    pool = synthetic_pool("math", 30, 0, 0, 0, levels=[1])
    tokenizer = build_tokenizer(None, 300, [pool])
    folder = tmp_path / "model"
    folder.mkdir()
    architecture = build_config(config.model, len(tokenizer), tokenizer.eos_id)
    save_model(folder, build_model(config.model, architecture, 0), tokenizer)
    lines = [json.dumps({"question": p.question, "answer": p.answer, "split": "train"}) for p in pool.train]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    (tmp_path / "evaluation.jsonl").write_text('{"question": "Who was the first on the moon?", "answer": "x"}\n')
    model = [f"curation.difficulty.model={folder}", "curation.difficulty.samples=2", "rollout=transformers",
             "curation.difficulty.max_response_tokens=6", "rollout.engine.max_sequences=32",
             "trainer.threads=1"]  # fmt: skip
    run(*overrides(tmp_path, tmp_path / "set", store, *model))
    rows = list(read_rows(tmp_path / "set"))
    assert [(row.solve_rate, row.samples) for row in rows] == [(0.0, 2)] * 30
    card = read_card(tmp_path / "set")
    assert card.about.steps[-1].kept == {"hard_without_a_stronger_model": 30}
    assert len(card.about.lineage["model"]["weights_hash"]) == 64
    with DatasetWriter(tmp_path / "strong") as writer:
        for number, row in enumerate(rows[:20]):
            writer.add(Row(row.prompt, solve_rate=float(number % 2), samples=4))
        writer.finish(About("strong"))
    model.append(f"curation.difficulty.stronger={tmp_path / 'strong'}")
    run(*overrides(tmp_path, tmp_path / "bounded", store, *model))
    step = read_card(tmp_path / "bounded").about.steps[-1]
    assert step.dropped == {"too_hard": 10}
    assert step.kept == {"solved_by_the_stronger_only": 10, "unknown_to_the_stronger": 10}
    close_shared()
