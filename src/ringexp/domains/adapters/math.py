"""Maths: GSM8K, MATH and MATH-500, AIME, DAPO-Math-17k, DeepScaleR."""

import re
from collections.abc import Mapping
from typing import Any

from ringexp.domains.adapters.fields import (
    FieldError,
    Fields,
    Unusable,
    mapping,
    maybe,
    number_text,
    sequence,
    text,
    value,
    whole,
)
from ringexp.rewards.boxed import last_boxed

_CALCULATOR = re.compile(r"<<[^<>]*>>")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_LEVEL = re.compile(r"Level (\d|\?)")
_DEGREES = re.compile(r"\s*\^\s*(\\circ|\{\s*\\circ\s*\})\s*$")

DAPO_BEGINS = (
    "Solve the following math problem step by step. The last line of your response should be of the form "
    "Answer: $Answer (without quotes) where $Answer is the answer to the problem."
)
DAPO_ENDS = 'Remember to put your answer on its own line after "Answer:".'


def boxed_trace(solution: str, gold: str) -> str | None:
    """A solution that ends in the gold answer's box, as responses have to; None where there is no solution."""
    if not solution.strip() or last_boxed(solution) == gold:
        return solution.strip() or None
    return f"{solution.strip()}\nThe answer is \\boxed{{{gold}}}."


def gsm8k(row: Mapping[str, Any]) -> Fields:
    """GSM8K, `openai/gsm8k` (configuration `main`): `question`, `answer`.

    `answer` holds the solution, then "####" and the final answer; calculator annotations (`<<48/2=24>>`) are removed
    from the trace, thousands separators from the gold answer.
    """
    question, whole = text(row, "question"), text(row, "answer")
    solution, mark, final = whole.rpartition("####")
    gold = _THOUSANDS.sub("", final.strip())
    if not mark or not gold:
        raise FieldError("answer", 'no final answer after "####"')
    worked = _CALCULATOR.sub("", solution).strip()
    ending = f"The answer is \\boxed{{{gold}}}."
    return Fields(question, gold, f"{worked}\n{ending}" if worked else ending)


def competition(row: Mapping[str, Any]) -> Fields:
    """MATH (Hendrycks et al. 2021), `EleutherAI/hendrycks_math`: `problem`, `solution`, `level`, `type`.

    Gold: the last `\\boxed{…}` of the solution, which is the trace too; a row without one is left out as `no_answer`.
    `level` is "Level 1" to "Level 5", or "Level ?" (level 0); `type` is the subject, our kind.
    """
    solution = text(row, "solution")
    gold = last_boxed(solution)
    level = _LEVEL.fullmatch(text(row, "level"))
    if level is None:
        raise FieldError("level", f'expected "Level 1" to "Level 5", found {row["level"]!r}')
    question, kind = text(row, "problem"), text(row, "type")
    if gold is None or not gold.strip():
        raise Unusable("no_answer")
    return Fields(question, gold.strip(), solution, kind=kind, level=int(level[1].replace("?", "0")))


def math500(row: Mapping[str, Any]) -> Fields:
    """MATH-500 (Lightman et al. 2023), `HuggingFaceH4/MATH-500`: `problem`, `solution`, `answer`, `subject`, `level`.

    `level` is a whole number here, `subject` is our kind; all rows are for tests.
    """
    gold = text(row, "answer")
    return Fields(
        text(row, "problem"),
        gold,
        boxed_trace(text(row, "solution"), gold),
        split="test",
        kind=text(row, "subject"),
        level=whole(*value(row, "level")),
    )


def aime(row: Mapping[str, Any]) -> Fields:
    """AIME, as several publishers name its fields; all rows are for tests, without a trace.

    `math-ai/aime24`: `problem`, `solution` (the boxed answer alone); `math-ai/aime25`: `problem`, `answer`;
    `HuggingFaceH4/aime_2024`: `problem`, `answer`; `Maxwell-Jia/AIME_2024`: `Problem`, `Answer` (a number).
    The gold answer is a whole number from 0 to 999 by the contest's rules; leading zeros and a degree sign are removed.
    """
    question = text(row, "problem", "Problem", "question")
    name = next((n for n in ("answer", "Answer", "solution", "Solution") if n in row), "answer")
    given = number_text(row, name)
    bare = _DEGREES.sub("", (last_boxed(given) or given).strip().strip("$"))
    if not re.fullmatch(r"\d{1,3}", bare):
        raise FieldError(name, f"expected a whole number from 0 to 999, found {given[:40]!r}")
    return Fields(question, str(int(bare)), split="test", kind="aime")


def dapo(row: Mapping[str, Any]) -> Fields:
    """DAPO-Math-17k, `BytedTsinghua-SIA/DAPO-Math-17k`: `prompt`, `reward_model`, in verl's schema.

    `prompt` is a list of one message with `role` and `content`; the content holds an instruction before and after the
    problem, which is removed, since ours asks for a box. Gold: `reward_model.ground_truth`. There are no traces. The
    published file repeats each of its 17,917 problems about a hundred times: the loader counts `duplicate`.
    """
    messages = sequence("prompt", value(row, "prompt")[1])
    if len(messages) != 1:
        raise FieldError("prompt", f"expected one message, found {len(messages)}")
    content = text(mapping("prompt", messages[0]), "content")
    if not (content.startswith(DAPO_BEGINS) and content.endswith(DAPO_ENDS)):
        raise FieldError("prompt", "the published instruction is not around the problem; for rows without it use "
                                   "adapter=records")  # fmt: skip
    question = content[len(DAPO_BEGINS) : -len(DAPO_ENDS)].strip()
    if not question:
        raise FieldError("prompt", "no problem between the instructions")
    name, model = value(row, "reward_model")
    return Fields(question, number_text(mapping(name, model), "ground_truth"))


def deepscaler(row: Mapping[str, Any]) -> Fields:
    """DeepScaleR, `agentica-org/DeepScaleR-Preview-Dataset`: `problem`, `answer`, `solution` (which may be empty)."""
    gold = number_text(row, "answer")
    return Fields(text(row, "problem"), gold, boxed_trace(maybe(row, "solution"), gold))
