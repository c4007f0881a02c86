"""A worker extension that tells the environment of the engine's process, as that process sees it."""

import os

from ringexp.rollout.vllm_process_worker import FileSync


class EnvironmentProbe(FileSync):
    def environment(self) -> dict[str, str]:
        return dict(os.environ)
