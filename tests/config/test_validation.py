"""Each bad input ends in one error that names the key."""

from collections.abc import Callable

import pytest
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ringexp.cli import one_line
from ringexp.config.validate import POSITIVE, typed, validate
from ringexp.errors import ConfigError, DataError

Composed = Callable[..., DictConfig]
STAGE = "schedule.stages=[{name: a, weights: {math: 1.0}%s}]"
TWO = "schedule.stages=[{name: a, weights: {math: 1.0}}, {name: %s, weights: {math: 1.0}}]"

REFUSED = [  # overrides, error, what its one line names
    (["nosuch=1"], HydraException, "nosuch"),
    (["algorithm.nosuch=1"], HydraException, "nosuch"),
    (["+algorithm.nosuch=1"], OmegaConfBaseException, "nosuch"),
    (["+nosuch.deep=1"], OmegaConfBaseException, "nosuch"),
    (["data=nosuch"], HydraException, "data/nosuch"),
    (["algorithm.token_budget=0"], ConfigError, "algorithm.token_budget=0"),
    (["algorithm.temperature=0"], ConfigError, "algorithm.temperature=0"),
    (["algorithm.temperature=nan"], ConfigError, "algorithm.temperature=nan"),
    (["trainer.max_steps=-3"], ConfigError, "trainer.max_steps=-3"),
    (["seed=-1"], ConfigError, "seed=-1"),
    (["rewards.code.isolation=none"], ConfigError, "rewards.code.isolation=none: use one of bubblewrap, process"),
    (["task=score"], ConfigError, "input: task=score needs a file"),
    (["task=score", "input=a.jsonl"], ConfigError, "output: task=score needs a file"),
    (["input=a.jsonl"], ConfigError, "input=a.jsonl: task=pipeline does not use it"),
    (["algorithm.token_budget=null"], ConfigError, "algorithm.token_budget"),
    (["algorithm.updates=7"], ConfigError, "algorithm.updates=7"),
    (["algorithm.updates=96"], ConfigError, "algorithm.updates=96"),
    (["algorithm.rounds=2"], ConfigError, "algorithm.rounds=2"),
    (["trainer.ranks=2"], ConfigError, "rollout=vllm_process"),
    (["trainer=ddp", "trainer.ranks=3"], ConfigError, "must be a multiple of trainer.ranks=3"),
    (["algorithm/normaliser=nosuch"], HydraException, "normaliser/nosuch"),
    (["algorithm.warmup_steps=-1"], ConfigError, "algorithm.warmup_steps=-1"),
    (["trainer.max_steps=1.5"], OmegaConfBaseException, "trainer.max_steps"),
    (["trainer.max_steps=many"], OmegaConfBaseException, "trainer.max_steps"),
    (["seed=null"], OmegaConfBaseException, "seed"),
    (["fresh=perhaps"], OmegaConfBaseException, "fresh"),
    (["sft.epochs=2"], ConfigError, "sft.max_steps and sft.epochs"),
    (["sft.max_steps=null"], ConfigError, "sft.max_steps and sft.epochs"),
    (["sft.warmup_fraction=1.1"], ConfigError, "sft.warmup_fraction=1.1"),
    (["selection=at_step", "selection.rule.step=150"], ConfigError, "selection.rule.step=150: no checkpoint"),
    (["selection=at_step", "selection.rule.step=1000"], ConfigError, "selection.rule.step=1000: no checkpoint"),
    (["schedule.stages=[]"], ConfigError, "schedule.stages"),
    (["schedule.stages.0.weights.math=0"], ConfigError, "schedule.stages[math].weights={'math': 0.0}"),
    (["schedule.stages.0.weights.math=-1"], ConfigError, "schedule.stages[math].weights={'math': -1.0}"),
    (["schedule.stages.0.weights.math=nan"], ConfigError, "schedule.stages[math].weights={'math': nan}"),
    (["schedule.stages.0.share=-1"], ConfigError, "schedule.stages[math].share=-1"),
    (["schedule.stages.0.share=inf"], ConfigError, "schedule.stages[math].share=inf"),
    (["schedule.stages.0.share=0", "schedule.stages.1.share=0"], ConfigError, "every share is 0"),
    (["schedule.stages.0.max_response_tokens=0"], ConfigError, "schedule.stages[math].max_response_tokens=0"),
    ([TWO % "a"], ConfigError, "share a name"),
    ([STAGE % ", nosuch: 1"], OmegaConfBaseException, "nosuch"),
    (["schedule.stages=[{name: a}]"], ConfigError, "give weights, domains with coordinates"),
    (["schedule.stages=[{name: a, domains: [math]}]"], ConfigError, "give weights, domains with coordinates"),
    (["schedule.stages=[{name: a, domains: [math, code], coordinates: []}]"], ConfigError, "take 1 coordinates"),
    (["schedule.stages=[{name: a, domains: [math, math], coordinates: [0]}]"], ConfigError, "named twice"),
    (["schedule.stages=[{name: a, domains: [math, code], coordinates: [1.5]}]"], ConfigError, "between 0 and 1"),
    (["+schedule.stages.0.coordinates=[0.5]"], ConfigError, "set one of them to null"),
    (["+schedule.stages.0.floor=0.1"], ConfigError, "schedule.stages[math].floor=0.1: weights are taken as they are"),
    (["schedule=searched_two_stage", "schedule.search.floor=0.4"], ConfigError, "stages[first].floor=0.4: must lie"),
    (["schedule=searched_two_stage", "schedule.search.floor=-0.1"], ConfigError, "stages[first].floor=-0.1: must lie"),
    (["schedule=searched_two_stage", "schedule.boundary=1.5"], ConfigError, "schedule.boundary=1.5: must lie between"),
    (["schedule=searched_two_stage", "schedule.boundary=nan"], ConfigError, "schedule.boundary=nan: must lie between"),
    (["schedule=searched_three_stage", "schedule.later_boundary=-1"], ConfigError, "schedule.later_boundary=-1"),
    (["schedule=searched_two_stage", "schedule.search.second_1=1.1"], ConfigError, "stages[second].coordinates=[1.1, "),
    (["schedule=searched_two_stage", "schedule.search.third_1=1"], HydraException, "third_1"),
    (["schedule=searched_two_stage", "schedule.search.first_1=low"], OmegaConfBaseException, "first_1"),
    (["schedule=searched_tilt", "schedule.search.temperature=0"], ConfigError, "stages[first].temperature=0.0: "),
    (["schedule=searched_tilt", "schedule.search.tilt_code=inf"], ConfigError, "stages[second].tilt.code=inf"),
    (["schedule=searched_tilt", "+schedule.stages.1.tilt.law=1"], ConfigError, "'law' is not in the stage before"),
    (["schedule=searched_tilt", "+schedule.stages.0.prior.law=1"], ConfigError, "domain 'law' has no prompts"),
    (["schedule=searched_tilt", "schedule.stages.0.prior.code=-1"], ConfigError, "stages[first].prior="),
    (["schedule=searched_tilt", "+schedule.stages.1.weights={math: 1}"], ConfigError, "weights and tilt are both"),
    (["+schedule.stages.0.tilt={math: 1}"], ConfigError, "weights and tilt are both given"),
    (["schedule.stages=[{name: a, tilt: {math: 1}}]"], ConfigError, "stages[a].tilt: the first stage has none before"),
    (["+schedule.stages.0.temperature=2"], ConfigError, "stages[math].temperature=2.0: is that of a prior"),
    (["schedule.stages=[{name: a, domains: [math, law], coordinates: [0.5]}]"], ConfigError, "domain 'law'"),
    (["~sft.weights.science"], ConfigError, "no weight for domain 'science'"),
    (["sft.weights={math: 1, code: 1, science: -1}"], ConfigError, "sft.weights="),
    (["sft.weights={math: 0, code: 0, science: 0}"], ConfigError, "sft.weights="),
    (["+data.pools.mean={_target_: any}"], ConfigError, "cannot be called 'mean'"),
    ([TWO % "b", "trainer.max_steps=1"], ConfigError, "trainer.max_steps=1"),
    (["+schedule.stages.0.weights.law=0.5"], ConfigError, "domain 'law' has no prompts"),
    (["+data.pools.law={_target_: any}", "sft.weights=null"], ConfigError, "no verifier for domain 'law'"),
    (["+data.pools.law={_target_: any}"], ConfigError, "no weight for domain 'law'"),
    (["evaluation.k=[1,9]"], ConfigError, "evaluation.k=[1, 9]"),
    (["evaluation.k=[0]"], ConfigError, "evaluation.k=[0]"),
    (["evaluation.k=[]"], ConfigError, "evaluation.k=[]"),
    (["evaluation.samples=2"], ConfigError, "evaluation.samples=2"),
    (["paths.store="], ConfigError, "paths.store"),
    (["data=jsonl"], ConfigError, "data.path=<value>"),
    (["data=hub"], ConfigError, "data.path=<value>"),
    (["data=domains"], ConfigError, "data.files.code=<value>"),
    (["experiment=ring_lite"], ConfigError, "data.files.science=<value>"),
    (["data=math500", "schedule=math_only", "data.path=rows.jsonl"], DataError, "data.path=rows.jsonl: no such file"),
    (["data=math500", "schedule=math_only", "data.path=some/rows.csv"], DataError, "some/rows.csv: no such file"),
    (["data=domains", *(f"data.files.{d}=/nonexistent" for d in ("math", "code", "science"))], DataError,
     "data.files.math=/nonexistent: no such file"),
    (["data=gsm8k", "data.path=/nonexistent/rows.jsonl", "schedule=math_only"], DataError,
     "data.path=/nonexistent/rows.jsonl: no such file"),
    (["data=gsm8k", "data.path=/nonexistent/rows.jsonl"], ConfigError, "schedule=math_only"),
    (["data=jsonl", "data.path=/tmp", "schedule=math_only"], DataError, "data.path=/tmp: no such file"),
]  # fmt: skip


