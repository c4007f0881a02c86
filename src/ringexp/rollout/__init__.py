"""Rollout engines: what draws responses from the policy, behind one protocol."""
