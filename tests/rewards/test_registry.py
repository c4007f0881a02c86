"""The registry: dispatch by domain, order, refusal of unknown domains."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ringexp.errors import ConfigError
from ringexp.records import Outcome, Prompt, Verdict
from ringexp.rewards.math import MathVerifier
from ringexp.rewards.registry import Verifier, VerifierRegistry, judged_by


class Exact:
    """Correct where the text equals the answer; remembers its batches."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.batches: list[list[str]] = []
        self.closed = 0

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Verdict]:
        self.batches.append(list(texts))
        return [Verdict(Outcome.CORRECT if p.answer == t else Outcome.WRONG, self.name) for p, t in zip(prompts, texts)]

    def close(self) -> None:
        self.closed += 1


def prompts(*domains: str) -> list[Prompt]:
    return [Prompt(str(i), d, "q", str(i)) for i, d in enumerate(domains)]


def test_a_mixed_batch_keeps_its_order_and_each_verifier_is_called_once() -> None:
    math, code = Exact("math"), Exact("code")
    registry = VerifierRegistry({"math": math, "code": code})
    verdicts = registry.score(prompts("math", "code", "code", "math"), ["0", "x", "2", "x"])
    assert [v.detail for v in verdicts] == ["math", "code", "code", "math"]
    assert [v.reward for v in verdicts] == [1, 0, 1, 0]
    assert (math.batches, code.batches) == ([["0", "x"]], [["x", "2"]])
    assert registry.score([], []) == []
    registry.close()
    assert (math.closed, code.closed) == (1, 1)


def test_multiple_choice_of_any_domain_goes_to_its_own_verifier() -> None:
    science, choice = Exact("science"), Exact("choice")
    kinds = ("choice", "word", "choice")
    asked = [replace(p, kind=kind) for p, kind in zip(prompts("science", "science", "law"), kinds)]
    verdicts = VerifierRegistry({"science": science, "choice": choice}).score(asked, ["0", "1", "2"])
    assert [(v.detail, v.reward) for v in verdicts] == [("choice", 1), ("science", 1), ("choice", 1)]
    assert [judged_by(p) for p in asked] == ["choice", "science", "choice"]
    with pytest.raises(ConfigError, match="no verifier for prompts of kind 'choice': add it"):
        VerifierRegistry({"science": science}).score(asked, ["0", "1", "2"])


def test_an_unknown_domain_is_refused_before_anything_is_scored() -> None:
    math = Exact("math")
    registry = VerifierRegistry({"math": math})
    message = "no verifier for domain 'law': add it under rewards.verifiers"
    registry.require(["math"])
    with pytest.raises(ConfigError, match=message):
        registry.require(["math", "law"])
    with pytest.raises(ConfigError, match=message):
        registry.score(prompts("math", "law"), ["a", "b"])
    assert math.batches == []


def test_prompts_and_texts_of_different_number_are_a_programming_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        VerifierRegistry({"math": Exact("m")}).score(prompts("math", "math"), ["a"])


def test_verifiers_and_the_registry_fulfil_the_protocol() -> None:
    assert isinstance(MathVerifier(), Verifier)
    assert isinstance(VerifierRegistry({}), Verifier)


def test_what_verifiers_say_of_themselves_is_gathered_for_a_runs_tags() -> None:
    code = Exact("code")
    code.tags = {"code_isolation": "process"}  # type: ignore[attr-defined]
    assert VerifierRegistry({"math": Exact("math"), "code": code}).tags == {"code_isolation": "process"}
    assert VerifierRegistry({"math": Exact("math")}).tags == {}
