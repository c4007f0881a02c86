"""One HTML page for an experiment, or for one sweep: every run, the curves, pass@1 over seeds, what failed.

    python analysis/report.py [--store runs | --uri http://…] [--experiment NAME] [--parent RUN_ID] [--out report.html]
    python analysis/report.py --log RUN_ID     # logs it to that run too, as artifact report.html

The page loads nothing from elsewhere: it opens from a file and in MLflow's UI. Curves are those of the newest pipelines
(--curves), the tables have all.
"""

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import page
from command import Question, ask, doubt, left_out, parser
from groups import Group, differing
from results import Selection, domains, finals, rises, selections
from ringexp.figures.report import POINTS, RunCurves, curves_figure, finals_figure
from ringexp.tracking.names import METRICS
from store import Histories, StoredRun, without_password

HEADLINES = {m.name: f"{m.name} ({m.unit})" if m.unit else m.name for m in METRICS if m.headline}
FINALS = ("final/sft/mean/pass_at_1", "final/rl/mean/pass_at_1", "best/pass_at_1")
BEST = 30
"""Groups drawn in the chart of final scores; its table has all."""


def curves(newest: Sequence[StoredRun], groups: Sequence[Group], histories: Histories) -> page.Chart | None:
    """Headline metrics of the newest pipelines over the steps of the run."""
    labels = {run.run_id: group.label for group in groups for run in (*group.runs, *group.repeats)}
    runs = [RunCurves(labels.get(run.run_id), f"{run.name} ({run.run_id[:8]})", histories[run.run_id])
            for run in newest if run.run_id in histories]  # fmt: skip
    panels = [(name, title) for name, title in HEADLINES.items() if any(name in run.curves for run in runs)]
    return page.Chart("curves", curves_figure(runs, panels)) if panels else None


def scores(groups: Sequence[Group]) -> page.Chart | None:
    """Final pass@1 of the groups with the highest mean, over seeds."""
    rows = [(f"{g.label} (n = {len(g.runs)})", finals(g.runs, "sft"), finals(g.runs, "rl")) for g in groups[:BEST]]
    return page.Chart("finals", finals_figure(rows)) if any(before or after for _, before, after in rows) else None


def ranked(groups: Sequence[Group]) -> list[Group]:
    """Highest final mean pass@1 first: after RL, else of the SFT checkpoint."""

    def height(group: Group) -> float:
        found = finals(group.runs, "rl") or finals(group.runs, "sft")
        return found["mean"].mean if "mean" in found else -1.0

    return sorted(groups, key=height, reverse=True)


def build(question: Question, newest: int) -> str:
    """The page, as HTML."""
    pipelines = question.pipelines
    drawn = [run for run in pipelines[:newest] if run.metrics]
    histories = question.reader.histories(drawn, HEADLINES.__contains__)
    chosen = selections(question.reader, question.experiments)
    best = ranked(question.groups)
    return page.html(
        title=question.title, made=datetime.now(UTC), source=without_password(question.reader.uri),
        counts=page.counts(pipelines), omitted=left_out(question),
        sections=[*_scores(best, doubt(question)), *_curves(drawn, best, histories, len(pipelines)),
                  *_selection(chosen, pipelines), *_runs(pipelines, chosen)],
    )  # fmt: skip


def _scores(best: Sequence[Group], doubt: str) -> list[page.Section]:
    shown = "" if len(best) <= BEST else f"The chart has the best {BEST} of {len(best)} configurations, the table all. "
    note = (f"{shown}Runs of a row differ by seed alone: configuration, code, installed versions and data are alike. "
            f"± is the 95 % t-interval over seeds; one seed has none. {doubt}")  # fmt: skip
    names = [*domains(run for group in best for run in group.runs), "mean"]
    rows: list[list[page.Cell]] = []
    for group in best:
        before, after, rise = finals(group.runs, "sft"), finals(group.runs, "rl"), rises(group.runs)
        rows.append([group.label, len(group.runs), ", ".join(run.seed for run in reversed(group.runs)),
                     *(before.get(name) for name in names), *(after.get(name) for name in names), rise])  # fmt: skip
    header = ["configuration", "n", "seeds", *(f"{kind} {name}" for kind in ("SFT", "RL") for name in names), "rise"]
    chart = scores(best)
    return [page.Section("Test pass@1 over seeds", note, chart, page.Table(header, rows))] if best else []


