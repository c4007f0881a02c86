"""An SFT step on packed documents, ours beside TRL's `SFTTrainer`, alternating in one run on the CPU in float32.

    python benchmarks/sft_step.py [--pairs 20] [--peer-model bailing|qwen2_moe] [--rows 8]

TRL packs the teacher traces of `ring_tiny` by its default strategy, best-fit decreasing into rows of 1,024 tokens, and
takes 8 rows a step, its default; our step gets the very documents of those rows, as `SFTModule` packs them. Same
weights to begin with, same optimizer, learning rates and clipping; loss on response tokens only. With TRL training our
model class the losses of the first step must be equal, which is checked. Not made equal: our step also computes the
routers' losses, TRL's the entropy and accuracy of every token.

"bfd" makes TRL "padding-free": a step's rows are laid end to end, without an attention mask, with positions that
restart at each document. It is made for flash attention; without it transformers' own models build a block-diagonal
mask over the whole step from these positions. So documents stay apart on the CPU too, at the price of attention that is
quadratic in the step's tokens (--peer-model qwen2_moe: transformers' own architecture of equal sizes, random weights).
Our class, which TRL trains by default, reads the documents off the positions instead, through a thin adapter, and costs
TRL no such price. Under TRL's other strategy, "wrapped", documents are cut at the rows' ends and attend to each other.
TRL recomputes no activations here, though gradient checkpointing is its default, as nothing needs it at this size;
--trl-checkpointing turns it on.

Speeds are tokens read, prompts and responses, per second. Last line of stdout: one JSON object; `ratio` is ours over
TRL's, the median of pairs.
"""

import os

os.environ.setdefault("GOMP_SPINCOUNT", "10000")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")

import argparse
import json
import random
import statistics
import tempfile
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from peers import Alternation, Kept, Peer, Record, Turns, median, peer_model, ratios, same_for_both, say, speed
from torch.utils.data import DataLoader

from ringexp.cli import conf_dir
from ringexp.config.schema import Config
from ringexp.config.validate import typed
from ringexp.models.build import build_config, build_model
from ringexp.models.tokenizer import build_tokenizer, load_tokenizer
from ringexp.records import Prompt
from ringexp.sft.data import SFTData
from ringexp.tasks.data import load_pools, prepare
from ringexp.training.checkpoint import load_weights, save_model
from ringexp.training.fit import fit

ROW = 1024
"""Tokens of a packed row: TRL's default `max_length`."""
Row = dict[str, list[int]]
"""A row as TRL packs it: `input_ids`, `labels` (-100 at prompts), `seq_lengths` of its documents."""


def overrides(steps: int, rows: int) -> list[str]:
    """What the benchmark changes in `ring_tiny`; the batch is large enough for all rows, and cut into steps later."""
    return ["experiment=ring_tiny", f"sft.max_steps={steps}", f"sft.batch_size={rows * ROW // 32}",
            f"sft.micro_batch_tokens={rows * ROW}"]  # fmt: skip


def pack_rows(prompts: Sequence[Prompt], count: int, seed: int) -> list[Row]:
    """TRL's rows of these documents, `count` of them in a seeded order, rows of few tokens left out."""
    from datasets import Dataset
    from trl import pack_dataset

    documents = Dataset.from_dict({
        "input_ids": [[*p.token_ids, *p.trace_ids] for p in prompts],
        "labels": [[-100] * len(p.token_ids) + list(p.trace_ids) for p in prompts],
    })  # fmt: skip
    rows = [row for row in pack_dataset(documents, ROW, "bfd") if len(row["input_ids"]) > 0.9 * ROW]
    if len(rows) < count:
        raise SystemExit(f"{len(prompts)} documents make {len(rows)} full rows, {count} are needed: give fewer --pairs")
    return random.Random(seed).sample(rows, count)


def unpacked(rows: Sequence[Row], prompts: Sequence[Prompt]) -> tuple[Prompt, ...]:
    """The documents of some rows."""
    known = {(*p.token_ids, *p.trace_ids): p for p in prompts}
    found = []
    for row in rows:
        start = 0
        for length in row["seq_lengths"]:
            found.append(known[tuple(row["input_ids"][start : start + length])])
            start += length
    return tuple(found)


def train_ours(
    config: Config, data: SFTData, folder: Path, batches: Sequence[Sequence[Prompt]], peer: Peer
) -> Alternation:
    """The real module in the real Trainer; the peer takes its turns in a callback."""
    tokenizer = load_tokenizer(str(folder))
    model = build_model(config.model, build_config(config.model, len(tokenizer), tokenizer.eos_id), config.seed)
    load_weights(folder, model)
    module = instantiate(config.sft.module)(
        model=model, config=config.sft, optimizer=instantiate(config.sft.optimizer), steps=len(batches),
        weights=data.sampler.weights,
    )  # fmt: skip
    logger = Kept()

    def record(_: Any) -> Record:
        last, batch = logger.last, batches[module.step - 1]
        routers = config.sft.balance_coef * last["moe/balance"] + config.sft.z_coef * last["moe/z"]
        return {"tokens": sum(len(p.token_ids) + len(p.trace_ids) for p in batch),
                "loss": last["train/loss"] - routers, "documents": len(batch)}  # fmt: skip

    alternation = Alternation(peer, record, say)
    loader: DataLoader[Any] = DataLoader(batches, batch_size=None)  # type: ignore[arg-type]
    fit(module, loader, config.trainer, logger, [alternation], None, None)
    return alternation


