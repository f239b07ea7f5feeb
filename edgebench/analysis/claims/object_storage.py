"""`Serve static files from object storage behind the CDN`: what that takes off the app, and what it does to the files.

Variants whose tier has a bucket take what lies under /static from it, all else from the app; each is compared with the
variant of the same environment without one, of the same cache, network and TTL, paired by repeat. The bucket stamps
nothing: its own log says what it was asked, and its rows stand in the ledger beside the app's. Of a bucket by URL there
is no log: what it was asked is what the cache's headers say.

Per 1,000 client requests of the measuring phase: what reached app and bucket (rows that started in it), the kB they
sent, the CPU seconds of app, bucket and cache (their processes, once a second, in ticks of 10 ms). Of a static file:
median latency, and its mean bytes as the client got them.

Two questions for each pair; thresholds are on whole intervals (95 %, from trials):
- load: the bucket takes work off the app (requests at the app, with it over without, ≤ LESS)
- time: static files do not come much later for it (ratio of median latencies ≤ SLOWER)
All yes: holds. All no: does not hold here. Anything else: holds partly.
The figure is the smallest ratio of requests at the app.

Tables. `trials`, a row per trial: bucket, set_up (what a pair has in common), requests, and per 1,000 requests
app_requests, app_static, bucket_requests, app_kb, bucket_kb, app_cpu_s, bucket_cpu_s, tier_cpu_s; static_ms, static_kb,
static_share. `cells`: their means and intervals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from edgebench.analysis.claimed import CLAIMED
from edgebench.analysis.claims import Evidence
from edgebench.analysis.metrics import cores_used, measuring
from edgebench.analysis.percentiles import NS_PER_MS
from edgebench.analysis.results import CellResult, Judged, TrialResult
from edgebench.analysis.tables import nanoseconds, read_ledger
from edgebench.analysis.weighing import (
    at_most,
    bounded,
    caveats,
    columns_of,
    cpu_s_per_1000,
    estimate_of,
    frame_of,
    not_testable,
    ratio_of,
    records,
    sentences,
    verdict_of,
)
from edgebench.analysis.wording import digits, interval, listed, milliseconds, percent, times
from edgebench.model import Cell, ClaimResult, ClaimVerdict, Outcome
from edgebench.store import BUCKET_WORKER

CLAIM = CLAIMED["object_storage"]
LESS = 0.9
"""Requests that reach the app with the bucket, over those without it."""
SLOWER = 1.25
PREFIX = "/static/"
PER_1000 = (
    "app_requests", "app_static", "bucket_requests", "app_kb", "bucket_kb", "app_cpu_s", "bucket_cpu_s", "tier_cpu_s",
)  # fmt: skip
STATIC = ("static_ms", "static_kb", "static_share")


def judge(evidence: Evidence) -> Judged:
    """Every cell with a bucket against the one without."""
    cells = evidence.of()
    planned = {cell.id: cell for cell in evidence.run.cells}
    trials = frame_of(cells, lambda cell, trial: _figures(evidence, planned, cell, trial))
    return conclude(trials, caveats(evidence, cells))


def _figures(
    evidence: Evidence, planned: Mapping[str, Cell], cell: CellResult, trial: TrialResult
) -> dict[str, Any] | None:
    """One trial's; None where it asked for no static file, or there is no ledger."""
    record, samples = trial.record, trial.samples
    now = samples[measuring(samples)]
    static = now["endpoint"].astype("string").str.startswith(PREFIX).to_numpy(dtype=bool)
    static &= (now["outcome"] != Outcome.ERROR.value).to_numpy(dtype=bool)
    ledger = read_ledger(evidence.folder.trial(record.trial))
    if not static.any() or ledger.empty:
        return None
    start = nanoseconds(ledger, "start_ns")
    rows = ledger[(start >= record.measure_start_ns) & (start < record.measure_end_ns)]
    stored = (rows["worker"] == BUCKET_WORKER).to_numpy(dtype=bool)
    path_static = rows["path"].astype("string").str.startswith(PREFIX).to_numpy(dtype=bool)
    thousands = len(now) / 1000
    cpu = {
        f"{name}_cpu_s": cpu_s_per_1000(cores_used(trial.processes, role, record), trial, len(now))
        for name, role in (("app", "origin"), ("bucket", "bucket"), ("tier", "tier"))
    }
    spec = planned.get(cell.summary.id)
    elsewhere = spec is not None and spec.tier.bucket_url is not None
    asked = now["outcome"].isin([Outcome.ORIGIN.value, Outcome.REVALIDATED.value]).to_numpy(dtype=bool)
    fetched = float((static & asked).sum() if elsewhere else stored.sum())
    return {
        "bucket": bool(spec and spec.tier.bucket),
        "set_up": repr(sorted(spec.env.items())) if spec else "",
        "direct": bool(spec and spec.tier.kind == "direct"),
        "requests": len(now),
        "app_requests": float((~stored).sum()) / thousands,
        "app_static": float((~stored & path_static).sum()) / thousands,
        "bucket_requests": fetched / thousands,
        "app_kb": float(rows["bytes"][~stored].sum()) / 1000 / thousands,
        "bucket_kb": float("nan") if elsewhere else float(rows["bytes"][stored].sum()) / 1000 / thousands,
        **cpu,
        "static_ms": float(np.median(nanoseconds(now[static], "latency_ns"))) / NS_PER_MS,
        "static_kb": float(now["bytes"][static].mean()) / 1000,
        "static_share": float(static.mean()),
    }


