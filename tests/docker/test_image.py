"""The image for real: built twice, entered as its user, the pipeline inside; what its sandbox asks of a runtime."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import container
import image
import pytest
from pipelines import Store, ringexp

COMMIT = "c0ffee" + "0" * 34
PIPELINE = ("debug=fast", "progress=false", "seed=3", "trainer.threads=1")
REQUIRE = ("python", "-c", "from ringexp.rewards.sandbox import require; require(); print('judged')")
TOOLS = ("usr/bin/gcc", "usr/bin/cc", "usr/bin/g++", "usr/bin/make", "opt/ringexp/bin/pip", "opt/ringexp/bin/uv",
         "opt/ringexp/bin/pytest", "opt/ringexp/bin/ruff", "opt/ringexp/bin/hatchling")  # fmt: skip
NEEDED_CALLS = ("clone", "mount", "umount2", "pivot_root")
Built = tuple[str, str, Path]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """(name, digest, context) of an image of the working tree; the storage keeps nothing of it."""
    if why := image.missing():
        pytest.skip(why)
    image.CACHE.mkdir(parents=True, exist_ok=True)
    image.clean()
    folder = image.context(tmp_path_factory.mktemp("context"))
    name = "localhost/ringexp:test"
    yield name, image.build(folder, name, COMMIT), folder
    image.clean()


@pytest.fixture(scope="module")
def root(built: Built) -> Iterator[Path]:
    with image.mounted(built[0]) as folder:
        yield folder


@pytest.fixture(scope="module")
def config(built: Built) -> dict[str, Any]:
    found: dict[str, Any] = image.inspect(built[0])["OCIv1"]["config"]
    return found


def test_the_image_says_what_it_is(built: Built, config: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert config["User"] == "1000:1000"
    assert config["Labels"]["org.opencontainers.image.revision"] == COMMIT
    assert config["Labels"]["ringexp.lock.sha256"] == image.sha256(image.LOCK.read_bytes()).hexdigest()
    assert set(config["Volumes"]) == {"/ringexp/runs", "/ringexp/data", "/ringexp/cache"}
    sizes = image.layers(built[0])
    with capsys.disabled():
        print(f"\n{built[0]} {built[1]}")
        for maker, size in [*sizes, ("all", sum(size for _, size in sizes))]:
            print(f"  {size / 2**20:8.1f} MiB  {maker}")
    assert sum(size for _, size in sizes) < 6 * 2**30


def test_nothing_is_in_it_that_no_run_needs(root: Path) -> None:
    """No compiler, no pip, no tools of development; no file from beside the sources; only root may change programs."""
    assert [tool for tool in TOOLS if (root / tool).exists()] == []
    assert not [path for path in root.rglob(".env") if path.read_bytes() == b"SECRET=planted\n"]
    assert not (root / "src").exists()
    assert not list((root / "ringexp/runs").iterdir())
    owners = {path.stat().st_uid for path in (root / "opt/ringexp/lib").rglob("ringexp/**/*.py")}
    assert owners == {0}


def test_the_pipeline_runs_inside_as_in_the_environment_outside(
    built: Built, root: Path, config: dict[str, Any], tmp_path: Path
) -> None:
    """As user 1000, code judged in its sandbox; the run names its image; every curve is bitwise that of `.venv`."""
    tmp_path.chmod(0o755)
    volumes = container.volumes(tmp_path / "volumes")
    done = container.enter(root, config, volumes, ["ringexp", *PIPELINE], {"RINGEXP_IMAGE_DIGEST": built[1]})
    assert done.returncode == 0, done.stderr[-3000:]
    inside = Store(volumes["/ringexp/runs"])
    (pipeline,) = inside.kind("pipeline")
    tags = {key.removeprefix("ringexp."): value for key, value in pipeline.data.tags.items()}
    assert tags["image_digest"] == built[1]
    assert tags["image_lock"] == config["Labels"]["ringexp.lock.sha256"]
    assert len(tags["lock_hash"]) == 64
    assert (tags["git_commit"], tags["git_dirty"]) == (COMMIT, "false")
    assert {path.stat().st_uid for path in volumes["/ringexp/runs"].rglob("*")} == {container.USER}
    outside = ringexp(f"paths.store={tmp_path / 'outside'}", *PIPELINE[2:])
    assert outside.returncode == 0, outside.stderr[-3000:]
    assert len(inside.histories()) > 50
    assert inside.histories() == Store(tmp_path / "outside").histories()


needs_runc = pytest.mark.skipif(shutil.which("runc") is None, reason="no runc here (Debian's package runc)")


@needs_runc
def test_code_is_judged_in_a_container_with_the_profile_of_the_stack(
    root: Path, config: dict[str, Any], tmp_path: Path
) -> None:
    """As compose.yaml starts a job: no capabilities, no new privileges, docker/seccomp.json."""
    volumes = container.volumes(tmp_path / "volumes")
    done = container.contain(root, config, volumes, REQUIRE, tmp_path / "bundle")
    assert (done.returncode, done.stdout) == (0, "judged\n"), done.stderr[-2000:]


@needs_runc
@pytest.mark.parametrize("call", NEEDED_CALLS)
def test_each_call_that_the_profile_leaves_is_needed_and_its_lack_is_explained(
    root: Path, config: dict[str, Any], tmp_path: Path, call: str
) -> None:
    volumes = container.volumes(tmp_path / "volumes")
    done = container.contain(root, config, volumes, REQUIRE, tmp_path / "bundle", forbid=[call])
    assert done.returncode == 1
    assert "code rewards run in bubblewrap, which fails here" in done.stderr
    assert "docs/docker.md" in done.stderr


@needs_runc
def test_a_run_with_code_stops_where_the_runtime_forbids_the_sandbox(
    root: Path, config: dict[str, Any], tmp_path: Path
) -> None:
    """What an engine's own profile forbids: one line, status 2, nothing trained."""
    volumes = container.volumes(tmp_path / "volumes")
    done = container.contain(root, config, volumes, ["ringexp", *PIPELINE], tmp_path / "bundle", forbid=NEEDED_CALLS)
    assert done.returncode == 2, done.stderr[-2000:]
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("ringexp: ")]
    assert "code rewards run in bubblewrap" in line
    assert "docs/docker.md" in line
    assert not list(volumes["/ringexp/runs"].glob("*/sft-*/step-*"))


def test_two_builds_of_one_tree_are_the_same_bytes(built: Built) -> None:
    name = "localhost/ringexp:again"
    again = image.build(built[2], name, COMMIT)
    mine, other = (json.loads(image.inspect(one)["Manifest"])["layers"] for one in (built[0], name))
    assert [layer["digest"] for layer in other] == [layer["digest"] for layer in mine]
    assert again == built[1]
    image.buildah("rmi", name)
