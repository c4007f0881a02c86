"""Where the time of our own RL step goes, on the CPU in float32.

    python benchmarks/rl_profile.py [--steps 6] [--checkpoint FOLDER]

First table: the parts of a step as the module logs them (`time/…`), medians of steps that no profiler slows. Second
table: the training part under torch's profiler, by what is computed: self times of operators, and what is left of the
wall time, which is Python and the dispatch of operators. A profiler makes small operators look dearer, so the second
table's shares are put on the first one's seconds.

Engine and arithmetic are generation, matrix products and attention: what any implementation has to compute. Everything
else is ours to save. Responses as in `rl_step.py`, of `ring_tiny`'s maths; nothing is capped.

Last line of stdout: one JSON object; `above` is the share of a step that is neither engine nor arithmetic.
"""

import os

os.environ.setdefault("GOMP_SPINCOUNT", "10000")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")

import argparse
import json
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from lightning.pytorch import Callback
from peers import Kept, say
from rl_step import add_sizes, maths, open_workspace, our_module, overrides
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader

from ringexp.cli import conf_dir
from ringexp.config.validate import typed
from ringexp.rl.module import C3POModule
from ringexp.training.fit import fit

PRODUCTS = ("aten::mm", "aten::addmm", "aten::addmm_", "aten::bmm", "aten::baddbmm")
OTHER, PYTHON = "element-wise, sums, copies", "Python and dispatch"


def kind(name: str) -> str:
    """What an operator of the profile is counted as."""
    if name in PRODUCTS:
        return "matrix products"
    if "scaled_dot_product" in name:
        return "attention"
    return OTHER if name.startswith("aten::") else PYTHON  # the bodies of autograd functions, and ranges


class Watched(Callback):  # type: ignore[misc]
    """Keeps what each step logs; profiles the training part of the steps from `first` on."""

    def __init__(self, module: C3POModule, logger: Kept, first: int) -> None:
        self.steps: list[dict[str, float]] = []
        self.kinds: dict[str, float] = defaultdict(float)
        self.module, self._logger, self._first, self._train = module, logger, first, module._train
        module._train = self._profiled  # type: ignore[method-assign, assignment]

    def _profiled(self, *args: Any) -> None:
        if self.module.step < self._first:
            self._train(*args)
            return
        with profile(activities=[ProfilerActivity.CPU]) as found:
            start = time.perf_counter()
            self._train(*args)
            wall = time.perf_counter() - start
        own: dict[str, float] = defaultdict(float)
        for event in found.key_averages():
            own[kind(event.key)] += event.self_cpu_time_total / 1e6
        own[PYTHON] += wall - sum(own.values())
        for name, seconds in own.items():
            self.kinds[name] += seconds

    def on_train_batch_end(self, *_: object) -> None:
        """Lightning's hook."""
        self.steps.append(dict(self._logger.last))
        say(f"step {len(self.steps)}: {self._logger.last['time/step']:.2f} s")


def report(watched: Watched, warmup: int, plain: int) -> None:
    """Both tables, and the JSON object."""
    steps = watched.steps[warmup : warmup + plain]
    seconds = {part: statistics.median(step[f"time/{part}"] for step in steps)
               for part in ("rollout", "reward", "train", "sync", "step")}
    seconds["other"] = seconds["step"] - sum(seconds[part] for part in ("rollout", "reward", "train", "sync"))
    whole = seconds.pop("step")
    print(f"a step: {whole:.2f} s, median of {plain}")
    for part, value in seconds.items():
        print(f"  {part:28s} {value:6.2f} s  {value / whole:6.1%}")
    by_size = sorted(watched.kinds.items(), key=lambda item: -item[1])
    total = sum(watched.kinds.values())
    shares = {name: seconds["train"] * value / total for name, value in by_size}
    profiled = len(watched.steps) - warmup - plain
    print(f"its training part: {seconds['train']:.2f} s, by the shares of {profiled} profiled steps")
    for name, value in shares.items():
        print(f"  {name:28s} {value:6.2f} s  {value / whole:6.1%}")
    needed = seconds["rollout"] + shares["matrix products"] + shares["attention"]
    print(f"above engine and arithmetic: {whole - needed:.2f} s, {1 - needed / whole:.1%} of the step")
    rounded = {name: round(value, 3) for name, value in (seconds | shares).items()}
    print(json.dumps({"above": round(1 - needed / whole, 3), "seconds": round(whole, 3), "parts": rounded}))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=6, help="steps timed without a profiler, and as many with it")
    parser.add_argument("--warmup", type=int, default=2, help="steps before them, left out")
    parser.add_argument("--checkpoint", type=Path, help="start from these weights and tokenizer, not random ones")
    add_sizes(parser)
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    plain = arguments.steps
    arguments.steps *= 2
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = typed(compose("config", overrides(arguments)))
    torch.set_num_threads(config.trainer.threads)
    with tempfile.TemporaryDirectory() as folder:
        workspace = open_workspace(config, arguments.checkpoint, Path(folder))
        logger = Kept()
        watched = Watched(our_module(workspace), logger, arguments.warmup + plain)
        loader = DataLoader(maths(workspace), batch_size=None)
        fit(watched.module, loader, config.trainer, logger, [watched], None, None)
        workspace.verifier.close()
    report(watched, arguments.warmup, plain)


if __name__ == "__main__":
    main()
