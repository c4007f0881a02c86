"""Extra memory and time of log-probability + entropy from hidden states: ours, dense, TRL's and verl's.

Forward and backward in float32 on the CPU, gradients of hidden states and LM head included, for 2,048 tokens of 512
numbers and vocabularies of 32,768 and 151,936; and, to see that small sizes do not pay for large ones, the 15,000
tokens × 1,024 entries of `ring_tiny`. TRL: the function its GRPO trainer calls, with the trainer's chunk size. verl:
`FusedLinearForPPO`, loaded from its file, since the package itself imports Ray; it runs in .venv-bench, which
`make bench-setup` makes, and is reported as absent without it. Every rival first has to give the values and gradients
of ours on a small input.

Memory is the resident peak (VmHWM) of a fresh process over what it held after the inputs were made and a few tokens
were computed, so that libraries and threads count nowhere. The peak is set back at that point (/proc/self/clear_refs),
or else imports would hide it. Resident pages count what the matrix library allocates too, which torch's own counters
miss. glibc keeps freed blocks of up to 32 MiB by a threshold that moves with the history; here every block above 64 KiB
is given back when freed (MALLOC_MMAP_THRESHOLD_), for all alike, so that the peak is what was alive at once.

Times are taken in other processes with malloc's defaults, one for each rival, which alternates with ours; the ratio is
the median over pairs of ours / rival. Last line of stdout: one JSON object, with `ours_mib_V`, `ours_s_V`, the same for
dense, trl and verl, `ratio_V` (ours / dense), `ratio_trl_V`, `ratio_verl_V`; absent rivals are null.

Linux only; `--pairs 0` measures memory alone.

    python benchmarks/logprob_memory.py [--pairs 5] [--threads 2] [--vocabulary V ...]
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SHAPES = {1024: (15000, 128), 32768: (2048, 512), 151936: (2048, 512)}
"""Vocabulary → tokens, hidden size."""
RIVALS = ("dense", "trl", "verl")
BENCH_PYTHON = ROOT / ".venv-bench/bin/python"
TEMPERATURE = 0.8
Score = Callable[[Any, Any, Any], tuple[Any, Any]]


def module_of(path: Path) -> Any:
    """A module by its file, without the packages around it."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def ours() -> Score:
    fused = module_of(ROOT / "src/ringexp/models/fused_logprob.py")
    return lambda hidden, weight, targets: fused.token_logprob_entropy(hidden, weight, targets, TEMPERATURE)


def dense() -> Score:
    def score(hidden: Any, weight: Any, targets: Any) -> tuple[Any, Any]:
        log_p = (hidden @ weight.T / TEMPERATURE).log_softmax(-1)
        return log_p.gather(1, targets[:, None])[:, 0], -(log_p.exp() * log_p).sum(-1)

    return score


def trl() -> Score:
    from trl.trainer import utils

    def score(hidden: Any, weight: Any, targets: Any) -> tuple[Any, Any]:
        width = utils._CHUNKED_LOGPROB_CHUNK_SIZE
        outputs = ("log_probs", "entropy")
        apply = utils._ChunkedLogProbFunction.apply
        logprobs, entropies, *_ = apply(hidden, weight, None, targets, TEMPERATURE, width, None, 1.0, outputs)
        return logprobs, entropies

    return score


def verl() -> Score:
    package = importlib.util.find_spec("verl")
    assert package and package.submodule_search_locations
    folder = Path(package.submodule_search_locations[0])
    fused = module_of(folder / "utils/experimental/torch_functional.py").FusedLinearForPPO()
    return lambda hidden, weight, targets: fused(hidden, weight, targets, temperature=TEMPERATURE)


CASES = {"ours": ours, "dense": dense, "trl": trl, "verl": verl}


def inputs(tokens: int, vocabulary: int, width: int) -> tuple[Any, ...]:
    """Hidden states, LM head, targets, and the gradients that come in."""
    import torch

    draw = torch.Generator().manual_seed(0)
    hidden = torch.randn(tokens, width, generator=draw).requires_grad_()
    weight = torch.randn(vocabulary, width, generator=draw).mul_(2 * width**-0.5).requires_grad_()
    targets = torch.randint(vocabulary, (tokens,), generator=draw)
    return hidden, weight, targets, torch.randn(tokens, generator=draw), torch.randn(tokens, generator=draw)


