"""Pools of verifiable problems by domain: procedural generators with teacher traces, and adapters to public data."""
