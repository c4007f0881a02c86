"""Runs in the process of `vllm_process`'s engine: takes over weights from a file, and ends when its parent does.

Imported by vLLM early in that process, before the model is loaded; never import it elsewhere.
"""

import multiprocessing
import os
import threading
import time

import torch
from safetensors.torch import load_file

from ringexp.rollout.vllm import stance
from ringexp.rollout.vllm_worker import WeightSync

POLL = 1.0
"""Seconds between two looks at the parent."""


class FileSync(WeightSync):
    """Mixed into vLLM's worker class by `worker_extension_cls`."""

    def ringexp_sync_file(self, path: str) -> None:
        """Replace all weights by those of a safetensors file of released names."""
        self.ringexp_sync(load_file(path).items())


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL)
    os._exit(1)  # vLLM itself would wait for requests for ever


torch.compiler.set_stance(stance())  # for this whole process, which is the engine's
if (_parent := multiprocessing.parent_process()) is not None and _parent.pid is not None:
    threading.Thread(target=_end_with, args=(_parent.pid,), daemon=True, name="ringexp-parent-watch").start()
