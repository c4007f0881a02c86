"""Problems that reasoning-gym generates (Stojanovski et al. 2025): an offline source, of tasks with a number as answer.

The library is an optional extra, `pip install 'ringexp[reasoning]'`: two of its requirements come as source only, and
one of these needs a C compiler. Entries that were saved as JSON lines are read without it (adapter `reasoning_gym`).
"""

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

from ringexp.domains.adapters.fields import Fields
from ringexp.domains.adapters.reasoning import TASKS, reasoning_gym
from ringexp.domains.placing import SPLITS, question_key
from ringexp.domains.pool import Pool
from ringexp.domains.public import prompt_of
from ringexp.errors import ConfigError
from ringexp.records import Prompt
from ringexp.seeds import derive

_TRIES = 20
"""Problems to generate for each one that is wanted, before a task counts as exhausted."""


def load_reasoning_gym(
    tasks: Sequence[str], train: int, validation: int, test: int, seed: int, domain: str = "math"
) -> Pool:
    """A pool of generated problems, all tasks in turn; the same for the same seed and version of the library.

    No question stands twice. The test set is generated first, then validation, then train, so that a larger training
    set leaves the others as they are.

    Args:
        tasks: names of reasoning-gym's, of `TASKS`; they are the prompts' kinds.
        train: rows of the split, over all tasks; `validation` and `test` likewise.
        validation: see `train`.
        test: see `train`.
        seed: of the generators.
        domain: the pool's domain.

    Raises:
        ConfigError: the library is not installed, a task that is not supported, or one that cannot give that many
            different problems.
    """
    key = f"data.pools.{domain}"
    unknown = sorted(set(tasks) - set(TASKS))
    if unknown or not tasks:
        raise ConfigError(f"{key}.tasks={list(tasks)}: give some of {', '.join(TASKS)}")
    try:
        import reasoning_gym as library
    except ImportError as error:
        raise ConfigError(f"{key}: reasoning-gym cannot be imported ({error}): pip install 'ringexp[reasoning]'") from (
            error
        )
    counts = {"test": test, "validation": validation, "train": train}
    rows: dict[str, list[Prompt]] = {split: [] for split in SPLITS}
    for number, task in enumerate(tasks):
        shares = {split: count // len(tasks) + (number < count % len(tasks)) for split, count in counts.items()}
        wanted = sum(shares.values())
        entries = library.create_dataset(task, size=wanted * _TRIES, seed=derive(seed, "reasoning_gym", task) % 2**31)
        fields = _different(entries, wanted, f"{key}.tasks: {task}")
        for split, share in shares.items():
            rows[split] += [prompt_of(next(fields), domain) for _ in range(share)]
    origin = {"reasoning_gym": version("reasoning-gym"), "tasks": list(tasks), "seed": seed}
    return Pool(domain, tuple(rows["train"]), tuple(rows["validation"]), tuple(rows["test"]), origin)


def _different(entries: Any, wanted: int, key: str) -> Iterator[Fields]:
    """As many entries as are wanted, whose questions are all different."""
    found: dict[str, Fields] = {}
    for number in range(len(entries)):
        if len(found) == wanted:
            break
        fields = reasoning_gym(entries[number])
        found.setdefault(question_key(fields.question), fields)
    if len(found) < wanted:
        raise ConfigError(f"{key} gives {len(found)} different problems, {wanted} are wanted: ask for fewer")
    return iter(found.values())
