"""What the teacher is asked, and the rows that its answers become."""

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ringexp.curation.dataset import Row
from ringexp.distillation.work import Answered
from ringexp.domains.placing import SPLITS
from ringexp.domains.pool import Pool, each_once
from ringexp.models.tokenizer import ChatTokenizer
from ringexp.records import Prompt


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt without a trace, encoded for the teacher, and its split.

    `wanted`: its split is to be distilled; `asked`: so it is, and the prompt is not too long for it.
    """

    prompt: Prompt
    split: str
    wanted: bool
    asked: bool


def questions(
    pools: Mapping[str, Pool], tokenizer: ChatTokenizer, splits: Collection[str], max_prompt_tokens: int
) -> list[Question]:
    """Every distinct prompt of all splits, domains in order of their names; `splits` are distilled."""
    found = []
    for _, pool in sorted(pools.items()):
        train, validation, test = (tuple(dataclasses.replace(p, trace=None) for p in each_once(getattr(pool, split)))
                                   for split in SPLITS)  # fmt: skip
        encoded = tokenizer.encode_pool(Pool(pool.domain, train, validation, test))
        for split in SPLITS:
            found += [Question(p, split, split in splits, split in splits and len(p.token_ids) <= max_prompt_tokens)
                      for p in getattr(encoded, split)]  # fmt: skip
    return found


def rows(question: Question, answer: Answered | None, source: str, untraced: str) -> Iterator[Row]:
    """A row for each trace; where there is none, one without, unless `untraced` drops training prompts like that.

    The first keeps the prompt's id, the others have its number behind it. `solve_rate` is the teacher's.
    """
    prompt, samples = dataclasses.replace(question.prompt, token_ids=()), len(answer.fates) if answer else 0
    rate = answer.correct / samples if answer and samples else None
    traces: Iterable[str | None] = answer.traces if answer else ()
    if not traces and not (question.wanted and question.split == "train" and untraced == "drop"):
        traces = (None,)
    for number, trace in enumerate(traces, 1):
        own = dataclasses.replace(prompt, trace=trace, id=prompt.id if number == 1 else f"{prompt.id}/{number}")
        yield Row(own, question.split, source, prompt.id, rate, samples or None)
