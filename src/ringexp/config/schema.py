"""The typed schema behind `conf/`: unknown keys and wrong types are refused before anything starts.

Parts that are built by `hydra.utils.instantiate` (a `_target_` and its arguments) are free-form dictionaries, so that
a component is replaced by naming another `_target_`.
"""

from dataclasses import dataclass, field

from omegaconf import MISSING

from ringexp.config.curation import CurationConfig
from ringexp.config.distillation import DistillationConfig
from ringexp.config.recipe import (
    AlgorithmConfig,
    Component,
    EvaluationConfig,
    ScheduleConfig,
    SelectionConfig,
    SFTConfig,
)


@dataclass
class TokenizerConfig:
    """`path` names a pretrained tokenizer; null trains a byte-level BPE of `vocab_size` on the run's own data."""

    path: str | None = None
    vocab_size: int = 1024


@dataclass
class ModelConfig:
    """`config` builds the architecture; `path` names pretrained weights, null starts from seeded random ones."""

    name: str = MISSING
    path: str | None = None
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    config: Component = MISSING


@dataclass
class DataConfig:
    """`pools` maps a domain to what builds its pool; rows longer than the limits are left out and counted.

    `guessable` lets training use prompts whose answer can be guessed: multiple choice, yes or no.

    `sizes` are the pools' sizes as the shipped schedules weigh domains by them; a pool may hold fewer rows.

    `max_response_tokens` limits responses in the schedules' first stage, `raised_response_tokens` in later ones.
    """

    name: str = MISSING
    path: str | None = None
    files: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, float] = field(default_factory=dict)
    guessable: bool = False
    max_prompt_tokens: int = 128
    max_trace_tokens: int = 128
    max_response_tokens: int = 128
    raised_response_tokens: int = 128
    pools: dict[str, Component] = MISSING


@dataclass
class RolloutConfig:
    """The engine, and how far its log-probabilities may lie from the trainer's (nats, 99.9th percentile)."""

    name: str = MISSING
    engine: Component = MISSING
    tolerance: float = 1e-4
    near_tie: float = 1e-5


ISOLATION = ("bubblewrap", "process")
"""How generated code is kept apart from the machine, the stronger level first."""


@dataclass
class CodeRewardsConfig:
    """`isolation` is the level at which generated code runs: bubblewrap, or process where that cannot run."""

    isolation: str = ISOLATION[0]


@dataclass
class RewardsConfig:
    """`verifiers` maps a domain to what judges its responses; the one named `choice` judges multiple choice."""

    verifiers: dict[str, Component] = MISSING
    code: CodeRewardsConfig = field(default_factory=CodeRewardsConfig)


@dataclass
class TrainerConfig:
    """`max_steps` RL steps over all stages; checkpoints and tables of samples (`table_rows` per domain) every
    `checkpoint_every` of them; torch threads per process; `ranks` data-parallel processes on this machine.
    """

    name: str = MISSING
    lightning: Component = MISSING
    max_steps: int = MISSING
    checkpoint_every: int = 10
    table_rows: int = 16
    checkpointing: Component = MISSING
    callbacks: dict[str, Component] = field(default_factory=dict)
    threads: int = 2
    ranks: int = 1


@dataclass
class TrackingConfig:
    """Where MLflow stores runs and artifacts.

    What is logged waits in the folder `outbox` until it has arrived; the end of a stage waits for that `patience`
    seconds at most while MLflow cannot be reached.
    """

    name: str = MISSING
    uri: str = MISSING
    artifacts: str | None = None
    experiment: str = MISSING
    system_metrics: bool = True
    outbox: str = "runs/outbox"
    patience: float = 600.0


@dataclass
class PathsConfig:
    """`store` is the folder that holds everything a run writes."""

    store: str = "runs"


@dataclass
class TaskConfig:
    """What the command does: `_target_` is called with the configuration."""

    name: str = MISSING
    run: Component = MISSING


@dataclass
class TrialConfig:
    """The trial of a sweep that a run is: where the study lies, its name, the trial's number and the storage's id."""

    storage: str = MISSING
    study: str = MISSING
    number: int = MISSING
    id: int = MISSING


@dataclass
class Config:
    """A whole run."""

    task: TaskConfig = MISSING
    model: ModelConfig = MISSING
    data: DataConfig = MISSING
    sft: SFTConfig = MISSING
    schedule: ScheduleConfig = MISSING
    algorithm: AlgorithmConfig = MISSING
    rollout: RolloutConfig = MISSING
    rewards: RewardsConfig = MISSING
    selection: SelectionConfig = MISSING
    evaluation: EvaluationConfig = MISSING
    distillation: DistillationConfig = MISSING
    trainer: TrainerConfig = MISSING
    tracking: TrackingConfig = MISSING
    paths: PathsConfig = MISSING
    experiment_name: str = MISSING
    seed: int = 0
    fresh: bool = False
    reuse: str = "auto"
    sweep_run: str | None = None
    run_id: str | None = None
    steps: int | None = None
    input: str | None = None
    output: str | None = None
    progress: bool = True
    trial: TrialConfig | None = None
    curation: CurationConfig = field(default_factory=CurationConfig)
