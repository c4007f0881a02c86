"""What every rank of data-parallel training knows of itself, and what runs in the processes that rank 0 spawns.

The launching side is `ranks`. A spawned rank leads a process group of its own, which it takes with it when it ends: no
engine or loader of a rank outlives it.
"""

import contextlib
import hashlib
import logging
import os
import pickle
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

import torch
from lightning.fabric.plugins.environments import ClusterEnvironment
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from ringexp.errors import ConfigError, RingexpError


class RankDivergedError(RingexpError):
    """Two ranks hold different weights; the message names the first tensor that differs."""


LEAVE, VALUE, RAISED = b"", b"v", b"e"
"""Over the pipe: an empty message from rank 0 ends a rank; to rank 0, what follows these bytes is pickled."""


@dataclass(frozen=True)
class RankEnvironment(ClusterEnvironment):  # type: ignore[misc]
    """Tells Lightning this process's rank out of `world`, all on this machine, and where rank 0 listens."""

    rank: int
    world: int
    address: str
    port: int

    @property
    def creates_processes_externally(self) -> bool:
        """True: Lightning starts no process."""
        return True

    @property
    def main_address(self) -> str:
        """Where rank 0 listens."""
        return self.address

    @property
    def main_port(self) -> int:
        """The port that rank 0 listens on."""
        return self.port

    @staticmethod
    def detect() -> bool:
        """False: it is always given, never guessed from environment variables."""
        return False

    def world_size(self) -> int:
        """The number of ranks."""
        return self.world

    def set_world_size(self, size: int) -> None:
        """Lightning's hook; the number is fixed, see `validate_settings`."""

    def global_rank(self) -> int:
        """This process's rank."""
        return self.rank

    def set_global_rank(self, rank: int) -> None:
        """Lightning's hook; the rank is fixed."""

    def local_rank(self) -> int:
        """The rank: there is one machine."""
        return self.rank

    def node_rank(self) -> int:
        """0: there is one machine."""
        return 0

    def validate_settings(self, num_devices: int, num_nodes: int) -> None:
        """Raises ConfigError where the Trainer counts other processes than there are."""
        if num_devices * num_nodes != self.world:
            raise ConfigError(f"trainer.lightning.devices={num_devices} (num_nodes={num_nodes}): {self.world} ranks "
                              f"were started; give devices={self.world}, num_nodes=1")  # fmt: skip


class KeepSigterm(Callback):  # type: ignore[misc]
    """Keeps this process's own SIGTERM handler during a fit.

    With several ranks Lightning's handler calls a collective inside the signal handler, in the middle of whatever the
    ranks exchange just then: rank 0 would hang or fail instead of ending.
    """

    def setup(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Lightning's hook: comes before Lightning puts its handler."""
        self._handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Lightning's hook: comes after."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._handler)


def check_equal(module: nn.Module) -> None:
    """Compare the weights (parameters, persistent buffers) of all ranks, byte for byte; every rank must call it.

    Raises RankDivergedError, on every rank. Without a process group there is nothing to compare.
    """
    if not torch.distributed.is_initialized():
        return
    own = {name: _digest(tensor) for name, tensor in module.state_dict().items() if isinstance(tensor, Tensor)}
    digests: list[dict[str, str]] = [{} for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather_object(digests, own)
    for rank, other in enumerate(digests):
        differing = [name for name in digests[0] | other if digests[0].get(name) != other.get(name)]
        if differing:
            raise RankDivergedError(f"ranks 0 and {rank} hold different weights: {differing[0]} is the first of "
                                    f"{len(differing)} tensors that differ")  # fmt: skip


def _digest(tensor: Tensor) -> str:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    digest = hashlib.sha256(flat.view(torch.uint8).numpy().tobytes()).hexdigest()
    return f"{tensor.dtype} {tuple(tensor.shape)} {digest}"


def serve(
    connection: Connection, environment: RankEnvironment, parent: int, threads: int,
    initializer: Callable[[RankEnvironment], object] | None,
) -> None:
    """Main function of a spawned rank: does rank 0's jobs one after the other, `function(environment, *args)`.

    Ends when told to, when rank 0 (process id `parent`) is gone, and after a job that raised: the other ranks may wait
    in a collective for this one, and only its end wakes them. No exit handlers run: what a job opens it must close.
    """
    os.setpgid(0, 0)
    _end_with(parent)
    for signum in (signal.SIGINT, signal.SIGTERM):  # rank 0 decides; not SIG_IGN, which children would inherit
        signal.signal(signum, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    torch.set_num_threads(threads)
    rank_zero_only.rank = environment.rank
    _quiet()
    try:
        if initializer is not None:
            initializer(environment)
        while (job := _received(connection)) != LEAVE:
            function, args = pickle.loads(job)
            connection.send_bytes(VALUE + pickle.dumps(function(environment, *args)))
    except BaseException as error:
        line = traceback.format_exception_only(error)[-1].strip()
        with contextlib.suppress(OSError):  # rank 0 may be gone
            connection.send_bytes(RAISED + pickle.dumps((line, traceback.format_exc())))
        sys.stdout.flush()
        end_group(os.getpid())
    leave_process_group()
    sys.stdout.flush()
    os._exit(0)  # taking torch and the rest apart would take seconds


def _received(connection: Connection) -> bytes:
    """Rank 0's next message; does not return where rank 0 has gone without one."""
    try:
        return connection.recv_bytes()
    except EOFError:
        end_group(os.getpid())
        raise


def leave_process_group() -> None:
    """Destroy torch's default process group, if there is one, so that another can be made in this process."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def end_group(leader: int) -> bool:
    """Kill the process group that rank's process leads; False where there is none (any more, or yet)."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def exit_reason(status: int | None) -> str:
    """In words, what multiprocessing calls an exit code: negative for a signal."""
    if status is not None and status < 0:
        return f"killed by {signal.Signals(-status).name}: out of memory, or from outside"
    return f"exit status {status}"


def _end_with(parent: int) -> None:
    """From now on this rank and its children die when rank 0 does, also in the middle of a collective."""
    try:
        handle = os.pidfd_open(parent)  # not multiprocessing's sentinel, which forks of rank 0 would hold open
    except ProcessLookupError:
        os._exit(1)
    if os.getppid() != parent:
        os._exit(1)

    def watch() -> None:
        wait([handle])
        end_group(os.getpid())

    threading.Thread(target=watch, daemon=True, name="ringexp-rank-0-watch").start()


def _quiet() -> None:
    """As the command does for rank 0: libraries speak up from warnings on."""
    for name in ("lightning.pytorch", "lightning.fabric", "mlflow.system_metrics"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for module in ("vllm", "lightning"):
        warnings.filterwarnings("ignore", module=rf"{module}\..*")
