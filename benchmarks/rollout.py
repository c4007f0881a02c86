"""Rollouts as the RL loop draws them, against plain `LLM.generate` on the same prompts, alternating in one run.

    python benchmarks/rollout.py [--pairs 10] [--checkpoint FOLDER]

The loop's side is what an RL step calls: seeded requests, the engine's log-probability of every token, text, records.
The plain side builds its parameters and calls vLLM's `LLM.generate` with the same prompts, seeds and limits, without
log-probabilities. Both draw the same tokens, which is checked. Before each pair the weights are synced, as in the loop.
Without a checkpoint the weights are random and every response runs to the limit. Which side goes first alternates.
Last line of stdout: one JSON object; `ratio` = loop's tokens/s over plain tokens/s, `ratio_with_sync` = the same with
the weight sync on the loop's account; medians of pairs.
"""

import os

os.environ.setdefault("GOMP_SPINCOUNT", "10000")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from vllm import SamplingParams

from ringexp import seeds
from ringexp.cli import conf_dir
from ringexp.config.validate import typed
from ringexp.models.bailing_moe import released_weights
from ringexp.models.build import build_config, build_model
from ringexp.models.tokenizer import build_tokenizer, load_tokenizer
from ringexp.records import Request, Sampling
from ringexp.rollout.vllm import SEED_MASK, VLLMEngine
from ringexp.tasks.data import load_pools, prepare
from ringexp.training.checkpoint import load_weights, save_model


def plain(engine: VLLMEngine, requests: list[Request], sampling: Sampling, eos: int) -> tuple[float, list[list[int]]]:
    """Tokens per second of bare generation, and the tokens."""
    start = time.perf_counter()
    params = [
        SamplingParams(temperature=sampling.temperature, max_tokens=sampling.max_tokens, seed=r.seed & SEED_MASK,
                       stop_token_ids=[eos], ignore_eos=True, detokenize=False)
        for r in requests
    ]  # fmt: skip
    prompts = [{"prompt_token_ids": list(r.prompt.token_ids)} for r in requests]
    outputs = engine._llm.generate(prompts, params, use_tqdm=False)
    seconds = time.perf_counter() - start
    tokens = [list(o.outputs[0].token_ids) for o in outputs]
    return sum(map(len, tokens)) / seconds, tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--checkpoint", type=Path)
    arguments = parser.parse_args()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = typed(compose("config", ["experiment=ring_tiny"]))
    torch.set_num_threads(config.trainer.threads)
    pools, dropped = load_pools(config.data)
    tokenizer = load_tokenizer(str(arguments.checkpoint)) if arguments.checkpoint else build_tokenizer(
        None, config.model.tokenizer.vocab_size, pools.values())
    data = prepare(pools, dropped, tokenizer, config.data)
    model = build_model(config.model, build_config(config.model, len(tokenizer), tokenizer.eos_id), 0)
    if arguments.checkpoint:
        load_weights(arguments.checkpoint, model)
    with tempfile.TemporaryDirectory() as folder:
        save_model(Path(folder), model, tokenizer)
        engine = VLLMEngine(folder, tokenizer.decode_many, tokenizer.eos_id, max_model_len=256, threads=2)
    sampling = Sampling(1.0, config.schedule.stages[0].max_response_tokens)
    prompts = data.pools["math"].train[: config.algorithm.prompts_per_step]
    ratios = []
    for pair in range(-1, arguments.pairs):
        requests = [Request(p, k, seeds.derive(pair + 1, p.id, k)) for p in prompts
                    for k in range(config.algorithm.group_size)]
        start = time.perf_counter()
        engine.sync(released_weights(model), pair)
        synced = time.perf_counter() - start
        if pair % 2:
            bare, tokens = plain(engine, requests, sampling, tokenizer.eos_id)
        start = time.perf_counter()
        rollouts = engine.generate(requests, sampling)
        seconds = time.perf_counter() - start
        if not pair % 2:
            bare, tokens = plain(engine, requests, sampling, tokenizer.eos_id)
        if [list(r.token_ids) for r in rollouts] != tokens:
            raise SystemExit("the two sides drew different tokens")
        if pair >= 0:  # the first pair warms up
            drawn = sum(map(len, tokens))
            loop = drawn / seconds
            ratios.append((loop / bare, drawn / (seconds + synced) / bare))
            print(f"pair {pair + 1:2d}   loop {loop:7.0f}   plain {bare:7.0f} tokens/s   ratio {loop / bare:.3f}")
    engine.close()
    ratio, with_sync = (round(statistics.median(column), 4) for column in zip(*ratios, strict=True))
    print(json.dumps({"ratio": ratio, "ratio_with_sync": with_sync, "pairs": len(ratios)}))


if __name__ == "__main__":
    main()
