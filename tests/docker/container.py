"""Run the image's command in its root file system, by `pivot_root`, as the image's user: by bubblewrap or runc."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
USER = 1000
CLONE_NEW = 0x7E020000
"""All flags by which clone makes a namespace, but the one of time."""
MASKED = ("acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list",
          "timer_stats")  # fmt: skip
READ_ONLY = ("bus", "fs", "irq", "sys", "sysrq-trigger")


def volumes(folder: Path) -> dict[str, Path]:
    """New volumes below a folder, the user's: path inside → folder."""
    found = {f"/ringexp/{name}": folder / name for name in ("runs", "cache", "data")}
    for path in found.values():
        path.mkdir(parents=True)
        os.chown(path, USER, USER)
    return found


def environment(config: Mapping[str, Any], more: Mapping[str, str]) -> dict[str, str]:
    """What a process of the image has in its environment."""
    return dict(pair.split("=", 1) for pair in config["Env"]) | dict(more)


def enter(
    root: Path, config: Mapping[str, Any], mounts: Mapping[str, Path], words: Sequence[str], more: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run words as the image's user, with its environment: bubblewrap pivots, setpriv (the image's) gives root up."""
    assert config["User"] == f"{USER}:{USER}"
    given = environment(config, more)
    binds = [word for inside, outside in mounts.items() for word in ("--bind", str(outside), inside)]
    sets = [word for key, value in given.items() for word in ("--setenv", key, value)]
    capabilities = [word for name in ("SETUID", "SETGID", "SETPCAP") for word in ("--cap-add", f"CAP_{name}")]
    outer = ["bwrap", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent", *capabilities,
             "--bind", str(root), "/", "--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm",
             "--perms", "1777", "--tmpfs", "/tmp", "--ro-bind", "/sys", "/sys",
             *binds, "--chdir", config["WorkingDir"], "--clearenv", *sets]  # fmt: skip
    drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all",
            "--no-new-privs", "--"]  # fmt: skip
    return subprocess.run([*outer, *drop, *words], capture_output=True, text=True, timeout=1800, check=False)


def profile(forbid: Sequence[str] = ()) -> dict[str, Any]:
    """docker/seccomp.json as a runtime takes it, some more calls forbidden (`clone` where it makes a namespace)."""
    found = json.loads((ROOT / "docker/seccomp.json").read_text(encoding="utf-8"))
    rules = [{key: value for key, value in rule.items() if key != "comment"} for rule in found["syscalls"]]
    for name in forbid:
        rule: dict[str, Any] = {"names": [name], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}
        if name == "clone":
            flags = [1 << bit for bit in range(32) if CLONE_NEW >> bit & 1]
            of_flags = {"index": 0, "op": "SCMP_CMP_MASKED_EQ"}
            rules += [rule | {"args": [of_flags | {"value": flag, "valueTwo": flag}]} for flag in flags]
        else:
            rules.append(rule)
    here = found["archMap"][0]
    return {"defaultAction": found["defaultAction"], "syscalls": rules,
            "architectures": [here["architecture"], *here["subArchitectures"]]}  # fmt: skip


def contain(
    root: Path, config: Mapping[str, Any], mounts: Mapping[str, Path], words: Sequence[str], folder: Path,
    forbid: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """Run words in a container as compose.yaml's job runs: no capabilities, no new privileges, docker/seccomp.json.

    /proc is masked as Docker masks it. The network is the host's, and there is no cgroup: neither bears on the sandbox.
    """
    system = [("/proc", "proc", []), ("/dev", "tmpfs", ["nosuid", "mode=755", "size=65536k"]),
              ("/dev/pts", "devpts", ["newinstance", "ptmxmode=0666", "mode=0620"]),
              ("/dev/shm", "tmpfs", ["mode=1777"]), ("/tmp", "tmpfs", ["mode=1777"]),
              ("/sys", "sysfs", ["nosuid", "noexec", "nodev", "ro"])]  # fmt: skip
    binds = [{"destination": inside, "type": "bind", "source": str(outside), "options": ["rbind", "rw"]}
             for inside, outside in mounts.items()]  # fmt: skip
    spaces = [{"type": name} for name in ("pid", "mount", "ipc", "uts")]
    process = {"user": {"uid": USER, "gid": USER}, "args": list(words), "cwd": config["WorkingDir"], "terminal": False,
               "env": [f"{key}={value}" for key, value in environment(config, {}).items()], "noNewPrivileges": True,
               "capabilities": {kind: [] for kind in ("bounding", "effective", "permitted")}}  # fmt: skip
    spec = {"ociVersion": "1.0.2", "process": process, "root": {"path": str(root)},
            "mounts": [{"destination": d, "type": t, "source": t, "options": o} for d, t, o in system] + binds,
            "linux": {"namespaces": spaces, "seccomp": profile(forbid),
                      "maskedPaths": [f"/proc/{name}" for name in MASKED] + ["/sys/firmware"],
                      "readonlyPaths": [f"/proc/{name}" for name in READ_ONLY]}}  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(spec), encoding="utf-8")
    runtime = ["runc", "--root", str(folder / "state"), "run", "--bundle", str(folder), f"ringexp-{os.getpid()}"]
    return subprocess.run(runtime, capture_output=True, text=True, timeout=1800, check=False)
