"""Being asked to stop: SIGTERM ends a run at once; during a fit, when the step is done and a checkpoint saved."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StepsDone(Exception):
    """As many steps are trained as were asked for; the stage is not at its end."""


class Pruned(Exception):
    """A search ends this run early: others are ahead of it."""


_deferring = False
_asked = 0


def terminate(signum: int, frame: FrameType | None) -> None:
    """Handler of SIGTERM. A second signal ends the run at once, whatever it does."""
    global _asked
    if _deferring and not _asked:
        _asked = signum
        print("ringexp: asked to stop: saving a checkpoint after this step (a second signal stops at once)",
              file=sys.stderr, flush=True)  # fmt: skip
        return
    _asked = signum
    raise SystemExit(128 + signum)


def asked() -> bool:
    """Whether the run is to stop after this step."""
    return bool(_asked)


def stop() -> None:
    """End the run as the signal would have. Raises SystemExit."""
    raise SystemExit(128 + _asked)


@contextmanager
def deferred() -> Iterator[None]:
    """In the body, the first SIGTERM only asks; what runs there must look at `asked` and `stop`."""
    global _deferring, _asked
    _deferring, _asked = True, 0
    try:
        yield
    finally:
        _deferring = False
