"""The typed schema of task=distill: the teacher, what is drawn from it, which responses become traces; its checks."""

from dataclasses import dataclass, field

from omegaconf import MISSING

from ringexp.config.recipe import Component
from ringexp.errors import ConfigError
from ringexp.records import Outcome

SPLITS = ("train", "validation")
"""What may be distilled. Test prompts go into the dataset without a trace: students are evaluated on them."""

UNTRACED = ("keep", "drop")

KEPT, DUPLICATE, SURPLUS = "kept", "duplicate", "surplus"
"""What becomes of a response that passes all filters: a trace; the same tokens as an earlier one; others were kept."""

FATES = (KEPT, DUPLICATE, SURPLUS, *Outcome)
"""What a filter cannot be called by."""


@dataclass
class TeacherConfig:
    """A recorded pipeline (`run_id`) and which of its weights (`checkpoint`), or a folder with a model (`path`).

    `checkpoint`: `rl`, the last policy; `sft`, the selected checkpoint; `best`, the policy with the highest pass@1; or
    an RL stage by name, as `rl-math`.
    """

    run_id: str | None = None
    checkpoint: str = "rl"
    path: str | None = None


@dataclass
class DistillationConfig:
    """`samples` responses to each prompt of `splits`, at most `max_response_tokens` long; those that are correct and
    pass all `filters` are accepted, and `keep` chooses at most `per_prompt` of them (one of a validation prompt).

    Prompts without an accepted response stay in the dataset without a trace (`untraced: keep`: RL has them) or are left
    out (`drop`). `chunk` prompts are drawn and stored at once: what a kill costs at most.
    """

    output: str = MISSING
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    splits: list[str] = field(default_factory=lambda: list(SPLITS))
    samples: int = 4
    temperature: float = 1.0
    max_response_tokens: int = 128
    filters: dict[str, Component] = field(default_factory=dict)
    per_prompt: int = 1
    keep: Component = MISSING
    untraced: str = "keep"
    chunk: int = 256


def check_distillation(config: DistillationConfig) -> None:
    """Values that can be worked with. Raises ConfigError."""
    for key in ("samples", "temperature", "max_response_tokens", "per_prompt", "chunk"):
        if not getattr(config, key) > 0:
            raise ConfigError(f"distillation.{key}={getattr(config, key)}: must be greater than 0")
    if not config.output:
        raise ConfigError("distillation.output: name a folder for the dataset")
    if config.per_prompt > config.samples:
        raise ConfigError(f"distillation.per_prompt={config.per_prompt}: more than distillation.samples="
                          f"{config.samples}")  # fmt: skip
    if not config.splits or not set(config.splits) <= set(SPLITS) or len(set(config.splits)) < len(config.splits):
        raise ConfigError(f"distillation.splits={list(config.splits)}: give some of {', '.join(SPLITS)}, each once; "
                          "test prompts stay without traces")  # fmt: skip
    if config.untraced not in UNTRACED:
        raise ConfigError(f"distillation.untraced={config.untraced}: use {' or '.join(UNTRACED)}")
    for name in config.filters:
        if name in FATES:
            raise ConfigError(f"distillation.filters.{name}: the name stands for what becomes of a response anyway; "
                              "choose another")  # fmt: skip
