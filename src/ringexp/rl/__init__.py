"""C3PO reinforcement learning: pure functions (advantage, budget, objective) under one Lightning module."""
