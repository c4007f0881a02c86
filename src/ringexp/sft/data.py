"""The data of supervised fine-tuning: the same counter-based sampler as RL, over prompts that have traces."""

from collections.abc import Mapping, Sequence

from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Subset

from ringexp.config.recipe import SFTConfig
from ringexp.errors import ConfigError
from ringexp.mixing.sampler import MixtureSampler
from ringexp.records import Prompt


def sft_steps(config: SFTConfig, documents: int) -> int:
    """Optimizer steps: as configured, or enough for `epochs` passes over the documents."""
    if config.max_steps is not None:
        return config.max_steps
    assert config.epochs is not None
    return max(1, config.epochs * documents // config.batch_size)


class SFTData(LightningDataModule):  # type: ignore[misc]
    """Batches of traced prompts from `start` on, domains mixed by `sft.weights`, else by the sizes of their pools.

    A domain without traces takes no part (the run says so when it begins). An epoch of
    `sft.epochs` is as many documents as there are, whatever the weights make of each domain.
    Raises ConfigError where there is nothing to learn from.
    """

    def __init__(self, pools: Mapping[str, Sequence[Prompt]], config: SFTConfig, seed: int) -> None:
        super().__init__()
        traced = {domain: [p for p in prompts if p.trace_ids] for domain, prompts in pools.items()}
        sizes = {domain: float(len(prompts)) for domain, prompts in traced.items()}
        weights = sizes if config.weights is None else {d: config.weights[d] if n else 0.0 for d, n in sizes.items()}
        if not sum(weights.values()):
            raise ConfigError("sft.weights: no domain of data.pools has both weight and prompts with a trace")
        self.steps = sft_steps(config, int(sum(sizes.values())))
        self.sampler = MixtureSampler(traced, weights, config.batch_size, self.steps, seed, "sft")
        self.start, self.stop = 0, self.steps

    def train_dataloader(self) -> DataLoader[tuple[Prompt, ...]]:
        """The steps that are left."""
        return DataLoader(Subset(self.sampler, range(self.start, self.stop)), batch_size=None)
