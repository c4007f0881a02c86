"""Hugging Face transformers as the rollout engine: for what vLLM cannot serve. Slower, and nothing to compile.

Requests are drawn in chunks of a fixed number of rows, a prompt's padding is decided by its own length, and a chunk
that is not full is filled with rows that are thrown away. So the kernels see the same shapes whatever the batch, and a
row's result does not depend on the other rows: in float32 on the CPU our own model's samples and log-probabilities
are bitwise the same in every batch. A mixture of experts of transformers' own groups tokens of several rows in one
product; there, equal log-probabilities to about 1e-6 are all that can be said.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, GenerationConfig
from transformers.cache_utils import DynamicCache
from transformers.generation import LogitsProcessor, LogitsProcessorList
from transformers.utils import logging

from ringexp.models.bailing_moe import BailingMoeForCausalLM
from ringexp.models.cached import reserved_cache
from ringexp.models.registry import register
from ringexp.models.released import load_released_weights
from ringexp.records import Request, Rollout, Sampling
from ringexp.rollout.engine import Finished, NamedWeights

SCORED_LOGITS = 1 << 24
"""Logits computed at once when given sequences are scored (64 MiB in float32)."""
Drawn = tuple[tuple[int, ...], tuple[float, ...]]
"""A response's token ids and their log-probabilities."""


