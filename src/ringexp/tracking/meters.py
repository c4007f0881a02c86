"""System metrics while a stage runs: MLflow's own meters, logged by way of the record: a lost server loses none.

MLflow's monitor asks the store at every sample and gives up where it is away; the thread here only writes down.
"""

import threading
from collections.abc import Callable, Mapping
from types import TracebackType

from mlflow.system_metrics.metrics.base_metrics_monitor import BaseMetricsMonitor
from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

SECONDS = 5.0
"""Between two samples."""


class Meters:
    """Samples processor, memory, disk, network and NVIDIA GPUs every `seconds` while it is entered.

    `log` gets the values by metric name and the number of the sample, counted from `first`.
    """

    def __init__(self, log: Callable[[Mapping[str, float], int], None], first: int, seconds: float = SECONDS) -> None:
        self._log, self._sample, self._seconds = log, first, seconds
        self._meters: list[BaseMetricsMonitor] = [CPUMonitor(), DiskMonitor(), NetworkMonitor(), *_gpus()]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="ringexp-meters", daemon=True)

    def __enter__(self) -> "Meters":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._over.wait(self._seconds):
            values: dict[str, float] = {}
            for meter in self._meters:
                meter.collect_metrics()
                values |= meter.aggregate_metrics()
                meter.clear_metrics()
            try:
                self._log({f"system/{name}": float(value) for name, value in values.items()}, self._sample)
            except OSError:
                return  # the disk is full, which ends the run as soon as it logs anything itself
            self._sample += 1


def _gpus() -> list[BaseMetricsMonitor]:
    """MLflow's meter of NVIDIA GPUs, where there are some and their library is installed."""
    try:
        return [GPUMonitor()]
    except (ImportError, RuntimeError, OSError):
        return []
