"""A claim's own figures: a frame with a row per trial in, estimates and a verdict out.

Such a frame has at least the columns tier, series, variant, network, ttl_s (NaN: none), repeat and cell. All intervals
come from its rows: the trial is the unit of inference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pandas as pd

from edgebench.analysis.claims import Evidence
from edgebench.analysis.estimates import LEAST_TRIALS, of_values, paired_ratio
from edgebench.analysis.results import CellResult, Judged, TrialResult
from edgebench.analysis.tables import NS_PER_S
from edgebench.analysis.wording import listed
from edgebench.model import ClaimResult, ClaimVerdict, Estimate, TrustStatus


def place_of(cell: CellResult, trial: TrialResult) -> dict[str, Any]:
    """The columns that say which trial of which cell a row is of."""
    summary = cell.summary
    return {
        "cell": summary.id,
        "tier": summary.tier,
        "series": summary.series,
        "variant": summary.variant,
        "network": summary.network,
        "ttl_s": nan_of(summary.ttl_s),
        "repeat": trial.record.trial.repeat,
    }


def by_repeat(rows: pd.DataFrame, column: str) -> dict[int, float | None]:
    """One figure per repeat, for pairing; NaN becomes None."""
    known = zip(rows["repeat"].tolist(), rows[column].tolist(), strict=True)
    return {int(repeat): None if pd.isna(value) else float(value) for repeat, value in known}


def estimate_of(rows: pd.DataFrame, column: str, unit: str) -> Estimate:
    """The mean of one figure over the trials of a cell, with its t-interval."""
    return of_values(list(by_repeat(rows, column).values()), unit)


def ratio_of(over: pd.DataFrame, under: pd.DataFrame, column: str) -> Estimate:
    """How many times as great a figure is in one cell as in another, paired by repeat."""
    return paired_ratio(by_repeat(over, column), by_repeat(under, column))


def clipped(value: Estimate, low: float = 0.0, high: float = 1.0) -> Estimate:
    """The same with its interval cut at what is possible."""
    if value.low is None or value.high is None:
        return value
    return Estimate(value.value, max(value.low, low), min(value.high, high), value.n, value.unit)


def nan_of(value: float | None) -> float:
    """As a frame holds what is not known."""
    return math.nan if value is None else value


def columns_of(name: str, value: Estimate) -> dict[str, float]:
    """An estimate as a frame holds it: name, name_low and name_high."""
    return {name: nan_of(value.value), f"{name}_low": nan_of(value.low), f"{name}_high": nan_of(value.high)}


def cpu_s_per_1000(cores: float | None, trial: TrialResult, requests: int) -> float:
    """CPU seconds of a role for each 1,000 requests of the measuring phase, from the cores it used; NaN: not known."""
    seconds = (trial.record.measure_end_ns - trial.record.measure_start_ns) / NS_PER_S
    return 1000 * nan_of(cores) * seconds / requests


def at_least(value: Estimate, limit: float) -> bool | None:
    """Whether the whole interval is at or above the limit (True) or below it (False); None: neither, or there is no
    interval."""
    if value.low is None or value.high is None:
        return None
    return True if value.low >= limit else False if value.high < limit else None


def at_most(value: Estimate, limit: float) -> bool | None:
    """Whether the whole interval is at or below the limit (True) or above it (False); None: neither, or none."""
    if value.low is None or value.high is None:
        return None
    return True if value.high <= limit else False if value.low > limit else None


def verdict_of(answers: Iterable[bool | None]) -> ClaimVerdict:
    """All yes: it holds. All no: it does not hold here. Anything between: partly. Nothing asked: not testable."""
    known = list(answers)
    if not known:
        return ClaimVerdict.NOT_TESTABLE
    if all(answer is True for answer in known):
        return ClaimVerdict.HOLDS
    return ClaimVerdict.NOT_HERE if all(answer is False for answer in known) else ClaimVerdict.PARTLY


def bounded(estimates: Iterable[Estimate]) -> bool:
    """Whether there are estimates, and all have an interval."""
    known = list(estimates)
    return bool(known) and all(value.n >= LEAST_TRIALS and value.low is not None for value in known)


def not_testable(claim: str, why: str, tables: Mapping[str, pd.DataFrame] | None = None, doubtful: str = "") -> Judged:
    """What a judge says for want of data; `why` is a whole sentence. doubtful: what else limits it, such as caveats."""
    reason = sentences(f"{why[:1].upper()}{why[1:]}", doubtful)
    result = ClaimResult(claim, ClaimVerdict.NOT_TESTABLE, f"This could not be tested here: {why}", why=reason)
    return Judged(result, dict(tables or {}))


def caveats(evidence: Evidence, cells: Sequence[CellResult]) -> str:
    """What limits any verdict from these cells, in one sentence: caches that are missing, cells that are not VALID."""
    parts = []
    if evidence.run.left_out:
        parts.append(f"{listed(sorted(evidence.run.left_out))} could not be measured")
    for status in (TrustStatus.INVALID, TrustStatus.SUSPECT):
        ids = [cell.summary.id for cell in cells if cell.summary.trust is status]
        if ids:
            which = listed(ids) if len(ids) <= 3 else f"{len(ids)} of {len(cells)} cells"
            parts.append(f"{which} {'is' if len(ids) == 1 else 'are'} {status.value}")
    return f"{'; '.join(parts)}." if parts else ""


def sentences(*parts: str) -> str:
    """Those that say something, one after the other."""
    return " ".join(part for part in parts if part)


def frame_of(
    cells: Iterable[CellResult], figures: Callable[[CellResult, TrialResult], Mapping[str, Any] | None]
) -> pd.DataFrame:
    """A row per trial of the cells: its place, and what `figures` makes of it (None: it is left out)."""
    rows = []
    for cell in cells:
        for trial in cell.trials:
            found = figures(cell, trial)
            if found is not None:
                rows.append({**place_of(cell, trial), **found})
    return pd.DataFrame(rows)


def records(rows: pd.DataFrame) -> list[SimpleNamespace]:
    """The rows with their columns as attributes."""
    return [SimpleNamespace(**{str(name): value for name, value in row.items()}) for row in rows.to_dict("records")]
