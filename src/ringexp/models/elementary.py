"""The first call of every elementary function, made by one thread.

MKL, by which the CPU build of torch computes exp, cos and the like, looks for a function's kernel when it is first
called. Where several threads make that call at once, as on a busy machine, one of them may compute with a kernel of
low accuracy, once (pytorch/pytorch#188792): errors of 1e-4 in a step, or in the cosines that a rollout engine keeps
for as long as it lives.
"""

import torch

FUNCTIONS = (
    "acos", "asin", "atan", "cos", "cosh", "erf", "erfc", "erfinv", "exp", "exp2", "expm1", "lgamma", "log", "log10",
    "log1p", "log2", "rsqrt", "sigmoid", "sin", "sinh", "sqrt", "tan", "tanh",
)  # fmt: skip
"""Those of torch that MKL's vector library may compute."""


def settle() -> None:
    """Call each of them on one number, which no second thread shares; afterwards its kernel is found."""
    for dtype in (torch.float32, torch.float64):
        number = torch.full((1,), 0.5, dtype=dtype)
        for name in FUNCTIONS:
            getattr(torch, name)(number)
