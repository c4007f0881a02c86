"""The jobs of a search before there is a study: composed as Hydra will, so that what is wrong shows at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, open_dict

from ringexp.sweep.search import Search
from ringexp.sweep.space import named_point


@dataclass(frozen=True)
class Jobs:
    """What jobs are composed from."""

    search: Search
    loader: ConfigLoader
    config: DictConfig

    def compose(self, *overrides: str) -> DictConfig:
        """The configuration of a job with these overrides, Hydra's own part too. Raises Hydra's errors."""
        job: DictConfig = self.loader.load_sweep_config(self.config, [*self.search.fixed, *overrides])
        return job

    def compose_once(self) -> None:
        """Compose the job of one point, so that a wrong key shows before there is a study. Raises Hydra's errors."""
        point: dict[str, Any] = {}
        for parameter in self.search.active(point):
            point[parameter.key] = parameter.first()
        self.compose(*self.search.overrides(point))

    def point(self, entry: Mapping[str, Any] | str) -> Mapping[str, Any]:
        """A point as it stands; a mixing baseline by its name (sweep.space) as its values. Raises ConfigError."""
        if not isinstance(entry, str):
            return entry
        job = self.compose()
        with open_dict(job):
            del job["hydra"]
        return named_point(job, entry, [parameter.key for parameter in self.search.parameters])
