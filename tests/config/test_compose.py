"""Every file under conf/ composes, validates, and names things that exist."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from ringexp.cli import conf_dir
from ringexp.config.validate import USES, typed, validate
from ringexp.curation.card import About
from ringexp.curation.dataset import DatasetWriter, Row
from ringexp.domains.adapters import ADAPTERS
from ringexp.mixing.schedule import resolve_stages, stage_weights
from ringexp.models.bailing_moe import BailingMoeForCausalLM, count_parameters
from ringexp.models.build import build_config
from ringexp.records import Prompt

Composed = Callable[..., DictConfig]

OPTIONS = sorted(
    f"{path.parent.relative_to(conf_dir()).as_posix()}={path.stem}"
    for path in conf_dir().rglob("*.yaml")
    if path.parent != conf_dir() and not path.parent.match("hydra/*") and not path.parent.match("data/*")
)  # fmt: skip
SWEEPS = sorted(f"sweep={path.stem}" for path in (conf_dir() / "sweep").glob("*.yaml"))


DOMAINS = ("math", "code", "science")
NATURAL = 2_800 / 6_400
"""Maths' part of the built-in pools."""


def complete(composed: Composed, rows: Path, option: str) -> DictConfig:
    """The configuration of one option, with the data it asks for and a schedule that these can serve."""
    if option == "data=curated":
        return composed(option, f"data.path={curated(rows.parent / 'set')}")
    config = composed(option)
    extra = []
    if OmegaConf.is_missing(config.data, "path"):
        extra.append(f"data.path={rows.parent if option == 'data=hub' else rows}")
    extra += [f"data.files.{domain}={rows}" for domain in config.data.get("files", {})]
    if OmegaConf.is_missing(config.selection.rule, "step"):
        extra.append(f"selection.rule.step={config.sft.checkpoint_every}")
    extra += [f"{key}={rows}" for key, tasks in USES.items() if config.task.name in tasks]
    if len(config.data.pools) == 1:
        extra.append(f"schedule={next(iter(config.data.pools))}_only")
    return composed(option, *extra) if extra else config


def curated(folder: Path) -> Path:
    """A versioned dataset with a row of each domain."""
    with DatasetWriter(folder) as writer:
        for domain in DOMAINS:
            writer.add(Row(Prompt("a", domain, "What is 1 + 1?", "2")))
        writer.finish(About("set"))
    return folder


def targets(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "_target_" in node:
            yield node["_target_"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from targets(child)


def test_the_groups_of_the_schema_have_options() -> None:
    groups = {option.partition("=")[0] for option in OPTIONS}
    assert {"task", "model", "data", "sft", "schedule", "algorithm", "rollout", "rewards", "selection", "evaluation",
            "trainer", "tracking", "paths", "experiment", "debug"} <= groups  # fmt: skip


@pytest.mark.parametrize("option", [*OPTIONS, *SWEEPS])
def test_every_option_composes_validates_and_names_things_that_exist(
    composed: Composed, rows: Path, option: str
) -> None:
    config = typed(complete(composed, rows, option))
    validate(config)
    found = set(targets(OmegaConf.to_container(config, resolve=True)))  # type: ignore[arg-type]
    assert len(found) > 8
    assert all(callable(get_object(target)) for target in found)
    group, _, name = option.partition("=")
    own = config.get(group, {})  # type: ignore[attr-defined]
    assert own.get("name", name) == name


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.startswith("experiment=")])
def test_every_experiment_can_be_shrunk(composed: Composed, rows: Path, option: str) -> None:
    config = typed(composed(option, "debug=fast", *(files(rows) if option == "experiment=ring_lite" else [])))
    validate(config)
    assert (config.sft.max_steps, config.trainer.max_steps) == (20, 8)


def test_every_source_names_things_that_exist_and_pins_its_commit() -> None:
    sources = {path.stem: yaml.safe_load(path.read_text()) for path in (conf_dir() / "data" / "source").glob("*.yaml")}
    assert len(sources) >= 18
    for name, own in sources.items():
        assert callable(get_object(own["_target_"]))
        assert own.get("adapter", "records") in ADAPTERS
        if own["_target_"] == "ringexp.domains.public.load_hub" and not name.startswith("ring_lite"):
            assert re.fullmatch("[0-9a-f]{40}", own["revision"]), name


def test_another_source_is_chosen_by_name(composed: Composed, rows: Path) -> None:
    config = typed(composed("data=math500", "schedule=math_only", "data/source@data.pools.math.train=deepscaler",
                            "data/source@data.pools.math.test=aime25", f"data.path={rows}"))  # fmt: skip
    validate(config)
    math = config.data.pools["math"]
    assert math["train"]["name_or_path"] == "agentica-org/DeepScaleR-Preview-Dataset"
    assert (math["test"]["adapter"], math["test"]["path"]) == ("aime", str(rows))


