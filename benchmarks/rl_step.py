"""A whole RL step, ours beside TRL's `GRPOTrainer`, alternating in one run on the CPU in float32.

    python benchmarks/rl_step.py [--steps 10] [--checkpoint FOLDER] [--peer-model bailing|qwen2_moe]

Ours: the C3PO module in Lightning's Trainer, vLLM in this process, weight sync included, as `ringexp` runs it, without
the cap, so that every response is trained. TRL: `GRPOTrainer` in a process of its own, with Hugging Face generation
(all responses of a step in one `generate`) and its default loss; β, optimizer, learning rate, gradient clipping, group
size, length limit and verifier are ours. One optimizer update a step on both sides, on the same prompts, from the same
weights. TRL's gradients accumulate over micro-batches of --peer-batch responses; ours go through in one.

Three choices favour TRL. It trains our own model class, through a thin adapter that hands the layers no padding (its LM
head sees every position); --peer-model qwen2_moe gives it transformers' own architecture of equal sizes instead, with
random weights. It recomputes no activations, though gradient checkpointing is its default, as nothing needs it at this
size; --trl-checkpointing turns it on. And it computes no losses of routers for our class.

The engine is generation (ours judges beside it); training is the step without generation and reward: log-probabilities
of policy and reference, loss, backward, optimizer; on our side also packing, the check of the engine and the weight
sync. Speeds are response tokens per second. Without --checkpoint the weights are random: nearly every response runs to
the limit, and all rewards are 0, which changes no operation. --mean-length has these responses end at a constant chance
a token, so that their lengths are uneven as those of long chains of thought are; its learning rate, 1e-12 on both
sides, is too small to move lengths. A checkpoint is a folder with model.safetensors, config.json and the tokenizer, as
SFT writes them.

Last line of stdout: one JSON object; `ratio`, `ratio_training`, `ratio_engine` are ours over TRL's, medians of pairs.
"""

import os

os.environ.setdefault("GOMP_SPINCOUNT", "10000")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from peers import (
    Alternation,
    Kept,
    Peer,
    Record,
    Turns,
    end_after,
    median,
    peer_model,
    ratios,
    same_for_both,
    say,
    speed,
)
from torch.utils.data import DataLoader

from ringexp.cli import conf_dir
from ringexp.config.schema import Config
from ringexp.config.validate import typed
from ringexp.mixing.sampler import PromptRounds
from ringexp.models.attention import plan_layout
from ringexp.models.packing import micro_batches
from ringexp.models.tokenizer import build_tokenizer, load_tokenizer
from ringexp.records import Prompt
from ringexp.rl.module import C3POModule
from ringexp.tasks.data import load_pools, prepare
from ringexp.tasks.rl import Begin, _module, stages
from ringexp.tasks.select import Selected
from ringexp.tasks.workspace import Workspace
from ringexp.training.checkpoint import load_weights, save_model
from ringexp.training.fit import fit

STILL = 1e-12
"""A learning rate too small to move the chance of the end."""


def add_sizes(parser: argparse.ArgumentParser) -> None:
    """The arguments that `overrides` reads, beside --warmup and --steps."""
    parser.add_argument("--prompts", type=int, default=64, help="prompts a step")
    parser.add_argument("--samples", type=int, default=8, help="responses to each")
    parser.add_argument("--temperature", type=float, default=1.0, help="of sampling")
    parser.add_argument("--limit", type=int, default=96, help="response tokens at most")
    parser.add_argument("--threads", type=int, default=2, help="of torch and the engine, on each side")


def overrides(arguments: argparse.Namespace) -> list[str]:
    """What the benchmark changes in `ring_tiny`: maths alone, every response trained, in one micro-batch."""
    responses = arguments.prompts * arguments.samples
    return [
        "experiment=ring_tiny", "schedule=math_only", f"trainer.max_steps={arguments.warmup + arguments.steps}",
        f"trainer.threads={arguments.threads}",
        f"data.max_response_tokens={arguments.limit}", f"algorithm.temperature={arguments.temperature}",
        f"algorithm.prompts_per_step={arguments.prompts}",
        f"algorithm.group_size={arguments.samples}", "algorithm.warmup_steps=0", "algorithm.cap=false",
        f"algorithm.token_budget={responses * arguments.limit}",
        f"algorithm.micro_batch_tokens={responses * (arguments.limit + 128)}",
    ]  # fmt: skip


