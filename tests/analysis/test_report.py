"""The HTML report: self-contained, complete, its numbers right, names escaped, logged where asked."""

from html.parser import HTMLParser
from pathlib import Path

import pytest
from mlflow import MlflowClient
from recorded import AFTER, Recorded

import page
import report
from store import StoredRun

LOADING = {"src", "href", "data", "poster", "srcset", "action"}


class Reading(HTMLParser):
    """Tables as lists of rows of texts, and every attribute that would load something."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.loads: list[tuple[str, str | None]] = []
        self._cell: list[str] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [(tag, value) for name, value in attrs
                       if name in LOADING or (name == "style" and "url(" in str(value))]  # fmt: skip
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self._cell = []

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._cell is not None:
            self.tables[-1][-1].append("".join(self._cell))
            self._cell = None


@pytest.fixture(scope="module")
def html(recorded: Recorded, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("report") / "page.html"
    run = recorded.ids["c3po", 1, "FINISHED"]
    report.main(["--uri", recorded.uri, "--out", str(out), "--log", run])
    text = out.read_text()
    logged = MlflowClient(recorded.uri).download_artifacts(run, "report.html")
    assert Path(logged).read_text() == text
    return text


def test_nothing_is_loaded_from_elsewhere(html: str) -> None:
    assert Reading(html).loads == []
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_no_button_sends_the_numbers_away(html: str) -> None:
    body = html[html.index("<body>") :]
    assert body.count("Plotly.newPlot") == 2
    assert body.count('"sendDataToCloud"') == body.count('"showSendToCloud": false') == 2
    assert body.count("https://") == body.count("http://") == 0


def test_every_run_is_in_the_table(html: str, recorded: Recorded) -> None:
    *_, runs = Reading(html).tables
    header, *rows = runs
    cells = [dict(zip(header, row, strict=True)) for row in rows]
    assert {row["id"] for row in cells} >= {run_id[:8] for run_id in recorded.ids.values()}
    assert sorted(row["status"] for row in cells) == ["FAILED", *["FINISHED"] * 5, "KILLED", "superseded"]
    finished = {(row["algorithm"], int(row["seed"])): row for row in cells if row["status"] == "FINISHED"}
    assert {key: float(row["RL"]) for key, row in finished.items()} == AFTER
    assert finished["c3po", 2]["checkpoint"] == "20 (fallback)"
    assert all(row["RL"] == row["checkpoint"] == "" for row in cells if row["status"] in ("FAILED", "KILLED"))
    assert "schedule" not in header  # it does not differ


def test_means_over_seeds(html: str) -> None:
    header, *rows = Reading(html).tables[0]
    best, other = (dict(zip(header, row, strict=True)) for row in rows)
    assert (best["configuration"], best["n"], best["seeds"]) == ("c3po", "3", "1, 2, 3")
    assert (best["SFT mean"], best["RL mean"]) == ("0.400 ± 0.248", "0.500 ± 0.248")
    assert (other["configuration"], other["RL math"], other["rise"]) == ("grpo", "0.500 ± 1.271", "0.100 ± 0.000")


def test_what_failed_is_counted_and_named(html: str) -> None:
    assert "<b>1</b>FAILED" in html
    assert "<b>1</b>KILLED" in html
    assert "<b>8</b>pipelines" in html
    assert "<summary>3 in the tables and curves, but in no mean</summary>" in html
    assert "c3po &lt;b&gt;4&lt;/b&gt;" in html
    assert "c3po <b>4</b>" not in html


def test_newest_curves_only_and_said(recorded: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "page.html"
    report.main(["--store", str(recorded.folder), "--out", str(out), "--curves", "2"])
    assert "the newest 2 with metrics, of 8 pipelines" in out.read_text()
    assert "--log RUN_ID" in capsys.readouterr().err


def test_a_single_sweep(recorded: Recorded, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    report.main(["--store", str(recorded.folder), "--out", str(out), "--parent", recorded.sweep])
    text = out.read_text()
    assert "<h1>tests, a sweep</h1>" in text
    assert "<b>2</b>pipelines" in text
    assert "Every pipeline finished and counts" in text
    assert "c3po" not in text[text.index("<body>") :]


def test_cells() -> None:
    table = page.Table(["a", "b"], [[0.5, None], [3, "x" * 80], [page.Noted("700", 'the "reason"'), "12"]])
    rendered = page._table(table)
    assert '<td class="n" data-v="0.5">0.500</td><td data-v=""></td>' in rendered
    assert f'title="{"x" * 80}">{"x" * 55}…</td>' in rendered
    assert '<td class="n" title="the &quot;reason&quot;">700</td><td class="n">12</td>' in rendered
    assert '<th class="n">a</th><th>b</th>' in rendered


def test_counts_of_no_and_of_many_runs() -> None:
    runs = [StoredRun(str(i), "", "FINISHED" if i % 50 else "KILLED", 0, 1, "") for i in range(1000)]
    assert page.counts(runs) == {"pipelines": 1000, "FINISHED": 980, "KILLED": 20}
    assert page.counts([]) == {"pipelines": 0}
