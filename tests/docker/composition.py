"""What a compose file says, read without an engine, and what is wrong with it."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from dockerfile import PINNED

OWN = "${RINGEXP_IMAGE:?"
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<rest>[^}]*)\}")
SECRET = re.compile(r"PASSWORD|SECRET|ACCESS_KEY|TOKEN")


def load(text: str) -> dict[str, Any]:
    """The services, anchors resolved, variables as they stand."""
    tree: dict[str, Any] = yaml.safe_load(text)
    return tree


def resolve(value: Any, environment: Mapping[str, str]) -> Any:
    """A value with its `${NAME}`, `${NAME:-default}` and `${NAME:?message}` filled in as compose does.

    Raises KeyError with the message where a variable that must be given is not.
    """
    if isinstance(value, dict):
        return {key: resolve(item, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, environment) for item in value]
    if not isinstance(value, str):
        return value

    def fill(match: re.Match[str]) -> str:
        given, rest = environment.get(match["name"], ""), match["rest"]
        if given or not rest:
            return given
        if rest.startswith(":-"):
            return rest[2:]
        raise KeyError(f"{match['name']}: {rest[2:]}")

    return VARIABLE.sub(fill, value)


def complaints(text: str, root: Path, example: str) -> list[str]:
    """Everything wrong with a compose file at the top of `root`, whose variables `example` shows."""
    tree = load(text)
    services = tree["services"]
    found = []
    for name, service in services.items():
        found += [f"{name}: {what}" for what in _service(service, services, root)]
    shown = set(re.findall(r"^#?(\w+)=", example, re.MULTILINE))
    found += [f"{name} is not in the example of the environment file" for name in sorted(variables(text) - shown)]
    volumes = {str(volume).split(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    named = {volume for volume in volumes if re.fullmatch(r"\w+", volume)}
    return found + [f"the volume {volume} is not declared" for volume in sorted(named - set(tree.get("volumes", {})))]


def variables(text: str) -> set[str]:
    uncommented = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {match["name"] for match in VARIABLE.finditer(uncommented)}


def _service(service: dict[str, Any], services: dict[str, Any], root: Path) -> list[str]:
    return [*_image(service), *_rights(service), *_ports(service), *_secrets(service), *_order(service, services),
            *_files(service, root)]  # fmt: skip


def _image(service: dict[str, Any]) -> list[str]:
    image = str(service.get("image", ""))
    if image.startswith(OWN):
        return []
    pinned = PINNED.match(image)
    good = pinned is not None and pinned["tag"] != "latest"
    return [] if good else [f"the image {image or 'none'} is not name:tag@sha256:<64 hex>"]


def _rights(service: dict[str, Any]) -> list[str]:
    found = [f"{key} is set" for key in ("privileged", "cap_add", "network_mode", "pid", "ipc") if service.get(key)]
    if str(service.get("user", "")).split(":")[0] in ("root", "0"):
        found.append("its user is root")
    if str(service["image"]).startswith(OWN):
        if service.get("cap_drop") != ["ALL"]:
            found.append("it keeps capabilities")
        if "no-new-privileges:true" not in service.get("security_opt", []):
            found.append("it may gain privileges")
    return found


def _ports(service: dict[str, Any]) -> list[str]:
    return [f"the port {port} is open to other machines" for port in service.get("ports", [])
            if not str(port).startswith("127.0.0.1:")]  # fmt: skip


def _secrets(service: dict[str, Any]) -> list[str]:
    found = [f"{key} is written out" for key, value in service.get("environment", {}).items()
             if SECRET.search(key) and not re.fullmatch(r"\$\{\w+[^}]*\}", str(value))]  # fmt: skip
    words = [str(word) for key in ("command", "entrypoint") for word in service.get(key, [])]
    return found + [f"`{word}` shows a password" for word in words
                    if SECRET.search(word) or re.search(r"://\w+:", word)]  # fmt: skip


def _order(service: dict[str, Any], services: dict[str, Any]) -> list[str]:
    """A server has a health check; waiting for one ends when it is healthy, for a job when it is done."""
    found = []
    if service.get("restart") and "healthcheck" not in service:
        found.append("it has no health check")
    for other, how in service.get("depends_on", {}).items():
        healthy = "healthcheck" in services.get(other, {})
        want = "service_healthy" if healthy else "service_completed_successfully"
        if other not in services:
            found.append(f"it waits for {other}, which is no service")
        elif how.get("condition") != want:
            found.append(f"it waits for {other} by {how.get('condition')}, not {want}")
    return found


def _files(service: dict[str, Any], root: Path) -> list[str]:
    mounted = [str(volume).split(":")[0] for volume in service.get("volumes", [])]
    options = [str(option).partition("=")[2] for option in service.get("security_opt", [])]
    paths = [path for path in (*mounted, *options) if path.startswith("./")]
    return [f"{path} is not there" for path in paths if not (root / path).is_file()]


def environment(text: str) -> set[str]:
    """The names that services are given."""
    return {name for service in load(text)["services"].values() for name in service.get("environment", {})}


def own_environment(service: str, root: Path, given: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """(command, environment) with which compose starts a service."""
    found = resolve(load((root / "compose.yaml").read_text(encoding="utf-8"))["services"][service], given)
    return [*found.get("entrypoint", []), *found.get("command", [])], dict(found.get("environment", {}))


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what would change a server's, and these variables."""
    alien = ("MLFLOW_", "AWS_", "RINGEXP_", "PG")
    return {key: value for key, value in os.environ.items() if not key.startswith(alien)} | dict(environment)
