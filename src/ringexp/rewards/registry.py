"""The protocol of verifiers, and the registry that sends each response of a mixed batch to its domain's verifier."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from ringexp.errors import ConfigError
from ringexp.records import Prompt, Verdict


@runtime_checkable
class Verifier(Protocol):
    """Judges responses. Verdicts are deterministic: they depend on prompt and text only, never on wall time."""

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Verdict]:
        """One verdict per pair, in order; no response makes it raise."""
        ...

    def close(self) -> None:
        """Release processes and files; may be called twice."""
        ...


class VerifierRegistry:
    """Verifiers by domain, itself a verifier of mixed batches."""

    def __init__(self, verifiers: Mapping[str, Verifier]) -> None:
        self._verifiers = dict(verifiers)

    @property
    def tags(self) -> dict[str, str]:
        """What the verifiers have to say in a run's tags, those of them that have `tags`."""
        said = (getattr(verifier, "tags", {}) for verifier in self._verifiers.values())
        return {key: text for tags in said for key, text in tags.items()}

    def require(self, domains: Iterable[str]) -> None:
        """Check, before anything is trained, that each domain has a verifier.

        Raises:
            ConfigError: naming the first domain that has none, and the key to add it under.
        """
        for domain in domains:
            self._verifier(domain)

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Verdict]:
        """One verdict per pair, in order; each domain's verifier gets its pairs in one call.

        Raises:
            ConfigError: a prompt of a domain without a verifier; nothing is scored then.
        """
        places: dict[str, list[int]] = {}
        for i, (prompt, _) in enumerate(zip(prompts, texts, strict=True)):
            places.setdefault(prompt.domain, []).append(i)
        self.require(places)
        verdicts: dict[int, Verdict] = {}
        for domain, at in places.items():
            found = self._verifier(domain).score([prompts[i] for i in at], [texts[i] for i in at])
            verdicts.update(zip(at, found, strict=True))
        return [verdicts[i] for i in range(len(prompts))]

    def close(self) -> None:
        """Close every verifier."""
        for verifier in self._verifiers.values():
            verifier.close()

    def _verifier(self, domain: str) -> Verifier:
        if domain not in self._verifiers:
            raise ConfigError(f"no verifier for domain {domain!r}: add it under rewards.verifiers")
        return self._verifiers[domain]
