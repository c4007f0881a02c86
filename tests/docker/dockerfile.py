"""What a Dockerfile and the locks say, read without an engine, and what is wrong: complaints or none."""

import fnmatch
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

PINNED = re.compile(r"^[a-z0-9][\w./-]*:(?P<tag>[\w][\w.-]*)@sha256:[0-9a-f]{64}$")
LABELS = ("org.opencontainers.image.revision", "org.opencontainers.image.base.name", "ringexp.lock.sha256")
INSTALLS = re.compile(r"\b(apt-get|apt|dpkg|pip3?|uv|conda|npm|curl|wget)\b[^;&|]*\b(install|download|http\S*|i)\b")


@dataclass
class Stage:
    """One FROM and what follows, as (instruction, rest) pairs."""

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Dockerfile:
    """The arguments before the first FROM, and the stages in order."""

    arguments: dict[str, str]
    stages: list[Stage]

    def lineage(self, stage: Stage) -> list[Stage]:
        """The stages that a stage stands on, the first one first, itself last."""
        named = {known.name: known for known in self.stages}
        return [*self.lineage(named[stage.base]), stage] if stage.base in named else [stage]


def parse(text: str) -> Dockerfile:
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    parsed = Dockerfile({}, [])
    for line in filter(None, map(str.strip, re.sub(r"\\\n", " ", lines).splitlines())):
        word, _, rest = line.partition(" ")
        word, rest = word.upper(), " ".join(rest.split())
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            parsed.stages.append(Stage(name or base, base))
        elif parsed.stages:
            parsed.stages[-1].steps.append((word, rest))
        elif word == "ARG":
            name, _, default = rest.partition("=")
            parsed.arguments[name] = default
    return parsed


def complaints(text: str, root: Path) -> list[str]:
    """Everything wrong with the text of the Dockerfile at the top of `root`."""
    file = parse(text)
    return [*_bases(file), *_users(file), *_packages(file), *_sources(file, root), *_targets(file)]


def _bases(file: Dockerfile) -> list[str]:
    known: set[str] = set()
    found = []
    for stage in file.stages:
        if stage.base not in known:
            argument = re.fullmatch(r"\$\{(\w+)\}", stage.base)
            image = file.arguments.get(argument[1], "") if argument else stage.base
            if not argument:
                found.append(f"stage {stage.name}: the base {stage.base} is no build argument")
            if not (pinned := PINNED.match(image)) or pinned["tag"] == "latest":
                found.append(f"stage {stage.name}: the base {image or stage.base} is not name:tag@sha256:<64 hex>")
        known.add(stage.name)
    return found


def _users(file: Dockerfile) -> list[str]:
    found = []
    for stage in file.stages:
        users = [rest for step in file.lineage(stage) for word, rest in step.steps if word == "USER"]
        if stage.name in ("cpu", "gpu") and (not users or users[-1].split(":")[0] in ("root", "0")):
            found.append(f"target {stage.name}: its user is {users[-1] if users else 'root'}")
    return found


def _packages(file: Dockerfile) -> list[str]:
    """Packages come by the two scripts alone, which read locks."""
    return [f"stage {stage.name}: `{rest}` installs what no lock names" for stage in file.stages
            for word, rest in stage.steps
            if (word == "RUN" and INSTALLS.search(rest)) or (word == "ADD" and "://" in rest)]  # fmt: skip


def _sources(file: Dockerfile, root: Path) -> list[str]:
    """Files of the context that are named are there, and the ignore file lets them in."""
    found = []
    stages = {stage.name for stage in file.stages}
    for stage in file.stages:
        for word, rest in stage.steps:
            named: list[str] = []
            if word in ("COPY", "ADD"):
                words = shlex.split(rest)
                if missing := [w for w in words if w.startswith("--from=") and w[7:] not in stages]:
                    found.append(f"stage {stage.name}: {missing[0]} is no stage")
                named = [] if any(w.startswith("--from=") for w in words) else [w for w in words if w[:2] != "--"][:-1]
            elif word == "RUN":
                named = re.findall(r"(?:/context/|\b(?=docker/))(\S+)", rest)
            found += [f"stage {stage.name}: {name} is not in the build context" for name in named
                      if not (root / name).exists() or ignored(name, root)]  # fmt: skip
    return found


def ignored(name: str, root: Path) -> bool:
    """Whether .dockerignore keeps a path out; the last pattern that matches decides, also below a folder."""
    out = False
    for line in (root / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.strip().removeprefix("!")
        if not pattern or pattern.startswith("#") or name == ".":
            continue
        parts = Path(name).parts
        tails = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
        anywhere = pattern.startswith("**/") and any(fnmatch.fnmatch(part, pattern[3:]) for part in parts)
        if anywhere or any(fnmatch.fnmatch(tail, pattern) and tail.count("/") == pattern.count("/") for tail in tails):
            out = not line.startswith("!")
    return out


def _targets(file: Dockerfile) -> list[str]:
    stages = {stage.name: stage for stage in file.stages}
    found = [f"there is no target {name}" for name in ("cpu", "gpu") if name not in stages]
    if file.stages[-1].name != "cpu":
        found.append(f"the default target is {file.stages[-1].name}, not cpu")
    for name in {"cpu", "gpu"} & set(stages):
        labels = " ".join(rest for word, rest in stages[name].steps if word == "LABEL")
        found += [f"target {name} has no label {label}" for label in LABELS if f"{label}=" not in labels]
    return sorted(found)


def environment(text: str) -> set[str]:
    """The names that ENV sets."""
    return {name for stage in parse(text).stages for word, rest in stage.steps if word == "ENV"
            for name in re.findall(r"(?:^| )(\w+)=", rest)}  # fmt: skip


def lock_complaints(name: str, text: str) -> list[str]:
    """What in a lock is no exact version or has no hash: Debian's by file, Python's by requirement."""
    if name.startswith("debian"):
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        good = re.compile(r"[0-9a-f]{64}  debian(-security)?/pool/\S+_\S+_(amd64|all)\.deb")
        found = [f"{name}: {line}" for line in lines if not good.fullmatch(line)]
        dated = re.search(r"^# snapshot \d{8}T\d{6}Z$", text, re.MULTILINE)
        return found if dated else [*found, f"{name}: no snapshot"]
    entries = re.sub(r"\\\n", " ", text).splitlines()
    good = re.compile(r"[a-z0-9._-]+==\S+( ;.*?)?(\s+--hash=sha256:[0-9a-f]{64})+")
    return [f"{name}: {entry[:80]}" for entry in entries
            if entry.strip() and not entry.startswith(("#", "--")) and not good.fullmatch(entry.strip())]  # fmt: skip
