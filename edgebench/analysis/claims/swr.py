"""`Stale-while-revalidate hides the refresh`: who waits while an answer that has expired is fetched anew.

A refresh is a stretch of time in which the origin worked on a key that had been answered before (fetches of one key
that overlap are one refresh). Of each trial:
- around_p99_ms: p99 latency of the requests for a key sent while it was refreshed, or up to refreshes.LEAD_MS before,
  as is the one that causes the refresh; beyond_p99_ms: that of all other requests
- next_ms, others_ms: where the request that set a refresh off (the last for its key sent before it) was answered before
  the refresh was over, the *next* is the one sent on its connection while the refresh still ran. Medians of its service
  time, and of that of what was sent meanwhile on all other connections and answered from store
- held: share of the nexts that took at least half of what was left of the refresh (of those with LEFT_MS left or more)

Verdict, by intervals over the trials: a cache *hides* refreshes if around_p99 without stale-while-revalidate is HIDES
times that with it or more (paired by repeat; the most connections count), and that with it is WAIT times as long as a
refresh at most, each by the whole interval: one that only keeps others from waiting hides nothing. It does so *at
nobody's cost* if the whole interval of `held` is at or below FREE in every cell with nexts enough. It holds if every
cache does both; partly if some do, or at a cost; it does not hold here if no cache hides. Not testable without cells
with and without it, below three trials, or where nothing expired.

Tables: `trials` (a row per trial) and `aligned` (a row per trial and bin: at_ms since a refresh began, p99_ms).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from edgebench.analysis.binned import edges_s, middles, percentile_by_bin
from edgebench.analysis.claimed import CLAIMED
from edgebench.analysis.claims import Evidence
from edgebench.analysis.percentiles import NS_PER_MS
from edgebench.analysis.refreshes import Refreshes
from edgebench.analysis.results import CellResult, Judged, TrialResult
from edgebench.analysis.tables import Floats, nanoseconds, read_ledger
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
    ratio_of,
    sentences,
    verdict_of,
)
from edgebench.analysis.wording import interval, listed, milliseconds, percent
from edgebench.model import ClaimResult, ClaimVerdict, Estimate, Outcome, Phase, TrustStatus

CLAIM = CLAIMED["swr"]
HIDES = 5.0
WAIT = 0.5
FREE = 0.05
LEFT_MS = 10.0
LEAST_NEXTS = 10
"""Nexts a trial needs for its `held`."""
_WIDE_MS = 10.0
_SPAN_MS = (-50.0, 200.0)
_LEAST = 5


def judge(evidence: Evidence) -> Judged:
    """Measure every cached cell, and judge those that are not INVALID."""
    cells = evidence.of(direct=False)
    trials, aligned = _tables(evidence, cells)
    if trials.empty:
        return not_testable(CLAIM, "no cache was measured, or nothing expired while it was.")
    wrong = {cell.summary.id for cell in cells if cell.summary.trust is TrustStatus.INVALID}
    judged = conclude(trials[~trials["cell"].isin(wrong)], caveats(evidence, cells))
    kinds = {spec.name: spec.kind for spec in evidence.run.scenario.tiers}
    facts = {"kinds": kinds, "refresh_ms": float(trials["refresh_ms"].median())}
    return Judged(replace(judged.result, numbers=_numbers(trials)), {"trials": trials, "aligned": aligned}, facts)


def _tables(evidence: Evidence, cells: list[CellResult]) -> tuple[pd.DataFrame, pd.DataFrame]:
    lines: list[pd.DataFrame] = []

    def figures(cell: CellResult, trial: TrialResult) -> Mapping[str, Any] | None:
        ledger = read_ledger(evidence.folder.trial(trial.record.trial))
        measuring = trial.samples[(trial.samples["phase"] == Phase.MEASURE.value).to_numpy(dtype=bool)]
        samples = measuring[(measuring["outcome"] != Outcome.ERROR.value).to_numpy(dtype=bool)]
        refreshes = Refreshes.of(ledger, samples, trial.record.measure_start_ns, trial.record.measure_end_ns)
        if not len(refreshes.start_ns):
            return None
        about = {"may_be_stale": bool(_stale_ok(ledger)), "users": trial.record.trial.cell.load.users}
        lines.append(aligned_of(refreshes, samples).assign(**place_of(cell, trial), **about))
        return {**figures_of(refreshes, samples), **about}

    trials = frame_of(cells, figures)
    return trials, pd.concat(lines, ignore_index=True) if lines else pd.DataFrame()


def _stale_ok(ledger: pd.DataFrame) -> bool:
    """Whether the app let its answers be served past their TTL."""
    return bool((ledger["stale_ok_s"].fillna(0) > 0).any())


def figures_of(refreshes: Refreshes, samples: pd.DataFrame) -> dict[str, float]:
    """The figures of one trial, as the module's docstring has them. samples: good ones of the measuring phase."""
    latency_ms = nanoseconds(samples, "latency_ns") / NS_PER_MS
    service_ms = nanoseconds(samples, "service_ns") / NS_PER_MS
    around = np.isfinite(refreshes.since_ms)
    nexts = refreshes.nexts()
    waited = service_ms[nexts.sample] if len(nexts.sample) else np.zeros(0)
    enough = nexts.left_ms >= LEFT_MS
    others = service_ms[refreshes.beside(nexts)]
    refresh_ms = float(np.median((refreshes.end_ns - refreshes.start_ns) / NS_PER_MS))
    return {
        "refreshes": float(len(refreshes.start_ns)),
        "refresh_ms": refresh_ms,
        "around": float(around.sum()),
        "around_p99_ms": _percentile(latency_ms[around], 0.99),
        "wait": _percentile(latency_ms[around], 0.99) / refresh_ms,
        "beyond_p99_ms": _percentile(latency_ms[~around], 0.99),
        "all_p99_ms": _percentile(latency_ms, 0.99),
        "nexts": float(enough.sum()),
        "next_ms": _percentile(waited[enough], 0.5),
        "others_ms": _percentile(others, 0.5),
        "held": float((waited[enough] >= nexts.left_ms[enough] / 2).mean()) if enough.sum() >= LEAST_NEXTS else np.nan,
    }


