"""Pools: fingerprints, suffixes, dispatch to the generators."""

from dataclasses import replace

import pytest

from ringexp.domains.pool import SUFFIX, Pool, prompt_text, synthetic_pool
from ringexp.errors import ConfigError
from ringexp.records import Prompt

PAPER_SUFFIX = "Please reason step by step, and put your final answer within \\boxed{}."


def test_synthetic_pool_has_the_sizes_asked_for_and_disjoint_splits() -> None:
    pool = synthetic_pool("math", 60, 20, 30, seed=1, levels=[1, 2], kinds=["add", "chain"])
    assert (len(pool.train), len(pool.validation), len(pool.test)) == (60, 20, 30)
    assert {p.kind for p in pool.train} == {"add", "chain"}
    assert {p.level for p in pool.train} == {1, 2}
    assert len({p.id for p in (*pool.train, *pool.validation, *pool.test)}) == 110


def test_fingerprint_covers_content_split_and_order_but_no_encoding() -> None:
    pool = synthetic_pool("math", 5, 2, 2, seed=1)
    assert len(pool.fingerprint) == 64
    assert pool.fingerprint == synthetic_pool("math", 5, 2, 2, seed=1).fingerprint
    first = pool.train[0]
    encoded = replace(pool, train=(replace(first, token_ids=(1, 2)), *pool.train[1:]))
    assert encoded.fingerprint == pool.fingerprint
    changed = [
        replace(pool, train=pool.train[::-1]),
        replace(pool, train=(*pool.train, *pool.validation), validation=()),
        replace(pool, train=(replace(first, answer="0"), *pool.train[1:])),
        replace(pool, train=(replace(first, trace=None), *pool.train[1:])),
        replace(pool, domain="science"),
        synthetic_pool("math", 5, 2, 2, seed=2),
    ]
    assert len({pool.fingerprint, *(p.fingerprint for p in changed)}) == 7


def test_fingerprint_does_not_change_between_versions_by_accident() -> None:
    pool = Pool("math", (Prompt("a", "math", "What is 1+1?", "2", "add", 1, "1+1=2."),))
    assert pool.fingerprint == "f04d80db2e2d24e87c413a43fad61b4045bb11b8e05376df7b10fdef61dc92ad"


@pytest.mark.parametrize("domain", ["math", "science"])
def test_prompt_text_ends_in_the_papers_suffix(domain: str) -> None:
    assert SUFFIX[domain] == PAPER_SUFFIX
    assert prompt_text(Prompt("a", domain, "What is 1+1?", "2")) == f"What is 1+1? {PAPER_SUFFIX}"


def test_prompt_text_of_a_domain_without_suffix_is_the_question() -> None:
    assert prompt_text(Prompt("a", "code", "Write f.", "")) == "Write f."


def test_unknown_domain_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"domain 'law': use one of .*math"):
        synthetic_pool("law", 1, 1, 1, seed=0)