def train_trl(pipe: Connection, config: Config, folder: Path, rows: list[Row], arguments: argparse.Namespace) -> None:
    """TRL's process."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    class Watched(SFTTrainer):  # type: ignore[misc]
        record: Record = {}  # noqa: RUF012

        def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
            loss = super().compute_loss(model, inputs, *args, **kwargs)
            self.record |= {"tokens": inputs["input_ids"].numel(), "loss": loss.detach().item()}
            return loss

    settings = SFTConfig(
        output_dir=str(folder.with_name("trl")), max_steps=len(rows) // arguments.rows, packing=True, max_length=ROW,
        per_device_train_batch_size=arguments.rows, dataset_kwargs={"skip_prepare_dataset": True},
        train_sampling_strategy="sequential", lr_scheduler_type="cosine", warmup_steps=config.sft.warmup_fraction,
        gradient_checkpointing=arguments.trl_checkpointing,
        **same_for_both(config.sft.optimizer, config.sft.max_grad_norm),
    )  # fmt: skip
    trainer = Watched(
        model=peer_model(arguments.peer_model, folder), args=settings, train_dataset=Dataset.from_list(rows),
        processing_class=load_tokenizer(str(folder)).hf,
    )  # fmt: skip
    trainer.add_callback(Turns(pipe, lambda: trainer.record))
    trainer.train()


def check(ours: Sequence[Record], theirs: Sequence[Record], same_model: bool) -> None:
    """Both read the same tokens, and, of one model, compute the same loss. Raises SystemExit where they do not."""
    if [r["tokens"] for r in ours] != [r["tokens"] for r in theirs]:
        raise SystemExit("the two sides read different tokens")
    a, b = ours[0]["loss"], theirs[0]["loss"]
    if same_model and abs(a - b) > 1e-4:
        raise SystemExit(f"the first losses differ: ours {a:.6f}, TRL's {b:.6f}")


def report(ours: Sequence[Record], theirs: Sequence[Record], arguments: argparse.Namespace) -> None:
    """A row for each pair on standard output, then the medians."""
    found = ratios(ours, theirs)
    print("pair   tokens  documents | ours: s  tokens/s | TRL: s  tokens/s | ratio")
    for pair, (a, b, ratio) in enumerate(zip(ours, theirs, found, strict=True), 1):
        print(f"{pair:4d} {a['tokens']:8d} {a['documents']:10d} | {a['seconds']:7.3f} {speed(a):9.0f} | "
              f"{b['seconds']:6.3f} {speed(b):9.0f} | {ratio:5.2f}")
    print(json.dumps({
        "ratio": round(statistics.median(found), 3), "ratio_min": round(min(found), 3),
        "ratio_max": round(max(found), 3), "ours_seconds": median(ours, "seconds"),
        "trl_seconds": median(theirs, "seconds"), "ours_tokens_per_s": round(statistics.median(map(speed, ours))),
        "trl_tokens_per_s": round(statistics.median(map(speed, theirs))), "tokens": median(ours, "tokens"),
        "pairs": len(ours), "peer_model": arguments.peer_model, "rows": arguments.rows,
        "trl_checkpointing": arguments.trl_checkpointing,
    }))  # fmt: skip


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20, help="measured pairs of steps")
    parser.add_argument("--warmup", type=int, default=4, help="pairs before them, left out")
    parser.add_argument("--rows", type=int, default=8, help=f"rows of {ROW} tokens in a step")
    parser.add_argument("--peer-model", choices=("bailing", "qwen2_moe"), default="bailing", help="what TRL trains")
    parser.add_argument("--trl-checkpointing", action="store_true", help="TRL's own default: recompute activations")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    steps = arguments.warmup + arguments.pairs
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = typed(compose("config", overrides(steps, arguments.rows)))
    torch.set_num_threads(config.trainer.threads)
    pools, dropped = load_pools(config.data)
    tokenizer = build_tokenizer(None, config.model.tokenizer.vocab_size, pools.values())
    encoded = prepare(pools, dropped, tokenizer, config.data).pools
    data = SFTData({domain: pool.train for domain, pool in encoded.items()}, config.sft, config.seed)
    drawn = [prompt for step in range(steps) for prompt in data.sampler[step]]
    rows = pack_rows(drawn, steps * arguments.rows, config.seed)
    batches = [unpacked(rows[i : i + arguments.rows], drawn) for i in range(0, len(rows), arguments.rows)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "start"
        folder.mkdir()
        architecture = build_config(config.model, len(tokenizer), tokenizer.eos_id)
        save_model(folder, build_model(config.model, architecture, config.seed), tokenizer)
        say("starting TRL")
        peer = Peer(train_trl, config.trainer.threads, config, folder, rows, arguments)
        alternation = train_ours(config, data, folder, batches, peer)
        peer.close()
    check(alternation.ours, alternation.theirs, arguments.peer_model == "bailing")
    report(alternation.ours[arguments.warmup :], alternation.theirs[arguments.warmup :], arguments)


if __name__ == "__main__":
    main()
