"""Samplers and pruners by name, or as any `_target_`; how each sampler is seeded."""

import inspect
import warnings
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from hydra.errors import HydraException
from hydra.utils import get_class, instantiate
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler

from ringexp.errors import ConfigError
from ringexp.sweep.settings import KEY

SAMPLERS: Mapping[str, Mapping[str, Any]] = {
    "tpe": {"_target_": "optuna.samplers.TPESampler"},
    "gp": {"_target_": "optuna.samplers.GPSampler"},
    "cmaes": {"_target_": "optuna.samplers.CmaEsSampler", "warn_independent_sampling": False},
    "random": {"_target_": "optuna.samplers.RandomSampler"},
    "grid": {"_target_": "optuna.samplers.GridSampler"},
    "qmc": {"_target_": "optuna.samplers.QMCSampler", "scramble": True, "warn_independent_sampling": False},
}
"""`grid` names the class of Optuna that it stands for; its points are walked through by `sampling.draw`."""

PRUNERS: Mapping[str, Mapping[str, Any]] = {
    "none": {"_target_": "optuna.pruners.NopPruner"},
    "median": {"_target_": "optuna.pruners.MedianPruner"},
    "successive_halving": {"_target_": "optuna.pruners.SuccessiveHalvingPruner"},
    "hyperband": {"_target_": "optuna.pruners.HyperbandPruner"},
    "wilcoxon": {"_target_": "optuna.pruners.WilcoxonPruner"},
    "patient": {"_target_": "optuna.pruners.PatientPruner", "wrapped_pruner": None, "patience": 3},
}

OWN_STATE = ("QMCSampler", "CmaEsSampler", "BruteForceSampler")
"""Samplers that need one seed for the whole study: a scrambling, or a state that they keep in it."""

Spec = Mapping[str, Any]


def sampler_spec(given: Any) -> dict[str, Any]:
    """The sampler as a `_target_` with its arguments. Raises ConfigError for an unknown name or argument."""
    spec = _spec("sampler", given, SAMPLERS)
    if not is_grid(spec):
        build_sampler(spec, 0, 0, 0)
    return spec


def pruner_spec(given: Any) -> dict[str, Any]:
    """The pruner as a `_target_` with its arguments; null prunes nothing. Raises ConfigError."""
    spec = _spec("pruner", "none" if given is None else given, PRUNERS)
    build_pruner(spec)
    return spec


def is_grid(spec: Spec) -> bool:
    """Whether the sampler walks through a grid."""
    return str(spec["_target_"]).endswith(".GridSampler")


def build_sampler(spec: Spec, base: int, draw: int, attempt: int) -> BaseSampler:
    """The sampler for one draw, seeded by the study's seed and the draw's number, so that it repeats itself never and
    is the same after a resume and in whichever worker; one that keeps a state of its own gets the study's seed."""
    kind = get_class(spec["_target_"])
    known = inspect.signature(kind).parameters
    seed = int(np.random.SeedSequence([base, draw, attempt]).generate_state(1)[0])
    extra: dict[str, Any] = {}
    if "seed" in known:
        extra["seed"] = base if kind.__name__ in OWN_STATE else seed
    if kind.__name__ in OWN_STATE and "independent_sampler" in known and "independent_sampler" not in spec:
        extra["independent_sampler"] = RandomSampler(seed=seed)
    return cast(BaseSampler, _build("sampler", spec, extra))


def build_pruner(spec: Spec) -> BasePruner:
    """The pruner. Raises ConfigError."""
    return cast(BasePruner, _build("pruner", spec, {})) if spec else NopPruner()


def _name(given: Any) -> Any:
    return given.get("name", given.get("_target_")) if isinstance(given, Mapping) else given


def _spec(key: str, given: Any, names: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A name, `{name: …, argument: …}` or `{_target_: …, argument: …}` as the last."""
    if isinstance(given, Mapping) and isinstance(given.get("_target_"), str):
        return dict(given)
    name = _name(given)
    if name not in names:
        raise ConfigError(f"{KEY}.{key}={name}: unknown; use {', '.join(names)}, or a _target_")
    own = {k: v for k, v in given.items() if k != "name"} if isinstance(given, Mapping) else {}
    return {**names[name], **own}


def _build(key: str, spec: Spec, extra: Mapping[str, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        try:
            return instantiate(dict(spec), **extra)
        except (HydraException, ImportError) as error:
            cause = error.__cause__ or error
            raise ConfigError(f"{KEY}.{key}: {spec['_target_']}: {' '.join(str(cause).split())}") from error