def conclude(trials: pd.DataFrame, doubtful: str = "") -> Judged:
    """The verdict from the table `trials`. doubtful: a sentence on what limits it."""
    pairs = _pairs(trials) if len(trials) else []
    tables = {"trials": trials, "cells": _means(trials)}
    if not pairs:
        why = "there is no trial with a bucket and one without that are alike in everything else."
        return not_testable(CLAIM, why, tables)
    if not bounded([ratio for pair in pairs for ratio in (pair.load, pair.time)]):
        judged = not_testable(CLAIM, "an interval needs three trials of each cell; raise repeats.", tables)
        return replace(judged, result=replace(judged.result, numbers=_numbers(pairs, tables["cells"])))
    answers = [answer for pair in pairs for answer in (at_most(pair.load, LESS), at_most(pair.time, SLOWER))]
    verdict = verdict_of(answers)
    best = min(pairs, key=lambda pair: pair.load.value or 0.0)
    result = ClaimResult(
        CLAIM, verdict, sentences(*(_pair_text(pair) for pair in pairs[:3]), _direct_text(trials), _bytes_text(pairs)),
        figure_name=f"requests at the app, {best.name} over {best.other}", figure=best.load,
        why=sentences(_why(verdict, pairs), doubtful), numbers=_numbers(pairs, tables["cells"]),
    )  # fmt: skip
    return Judged(result, tables, {"pairs": [(pair.id, pair.other_id) for pair in pairs]})


def _pairs(trials: pd.DataFrame) -> list[SimpleNamespace]:
    """Each cell with a bucket beside its like without, the greatest effect first."""
    pairs = []
    for cell, rows in trials[trials["bucket"]].groupby("cell", sort=False):
        first = rows.iloc[0]
        like = trials[~trials["bucket"]]
        for name in ("tier", "network", "set_up"):
            like = like[like[name] == first[name]]
        like = like[(like["ttl_s"] == first["ttl_s"]) | (like["ttl_s"].isna() & pd.isna(first["ttl_s"]))]
        if len(like):
            pairs.append(_pair(str(cell), rows, like))
    return sorted(pairs, key=lambda pair: pair.load.value or 0.0)