def aligned_of(refreshes: Refreshes, samples: pd.DataFrame) -> pd.DataFrame:
    """p99 of the latency of requests for a key, by when they were sent since its refresh began: at_ms, p99_ms."""
    latency_ms = nanoseconds(samples, "latency_ns") / NS_PER_MS
    edges = edges_s(*_SPAN_MS, _WIDE_MS)
    since_ms = refreshes.nearest_ms(*_SPAN_MS)
    known = np.isfinite(since_ms)
    p99 = percentile_by_bin(since_ms[known], latency_ms[known], edges, 0.99, _LEAST)
    return pd.DataFrame({"at_s": middles(edges), "p99_ms": p99})


def _percentile(values: Floats, share: float) -> float:
    """Nearest rank; NaN of none."""
    ordered = np.sort(values)
    return float(ordered[max(int(np.ceil(share * len(ordered))), 1) - 1]) if len(ordered) else float("nan")


def conclude(trials: pd.DataFrame, doubtful: str = "") -> Judged:
    """The verdict from the table `trials`. doubtful: what limits it."""
    gains: dict[str, Estimate] = {}
    hidden: dict[str, bool | None] = {}
    held: dict[str, list[tuple[str, Estimate]]] = {}
    for tier, rows in trials.groupby("tier", sort=False):
        strict, stale = rows[~rows["may_be_stale"]], rows[rows["may_be_stale"]]
        if strict.empty or stale.empty:
            continue
        many = stale[stale["users"] == stale["users"].max()]
        gains[str(tier)] = ratio_of(strict, many, "around_p99_ms")
        hides = at_least(gains[str(tier)], HIDES), at_most(estimate_of(many, "wait", "ratio"), WAIT)
        hidden[str(tier)] = False if False in hides else None if None in hides else True
        known = stale[stale["held"].notna()]
        held[str(tier)] = [
            (connections_of(mine), clipped(estimate_of(mine, "held", "ratio")))
            for _, mine in known.groupby("cell", sort=False)
        ]
    if not gains:
        return not_testable(CLAIM, "it takes trials with and without it that are not INVALID.", doubtful=doubtful)
    if not bounded(gains.values()):
        return not_testable(CLAIM, "intervals need three trials of each cell.", doubtful=doubtful)
    best = max(gains, key=lambda tier: (hidden[tier] is True, gains[tier].value or 0.0))
    answers = {tier: _answer(hidden[tier], held[tier]) for tier in gains}
    result = ClaimResult(
        CLAIM,
        _verdict(hidden, answers),
        sentences(_gain_text(trials, gains), _cost_text(trials, held)),
        figure_name=f"p99 around expiries, without over with, {best}" + (" (the most)" if len(gains) > 1 else ""),
        figure=gains[best],
        why=sentences(_limits(gains, hidden, held), doubtful),
    )
    return Judged(result)


