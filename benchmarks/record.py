"""What logging costs a training process: 40 metrics a step, as an RL step of `ring_tiny` logs them.

    python benchmarks/record.py [--steps 30] [--pause 0.5] [--rl-step 4.3]

Each step logs 40 metrics on a stage's run and those of them that are headlines on the pipeline's, then does nothing for
--pause seconds; every tenth step makes what was logged safe on disk, as a checkpoint does. Counted are the seconds that
the calls take and the processor time of the whole process, the delivering thread's included, less that of the same
loop without logging. Once with MLflow's SQLite store in this process, once with `mlflow server` on loopback.

--rl-step is the time of a step that the cost is a share of (`time/step` of a run). Last line of stdout: one JSON
object; `share_sqlite` and `share_server` are processor time per step over --rl-step.
"""

import argparse
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ringexp.config.schema import TrackingConfig
from ringexp.tracking.loggers import RecordLogger
from ringexp.tracking.names import METRICS
from ringexp.tracking.run import Store

NAMES = [metric.name for metric in METRICS if "<" not in metric.name and metric.name.split("/")[0] not in
         ("best", "eval", "val")][:28]  # fmt: skip
NAMES += [f"{family}/{domain}" for family in ("reward", "length", "entropy/rollout", "mixture/target")
          for domain in ("code", "math", "science")]  # fmt: skip


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The URI of an `mlflow server` with a SQLite store in `folder`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
         "--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", str(folder / "artifacts")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    uri = f"http://127.0.0.1:{port}"
    while process.poll() is None:
        try:
            urllib.request.urlopen(f"{uri}/health", timeout=2).close()
            break
        except OSError:
            time.sleep(0.2)
    try:
        yield uri
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def loop(logger: RecordLogger | None, steps: int, pause: float) -> tuple[float, float]:
    """Seconds in the calls and processor seconds, per step."""
    inside, started = 0.0, time.process_time()
    for step in range(1, steps + 1):
        begin = time.perf_counter()
        if logger is not None:
            logger.log_metrics({name: step + 1 / (n + 2) for n, name in enumerate(NAMES)}, step=step)
            if step % 10 == 0:
                logger.save()
        inside += time.perf_counter() - begin
        time.sleep(pause)
    if logger is not None:
        logger.stage.drain()
        logger.pipeline.drain()
    return inside / steps, (time.process_time() - started) / steps


def measure(uri: str, folder: Path, steps: int, pause: float) -> tuple[float, float]:
    """The cost per step with a store: seconds in the calls, processor seconds beyond those of the bare loop."""
    store = Store(TrackingConfig("benchmark", uri, None, "benchmark", False, str(folder / "outbox")))
    logger = RecordLogger(store.create("stage", {}), store.create("pipeline", {}))
    loop(logger, 3, pause)  # the first batch opens connections
    bare = loop(None, steps, pause)
    logger = RecordLogger(store.create("stage", {}), store.create("pipeline", {}))
    full = loop(logger, steps, pause)
    return full[0], full[1] - bare[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--pause", type=float, default=0.5)
    parser.add_argument("--rl-step", type=float, default=4.3)
    arguments = parser.parse_args()
    assert len(NAMES) == 40
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found["sqlite"] = measure(f"sqlite:///{folder}/mlflow.db", folder, arguments.steps, arguments.pause)
        with server(folder) as uri:
            found["server"] = measure(uri, folder, arguments.steps, arguments.pause)
    result: dict[str, float] = {"metrics": len(NAMES), "steps": arguments.steps, "rl_step": arguments.rl_step}
    print("store    in the calls, ms   processor, ms   of a step")
    for store, (calls, processor) in found.items():
        result |= {f"calls_ms_{store}": round(1e3 * calls, 2), f"processor_ms_{store}": round(1e3 * processor, 2),
                   f"share_{store}": round(processor / arguments.rl_step, 5)}  # fmt: skip
        print(f"{store:8s} {1e3 * calls:16.2f} {1e3 * processor:15.2f} {processor / arguments.rl_step:11.4f}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
