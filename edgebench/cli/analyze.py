"""What analyze.py does: run folders in; charts, summary and report out; gates for CI."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console

from edgebench.analysis.run import analyse
from edgebench.cli.claims_explain import explain_claims, print_claims
from edgebench.cli.commands import one_line_errors
from edgebench.cli.explain import explain
from edgebench.cli.verdict import print_verdict
from edgebench.errors import UserError
from edgebench.model import CellSummary, Summary, TrustStatus
from edgebench.store import ClaimsFolder, RunFolder

_GATE = re.compile(r"\s*([a-z0-9_]+)\s*([<>])\s*([+-]?\d+(?:\.\d+)?)\s*(%?)\s*")


@dataclass(frozen=True, slots=True)
class Gate:
    """A limit: `latency_p99_ms > +10%` fails where the metric grew by more than that against the baseline run."""

    metric: str
    above: bool
    limit: float
    relative: bool
    text: str

    @classmethod
    def parse(cls, text: str) -> Gate:
        match = _GATE.fullmatch(text)
        if match is None:
            raise UserError(f"--fail-on '{text}': expected METRIC > NUMBER or METRIC > +NUMBER% (or <)")
        return cls(match[1], match[2] == ">", float(match[3]), match[4] == "%", text.strip())

    def broken(self, cell: CellSummary, before: CellSummary | None) -> str:
        """What is wrong with this cell, in words; empty if nothing. A figure without data breaks no gate."""
        estimate = cell.metrics.get(self.metric)
        if estimate is None:
            raise UserError(f"--fail-on '{self.text}': no metric {self.metric}; one of {', '.join(cell.metrics)}")
        value, shown = estimate.value, ""
        if value is None:
            return ""
        if self.relative:
            was = before.metrics.get(self.metric) if before else None
            if was is None or not was.value:
                return ""
            change = (value / was.value - 1) * 100
            value, shown = change, f"{was.value:.4g} -> {estimate.value:.4g} ({change:+.1f} %)"
        if (value > self.limit) if self.above else (value < self.limit):
            return f"{cell.id}: {self.metric} {shown or f'{value:.4g}'}, limit {self.text}"
        return ""


def broken_gates(gates: Iterable[Gate], summary: Summary, baseline: Summary | None) -> Iterator[str]:
    """Every gate broken by every cell; relative ones against the cell of the same id in the baseline run."""
    before = {cell.id: cell for cell in baseline.cells} if baseline else {}
    for gate in gates:
        if gate.relative and baseline is None:
            raise UserError(f"--fail-on '{gate.text}' compares with another run: give it by --against")
        for cell in summary.cells:
            if problem := gate.broken(cell, before.get(cell.id)):
                yield problem


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--against", type=click.Path(path_type=Path, file_okay=False), help="A run to compare with.")
@click.option("--fail-on", multiple=True, metavar="GATE", help="Such as 'latency_p99_ms > +10%'; exit code 3.")
@one_line_errors
def main(runs: tuple[Path, ...], against: Path | None, fail_on: tuple[str, ...]) -> None:
    """Make the report of finished runs (or of all claims) again, from their folders alone.

    \b
    Examples:
      python analyze.py reports/latest
      python analyze.py reports/claims-20260110-101500
      python analyze.py reports/latest --against reports/sample --fail-on 'latency_p99_ms > +10%'
    """
    gates = [Gate.parse(text) for text in fail_on]
    baseline = analyse(RunFolder(against)).summary if against else None
    console, failed = Console(), False
    for path in runs:
        if (claims := ClaimsFolder(path)).exists():
            parts = explain_claims(claims)
            print_claims(claims, parts, console)
            failed = failed or any(part.row.trust is TrustStatus.INVALID for part in parts)
            continue
        folder = RunFolder(path)
        analysis = explain(folder)
        print_verdict(analysis, folder, console)
        problems = list(broken_gates(gates, analysis.summary, baseline))
        for problem in problems:
            console.print(f"gate broken: {problem}", highlight=False)
        failed = failed or bool(problems) or analysis.summary.trust.status is TrustStatus.INVALID
    if failed:
        sys.exit(3)
