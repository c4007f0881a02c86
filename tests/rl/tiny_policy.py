"""A small policy in a real training loop: C3POModule, an engine, a verifier that a random model can please."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from lightning.pytorch import Trainer
from lightning.pytorch.loggers.logger import Logger
from torch.utils.data import DataLoader

from ringexp.cli import conf_dir
from ringexp.config.schema import Config
from ringexp.config.validate import typed, validate
from ringexp.evaluation.run import Evaluator
from ringexp.mixing.sampler import PromptRounds
from ringexp.mixing.schedule import Stage
from ringexp.models.bailing_moe import BailingMoeConfig, BailingMoeForCausalLM
from ringexp.models.tokenizer import ChatTokenizer, train_tokenizer
from ringexp.records import Outcome, Prompt, Verdict
from ringexp.rl.module import C3POModule
from ringexp.rl.parts import build_parts
from ringexp.rollout.transformers import TransformersEngine
from ringexp.training.checkpoint import save_model
from ringexp.training.module import StepModule

LIMIT = 20
SMALL = ("algorithm.prompts_per_step=4", "algorithm.group_size=4", "algorithm.token_budget=120",
         "algorithm.optimizer.lr=0.01", "algorithm.micro_batch_tokens=100", "algorithm.warmup_steps=0")  # fmt: skip


class EvenText:
    """Right is a text with an even number of characters: half of what a random model writes."""

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Verdict]:
        return [Verdict(Outcome.WRONG if len(text) % 2 else Outcome.CORRECT) for text in texts]

    def close(self) -> None:
        pass


class Memory(Logger):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[dict[str, float]] = []

    name = version = "memory"

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        pass

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.steps.append(metrics)


def configuration(*overrides: str) -> Config:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = typed(compose("config", [*SMALL, *overrides]))
    validate(config)
    return config


def tokenizer() -> ChatTokenizer:
    return train_tokenizer(["12+34=46", "so the answer is \\boxed{46}."] * 20, 300)


def model(tokens: ChatTokenizer, seed: int = 0) -> BailingMoeForCausalLM:
    torch.manual_seed(seed)
    return BailingMoeForCausalLM(BailingMoeConfig(
        vocab_size=len(tokens), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        head_dim=16, num_experts=8, num_experts_per_tok=2, num_shared_experts=1, moe_intermediate_size=16,
        max_position_embeddings=64, initializer_range=0.3, eos_token_id=tokens.eos_id,
    ))  # fmt: skip


def policy(folder: Path, config: Config, seed: int = 0, kind: type[C3POModule] = C3POModule) -> C3POModule:
    """The module, its engine loaded from `folder`."""
    tokens = tokenizer()
    save_model(folder, model(tokens), tokens)
    engine = TransformersEngine(folder, tokens.decode_many, tokens.eos_id, max_model_len=48, max_sequences=32,
                                threads=torch.get_num_threads())  # fmt: skip
    return kind(
        model(tokens), model(tokens, 1), Evaluator(engine, EvenText()), build_parts(config.algorithm), config.algorithm,
        config.rollout, instantiate(config.algorithm.optimizer), stage(), seed, 0, 1000, 0,
    )  # fmt: skip


def stage(steps: int = 3) -> Stage:
    return Stage("math", {"math": 1.0}, steps, 0, LIMIT)


def loader(config: Config, steps: int = 3) -> DataLoader[Any]:
    ids = [torch.randint(4, 260, (3 + n % 9,), generator=torch.Generator().manual_seed(n)) for n in range(40)]
    pool = [Prompt(f"p{n}", "math", "?", "1", token_ids=tuple(x.tolist())) for n, x in enumerate(ids)]
    rounds = PromptRounds({"math": pool}, {"math": 1.0}, config.algorithm, steps, 0, "math")
    return DataLoader(rounds, batch_size=None)


def run(module: StepModule, steps: DataLoader[Any], **trainer: Any) -> list[dict[str, float]]:
    """Metrics of each step."""
    memory = Memory()
    options = {"accelerator": "cpu", "devices": 1, "max_epochs": 1, "enable_checkpointing": False,
               "enable_progress_bar": False, "enable_model_summary": False, "use_distributed_sampler": False}
    partial(Trainer, **(options | trainer))(logger=memory).fit(module, steps)
    return memory.steps


def train(module: C3POModule, config: Config, steps: int = 3, **trainer: Any) -> list[dict[str, float]]:
    """Metrics of each step on the loader's prompts."""
    return run(module, loader(config, steps), **trainer)
