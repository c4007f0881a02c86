"""Checks of a composed configuration, each with one clear line that names the key and the mend."""

import re
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from ringexp.config.distillation import check_distillation
from ringexp.config.hub import is_hub_name
from ringexp.config.recipe import OBJECTIVES
from ringexp.config.schedules import check_schedule, check_weights
from ringexp.config.schema import ISOLATION, Config
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
    _paths(config)
    _positive(config)
    _names(config)
    if config.algorithm.group_size < 2:
        raise ConfigError(f"algorithm.group_size={config.algorithm.group_size}: one response has no advantage over "
                          "others; at least 2 are needed")
    _algorithm(config)
    _ranks(config)
    _sft(config)
    check_schedule(config.schedule, config.trainer.max_steps)
    _domains(config)
    _selection(config)
    if not OmegaConf.is_missing(config, "distillation"):  # records from before there was such a group have none
        check_distillation(config.distillation)
    if config.evaluation.split not in ("train", "validation", "test"):
        raise ConfigError(f"evaluation.split={config.evaluation.split}: use train, validation or test")
    if config.reuse not in ("auto", "never"):
        raise ConfigError(f"reuse={config.reuse}: use auto or never")
    if config.evaluation.objective not in OBJECTIVES:
        raise ConfigError(f"evaluation.objective={config.evaluation.objective}: use one of {', '.join(OBJECTIVES)}")
    if config.rewards.code.isolation not in ISOLATION:
        raise ConfigError(f"rewards.code.isolation={config.rewards.code.isolation}: use one of {', '.join(ISOLATION)}")
    if not config.paths.store:
        raise ConfigError("paths.store: name a folder; an empty one would be the root of the file system")
    _files(config)
    if config.steps is not None and (config.steps < 1 or config.task.name != "reproduce"):
        raise ConfigError(f"steps={config.steps}: a positive number for task=reproduce; elsewhere sft.max_steps and "
                          "trainer.max_steps")  # fmt: skip
    k = config.evaluation.k
    if not k or max(k) > config.evaluation.samples or min(k) < 1:
        raise ConfigError(
            f"evaluation.k={list(config.evaluation.k)}: each k must lie between 1 and evaluation.samples="
            f"{config.evaluation.samples}"
        )


USES = {"input": ("score",), "output": ("score",)}
"""The tasks that read or write a file which the command names."""


def _paths(config: Config) -> None:
    """A task that works on a file has it; another is not given one that it would ignore."""
    for key, tasks in USES.items():
        path = getattr(config, key)
        if config.task.name in tasks and not path:
            raise ConfigError(f"{key}: task={config.task.name} needs a file, e.g. {key}=<file>.jsonl")
        if config.task.name not in tasks and path is not None:
            raise ConfigError(f"{key}={path}: task={config.task.name} does not use it; leave it out")


def _files(config: Config) -> None:
    """The files that the data are read from are there."""
    named = {f"data.files.{domain}": path for domain, path in config.data.files.items()}
    path = config.data.path
    elsewhere = path is not None and (Path(path).is_dir() or is_hub_name(path))
    if path is not None and (str(config.data.name) in ("jsonl", "humaneval") or not elsewhere):
        named["data.path"] = path
    for key, file in named.items():
        if not Path(file).is_file():
            raise DataError(f"{key}={file}: no such file")



POSITIVE = (
    "trainer.ranks",
    "data.max_prompt_tokens", "data.max_trace_tokens", "data.max_response_tokens", "data.raised_response_tokens",
    "algorithm.prompts_per_step", "algorithm.group_size", "algorithm.updates", "algorithm.rounds",
    "algorithm.token_budget", "algorithm.temperature", "algorithm.max_grad_norm", "algorithm.micro_batch_tokens",
    "trainer.max_steps", "trainer.checkpoint_every", "trainer.threads", "sft.batch_size",
    "sft.max_steps", "sft.epochs",
    "sft.checkpoint_every", "sft.max_grad_norm", "sft.micro_batch_tokens", "sft.probe.prompts", "sft.probe.samples",
    "sft.probe.validation_samples",
    "sft.probe.validation", "sft.probe.max_response_tokens", "trainer.table_rows", "evaluation.prompts",
    "evaluation.samples", "evaluation.temperature",
    "evaluation.max_response_tokens", "evaluation.table_rows", "rollout.tolerance",
    "evaluation.during.every", "evaluation.during.prompts", "evaluation.during.samples",
    "curation.chunk_rows", "curation.clean.max_chars", "curation.clean.max_trace_chars", "curation.decontaminate.ngram",
    "curation.difficulty.samples", "curation.difficulty.temperature", "curation.difficulty.max_response_tokens",
)  # fmt: skip


ENGINE_COUNTS = ("max_sequences", "max_batched_tokens", "kv_cache_gib", "prompt_step")


def _positive(config: Config) -> None:
    for key in POSITIVE:
        value = OmegaConf.select(cast(DictConfig, config), key)
        if value is not None and not value > 0:
            raise ConfigError(f"{key}={value}: must be greater than 0")
    for key, value in config.rollout.engine.items():
        if key in ENGINE_COUNTS and not (type(value) is int and value > 0):
            raise ConfigError(f"rollout.engine.{key}={value}: must be a whole number greater than 0")
        if key == "dtype" and value not in ("float32", "bfloat16", "float16"):
            raise ConfigError(f"rollout.engine.dtype={value}: use float32, bfloat16 or float16")
    for key in ("seed", "algorithm.warmup_steps", "algorithm.balance_coef", "algorithm.z_coef", "rollout.near_tie"):
        value = OmegaConf.select(cast(DictConfig, config), key)
        if value < 0:
            raise ConfigError(f"{key}={value}: must not be negative")


