"""vLLM as the rollout engine, in this process: the default on CPU and GPU.

The engine is exact: with a seed per request, float32 samples do not depend on the batch, and an engine synced n times
generates what a freshly loaded one does. It returns token ids and log-probabilities; text comes from our tokenizer.
"""

import gc
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from ringexp.models.registry import register
from ringexp.records import Request, Rollout, Sampling
from ringexp.rollout.engine import Finished, NamedWeights

SEED_MASK = (1 << 62) - 1
BLOCK = 128
"""Tokens in a block of vLLM's key-value cache on the CPU."""
Ended = Callable[[list[tuple[int, Any]]], None]
"""Told after a step of the engine: the indices of the prompts that ended in it, and vLLM's outputs."""
SET_NUM_THREADS = torch.set_num_threads  # vLLM's CPU worker replaces the name by a function that does nothing


class VLLMEngine:
    """One vLLM engine holding one model, whose weights `sync` replaces in place.

    Args: folder of a saved model (config.json and safetensors); decode, token ids of many responses → their texts;
    eos_id; max_model_len in tokens, prompt and response; max_sequences decoded at once; kv_cache_gib, memory that the
    key-value cache may take where `max_sequences` can use it (CPU); gpu_memory_utilization (GPU); dtype; threads of
    torch to restore after vLLM bound its own.
    """

    def __init__(
        self,
        folder: str | Path,
        decode: Callable[[Sequence[Sequence[int]]], list[str]],
        eos_id: int,
        *,
        max_model_len: int,
        max_sequences: int = 512,
        max_batched_tokens: int = 16384,
        kv_cache_gib: int = 1,
        gpu_memory_utilization: float = 0.5,
        dtype: str = "float32",
        threads: int = 2,
    ) -> None:
        self.version = -1
        self._decode, self._eos_id = decode, eos_id
        on_gpu = torch.cuda.is_available()
        useful = cache_bytes(Path(folder), max_sequences, max_model_len)
        memory: dict[str, Any] = {"kv_cache_memory_bytes": min(kv_cache_gib << 30, useful)}
        if on_gpu:
            memory = {"gpu_memory_utilization": gpu_memory_utilization}
        register()
        self._llm: Any = self._start(
            threads,
            model=str(folder),
            skip_tokenizer_init=True,
            dtype=dtype,
            max_model_len=max_model_len,
            max_num_seqs=max_sequences,
            max_num_batched_tokens=max(max_batched_tokens, max_model_len),
            enforce_eager=not on_gpu,
            enable_prefix_caching=False,
            enable_chunked_prefill=False,  # a prompt in parts makes vLLM rewind the request's generator: not on a CPU
            logprobs_mode="processed_logprobs",
            disable_log_stats=True,
            use_tqdm_on_load=False,
            seed=0,
            **memory,
        )
        _restore_threads(threads)

    def _start(self, threads: int, **arguments: Any) -> Any:
        """vLLM's `LLM` of these arguments."""
        _environment(threads)
        from vllm import LLM

        return LLM(worker_extension_cls="ringexp.rollout.vllm_worker.WeightSync", **arguments)

    @property
    def alive(self) -> bool:
        """Whether it can still answer: it lives and dies with this process."""
        return True

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, finished: Finished | None = None
    ) -> list[Rollout]:
        """One rollout a request, in order (see `RolloutEngine.generate`)."""
        from vllm import SamplingParams

        params = [
            SamplingParams(
                temperature=sampling.temperature,
                max_tokens=sampling.max_tokens,
                seed=request.seed & SEED_MASK,
                logprobs=0,
                flat_logprobs=True,
                detokenize=False,
                ignore_eos=True,
                stop_token_ids=[self._eos_id],
                skip_clone=True,
            )
            for request in requests
        ]
        prompts = [{"prompt_token_ids": list(request.prompt.token_ids)} for request in requests]
        rollouts: dict[int, Rollout] = {}

        def ended(outputs: list[tuple[int, Any]]) -> None:
            texts = self._decode([output.outputs[0].token_ids for _, output in outputs])
            for (index, output), text in zip(outputs, texts, strict=True):
                rollouts[index] = self._rollout(requests[index], output.outputs[0], text)
                if finished is not None:
                    finished(index, rollouts[index])

        self._run(prompts, params, ended)
        return [rollouts[index] for index in range(len(requests))]

    def _run(self, prompts: list[dict[str, list[int]]], params: Any, ended: Ended) -> None:
        """Have vLLM answer all prompts, as its own `LLM.generate` does; `params` for each, or for all."""
        ids = self._enqueue(prompts, params)
        places = {name.partition("-")[0]: index for index, name in enumerate(ids)}  # outputs have no random suffix
        engine = self._llm.llm_engine
        try:
            with torch.compiler.set_stance(stance()):
                while engine.has_unfinished_requests():
                    if outputs := [(places[o.request_id], o) for o in engine.step() if o.finished]:
                        ended(outputs)
        except BaseException:
            engine.abort_request(ids, internal=True)
            raise

    def _enqueue(self, prompts: list[dict[str, list[int]]], params: Any) -> list[str]:
        """Hand all prompts to vLLM, which computes nothing yet; its names of them, in order."""
        ids: list[str] = self._llm.enqueue(prompts, params, use_tqdm=False)
        return ids

    def _rollout(self, request: Request, completion: Any, text: str) -> Rollout:
        token_ids = tuple(completion.token_ids)
        return Rollout(
            request=request,
            token_ids=token_ids,
            logprobs=tuple(completion.logprobs.logprobs),
            versions=(self.version,) * len(token_ids),
            text=text,
            truncated=completion.finish_reason == "length",
        )

    def sync(self, weights: NamedWeights, version: int) -> None:
        """Replace the weights in place and take `version` as the policy's."""
        self._llm.collective_rpc("ringexp_sync", args=(list(weights),))
        self.version = version

    def logprobs(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        """Log-probability of every token but the first of each sequence, at temperature 1."""
        from vllm import SamplingParams

        params = SamplingParams(temperature=1.0, max_tokens=1, prompt_logprobs=0, detokenize=False, seed=0)
        outputs: dict[int, Any] = {}
        self._run([{"prompt_token_ids": list(s)} for s in sequences], params, outputs.update)
        return [
            [entry[token].logprob for token, entry in zip(s[1:], outputs[i].prompt_logprobs[1:], strict=True)]
            for i, s in enumerate(sequences)
        ]

    def close(self) -> None:
        """Shut the engine down and free its memory."""
        from vllm.distributed.parallel_state import cleanup_dist_env_and_memory

        self._llm.llm_engine.engine_core.shutdown()
        del self._llm
        cleanup_dist_env_and_memory()
        gc.collect()


def cache_bytes(folder: Path, sequences: int, tokens: int) -> int:
    """The key-value cache (float32) that so many sequences of so many tokens fill; more would only be written once."""
    config = json.loads((folder / "config.json").read_text())
    blocks = sequences * -(-tokens // BLOCK) + 1
    head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    heads = config.get("num_key_value_heads") or config["num_attention_heads"]
    per_token: int = config["num_hidden_layers"] * 2 * heads * head * 4
    return blocks * BLOCK * per_token


def stance() -> str:
    """What `torch.compile` does while the engine draws: on the CPU nothing.

    The one function that vLLM compiles there counts a token's rank, which is not used; compiling it takes seconds.
    """
    return "default" if torch.cuda.is_available() else "force_eager"


def _environment(threads: int) -> None:
    """vLLM reads its settings from the environment; what the user has set there wins."""
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))


def _restore_threads(threads: int) -> None:
    """A fixed number of torch threads, checked: vLLM binds threads of its own when it starts."""
    torch.set_num_threads = SET_NUM_THREADS
    torch.set_num_threads(threads)
    if torch.get_num_threads() != threads:
        raise RuntimeError(
            f"torch runs on {torch.get_num_threads()} threads where trainer.threads={threads} was asked: "
            "results would not repeat; set OMP_NUM_THREADS to the same number"
        )
