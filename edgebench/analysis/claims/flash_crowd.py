"""`Survives spikes without straining Flask`: a step in the arrivals, alone and behind caches, cold and warm.

The crowd is every arrival due while the step is on. Of each cell, over its trials (mean and t-interval):
- in time: share of the crowd answered well, and within IN_TIME_MS of when it was due
- reached: requests that came to the origin in the step, for each of the crowd's
- at once: the most requests the origin worked on at one time in the step (its threads bound it)
- p99 of the crowd's latency, and of that of the arrivals before; errors
- recovered: from the beginning of the step to the last slow arrival of the last RUN successive ones in which more than
  one in a hundred was slow or failed; slow is more than BOUND_MS above the p99 before. 0 where there was none; not
  known (NaN) where the window ends before it is over.

Verdict, by intervals: a cache *carries* the crowd if the whole interval of `in time` is at or above CARRIED, and
*spares* Flask if the whole interval of `reached` is at or below SPARED. It holds if every cache does both, cold and
warm; partly if some do; it does not hold here if none does. Not testable without a cache, below three trials, or
where Flask alone carried the crowd in any of them (CARRIED in time: the step was too small for it).

Tables: `trials` (a row per trial: the figures above) and `timeline` (a row per trial and bin: at_s, p99_ms, in_time,
at_once).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from edgebench.analysis.binned import edges_s, last_trouble, middles, most_under_way, percentile_by_bin, share_by_bin
from edgebench.analysis.claimed import CLAIMED
from edgebench.analysis.claims import Evidence
from edgebench.analysis.percentiles import NS_PER_MS
from edgebench.analysis.results import CellResult, Judged, TrialResult
from edgebench.analysis.tables import NS_PER_S, Bools, Floats, nanoseconds, read_ledger
from edgebench.analysis.weighing import (
    at_least,
    at_most,
    bounded,
    caveats,
    clipped,
    estimate_of,
    frame_of,
    not_testable,
    place_of,
    sentences,
    verdict_of,
)
from edgebench.analysis.wording import count, digits, listed, milliseconds, percent
from edgebench.model import ClaimResult, Estimate, Load, Outcome, TrialRecord, TrustStatus

CLAIM = CLAIMED["flash_crowd"]
IN_TIME_MS = 1000.0
CARRIED = 0.99
SPARED = 0.10
BOUND_MS = 100.0
RUN = 100
_BIN_S = 0.25
_LEAST = 15
"""Arrivals a bin needs for a p99 (then its slowest one) and a share: a chart's line, not a claim."""


def judge(evidence: Evidence) -> Judged:
    """Measure every cell with a step in its arrivals, and judge those that are not INVALID."""
    cells = [cell for cell in evidence.of() if cell.trials[0].record.trial.cell.load.has_step]
    if not cells:
        return not_testable(CLAIM, "no trial has a step in its arrivals.")
    trials, timeline = _tables(evidence, cells)
    direct = {cell.summary.id for cell in evidence.of(direct=True)}
    wrong = {cell.summary.id for cell in cells if cell.summary.trust is TrustStatus.INVALID}
    load = cells[0].trials[0].record.trial.cell.load
    judged = conclude(trials[~trials["cell"].isin(wrong)], direct, load, caveats(evidence, cells))
    result = replace(judged.result, numbers=_numbers(trials))
    facts = {"step": (load.step.at_s, load.step.end_s), "factor": load.step_factor, "direct": direct}
    return Judged(result, {"trials": trials, "timeline": timeline}, facts)


def _tables(evidence: Evidence, cells: list[CellResult]) -> tuple[pd.DataFrame, pd.DataFrame]:
    lines: list[pd.DataFrame] = []

    def figures(cell: CellResult, trial: TrialResult) -> Mapping[str, Any]:
        crowd = Crowd.of(trial.record, trial.samples, read_ledger(evidence.folder.trial(trial.record.trial)))
        lines.append(crowd.timeline().assign(**place_of(cell, trial)))
        return crowd.figures()

    trials = frame_of(cells, figures)
    return trials, pd.concat(lines, ignore_index=True) if lines else pd.DataFrame()


