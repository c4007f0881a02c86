"""Who has a model has called every elementary function with one number, before threads share a call."""

import subprocess
import sys

PROGRAM = """
import torch
from collections import Counter
called = Counter()
def spied(name, function):
    def spy(number):
        called[name, number.numel(), number.dtype] += 1
        return function(number)
    return spy
for name in ("cos", "sin", "exp", "log", "tanh", "erf", "sqrt"):
    setattr(torch, name, spied(name, getattr(torch, name)))
import ringexp.models.registry  # as vLLM does in its own processes
assert set(called.values()) == {1} and len(called) == 14, called
assert {number for _, number, _ in called} == {1}
assert {dtype for _, _, dtype in called} == {torch.float32, torch.float64}
"""


def test_every_function_is_called_by_one_thread_first() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