def _verdict(hidden: Mapping[str, bool | None], answers: Mapping[str, bool | None]) -> ClaimVerdict:
    nobody = True not in hidden.values() and False in hidden.values()
    return ClaimVerdict.NOT_HERE if nobody else verdict_of(answers.values())


def _answer(hides: bool | None, held: list[tuple[str, Estimate]]) -> bool | None:
    """Hidden, and at nobody's cost: True. Not hidden: False. Hidden at a cost, or not clear: None."""
    if hides is not True:
        return hides
    return True if all(at_most(share, FREE) is True for _, share in held) else None


def _gain_text(trials: pd.DataFrame, gains: Mapping[str, Estimate]) -> str:
    parts = []
    for tier in sorted(gains, key=lambda tier: -(gains[tier].value or 0.0)):
        rows = trials[trials["tier"] == tier]
        stale = rows[rows["may_be_stale"]]
        with_ms = stale.loc[stale["users"] == stale["users"].max(), "around_p99_ms"].mean()
        without_ms = rows.loc[~rows["may_be_stale"], "around_p99_ms"].mean()
        parts.append(f"{tier} {milliseconds(float(without_ms))} without it and {milliseconds(float(with_ms))} with it")
    return f"Of the requests for what was just being refreshed, the p99 was: {listed(parts)}."


def connections_of(rows: pd.DataFrame) -> str:
    """`nginx over 12 connections`: what the rows of a cell are called where connections matter."""
    return f"{rows['tier'].iloc[0]} over {int(rows['users'].iloc[0])} connections"


def _cost_text(trials: pd.DataFrame, held: Mapping[str, list[tuple[str, Estimate]]]) -> str:
    """What it cost those who came next on the same connection."""
    names = {connections_of(rows): rows for _, rows in trials[trials["may_be_stale"]].groupby("cell", sort=False)}
    parts = []
    for name, share in (each for tier in held.values() for each in tier):
        words = f"{percent(share.value or 0)} with {name}"
        if (share.value or 0) > FREE:
            waits = [milliseconds(float(names[name][column].mean())) for column in ("next_ms", "others_ms")]
            words += f" (median {waits[0]}, on other connections {waits[1]})"
        parts.append(words)
    if not parts:
        return ""
    return f"Of the next requests on a connection that had set a refresh off, so many waited for it: {listed(parts)}."


def _limits(
    gains: Mapping[str, Estimate],
    hidden: Mapping[str, bool | None],
    held: Mapping[str, list[tuple[str, Estimate]]],
) -> str:
    shown = [f"{tier} ({interval(gains[tier])})" for tier, answer in hidden.items() if answer is not True]
    costs = [name for of in held.values() for name, share in of if at_most(share, FREE) is not True]
    return sentences(
        f"Not shown to hide it (a p99 {HIDES:g} times smaller, and {WAIT:g} of a refresh at most): {listed(shown)}."
        if shown
        else "",
        f"Whoever comes next on the same connection waits for the refresh: {listed(costs)}." if costs else "",
    )


def _numbers(trials: pd.DataFrame) -> dict[str, float | None]:
    numbers: dict[str, float | None] = {}
    for cell, rows in trials.groupby("cell", sort=False):
        for name in ("refreshes", "around_p99_ms", "beyond_p99_ms", "all_p99_ms", "next_ms", "others_ms", "held"):
            numbers[f"{name}.{cell}"] = float(rows[name].mean()) if rows[name].notna().all() else None
    return numbers
