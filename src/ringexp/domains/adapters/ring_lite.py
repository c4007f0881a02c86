"""The published part of Ring-lite's own data: long chains of thought for SFT, verifiable problems for RL.

The datasets' cards name no fields. What is known of them is said in each docstring, and what was assumed: a row that
does not fit names the field, so look at the first rows of a first load.
"""

from collections.abc import Mapping
from typing import Any

from ringexp.domains.adapters.fields import (
    FieldError,
    Fields,
    Unusable,
    code,
    mapping,
    maybe,
    number_text,
    optional,
    sequence,
    text,
    value,
)
from ringexp.domains.adapters.programs import first_python, program_question, program_tests
from ringexp.rewards.boxed import last_boxed

_ASKING, _ANSWERING = ("user", "human"), ("assistant",)
_PYTHON = ("", "python", "python3")


def sft(row: Mapping[str, Any]) -> Fields:
    """Ring-lite-sft-data, `inclusionAI/Ring-lite-sft-data`: `messages`, a list of `role` and `content`.

    The field's name is that of public training scripts that read it; the roles are assumed (`user` or `human`, and
    `assistant`, in any case). The response is the trace and its last box the gold answer: rows without one, code among
    them, are left out as `no_answer`, and longer conversations as `several_turns`; a system message is not kept.
    `domain` is taken where a row has it.
    """
    turns = [mapping("messages", turn) for turn in sequence("messages", value(row, "messages")[1])]
    turns = [turn for turn in turns if text(turn, "role").lower() != "system"]
    roles = [text(turn, "role").lower() for turn in turns]
    if len(turns) > 2:
        raise Unusable("several_turns")
    if len(turns) < 2 or roles[0] not in _ASKING or roles[1] not in _ANSWERING:
        raise FieldError("messages", f"expected a user's message and the assistant's, found the roles {roles}")
    trace = text(turns[1], "content")
    gold = last_boxed(trace)
    if gold is None or not gold.strip():
        raise Unusable("no_answer")
    return Fields(text(turns[0], "content"), gold.strip(), trace, **optional(row))


def rl_math(row: Mapping[str, Any]) -> Fields:
    """Ring-lite-rl-data, `inclusionAI/Ring-lite-rl-data`, its maths problems: assumed by analogy with `rl_code`.

    The problem under `prompt`, `question`, `query` or `problem` (or as one message under `messages`), the gold answer
    under `groundtruth` or `answer`.
    """
    return Fields(_problem(row), number_text(row, "groundtruth", "answer"), kind=maybe(row, "dataset"))


def rl_code(row: Mapping[str, Any]) -> Fields:
    """Ring-lite-rl-data, `inclusionAI/Ring-lite-rl-data`, `code.jsonl`.

    Read by a public benchmark of sandboxes: `code_test_cases` (a list of `input` and `output`), `groundtruth` (a
    program that passes them, our trace), `groundtruth_language`, `code_language`, `dataset`. The problem's name is
    assumed as in `rl_math`. Rows in another language are left out as `other_language`, rows whose cases are not input
    and output as `no_tests`.
    """
    problem, program = _problem(row), code(row, "groundtruth")
    if any(maybe(row, n).strip().lower() not in _PYTHON for n in ("code_language", "groundtruth_language")):
        raise Unusable("other_language")
    name = "code_test_cases"
    cases = [mapping(name, case) for case in sequence(name, value(row, name)[1])]
    if not all(isinstance(case.get(key), str) for case in cases for key in ("input", "output")):
        raise Unusable("no_tests")
    pairs = [(case["input"], case["output"]) for case in cases]
    return Fields(program_question(problem), program_tests(pairs), first_python([program]), kind=maybe(row, "dataset"))


def _problem(row: Mapping[str, Any]) -> str:
    """The problem's text, under the names that such sets use."""
    name, found = value(row, "prompt", "question", "query", "problem", "messages")
    if isinstance(found, str):
        return text(row, name)
    messages = sequence(name, found)
    if len(messages) != 1:
        raise FieldError(name, f"expected text or one message, found {len(messages)} messages")
    return text(mapping(name, messages[0]), "content")
