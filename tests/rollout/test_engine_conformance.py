"""What any rollout engine must do. Run against each for real; another engine joins by a factory in ENGINES."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from ringexp.models.bailing_moe import BailingMoeConfig, BailingMoeForCausalLM, released_weights
from ringexp.models.logprob import score_responses
from ringexp.models.packing import pack, rollout_document
from ringexp.models.tokenizer import ChatTokenizer, train_tokenizer
from ringexp.records import Prompt, Request, Rollout, Sampling
from ringexp.rollout.engine import RolloutEngine, mismatch
from ringexp.rollout.transformers import TransformersEngine
from ringexp.rollout.vllm import VLLMEngine
from ringexp.rollout.vllm_process import VLLMProcessEngine
from ringexp.training.checkpoint import save_model

VOCAB, END = 300, 1
MAX_LEN = 96


@dataclass
class Bench:
    """An engine, the model its weights come from, and how to load another engine from a folder."""

    engine: RolloutEngine
    model: BailingMoeForCausalLM
    load: Callable[[Path], RolloutEngine]
    tokenizer: ChatTokenizer


def tiny_model(seed: int, tokenizer: ChatTokenizer) -> BailingMoeForCausalLM:
    torch.manual_seed(seed)
    config = BailingMoeConfig(
        vocab_size=len(tokenizer), hidden_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        head_dim=32, num_experts=8, num_experts_per_tok=2, num_shared_experts=1, moe_intermediate_size=32,
        max_position_embeddings=128, initializer_range=0.15, eos_token_id=END,
    )  # fmt: skip
    return BailingMoeForCausalLM(config).eval()


def vllm_factory(tokenizer: ChatTokenizer) -> Callable[[Path], RolloutEngine]:
    return lambda folder: VLLMEngine(folder, tokenizer.decode_many, tokenizer.eos_id, max_model_len=MAX_LEN, threads=2)


def vllm_process_factory(tokenizer: ChatTokenizer) -> Callable[[Path], RolloutEngine]:
    return lambda folder: VLLMProcessEngine(
        folder, tokenizer.decode_many, tokenizer.eos_id, max_model_len=MAX_LEN, threads=2
    )


def transformers_factory(tokenizer: ChatTokenizer) -> Callable[[Path], RolloutEngine]:
    return lambda folder: TransformersEngine(
        folder, tokenizer.decode_many, tokenizer.eos_id, max_model_len=MAX_LEN, max_sequences=64, threads=2
    )


ENGINES = {"vllm": vllm_factory, "vllm_process": vllm_process_factory, "transformers": transformers_factory}


@pytest.fixture(scope="module", params=list(ENGINES))
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    tokenizer = train_tokenizer(["12+34=46", "so the answer is \\boxed{46}."] * 20, VOCAB)
    assert tokenizer.eos_id == END
    model = tiny_model(0, tokenizer)
    folder = tmp_path_factory.mktemp("engine")
    save_model(folder, model, tokenizer)
    load = ENGINES[request.param](tokenizer)
    engine = load(folder)
    yield Bench(engine, model, load, tokenizer)
    engine.close()


def prompts(count: int) -> list[Prompt]:
    generator = torch.Generator().manual_seed(count)
    lengths = torch.randint(3, 30, (count,), generator=generator).tolist()
    ids = [torch.randint(4, 260, (n,), generator=generator) for n in lengths]
    return [Prompt(f"p{i}", "math", "", "", token_ids=tuple(x.tolist())) for i, x in enumerate(ids)]


def requests(count: int, seed: int = 0) -> list[Request]:
    return [Request(prompt, 0, seed * 1000 + i) for i, prompt in enumerate(prompts(count))]


def plain(rollouts: list[Rollout]) -> list[tuple[tuple[int, ...], tuple[float, ...]]]:
    return [(r.token_ids, r.logprobs) for r in rollouts]


SAMPLING = Sampling(temperature=1.0, max_tokens=40)


def test_the_key_value_cache_holds_as_many_sequences_as_are_decoded_at_once(bench: Bench) -> None:
    if not isinstance(bench.engine, VLLMEngine) or torch.cuda.is_available():
        pytest.skip("vLLM's cache on the CPU")
    cache = bench.engine._llm.llm_engine.vllm_config.cache_config
    needed = 512 * -(-MAX_LEN // cache.block_size)
    assert needed <= cache.num_gpu_blocks < 2 * needed  # all at full length, and not the whole GiB


def test_logprobs_are_the_trainers(bench: Bench) -> None:
    """The engine's log-probability of every sampled token, end of sequence included, is the trainer's."""
    bench.engine.sync(released_weights(bench.model), 3)
    rollouts = bench.engine.generate(requests(64), SAMPLING)
    with torch.no_grad():
        scored = score_responses(bench.model, pack([rollout_document(r) for r in rollouts]))
    engine = [x for r in rollouts for x in r.logprobs]
    p999, _ = mismatch(scored.logprob.numpy(), engine)
    assert p999 <= 1e-4
    assert len(engine) > 500


def test_temperature_is_part_of_the_logprob(bench: Bench) -> None:
    bench.engine.sync(released_weights(bench.model), 3)
    rollouts = bench.engine.generate(requests(32), Sampling(temperature=0.7, max_tokens=30))
    with torch.no_grad():
        scored = score_responses(bench.model, pack([rollout_document(r) for r in rollouts]), temperature=0.7)
    p999, _ = mismatch(scored.logprob.numpy(), [x for r in rollouts for x in r.logprobs])
    assert p999 <= 1e-4


def test_scores_given_sequences(bench: Bench) -> None:
    bench.engine.sync(released_weights(bench.model), 3)
    sequences = [list(p.token_ids) for p in prompts(8)]
    found = bench.engine.logprobs(sequences)
    for sequence, logprobs in zip(sequences, found, strict=True):
        with torch.no_grad():
            dense = bench.model(torch.tensor([sequence])).logits[0].log_softmax(-1)
        expected = dense[:-1].gather(1, torch.tensor(sequence[1:])[:, None])[:, 0]
        assert torch.allclose(torch.tensor(logprobs), expected, atol=1e-4)


def test_stops_at_the_end_token_or_the_limit(bench: Bench) -> None:
    bench.engine.sync(released_weights(bench.model), 3)
    rollouts = bench.engine.generate([Request(p, 0, i) for i, p in enumerate(prompts(40) * 5)], SAMPLING)
    ended = [r for r in rollouts if not r.truncated]
    cut = [r for r in rollouts if r.truncated]
    assert ended and cut
    assert all(r.token_ids[-1] == END and END not in r.token_ids[:-1] for r in ended)
    assert all(len(r.token_ids) == SAMPLING.max_tokens and END not in r.token_ids for r in cut)
    assert all(len(r.token_ids) == len(r.logprobs) == len(r.versions) for r in rollouts)


def test_seed_alone_decides_a_sample(bench: Bench) -> None:
    """Neither the batch a request is in, nor its place there, nor a repetition changes it."""
    bench.engine.sync(released_weights(bench.model), 3)
    every = requests(48)
    together = plain(bench.engine.generate(every, SAMPLING))
    assert plain(bench.engine.generate(every, SAMPLING)) == together
    assert plain(bench.engine.generate(every[::-1], SAMPLING))[::-1] == together
    assert plain(bench.engine.generate(every[5:8], SAMPLING)) == together[5:8]
    other = plain(bench.engine.generate(requests(48, seed=1), SAMPLING))
    assert sum(a[0] != b[0] for a, b in zip(together, other, strict=True)) > 40


def test_prompts_beyond_one_batch_of_tokens(bench: Bench) -> None:
    """420 prompts of 60 tokens are more than the 16,384 of one batch: none may be computed in parts."""
    bench.engine.sync(released_weights(bench.model), 3)
    ids = torch.randint(4, 260, (420, 60), generator=torch.Generator().manual_seed(0)).tolist()
    every = [Request(Prompt(f"p{i}", "math", "", "", token_ids=tuple(x)), 0, i) for i, x in enumerate(ids)]
    together = plain(bench.engine.generate(every, Sampling(max_tokens=2)))
    assert len(together) == 420
    assert plain(bench.engine.generate(every[400:404], Sampling(max_tokens=2))) == together[400:404]


def test_each_response_is_told_of_once_when_it_is_complete(bench: Bench) -> None:
    """With the very rollout that is returned, in the calling thread, and long before the end; nothing else changes.

    560 requests are more than any engine draws at once.
    """
    bench.engine.sync(released_weights(bench.model), 3)
    every = [Request(p, i, i) for i, p in enumerate(prompts(40) * 14)]
    expected = bench.engine.generate(every, SAMPLING)
    told: list[tuple[int, Rollout, float]] = []
    threads = set()

    def finished(index: int, rollout: Rollout) -> None:
        told.append((index, rollout, time.perf_counter()))
        threads.add(threading.get_ident())

    start = time.perf_counter()
    found = bench.engine.generate(every, SAMPLING, finished)
    seconds = time.perf_counter() - start
    assert found == expected
    assert sorted(index for index, _, _ in told) == list(range(len(every)))
    assert all(rollout is found[index] for index, rollout, _ in told)
    if not isinstance(bench.engine, TransformersEngine):  # which draws in chunks, and these in the order of requests
        assert [index for index, _, _ in told] != list(range(len(every)))
    assert threads == {threading.get_ident()}
    assert told[-1][2] - told[0][2] > 0.1 * seconds  # after the end, all calls would come within a hundredth of it
    assert bench.engine.generate([], SAMPLING, finished) == []
    assert len(told) == len(every)


def test_an_error_of_the_listener_ends_the_generation(bench: Bench) -> None:
    """It comes out at once, nothing is told of afterwards, and the engine draws what it would have drawn."""
    bench.engine.sync(released_weights(bench.model), 3)
    every = requests(300)
    expected = plain(bench.engine.generate(every, SAMPLING))
    told: list[int] = []

    def finished(index: int, rollout: Rollout) -> None:
        told.append(index)
        if len(told) == 5:
            raise LookupError("no verifier")

    with pytest.raises(LookupError, match="no verifier"):
        bench.engine.generate(every, SAMPLING, finished)
    assert len(told) == 5
    assert plain(bench.engine.generate(every[:50], SAMPLING)) == expected[:50]
    assert plain(bench.engine.generate(every, SAMPLING)) == expected


def test_versions_follow_the_sync(bench: Bench) -> None:
    bench.engine.sync(released_weights(bench.model), 7)
    assert {v for r in bench.engine.generate(requests(4), SAMPLING) for v in r.versions} == {7}
    bench.engine.sync(released_weights(bench.model), 8)
    assert bench.engine.version == 8
    assert {v for r in bench.engine.generate(requests(4), SAMPLING) for v in r.versions} == {8}


def test_synced_twenty_times_equals_freshly_loaded(bench: Bench, tmp_path: Path) -> None:
    """Resume and engine reuse stand on it: identical samples and log-probabilities, bitwise."""
    for seed in range(1, 21):
        last = tiny_model(seed, bench.tokenizer)
        bench.engine.sync(released_weights(last), seed)
        bench.engine.generate(requests(2), SAMPLING)
    synced = plain(bench.engine.generate(requests(200), SAMPLING))
    save_model(tmp_path, last, bench.tokenizer)
    fresh = bench.load(tmp_path)
    try:
        assert plain(fresh.generate(requests(200), SAMPLING)) == synced
    finally:
        fresh.close()
