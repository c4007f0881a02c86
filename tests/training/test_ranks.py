"""Several ranks on this machine: they train as one, and whoever of them dies takes the others along, quickly."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import rank_jobs
import torch
from rank_jobs import MicroBatches

from ringexp.errors import ConfigError, RingexpError
from ringexp.models.logprob import score_responses
from ringexp.models.packing import Document, pack
from ringexp.training.rank_watch import RankDiedError, RankFailedError
from ringexp.training.ranks import Ranks

Texts = Callable[..., list[Document]]
SOON = 60.0
"""Seconds: ample for a busy machine, and far from the collectives' time-out of 20 minutes."""


def training_ends(ranks: Ranks, fate: str, error: type[Exception], message: str) -> None:
    """Soon, with that error, out of rank 0's own collective."""
    start = time.monotonic()
    with pytest.raises(error, match=message) as raised, ranks.running(rank_jobs.train_fateful, fate):
        rank_jobs.train_fateful(ranks.environment, fate)
    assert time.monotonic() - start < SOON
    assert "Connection" in str(raised.value.__cause__)


@pytest.fixture(scope="module")
def ranks() -> Iterator[Ranks]:
    with Ranks(2, rank_jobs.initialize) as ranks:
        yield ranks


@pytest.fixture(scope="module")
def parts(make_documents: Texts) -> list[MicroBatches]:
    """Three micro-batches for rank 0, one for rank 1."""
    documents = make_documents(9, seed=1)
    return [[documents[:3], documents[3:4], documents[4:6]], [documents[6:]]]


def tokens(parts: list[MicroBatches]) -> int:
    return sum(len(d.response_ids) for rank in parts for part in rank for d in part)


def test_a_rank_finds_what_rank_0_has(ranks: Ranks) -> None:
    with ranks.running(rank_jobs.surroundings) as others:
        pass
    (found,) = others
    assert found["environment"].rank == 1
    assert (found["environment"].world, found["environment"].port) == (2, ranks.environment.main_port)
    assert found["threads"] == torch.get_num_threads()
    assert found["variables"] == {name: value for name, value in os.environ.items() if name.startswith("OMP_")}
    assert found["variables"]["OMP_NUM_THREADS"] == str(torch.get_num_threads())
    assert (found["folder"], found["rank_zero_only"], found["initialized"]) == (str(Path.cwd()), 1, [1])
    assert found["child"] == "a child\n"
    assert torch.equal(found["tensor"], torch.arange(3.0))


def test_two_ranks_train_as_one_process_on_all_documents(ranks: Ranks, parts: list[MicroBatches]) -> None:
    """One exchange of gradients, in the last micro-batch, also where the ranks have unequal numbers of them."""
    with ranks.running(rank_jobs.train_policy, parts, tokens(parts)) as others:
        mine = rank_jobs.train_policy(ranks.environment, parts, tokens(parts))
    runs = [mine, *others]

    def grad(documents: list[Document], factor: float) -> dict[str, torch.Tensor]:
        if not documents:
            return {}
        loss = -factor * score_responses(model, pack(documents)).logprob.sum()
        return dict(zip(names, torch.autograd.grad(loss, list(model.parameters()))))

    model = rank_jobs.tiny(0)
    names = [name for name, _ in model.named_parameters()]
    for run, rank_parts in zip(runs, parts, strict=True):
        own = grad([d for part in rank_parts[:-1] for d in part], 2 / tokens(parts))
        assert run["before"].keys() == own.keys()
        for name, value in own.items():
            torch.testing.assert_close(run["before"][name], value, rtol=0, atol=1e-6)
    everything = [d for rank in parts for part in rank for d in part]
    for name, value in grad(everything, 1 / tokens(parts)).items():
        for run in runs:
            torch.testing.assert_close(run["after"][name], value, rtol=0, atol=1e-6)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(rank_jobs.STEPS):
        for parameter, value in zip(model.parameters(), grad(everything, 1 / tokens(parts)).values()):
            parameter.grad = value
        optimizer.step()
    for name, weight in model.state_dict().items():
        assert torch.equal(mine["weights"][name], others[0]["weights"][name]), name
        torch.testing.assert_close(mine["weights"][name], weight, rtol=0, atol=1e-6)


def test_the_same_processes_fit_another_module(ranks: Ranks) -> None:
    with ranks.running(rank_jobs.train_line) as others:
        mine = rank_jobs.train_line(ranks.environment)
    assert [mine, *others] == [1.0 - rank_jobs.STEPS * 0.25 * 1.5] * 2


@pytest.mark.parametrize("name", ["lm_head.weight", "model.norm.weight"])
def test_weights_that_differ_in_one_bit_are_named(ranks: Ranks, name: str) -> None:
    with ranks.running(rank_jobs.diverge, name) as others:
        mine = rank_jobs.diverge(ranks.environment, name)
    assert mine == others[0]
    assert mine.startswith("RankDivergedError: ranks 0 and 1") and f": {name} is the first of 1 tensors" in mine


def test_a_process_has_one_group(ranks: Ranks) -> None:
    rank_jobs.join(ranks.environment)
    with pytest.raises(RingexpError, match="rollout=vllm_process"):
        Ranks(1)


