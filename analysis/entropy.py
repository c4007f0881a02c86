"""How SFT's three entropies move, in every pipeline, and which checkpoint the rule chose.

    python analysis/entropy.py [--store runs] [--experiment NAME] [--out entropy.png]

Validation cross-entropy, teacher-forced entropy, rollout entropy (nats per token) over SFT steps. Runs that differ by
seed alone share a colour: thin each, thick their mean, shaded its 95 % t-interval; dots are the selected checkpoints,
the green stripe is the entropies that the rule accepts.
"""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from command import ask, complete, parser, say_left_out
from groups import Group
from results import Selection, accepted, selections
from ringexp.figures.entropy import EntropyCurves, entropy_figure
from ringexp.figures.pipeline import SFT_CURVES
from store import Histories, StoredRun

METRICS = {name for name, _, _ in SFT_CURVES}


def figure(groups: Sequence[Group], sft: Mapping[str, StoredRun], histories: Histories,
           chosen: Mapping[str, Selection], bands: Mapping[str, tuple[float, float]], title: str) -> Figure:
    """`sft` and `chosen` by the pipeline's run id, `histories` by the SFT stage's."""
    pipelines = [
        EntropyCurves(group.label, histories.get(sft[run.run_id].run_id, {}),
                      chosen[run.run_id].step if run.run_id in chosen else None)
        for group in groups for run in group.runs if run.run_id in sft
    ]  # fmt: skip
    return entropy_figure(pipelines, bands, title)


def main(arguments: Sequence[str] | None = None) -> None:
    question = ask(parser(__doc__, "entropy.png").parse_args(arguments))
    groups, reader = complete(question), question.reader
    sft = {run_id: stages["sft"] for run_id, stages in reader.stages(question.experiments, "sft").items()}
    mine = [sft[run.run_id] for group in groups for run in group.runs if run.run_id in sft]
    histories = reader.histories(mine, METRICS.__contains__)
    texts = reader.texts([group.runs[0] for group in groups], "config.yaml")
    rules = [accepted(text) if text is not None else {} for text in texts]
    bands = rules[0] if all(rule == rules[0] for rule in rules) else {}
    title = f"{question.title}: entropies along SFT, {len(mine)} pipelines"
    chosen = selections(reader, question.experiments)
    figure(groups, sft, histories, chosen, bands, title).savefig(question.out, dpi=130)
    say_left_out(question)
    print(question.out)


if __name__ == "__main__":
    main()
