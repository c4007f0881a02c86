"""Checks of a composed configuration, each with one clear line that names the key and the mend."""

import re
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from ringexp.config.schema import Config
from ringexp.errors import ConfigError, DataError


def typed(cfg: DictConfig) -> Config:
    """The configuration held against the schema, interpolations resolved, read-only.

    Raises OmegaConf's errors for an unknown key, a wrong type or a missing mandatory value.
    """
    missing = sorted(_missing(OmegaConf.to_container(cfg)))
    if missing:
        raise ConfigError(f"{missing[0]}: a value is needed, e.g. {missing[0]}=<value>")
    config = OmegaConf.merge(OmegaConf.structured(Config), cfg)
    OmegaConf.resolve(config)
    OmegaConf.set_readonly(config, True)
    return cast(Config, config)


def _missing(node: Any, key: str = "") -> list[str]:
    """Keys without a value, those that only refer to such a key left out (OmegaConf.missing_keys stops at these)."""
    if node == "???":
        return [key]
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [found for name, child in children for found in _missing(child, f"{key}.{name}".removeprefix("."))]


def validate(config: Config) -> None:
    """Refuse impossible values before anything is loaded. Raises ConfigError or DataError."""
    _positive(config)
    _names(config)
    if config.algorithm.group_size < 2:
        raise ConfigError(f"algorithm.group_size={config.algorithm.group_size}: one response has no advantage over "
                          "others; at least 2 are needed")
    _sft(config)
    _stages(config)
    _domains(config)
    _selection(config)
    if config.evaluation.split not in ("train", "validation", "test"):
        raise ConfigError(f"evaluation.split={config.evaluation.split}: use train, validation or test")
    if not config.paths.store:
        raise ConfigError("paths.store: name a folder; an empty one would be the root of the file system")
    if config.data.path is not None and str(config.data.name) in ("gsm8k", "jsonl") and not _is_file(config.data.path):
        raise DataError(f"data.path={config.data.path}: no such file")
    k = config.evaluation.k
    if not k or max(k) > config.evaluation.samples or min(k) < 1:
        raise ConfigError(
            f"evaluation.k={list(config.evaluation.k)}: each k must lie between 1 and evaluation.samples="
            f"{config.evaluation.samples}"
        )


def _is_file(path: str) -> bool:
    return Path(path).is_file()


POSITIVE = (
    "data.max_prompt_tokens", "data.max_trace_tokens", "algorithm.prompts_per_step", "algorithm.group_size",
    "algorithm.token_budget", "algorithm.temperature", "algorithm.max_grad_norm", "algorithm.micro_batch_tokens",
    "trainer.max_steps", "trainer.checkpoint_every", "trainer.threads", "sft.batch_size", "sft.max_steps", "sft.epochs",
    "sft.checkpoint_every", "sft.max_grad_norm", "sft.micro_batch_tokens", "sft.probe.prompts", "sft.probe.samples",
    "sft.probe.validation", "evaluation.prompts", "evaluation.samples", "evaluation.temperature",
    "evaluation.max_response_tokens", "rollout.tolerance",
)  # fmt: skip


def _positive(config: Config) -> None:
    for key in POSITIVE:
        value = OmegaConf.select(cast(DictConfig, config), key)
        if value is not None and not value > 0:
            raise ConfigError(f"{key}={value}: must be greater than 0")
    for key in ("seed", "algorithm.warmup_steps", "algorithm.balance_coef", "algorithm.z_coef", "rollout.near_tie"):
        value = OmegaConf.select(cast(DictConfig, config), key)
        if value < 0:
            raise ConfigError(f"{key}={value}: must not be negative")


def _names(config: Config) -> None:
    """Names become folders and MLflow filters."""
    named = [("experiment_name", config.experiment_name)]
    named += [(f"schedule.stages[{i}].name", stage.name) for i, stage in enumerate(config.schedule.stages)]
    named += [("data.pools", domain) for domain in config.data.pools]
    for key, name in named:
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
            raise ConfigError(f"{key}: {name!r} may hold letters, digits, '_', '-' and '.' only")


def _sft(config: Config) -> None:
    if (config.sft.max_steps is None) == (config.sft.epochs is None):
        raise ConfigError("sft.max_steps and sft.epochs: give exactly one of them (the other is null)")
    if not 0 <= config.sft.warmup_fraction <= 1:
        raise ConfigError(f"sft.warmup_fraction={config.sft.warmup_fraction}: must lie between 0 and 1")


def _stages(config: Config) -> None:
    stages = config.schedule.stages
    if not stages:
        raise ConfigError("schedule.stages: at least one stage is needed")
    names = [stage.name for stage in stages]
    if len(set(names)) < len(names):
        raise ConfigError(f"schedule.stages: two stages share a name in {names}")
    for stage in stages:
        where = f"schedule.stages[{stage.name}]"
        if any(weight < 0 for weight in stage.weights.values()):
            raise ConfigError(f"{where}.weights={dict(stage.weights)}: no weight may be negative")
        if not sum(stage.weights.values()) > 0:
            raise ConfigError(f"{where}.weights={dict(stage.weights)}: the weights sum to 0; give one domain more")
        if not stage.share > 0:
            raise ConfigError(f"{where}.share={stage.share}: must be greater than 0")
        if stage.max_response_tokens < 1:
            raise ConfigError(f"{where}.max_response_tokens={stage.max_response_tokens}: must be at least 1")
    if len(stages) > config.trainer.max_steps:
        raise ConfigError(f"trainer.max_steps={config.trainer.max_steps}: fewer steps than schedule.stages")


def _selection(config: Config) -> None:
    low, high = config.selection.rule.get("low"), config.selection.rule.get("high")
    for key, value in (("low", low), ("high", high)):
        if value is not None and not isinstance(value, int | float):
            raise ConfigError(f"selection.rule.{key}={value}: must be a number")
    if low is not None and high is not None and not 0 <= low < high:
        raise ConfigError(f"selection.rule: low={low}, high={high} is not a band; low must lie below high")


def _domains(config: Config) -> None:
    pools, verifiers = set(config.data.pools), set(config.rewards.verifiers)
    for stage in config.schedule.stages:
        for domain in stage.weights:
            if domain not in pools:
                raise ConfigError(
                    f"schedule.stages[{stage.name}].weights: domain {domain!r} has no prompts; data.pools has "
                    f"{', '.join(sorted(pools))}"
                )
    for domain in sorted(pools - verifiers):
        raise ConfigError(
            f"data.pools: no verifier for domain {domain!r}; add rewards.verifiers.{domain} or remove the pool"
        )
