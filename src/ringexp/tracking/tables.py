"""Tables of responses, as MLflow shows and compares them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ringexp.domains.pool import prompt_text
from ringexp.records import Group


def sample_table(groups: Sequence[Group], rows: int) -> dict[str, list[Any]]:
    """The first sample of each domain's first `rows` groups: prompt, response, gold answer, verdict, length.

    The UI groups rows by the first column and compares runs by the second, unless told otherwise.
    """
    table: dict[str, list[Any]] = {}
    seen: Counter[str] = Counter()
    for group in groups:
        seen[group.prompt.domain] += 1
        if seen[group.prompt.domain] > rows:
            continue
        rollout, verdict = group.rollouts[0], group.verdicts[0]
        row = {
            "prompt": prompt_text(group.prompt),
            "response": rollout.text,
            "answer": group.prompt.answer,
            "outcome": str(verdict.outcome),
            "reward": verdict.reward,
            "solved": sum(group.rewards) / len(group.rewards),
            "tokens": len(rollout.token_ids),
            "detail": verdict.detail,
            "domain": group.prompt.domain,
            "kind": group.prompt.kind,
            "level": group.prompt.level,
            "prompt_id": group.prompt.id,
        }
        for key, value in row.items():
            table.setdefault(key, []).append(value)
    return table
