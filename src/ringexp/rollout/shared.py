"""One engine per process, kept between pipelines: a multirun loads it once.

An engine synced n times generates what a freshly loaded one does, so a pipeline cannot tell that it is not alone.
"""

from collections.abc import Callable

from ringexp.rollout.engine import RolloutEngine
from ringexp.rollout.vllm_process import VLLMProcessEngine

_current: tuple[str, RolloutEngine] | None = None


def shared_engine(key: str, build: Callable[[], RolloutEngine]) -> RolloutEngine:
    """The engine for `key` (a hash of all it depends on); another key's engine, or a dead one, is closed first."""
    global _current
    if _current is not None and (_current[0] != key or not _current[1].alive):
        close_shared()
    if _current is None:
        _current = (key, build())
    return _current[1]


def close_shared() -> None:
    """Close the process's engine, if it has one."""
    global _current
    if _current is not None:
        (_, engine), _current = _current, None
        engine.close()


def close_process() -> None:
    """Close the engine where it has a process of its own; one in this process ends with it."""
    if _current is not None and isinstance(_current[1], VLLMProcessEngine):
        close_shared()
