"""The stack of compose.yaml for real: the pipeline while its server is killed, and a sweep of two workers."""

import importlib.util
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator

import boto3
import optuna
import pytest
from botocore.config import Config
from mlflow import MlflowClient
from mlflow.entities import Run
from pipelines import Store, ringexp
from stack import GIVEN, ROOT, Stack, programs

from ringexp.tracking.names import NOT_REPEATED

AWAY = 30.0
SMALL = ("debug=fast", "progress=false")
LONGER = ("sft.max_steps=200", "sft.checkpoint_every=50")
Curves = dict[tuple[str, str], list[tuple[int, float]]]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    if programs() is None:
        pytest.skip("no PostgreSQL server here (Debian's package postgresql)")
    if importlib.util.find_spec("moto") is None:
        pytest.skip("no moto here (of the dev extra)")
    running = Stack(tmp_path_factory.mktemp("stack"))
    try:
        running.start()
        yield running
    finally:
        running.stop()


def runs(stack: Stack, kind: str) -> list[Run]:
    client = MlflowClient(stack.url("mlflow"))
    found = client.search_runs([e.experiment_id for e in client.search_experiments()])
    return [run for run in found if run.data.tags.get("ringexp.kind") == kind]


def curves(client: MlflowClient, pipeline: str) -> Curves:
    """Every metric of a pipeline and its stages, without times and rates."""
    experiment = client.get_run(pipeline).info.experiment_id
    stages = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{pipeline}'")
    return {(run.info.run_name, key): [(p.step, p.value) for p in client.get_metric_history(run.info.run_id, key)]
            for run in [*stages, client.get_run(pipeline)] for key in run.data.metrics
            if not key.startswith(NOT_REPEATED)}  # fmt: skip


def stored(stack: Stack) -> set[str]:
    """The names of what lies in the bucket."""
    client = boto3.client("s3", endpoint_url=stack.url("storage"), aws_access_key_id=GIVEN["S3_ACCESS_KEY"],
                          aws_secret_access_key=GIVEN["S3_SECRET_KEY"], region_name="us-east-1",
                          config=Config(s3={"addressing_style": "path"}))  # fmt: skip
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="mlflow")
    return {item["Key"] for page in pages for item in page.get("Contents", [])}


def test_what_runs_once_may_run_again(stack: Stack) -> None:
    """`docker compose up` runs the one-off jobs anew each time."""
    assert "is there" in stack.once("bucket")
    stack.once("studies")


def test_another_host_name_is_refused(stack: Stack) -> None:
    """The name that jobs call it by is let in, another is not: a page in a browser cannot talk to it."""
    def status(host: str) -> int:
        request = urllib.request.Request(f"{stack.url('mlflow')}/api/2.0/mlflow/experiments/search?max_results=1",
                                         headers={"Host": host})  # fmt: skip
        try:
            return int(urllib.request.urlopen(request, timeout=120).status)
        except urllib.error.HTTPError as error:
            return int(error.code)

    assert status("mlflow:5000") == 200
    assert status("elsewhere.example") == 403


def test_a_pipeline_of_which_the_server_is_killed_for_half_a_minute_loses_nothing(stack: Stack) -> None:
    """Every curve is that of the same pipeline on SQLite; artifacts are in the store; the run names its image."""
    quiet = stack.folder / "quiet"
    done = ringexp(f"paths.store={quiet}", "seed=3", *LONGER)
    assert done.returncode == 0, done.stderr[-3000:]
    words, environment = stack.job(*SMALL, "seed=3", *LONGER)
    log = stack.folder / "job.log"
    with log.open("wb") as output:
        process = subprocess.Popen(words, env=environment, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT)
        while not list((stack.folder / "runs").glob("*/sft-*/step-000050")):
            assert process.poll() is None, log.read_text()[-3000:]
            time.sleep(0.05)
        stack.kill("mlflow")
        time.sleep(AWAY)
        stack.serve("mlflow")
        assert process.wait(timeout=900) == 0, log.read_text()[-3000:]
    client = MlflowClient(stack.url("mlflow"))
    (pipeline,) = runs(stack, "pipeline")
    (expected,) = Store(quiet).kind("pipeline")
    assert curves(client, pipeline.info.run_id) == curves(Store(quiet).client, expected.info.run_id)
    assert pipeline.data.tags["ringexp.image_digest"] == GIVEN["RINGEXP_IMAGE_DIGEST"]
    assert not list((stack.folder / "runs/outbox").iterdir())
    assert pipeline.info.artifact_uri.startswith("mlflow-artifacts:")
    names = {path.rsplit("/artifacts/", 1)[1] for path in stored(stack) if pipeline.info.run_id in path}
    assert {"config.yaml", "summary.json", "lock.txt", "samples/sft.json"} <= names
    for path in stack.folder.rglob("*"):
        for secret in (GIVEN["POSTGRES_PASSWORD"], GIVEN["S3_SECRET_KEY"]):
            assert not path.is_file() or secret.encode() not in path.read_bytes(), path


def test_two_workers_share_a_sweep(stack: Stack) -> None:
    """As `--scale ringexp=2`: one study in PostgreSQL, exactly four trials, one run each, seen by the dashboard."""
    words, environment = stack.job(*SMALL, "sweep=two_stage_mixing", "hydra.sweeper.n_trials=4")
    logs = [stack.folder / f"worker-{n}.log" for n in range(2)]
    workers = []
    for path in logs:
        with path.open("wb") as output:
            workers.append(subprocess.Popen(words, env=environment, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT))
    for worker, path in zip(workers, logs, strict=True):
        assert worker.wait(timeout=1800) == 0, path.read_text()[-3000:]
    (sweep,) = runs(stack, "sweep")
    trials = [run for run in runs(stack, "pipeline") if run.data.tags.get("mlflow.parentRunId") == sweep.info.run_id]
    assert sorted(int(run.data.tags["ringexp.trial"]) for run in trials) == [0, 1, 2, 3]
    here = studies(stack)
    (study,) = optuna.get_all_study_summaries(here)
    finished = optuna.load_study(study_name=study.study_name, storage=here).trials
    assert {trial.state.name for trial in finished} <= {"COMPLETE", "PRUNED"}
    assert len({trial.user_attrs["owner"]["pid"] for trial in finished}) == 2
    shown = urllib.request.urlopen(f"{stack.url('dashboard')}/api/studies", timeout=30).read().decode()
    assert study.study_name in shown
    assert any(sweep.info.run_id in path and path.endswith("study.html") for path in stored(stack))


def studies(stack: Stack) -> optuna.storages.BaseStorage:
    """Optuna's storage by the address that the dashboard has, with the password."""
    words, environment = stack.command("dashboard")
    url = words[-1].replace("ringexp@", f"ringexp:{urllib.parse.quote(environment['PGPASSWORD'], safe='')}@")
    return optuna.storages.RDBStorage(url)
