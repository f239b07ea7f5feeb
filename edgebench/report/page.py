"""The report: an analysis in; one HTML page, its charts as files and summary.csv as text out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgebench.analysis.results import Analysis
from edgebench.report import details, svg, tables, trust
from edgebench.report import format as fmt
from edgebench.report.charts import data
from edgebench.report.charts.claims import charts_of
from edgebench.report.charts.hits import hit_ratio_chart
from edgebench.report.charts.latency import ecdf_chart, tail_chart
from edgebench.report.charts.offload import offload_chart
from edgebench.report.charts.outcomes import outcome_chart
from edgebench.report.charts.overtime import over_time_chart
from edgebench.report.charts.throughput import throughput_chart
from edgebench.report.claim_words import claim_words
from edgebench.report.correctness import correctness_section
from edgebench.report.findings import listed_findings
from edgebench.report.metrics import definitions
from edgebench.report.pages import date_words, template
from edgebench.report.palette import PAINT
from edgebench.report.parts import Chart
from edgebench.report.sections import Section, section

BUDGET_BYTES = 900_000
"""Size above which the page leaves each cell's full list of figures to summary.csv."""

_CHARTS: tuple[tuple[str, Callable[[data.Context], Chart]], ...] = (
    ("Hit ratio", hit_ratio_chart),
    ("Throughput", throughput_chart),
    ("Origin offload", offload_chart),
    ("Over time", over_time_chart),
    ("The tail", tail_chart),
    ("Hits and misses apart", outcome_chart),
)


@dataclass(frozen=True, slots=True)
class Report:
    """What the explaining half makes of a run."""

    html: str
    charts: Mapping[str, str]
    """Name to standalone SVG."""
    csv: str
    """summary.csv."""


def render(analysis: Analysis) -> Report:
    """The whole report. The same analysis gives the same bytes."""
    files: dict[str, str] = {}
    with svg.drawing():
        ctx = data.context(analysis)
        claim = [section("", chart, files) for chart in _claim_charts(analysis)]
        first = section("Latency", ecdf_chart(ctx), files)
        sections = [section(kicker, make(ctx), files) for kicker, make in _CHARTS]
    html = _html(analysis, ctx, claim, [first, *sections], full=True)
    if len(html.encode()) > BUDGET_BYTES:
        html = _html(analysis, ctx, claim, [first, *sections], full=False)
    return Report(html, files, tables.summary_csv(analysis))


def _claim_charts(analysis: Analysis) -> list[Chart]:
    return charts_of(analysis.summary.run.scenario.claim, analysis.judged) if analysis.judged else []


def _html(
    analysis: Analysis,
    ctx: data.Context,
    claim: list[Section],
    sections: list[Section],
    *,
    full: bool,
) -> str:
    return template("template.html.j2").render(
        run=analysis.summary.run,
        started=date_words(analysis.summary.run.started),
        headline=_headline(analysis),
        findings=listed_findings(analysis.summary.findings[1:]),
        trust=trust.trust_line(analysis),
        groups=trust.reason_groups(analysis),
        columns=tables.COLUMNS,
        rows=tables.summary_rows(analysis),
        baseline=ctx.baseline.summary.series if ctx.baseline else "",
        claim=claim_words(analysis.summary.claim) if analysis.summary.claim else None,
        claim_sections=claim,
        sections=sections,
        tiers=details.tier_words(analysis),
        correctness=correctness_section(analysis),
        cells=details.cell_details(analysis, full=full),
        full=full,
        names={cell.summary.id: data.cell_name(cell) for cell in analysis.cells},
        unmatched=details.unmatched_table(analysis),
        disagreements=details.disagreement_tables(analysis),
        definitions=definitions(
            name
            for cell in analysis.summary.cells
            for name, estimate in cell.metrics.items()
            if estimate.value is not None
        ),
        missing_trials=_missing_trials(analysis),
        ceiling=details.ceiling_words(analysis.summary.run.ceiling),
        paint=PAINT,
    )


def _headline(analysis: Analysis) -> str:
    findings = analysis.summary.findings
    if findings:
        return fmt.unbroken(findings[0].text)
    return "Nothing could be concluded: no cell was measured." if not analysis.cells else "Nothing could be concluded."


def _missing_trials(analysis: Analysis) -> list[str]:
    run = {trial.record.trial.id for cell in analysis.cells for trial in cell.trials}
    return [planned for planned in analysis.summary.run.planned if planned not in run]
