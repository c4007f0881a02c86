"""The mark of tests that need a sandbox, skipped with the reason where none works."""

import pytest

from ringexp.errors import RingexpError
from ringexp.rewards.sandbox import require


def _why_not() -> str:
    try:
        require()
    except RingexpError as error:
        return str(error)
    return ""


WHY_NOT = _why_not()
needs_sandbox = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
