"""The typed schema of the recipe: SFT, selection, schedule, algorithm, evaluation. The rest is in `schema`."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

Component = dict[str, Any]
OBJECTIVES = ("mean_gain", "worst_gain", "mean_final", "worst_final")


@dataclass
class ProbeConfig:
    """What is measured of every SFT checkpoint: training and validation prompts, divided evenly over the domains.

    `samples` of each training prompt for the entropy, `validation_samples` of each validation prompt for pass@1.
    """

    prompts: int = 128
    samples: int = 2
    validation: int = 200
    validation_samples: int = 1
    max_response_tokens: int = 128


@dataclass
class SFTConfig:
    """Supervised fine-tuning on teacher traces; `batch_size` in documents, one of `max_steps`, `epochs` given.

    `weights` mixes the domains by documents (normalised over those that have traces); null: by the sizes of the pools.
    """

    module: Component = MISSING
    optimizer: Component = MISSING
    weights: dict[str, float] | None = None
    batch_size: int = 64
    max_steps: int | None = None
    epochs: int | None = None
    warmup_fraction: float = 0.01
    max_grad_norm: float = 1.0
    micro_batch_tokens: int = 8192
    balance_coef: float = 1e-2
    z_coef: float = 1e-7
    checkpoint_every: int = 50
    checkpointing: Component = MISSING
    probe: ProbeConfig = field(default_factory=ProbeConfig)


@dataclass
class StageConfig:
    """One RL stage: its domain weights, its share of the RL steps, its length limit in response tokens.

    The weights have one of four forms (mixing.simplex): `weights`, normalised; `domains` and one coordinate in [0, 1]
    fewer (`coordinates`); a `prior` and its `temperature` (null: 1); the weights of the stage before times
    exp(`tilt`), 0 for a domain that is not named. `floor` is the least weight of every domain in the last three.

    A share is relative to the other stages'; one of 0 leaves the stage a single step.
    """

    name: str = MISSING
    weights: dict[str, float] | None = None
    domains: list[str] | None = None
    coordinates: list[float] | None = None
    share: float = 1.0
    max_response_tokens: int = 128
    floor: float = 0.0
    prior: dict[str, float] | None = None
    temperature: float | None = None
    tilt: dict[str, float] | None = None


@dataclass
class ScheduleConfig:
    """The RL stages, one after the other.

    The rest are single numbers for a search, which the stages of a searched schedule read by interpolation:
    `boundary`, the first stage's share of the RL steps; `later_boundary`, the second's share of the steps after that,
    where there is a third; `search`, whatever decides the stages' weights. `max_epochs` is how often a domain's
    training prompts may be drawn at most, a constraint of a search (null: as often as it comes).
    """

    name: str = MISSING
    stages: list[StageConfig] = MISSING
    boundary: float | None = None
    later_boundary: float | None = None
    search: dict[str, float] = field(default_factory=dict)
    max_epochs: float | None = None


@dataclass
class AlgorithmConfig:
    """A policy-gradient algorithm as a choice of parts: advantage, ratio, normaliser, correction, objective, cap.

    `token_budget` is Φ, in response tokens per step and rank; `cap` says that a step trains no more than that.
    `updates` optimizer updates are made of a step's responses. `rounds` of prompts are drawn at most until
    `prompts_per_step` groups carry a signal (dynamic sampling; needs `drop_zero_variance`).
    """

    name: str = MISSING
    module: Component = MISSING
    advantage: Component = MISSING
    ratio: Component = MISSING
    normaliser: Component = MISSING
    correction: Component = MISSING
    objective: Component = MISSING
    optimizer: Component = MISSING
    prompts_per_step: int = MISSING
    group_size: int = MISSING
    token_budget: int | None = None
    cap: bool = True
    updates: int = 1
    rounds: int = 1
    temperature: float = 1.0
    drop_zero_variance: bool = False
    warmup_steps: int = 0
    max_grad_norm: float = 1.0
    micro_batch_tokens: int = 8192
    balance_coef: float = 1e-5
    z_coef: float = 1e-7


@dataclass
class SelectionConfig:
    """The rule that chooses the SFT checkpoint RL starts from.

    `keep`: once it has chosen, so many of the newest other checkpoints keep their weights, the rest are deleted; null
    keeps all. What a rule has selected is never deleted.
    """

    name: str = MISSING
    rule: Component = MISSING
    keep: int | None = None


@dataclass
class DuringConfig:
    """Evaluation while RL trains: every so many steps (null: never), validation prompts per domain, samples of each."""

    every: int | None = None
    prompts: int = 64
    samples: int = 1


@dataclass
class EvaluationConfig:
    """Held-out evaluation: prompts per domain, samples of each, k of pass@k, rows per domain of the sample table.

    `objective` is what a pipeline returns to a search, one of OBJECTIVES (evaluation.objective).
    """

    split: str = "test"
    prompts: int = 400
    samples: int = 4
    temperature: float = 1.0
    max_response_tokens: int = 128
    k: list[int] = field(default_factory=lambda: [1, 4])
    table_rows: int = 32
    during: DuringConfig = field(default_factory=DuringConfig)
    objective: str = "mean_gain"
