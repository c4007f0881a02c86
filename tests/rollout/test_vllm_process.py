"""What is the process engine's own: nothing of it is left in this process, and neither outlives the other for long."""

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import torch

from ringexp.models.bailing_moe import BailingMoeForCausalLM, released_weights
from ringexp.records import Prompt, Request, Sampling
from ringexp.rollout.vllm_process import EngineDiedError, VLLMProcessEngine, engine_environment

RANK = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "192.0.2.1", "MASTER_PORT": "29500",
        "TORCHELASTIC_RUN_ID": "x"}  # fmt: skip


class ProbedEngine(VLLMProcessEngine):
    worker_extension = "environment_probe.EnvironmentProbe"


@pytest.fixture(scope="module")
def engine(make_tiny: Callable[..., BailingMoeForCausalLM], tmp_path_factory: pytest.TempPathFactory
           ) -> Iterator[VLLMProcessEngine]:  # fmt: skip
    """An engine started under the variables of a launcher, whose other ranks do not exist."""
    folder = tmp_path_factory.mktemp("engine")
    make_tiny(0, head_dim=32).save_pretrained(folder)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in RANK.items():
            patch.setenv(name, value)
        before, distributed = dict(os.environ), torch.distributed.is_initialized()
        engine = ProbedEngine(folder, lambda many: [""] * len(many), 1, max_model_len=64, threads=2)
        assert dict(os.environ) == before
        assert torch.distributed.is_initialized() == distributed
        assert torch.get_num_threads() == 2
    yield engine
    engine.close()
    assert not any(psutil.pid_exists(process.pid) for process in engine.processes)


def test_the_engines_process_knows_no_rank(engine: VLLMProcessEngine) -> None:
    (environment,) = engine._llm.collective_rpc("environment")  # /proc shows what the process's new name left of it
    assert not RANK.keys() & environment.keys()
    assert (environment["OMP_NUM_THREADS"], environment["VLLM_ENABLE_V1_MULTIPROCESSING"]) == ("2", "1")


def test_the_environment_comes_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    before = dict(os.environ)
    with pytest.raises(RuntimeError, match="no model"), engine_environment(7):
        assert "WORLD_SIZE" not in os.environ
        assert os.environ["OMP_NUM_THREADS"] == "7"
        os.environ["LEFT_BEHIND"] = "1"
        raise RuntimeError("no model")
    assert dict(os.environ) == before


def test_weights_travel_by_a_file_that_is_removed(
    engine: VLLMProcessEngine, make_tiny: Callable[..., BailingMoeForCausalLM], monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    model = make_tiny(5, head_dim=32).eval()
    engine.sync(released_weights(model), 4)
    assert (engine.version, list(tmp_path.iterdir())) == (4, [])
    with torch.no_grad():
        expected = model(torch.tensor([[5, 6, 7, 8]])).logits[0].log_softmax(-1)
    found = torch.tensor(engine.logprobs([[5, 6, 7, 8]])[0])
    assert torch.allclose(found, expected[[0, 1, 2], [6, 7, 8]], atol=1e-4)


def test_a_dead_engine_is_an_error_and_not_a_hang(engine: VLLMProcessEngine) -> None:
    """The last test of this engine: its process is killed in the middle of a generation."""
    prompt = Prompt("p", "math", "", "", token_ids=(5, 6, 7))
    requests = [Request(prompt, i, i) for i in range(2000)]
    threading.Timer(0.2, os.kill, (engine.processes[0].pid, signal.SIGKILL)).start()
    with pytest.raises(EngineDiedError, match="exit status"):
        for _ in range(50):
            engine.generate(requests, Sampling(1.0, 60))
    with pytest.raises(EngineDiedError):
        engine.sync([], 5)


def test_a_worker_ends_with_its_parent(tmp_path: Path) -> None:
    """A child that has imported the worker's module, as vLLM's process does, ends when its parent is killed."""
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent("""
        import importlib, multiprocessing, time
        def child(queue):
            importlib.import_module("ringexp.rollout.vllm_process_worker")
            queue.put(0)
            time.sleep(600)
        if __name__ == "__main__":
            context = multiprocessing.get_context("spawn")
            queue = context.Queue()
            process = context.Process(target=child, args=(queue,))
            process.start()
            queue.get()
            print(process.pid, flush=True)
            time.sleep(600)
    """)
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
        parent.kill()
    deadline = time.monotonic() + 20
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
