"""How long the HTML report of 1,000 stored runs takes, from an SQLite store and through a tracking server.

    python benchmarks/report.py [--runs 1000] [--store FOLDER] [--server]

Writes finished pipelines of two domains through MLflow's client: 15 metrics × 48 steps each, final scores, parameters,
tags, config.yaml, and a `select` stage for each; 4 seeds of every configuration, of every 50 runs one failed. A store
that is there already is measured as it is. What is timed is the command `python analysis/report.py`, start of Python
included. The server answers one small request before it is measured.
Last line of stdout: one JSON object; `sqlite_seconds` and, with --server, `server_seconds`.
"""

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
STEPS = 48
SEEDS = 4
DOMAINS = ("math", "code")
CURVES = ("train/loss", "train/grad_norm", "val/loss", "entropy/rollout", "entropy/teacher_forced", "reward/mean",
          "length/mean", "budget/tokens", "kl/reference", "eval/mean/pass_at_1", "reward/math", "reward/code",
          "length/truncated", "budget/fill", "throughput/tokens_per_second")  # fmt: skip
EXPERIMENT = "synthetic"


def write(store: Path, runs: int) -> None:
    """Fill the store with `runs` pipelines."""
    store.mkdir(parents=True, exist_ok=True)
    client = MlflowClient(f"sqlite:///{store}/mlflow.db")
    experiment = client.create_experiment(EXPERIMENT, artifact_location=(store / "artifacts").resolve().as_uri())
    draw = random.Random(0)
    for number in range(runs):
        pipeline(client, experiment, number, draw)


def pipeline(client: MlflowClient, experiment: str, number: int, draw: random.Random) -> None:
    variant, seed = divmod(number, SEEDS)
    now = int(time.time() * 1000)
    tags = {"ringexp.kind": "pipeline", "ringexp.seed": str(seed), "ringexp.source_hash": "0" * 64}
    run = client.create_run(experiment, tags=tags, run_name=f"synthetic {variant} · s{seed}").info.run_id
    points = [Metric(name, draw.random(), now, step) for name in CURVES for step in range(1, STEPS + 1)]
    points += [Metric(f"final/{kind}/{domain}/pass_at_1", draw.random(), now, STEPS)
               for kind in ("sft", "rl") for domain in (*DOMAINS, "mean")]  # fmt: skip
    weight = variant / 1000
    params = {"experiment": EXPERIMENT, "algorithm": "c3po", "schedule": "two_stage", "seed": seed,
              "stages": f"math: {weight:.3f}; code: {1 - weight:.3f}", "rl_steps": STEPS}  # fmt: skip
    client.log_batch(run, metrics=points, params=[Param(key, str(value)) for key, value in params.items()])
    config = (ROOT / "conf" / "algorithm" / "c3po.yaml").read_text()
    client.log_text(run, f"seed: {seed}\nweight: {weight}\n{config}", "config.yaml")
    tags = {"ringexp.kind": "stage", "ringexp.stage": "select", "mlflow.parentRunId": run}
    stage = client.create_run(experiment, tags=tags, run_name=f"select · s{seed}").info.run_id
    decided = {"selected_step": "40", "rule": "entropy_band", "reason": "nearest to the centre", "fallback": "false"}
    client.log_batch(stage, metrics=[Metric("select/entropy/rollout", 0.14, now, STEPS)],
                     tags=[RunTag(f"ringexp.{key}", value) for key, value in decided.items()])  # fmt: skip
    client.set_terminated(stage)
    client.set_terminated(run, "FAILED" if number % 50 == 49 else "FINISHED")


def report(*options: str) -> tuple[float, int]:
    """Seconds of the command, bytes of the page."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "report.html"
        start = time.perf_counter()
        command = [sys.executable, str(ROOT / "analysis" / "report.py"), "--experiment", EXPERIMENT, "--out", str(out)]
        subprocess.run([*command, *options], check=True, capture_output=True)
        return time.perf_counter() - start, out.stat().st_size


@contextmanager
def server(store: Path) -> Iterator[str]:
    """`mlflow server` on a free port of the loopback, until the body ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{store}/mlflow.db",
               "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]  # fmt: skip
    quiet = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # its job runners compete for the cores
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=quiet)
    try:
        uri = f"http://127.0.0.1:{port}"
        while not answers(f"{uri}/health"):
            if process.poll() is not None:
                raise RuntimeError(f"mlflow server ended with status {process.returncode}")
            time.sleep(0.5)
        yield uri
    finally:
        process.terminate()
        process.wait()


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--store", type=Path, help="where the runs are or will be (default: a temporary folder)")
    parser.add_argument("--server", action="store_true", help="measure through a tracking server too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = (arguments.store or Path(folder)).resolve()
        if not (store / "mlflow.db").is_file():
            start = time.perf_counter()
            write(store, arguments.runs)
            print(f"{arguments.runs} runs written in {time.perf_counter() - start:.0f} s", file=sys.stderr)
        measured = {"sqlite": report("--store", str(store))}
        if arguments.server:
            with server(store) as uri:
                MlflowClient(uri).search_experiments()
                measured["server"] = report("--uri", uri)
    table = Table("store", "seconds", "page, MB", title=f"report of {arguments.runs} runs")
    for name, (seconds, size) in measured.items():
        table.add_row(name, f"{seconds:.1f}", f"{size / 1e6:.1f}")
    Console().print(table)
    print(json.dumps({"runs": arguments.runs, **{f"{name}_seconds": round(s, 2) for name, (s, _) in measured.items()}}))


if __name__ == "__main__":
    main()
