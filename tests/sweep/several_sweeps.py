"""Several commands of the application in one process, which starts once: `several_sweeps.py '[["app.py", …], …]'`."""

import json
import runpy
import sys
from contextlib import suppress
from pathlib import Path

for arguments in json.loads(sys.argv[1]):
    sys.argv = arguments
    sys.path[0] = str(Path(arguments[0]).parent)
    with suppress(SystemExit):
        runpy.run_path(arguments[0], run_name="__main__")
