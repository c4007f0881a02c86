"""A job without torch and MLflow: it sleeps, reports, fails and dies as it is told, and writes down what it did."""

import json
import math
import os
import signal
import sys
import time
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from ringexp.errors import RingexpError
from ringexp.sweep.trial import handle


def note(cfg: DictConfig, **what: object) -> None:
    with Path(cfg.events).open("a") as file:
        file.write(json.dumps({"time": time.time(), "pid": os.getpid(), **what}) + "\n")


def run(cfg: DictConfig) -> float | None:
    number = cfg.trial.number if cfg.trial else -1
    job = HydraConfig.get().job.num if cfg.trial else -1
    point = {"x": cfg.x, "y": cfg.y, "kind": cfg.kind, "rate": cfg.rate, "seed": cfg.seed}
    note(cfg, event="begin", number=number, job=job, point=point)
    trial = handle(cfg.trial)
    trial.set("folder", HydraConfig.get().runtime.output_dir)
    if cfg.die_at in (number, "all"):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(cfg.sleep if cfg.sleep >= 0 else -cfg.sleep * (1 + number % 3))
    if cfg.waits_at == number:
        wait_for_others(cfg, 3)
    if number in cfg.fail_at:
        raise ValueError(f"told to fail\nwith password=hunter2 at trial {number}")
    value = (cfg.x - 0.3) ** 2 + cfg.y + cfg.rate
    if cfg.measure:
        measured = {"gain/math": cfg.y + cfg.seed**2, "gain/code": cfg.y * cfg.seed, "gain/mean": value}
        trial.set("measured", measured)
    if number in cfg.nan_at:
        value = math.nan
    if cfg.curves is not None:
        value = follow(cfg, trial)
    note(cfg, event="end", number=number, job=job, value=value)
    return value


def wait_for_others(cfg: DictConfig, count: int) -> None:
    """Until so many jobs have ended."""
    deadline = time.monotonic() + 60
    while Path(cfg.events).read_text().count('"event": "end"') < count:
        if time.monotonic() > deadline:
            raise TimeoutError("the others do not come to their ends")
        time.sleep(0.05)


def follow(cfg: DictConfig, trial: object) -> float:
    """Report one of the curves step by step."""
    curve = json.loads(Path(cfg.curves).read_text())[cfg.y]
    for step, value in enumerate(curve):
        note(cfg, event="step", y=cfg.y)
        trial.report(value, step)
    return curve[-1]


if __name__ == "__main__":
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        hydra.main(version_base="1.3", config_path=".", config_name="config")(run)()
    except RingexpError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except Exception as error:
        if isinstance(error.__cause__, RingexpError):
            print(f"error: {error.__cause__}", file=sys.stderr)
            sys.exit(2)
        raise