class TransformersEngine:
    """One model of transformers' Auto classes, ours among them, whose weights `sync` replaces in place.

    Args: folder of a saved model; decode, token ids of many responses → their texts; eos_id; max_model_len in tokens,
    prompt and response; max_sequences decoded at once: every chunk has so many rows, a multiple of 32 · threads keeps
    the guarantee above; prompt_step, prompts are padded to a multiple of it; dtype; threads of torch.
    """

    def __init__(
        self,
        folder: str | Path,
        decode: Callable[[Sequence[Sequence[int]]], list[str]],
        eos_id: int,
        *,
        max_model_len: int,
        max_sequences: int = 128,
        prompt_step: int = 32,
        dtype: str = "float32",
        threads: int = 2,
    ) -> None:
        self.version = -1
        self._decode, self._eos_id, self._max_model_len = decode, eos_id, max_model_len
        self._rows, self._prompt_step = max_sequences, prompt_step
        torch.set_num_threads(threads)
        register()
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        with _no_progress_bar():
            model: Any = AutoModelForCausalLM.from_pretrained(str(folder), dtype=getattr(torch, dtype))
        self._model: Any = model.to(self._device).eval().requires_grad_(False)
        self._model.generation_config = GenerationConfig()  # a penalty set in the folder would be part of the policy
        for parameter in self._model.parameters():  # aligned memory of its own: a mapped file's may change last bits
            parameter.data = parameter.data.clone()

    @property
    def alive(self) -> bool:
        """Whether it can still answer: it lives and dies with this process."""
        return True

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, finished: Finished | None = None
    ) -> list[Rollout]:
        """One rollout a request, in order (see `RolloutEngine.generate`). Raises ValueError on too long a prompt."""
        rollouts: dict[int, Rollout] = {}
        for width, chunk in self._chunks(requests):
            drawn = self._draw([requests[i] for i in chunk], width, sampling)
            texts = self._decode([token_ids for token_ids, _ in drawn])
            for index, (token_ids, logprobs), text in zip(chunk, drawn, texts, strict=True):
                rollouts[index] = Rollout(
                    request=requests[index],
                    token_ids=token_ids,
                    logprobs=logprobs,
                    versions=(self.version,) * len(token_ids),
                    text=text,
                    truncated=token_ids[-1] != self._eos_id,
                )
                if finished is not None:
                    finished(index, rollouts[index])
        return [rollouts[index] for index in range(len(requests))]

    def _chunks(self, requests: Sequence[Request]) -> Iterator[tuple[int, list[int]]]:
        """Indices of the requests drawn together, and the width that their prompts are padded to."""
        widths: dict[int, list[int]] = {}
        for index, request in enumerate(requests):
            length = len(request.prompt.token_ids)
            if not 0 < length < self._max_model_len:
                raise ValueError(
                    f"prompt {request.prompt.id}: {length} tokens leave no room for a response within "
                    f"max_model_len={self._max_model_len}"
                )
            widths.setdefault(-(-length // self._prompt_step) * self._prompt_step, []).append(index)
        for width, indices in sorted(widths.items()):
            for start in range(0, len(indices), self._rows):
                yield width, indices[start : start + self._rows]

    def _draw(self, requests: Sequence[Request], width: int, sampling: Sampling) -> list[Drawn]:
        """The responses of one chunk: prompts padded on the left to `width`, rows filled up to the fixed number."""
        prompts = [request.prompt.token_ids for request in requests]
        limits = [min(sampling.max_tokens, self._max_model_len - len(prompt)) for prompt in prompts]
        tokens = torch.full((self._rows, width), self._eos_id)
        mask = torch.zeros_like(tokens)
        for row in range(self._rows):
            prompt = prompts[row] if row < len(prompts) else prompts[0]
            tokens[row, width - len(prompt) :] = torch.tensor(prompt)
            mask[row, width - len(prompt) :] = 1
        sampler = SeededSampler([r.seed for r in requests], self._rows, limits, sampling.temperature, self._eos_id)
        self._model.generate(
            tokens.to(self._device),
            attention_mask=mask.to(self._device),
            past_key_values=self._cache(width),
            logits_processor=LogitsProcessorList([sampler]),
            generation_config=GenerationConfig(
                max_new_tokens=max(limits), do_sample=False, use_cache=True,
                eos_token_id=self._eos_id, pad_token_id=self._eos_id,
            ),
        )  # fmt: skip
        return sampler.responses()

    def _cache(self, width: int) -> DynamicCache | None:
        """Memory for the longest response to a prompt of `width`; other architectures bring a cache of their own."""
        if not isinstance(self._model, BailingMoeForCausalLM):
            return None
        return reserved_cache(self._model.config.num_hidden_layers, width + self._max_model_len)

    def sync(self, weights: NamedWeights, version: int) -> None:
        """Replace the weights in place and take `version` as the policy's."""
        load_released_weights(self._model, dict(weights))
        self.version = version

    @torch.no_grad()
    def logprobs(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        """Log-probability of every token but the first of each sequence, at temperature 1."""
        found: list[list[float]] = []
        longest = max(map(len, sequences), default=1)
        rows = max(1, SCORED_LOGITS // (longest * int(self._model.config.vocab_size)))
        for start in range(0, len(sequences), rows):
            parts = [torch.tensor(sequence, device=self._device) for sequence in sequences[start : start + rows]]
            tokens = torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)
            mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(part) for part in parts], batch_first=True)
            logits = self._model(tokens, attention_mask=mask).logits[:, :-1].float()
            chosen = logits.log_softmax(-1).gather(2, tokens[:, 1:, None])[..., 0]
            found += [row[: len(part) - 1].tolist() for row, part in zip(chosen, parts, strict=True)]
        return found

    def close(self) -> None:
        """Free the model's memory."""
        del self._model
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Without transformers' bar over the loading of weights; as it was set afterwards."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


class SeededSampler(LogitsProcessor):  # type: ignore[misc]
    """Chooses each row's next token by inversion of its distribution, with one uniform number per (seed, position).

    The scores it returns leave only the chosen token, so that `generate` without sampling takes it. Rows beyond the
    seeds, and rows at their limit, end at once.
    """

    def __init__(self, seeds: Sequence[int], rows: int, limits: Sequence[int], temperature: float, eos_id: int) -> None:
        draws = np.zeros((rows, max(limits)))
        for row, seed in enumerate(seeds):
            draws[row] = np.random.Generator(np.random.Philox(key=seed)).random(max(limits))
        # below 1 by more than rounding: the draw times the total mass must stay below the total
        self._draws = torch.from_numpy(draws * (1 - 2**-50))
        self._limits = torch.tensor([*limits, *([0] * (rows - len(limits)))])
        self._live, self._temperature, self._eos_id = len(seeds), temperature, eos_id
        self._tokens: list[Tensor] = []
        self._logprobs: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """scores [rows, V], the logits → the same shape, 0 at the chosen token and -inf elsewhere."""
        position = len(self._tokens)
        logprobs = (scores / self._temperature if self._temperature > 0 else scores).log_softmax(-1)
        if self._temperature > 0:
            mass = logprobs.double().exp().cumsum(-1)
            draw = self._draws[:, position, None].to(mass.device)
            chosen = torch.searchsorted(mass, draw * mass[:, -1:], right=True)
        else:
            chosen = logprobs.argmax(-1, keepdim=True)
        self._tokens.append(chosen[:, 0])
        self._logprobs.append(logprobs.gather(1, chosen)[:, 0])
        over = (self._limits <= position + 1).to(chosen.device)[:, None]
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen.masked_fill(over, self._eos_id), 0.0)

    def responses(self) -> list[Drawn]:
        """Each row's tokens and log-probabilities, up to its first end of sequence or its limit."""
        tokens = torch.stack(self._tokens, 1)[: self._live].tolist()
        logprobs = torch.stack(self._logprobs, 1)[: self._live].tolist()
        drawn: list[Drawn] = []
        for row, values, limit in zip(tokens, logprobs, self._limits.tolist(), strict=False):
            end = row.index(self._eos_id) + 1 if self._eos_id in row else len(row)
            drawn.append((tuple(row[: min(end, limit)]), tuple(values[: min(end, limit)])))
        return drawn
