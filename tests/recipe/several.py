"""Several commands in one process, which starts once: `several.py '[["task=sft", …], …]'`."""

import json
import sys

from ringexp import cli

for arguments in json.loads(sys.argv[1]):
    sys.argv = ["ringexp", *arguments]
    cli.main()