def _curves(
    drawn: Sequence[StoredRun], groups: Sequence[Group], histories: Histories, total: int
) -> list[page.Section]:
    newest = f"the newest {len(drawn)} with metrics, of {total} pipelines,"
    which = "every pipeline" if len(drawn) == total else newest
    note = (f"Headline metrics of {which} over the steps of the run, SFT then RL; at most {POINTS} points of a line, "
            "evenly spaced. Pointing at a line names run and step; a legend entry hides its runs.")  # fmt: skip
    chart = curves(drawn, groups, histories)
    return [page.Section("Curves", note, chart)] if chart else []


def _selection(chosen: Mapping[str, Selection], pipelines: Sequence[StoredRun]) -> list[page.Section]:
    mine = [chosen[run.run_id] for run in pipelines if run.run_id in chosen]
    counted: dict[tuple[str, int], list[Selection]] = {}
    for selection in mine:
        counted.setdefault((selection.rule, selection.step), []).append(selection)
    rows: list[list[page.Cell]] = []
    for (rule, step), same in sorted(counted.items()):
        entropies = sorted({f"{s.entropy:.4f}" for s in same if s.entropy is not None}, key=float)
        span = " to ".join(entropies if len(entropies) < 3 else (entropies[0], entropies[-1]))
        rows.append([rule, step, len(same), sum(s.fallback for s in same), span or None])
    note = (f"{len(mine)} of {len(pipelines)} pipelines have selected a checkpoint; a fallback: none met the rule. "
            "The reason of each is in the table of runs (point at the step).")  # fmt: skip
    header = ["rule", "SFT step", "pipelines", "fallbacks", "rollout entropy there, nats/token"]
    return [page.Section("Selected checkpoints", note, None, page.Table(header, rows))] if mine else []


def _runs(pipelines: Sequence[StoredRun], chosen: Mapping[str, Selection]) -> list[page.Section]:
    params = differing(pipelines)
    header = ["run", "id", "status", "started (UTC)", "minutes", "seed", "checkpoint", "SFT", "RL", "best", *params]
    rows = [_row(run, params, chosen.get(run.run_id)) for run in pipelines]
    note = ("Every pipeline, newest first; a column's head sorts by it. SFT and RL are the final mean pass@1 on "
            "test prompts, best the highest of all policies evaluated; parameters that differ follow.")  # fmt: skip
    return [page.Section("Runs", note, None, page.Table(header, rows))]


def _row(run: StoredRun, params: Sequence[str], selection: Selection | None) -> list[page.Cell]:
    started = datetime.fromtimestamp(run.started / 1000, UTC)
    minutes = None if run.ended is None else f"{(run.ended - run.started) / 60000:.1f}"
    step = None
    if selection is not None:
        step = page.Noted(f"{selection.step}{' (fallback)' * selection.fallback}", selection.reason)
    state = "superseded" if run.superseded else run.status
    return [run.name, run.run_id[:8], state, f"{started:%Y-%m-%d %H:%M}", minutes, run.seed,
            step, *map(run.metrics.get, FINALS), *map(run.params.get, params)]


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser(__doc__, "report.html")
    options.add_argument("--curves", type=int, default=24, help="pipelines whose curves are drawn (default: 24)")
    options.add_argument("--log", metavar="RUN_ID", help="log the page to this run as artifact report.html")
    parsed = options.parse_args(arguments)
    question = ask(parsed)
    text = build(question, parsed.curves)
    parsed.out.write_text(text, encoding="utf-8")
    print(parsed.out)
    if parsed.log is None:
        print("not logged to MLflow; --log RUN_ID logs it to a run as artifact report.html", file=sys.stderr)
    else:
        question.reader.client.log_text(parsed.log, text, "report.html")


if __name__ == "__main__":
    main()
