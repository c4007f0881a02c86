"""Several commands in one process, which starts once: `several.py '[["task=sft", …], …]'`.

What each says on its two streams ends with MARK and its exit status.
"""

import json
import sys

from ringexp import cli

MARK = "\x1e"

if __name__ == "__main__":
    for arguments in json.loads(sys.argv[1]):
        sys.argv = ["ringexp", *arguments]
        try:
            cli.main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        for stream in (sys.stdout, sys.stderr):
            print(f"{MARK}{status}", file=stream, flush=True)
