"""Rollouts as the RL loop draws them, against plain `LLM.generate` on the same prompts, alternating in one run.

    python benchmarks/rollout.py [--pairs 10] [--checkpoint FOLDER]

The loop's side does all that an RL step does to get rollouts: weight sync, seeded requests, log-probabilities, text.
The plain side calls vLLM's `LLM.generate` with the same prompts, seeds and limits, and nothing else. Both draw the same
tokens, which is checked. Without a checkpoint the weights are random and every response runs to the limit.
Last line of stdout: one JSON object; `ratio` = loop's tokens/s over plain tokens/s, median of pairs.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
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
    params = [
        SamplingParams(temperature=sampling.temperature, max_tokens=sampling.max_tokens, seed=r.seed & SEED_MASK,
                       stop_token_ids=[eos], ignore_eos=True, detokenize=False)
        for r in requests
    ]  # fmt: skip
    prompts = [{"prompt_token_ids": list(r.prompt.token_ids)} for r in requests]
    start = time.perf_counter()
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
        engine = VLLMEngine(folder, tokenizer.decode, tokenizer.eos_id, max_model_len=256, threads=2)
    sampling = Sampling(1.0, config.schedule.stages[0].max_response_tokens)
    prompts = data.pools["math"].train[: config.algorithm.prompts_per_step]
    ratios = []
    for pair in range(-1, arguments.pairs):
        requests = [Request(p, k, seeds.derive(pair + 1, p.id, k)) for p in prompts
                    for k in range(config.algorithm.group_size)]
        start = time.perf_counter()
        engine.sync(released_weights(model), pair)
        rollouts = engine.generate(requests, sampling)
        loop = sum(len(r.token_ids) for r in rollouts) / (time.perf_counter() - start)
        bare, tokens = plain(engine, requests, sampling, tokenizer.eos_id)
        if [list(r.token_ids) for r in rollouts] != tokens:
            raise SystemExit("the two sides drew different tokens")
        if pair >= 0:  # the first pair warms up
            ratios.append(loop / bare)
            print(f"pair {pair + 1:2d}   loop {loop:7.0f}   plain {bare:7.0f} tokens/s   ratio {loop / bare:.3f}")
    engine.close()
    print(json.dumps({"ratio": round(statistics.median(ratios), 4), "pairs": len(ratios)}))


if __name__ == "__main__":
    main()
