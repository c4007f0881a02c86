"""What SFT reads: traced prompts of each domain, mixed by weights."""

from collections import Counter

import pytest

from ringexp.config.recipe import SFTConfig
from ringexp.errors import ConfigError
from ringexp.records import Prompt
from ringexp.sft.data import SFTData

SIZES = {"math": 40, "code": 30, "science": 10}


def pools(traced: bool = True, **sizes: int) -> dict[str, list[Prompt]]:
    ids = (7, 8) if traced else ()
    return {d: [Prompt(f"{d}{i}", d, "?", "1", trace_ids=ids) for i in range(n)] for d, n in (SIZES | sizes).items()}


def drawn(data: SFTData) -> Counter[str]:
    return Counter(p.domain for step in data.train_dataloader() for p in step)


def test_domains_are_mixed_by_the_weights() -> None:
    """The paper's mix: 64.5, 25.5 and 9.2 per cent of 6,400 documents, to a document a step."""
    weights = {"math": 64.5, "code": 25.5, "science": 9.2}
    counts = drawn(SFTData(pools(), SFTConfig(weights=weights, batch_size=64, max_steps=100), seed=0))
    assert counts.total() == 6400
    for domain, weight in weights.items():
        assert abs(counts[domain] - 6400 * weight / 99.2) < 40


def test_without_weights_the_pools_sizes_count() -> None:
    counts = drawn(SFTData(pools(), SFTConfig(batch_size=80, max_steps=50), seed=0))
    assert counts == {"math": 2000, "code": 1500, "science": 500}


def test_a_domain_without_traces_or_weight_takes_no_part() -> None:
    mixed = pools() | {"science": pools(traced=False)["science"]}
    weights = {"math": 1.0, "code": 0.0, "science": 5.0}
    assert set(drawn(SFTData(mixed, SFTConfig(weights=weights, batch_size=8, max_steps=5), seed=0))) == {"math"}
    with pytest.raises(ConfigError, match="both weight and prompts with a trace"):
        SFTData(pools(traced=False), SFTConfig(weights=weights, max_steps=5), seed=0)


def test_a_resumed_loader_goes_on_where_it_was() -> None:
    config = SFTConfig(weights={"math": 2.0, "code": 1.0, "science": 1.0}, batch_size=6, max_steps=9)
    whole, resumed = SFTData(pools(), config, seed=3), SFTData(pools(), config, seed=3)
    resumed.start = 4
    assert list(resumed.train_dataloader()) == list(whole.train_dataloader())[4:]
