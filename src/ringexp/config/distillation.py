"""The typed schema of task=distill: the teacher, what is drawn from it, which responses become traces."""

from dataclasses import dataclass, field

from omegaconf import MISSING

from ringexp.config.recipe import Component

SPLITS = ("train", "validation")
"""What may be distilled. Test prompts go into the dataset without a trace: students are evaluated on them."""

UNTRACED = ("keep", "drop")


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
