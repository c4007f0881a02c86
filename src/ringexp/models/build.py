"""A policy from its configuration: seeded random weights, or pretrained ones."""

from typing import Any

import torch
from hydra.utils import instantiate

from ringexp import seeds
from ringexp.config.schema import ModelConfig
from ringexp.errors import ConfigError
from ringexp.models.bailing_moe import BailingMoeConfig, BailingMoeForCausalLM


def build_config(config: ModelConfig, vocab_size: int, eos_id: int) -> BailingMoeConfig:
    """The architecture, its vocabulary that of the tokenizer where the configuration names none.

    Raises ConfigError for an impossible architecture.
    """
    sizes: dict[str, Any] = {"vocab_size": vocab_size} if "vocab_size" not in config.config else {}
    try:
        built = instantiate(config.config, eos_token_id=eos_id, **sizes)
    except Exception as error:
        raise ConfigError(f"model.config: {error.__cause__ or error}") from error
    if built.vocab_size < vocab_size:
        raise ConfigError(f"model.config.vocab_size={built.vocab_size}: the tokenizer has {vocab_size} entries")
    return built  # type: ignore[no-any-return]


def build_model(config: ModelConfig, architecture: BailingMoeConfig, seed: int) -> BailingMoeForCausalLM:
    """A new policy: the weights at `config.path`, or random ones that `seed` decides.

    The global generator is left as it was.
    """
    if config.path is not None:
        return BailingMoeForCausalLM.from_pretrained(config.path, dtype=torch.float32)  # type: ignore[no-any-return]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.derive(seed, "weights"))
        return BailingMoeForCausalLM(architecture)