class Crowd:
    """One trial's arrivals and origin requests, in seconds since the measurement began."""

    def __init__(self, load: Load, due_s: Floats, latency_ms: Floats, good: Bools, origin_s: tuple[Floats, Floats]):
        """Arrivals by their due times; origin_s: begins and ends. The step lies within 0 .. load.measure_s."""
        self.step, self.end_s = load.step, load.measure_s
        self.due_s, self.latency_ms, self.good, self.origin_s = due_s, latency_ms, good, origin_s
        self.before = (due_s >= 0) & (due_s < self.step.at_s)
        self.crowd = (due_s >= self.step.at_s) & (due_s < self.step.end_s)
        self.in_time = good & (latency_ms <= IN_TIME_MS)

    @classmethod
    def of(cls, record: TrialRecord, samples: pd.DataFrame, ledger: pd.DataFrame) -> Crowd:
        """samples: as TrialResult has them."""
        since = record.measure_start_ns
        samples = samples.sort_values("scheduled_ns", kind="stable")
        return cls(
            record.trial.cell.load,
            (nanoseconds(samples, "scheduled_ns") - since) / NS_PER_S,
            nanoseconds(samples, "latency_ns") / NS_PER_MS,
            (samples["outcome"] != Outcome.ERROR.value).to_numpy(dtype=bool),
            tuple((nanoseconds(ledger, name) - since) / NS_PER_S for name in ("start_ns", "end_ns")),  # type: ignore[arg-type]
        )

    def figures(self) -> dict[str, float]:
        """The trial's figures, as the module's docstring has them."""
        many = max(int(self.crowd.sum()), 1)
        start_s, _ = self.origin_s
        reached = (start_s >= self.step.at_s) & (start_s < self.step.end_s)
        edges = np.array([self.step.at_s, self.step.end_s])
        return {
            "crowd": float(self.crowd.sum()),
            "in_time": float(self.in_time[self.crowd].sum() / many),
            "errors": float((~self.good[self.crowd]).sum() / many),
            "before_p99_ms": _p99(self.latency_ms[self.before & self.good]),
            "crowd_p99_ms": _p99(self.latency_ms[self.crowd & self.good]),
            "crowd_max_ms": float(self.latency_ms[self.crowd & self.good].max(initial=0.0)),
            "reached": float(reached.sum() / many),
            "reached_count": float(reached.sum()),
            "at_once": float(most_under_way(*self.origin_s, edges)[0]),
            "recovered_s": self.recovered_s(),
        }

    def recovered_s(self) -> float:
        """Since the step began; NaN where there is no level before, or it is not over at the end of the window."""
        level_ms = _p99(self.latency_ms[self.before & self.good])
        since = np.flatnonzero((self.due_s >= self.step.at_s) & (self.due_s < self.end_s))
        if not np.isfinite(level_ms) or len(since) < RUN:
            return float("nan")
        slow = ~self.good[since] | (self.latency_ms[since] > level_ms + BOUND_MS)
        last_s = last_trouble(self.due_s[since], slow, RUN, RUN // 100)
        return float("nan") if last_s == np.inf else max(last_s - self.step.at_s, 0.0)

    def timeline(self) -> pd.DataFrame:
        """A row per bin of the measurement: at_s (its middle), p99_ms, in_time, at_once."""
        edges = edges_s(0.0, self.end_s, _BIN_S)
        good = self.good
        return pd.DataFrame(
            {
                "at_s": middles(edges),
                "p99_ms": percentile_by_bin(self.due_s[good], self.latency_ms[good], edges, 0.99, _LEAST),
                "in_time": share_by_bin(self.due_s, self.in_time, edges, _LEAST),
                "at_once": most_under_way(*self.origin_s, edges),
            }
        )


def _p99(values_ms: Floats) -> float:
    """Nearest rank; NaN of none."""
    ordered = np.sort(values_ms)
    return float(ordered[int(np.ceil(0.99 * len(ordered))) - 1]) if len(ordered) else float("nan")


def conclude(trials: pd.DataFrame, direct: set[str], load: Load, doubtful: str = "") -> Judged:
    """The verdict from the table `trials`. direct: ids of cells without a cache. doubtful: what limits it."""
    alone = trials[trials["cell"].isin(direct)]
    cached = {str(cell): rows for cell, rows in trials[~trials["cell"].isin(direct)].groupby("cell", sort=False)}
    if alone.empty or not cached:
        return not_testable(CLAIM, "it takes trials without and with a cache that are not INVALID.", doubtful=doubtful)
    by_itself = clipped(estimate_of(alone, "in_time", "ratio"))
    in_time = {cell: clipped(estimate_of(rows, "in_time", "ratio")) for cell, rows in cached.items()}
    reached = {cell: clipped(estimate_of(rows, "reached", "ratio"), high=np.inf) for cell, rows in cached.items()}
    if not bounded([by_itself, *in_time.values()]):
        return not_testable(CLAIM, "intervals need three trials of each cell.", doubtful=doubtful)
    if (alone["in_time"] >= CARRIED).any():
        why = (
            f"Flask alone answered {percent(by_itself.value or 0)} of the crowd within {_limit_s()}: "
            f"{digits(load.peak_rps)} requests/s were not too much for it in every trial. Raise step_factor or step_s."
        )
        return not_testable(CLAIM, why)
    passed = {cell: _both(at_least(in_time[cell], CARRIED), at_most(reached[cell], SPARED)) for cell in cached}
    worst = min(cached, key=lambda cell: (in_time[cell].low or 0.0, -(reached[cell].value or 0.0)))
    result = ClaimResult(
        CLAIM,
        verdict_of(passed.values()),
        sentences(_alone_text(alone, by_itself, load), _cached_text(cached, in_time), _slowest(cached)),
        figure_name=f"crowd answered well within {_limit_s()}, {_series(cached[worst])}"
        + (" (the least of all caches)" if len(cached) > 1 else ""),
        figure=in_time[worst],
        why=sentences(_failing(cached, passed, in_time, reached), doubtful),
    )
    return Judged(result)


def _limit_s() -> str:
    return f"{IN_TIME_MS / 1000:g} s"


def _both(*answers: bool | None) -> bool | None:
    return False if False in answers else None if None in answers else True


def _series(rows: pd.DataFrame) -> str:
    """`nginx cold`."""
    return str(rows["series"].iloc[0]).replace(", ", " ")


def _alone_text(alone: pd.DataFrame, in_time: Estimate, load: Load) -> str:
    back, watched_s = alone["recovered_s"], load.measure_s - load.step.at_s
    until = (
        f"was back to its usual latency {float(back.mean()):.1f} s after it came"
        if back.notna().all()
        else f"was not back to its usual latency when measuring ended, {watched_s:g} s after it came"
    )
    return (
        f"When {load.step_factor:g} times the usual {digits(load.rate_rps)} requests/s came for {load.step_s:g} s, "
        f"Flask alone answered {percent(in_time.value or 0)} of them well within {_limit_s()} (95 % CI "
        f"{_span(in_time)}), and {until}."
    )


def _span(value: Estimate) -> str:
    return f"{100 * (value.low or 0):.1f}–{100 * (value.high or 0):.1f}"


def _cached_text(cached: Mapping[str, pd.DataFrame], in_time: Mapping[str, Estimate]) -> str:
    """What all caches had in common: the least of the shares, the most of the requests that came through."""
    lowest = min(cached, key=lambda cell: in_time[cell].value or 0.0)
    most = max(cached.values(), key=lambda rows: float(rows["reached"].mean()))
    names = listed(list(dict.fromkeys(_series(rows) for rows in cached.values())))
    share = in_time[lowest].value or 0.0
    least = "all" if share == 1 else f"at least {percent(share)}"
    return (
        f"Behind a cache ({names}) {least} were, and at most {most['reached_count'].mean():,.0f} of "
        f"{most['crowd'].mean():,.0f} requests reached Flask ({_series(most)}), no more than "
        f"{count(max(float(rows['at_once'].max()) for rows in cached.values()), 'request')} at once."
    )


def _slowest(cached: Mapping[str, pd.DataFrame]) -> str:
    """Whose crowd waited longest, where that can be felt."""
    slowest = max(cached.values(), key=lambda rows: float(rows["crowd_max_ms"].mean()))
    wait_ms = float(slowest["crowd_max_ms"].mean())
    if wait_ms <= BOUND_MS:
        return ""
    return f"With {_series(slowest)} the longest wait was {milliseconds(wait_ms)}."


def _failing(
    cached: Mapping[str, pd.DataFrame],
    passed: Mapping[str, bool | None],
    in_time: Mapping[str, Estimate],
    reached: Mapping[str, Estimate],
) -> str:
    parts = []
    for cell, rows in cached.items():
        if passed[cell] is True:
            continue
        if at_least(in_time[cell], CARRIED) is not True:
            parts.append(
                f"{_series(rows)} answered {percent(in_time[cell].value or 0)} in time ({_span(in_time[cell])})"
            )
        if at_most(reached[cell], SPARED) is not True:
            share = percent(reached[cell].value or 0)
            parts.append(f"{_series(rows)} let {share} of the crowd through to Flask ({_span(reached[cell])})")
    limits = f"limits: {percent(CARRIED)} in time, {percent(SPARED)} let through"
    return f"{listed(parts)} ({limits})." if parts else ""


def _numbers(trials: pd.DataFrame) -> dict[str, float | None]:
    numbers: dict[str, float | None] = {}
    names = ("in_time", "errors", "reached", "at_once", "before_p99_ms", "crowd_p99_ms", "crowd_max_ms", "recovered_s")
    for cell, rows in trials.groupby("cell", sort=False):
        for name in names:
            known = rows[name].notna().all()
            numbers[f"{name}.{cell}"] = float(rows[name].mean()) if known else None
    return numbers
