"""What a candidate may use."""

import math
from dataclasses import asdict, dataclass
from typing import Any

_GRACE_SECONDS = 0.7  # the guest keeps its wall limit itself; after that much more it is ended from outside


@dataclass(frozen=True, slots=True)
class Limits:
    """What one candidate and its tests, all calls or cases, may use together where not said otherwise.

    `cpu_seconds` decides; `wall_seconds` is only against a candidate that sleeps. `memory_bytes` is address space, of
    each process; `tmp_bytes` and `tmp_files` what /tmp holds; `open_files` descriptors of the candidate; `value_bytes`
    the JSON text of one returned value, or what a program prints in one case.
    """

    cpu_seconds: float = 4.0
    wall_seconds: float = 20.0
    memory_bytes: int = 512 * 1024**2
    tmp_bytes: int = 16 * 1024**2
    tmp_files: int = 1_000
    open_files: int = 32
    value_bytes: int = 1024**2

    @property
    def patience(self) -> float:
        """Seconds after which a sandbox is ended from outside."""
        return self.wall_seconds + _GRACE_SECONDS

    def asked(self, read_only: bool) -> dict[str, Any]:
        """The limits as the guest reads them.

        A process that may change no file can still write into what the host gave it, a program's output: one byte
        more than it may, so that too much is seen to be too much.
        """
        return {
            **asdict(self),
            "cpu_ceiling": math.ceil(self.cpu_seconds + 0.5),  # the kernel counts its own limit in coarse ticks
            "read_only": read_only,
            "file_bytes": self.value_bytes + 1 if read_only else self.tmp_bytes,
        }
