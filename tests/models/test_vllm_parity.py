"""Our model against vLLM's own implementation of the architecture: the same weights, the same log-probabilities."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from ringexp.models.bailing_moe import BailingMoeConfig, BailingMoeForCausalLM
from ringexp.models.registry import register

pytest.importorskip("vllm")
VOCABULARY = 211
SHAPES = {
    "8-experts": {"num_hidden_layers": 4, "num_experts": 8, "num_shared_experts": 1},
    "16-experts-dense-first": {"num_hidden_layers": 3, "num_experts": 16, "num_shared_experts": 2,
                               "first_k_dense_replace": 1},
}  # fmt: skip


@pytest.fixture(scope="module", params=SHAPES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[object, object]]:
    """Our model and a vLLM engine that loaded its files."""
    config = BailingMoeConfig(
        vocab_size=VOCABULARY, hidden_size=128, intermediate_size=192, num_attention_heads=4, num_key_value_heads=2,
        head_dim=32, num_experts_per_tok=2, moe_intermediate_size=64, max_position_embeddings=256,
        initializer_range=0.2, **SHAPES[request.param])  # fmt: skip
    torch.manual_seed(0)
    model = BailingMoeForCausalLM(config).eval()
    path = tmp_path_factory.mktemp("model")
    model.save_pretrained(path)
    register()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        from vllm import LLM
        from vllm.distributed import cleanup_dist_env_and_memory

        engine = LLM(str(path), dtype="float32", enforce_eager=True, skip_tokenizer_init=True, max_model_len=256,
                     enable_prefix_caching=False, logprobs_mode="raw_logprobs", seed=0)
        yield model, engine
        del engine
        cleanup_dist_env_and_memory()


def own_logprobs(model: BailingMoeForCausalLM, prompts: list[list[int]]) -> Tensor:
    lengths = [len(prompt) for prompt in prompts]
    ids = torch.tensor([token for prompt in prompts for token in prompt])
    with torch.no_grad():
        hidden = model.packed(ids, torch.cat([torch.arange(n) for n in lengths]), lengths).hidden
        logprobs = model.lm_head(hidden).log_softmax(-1)
    return torch.cat([rows[:-1].gather(1, document[1:, None])[:, 0]
                      for rows, document in zip(logprobs.split(lengths), ids.split(lengths), strict=True)])


def engine_logprobs(engine: object, prompts: list[list[int]]) -> Tensor:
    from vllm import SamplingParams

    requests = [{"prompt_token_ids": prompt} for prompt in prompts]
    sampling = SamplingParams(max_tokens=1, temperature=0.0, prompt_logprobs=0, detokenize=False)
    outputs = engine.generate(requests, sampling, use_tqdm=False)
    return torch.tensor([entry[token].logprob for output, prompt in zip(outputs, prompts, strict=True)
                         for entry, token in zip(output.prompt_logprobs[1:], prompt[1:], strict=True)])


def test_prompt_logprobs_equal_vllms(pair: tuple[BailingMoeForCausalLM, object]) -> None:
    model, engine = pair
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(2, 120, (48,), generator=generator).tolist()
    prompts = [torch.randint(VOCABULARY, (n,), generator=generator).tolist() for n in lengths]
    own, theirs = own_logprobs(model, prompts), engine_logprobs(engine, prompts)
    difference = (own - theirs).abs()
    assert len(difference) > 2000
    assert float(own.std()) > 1, "the comparison needs weights that matter"
    assert float(difference.quantile(0.999)) < 1e-4, f"largest {float(difference.max()):.2e}"


def test_vllm_keeps_its_own_implementation(pair: tuple[BailingMoeForCausalLM, object]) -> None:
    from vllm import ModelRegistry

    architectures = pair[1].llm_engine.model_config.hf_config.architectures
    cls, _ = ModelRegistry.resolve_model_cls(architectures, pair[1].llm_engine.model_config)
    assert cls.__module__ == "vllm.model_executor.models.bailing_moe"
