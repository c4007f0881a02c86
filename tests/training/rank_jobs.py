"""What the ranks of test_ranks.py do, as functions of a module; as a script, rank 0 of a run that ends badly."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.distributed import _init_dist_connection
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from ringexp.models.bailing_moe import BailingMoeConfig, BailingMoeForCausalLM
from ringexp.models.logprob import score_responses
from ringexp.models.packing import Document, pack
from ringexp.training.rank_process import KeepSigterm, RankEnvironment, check_equal
from ringexp.training.ranks import Ranks

MicroBatches = list[list[Document]]
STEPS = 3


def fit(environment: RankEnvironment, module: LightningModule, steps: int = STEPS) -> None:
    """`steps` training steps on the CPU, of as many ranks as there are; a batch is its number."""
    Trainer(
        accelerator="cpu", devices=environment.world, plugins=[environment], max_epochs=1, logger=False,
        strategy=DDPStrategy(process_group_backend="gloo", timeout=timedelta(minutes=20)),
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
        use_distributed_sampler=False, callbacks=[KeepSigterm()],
    ).fit(module, train_dataloaders=torch.utils.data.DataLoader(list(range(steps)), batch_size=None))  # type: ignore[arg-type]


class Policy(LightningModule):
    """A tiny mixture of experts, trained as RL trains: manually, in micro-batches, by another method than forward."""

    def __init__(self, parts: MicroBatches, seed: int, ranks: int, tokens: int) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = tiny(seed)
        self.packs = [pack(part) for part in parts]
        self.factor = ranks / tokens
        self.before_last: dict[str, Tensor] = {}
        self.after_last: dict[str, Tensor] = {}

    def configure_optimizers(self) -> Optimizer:
        return SGD(self.model.parameters(), lr=0.1)

    def grads(self) -> dict[str, Tensor]:
        return {name: p.grad.clone() for name, p in self.model.named_parameters() if p.grad is not None}

    def training_step(self, batch: int, batch_idx: int) -> None:
        *first, last = self.packs
        with self.trainer.strategy.block_backward_sync():
            for packed in first:
                self.manual_backward(-self.factor * score_responses(self.model, packed).logprob.sum())
        if batch == 0:
            self.before_last = self.grads()
        self.manual_backward(-self.factor * score_responses(self.model, last).logprob.sum())
        if batch == 0:
            self.after_last = self.grads()
        optimizer = self.optimizers()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


class Line(LightningModule):
    """y = a·x by automatic optimization, x = rank + 1: another module for the same processes."""

    def __init__(self, x: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(1.0))
        self.x = x

    def configure_optimizers(self) -> Optimizer:
        return SGD(self.parameters(), lr=0.25)

    def training_step(self, batch: int, batch_idx: int) -> Tensor:
        return self.a * self.x


class Fateful(Line):
    """In its second step rank 1 does `fate`."""

    def __init__(self, environment: RankEnvironment, fate: str) -> None:
        super().__init__(1.0)
        self.fate = fate if environment.rank == 1 else ""

    def training_step(self, batch: int, batch_idx: int) -> Tensor:
        if self.fate and batch == 1:
            meet(self.fate)
        return super().training_step(batch, batch_idx)


def tiny(seed: int) -> BailingMoeForCausalLM:
    torch.manual_seed(seed)
    return BailingMoeForCausalLM(BailingMoeConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
        num_experts=4, num_experts_per_tok=2, num_shared_experts=1, moe_intermediate_size=16,
        max_position_embeddings=128, initializer_range=0.2, eos_token_id=1,
    ))  # fmt: skip


def train_policy(environment: RankEnvironment, parts: list[MicroBatches], tokens: int) -> dict[str, Any]:
    """Train on this rank's micro-batches; every rank starts from other weights, DDP takes those of rank 0."""
    module = Policy(parts[environment.rank], environment.rank, environment.world, tokens)
    fit(environment, module)
    check_equal(module)
    return {"weights": module.model.state_dict(), "before": module.before_last, "after": module.after_last}


def train_line(environment: RankEnvironment) -> float:
    module = Line(environment.rank + 1.0)
    fit(environment, module)
    check_equal(module)
    return module.a.item()


