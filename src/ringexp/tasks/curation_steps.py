"""The steps of a curation as configured."""

from collections import Counter
from collections.abc import Iterator, Sequence

from ringexp import seeds
from ringexp.config.schema import Config
from ringexp.curation.clean import Clean
from ringexp.curation.dataset import read_rows
from ringexp.curation.decontaminate import Decontaminate, EvaluationIndex
from ringexp.curation.dedup import Exact
from ringexp.curation.difficulty import Difficulty
from ringexp.curation.near import Near
from ringexp.curation.sources import questions
from ringexp.curation.steps import Skipped, Step
from ringexp.curation.verify import Verify, boxed
from ringexp.curation.work import TRAIN, Chunk
from ringexp.errors import DataError
from ringexp.records import Prompt
from ringexp.rewards.registry import Verifier
from ringexp.tasks.saved_model import SavedModel
from ringexp.tasks.solving import Solving
from ringexp.terminal import say


def steps(config: Config, solver: SavedModel | None, verifier: Verifier, read: Sequence[Chunk]) -> Iterator[Step]:
    """The steps in their order, each built when its turn has come."""
    own = config.curation
    off = "switched off"
    yield Clean(own.clean.rules, own.clean.min_chars, own.clean.max_chars, own.clean.max_trace_chars) \
        if own.clean.enabled else Skipped("clean", off)  # fmt: skip
    yield Exact(lambda one, other: _same_answer(verifier, one, other)) if own.exact.enabled \
        else Skipped(Exact.name, off)  # fmt: skip
    yield Near(own.near.threshold, own.near.permutations, seeds.derive(config.seed, "curate/near")) \
        if own.near.enabled else Skipped(Near.name, off)  # fmt: skip
    yield _decontaminate(config, read)
    yield Verify(verifier, own.verify.require_solution, own.verify.wrong_trace) if own.verify.enabled \
        else Skipped(Verify.name, off)  # fmt: skip
    if solver is None:
        yield Skipped(Difficulty.name, "no model (curation.difficulty.model)")
        return
    yield Difficulty(Solving(config, solver, verifier), own.difficulty.easy, own.difficulty.hard, _stronger(config))


def _same_answer(verifier: Verifier, one: Prompt, other: Prompt) -> bool:
    """Whether either answer, as a response to the other prompt, is judged correct."""
    verdicts = verifier.score([one, other], [boxed(other), boxed(one)])
    return any(verdict.reward == 1 for verdict in verdicts)


def _decontaminate(config: Config, read: Sequence[Chunk]) -> Step:
    """The step with its index of evaluation questions."""
    own = config.curation.decontaminate
    if not own.enabled:
        return Skipped(Decontaminate.name, "switched off")
    held_out = (row for chunk in read for row in chunk.rows() if row.split != TRAIN) if own.held_out else iter(())
    index = EvaluationIndex(questions(config.curation.against or {}, held_out, Counter()), own.ngram)
    if not index.names:
        return Skipped(Decontaminate.name, "no evaluation set (curation.against)")
    for name, count in index.too_short.items():
        say(f"decontaminate: {name}: {count} questions are too short to be looked for")
    return Decontaminate(index, own.coverage, own.same_numbers)


def _stronger(config: Config) -> dict[str, float] | None:
    """The stronger model's solve rates by row; None where none are given. Raises DataError where it has none."""
    folder = config.curation.difficulty.stronger
    if folder is None:
        return None
    rates = {row.prompt.id: row.solve_rate for row in read_rows(folder) if row.solve_rate is not None}
    if not rates:
        raise DataError(f"curation.difficulty.stronger={folder}: no row has a solve rate there: curate these data with "
                        "the stronger model and curation.difficulty.easy=null first")  # fmt: skip
    return rates
