"""The whole report from a made-up analysis: well-formed, self-contained, complete, and robust to little data."""

from __future__ import annotations

import csv
import html
import io
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pandas as pd
import pytest

from edgebench.analysis.results import Analysis, CellResult
from edgebench.model import Reason, ReasonCode, TrustStatus
from edgebench.report import Report, render
from edgebench.report import format as fmt
from edgebench.report.metrics import metric
from tests.report.factory import make_analysis

VOID = {"meta", "br", "hr", "img", "input", "link"}
HOSTILE = '<script>alert("1")</script>&$x_1^2$'


class Page(HTMLParser):
    """Collects ids, tags and text; insists on balanced tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.ids: Counter[str] = Counter()
        self.links: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.ids.update(value for name, value in attrs if name == "id" and value)
        self.links += [value for name, value in attrs if name in ("href", "src") and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return make_analysis()


@pytest.fixture(scope="module")
def report(analysis: Analysis) -> Report:
    return render(analysis)


def well_formed(report: Report) -> Page:
    """What holds for every report, whatever the data."""
    page = Page(report.html)
    assert [name for name, count in page.ids.items() if count > 1] == []
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links), page.links
    assert page.tags["script"] == 0 and page.tags["link"] == 0 and page.tags["img"] == 0
    assert "@import" not in report.html and not re.search(r"url\((?!#)", report.html)
    without_names = report.html.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://", without_names)
    assert len(report.html.encode()) < 1_000_000
    assert page.tags["svg"] == len(report.charts)
    for svg in report.charts.values():
        root = ET.fromstring(svg)
        described = {root[0].get("id"), root[1].get("id")}
        assert root.get("role") == "img" and set(root.attrib["aria-labelledby"].split()) == described
        assert root[0].text and root[1].text
        assert "nan" not in svg.lower().replace("finan", "") and "var(--" not in svg
    assert "nan" not in re.sub(r"<[^>]*>", " ", report.html).lower().split()
    return page


def shown(text: str) -> str:
    return html.escape(text, quote=False)


def test_report_is_well_formed_and_self_contained(report: Report) -> None:
    page = well_formed(report)
    expected = {"table", "latency", "reproduce", "hit-ratio", "throughput", "offload", "over-time", "tail", "outcomes"}
    assert expected | {"cells", "witnesses", "warnings", "definitions", "environment"} <= set(page.ids)
    assert len(report.html.encode()) < 500_000


def test_rendering_twice_gives_the_same_bytes(analysis: Analysis, report: Report) -> None:
    assert render(analysis) == report


def test_every_figure_of_the_summary_is_on_the_page(analysis: Analysis, report: Report) -> None:
    for cell in analysis.summary.cells:
        for name, estimate in cell.metrics.items():
            assert fmt.number(estimate.value, metric(name, estimate.unit).unit) in report.html, (cell.id, name)
            assert fmt.interval(estimate, metric(name, estimate.unit).unit) in report.html, (cell.id, name)


def test_first_screen_says_what_was_found_and_whether_to_believe_it(analysis: Analysis, report: Report) -> None:
    text = report.html.replace(fmt.NBSP, " ")
    assert shown(analysis.summary.findings[0].text) in text
    assert "SUSPECT" in text and "21 of 21 complete" in text and "1 warning, 1 note" in text
    assert all(shown(reason.text) in text for reason in analysis.summary.trust.reasons)
    assert analysis.summary.run.command in text and analysis.summary.run.commit in text


def test_csv_has_a_row_per_cell_and_metric(analysis: Analysis, report: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(report.csv)))
    assert len(rows) == sum(len(cell.metrics) for cell in analysis.summary.cells)
    assert list(rows[0]) == ["cell", "tier", "ttl_s", "metric", "value", "low", "high", "n", "unit", "bound"]
    first = next(iter(analysis.summary.cells[0].metrics.values()))
    assert float(rows[0]["value"]) == first.value
    assert all(row["value"] == "" for row in rows if row["metric"] == "latency_p999_ms")


def test_hostile_words_are_text() -> None:
    names = {"nginx": HOSTILE, "varnish": "very-long-" * 9}
    reason = Reason(ReasonCode.ERRORS, TrustStatus.INVALID, HOSTILE, (f"{HOSTILE}.ttl5",))
    report = render(make_analysis(names=names, text=HOSTILE, ttls=(5,), trials=1, reasons=(reason,)))
    well_formed(report)
    assert html.escape('<script>alert("1")', quote=False).replace('"', "&#34;") in report.html


def without_data(cell: CellResult) -> CellResult:
    """The cell as it is when every trial failed at once."""
    trials = tuple(
        replace(
            trial,
            record=replace(trial.record, complete=False, problem="nginx ended with 1"),
            metrics=dict.fromkeys(trial.metrics),
            samples=trial.samples.head(0),
            timeline=trial.timeline.head(0),
            outcomes={},
            disagreements=pd.DataFrame(),
        )
        for trial in cell.trials
    )
    metrics = {
        name: replace(estimate, value=None, low=None, high=None, n=0) for name, estimate in cell.summary.metrics.items()
    }
    return CellResult(replace(cell.summary, metrics=metrics, trust=TrustStatus.INVALID), trials)


def changed(analysis: Analysis, cells: tuple[CellResult, ...]) -> Analysis:
    summary = replace(analysis.summary, cells=tuple(cell.summary for cell in cells))
    return replace(analysis, cells=cells, summary=summary)


SMALL = make_analysis(ttls=(5,), trials=2, measure_s=3)
CASES = {
    "no cell": changed(SMALL, ()),
    "no finding": replace(SMALL, summary=replace(SMALL.summary, findings=())),
    "only direct": make_analysis(tiers=("direct",), trials=3, measure_s=2),
    "only nginx, one trial": make_analysis(tiers=("nginx",), ttls=(5,), trials=1, measure_s=2),
    "a cell without data": changed(SMALL, (SMALL.cells[0], without_data(SMALL.cells[1]), SMALL.cells[2])),
    "nothing has data": changed(SMALL, tuple(without_data(cell) for cell in SMALL.cells)),
    "a trial is missing": changed(SMALL, (replace(SMALL.cells[0], trials=SMALL.cells[0].trials[:1]), *SMALL.cells[1:])),
    "a cell without trials": changed(SMALL, (SMALL.cells[0], replace(without_data(SMALL.cells[1]), trials=()))),
    "two tiers whose names make one slug": make_analysis(names={"nginx": "a b", "varnish": "a-b"}, ttls=(5,), trials=1),
}


@pytest.mark.parametrize("name", CASES)
def test_little_data_is_said_not_crashed_on(name: str) -> None:
    report = render(CASES[name])
    well_formed(report)
    text = re.sub(r"<[^>]*>", " ", report.html)
    if name in ("no cell", "nothing has data"):
        assert "No successful request was measured" in text and not report.charts
    if name == "only direct":
        assert "No cache stood in between" in text
    if name == "a cell without data":
        assert "not enough data" in text and "nginx ended with 1" in text


def test_many_cells_stay_within_the_limit() -> None:
    tiers = ("direct", "nginx", "varnish", "squid", "ats", "haproxy")
    ttls = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 3600, 86400)
    report = render(make_analysis(tiers=tiers, ttls=ttls, trials=1, measure_s=1))
    well_formed(report)
    assert "the ends and the middle" in report.html
