"""What the analysis hands to the report: the summary, and the data its charts are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pandas as pd

from edgebench.analysis.evidence import Correctness
from edgebench.model import CellSummary, ClaimResult, Estimate, Summary, TrialRecord


@dataclass(frozen=True, slots=True)
class TrialResult:
    """One trial, joined and measured. Metrics cover the measuring phase only; None: not enough data."""

    record: TrialRecord
    metrics: Mapping[str, float | None]
    """Names and units as in summary.json."""
    samples: pd.DataFrame
    """store.SAMPLES of both phases plus: outcome (model.Outcome), cacheable (bool), latency_ns (from schedule, without
    the generator's own lag), service_ns (from sending), predicted_hit and ideal_hit (bool), staleness_s (answers from
    store: seconds past their lifetime, 0 within it; else NaN)."""
    timeline: pd.DataFrame
    """One row per second of the trial, both phases: at_s (start of the bin), phase, requests, errors, origin_requests,
    latency_p50_ms, latency_p99_ms (NaN below 10 and 100 samples), hit_ratio (NaN without cacheable samples)."""
    outcomes: Mapping[str, int]
    """Samples of the measuring phase per outcome."""
    processes: pd.DataFrame
    """store.PROCESSES, measuring phase."""
    unmatched_ledger: Mapping[str, int]
    """Ledger rows that belong to no sample, by name (ledger_names.NAMES: background refresh, prefetch, retry, probe,
    unexplained)."""
    disagreements: pd.DataFrame
    """Samples whose claim or whose line in the cache's log contradicts the proof; columns of samples plus `against`
    (claim or log) and `said`."""
    ledger_rows: int = 0
    """Rows of the origin's ledger, both phases: those that samples caused plus those of unmatched_ledger. 0: there was
    no ledger, outcomes are by header, and everything that needs a proof is None."""
    compared: Mapping[str, int] = field(default_factory=dict)
    """Samples whose own words were compared with the proof, both phases, by `claim` and `log`."""
    contradicted: Mapping[str, int] = field(default_factory=dict)
    """Of those, how many contradict it."""
    log_unmatched: Mapping[str, int] = field(default_factory=dict)
    """`samples without a log line` and `log lines without a sample`; empty where the tier keeps no log."""
    correctness: Correctness = field(default_factory=Correctness)
    """What was checked of the answers' content, both phases."""


@dataclass(frozen=True, slots=True)
class CellResult:
    summary: CellSummary
    trials: tuple[TrialResult, ...]
    versus_baseline: Mapping[str, Estimate] = field(default_factory=dict)
    """How many times smaller a metric is here than in the baseline, paired by repeat (unit ×): latency_p50_ms,
    latency_p99_ms, service_p50_ms, origin_rps, … Empty for the baseline itself."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim's verdict, and what its chart is drawn from."""

    result: ClaimResult
    tables: Mapping[str, pd.DataFrame] = field(default_factory=lambda: MappingProxyType({}))
    """By name; columns with units in their names. The module says what they hold."""
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """What else the chart needs: shaded intervals, limits."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """A whole run, explained."""

    summary: Summary
    cells: tuple[CellResult, ...]
    """In the order of the scenario: the baseline first, then tier by tier with rising TTL."""
    baseline: str
    """Id of the cell the others are compared with."""
    judged: Judged | None = None
    """Where the scenario tests a claim."""
