"""Verifiers: what a response is worth, by domain, 1 or 0, with the reason counted."""