def _pair(cell: str, rows: pd.DataFrame, like: pd.DataFrame) -> SimpleNamespace:
    def mean(frame: pd.DataFrame, column: str) -> float:
        return float(frame[column].mean())

    return SimpleNamespace(
        id=cell,
        other_id=str(like["cell"].iloc[0]),
        name=str(rows["series"].iloc[0]),
        other=str(like["series"].iloc[0]),
        load=ratio_of(rows, like, "app_requests"),
        cpu=ratio_of(rows, like, "app_cpu_s"),
        time=ratio_of(rows, like, "static_ms"),
        size=ratio_of(rows, like, "static_kb"),
        here=mean(rows, "app_requests"),
        there=mean(like, "app_requests"),
        static_there=mean(like, "app_static"),
        taken=mean(rows, "bucket_requests"),
        here_ms=mean(rows, "static_ms"),
        there_ms=mean(like, "static_ms"),
    )


def _means(trials: pd.DataFrame) -> pd.DataFrame:
    """A row per cell in the order of the trials."""
    rows = []
    for cell, mine in trials.groupby("cell", sort=False) if len(trials) else ():
        row: dict[str, Any] = {"cell": cell, "trials": len(mine)}
        row |= {name: mine[name].iloc[0] for name in ("tier", "series", "ttl_s", "bucket", "direct")}
        for name in (*PER_1000, *STATIC):
            row |= columns_of(name, estimate_of(mine, name, ""))
        rows.append(row)
    return pd.DataFrame(rows)


def _pair_text(pair: SimpleNamespace) -> str:
    if at_most(pair.load, LESS) is not True:
        return f"{pair.name} against {pair.other} left the app {interval(pair.load)} of its requests."
    cpu = f", its CPU time {interval(pair.cpu)}" if pair.cpu.value is not None else ""
    return (
        f"Of 1,000 requests {digits(pair.here)} reached the app with {pair.name}, {digits(pair.there)} with "
        f"{pair.other} ({interval(pair.load)}{cpu}); a static file took {milliseconds(pair.here_ms)} instead of "
        f"{milliseconds(pair.there_ms)}."
    )


def _direct_text(trials: pd.DataFrame) -> str:
    direct = trials[trials["direct"]]
    if direct.empty:
        return ""
    share = float(direct["static_share"].mean())
    return (
        f"Without a cache the app answers all of them, {percent(share)} for static files, in "
        f"{milliseconds(float(direct['static_ms'].mean()))} each."
    )


def _bytes_text(pairs: list[SimpleNamespace]) -> str:
    most = max(pairs, key=lambda pair: pair.size.value or 0.0)
    if most.size.low is None or most.size.low <= 1.02:
        return ""
    return (
        f"The bucket sends files plain, as they were put into it, and the app compresses: {times(most.size.value)} the "
        "bytes per static file."
    )


def _why(verdict: ClaimVerdict, pairs: list[SimpleNamespace]) -> str:
    if verdict is ClaimVerdict.HOLDS:
        return ""
    idle = [pair for pair in pairs if at_most(pair.load, LESS) is not True]
    slow = [pair.name for pair in pairs if at_most(pair.time, SLOWER) is not True]
    parts = []
    if idle:
        asked = max(pair.static_there for pair in idle)
        parts.append(
            f"With {listed([pair.name for pair in idle])} there was little left to take: the cache itself keeps the "
            f"files, and asked the app for {digits(asked)} of them in 1,000 requests."
        )
    if slow:
        parts.append(f"Static files of {listed(slow)} may have come more than {SLOWER:g}× as late as the app’s.")
    return sentences(*parts)


def _numbers(pairs: list[SimpleNamespace], cells: pd.DataFrame) -> dict[str, float | None]:
    numbers: dict[str, float | None] = {}
    for pair in pairs:
        numbers |= {
            f"load_ratio.{pair.id}": pair.load.value,
            f"cpu_ratio.{pair.id}": pair.cpu.value,
            f"time_ratio.{pair.id}": pair.time.value,
            f"size_ratio.{pair.id}": pair.size.value,
        }
    for row in records(cells):
        for name in (*PER_1000, *STATIC):
            value = getattr(row, name)
            numbers[f"{name}.{row.cell}"] = None if pd.isna(value) else float(value)
    return numbers
