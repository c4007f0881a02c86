"""The report as one HTML text: sections of charts and tables, style and scripts within. Pure, and knows no store."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

from plotly.offline import get_plotlyjs

from ringexp.figures.intervals import Interval
from store import StoredRun

TALL = 40
"""Tables with more rows scroll within the page."""
WIDE = 56
"""Longer texts are cut in a table, and shown whole when pointed at."""
NUMBER = re.compile(r"-?\d+(\.\d+)?")
CONTROLS = {"displaylogo": False, "responsive": True, "showSendToCloud": False,
            "modeBarButtonsToRemove": ["select2d", "lasso2d", "sendDataToCloud"]}  # fmt: skip
"""Plotly's own "Share chart" button would send the numbers to Plotly's server."""
STATES = ("FAILED", "KILLED", "RUNNING", "SCHEDULED", "superseded")

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; margin: 0 auto; max-width: 1240px;
       padding: 28px 24px 80px; }
h1 { font-size: 27px; margin: 0 0 2px; } h2 { font-size: 19px; margin: 44px 0 4px; }
p { margin: 4px 0 12px; max-width: 860px; } .quiet { color: #666; }
.counts span { display: inline-block; margin: 8px 22px 4px 0; } .counts b { font-size: 21px; margin-right: 5px; }
.FAILED, .KILLED { color: #b3261e; } .RUNNING, .SCHEDULED { color: #96690a; } .superseded { color: #777; }
.scroll { overflow: auto; } .tall { max-height: 640px; border-bottom: 1px solid #ccc; }
table { border-collapse: collapse; font-size: 13px; white-space: nowrap; }
th { position: sticky; top: 0; background: #f5f5f2; cursor: pointer; user-select: none; }
th, td { padding: 4px 12px 4px 8px; border-bottom: 1px solid #e8e8e8; text-align: left; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
td[title] { text-decoration: underline dotted #999; }
tbody tr:hover { background: #f8f8f4; }
details { margin: 8px 0; } summary { cursor: pointer; } ul { margin: 6px 0; font-size: 13px; }
"""

SORT = """
document.querySelectorAll("th").forEach(head => head.addEventListener("click", () => {
  const body = head.closest("table").tBodies[0], at = head.cellIndex, up = head.dataset.up !== "1";
  const value = row => row.cells[at].dataset.v ?? row.cells[at].textContent, rows = [...body.rows];
  const compare = (a, b) => a !== "" && b !== "" && !isNaN(a) && !isNaN(b) ? a - b : a.localeCompare(b);
  rows.sort((a, b) => {
    const x = value(a), y = value(b);
    return x === "" || y === "" ? (x === "") - (y === "") : (up ? 1 : -1) * compare(x, y);
  });
  head.dataset.up = up ? "1" : "0";
  body.append(...rows);
}));
"""


@dataclass(frozen=True)
class Noted:
    """A cell with a note that shows when pointed at."""

    text: str
    note: str


Cell = str | int | float | Interval | Noted | None


@dataclass(frozen=True)
class Table:
    """Cells by row; numbers align right, an empty cell sorts last."""

    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Chart:
    """A Plotly figure and the id of its element."""

    name: str
    figure: Any


@dataclass(frozen=True)
class Section:
    """A heading, a paragraph, and a chart or a table or both."""

    heading: str
    note: str
    chart: Chart | None
    table: Table | None = None


def counts(runs: Sequence[StoredRun]) -> dict[str, int]:
    """How many runs, and how many of each status; superseded ones are a status of their own."""
    found = Counter("superseded" if run.superseded else run.status for run in runs)
    noun = "pipeline" if len(runs) == 1 else "pipelines"
    return {noun: len(runs), **{status: found[status] for status in sorted(found)}}


def html(title: str, made: datetime, source: str, counts: dict[str, int], omitted: Sequence[str],
         sections: Sequence[Section]) -> str:  # fmt: skip
    """The whole page."""
    tallies = "".join(f'<span class="{escape(name)}"><b>{n:,}</b>{escape(name)}</span>' for name, n in counts.items())
    origin = f"experiment report of ringexp · made {made:%Y-%m-%d %H:%M} UTC · read from {source}"
    head = (
        f"<h1>{escape(title)}</h1>\n"
        f'<div class="quiet">{escape(origin)}</div>\n'
        f'<div class="counts">{tallies}</div>\n{_omitted(omitted)}'
    )
    body = "\n".join(map(_section, sections))
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n<script>{get_plotlyjs()}</script></head>\n"
        f"<body>\n{head}\n{body}\n<script>{SORT}</script>\n</body>\n</html>\n"
    )


def _omitted(lines: Sequence[str]) -> str:
    if not lines:
        return "<p>Every pipeline finished and counts in the means below.</p>"
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    opened = " open" if len(lines) <= 12 else ""
    summary = f"{len(lines):,} in the tables and curves, but in no mean"
    return f"<details{opened}><summary>{summary}</summary><ul>{items}</ul></details>"


def _section(section: Section) -> str:
    parts = [f"<h2>{escape(section.heading)}</h2>", f'<p class="quiet">{escape(section.note)}</p>']
    if section.chart is not None:
        parts.append(section.chart.figure.to_html(
            full_html=False, include_plotlyjs=False, div_id=section.chart.name, default_width="100%", config=CONTROLS))
    if section.table is not None:
        parts.append(_table(section.table))
    return "\n".join(parts)


def _table(table: Table) -> str:
    numeric = [all(_number(row[i]) for row in table.rows) for i in range(len(table.header))]
    head = "".join(f'<th{right}>{escape(name)}</th>' for name, number in zip(table.header, numeric, strict=True)
                   for right in [' class="n"' if number else ""])  # fmt: skip
    rows = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    tall = " tall" if len(table.rows) > TALL else ""
    return f'<div class="scroll{tall}"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>'


def _number(value: Cell) -> bool:
    text = value.text if isinstance(value, Noted) else value
    return NUMBER.fullmatch(text) is not None if isinstance(text, str) else True


def _cell(value: Cell) -> str:
    if value is None:
        return '<td data-v=""></td>'
    if isinstance(value, Noted):
        kind = ' class="n"' if _number(value) else ""
        return f'<td{kind} title="{escape(value.note)}">{escape(value.text)}</td>'
    if isinstance(value, Interval):
        return f'<td class="n" data-v="{value.mean!r}">{value}</td>'
    if isinstance(value, float):
        return f'<td class="n" data-v="{value!r}">{value:.3f}</td>'
    text = str(value)
    if len(text) > WIDE:
        return f'<td data-v="{escape(text)}" title="{escape(text)}">{escape(text[: WIDE - 1])}…</td>'
    kind = "n" if _number(value) else text if text in STATES else ""
    return f'<td class="{kind}">{escape(text)}</td>' if kind else f"<td>{escape(text)}</td>"
