"""Tables of responses, as MLflow shows and compares them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ringexp.domains.pool import prompt_text
from ringexp.records import Group


def sample_table(groups: Sequence[Group], rows: int) -> dict[str, list[Any]]:
    """The first sample of each domain's first `rows` groups: prompt, response, gold answer, verdict, length."""
    table: dict[str, list[Any]] = {}
    seen: Counter[str] = Counter()
    for group in groups:
        seen[group.prompt.domain] += 1
        if seen[group.prompt.domain] > rows:
            continue
        rollout, verdict = group.rollouts[0], group.verdicts[0]
        row = {
            "prompt_id": group.prompt.id,
            "domain": group.prompt.domain,
            "kind": group.prompt.kind,
            "level": group.prompt.level,
            "prompt": prompt_text(group.prompt),
            "response": rollout.text,
            "answer": group.prompt.answer,
            "reward": verdict.reward,
            "outcome": str(verdict.outcome),
            "detail": verdict.detail,
            "tokens": len(rollout.token_ids),
            "solved": sum(group.rewards) / len(group.rewards),
        }
        for key, value in row.items():
            table.setdefault(key, []).append(value)
    return table
