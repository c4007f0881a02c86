"""Searches over configurations: what is searched, and what is known before the search."""
