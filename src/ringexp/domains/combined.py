"""One domain from several sources: trained on some, validated and tested on others."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ringexp.domains.placing import SPLITS, Loaded, Placed, Report, distinct, pooled
from ringexp.domains.pool import Pool
from ringexp.errors import ConfigError

Source = Loaded | Pool


def combined(
    domain: str,
    train: Source | Mapping[str, Source],
    validation: Source | Mapping[str, Source] | None = None,
    test: Source | Mapping[str, Source] | None = None,
) -> Loaded:
    """A pool whose splits come from different sources, each of which gives its own rows of that split.

    Several sources of a split stand under names of their own, so that the command line can change one of them.
    Where no source is named for validation or test, those that train give theirs; otherwise these, and whatever else is
    not asked for, are counted as `unused`. A question of the test set is in no other split, one of validation not in
    training: such rows are dropped and counted as `in_evaluation`. What sources dropped is added up. Only equal
    questions are found (without case and white space); near ones are found by curation.

    Raises:
        ConfigError: a source of another domain, or one without a row of the split that it is named for.
    """
    training = _sources("train", train, domain)
    chosen = {"train": training,
              "validation": training if validation is None else _sources("validation", validation, domain),
              "test": training if test is None else _sources("test", test, domain)}  # fmt: skip
    named = {"train": train, "validation": validation, "test": test}
    for split, sources in chosen.items():
        for source in sources if named[split] is not None else ():
            if not getattr(source.pool, split):
                raise ConfigError(f"data.pools.{domain}.{split}: this source has no {split} prompt; set "
                                  f"data.pools.{domain}.{split}.split={split} to take all its rows for it")  # fmt: skip
    sources = list({id(s): s for own in chosen.values() for s in own}.values())
    dropped: Counter[str] = Counter()
    for source in sources:
        dropped.update(source.report.dropped)
    taken = sum(len(getattr(s.pool, split)) for split, own in chosen.items() for s in own)
    dropped["unused"] += sum(sum(s.report.kept.values()) for s in sources) - taken
    found = pooled(domain, distinct(_placed(chosen), dropped), dropped, sum(s.report.read for s in sources))
    origin: dict[str, Any] = {split: [dict(s.pool.origin) for s in own] for split, own in chosen.items()}
    return Loaded(dataclasses.replace(found.pool, origin=origin), found.report)


def _placed(chosen: dict[str, list[Loaded]]) -> Iterator[Placed]:
    for split, sources in chosen.items():
        for source in sources:
            for prompt in getattr(source.pool, split):
                yield Placed(f"data.pools.{prompt.domain}.{split}", split, prompt)


def _sources(split: str, given: Source | Mapping[str, Source], domain: str) -> list[Loaded]:
    """The sources of a split as loaded pools."""
    named = dict(given) if isinstance(given, Mapping) else {"": given}
    found = []
    for source in named.values():
        if isinstance(source, Pool):
            kept = {s: len(getattr(source, s)) for s in SPLITS}
            source = Loaded(source, Report(sum(kept.values()), kept))
        if not isinstance(source, Loaded):
            raise ConfigError(f"data.pools.{domain}.{split}: gives no pool of prompts")
        if source.pool.domain != domain:
            raise ConfigError(f"data.pools.{domain}.{split}: its prompts are of domain {source.pool.domain!r}; set "
                              f"data.pools.{domain}.{split}.domain={domain}")  # fmt: skip
        found.append(source)
    return found
