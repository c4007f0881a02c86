"""From the configured pools to encoded prompts that fit the length limits; what does not fit is counted."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from ringexp.config.schema import DataConfig, TokenizerConfig
from ringexp.domains.guessable import check_answers
from ringexp.domains.placing import Loaded
from ringexp.domains.pool import Pool
from ringexp.errors import ConfigError, RingexpError
from ringexp.models.tokenizer import ChatTokenizer, build_tokenizer

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Prepared:
    """Encoded pools by domain, rows left out by reason, and a fingerprint of the data as the sources hold it."""

    pools: Mapping[str, Pool]
    dropped: Mapping[str, int]
    fingerprint: str


_kept: dict[str, tuple[Prepared, ChatTokenizer]] = {}
"""The data of this process's last run, by what they were made from."""


def prepared(config: DataConfig, tokenizer: TokenizerConfig) -> tuple[Prepared, ChatTokenizer]:
    """Load, tokenize and encode; where the same was asked for before, as in a sweep, nothing is done again.

    Raises what `load_pools`, `build_tokenizer` and `prepare` raise.
    """
    named = [config.path, *config.files.values(), *_paths(OmegaConf.to_container(cast(DictConfig, config.pools)))]
    files = sorted({path for path in named if path is not None and Path(path).is_file()})
    seen = [(path, Path(path).stat().st_mtime_ns, Path(path).stat().st_size) for path in files]
    key = repr([OmegaConf.to_container(cast(DictConfig, part), resolve=True) for part in (config, tokenizer)] + seen)
    if key not in _kept:
        pools, dropped = load_pools(config)
        built = build_tokenizer(tokenizer.path, tokenizer.vocab_size, pools.values())
        found = prepare(pools, dropped, built, config), built
        _kept.clear()
        _kept[key] = found
    return _kept[key]


def _paths(node: Any) -> Iterator[str]:
    """What stands under a key `path` anywhere below."""
    for key, child in node.items() if isinstance(node, dict) else ():
        if key == "path" and isinstance(child, str):
            yield child
        yield from _paths(child)


def load_pools(config: DataConfig) -> tuple[dict[str, Pool], Counter[str]]:
    """Build each domain's pool; rows that a source left out, by reason. Raises the sources' own errors."""
    pools, dropped = {}, Counter[str]()
    for domain, component in config.pools.items():
        try:
            source = instantiate(component)
        except Exception as error:
            cause: BaseException | None = error
            while cause is not None and not isinstance(cause, RingexpError):
                cause = cause.__cause__  # one wrapping by Hydra for each source within a source
            if cause is None:
                raise
            raise cause from None
        if isinstance(source, Loaded):
            dropped.update(source.report.dropped)
            source = source.pool
        if not isinstance(source, Pool):
            raise ConfigError(f"data.pools.{domain}: {component.get('_target_')} gives no pool of prompts")
        if source.domain != domain:
            raise ConfigError(f"data.pools.{domain}: its prompts are of domain {source.domain!r}; "
                              f"set data.pools.{domain}.domain={domain}")  # fmt: skip
        pools[domain] = source
    return pools, dropped


def prepare(pools: Mapping[str, Pool], dropped: Counter[str], tokenizer: ChatTokenizer, config: DataConfig) -> Prepared:
    """Encode, drop prompts over the limit, drop traces over the limit (their prompts stay for RL).

    Raises ConfigError where a split that is needed ends up empty, or where training would reward guesses.
    """
    check_answers(pools, config.guessable)
    fingerprint = hashlib.sha256("".join(pool.fingerprint for pool in pools.values()).encode())
    fingerprint.update(tokenizer.fingerprint.encode())
    counts = Counter(dropped)
    encoded = {domain: _fit(tokenizer.encode_pool(pool), config, counts) for domain, pool in pools.items()}
    for domain, pool in encoded.items():
        for split in SPLITS:
            if not getattr(pools[domain], split):
                raise ConfigError(f"data.pools.{domain}: there is no {split} prompt; give more rows, rows that name "
                                  "their split, or a source for it (docs/data.md)")  # fmt: skip
            if not getattr(pool, split):
                raise ConfigError(f"data.pools.{domain}: no {split} prompt is left within data.max_prompt_tokens="
                                  f"{config.max_prompt_tokens}")
    for split in ("train", "validation"):
        if not any(p.trace_ids for pool in encoded.values() for p in getattr(pool, split)):
            raise ConfigError(f"data.pools: no {split} prompt has a trace; give data with worked solutions, or raise "
                              f"data.max_trace_tokens={config.max_trace_tokens}")  # fmt: skip
    return Prepared(encoded, counts, fingerprint.hexdigest())


def untraced(pools: Mapping[str, Pool]) -> list[str]:
    """The domains from which SFT has nothing to learn."""
    return [domain for domain, pool in pools.items() if not any(p.trace_ids for p in pool.train)]


def _fit(pool: Pool, config: DataConfig, counts: Counter[str]) -> Pool:
    longest, longest_trace = config.max_prompt_tokens, config.max_trace_tokens  # a read of OmegaConf is slow
    kept = []
    for rows in (pool.train, pool.validation, pool.test):
        short = [p for p in rows if len(p.token_ids) <= longest]
        counts["long_prompts"] += len(rows) - len(short)
        counts["long_traces"] += sum(len(p.trace_ids) > longest_trace for p in short)
        kept.append(tuple(dataclasses.replace(p, trace_ids=()) if len(p.trace_ids) > longest_trace else p
                          for p in short))  # fmt: skip
    return dataclasses.replace(pool, train=kept[0], validation=kept[1], test=kept[2])