def test_devices_must_be_the_ranks(ranks: Ranks) -> None:
    with pytest.raises(ConfigError, match=r"trainer\.lightning\.devices=3"):
        ranks.environment.validate_settings(3, 1)


def test_after_close_new_ranks_fit_and_one_that_raises_is_named(
    ranks: Ranks, capfd: pytest.CaptureFixture[str]
) -> None:
    (old,) = ranks._peers
    ranks.close()
    assert old.process.exitcode == 0
    assert "MASTER_PORT" not in os.environ
    with Ranks(2) as new:
        assert new.environment.port != ranks.environment.port
        with new.running(rank_jobs.train_line) as others:
            mine = rank_jobs.train_line(new.environment)
        assert [mine] == others
        training_ends(new, "raise", RankFailedError, r"^rank 1 failed: ValueError: a bad step")
        assert "in training_step" in capfd.readouterr().err
        with pytest.raises(RuntimeError, match="closed"):
            new.submit(rank_jobs.train_line)


def test_of_three_ranks_the_killed_one_is_named_though_a_child_holds_its_sockets_open() -> None:
    """Rank 0 and rank 2 wait in the collective; a fork of rank 1 keeps its connections alive."""
    with Ranks(3) as ranks:
        training_ends(ranks, "fork", RankDiedError, r"^rank 1 died \(killed by SIGKILL")
    assert not torch.distributed.is_initialized()
    assert [peer.process.is_alive() for peer in ranks._peers] == [False, False]


def test_rank_0_is_interrupted_outside_of_collectives() -> None:
    before = signal.getsignal(signal.SIGURG)
    with Ranks(2, grace=0.5) as ranks:
        start = time.monotonic()
        with pytest.raises(RankDiedError, match="rank 1 died"), ranks.running(rank_jobs.die_between, "kill"):
            rank_jobs.die_between(ranks.environment, "")
            threading.Event().wait(600)
        assert time.monotonic() - start < SOON
    assert signal.getsignal(signal.SIGURG) == before


def test_a_result_that_is_late_ends_the_ranks() -> None:
    with Ranks(2) as ranks:
        ranks.submit(rank_jobs.sleep, 600.0)
        with pytest.raises(RuntimeError, match="not taken"):
            ranks.submit(rank_jobs.sleep, 600.0)
        with pytest.raises(RankFailedError, match=r"rank 1 gave no result in 0\.1 s"):
            ranks.results(timeout=0.1)
        assert not ranks._peers[0].process.is_alive()


def test_one_rank_needs_no_process() -> None:
    with Ranks(1) as ranks:
        with ranks.running(rank_jobs.train_line) as others:
            mine = rank_jobs.train_line(ranks.environment)
        assert (others, mine) == ([], 1.0 - rank_jobs.STEPS * 0.25)
    with pytest.raises(ConfigError, match="at least 1"):
        Ranks(0)


class Script:
    """Rank 0 of a run of its own. Its output goes to files: a rank's orphans would hold a pipe open."""

    def __init__(self, case: str, folder: Path) -> None:
        self.folder = folder
        with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
            command = [sys.executable, rank_jobs.__file__, case, str(folder)]
            self.process = subprocess.Popen(command, stdout=out, stderr=err)

    @property
    def errors(self) -> str:
        return (self.folder / "err").read_text()

    def ready(self) -> None:
        while "ready" not in (self.folder / "out").read_text():
            assert self.process.poll() is None, self.errors
            time.sleep(0.1)

    def rank_and_its_child_end(self) -> bool:
        pids = [int((self.folder / "out").read_text().split()[0])]
        if (self.folder / "child").exists():
            pids.append(int((self.folder / "child").read_text()))
        end = time.monotonic() + SOON
        while any(alive(pid) for pid in pids) and time.monotonic() < end:
            time.sleep(0.1)
        return not any(alive(pid) for pid in pids)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module", autouse=True)
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Script]]:
    """All at once, beside the other tests: most of their time goes into imports."""
    scripts = {case: Script(case, tmp_path_factory.mktemp(case)) for case in ("SIGKILL", "SIGTERM", "stuck", "exit")}
    yield scripts
    for script in scripts.values():
        script.process.kill()


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_when_rank_0_is_ended_the_others_end(scripts: dict[str, Script], name: str) -> None:
    """Rank 1 waits in a collective, with a child; SIGTERM ends rank 0 its own way (here: SystemExit, 143)."""
    script, signum = scripts[name], signal.Signals[name]
    script.ready()
    script.process.send_signal(signum)
    assert script.process.wait(SOON) == (-signum if signum is signal.SIGKILL else 128 + signum), script.errors
    assert (script.folder / "child").exists()
    assert script.rank_and_its_child_end()


def test_a_collective_that_nothing_wakes_ends_the_process(scripts: dict[str, Script]) -> None:
    """The killed rank's connections are held open by a process out of reach."""
    assert scripts["stuck"].process.wait(4 * SOON) == 2
    assert scripts["stuck"].errors.splitlines()[-1].startswith("ringexp: rank 1 died (killed by SIGKILL")


def test_ranks_do_not_keep_rank_0_from_exiting(scripts: dict[str, Script]) -> None:
    assert scripts["exit"].process.wait(4 * SOON) == 7, scripts["exit"].errors
    assert scripts["exit"].rank_and_its_child_end()
