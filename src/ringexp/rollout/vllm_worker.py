"""Runs beside the model inside vLLM's worker: the weight update that the CPU backend needs.

vLLM packs the experts' weights when their kernel is first built and does not pack them again when weights are
reloaded, which leaves the engine half-updated without an error. Forgetting the kernels first makes the update exact.
"""

from collections.abc import Iterable
from typing import Any

from torch import Tensor


class WeightSync:
    """Mixed into vLLM's worker class by `worker_extension_cls`."""

    model_runner: Any

    def ringexp_sync(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Replace all weights, given by their released names."""
        for module in self.model_runner.get_model().modules():
            method = getattr(module, "quant_method", None)
            if method is not None and getattr(method, "moe_kernel", None) is not None:
                method.moe_kernel = None
        self.model_runner.reload_weights(weights_iterator=iter(weights))
