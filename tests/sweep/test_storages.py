"""The same sweep on SQLite, a journal and a PostgreSQL server of our own."""

import importlib.util
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from applications import Application, states

from ringexp.errors import ConfigError
from ringexp.sweep.claims import LOST, counted
from ringexp.sweep.search import identity
from ringexp.sweep.storage import DRIVERS, open_storage
from ringexp.sweep.trial import StudyTrial


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A server in a folder of its own, on the loopback, as an unprivileged user; the URL of its database."""
    programs = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
    if programs is None:
        pytest.skip("no PostgreSQL server here (Debian's package postgresql)")
    if not any(importlib.util.find_spec(name) for name in DRIVERS):
        pytest.skip(f"no driver for PostgreSQL here ({', '.join(DRIVERS)})")
    user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    folder = Path(tempfile.mkdtemp(prefix="ringexp-postgresql-"))
    if os.getuid() == 0:
        shutil.chown(folder, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    change = {"user": user} if os.getuid() == 0 else {}
    subprocess.run([programs / "initdb", "-D", folder / "data", "-U", "sweeper", "--auth=trust", "--no-sync"],
                   check=True, capture_output=True, cwd=folder, **change)  # fmt: skip
    server = subprocess.Popen([programs / "postgres", "-D", folder / "data", "-h", "127.0.0.1", "-p", str(port),
                               "-k", folder, "-F"], cwd=folder, stderr=subprocess.DEVNULL, **change)  # fmt: skip
    ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    try:
        while subprocess.run(ready, check=False).returncode:
            assert server.poll() is None, "the server did not start"
        yield f"postgresql://sweeper@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=30)
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "journal", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    own = {"sqlite": f"sqlite:///{tmp_path}/study.db", "journal": f"journal://{tmp_path}/study.journal"}
    return own.get(request.param) or request.getfixturevalue(request.param)


def seen(app: Application, url: str) -> str:
    """The URL as this process opens it."""
    if not url.startswith("postgresql"):
        return url
    driver = next(name for name in DRIVERS if importlib.util.find_spec(name))
    return url.replace("postgresql:", f"postgresql+{driver}:")


def test_a_sweep_with_a_dead_a_failed_and_a_pruned_trial(app: Application, url: str) -> None:
    (app.folder / "curves.json").write_text(json.dumps([[i, i, i] for i in range(7)]))
    command = ("y=range(0,6)", "hydra.sweeper.sampler=grid", "hydra.sweeper.n_trials=7", "curves=curves.json",
               "hydra.sweeper.pruner={name:median,n_startup_trials:2}", "hydra.sweeper.max_failure_rate=0.2",
               "die_at=3", "fail_at=[5]", f"hydra.sweeper.storage='{url}'")  # fmt: skip
    app.run(*command, status=-signal.SIGKILL)
    app.run(*command)
    trials = app.trials(seen(app, url))
    found = states(counted(trials))
    assert found["FAIL"] == 1
    assert found["PRUNED"] >= 1
    assert sum(found.values()) == 7
    assert [t.number for t in trials if LOST in t.user_attrs] == [3]
    assert len({identity(t.params) for t in counted(trials)}) == 7
    for trial in trials:
        assert trial.user_attrs["folder"].endswith(f"job-{trial.number}")
    open_storage.cache_clear()


def test_two_workers(app: Application, url: str) -> None:
    """Exactly as many trials as were asked for; SQLite refuses the second worker while the first is at it."""
    sleep = 1 if url.startswith("sqlite") else 0.1  # the first has to be at it when the second comes
    command = ("x=interval(0,1)", "y=choice(1,2)", "hydra.sweeper.n_trials=8", f"sleep={sleep}",
               "hydra.sweeper.study_name=two", f"hydra.sweeper.storage='{url}'")  # fmt: skip
    first = app.start(*command)
    if url.startswith("sqlite"):
        app.wait_for(lambda: len(app.events("begin")) > 0)
    second = app.start(*command)
    _, words = second.communicate(timeout=60)
    first.communicate(timeout=60)
    assert first.returncode == 0
    if url.startswith("sqlite"):
        assert second.returncode == 2
        assert "another process is sweeping there" in words
    else:
        assert second.returncode == 0
        assert len({row["pid"] for row in app.events("begin")}) == 2
    study = optuna.load_study(study_name="two", storage=open_storage(seen(app, url)))
    assert states(study.trials) == {"COMPLETE": 8}
    assert sorted(row["number"] for row in app.events("begin")) == list(range(8))
    open_storage.cache_clear()


def test_what_a_trial_says_is_in_the_storage(app: Application, url: str) -> None:
    where = seen(app, url)
    study = optuna.create_study(study_name="handle", storage=open_storage(where))
    trial = study.ask()
    handle = StudyTrial(where, "handle", trial._trial_id)
    handle.report(0.5, 10)
    handle.report(0.4, 20)
    handle.set("run", "abc")
    handle.constrain("seconds", 3.0)
    (stored,) = study.get_trials()
    assert stored.intermediate_values == {10: 0.5, 20: 0.4}
    assert stored.user_attrs == {"run": "abc"}
    assert stored.constraints == {"seconds": 3.0}
    open_storage.cache_clear()


def test_a_half_written_line_does_not_make_a_journal_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "s.journal"
    study = optuna.create_study(study_name="s", storage=open_storage(f"journal://{path}"))
    study.set_user_attr("a", 1)
    with path.open("a") as file:
        file.write('{"op_code": 2, "worker')  # killed in mid-write
    study.set_user_attr("b", 2)
    open_storage.cache_clear()
    again = optuna.load_study(study_name="s", storage=open_storage(f"journal://{path}"))
    assert again.user_attrs == {"a": 1, "b": 2}
    plain = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))  # as a dashboard does
    assert optuna.load_study(study_name="s", storage=plain).user_attrs == {"a": 1, "b": 2}


def test_a_storage_that_cannot_be_had_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.journal").write_text("no journal\nat all\n")
    (tmp_path / "text.db").write_text("no database " * 100)
    for url, says in ((f"journal://{tmp_path}/text.journal", "not a journal"),
                      (f"sqlite:///{tmp_path}/text.db", "not a database"),
                      (f"sqlite:///{tmp_path}/text.db/below/s.db", "Not a directory")):  # fmt: skip
        with pytest.raises(ConfigError) as caught:
            open_storage(url)
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_server_that_is_not_there(app: Application, postgresql: str) -> None:
    """A port where nobody listens: one line, no password, no trial."""
    nowhere = "postgresql://me:hunter2@127.0.0.1:1/nothing"
    done = app.run("x=interval(0,1)", f"hydra.sweeper.storage='{nowhere}'", status=2)
    (line,) = done.stderr.splitlines()
    assert "Connection refused" in line
    assert "hunter2" not in line
