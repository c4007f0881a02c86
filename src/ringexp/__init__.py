"""ringexp: experiments with the Ring-lite recipe (SFT, entropy-driven checkpoint selection, C3PO).

Importing the package starts nothing: torch, vLLM and MLflow load with the task that needs them.
"""

__version__ = "0.1.0"
