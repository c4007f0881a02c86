"""What several test folders share: tiny seeded models, random documents, composed configurations."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is loaded, as the command does

import random
import signal
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from types import FrameType

import pytest
import torch
from hydra import compose, initialize_config_dir
from hypothesis import settings
from omegaconf import DictConfig

from ringexp.cli import conf_dir
from ringexp.models.bailing_moe import BailingMoeConfig, BailingMoeForCausalLM
from ringexp.models.packing import Document

settings.register_profile("ringexp", deadline=None, derandomize=True, database=None)
settings.load_profile("ringexp")

VOCABULARY = 64


def pytest_configure() -> None:
    """A run that is cut off, say by the time limit of a CI, still says what has failed so far, and where it was."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        signal.signal(signal.SIGTERM, _cut_off)


def _cut_off(number: int, frame: FrameType | None) -> None:
    pytest.exit("ended by SIGTERM")


@pytest.fixture(scope="session")
def make_tiny() -> Callable[..., BailingMoeForCausalLM]:
    """`make_tiny(seed)`: 2 layers, hidden 32, 4 experts of which 2 are active, one shared, vocabulary 64."""

    def make(seed: int = 0, **changes: object) -> BailingMoeForCausalLM:
        sizes: dict[str, object] = {
            "vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "head_dim": 8, "num_experts": 4, "num_experts_per_tok": 2,
            "num_shared_experts": 1, "moe_intermediate_size": 16, "max_position_embeddings": 128,
            "initializer_range": 0.2, "eos_token_id": 1,
        }  # fmt: skip
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return BailingMoeForCausalLM(BailingMoeConfig(**(sizes | changes)))

    return make


@pytest.fixture
def tiny(make_tiny: Callable[..., BailingMoeForCausalLM]) -> BailingMoeForCausalLM:
    return make_tiny(0)


@pytest.fixture(scope="session")
def make_documents() -> Callable[..., list[Document]]:
    """`make_documents(n, seed)`: n documents of random tokens, prompts of 1–6 and responses of 1–15."""

    def make(n: int, seed: int = 0) -> list[Document]:
        draw = random.Random(seed)

        def tokens(most: int) -> tuple[int, ...]:
            return tuple(draw.randrange(VOCABULARY) for _ in range(draw.randint(1, most)))

        return [Document(tokens(6), tokens(15)) for _ in range(n)]

    return make


@pytest.fixture(scope="session")
def composed() -> Callable[..., DictConfig]:
    """`composed("seed=1", …)`: the configuration that the command would run with these overrides."""

    @cache
    def once(*overrides: str, **options: bool) -> DictConfig:
        with initialize_config_dir(version_base="1.3", config_dir=str(conf_dir().resolve())):
            return compose("config", overrides=list(overrides), **options)

    return lambda *overrides, **options: deepcopy(once(*overrides, **options))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A JSONL file that `data=gsm8k` and `data=jsonl` both read."""
    path = tmp_path / "rows.jsonl"
    lines = [f'{{"question": "What is {i} + 1?", "answer": "It is one more.\\n#### {i + 1}"}}\n' for i in range(50)]
    path.write_text("".join(lines), encoding="utf-8")
    return path
