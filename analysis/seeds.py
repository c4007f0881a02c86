"""Runs that differ by seed alone: a row each, their means with 95 % t-intervals, and the curves with bands.

    python analysis/seeds.py [--store runs] [--experiment NAME] [--against CONFIGURATION] [--out seeds.png]

In the table of runs, pass@1 goes from the SFT checkpoint through the RL stages. `filled` counts RL steps that trained
exactly the token budget; `dropped` is the share of response tokens not trained; `mixture` the largest distance of a
stage's prompts of a domain from their target, in standard deviations of free draws.
"""

import math
from collections.abc import Mapping, Sequence

import yaml
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table

from command import add_against, ask, complete, parser, reference, say_left_out
from differences import Differences, differences, table_of_differences
from groups import Group
from results import Selection, Stages, by_domain, domains, final, finals, rises
from ringexp.figures.seeds import PANELS, SeedRuns, seeds_figure
from store import TAG, Histories, StoredRun

HEADLINES = {name for name, _, _ in PANELS}
BUDGET = ("budget/tokens", "budget/dropped")


def deviation(stage: StoredRun, histories: Histories, per_step: int) -> float:
    """Largest |realised − target| / σ over the domains of a stage, σ that of independent draws."""
    found = [0.0]
    for key, weight in stage.metrics.items():
        if key.startswith("mixture/target/") and 0 < weight < 1:
            shares = [value for _, value in histories[stage.run_id][key.replace("target", "realised")]]
            draws = per_step * len(shares)
            sigma = math.sqrt(draws * weight * (1 - weight))
            found.append(abs(per_step * sum(shares) - draws * weight) / sigma)
    return max(found)


def scores(stages: Stages) -> list[dict[str, float]]:
    """Test pass@1 by domain of the SFT checkpoint, then after each RL stage."""
    return [by_domain(run) for name, run in stages.items() if name.startswith("evaluate-")]


def row(run: StoredRun, stages: Stages, histories: Histories, config: str | None) -> dict[str, str]:
    """A pipeline's cells by column; `stages` by name in the order they ran, `config` its config.yaml (None: gone)."""
    rl = [stage for name, stage in stages.items() if name.startswith("rl-")]
    tokens = [value for stage in rl for _, value in histories[stage.run_id]["budget/tokens"]]
    dropped = [value for stage in rl for _, value in histories[stage.run_id]["budget/dropped"]]
    drawn = [trained / (1 - share) for trained, share in zip(tokens, dropped, strict=True)]
    tests = scores(stages)
    chosen = Selection.of(stages["select"]) if "select" in stages else None
    cells = {"seed": run.seed, "schedule": run.params.get("schedule", "")}
    if chosen is not None:
        cells["checkpoint"] = f"{chosen.step}" + ("" if chosen.entropy is None else f" ({chosen.entropy:.3f})")
    for domain in sorted({name for test in tests for name in test}, key=lambda name: (name == "mean", name)):
        cells[domain] = " → ".join(f"{test[domain]:.3f}" for test in tests if domain in test)
    if rl and config is not None:
        algorithm = yaml.load(config, Loader=yaml.CSafeLoader)["algorithm"]
        filled = sum(int(value) == algorithm["token_budget"] for value in tokens)
        cells["filled"] = f"{filled}/{len(tokens)}"
        per_step = algorithm["prompts_per_step"]
        cells["mixture"] = f"{max(deviation(stage, histories, per_step) for stage in rl):.2f} σ"
    if rl:
        cells["dropped"] = f"{1 - sum(tokens) / sum(drawn):.3f} (max {max(dropped):.3f})"
    cells["seconds"] = f"{sum(float(stage.tags.get(TAG + 'seconds', 0)) for stage in stages.values()):.0f}"
    return cells


def table_of_runs(rows: Sequence[Mapping[str, str]]) -> Table:
    columns = list(dict.fromkeys(name for one in rows for name in one))
    found = Table(*columns, box=box.SIMPLE, title="pipelines", title_justify="left")
    for column in found.columns:
        column.no_wrap = True
    for one in rows:
        found.add_row(*(one.get(name, "") for name in columns))
    return found


def table_of_means(groups: Sequence[Group]) -> Table:
    """Test pass@1 over seeds, before and after RL, and how far RL lifts the mean."""
    names = [*domains(run for group in groups for run in group.runs), "mean"]
    found = Table("configuration", "seeds", "checkpoint", *names, "rise", box=box.SIMPLE, title_justify="left",
                  title="mean over seeds ± half the 95 % t-interval")  # fmt: skip
    for group in groups:
        for checkpoint, rise in (("sft", None), ("rl", rises(group.runs))):
            means = finals(group.runs, checkpoint)
            cells = [str(means.get(name, "")) for name in names]
            if means:
                found.add_row(group.label, str(len(group.runs)), checkpoint, *cells, "" if rise is None else str(rise))
    return found


def figure(
    groups: Sequence[Group], histories: Histories, title: str, apart: Differences, against: str | None
) -> Figure:
    """`histories` by the pipeline's run id; `apart`: differences from the group `against`."""
    return seeds_figure([
        SeedRuns(group.label, [histories.get(run.run_id, {}) for run in group.runs],
                 finals(group.runs, "sft"), finals(group.runs, "rl"), apart.get(group.label, {}))
        for group in groups
    ], title, against)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    built = parser(__doc__, "seeds.png")
    add_against(built)
    given = built.parse_args(arguments)
    question = ask(given)
    groups, reader = complete(question), question.reader
    stages = reader.stages(question.experiments, "%")
    runs = [run for group in groups for run in sorted(group.runs, key=lambda run: run.started)]
    rl = [stage for run in runs for name, stage in stages.get(run.run_id, {}).items() if name.startswith("rl-")]
    histories = reader.histories(rl, lambda key: key in BUDGET or key.startswith("mixture/realised/"))
    configs = reader.texts(runs, "config.yaml")
    rows = [row(run, stages.get(run.run_id, {}), histories, text) for run, text in zip(runs, configs, strict=True)]
    title = f"{question.title}: mean over seeds and 95 % t-interval"
    tables = [table_of_runs(rows), table_of_means(groups)]
    apart: Differences = {}
    if given.against is not None:
        against = reference(question, given.against)
        apart = differences(groups, against, {g.label: {run.seed: final(run, "rl") for run in g.runs} for g in groups})
        tables.append(table_of_differences(against, apart))
    drawn = figure(groups, reader.histories(runs, HEADLINES.__contains__), title, apart, given.against)
    drawn.savefig(question.out, dpi=130)
    Console(width=240).print(*tables)
    say_left_out(question)
    print(question.out)


if __name__ == "__main__":
    main()
