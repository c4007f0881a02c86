"""The typed schema of curation (task=curate)."""

from dataclasses import dataclass, field

from ringexp.config.recipe import Component

RULES = ("invalid_characters", "empty", "image", "choice", "true_false", "multi_part", "unanswerable")
"""The names of the cleaning rules, in their order."""


@dataclass
class CleanConfig:
    """The rules that are on (those of RULES); limits in characters, a longer trace is removed from its row."""

    enabled: bool = True
    rules: list[str] = field(default_factory=lambda: list(RULES))
    min_chars: int = 8
    max_chars: int = 20_000
    max_trace_chars: int = 200_000


@dataclass
class ExactConfig:
    """Rows that ask the same."""

    enabled: bool = True


@dataclass
class NearConfig:
    """Rows that ask nearly the same: the Jaccard similarity from which on, and the length of MinHash signatures."""

    enabled: bool = True
    threshold: float = 0.7
    permutations: int = 128


@dataclass
class DecontaminateConfig:
    """Word n-grams that rows share with evaluation questions.

    `coverage` is the share of an evaluation question's tokens; `held_out` takes the pools' own validation and test
    rows for evaluation sets too.
    """

    enabled: bool = True
    ngram: int = 8
    coverage: float = 0.5
    same_numbers: bool = True
    held_out: bool = True


@dataclass
class VerifyConfig:
    """Answers and traces judged by rewards.verifiers; by domain, whether a row without a trace is dropped.

    `wrong_trace`: drop the row, or remove the trace where the row may stay without one.
    """

    enabled: bool = True
    require_solution: dict[str, bool] = field(default_factory=dict)
    wrong_trace: str = "drop"


@dataclass
class DifficultyConfig:
    """Solve rates from `samples` responses of a model; null: not measured.

    `model` is a folder with a model and its tokenizer, or the id of a recorded pipeline (its selected checkpoint).
    From the solve rate `easy` on a row is dropped; up to `hard` it is where the results in the dataset folder
    `stronger` say that a stronger model never solves it. Null: none is.
    """

    model: str | None = None
    samples: int = 8
    temperature: float = 1.0
    max_response_tokens: int = 128
    easy: float | None = 1.0
    hard: float | None = 0.0
    stronger: str | None = None


@dataclass
class CurationConfig:
    """Curation of the configured pools' training rows into the dataset at `output`, which has the name `dataset`.

    `against` names the evaluation sets that rows are held against, each built as a pool is; without a `_target_`, from
    a file `path` of JSON lines. Work is stored every `chunk_rows` rows.
    """

    output: str | None = None
    dataset: str = "curated"
    chunk_rows: int = 2_000
    against: dict[str, Component] | None = None
    clean: CleanConfig = field(default_factory=CleanConfig)
    exact: ExactConfig = field(default_factory=ExactConfig)
    near: NearConfig = field(default_factory=NearConfig)
    decontaminate: DecontaminateConfig = field(default_factory=DecontaminateConfig)
    verify: VerifyConfig = field(default_factory=VerifyConfig)
    difficulty: DifficultyConfig = field(default_factory=DifficultyConfig)
