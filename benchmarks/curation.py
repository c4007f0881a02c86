"""Curation of many rows with planted duplicates and contamination: what is found, how long it takes, how much memory.

    python benchmarks/curation.py [--rows 100000] [--kills 5] [--folder DIR]

The real command (task=curate) in a process of its own, on a JSONL file of `curation_rows`. Memory is that of the
process and its children, sampled every 50 ms; "idle" is the peak of the same command on 20 rows. Then the same again
into another folder, killed with SIGKILL `--kills` times at even intervals and continued, and compared byte by byte.
Last line of stdout: one JSON object; shares are of the rows of a kind.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from curation_rows import plant, shares_dropped


def command(folder: Path, output: Path, store: Path) -> list[str]:
    return [sys.executable, "-m", "ringexp.cli", "task=curate", "data=jsonl", f"data.path={folder / 'rows.jsonl'}",
            f"paths.store={store}", f"curation.output={output}", "progress=false",
            f"curation.against={{planted: {{path: {folder / 'evaluation.jsonl'}}}}}"]  # fmt: skip


def memory(process: psutil.Process) -> int:
    """Resident bytes of a process and its children."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def run(words: list[str], kill_after: float | None = None) -> tuple[float, int]:
    """Seconds and peak memory; with `kill_after` the process group is killed then, if it has not ended."""
    started, peak = time.monotonic(), 0
    process = subprocess.Popen(words, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               text=True)  # fmt: skip
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            peak = max(peak, memory(watched))
        except psutil.NoSuchProcess:
            break
        if kill_after is not None and time.monotonic() - started > kill_after:
            os.killpg(process.pid, signal.SIGKILL)
            break
        time.sleep(0.05)
    _, errors = process.communicate()
    if kill_after is None and process.returncode:
        sys.exit(errors[-3000:])
    return time.monotonic() - started, peak


def contents(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def measure(folder: Path, count: int, kills: int) -> dict[str, object]:
    small, large = folder / "small", folder / "large"
    for place in (small, large):
        place.mkdir(parents=True)
    plant(small, 20)
    kinds = plant(large, count)
    _, idle = run(command(small, folder / "set-small", folder / "store"))
    seconds, peak = run(command(large, folder / "set", folder / "store"))
    found: dict[str, object] = {"rows": count, "seconds": round(seconds, 1), "idle_mib": idle >> 20,
                                "above_idle_mib": (peak - idle) >> 20}  # fmt: skip
    found |= {f"dropped_{kind}": round(share, 5) for kind, share in shares_dropped(folder / "set", kinds).items()}
    if kills:
        words = command(large, folder / "set-killed", folder / "store-killed")
        for _ in range(kills):
            run(words, seconds * 1.5 / (kills + 1))
        rest, _ = run(words)
        same = contents(folder / "set") == contents(folder / "set-killed")
        found |= {"kills": kills, "rest_seconds": round(rest, 1), "same_bytes_after_kills": same}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="keep everything here (default: a temporary folder)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        print(json.dumps(measure(arguments.folder or Path(temporary), arguments.rows, arguments.kills)))


if __name__ == "__main__":
    main()
