"""Rows for the tests of curation; the generator of planted rows is the benchmark's."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ringexp.curation.dataset import Row
from ringexp.records import Prompt

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))  # behind analysis, which has a report too

Make = Callable[..., Row]


@pytest.fixture
def make() -> Make:
    """`make("question", "answer", domain=…, trace=…)`: a training row with an id of its own, counted up."""
    count = 0

    def row(question: str, answer: str = "7", domain: str = "math", trace: str | None = None, id: str = "") -> Row:
        nonlocal count
        count += 1
        return Row(Prompt(id or f"row{count}", domain, question, answer, trace=trace), source=f"data.pools.{domain}")

    return row