def test_the_help_page_is_ours(composed: Composed) -> None:
    help_page = composed(return_hydra_config=True).hydra.help
    assert help_page.app_name == "ringexp"
    assert "$APP_CONFIG_GROUPS" in help_page.template
    shown = help_page.template.split("prints every key ==")[1].split("Flags")[0].split()
    config = composed()
    assert {pair.partition("=")[0] for pair in shown} >= {"seed", "trainer.max_steps", "sft.max_steps"}
    for key, _, value in (pair.partition("=") for pair in shown):
        assert OmegaConf.select(config, key) == OmegaConf.create({"v": yaml.safe_load(value)}).v, key


def test_a_typed_configuration_cannot_be_changed(composed: Composed) -> None:
    assert OmegaConf.is_readonly(typed(composed()))  # type: ignore[arg-type]


def test_ring_lite_is_the_papers(composed: Composed, rows: Path) -> None:
    config = typed(composed("experiment=ring_lite", *files(rows)))
    rl = config.algorithm
    assert (rl.prompts_per_step, rl.group_size, rl.token_budget, rl.temperature) == (512, 16, 409_600, 1.0)
    assert (rl.optimizer["lr"], rl.balance_coef, rl.z_coef) == (3e-6, 1e-5, 1e-7)
    assert rl.objective["clip_low"] == rl.objective["clip_high"] == 0.2
    assert (rl.objective["kl_coef"], rl.objective["entropy_coef"]) == (1e-3, 5e-4)
    sft = config.sft
    assert (sft.optimizer["lr"], sft.optimizer["weight_decay"], sft.batch_size) == (3e-4, 0.1, 256)
    assert (sft.epochs, sft.warmup_fraction) == (3, 0.01)
    assert (config.selection.rule["low"], config.selection.rule["high"]) == (0.3, 0.5)
    limits = [config.data.max_prompt_tokens + stage.max_response_tokens for stage in config.schedule.stages]
    assert limits == [24_576, 32_768]
    assert config.sft.weights == {"math": 64.5, "code": 25.5, "science": 9.2}
    first, second = (stage_weights(stage) for stage in config.schedule.stages)
    assert first == {"math": 1.0}
    assert second == pytest.approx({"code": 14_000 / 17_833, "science": 3_833 / 17_833})


@pytest.mark.parametrize(("schedule", "expected"), [
    ("two_stage", [("math", {"math"}, 72), ("code_science", {"code", "science"}, 96)]),
    ("joint", [("joint", {"math", "code", "science"}, 96)]),
    ("math_only", [("math", {"math"}, 72)]),
    ("reverse", [("code_science", {"code", "science"}, 72), ("math", {"math"}, 96)]),
    ("three_stage", [("math", {"math"}, 72), ("code", {"code"}, 96), ("science", {"science"}, 96)]),
    ("searched_two_stage", [("first", {"math"}, 72), ("second", {"code", "science"}, 96)]),
    ("searched_three_stage", [("first", {"math"}, 72), ("second", {"code"}, 96), ("third", {"science"}, 96)]),
    ("searched_tilt", [("first", set(DOMAINS), 72), ("second", set(DOMAINS), 96)]),
])  # fmt: skip
def test_schedules_are_what_their_names_say(
    composed: Composed, schedule: str, expected: list[tuple[str, set[str], int]]
) -> None:
    config = typed(composed(f"schedule={schedule}"))
    validate(config)
    stages = resolve_stages(config.schedule, config.trainer.max_steps)
    mixed = [{domain for domain, weight in s.weights.items() if weight > 0} for s in stages]
    assert [(s.name, domains, s.max_response_tokens) for s, domains in zip(stages, mixed)] == expected
    assert sum(s.steps for s in stages) == config.trainer.max_steps
    maths = sum(s.steps * s.weights.get("math", 0) for s in stages) / config.trainer.max_steps
    wanted = {"joint": NATURAL, "searched_tilt": NATURAL, "math_only": 1.0}.get(schedule, 0.5)
    assert maths == pytest.approx(wanted, abs=0.02)


def files(rows: Path) -> list[str]:
    return [f"data.files.science={rows}"]


def test_ring_lite_builds_its_model(composed: Composed, rows: Path) -> None:
    config = typed(composed("experiment=ring_lite", *files(rows)))
    architecture = build_config(config.model, config.model.tokenizer.vocab_size, 1)
    with torch.device("meta"):
        model = BailingMoeForCausalLM(architecture)
    total = sum(p.numel() for p in model.parameters())
    assert f"{total / 1e9:.2f}" == "16.80"
    assert count_parameters(architecture)[0] == total
    assert f"{count_parameters(architecture)[1] / 1e9:.2f}" == "2.75"


def test_the_level_of_isolation_is_one_key_that_reaches_the_verifier(composed: Callable[..., DictConfig]) -> None:
    for level in ("bubblewrap", "process"):
        config = typed(composed(f"rewards.code.isolation={level}"))
        assert config.rewards.verifiers["code"]["isolation"] == level
