"""Whether the measuring phase was one state, and long enough to stand for more than itself."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from edgebench.analysis.planned import is_disturbed
from edgebench.analysis.results import TrialResult
from edgebench.analysis.tables import NS_PER_S, Floats
from edgebench.analysis.trust import DRIFT_ERRORS, DRIFT_LATENCY, DRIFT_POINTS, Doubt
from edgebench.analysis.wording import points, seconds
from edgebench.model import FEW_EXPIRIES, ReasonCode, TrialRecord

_LEAST_SECONDS = 6


def steadiness(trial: TrialResult) -> Iterator[Doubt]:
    """Drift within the measuring phase, a warm-up that ran into its cap, a measuring phase shorter than the TTL."""
    record, cell = trial.record, trial.record.trial.cell
    whole = _whole_seconds(trial.timeline, record)
    if not is_disturbed(record):  # faults and crowds are meant to change things
        yield from _drifted(cell.id, whole["hit_ratio"], "hit ratio", DRIFT_POINTS, relative=False)
        yield from _drifted(cell.id, whole["latency_p50_ms"], "median latency", DRIFT_LATENCY, relative=True)
    text = (
        f"the warm-up ended on its cap of {seconds(cell.load.warm_up_s)}, not because the hit ratio was steady and one "
        "TTL had passed. Raise warm_up_s."
    )
    yield Doubt(ReasonCode.NOT_STEADY, cell.id, float(record.warm_up_end == "cap"), text)
    ttl_s, window_s = cell.freshness.ttl_s or 0, (record.measure_end_ns - record.measure_start_ns) / NS_PER_S
    text = (
        f"a TTL of {ttl_s} s was measured for {seconds(round(window_s, 1))}: popular keys did not expire in that time, "
        "so the hit ratio is that of a cache lately filled, not of the long run. Raise measure_s to at least the TTL."
    )
    # The length of the phase is what was asked for, give or take some milliseconds.
    multiple = ttl_s / round(window_s, 1) if record.tier.kind != "direct" and window_s >= 0.05 else 0.0
    if cell.load.most_expiries(ttl_s) <= FEW_EXPIRIES:
        multiple = 0.0  # in the long run, too, next to nothing would be asked for after it has expired
    yield Doubt(ReasonCode.WINDOW_BELOW_TTL, cell.id, multiple, text)


def _whole_seconds(timeline: pd.DataFrame, record: TrialRecord) -> pd.DataFrame:
    """The bins of the timeline that lie in the measuring phase from end to end."""
    after = timeline["at_s"] * NS_PER_S >= record.measure_start_ns
    return timeline[after & ((timeline["at_s"] + 1) * NS_PER_S <= record.measure_end_ns)]


def _drifted(cell: str, values: pd.Series, what: str, least: float, *, relative: bool) -> Iterator[Doubt]:
    halves = drift(values.to_numpy(dtype=np.float64))
    if halves is None:
        return
    first, second, error = halves
    change = second - first
    drifted = abs(change) > DRIFT_ERRORS * error
    if relative:
        change = change / first if first > 0 else 0.0
    by, limit = (
        (f"{100 * change:+.0f} %", f"{100 * least:g} %") if relative else (points(change), f"{100 * least:g} points")
    )
    text = (
        f"the {what} changed by {by.replace('-', '−')} from the first to the second half of the measuring phase (limit "
        f"{limit} and {DRIFT_ERRORS:g} standard errors). Raise warm_up_s."
    )
    yield Doubt(ReasonCode.NOT_STEADY, cell, 1 + abs(change) if drifted and abs(change) > least else 0.0, text)


def drift(values: Floats) -> tuple[float, float, float] | None:
    """Means of the first and second half, and the standard error of their difference: √(s₁²/n₁ + s₂²/n₂).

    values: one per second, NaN where there is none. Seconds, not samples: hits of one key come and go together, and
    so a binomial error would be too small. None with fewer than 6 values.
    """
    known = values[np.isfinite(values)]
    if len(known) < _LEAST_SECONDS:
        return None
    first, second = known[: len(known) // 2], known[len(known) // 2 :]
    error = math.sqrt(first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second))
    return float(first.mean()), float(second.mean()), error