def step(score: Score, hidden: Any, weight: Any, targets: Any, *incoming: Any) -> tuple[Any, ...]:
    """Forward and backward: log-probability, entropy and both gradients."""
    import torch

    hidden.grad = weight.grad = None
    outputs = score(hidden, weight, targets)
    torch.autograd.backward(outputs, incoming)
    return *(x.detach() for x in outputs), hidden.grad, weight.grad


def resident(key: str) -> int:
    """A line of /proc/self/status in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{key}:")[1].split()[0]) * 1024


def measure_memory(case: str, vocabulary: int) -> dict[str, float]:
    score = CASES[case]()
    step(score, *inputs(8, 64, 16))
    tokens, width = SHAPES[vocabulary]
    prepared = inputs(tokens, vocabulary, width)
    Path("/proc/self/clear_refs").write_text("5")
    held = resident("VmRSS")
    step(score, *prepared)
    return {"mib": (resident("VmHWM") - held) / 2**20}


def agree(own: Score, other: Score) -> None:
    """Both give the same values and gradients."""
    import torch

    small = inputs(96, 5000, 64)
    for mine, theirs in zip(step(own, *small), step(other, *small), strict=True):
        torch.testing.assert_close(mine, theirs, atol=2e-5, rtol=1e-4)


def measure_time(case: str, vocabulary: int, pairs: int) -> dict[str, float]:
    own, other = ours(), CASES[case]()
    agree(own, other)
    tokens, width = SHAPES[vocabulary]
    prepared = inputs(tokens, vocabulary, width)

    def seconds(score: Score) -> float:
        start = time.perf_counter()
        step(score, *prepared)
        return time.perf_counter() - start

    for score in (own, other):
        seconds(score)
    times = [(seconds(own), seconds(other)) if i % 2 else (seconds(other), seconds(own))[::-1] for i in range(pairs)]
    mine, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    return {"ours_s": mine, "s": theirs, "ratio": statistics.median(a / b for a, b in times)}


def in_fresh_process(case: str, vocabulary: int, pairs: int, threads: int) -> dict[str, float] | None:
    """One measurement, memory if `pairs` is 0; None where verl is not installed."""
    python = BENCH_PYTHON if case == "verl" else Path(sys.executable)
    if not python.exists():
        return None
    environment = {
        **os.environ,
        "GOMP_SPINCOUNT": "10000",
        "OMP_NUM_THREADS": str(threads),
        "PYTHONWARNINGS": "ignore",
    }
    if not pairs:
        environment["MALLOC_MMAP_THRESHOLD_"] = str(1 << 16)
    command = [str(python), __file__, "--case", case, "--vocabulary", str(vocabulary), "--pairs", str(pairs)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def show(vocabulary: int, figures: dict[str, float | None]) -> None:
    tokens, width = SHAPES[vocabulary]
    print(
        f"\n{tokens:,} tokens of {width}, vocabulary {vocabulary:,}\n{'':<8}{'MiB':>10}{'seconds':>10}{'ours/it':>10}"
    )
    for case in CASES:
        row = [figures.get(f"{case}_{kind}_{vocabulary}") for kind in ("mib", "s")]
        row.append(figures.get(f"ratio_{vocabulary}" if case == "dense" else f"ratio_{case}_{vocabulary}"))
        cells = [
            f"{x:>10.{digits}f}" if x is not None else f"{'-':>10}" for x, digits in zip(row, (0, 3, 2), strict=True)
        ]
        absent = "   absent: make bench-setup" if row[0] is None else ""
        print(f"{case:<8}" + "".join(cells) + absent, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--vocabulary", type=int, nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--case", choices=list(CASES), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        vocabulary = given.vocabulary[0]
        timed = given.pairs > 0
        measured = (
            measure_time(given.case, vocabulary, given.pairs) if timed else measure_memory(given.case, vocabulary)
        )
        print(json.dumps(measured))
        return
    figures: dict[str, float | None] = {}
    for vocabulary in given.vocabulary:
        for case in CASES:
            memory = in_fresh_process(case, vocabulary, 0, given.threads)
            figures[f"{case}_mib_{vocabulary}"] = memory["mib"] if memory else None
        for case in RIVALS if given.pairs else ():
            timed = in_fresh_process(case, vocabulary, given.pairs, given.threads)
            figures[f"{case}_s_{vocabulary}"] = timed["s"] if timed else None
            figures[f"ratio_{vocabulary}" if case == "dense" else f"ratio_{case}_{vocabulary}"] = (
                timed["ratio"] if timed else None
            )
            if case == "dense" and timed:
                figures[f"ours_s_{vocabulary}"] = timed["ours_s"]
        show(vocabulary, figures)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
