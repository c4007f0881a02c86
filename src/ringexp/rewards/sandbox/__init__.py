"""The sandbox of code rewards: `host` and `root` run outside, `guest` and the modules it uses run inside."""

from ringexp.rewards.sandbox.host import Job, Limits, Sandbox, require

__all__ = ["Job", "Limits", "Sandbox", "require"]