def open_workspace(
    config: Config, checkpoint: Path | None, folder: Path, mean_length: float | None = None
) -> Workspace:
    """Data, tokenizer, verifier and engine as a run has them, without MLflow; the maths domain alone is trained."""
    pools, dropped = load_pools(config.data)
    tokenizer = load_tokenizer(str(checkpoint)) if checkpoint else build_tokenizer(
        None, config.model.tokenizer.vocab_size, pools.values())
    data = prepare({"math": pools["math"]}, dropped, tokenizer, config.data)
    workspace = Workspace(config, data, tokenizer)
    workspace.folder = folder
    model = workspace.model()
    if checkpoint:
        load_weights(checkpoint, model)
    elif mean_length:
        end_after(model, mean_length)
    (folder / "start").mkdir()
    save_model(folder / "start", model, tokenizer)
    return workspace


def our_module(workspace: Workspace) -> C3POModule:
    """The real module at the start of the first stage."""
    start = workspace.folder / "start"
    module = _module(workspace, stages(workspace)[0], Begin(Selected("", 0, start, "", False, 0, 0), start, None, 0))
    load_weights(start, module.model)
    return module


def maths(workspace: Workspace) -> PromptRounds:
    """The prompts of every step."""
    config = workspace.config
    pools = {"math": workspace.data.pools["math"].train}
    return PromptRounds(pools, {"math": 1.0}, config.algorithm, config.trainer.max_steps, config.seed, "math")


def train_ours(workspace: Workspace, steps: PromptRounds, peer: Peer) -> Alternation:
    """Our module in the real Trainer; the peer takes its turns in a callback."""
    module, logger = our_module(workspace), Kept()
    alternation = Alternation(peer, lambda _: our_record(module, logger), say)
    loader = DataLoader(steps, batch_size=None)
    fit(module, loader, workspace.config.trainer, logger, [alternation], None, None)
    return alternation


def our_record(module: C3POModule, logger: Kept) -> Record:
    """Parts of the last step; `real` is the share of real tokens among the positions that the layers compute on,
    `attention` among the rows of attention's padded buckets."""
    rollouts = [rollout for group in module.groups for rollout in group.rollouts]
    lengths = [len(r.request.prompt.token_ids) + len(r.token_ids) - 1 for r in rollouts]
    rows = sum(plan_layout(torch.tensor([lengths[i] for i in split])).rows
               for split in micro_batches(lengths, module.config.micro_batch_tokens))
    return {"engine": logger.last["time/rollout"], "reward": logger.last["time/reward"], "real": 1.0,
            "attention": sum(lengths) / rows, "tokens": sum(len(r.token_ids) for r in rollouts)}  # fmt: skip


def train_trl(
    pipe: Connection, config: Config, folder: Path, prompts: Sequence[Prompt], arguments: argparse.Namespace
) -> None:
    """TRL's process."""
    from datasets import Dataset
    from trl import GRPOConfig

    tokenizer = load_tokenizer(str(folder / "start"))
    texts = [tokenizer.hf.decode(list(p.token_ids), clean_up_tokenization_spaces=False) for p in prompts]
    if tokenizer.hf(text=texts)["input_ids"] != [list(p.token_ids) for p in prompts]:
        raise SystemExit("TRL's tokens of the prompts are not ours")
    verifier = instantiate(config.rewards.verifiers["math"])

    def reward(completions: list[str], place: list[int], **_: Any) -> list[float]:
        return [verdict.reward for verdict in verifier.score([prompts[i] for i in place], completions)]

    algorithm = config.algorithm
    responses = algorithm.prompts_per_step * algorithm.group_size
    settings = GRPOConfig(
        output_dir=str(folder / "trl"), max_steps=config.trainer.max_steps, shuffle_dataset=False,
        per_device_train_batch_size=arguments.peer_batch, gradient_accumulation_steps=responses // arguments.peer_batch,
        num_generations=algorithm.group_size, max_completion_length=arguments.limit, temperature=algorithm.temperature,
        beta=algorithm.objective["kl_coef"], lr_scheduler_type="constant", generation_kwargs={"use_cache": True},
        gradient_checkpointing=arguments.trl_checkpointing,
        **same_for_both(algorithm.optimizer, algorithm.max_grad_norm),
    )  # fmt: skip
    trainer = timed_trainer()(
        model=peer_model(arguments.peer_model, folder / "start", arguments.mean_length), reward_funcs=reward,
        args=settings, train_dataset=Dataset.from_dict({"prompt": texts, "place": list(range(len(prompts)))}),
        processing_class=tokenizer.hf,
    )  # fmt: skip
    trainer.add_callback(Turns(pipe, lambda: trainer.record))
    trainer.train()
    verifier.close()


