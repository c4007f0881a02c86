"""The protocol of verifiers, and the registry that sends each response of a mixed batch to its prompt's verifier.

That is the verifier of the prompt's domain; of multiple choice, whatever its domain, the one named "choice".
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from ringexp.errors import ConfigError
from ringexp.records import CHOICE, Prompt, Verdict


@runtime_checkable
class Verifier(Protocol):
    """Judges responses. Verdicts are deterministic: they depend on prompt and text only, never on wall time."""

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Verdict]:
        """One verdict per pair, in order; no response makes it raise."""
        ...

    def close(self) -> None:
        """Release processes and files; may be called twice."""
        ...


def judged_by(prompt: Prompt) -> str:
    """The name of a prompt's verifier."""
    return CHOICE if prompt.kind == CHOICE else prompt.domain


class VerifierRegistry:
    """Verifiers by name (`judged_by`), itself a verifier of mixed batches."""

    def __init__(self, verifiers: Mapping[str, Verifier]) -> None:
        self._verifiers = dict(verifiers)

    @property
    def tags(self) -> dict[str, str]:
        """What the verifiers have to say in a run's tags, those of them that have `tags`."""
        said = (getattr(verifier, "tags", {}) for verifier in self._verifiers.values())
        return {key: text for tags in said for key, text in tags.items()}

    def require(self, names: Iterable[str]) -> None:
        """Check, before anything is trained, that there are these verifiers.

        Raises:
            ConfigError: naming the first that is missing, and the key to add it under.
        """
        for name in names:
            self._verifier(name)

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Verdict]:
        """One verdict per pair, in order; each verifier gets its pairs in one call.

        Raises:
            ConfigError: a prompt without a verifier; nothing is scored then.
        """
        places: dict[str, list[int]] = {}
        for i, (prompt, _) in enumerate(zip(prompts, texts, strict=True)):
            places.setdefault(judged_by(prompt), []).append(i)
        self.require(places)
        verdicts: dict[int, Verdict] = {}
        for name, at in places.items():
            found = self._verifier(name).score([prompts[i] for i in at], [texts[i] for i in at])
            verdicts.update(zip(at, found, strict=True))
        return [verdicts[i] for i in range(len(prompts))]

    def close(self) -> None:
        """Close every verifier."""
        for verifier in self._verifiers.values():
            verifier.close()

    def _verifier(self, name: str) -> Verifier:
        if name not in self._verifiers:
            what = "prompts of kind" if name == CHOICE else "domain"
            raise ConfigError(f"no verifier for {what} {name!r}: add it under rewards.verifiers")
        return self._verifiers[name]
