"""What the analysis hands to the report: the summary, and the data its charts are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from edgebench.model import CellSummary, Summary, TrialRecord


@dataclass(frozen=True, slots=True)
class TrialResult:
    """One trial, joined and measured. Metrics cover the measuring phase only; None: not enough data."""

    record: TrialRecord
    metrics: Mapping[str, float | None]
    """Names and units as in summary.json."""
    samples: pd.DataFrame
    """store.SAMPLES of both phases plus: outcome (model.Outcome), cacheable (bool), latency_ns (from schedule, without
    the generator's own lag), service_ns (from sending), predicted_hit and ideal_hit (bool)."""
    timeline: pd.DataFrame
    """One row per second of the trial, both phases: at_s (start of the bin), phase, requests, errors, origin_requests,
    latency_p50_ms, latency_p99_ms (NaN below 10 and 100 samples), hit_ratio (NaN without cacheable samples)."""
    outcomes: Mapping[str, int]
    """Samples of the measuring phase per outcome."""
    processes: pd.DataFrame
    """store.PROCESSES, measuring phase."""
    unmatched_ledger: Mapping[str, int]
    """Ledger rows that belong to no sample, by name (background refresh, prefetch, retry, unexplained)."""
    disagreements: pd.DataFrame
    """Samples whose claim or whose line in the cache's log contradicts the proof; columns of samples plus `against`
    (claim or log) and `said`."""


@dataclass(frozen=True, slots=True)
class CellResult:
    summary: CellSummary
    trials: tuple[TrialResult, ...]


@dataclass(frozen=True, slots=True)
class Analysis:
    """A whole run, explained."""

    summary: Summary
    cells: tuple[CellResult, ...]
    """In the order of the scenario: the baseline first, then tier by tier with rising TTL."""
    baseline: str
    """Id of the cell the others are compared with."""