def timed_trainer() -> type[Any]:
    """`GRPOTrainer` with the parts of its last step on record. Defined here because importing TRL imports vLLM."""
    from trl import GRPOTrainer

    class Timed(GRPOTrainer):  # type: ignore[misc]
        record: Record = {}  # noqa: RUF012

        def _generate(self, prompts: list[Any]) -> Any:
            start = time.perf_counter()
            out = super()._generate(prompts)
            given, drawn = ([len(ids) for ids in lists] for lists in out[:2])
            width = max(given) + max(drawn)
            self.record |= {"engine": time.perf_counter() - start, "tokens": sum(drawn),
                            "real": (sum(given) + sum(drawn)) / (width * len(drawn))}
            return out

        def _calculate_rewards(self, *args: Any) -> Any:
            start = time.perf_counter()
            rewards = super()._calculate_rewards(*args)
            self.record["reward"] = time.perf_counter() - start
            return rewards

    return Timed


def report(alternation: Alternation, arguments: argparse.Namespace) -> None:
    """A row for each pair on standard output, then the medians."""
    ours, theirs = ([r | {"training": r["seconds"] - r["engine"] - r["reward"]} for r in side[arguments.warmup :]]
                    for side in (alternation.ours, alternation.theirs))
    parts = ("seconds", "engine", "training")
    columns = [ratios(ours, theirs, part) for part in parts]
    header = "step, s  engine  training  tokens/s"
    print(f"pair ours: {header} | TRL: {header} | ratio engine training")
    for pair, (a, b, *found) in enumerate(zip(ours, theirs, *columns, strict=True), 1):
        left, right = (f"{r['seconds']:{width}.2f} {r['engine']:7.2f} {r['training']:9.2f} {speed(r):9.0f}"
                       for r, width in ((a, 13), (b, 12)))
        print(f"{pair:4d} {left} | {right} | {found[0]:5.2f} {found[1]:6.2f} {found[2]:8.2f}")
    whole, engine, training = (round(statistics.median(column), 3) for column in columns)
    result = {"ratio": whole, "ratio_training": training, "ratio_engine": engine}
    for name, side in (("ours", ours), ("trl", theirs)):
        result |= {f"{name}_{field}": median(side, field) for field in (*parts, "reward", "tokens", "real")}
        result[f"{name}_tokens_per_s"] = round(statistics.median(map(speed, side)))
    result["ours_attention"] = median(ours, "attention")
    print(f"real tokens among trained positions: ours {result['ours_real']:.3f} "
          f"(attention's buckets {result['ours_attention']:.3f}), TRL {result['trl_real']:.3f}")
    print(json.dumps(result | {"pairs": len(ours), "limit": arguments.limit, "mean_length": arguments.mean_length,
                               "peer_model": arguments.peer_model, "threads": arguments.threads,
                               "peer_batch": arguments.peer_batch, "trl_checkpointing": arguments.trl_checkpointing}))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10, help="measured pairs of steps")
    parser.add_argument("--warmup", type=int, default=2, help="pairs before them, left out")
    parser.add_argument("--checkpoint", type=Path, help="start from these weights and tokenizer, not random ones")
    parser.add_argument("--mean-length", type=float, help="random weights, responses of about as many tokens")
    parser.add_argument("--peer-model", choices=("bailing", "qwen2_moe"), default="bailing", help="what TRL trains")
    parser.add_argument("--peer-batch", type=int, default=64, help="responses in a micro-batch of TRL's")
    parser.add_argument("--trl-checkpointing", action="store_true", help="TRL's own default: recompute activations")
    add_sizes(parser)
    arguments = parser.parse_args()
    if arguments.prompts * arguments.samples % arguments.peer_batch:
        parser.error("--peer-batch must divide --prompts times --samples")
    if arguments.mean_length is not None and (arguments.checkpoint or arguments.mean_length <= 1):
        parser.error("--mean-length is for random weights, not for --checkpoint, and more than 1")
    return arguments


def main() -> None:
    arguments = parse()
    lengths_stay = [f"algorithm.optimizer.lr={STILL}"] if arguments.mean_length else []
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = typed(compose("config", overrides(arguments) + lengths_stay))
    torch.set_num_threads(config.trainer.threads)
    with tempfile.TemporaryDirectory() as folder:
        workspace = open_workspace(config, arguments.checkpoint, Path(folder), arguments.mean_length)
        steps = maths(workspace)
        prompts = [prompt for step in range(config.trainer.max_steps) for prompt in steps[step][0]]
        say("starting TRL")
        peer = Peer(train_trl, config.trainer.threads, config, Path(folder), prompts, arguments)
        alternation = train_ours(workspace, steps, peer)
        peer.close()
        workspace.verifier.close()
    report(alternation, arguments)


if __name__ == "__main__":
    main()
