"""Domain mixing: weights → stages → which prompt comes next."""
