"""Commands in one process, forked from one that has imported what tasks need, which takes longer than most of them.

Each line of standard input asks for some: `{"commands": [["task=sft", …], …], "stdout": path, "stderr": path}`. What
they say goes to these files, on each of the two ending with MARK and the exit status, command by command. The process's
id is printed when it starts, its exit status when it ends.
"""

import gc
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from ringexp import cli

MARK = "\x1e"
IMPORTED = ("vllm.entrypoints.llm", "ringexp.tasks.pipeline")


def main() -> None:
    cli._environment()
    for module in IMPORTED:
        importlib.import_module(module)
    gc.freeze()  # what is looked at is copied
    for line in sys.stdin:
        request = json.loads(line)
        process = os.fork()
        if not process:
            become(request)
            run(request["commands"])
        print(process, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


def become(request: dict[str, Any]) -> None:
    """A process as if started for these commands: a session, standard input and files of its own."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(Path(request[name]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)


def run(commands: list[list[str]]) -> None:
    """One after the other, whatever becomes of each; then out, as the command goes, with the status of the last."""
    status = 0
    for arguments in commands:
        sys.argv = ["ringexp", *arguments]
        try:
            cli.main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        for stream in (sys.stdout, sys.stderr):
            print(f"{MARK}{status}", file=stream, flush=True)
    if status:
        sys.exit(status)
    cli._leave()


if __name__ == "__main__":
    main()
