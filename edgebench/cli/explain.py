"""A run folder in; summary, charts and report written into it. Where the pure halves meet the disk."""

from __future__ import annotations

from edgebench.analysis.results import Analysis
from edgebench.analysis.run import analyse
from edgebench.report.page import render
from edgebench.store import RunFolder


def explain(folder: RunFolder) -> Analysis:
    """Analyse the run and write summary.json, summary.csv, charts/*.svg and report.html into its folder."""
    analysis = analyse(folder)
    report = render(analysis)
    folder.write_summary(analysis.summary)
    folder.write_text("summary.csv", report.csv)
    folder.write_charts(report.charts)
    folder.write_text("report.html", report.html)
    return analysis
