"""Traces from a teacher: its responses to training prompts, judged, filtered, a few of each prompt kept."""
