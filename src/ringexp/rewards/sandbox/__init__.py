"""The sandbox of code rewards. `host` and what it imports run outside; what `root.GUESTS` lists runs inside."""

from ringexp.rewards.sandbox.host import Job, Sandbox, require
from ringexp.rewards.sandbox.limits import Limits

__all__ = ["Job", "Limits", "Sandbox", "require"]
