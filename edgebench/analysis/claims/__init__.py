"""What is said of CDNs, put to the test: one module per claim, found by the name a scenario gives in `claim`.

A claim's module has one function, `judge(evidence) -> Judged`. It reads what was measured and concludes; a chart module
of the same name in `report.charts.claims` draws what it hands over. It never raises for want of data: what cannot be
judged is NOT_TESTABLE, and says why.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from edgebench.analysis.results import CellResult, Judged
from edgebench.model import RunRecord
from edgebench.store import RunFolder

__all__ = ["Evidence", "Judged", "judge_of"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a claim is judged by."""

    run: RunRecord
    cells: tuple[CellResult, ...]
    """In the order of the report; without trials where none was good."""
    baseline: str
    """Id of the baseline's first cell; empty: it was not measured."""
    folder: RunFolder
    """For what the results do not hold: ledger, cache's log, browser's page loads."""

    def of(
        self,
        *,
        tier: str | None = None,
        network: str | None = None,
        variant: str | None = None,
        direct: bool | None = None,
    ) -> list[CellResult]:
        """The cells with trials that match what is given. `direct`: whether no cache stood before the origin."""
        kinds = {spec.name: spec.kind for spec in self.run.scenario.tiers}
        return [
            cell
            for cell in self.cells
            if cell.trials
            and tier in (None, cell.summary.tier)
            and network in (None, cell.summary.network)
            and variant in (None, cell.summary.variant)
            and direct in (None, kinds.get(cell.summary.tier, cell.summary.tier) == "direct")
        ]


def judge_of(name: str) -> Callable[[Evidence], Judged] | None:
    """The judge of a claim; None: there is no claim of this name."""
    module = f"{__name__}.{name}"
    if not name.isidentifier() or importlib.util.find_spec(module) is None:
        return None
    judge: Callable[[Evidence], Judged] = importlib.import_module(module).judge
    return judge
