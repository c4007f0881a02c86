"""The prepared page of the MLflow UI: which runs, which columns, which charts in which sections.

The UI keeps a layout in the browser, but what it saves under "Views" is a tag of the experiment. A tag written here is
therefore everybody's: it stands in that list, and a link opens it in a browser that has never seen the experiment. The
tag's form is that of MLflow 3.17: JSON with the view's name and its state, deflated. Metrics that have no place here
get a chart of their own below.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

from mlflow import MlflowClient

VIEW = "ringexp-pipelines"
"""The view's key in links and in its tag."""

NAME = "Pipelines compared"
"""What the UI's list of views calls it."""

LOCAL_UI = "http://127.0.0.1:5000"
"""Where `make ui` serves."""

TAG_PREFIX = "mlflow.sharedViewState."
DEFLATED = "deflate;"

FILTER = "tags.`ringexp.kind` = 'pipeline'"
"""Stages stay out: they unfold under their pipelines."""

RESULTS = ("final/sft/mean/pass_at_1", "final/rl/mean/pass_at_1", "best/pass_at_1")
"""The numbers that pipelines are judged by."""

COLUMNS = (
    *(f"params.`{name}`" for name in ("algorithm", "schedule", "seed")),
    *(f"metrics.`{name}`" for name in RESULTS),
    "tags.`ringexp.selected_step`",
    *(f"params.`{name}`" for name in ("selection", "overrides")),
)
FIRST_COLUMNS = ("attributes.`Run Name`", "attributes.`Created`", "attributes.`Duration`")

ENTROPY = "Entropy and validation: SFT, then RL"
"""On a logarithmic axis: the choice is made where the curves are low and flat."""

CURVES = {
    ENTROPY: ("entropy/rollout", "entropy/teacher_forced", "val/loss"),
    "RL": ("reward/mean", "length/mean", "budget/tokens", "kl/reference"),
    "Training: SFT, then RL": ("eval/mean/pass_at_1", "train/loss", "train/grad_norm"),
}
"""The headline curves of a pipeline by section."""

RESULT = "pass@1 on test prompts"
DIFFERENT = "What differs"


def view_state(domains: Iterable[str]) -> dict[str, Any]:
    """The page as the UI keeps it; `domains` have a bar chart each of pass@1 after RL."""
    bars = [*RESULTS, *(f"final/rl/{domain}/pass_at_1" for domain in sorted(domains))]
    charts = [_chart("BAR", metric, RESULT) for metric in bars] + [_differences()]
    charts += [_chart("LINE", metric, name) | _LINE | ({"scaleType": "log"} if name == ENTROPY else {})
               for name, metrics in CURVES.items() for metric in metrics]
    return {
        "searchFilter": FILTER, "orderByKey": "attributes.start_time", "orderByAsc": False, "startTime": "ALL",
        "lifecycleFilter": "Active", "datasetsFilter": [], "modelVersionFilter": "All Runs",
        "selectedColumns": list(COLUMNS), "columnOrder": [*FIRST_COLUMNS, *COLUMNS], "columnWidths": _WIDTHS,
        "runsHiddenMode": "FIRST_20_RUNS", "compareRunCharts": charts,
        "compareRunSections": [_section(RESULT), _section(DIFFERENT, columns=1), *map(_section, CURVES)],
        "isAccordionReordered": True,  # else the sections are sorted by name, and what has no place stands before them
        "viewMaximized": False, "runListHidden": False, "useGroupedValuesInCharts": True, "hideEmptyCharts": True,
        "groupBy": None, "groupsExpanded": {}, "autoRefreshEnabled": True,
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }  # fmt: skip


_WIDTHS = {"attributes.`Run Name`": 260, "tags.`ringexp.selected_step`": 190, "params.`overrides`": 300} | {
    f"metrics.`{name}`": 190 for name in RESULTS
}
"""Pixels: the names in full."""

_LINE = {
    "lineSmoothness": 0, "xAxisScaleType": "linear", "scaleType": "linear", "range": {}, "xAxisKey": "step",
    "selectedXAxisMetricKey": "", "yAxisKey": "metric", "yAxisExpressions": [], "ignoreOutliers": False,
    "useGlobalXaxisKey": True, "useGlobalLineSmoothing": True,
}  # fmt: skip


def _chart(kind: str, metric: str, section: str) -> dict[str, Any]:
    return _card(kind, f"{kind}:{metric}", section) | {"displayName": metric, "metricKey": metric}


def _differences() -> dict[str, Any]:
    """The table of the parameters in which the runs shown are not equal."""
    return _card("DIFFERENCE", "differences", DIFFERENT) | {
        "chartName": "Parameters that differ", "displayName": "Parameters that differ",
        "compareGroups": ["Parameters"], "showChangeFromBaseline": False, "showDifferencesOnly": True,
        "baselineColumnUuid": "",
    }  # fmt: skip


def _card(kind: str, key: str, section: str) -> dict[str, Any]:
    return {"uuid": f"ringexp:{key}", "type": kind, "runsCountToCompare": 20, "metricSectionId": f"ringexp:{section}",
            "deleted": False, "isGenerated": False}  # fmt: skip


def _section(name: str, columns: int = 3) -> dict[str, Any]:
    return {"uuid": f"ringexp:{name}", "name": name, "display": True, "isReordered": True, "deleted": False,
            "isGenerated": False, "columns": columns}  # fmt: skip


def encode(name: str, state: dict[str, Any], created: int) -> str:
    """The tag of a saved view; `created` in milliseconds. The same in, the same out."""
    packed = base64.b64encode(zlib.compress(json.dumps(state, sort_keys=True).encode(), 9)).decode()
    return json.dumps({"name": name, "createdAt": created, "updatedAt": created, "state": DEFLATED + packed})


def decode(tag: str) -> dict[str, Any]:
    """The state in a saved view's tag. Raises ValueError where it is not one of this form."""
    packed = json.loads(tag)["state"]
    if not packed.startswith(DEFLATED):
        raise ValueError("not a deflated view")
    state: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed.removeprefix(DEFLATED))))
    return state


def introduce(client: MlflowClient, experiment_id: str, domains: Sequence[str]) -> None:
    """Give the experiment its view, its description, and its kind (which decides what the UI's side bar offers).

    What it has already stays, so a view that somebody changed is theirs; one that was deleted is written again.
    """
    experiment = client.get_experiment(experiment_id)
    tags = {
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.note.content": DESCRIPTION.format(path=path(experiment_id)),
        TAG_PREFIX + VIEW: encode(NAME, view_state(domains), experiment.creation_time),
    }
    for key, value in tags.items():
        if key not in experiment.tags:
            client.set_experiment_tag(experiment_id, key, value)


DESCRIPTION = """\
**[Pipelines compared]({path})**: results, what differs, curves; also under *Views*. The tool bar's first \
buttons show the table of runs, the charts, the responses side by side.

Each pipeline is SFT, the choice of a checkpoint by its entropy, RL in stages: its child runs, which unfold under it \
without the filter. The child `select` holds the decision (`selection.png`, `selection.json`).
"""


def path(experiment_id: str, mode: str = "CHART") -> str:
    """The view's place behind the UI's address, in its workflow for training; `mode` CHART, TABLE or ARTIFACT."""
    place = f"#/experiments/{experiment_id}/runs"
    return f"{place}?viewStateShareKey={VIEW}&compareRunsMode={mode}&workflowType=machine_learning"


def link(address: str, experiment_id: str) -> str:
    """The address of the view in the UI at `address`."""
    return f"{address.rstrip('/')}/{path(experiment_id)}"