def check(composed: Composed, *overrides: str) -> None:
    validate(typed(composed(*overrides)))


@pytest.mark.parametrize(("overrides", "error", "names"), REFUSED, ids=lambda x: x[-1][:40] if type(x) is list else "")
def test_bad_input_is_refused_with_its_key(
    composed: Composed, overrides: list[str], error: type[Exception], names: str
) -> None:
    with pytest.raises(error) as caught:
        check(composed, *overrides)
    line = one_line(caught.value)
    assert names in line
    assert "\n" not in line
    assert len(line) < 300


@pytest.mark.parametrize("key", POSITIVE)
@pytest.mark.parametrize("value", [0, -1])
def test_what_must_be_positive_is_checked(composed: Composed, key: str, value: int) -> None:
    config = composed()
    OmegaConf.update(config, key, value)
    with pytest.raises(ConfigError, match=rf"^{key}={value}(\.0)?: must be greater than 0"):
        validate(typed(config))


def test_the_defaults_are_accepted(composed: Composed) -> None:
    check(composed)
    check(composed, "schedule.stages=[{name: a, domains: [math, code, science], coordinates: [0.2, 1]}]")
    check(composed, "sft.weights=null")
    for boundary in (0, 1):
        check(composed, "schedule=searched_three_stage", f"schedule.boundary={boundary}",
              f"schedule.later_boundary={boundary}", "schedule.search.floor=0.3333")
    check(composed, "schedule=searched_tilt", "schedule.search.temperature=inf", "schedule.search.tilt_code=-9")
    check(composed, "sft.max_steps=null", "sft.epochs=1", "algorithm.token_budget=null", "algorithm.cap=false",
          "algorithm/normaliser=tokens", "evaluation.k=[4,1,2]")