def train_fateful(environment: RankEnvironment, fate: str) -> float:
    module = Fateful(environment, fate)
    fit(environment, module)
    return module.a.item()


def meet(fate: str) -> None:
    """The end of a rank. A fork holds all its files open, its sockets too."""
    if fate == "raise":
        raise ValueError("a bad step\non rank 1")
    if fate.startswith("fork"):
        read, write = os.pipe()
        if os.fork() == 0:
            if fate == "fork and leave":
                os.setsid()  # out of reach of who ends the rank's process group
            os.write(write, b".")
            time.sleep(30)
            os._exit(0)
        os.read(read, 1)
    os.kill(os.getpid(), signal.SIGKILL)


def diverge(environment: RankEnvironment, where: str) -> str:
    """What check_equal says when rank 1 changes one weight by its last bit."""
    join(environment)
    model = tiny(0)
    weight = dict(model.named_parameters())[where].data.view(-1)
    if environment.rank == 1:
        weight[-1] = torch.nextafter(weight[-1], torch.tensor(9.0))
    try:
        check_equal(model)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "equal"


def surroundings(environment: RankEnvironment) -> dict[str, Any]:
    """What a rank finds around it."""
    child = subprocess.run([sys.executable, "-c", "print('a child')"], capture_output=True, text=True, check=True)
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    return {
        "environment": environment, "threads": torch.get_num_threads(), "folder": str(Path.cwd()),
        "variables": {name: value for name, value in os.environ.items() if name.startswith("OMP_")},
        "rank_zero_only": rank_zero_only.rank, "child": child.stdout, "initialized": _initialized,
        "tensor": torch.arange(3.0),
    }  # fmt: skip


_initialized: list[int] = []


def initialize(environment: RankEnvironment) -> None:
    _initialized.append(environment.rank)


def join(environment: RankEnvironment) -> None:
    """The process group alone, as Lightning makes it."""
    _init_dist_connection(environment, "gloo", timeout=timedelta(minutes=20))


def die_between(environment: RankEnvironment, fate: str) -> None:
    join(environment)
    torch.distributed.barrier()
    if environment.rank == 1:
        meet(fate)


def sleep(environment: RankEnvironment, seconds: float) -> None:
    time.sleep(seconds)


def fail(environment: RankEnvironment) -> None:
    raise OSError("no such file")


def main(case: str, folder: Path) -> None:
    """Rank 0 of a run that ends badly. Prints `ready` where it waits for a signal."""
    ranks = Ranks(2, limit=4.0, grace=1.0)
    print(ranks._peers[0].process.pid, flush=True)
    if case == "exit":  # in the middle of a job, and without close
        ranks.submit(sleep, 600.0)
        sys.exit(7)
    if case == "stuck":  # in a collective that nothing wakes
        with ranks.running(die_between, "fork and leave"):
            die_between(ranks.environment, "")
            torch.distributed.all_reduce(torch.zeros(1))
    with ranks.running(wait_in_fit, folder):
        wait_in_fit(ranks.environment, folder)


class Waiting(Line):
    """Rank 0 waits outside of any collective, rank 1 inside of one, a child beside it."""

    def __init__(self, environment: RankEnvironment, folder: Path) -> None:
        super().__init__(1.0)
        self.environment, self.folder = environment, folder

    def training_step(self, batch: int, batch_idx: int) -> Tensor:
        if self.environment.rank == 0 and batch == 1:
            while not (self.folder / "child").exists():
                time.sleep(0.1)
            print("ready", flush=True)
            time.sleep(600)
        if self.environment.rank == 1 and batch == 1:
            child = subprocess.Popen(["sleep", "600"])
            (self.folder / "pid").write_text(str(child.pid))
            (self.folder / "pid").rename(self.folder / "child")
        return super().training_step(batch, batch_idx)


def wait_in_fit(environment: RankEnvironment, folder: Path) -> None:
    fit(environment, Waiting(environment, folder))


if __name__ == "__main__":

    def terminate(signum: int, frame: object) -> None:
        raise SystemExit(128 + signum)

    signal.signal(signal.SIGTERM, terminate)
    main(sys.argv[1], Path(sys.argv[2]))
