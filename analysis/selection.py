"""Which criterion names the SFT checkpoint that RL makes the most of? Over runs with `selection=at_step`.

    python analysis/selection.py [--store runs] [--experiment NAME] [--band QUANTITY=LOW,HIGH …] [--out selection.png]

A table of the checkpoints, with RL's tokens as a share of those SFT had trained by then (the paper's token efficiency);
Spearman's ρ of every criterion with test pass@1 after RL, within each seed; and the regret
of every rule: how much less pass@1 its choice has after RL than the seed's best checkpoint. Means over seeds with 95 %
t-intervals. A band belongs to entropy/rollout, entropy/teacher_forced or val/loss.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from rich import box
from rich.console import Console
from rich.table import Table

from command import ask, complete, parser, say_left_out
from criteria import Candidate, Rule, by_seed, rank_correlations, regret_of_any, regrets
from results import final
from ringexp.figures.criteria import Outcome, criteria_figure
from ringexp.figures.intervals import t_interval
from ringexp.selection.rules import best_pass_at_1, best_validation_loss, entropy_band, last
from store import Histories, StoredRun

TOKENS = "progress/tokens"
QUANTITIES = ("entropy/rollout", "entropy/teacher_forced", "val/loss", "eval/mean/pass_at_1")
Bands = Mapping[str, tuple[float, float]]


def band(text: str) -> tuple[str, tuple[float, float]]:
    """`entropy/rollout=0.12,0.16`."""
    name, _, ends = text.partition("=")
    try:
        low, high = (float(end) for end in ends.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: give QUANTITY=LOW,HIGH") from None
    if name not in QUANTITIES[:3] or not 0 <= low < high:
        raise argparse.ArgumentTypeError(f"{text}: a quantity of {', '.join(QUANTITIES[:3])}, and LOW below HIGH")
    return name, (low, high)


def candidates(
    runs: Sequence[StoredRun], stages: Mapping[str, Mapping[str, StoredRun]], histories: Histories
) -> list[Candidate]:
    """One for each pipeline that was tested before and after RL.

    `stages` by the pipeline's run id, `histories` by that of its SFT stage.
    """
    found = []
    for run in runs:
        own = stages.get(run.run_id, {})
        before, after = final(run, "sft").get("mean"), final(run, "rl").get("mean")
        rl = [stage for name, stage in own.items() if name.startswith("rl-")]
        if before is None or after is None or "select" not in own or not rl:
            continue
        metrics = own["select"].metrics
        step = int(metrics["select/step"])
        quantities = {name: metrics[f"select/{name}"] for name in QUANTITIES if f"select/{name}" in metrics}
        taught = histories.get(own["sft"].run_id, {}).get(TOKENS, []) if "sft" in own else []
        trained = max(stage.metrics.get(TOKENS, 0.0) for stage in rl)
        until = max((tokens for at, tokens in taught if at <= step), default=0.0)
        efficiency = (trained - taught[-1][1]) / until if until else None
        found.append(Candidate(run.seed, step, quantities, before, after, efficiency))
    return found


def table_of_checkpoints(found: Sequence[Candidate]) -> Table:
    """Every quantity by SFT step, in the manner of the paper's Table 2."""
    at: dict[int, list[Candidate]] = defaultdict(list)
    for candidate in found:
        at[candidate.step].append(candidate)
    columns = [*QUANTITIES, "test before RL", "after RL", "gain", "RL/SFT tokens"]
    table = Table("SFT step", "seeds", *columns, box=box.SIMPLE, title="checkpoints", title_justify="left")
    for step, own in sorted(at.items()):
        values = [[c.quantities[name] for c in own if name in c.quantities] for name in QUANTITIES]
        values += [[c.before for c in own], [c.after for c in own], [c.after - c.before for c in own],
                   [c.token_efficiency for c in own if c.token_efficiency is not None]]
        table.add_row(str(step), str(len(own)), *(str(t_interval(v)) if v else "" for v in values))
    return table


def quantity(candidate: Candidate, name: str) -> float:
    return candidate.quantities[name]


def distance(candidate: Candidate, name: str, centre: float) -> float:
    return abs(candidate.quantities[name] - centre)


def table_of_criteria(found: Sequence[Candidate], bands: Bands) -> Table:
    """ρ of each criterion with pass@1 after RL and with the gain; in a band, nearness to its centre counts."""
    table = Table("criterion", "ρ with pass@1 after RL", "ρ with the gain", box=box.SIMPLE, title_justify="left",
                  title="Spearman's ρ over the checkpoints of a seed")  # fmt: skip
    measures: dict[str, Callable[[Candidate], float]] = {name: partial(quantity, name=name) for name in QUANTITIES}
    for name, (low, high) in bands.items():
        centre = (low + high) / 2
        measures[f"distance of {name} from {centre:g}"] = partial(distance, name=name, centre=centre)
    for label, measure in measures.items():
        table.add_row(label, str(rank_correlations(found, measure, lambda c: c.after)),
                      str(rank_correlations(found, measure, lambda c: c.after - c.before)))  # fmt: skip
    return table


def rules(bands: Bands) -> dict[str, Rule]:
    """The rules by what they are called in the table."""
    found: dict[str, Rule] = {f"entropy_band of {name}, {low:g} to {high:g}":
                              partial(entropy_band, low=low, high=high, quantity=name)
                              for name, (low, high) in bands.items()}  # fmt: skip
    return found | {"best_validation_loss": best_validation_loss, "best_pass_at_1": best_pass_at_1, "last": last}


def table_of_rules(found: Sequence[Candidate], bands: Bands) -> Table:
    table = Table("rule", "regret", box=box.SIMPLE, title="pass@1 lost to the seed's best checkpoint",
                  title_justify="left")  # fmt: skip
    for label, rule in rules(bands).items():
        table.add_row(label, str(regrets(found, rule)))
    table.add_row("any checkpoint, on average", str(regret_of_any(found)))
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    built = parser(__doc__, "selection.png")
    built.add_argument("--band", type=band, action="append", default=[], metavar="QUANTITY=LOW,HIGH",
                       help="what the entropy rule accepts, e.g. entropy/rollout=0.12,0.16")  # fmt: skip
    given = built.parse_args(arguments)
    question = ask(given)
    runs = [run for group in complete(question) for run in group.runs]
    stages, bands = question.reader.stages(question.experiments, "%"), dict(given.band)
    taught = [stages[run.run_id]["sft"] for run in runs if "sft" in stages.get(run.run_id, {})]
    found = candidates(runs, stages, question.reader.histories(taught, TOKENS.__eq__))
    seeds = by_seed(found)
    few = [f"seed {seed} has {len(own)}" for seed, own in seeds.items() if len(own) < 3]
    if not found or few:
        raise SystemExit(f"experiment {question.experiment}: RL from at least three checkpoints of each seed is needed"
                         f" (selection=at_step); {', '.join(few) or 'there is no such run'}")
    outcomes = {seed: [Outcome(c.quantities, c.before, c.after) for c in own] for seed, own in seeds.items()}
    criteria_figure(outcomes, bands, f"{question.title}: RL from every SFT checkpoint").savefig(question.out, dpi=130)
    Console(width=200).print(table_of_checkpoints(found), table_of_criteria(found, bands), table_of_rules(found, bands))
    say_left_out(question)
    print(question.out)


if __name__ == "__main__":
    main()
