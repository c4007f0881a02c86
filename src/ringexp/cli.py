"""The `ringexp` command: compose, validate, hand over to a task. Nothing heavy is imported before the task starts."""

import errno
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, cast

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from ringexp import garbage, stopping
from ringexp.config import resolvers
from ringexp.config.schema import Config
from ringexp.config.validate import typed, validate
from ringexp.errors import ConfigError, RingexpError, RingexpWarning
from ringexp.tracking.secrets import scrub

resolvers.register()

PACKAGE = Path(__file__).parent
OWN_TRACE = "HYDRA_FULL_ERROR" in os.environ


def conf_dir() -> Path:
    """The folder of Hydra groups: inside the wheel, or at the top of a checkout."""
    packaged = PACKAGE / "conf"
    return packaged if packaged.is_dir() else PACKAGE.parents[1] / "conf"


ENVIRONMENT = {
    "VLLM_LOGGING_LEVEL": "ERROR",
    "TORCH_CPP_LOG_LEVEL": "ERROR",  # vLLM on the CPU warns of every binding to a NUMA node
    "VLLM_NO_USAGE_STATS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # the URL with its password
}
"""Set before torch and vLLM are imported; what the user has set wins."""

SPIN = "10000"
"""How often a torch thread that waits for the others looks before it sleeps (GOMP_SPINCOUNT): some 20 µs. Sleeping at
once leaves a step of this size with one core's speed, spinning for long slows it tenfold beside another job."""

FULL = (errno.ENOSPC, errno.EDQUOT)
MENDABLE = (RingexpError, HydraException, OmegaConfBaseException)
_OF_HYDRA = {
    "Config group override": "; leave the group out, or name one of its options",
    "can be specified": "; --cfg shows one job: give one value for each key, without -m",
}
"""What Hydra says of a command that cannot be, as part of a ValueError, and what we add."""

_interrupted: list[int] = []
_failed: list[BaseException] = []
_statuses: list[int] = []

_formatwarning = warnings.formatwarning
"""What shows the warnings of others. Taken once, before ours is set: a library imported later may set its own, which
hands on to ours, and handing on to that one would never end."""


def _environment() -> None:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if "OMP_WAIT_POLICY" not in os.environ:  # which a number of turns would override
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN)


def run(cfg: DictConfig) -> Any:
    """Run the configured task; what Hydra calls, once for each job of a multirun.

    An error that the user can mend ends this job with one line; a multirun goes on with its other jobs. The trial of
    a sweep leaves it to the sweeper. Gives what the task measured, where that is one number (float).
    """
    _environment()
    _quiet()
    try:
        config = typed(cfg)
        validate(config)
        outcome = _task(config)(config)
        if isinstance(outcome, int):
            _statuses.append(outcome)
        return outcome if isinstance(outcome, float) else None
    except MENDABLE as error:
        if OWN_TRACE or cfg.get("trial") is not None:
            raise
        _failed.append(error)
        print(f"ringexp: {one_line(error)}", file=sys.stderr)
        return None
    except OSError as error:
        if error.errno not in FULL or cfg.get("trial") is not None:
            raise
        _failed.append(error)
        print(f"ringexp: no space left on the disk ({error.filename or error}): the last checkpoint is intact. Make "
              "room, then give the same command again: it goes on from there", file=sys.stderr)  # fmt: skip
        return None


def main() -> None:
    """Entry point of the console script.

    Exit status: 0, 2 on an error the user can mend, 130/143 when interrupted; a task may have others of its own.
    """
    for ended in (_interrupted, _failed, _statuses):  # of a command before, in the same process
        ended.clear()
    garbage.seldom()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions reach us instead of being printed by Hydra
    signal.signal(signal.SIGTERM, stopping.terminate)
    signal.signal(signal.SIGINT, _interrupt)
    sys.excepthook = _traceback
    _environment()
    _quiet()
    try:
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(run)()
    except MENDABLE as error:
        if OWN_TRACE:
            raise
        print(f"ringexp: {one_line(error)}", file=sys.stderr)
        sys.exit(2)
    except ValueError as error:
        hint = next((hint for words, hint in _OF_HYDRA.items() if words in str(error)), None)
        if OWN_TRACE or hint is None:
            raise
        print(f"ringexp: {error}{hint}", file=sys.stderr)
        sys.exit(2)
    except (KeyboardInterrupt, SystemExit) as end:
        # Lightning turns an interrupt inside a fit into an exit with status 1
        if not (_interrupted or isinstance(end, KeyboardInterrupt)):
            raise
        print("ringexp: interrupted; the same command continues from the last checkpoint", file=sys.stderr)
        sys.exit(130)
    if status := 2 if _failed else max(_statuses, default=0):
        sys.exit(status)


def command() -> None:
    """The console script: `main`, and out at once. Taking torch, vLLM and a million objects apart takes seconds."""
    main()
    if "torch" in sys.modules:
        _leave()


def _leave() -> None:
    """End this process without Python's own clearing up: the record is drained, nothing is unsaved.

    Threads are not waited for: those of idle pools would stay for ever.
    """
    from ringexp.rollout.shared import close_process

    close_process()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def one_line(error: BaseException) -> str:
    """The error's message on one line; of Hydra's and OmegaConf's, the part that names the key and the mend."""
    cause = error.__cause__
    if isinstance(error, HydraException) and isinstance(cause, RingexpError):
        return one_line(cause)
    text = str(error)
    if isinstance(error, HydraException) and isinstance(cause, OmegaConfBaseException):
        text = f"{text} {one_line(cause)}"
    lines = [line.strip() for line in text.split("Config search path:")[0].splitlines() if line.strip()]
    key = next((line.removeprefix("full_key: ") for line in lines if line.startswith("full_key: ")), "")
    message = " ".join(line for line in lines if not line.startswith(("full_key:", "object_type=", "reference_type=")))
    return scrub((f"{key}: {message}" if key and key not in message else message) or type(error).__name__)


def _task(config: Config) -> Callable[[Config], Any]:
    """The function behind `task`, imported now and not before."""
    target = config.task.run["_target_"]
    try:
        return cast(Callable[[Config], Any], hydra.utils.get_method(target))
    except ImportError as error:
        raise ConfigError(f"task.run._target_={target}: {error}") from error


def _traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An error of ours as Python prints it, without secrets."""
    print(scrub("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)


def _quiet() -> None:
    """Leave the terminal to progress bars and our own lines: libraries speak up from warnings on."""
    for name in ("mlflow.system_metrics", "alembic", "mlflow.store.db"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("torch._library.triton").setLevel(logging.ERROR)  # warns that there is none, which nobody needs
    for module in ("vllm", "lightning"):
        warnings.filterwarnings("ignore", module=rf"{module}\..*")
    warnings.filterwarnings("ignore", category=SyntaxWarning, module="<(setup|test)>")  # of published tests of code
    warnings.filterwarnings("always", category=RingexpWarning)
    warnings.formatwarning = _warning


def _warning(message: Warning | str, category: type[Warning], *args: Any, **kwargs: Any) -> str:
    """A warning of ours as one line; any other as Python shows it."""
    if issubclass(category, RingexpWarning):
        return f"ringexp: warning: {scrub(str(message))}\n"
    return _formatwarning(message, category, *args, **kwargs)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    """Ctrl-C, remembered."""
    _interrupted.append(signum)
    signal.default_int_handler(signum, frame)


if __name__ == "__main__":
    command()
