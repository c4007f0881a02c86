"""What is the transformers engine's own: its sampler, chunks, limits, and other architectures than ours."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from ringexp.models.released import released_weights
from ringexp.records import Prompt, Request, Rollout, Sampling
from ringexp.rollout.transformers import SeededSampler, TransformersEngine

END = 1


def llama(seed: int) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=64, eos_token_id=END, initializer_range=0.3, **sizes)).eval()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> TransformersEngine:
    folder = tmp_path_factory.mktemp("llama")
    model = llama(0)
    model.generation_config.repetition_penalty = 3.0
    model.save_pretrained(folder)
    return TransformersEngine(folder, lambda many: [str(len(ids)) for ids in many], END, max_model_len=48,
                              max_sequences=64, prompt_step=8)  # fmt: skip


def requests(count: int) -> list[Request]:
    generator = torch.Generator().manual_seed(0)
    sizes = torch.randint(1, 20, (count,), generator=generator).tolist()
    ids = [tuple(torch.randint(2, 64, (n,), generator=generator).tolist()) for n in sizes]
    return [Request(Prompt(f"p{i}", "math", "", "", token_ids=x), 0, i) for i, x in enumerate(ids)]


def expected(model: LlamaForCausalLM, rollout: Rollout, temperature: float) -> torch.Tensor:
    prompt = rollout.request.prompt.token_ids
    ids = torch.tensor([prompt + rollout.token_ids])
    with torch.no_grad():
        logprobs = (model(ids).logits[0] / temperature).log_softmax(-1)
    rows = logprobs[len(prompt) - 1 : -1]
    return rows.gather(1, ids[0, len(prompt) :, None])[:, 0]


def test_serves_another_architecture_and_syncs_it(engine: TransformersEngine) -> None:
    """Log-probabilities are the model's own, whatever penalty its folder asks for, before and after a sync."""
    for version, seed in enumerate([0, 7]):
        model = llama(seed)
        engine.sync(released_weights(model), version)
        for rollout in engine.generate(requests(20), Sampling(0.8, 12)):
            assert torch.allclose(torch.tensor(rollout.logprobs), expected(model, rollout, 0.8), atol=1e-5)
            assert rollout.text == str(len(rollout.token_ids))
            assert set(rollout.versions) == {version}
    scored = engine.logprobs([[5, 6, 7], [9, 4]])
    assert [len(row) for row in scored] == [2, 1]


def test_temperature_zero_takes_the_likeliest(engine: TransformersEngine) -> None:
    prompt = requests(3)[2].prompt
    first, second = (engine.generate([Request(prompt, 0, seed)], Sampling(0.0, 10))[0] for seed in (1, 2))
    assert first.token_ids == second.token_ids
    assert all(x > -4.2 for x in first.logprobs)


def test_no_response_outgrows_the_model(engine: TransformersEngine) -> None:
    rollouts = engine.generate(requests(90), Sampling(1.0, 100))
    sizes = [len(r.request.prompt.token_ids) + len(r.token_ids) for r in rollouts]
    assert max(sizes) == 48
    assert all(r.truncated == (r.token_ids[-1] != END) for r in rollouts)
    assert all(size == 48 for r, size in zip(rollouts, sizes, strict=True) if r.truncated)
    with pytest.raises(ValueError, match="no room for a response"):
        engine.generate([Request(Prompt("long", "math", "", "", token_ids=(3,) * 48), 0, 0)], Sampling(1.0, 4))
    assert engine.generate([], Sampling(1.0, 4)) == []


def test_wrong_weights_are_refused(engine: TransformersEngine) -> None:
    with pytest.raises(ValueError, match="missing"):
        engine.sync([("lm_head.weight", torch.zeros(64, 32))], 9)


def test_the_sampler_draws_from_the_distribution() -> None:
    """20,000 draws of a known distribution: frequencies within five standard errors, impossible tokens never."""
    rows = 20_000
    p = torch.tensor([0.5, 0.0, 0.3, 0.15, 0.05])
    sampler = SeededSampler(range(rows), rows, [2] * rows, 1.0, eos_id=1)
    scores = p.log().expand(rows, 5).clone()
    first = sampler(torch.zeros(rows, 1), scores).argmax(-1)
    sampler(torch.zeros(rows, 2), scores)
    draws = torch.tensor([tokens for tokens, _ in sampler.responses()])
    assert torch.equal(first, draws[:, 0])
    for position in range(2):
        share = torch.bincount(draws[:, position], minlength=5) / rows
        assert ((share - p).abs() <= 5 * (p * (1 - p) / rows).sqrt()).all()
    together = torch.bincount(draws[:, 0] * 5 + draws[:, 1], minlength=25).view(5, 5) / rows
    assert torch.allclose(together, torch.outer(p, p), atol=0.02)
