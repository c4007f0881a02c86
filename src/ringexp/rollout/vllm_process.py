"""vLLM as the rollout engine, in a process of its own: what several ranks need, and a trainer under a launcher.

It draws what the engine in this process draws, bit for bit, and loads more slowly. Nothing of torch.distributed is
initialised here, a launcher's variables stay out of the engine's process, weights travel as a safetensors file.
"""

import gc
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from ringexp.errors import RingexpError
from ringexp.rollout.engine import NamedWeights
from ringexp.rollout.vllm import Ended, VLLMEngine

LAUNCHER = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE", "NODE_RANK",
            "ROLE_NAME", "ROLE_RANK", "ROLE_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # fmt: skip
"""Variables by which torchrun and Lightning tell a process its rank; also all that begin with TORCHELASTIC_."""
SHUTDOWN_LIMIT = 10.0
"""Seconds that the engine's process has to end by itself."""
FAILURE_POLL = 0.5
"""Seconds between two looks at who waits for a dead engine."""


class EngineDiedError(RingexpError):
    """The rollout engine's process has ended while it was in use."""


class VLLMProcessEngine(VLLMEngine):
    """A `VLLMEngine` (same arguments) whose model runs in a child process.

    The process ends with `close`, and by itself within seconds when this process dies. Raises EngineDiedError where it
    dies in the middle of a run.
    """

    worker_extension = "ringexp.rollout.vllm_process_worker.FileSync"

    def _start(self, threads: int, **arguments: Any) -> Any:
        if not torch.cuda.is_available():  # one process, not two: by name vLLM would put the worker in another
            arguments["distributed_executor_backend"] = "vllm.v1.executor.uniproc_executor.UniProcExecutor"
        with engine_environment(threads):
            from vllm import LLM, envs
            from vllm.v1.engine.core_client import SyncMPClient

            envs.disable_envs_cache()
            llm: Any = LLM(worker_extension_cls=self.worker_extension, **arguments)
        self._client: Any = llm.llm_engine.engine_core
        assert isinstance(self._client, SyncMPClient)
        self._closing = threading.Event()
        self.processes: list[Any] = list(self._client.resources.engine_manager.processes)
        watch = threading.Thread(target=self._watch, daemon=True, name="ringexp-engine-watch")
        watch.start()
        return llm

    def _watch(self) -> None:
        """Wake whoever waits for an answer of a dead engine: vLLM's own client would leave it waiting."""
        from vllm.v1.engine.exceptions import EngineDeadError

        client = self._client
        wait([process.sentinel for process in self.processes])
        while not self._closing.wait(FAILURE_POLL):
            if client.outputs_queue.empty():
                client.outputs_queue.put(EngineDeadError())
            for future in list(client.utility_results.values()):
                if not future.done():
                    future.set_exception(EngineDeadError())

    @property
    def alive(self) -> bool:
        """Whether it can still answer."""
        return all(process.is_alive() for process in self.processes)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            yield
        except EngineDeadError as error:
            codes = [process.exitcode for process in self.processes]
            raise EngineDiedError(
                f"the rollout engine's process ended (exit status {codes}): out of memory, killed, or the error it "
                "printed above. The same command again continues from the last checkpoint."
            ) from error

    def _run(self, prompts: list[dict[str, list[int]]], params: Any, ended: Ended) -> None:
        with self._answering():
            super()._run(prompts, params, ended)

    def _enqueue(self, prompts: list[dict[str, list[int]]], params: Any) -> list[str]:
        # nothing is drawn before all requests are there: else how fast they arrive would decide the batches
        self._llm.sleep(level=0)
        try:
            return super()._enqueue(prompts, params)
        finally:
            self._llm.wake_up(tags=["scheduling"])

    def sync(self, weights: NamedWeights, version: int) -> None:
        """Replace the weights in place and take `version` as the policy's."""
        with tempfile.TemporaryDirectory(prefix="ringexp-weights-") as folder, self._answering():
            path = Path(folder) / "model.safetensors"
            save_file({name: weight.detach().contiguous().cpu() for name, weight in weights}, path)
            self._llm.collective_rpc("ringexp_sync_file", args=(str(path),))
        self.version = version

    def close(self) -> None:
        """End the engine's process; does nothing of torch.distributed, which may be the trainer's."""
        self._closing.set()
        self._client.shutdown()
        for process in self.processes:
            process.join(SHUTDOWN_LIMIT)
            process.kill()
        del self._llm, self._client
        gc.collect()


@contextmanager
def engine_environment(threads: int) -> Iterator[None]:
    """The environment that the engine's process is started in; this process's own is back afterwards, to the letter."""
    # a thread of MLflow's telemetry may unset a variable meanwhile, in which dict() would fail
    before = {name: value for name in list(os.environ) if (value := os.environ.get(name)) is not None}
    for name in [n for n in before if n in LAUNCHER or n.startswith("TORCHELASTIC_")]:
        del os.environ[name]
    os.environ.update(VLLM_ENABLE_V1_MULTIPROCESSING="1", VLLM_WORKER_MULTIPROC_METHOD="spawn",
                      OMP_NUM_THREADS=str(threads))  # fmt: skip
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            os.environ.pop(name, None)
        os.environ.update(before)
