"""Training throughput of our model beside transformers' Qwen3-MoE of equal size, on the CPU in float32.

Both do forward, cross-entropy and backward on the same 32 × 128 tokens, equal lengths, no padding, on two threads, one
after the other in every pair; the ratio is the median over pairs. Made equal: layers, hidden, heads, experts, top-k,
expert width, vocabulary, untied head; no shared experts in ours; Qwen3's norms on queries and keys, which ours lacks,
are taken out of it. Qwen3-MoE runs with the faster of its expert implementations "eager" and
"grouped_mm", found by a trial at the start ("batched_mm", which copies a matrix per token, is 50 times slower here).

    python benchmarks/model_step.py [--pairs 20] [--threads 2]
"""

import os

os.environ.setdefault("GOMP_SPINCOUNT", "10000")

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformers import Qwen3MoeConfig, Qwen3MoeForCausalLM

from ringexp.models.bailing_moe import BailingMoeConfig, BailingMoeForCausalLM

SEQUENCES, LENGTH = 32, 128
SIZES = {
    "vocab_size": 512, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 32, "num_experts": 8, "num_experts_per_tok": 2, "norm_topk_prob": True,
    "moe_intermediate_size": 128, "tie_word_embeddings": False, "max_position_embeddings": 512,
}  # fmt: skip
Step = Callable[[], float]


def step_of(model: nn.Module, input_ids: Tensor) -> Step:
    """A timed forward and backward pass, in seconds."""

    def step() -> float:
        model.zero_grad(set_to_none=True)
        start = time.perf_counter()
        model(input_ids=input_ids, labels=input_ids).loss.backward()
        return time.perf_counter() - start

    return step


def ours() -> BailingMoeForCausalLM:
    torch.manual_seed(0)
    model: BailingMoeForCausalLM = BailingMoeForCausalLM(BailingMoeConfig(**SIZES, num_shared_experts=0)).train()
    return model


def theirs(experts: str) -> Qwen3MoeForCausalLM:
    torch.manual_seed(0)
    config = Qwen3MoeConfig(**SIZES, use_cache=False, attn_implementation="sdpa", experts_implementation=experts)
    model = Qwen3MoeForCausalLM(config).train()
    for layer in model.model.layers:
        layer.self_attn.q_norm = layer.self_attn.k_norm = nn.Identity()
    return model


def fastest(steps: dict[str, Step], repeats: int = 6) -> str:
    """The step with the smallest median time after two unmeasured passes."""
    times = {name: statistics.median([step() for _ in range(repeats + 2)][2:]) for name, step in steps.items()}
    for name, seconds in times.items():
        print(f"  Qwen3-MoE, experts {name:<11} {seconds * 1e3:8.1f} ms")
    return min(times, key=times.__getitem__)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    pairs = arguments.pairs
    torch.set_num_threads(arguments.threads)
    input_ids = torch.randint(SIZES["vocab_size"], (SEQUENCES, LENGTH), generator=torch.Generator().manual_seed(0))
    rivals = {name: step_of(theirs(name), input_ids) for name in ("eager", "grouped_mm")}
    print("trial of the expert implementations (median):")
    choice = fastest(rivals)
    own_model = ours()
    own, rival = step_of(own_model, input_ids), rivals[choice]
    for step in (own, rival, own, rival):
        step()
    times = [(own(), rival()) if pair % 2 else (rival(), own())[::-1] for pair in range(pairs)]
    tokens = SEQUENCES * LENGTH
    own_speed, rival_speed = (tokens / statistics.median(column) for column in zip(*times, strict=True))
    ratios = sorted(b / a for a, b in times)
    parameters = sum(p.numel() for p in own_model.parameters())
    print(f"{'model':<28}{'tokens/s':>12}   ({parameters:,} parameters, {tokens} tokens, {pairs} pairs)")
    print(f"{'ringexp BailingMoe':<28}{own_speed:>12,.0f}")
    print(f"{'Qwen3-MoE, ' + choice:<28}{rival_speed:>12,.0f}")
    print(json.dumps({"ratio": statistics.median(ratios), "ratio_min": ratios[0], "ratio_max": ratios[-1],
                      "ours_tokens_per_s": own_speed, "theirs_tokens_per_s": rival_speed,
                      "theirs_experts": choice, "pairs": pairs, "threads": arguments.threads}))


if __name__ == "__main__":
    main()
