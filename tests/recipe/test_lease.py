"""Two processes at one stage: the second waits, and has its turn when the first is gone, however it went."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

HOLD = """
import sys
from pathlib import Path
from ringexp.tasks.reuse import _lease
with _lease(Path(sys.argv[1]), sys.argv[2], "0123456789abcdef0123"):
    print("held", file=sys.stderr, flush=True)
    sys.stdin.read()
"""


class Holder:
    """A process that holds a stage's lease until it is told to end, and what it has said."""

    def __init__(self, root: Path, stage: str, said: Path) -> None:
        self.said = said
        with said.open("w") as file:
            self.process = subprocess.Popen([sys.executable, "-c", HOLD, str(root), stage], stdin=subprocess.PIPE,
                                            stderr=file, text=True)  # fmt: skip

    def says(self, words: str, but_not: str = "\0") -> None:
        deadline = time.monotonic() + 60
        while words not in (said := self.said.read_text()):
            assert but_not not in said and self.process.poll() is None and time.monotonic() < deadline, said
            time.sleep(0.05)

    def end(self) -> int:
        self.process.communicate("", timeout=60)
        return self.process.returncode


@pytest.mark.soak
def test_the_second_waits_until_the_first_is_killed(tmp_path: Path) -> None:
    first = Holder(tmp_path, "sft", tmp_path / "first")
    first.says("held")
    second, other = Holder(tmp_path, "sft", tmp_path / "second"), Holder(tmp_path, "select", tmp_path / "other")
    other.says("held")  # another stage is nobody's business
    second.says("waiting for it", but_not="held")
    assert "held" not in second.said.read_text()
    first.process.kill()
    first.process.wait()
    second.says("held")
    assert (second.end(), other.end()) == (0, 0)
