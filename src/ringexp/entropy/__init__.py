"""The entropies that choose the checkpoint: how they are measured, and when."""