def _names(config: Config) -> None:
    """Names become folders and MLflow filters."""
    named = [("experiment_name", config.experiment_name)]
    named += [(f"schedule.stages[{i}].name", stage.name) for i, stage in enumerate(config.schedule.stages)]
    named += [("data.pools", domain) for domain in config.data.pools]
    named += [("curation.against", name) for name in config.curation.against or ()]
    for key, name in named:
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
            raise ConfigError(f"{key}: {name!r} may hold letters, digits, '_', '-' and '.' only")
    for domain in config.data.pools:
        if domain in RESERVED:
            raise ConfigError(f"data.pools: a domain cannot be called {domain!r}; that word has a meaning of its own "
                              "in metrics or under rewards.verifiers")


RESERVED = ("mean", "max", "truncated", "outcome", "choice")


def _algorithm(config: Config) -> None:
    """The budget can be kept and divided; dynamic sampling has something to look for."""
    own = config.algorithm
    if own.cap and own.token_budget is None:
        raise ConfigError("algorithm.token_budget: a capped step needs its number of tokens; give it, or set "
                          "algorithm.cap=false")
    if own.token_budget is not None and own.token_budget % own.updates:
        raise ConfigError(f"algorithm.updates={own.updates}: must divide algorithm.token_budget={own.token_budget}")
    if own.updates > own.prompts_per_step:
        raise ConfigError(f"algorithm.updates={own.updates}: more than algorithm.prompts_per_step="
                          f"{own.prompts_per_step}")
    if own.rounds > 1 and not own.drop_zero_variance:
        raise ConfigError(f"algorithm.rounds={own.rounds}: more than one round is drawn to replace groups without a "
                          "signal; set algorithm.drop_zero_variance=true")


IN_PROCESS = "ringexp.rollout.vllm.VLLMEngine"


def _ranks(config: Config) -> None:
    """Every rank gets as much, and an engine that leaves torch.distributed to the trainer."""
    ranks = config.trainer.ranks
    if ranks == 1:
        return
    if config.rollout.engine.get("_target_") == IN_PROCESS:
        raise ConfigError(f"trainer.ranks={ranks}: vLLM inside the trainer's process takes torch.distributed for "
                          "itself; use rollout=vllm_process")
    for key in ("algorithm.prompts_per_step", "sft.batch_size"):
        value = OmegaConf.select(cast(DictConfig, config), key)
        if value % ranks:
            raise ConfigError(f"{key}={value}: must be a multiple of trainer.ranks={ranks}")


def _sft(config: Config) -> None:
    if (config.sft.max_steps is None) == (config.sft.epochs is None):
        raise ConfigError("sft.max_steps and sft.epochs: give exactly one of them (the other is null)")
    if not 0 <= config.sft.warmup_fraction <= 1:
        raise ConfigError(f"sft.warmup_fraction={config.sft.warmup_fraction}: must lie between 0 and 1")
    if config.sft.weights is None:
        return
    for domain in config.data.pools:
        if domain not in config.sft.weights:
            raise ConfigError(f"sft.weights: no weight for domain {domain!r} of data.pools; give one, 0 leaves it out")
    check_weights("sft.weights", {domain: config.sft.weights[domain] for domain in config.data.pools})


def _selection(config: Config) -> None:
    if config.selection.keep is not None and config.selection.keep < 0:
        raise ConfigError(f"selection.keep={config.selection.keep}: must not be negative; null keeps every checkpoint")
    low, high = config.selection.rule.get("low"), config.selection.rule.get("high")
    for key, value in (("low", low), ("high", high)):
        if value is not None and not isinstance(value, int | float):
            raise ConfigError(f"selection.rule.{key}={value}: must be a number")
    if low is not None and high is not None and not 0 <= low < high:
        raise ConfigError(f"selection.rule: low={low}, high={high} is not a band; low must lie below high")
    step, sft = config.selection.rule.get("step"), config.sft
    if step is not None and sft.max_steps is not None:
        saved = step == sft.max_steps or (type(step) is int and 0 < step < sft.max_steps
                                          and step % sft.checkpoint_every == 0)  # fmt: skip
        if not saved:
            raise ConfigError(f"selection.rule.step={step}: no checkpoint is saved there; one is at every "
                              f"sft.checkpoint_every={sft.checkpoint_every} steps and at sft.max_steps={sft.max_steps}")


def _domains(config: Config) -> None:
    pools, verifiers = set(config.data.pools), set(config.rewards.verifiers)
    for stage in config.schedule.stages if config.task.name != "curate" else ():
        for domain in stage.weights or stage.prior or stage.domains or ():
            if domain not in pools:
                raise ConfigError(
                    f"schedule.stages[{stage.name}]: domain {domain!r} has no prompts; data.pools has "
                    f"{', '.join(sorted(pools))}. Choose a schedule over these, e.g. schedule=math_only, or add a pool"
                )
    for domain in sorted(pools - verifiers):
        raise ConfigError(
            f"data.pools: no verifier for domain {domain!r}; add rewards.verifiers.{domain} or remove the pool"
        )
