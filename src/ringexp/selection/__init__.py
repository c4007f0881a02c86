"""Choosing the SFT checkpoint that RL starts from."""
