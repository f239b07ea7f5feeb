"""One trial second by second: warm-up, expiries and drift are seen here."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgebench.analysis.percentiles import NS_PER_MS
from edgebench.analysis.tables import NS_PER_S, Floats, Ints, nanoseconds
from edgebench.model import Outcome, Phase, TrialRecord

FROM_STORE = (Outcome.HIT.value, Outcome.STALE.value, Outcome.COLLAPSED.value)
"""Outcomes that count as hits: the origin did no work for them."""
_LEAST_P50, _LEAST_P99 = 10, 100


def timeline(record: TrialRecord, samples: pd.DataFrame, ledger: pd.DataFrame) -> pd.DataFrame:
    """One row per second of the trial, as TrialResult.timeline describes it.

    samples: with outcome, cacheable and latency_ns. A request counts in the second it was sent in, an origin request in
    the second it started in. A bin belongs to the measuring phase if its middle does.
    """
    sent_s = nanoseconds(samples, "sent_ns") // NS_PER_S
    bins = int(sent_s.max()) + 1 if len(sent_s) else 0
    inside = np.clip(sent_s, 0, None)
    error = (samples["outcome"] == Outcome.ERROR.value).to_numpy(dtype=bool)
    cacheable = samples["cacheable"].to_numpy(dtype=bool) & ~error
    hit = samples["outcome"].isin(FROM_STORE).to_numpy(dtype=bool) & cacheable
    of_cacheable = np.bincount(inside[cacheable], minlength=bins)
    hits = np.bincount(inside[hit], minlength=bins)
    good, latency_ns = inside[~error], nanoseconds(samples, "latency_ns")[~error]
    at_s = np.arange(bins)
    middle_ns = (2 * at_s + 1) * NS_PER_S // 2
    measuring = (middle_ns >= record.measure_start_ns) & (middle_ns < record.measure_end_ns)
    return pd.DataFrame(
        {
            "at_s": at_s.astype(np.float64),
            "phase": np.where(measuring, Phase.MEASURE.value, Phase.WARM_UP.value),
            "requests": np.bincount(inside, minlength=bins),
            "errors": np.bincount(inside[error], minlength=bins),
            "origin_requests": _per_second(nanoseconds(ledger, "start_ns"), bins),
            "latency_p50_ms": _binned_ms(good, latency_ns, bins, 0.5, _LEAST_P50),
            "latency_p99_ms": _binned_ms(good, latency_ns, bins, 0.99, _LEAST_P99),
            "hit_ratio": np.where(of_cacheable > 0, hits / np.maximum(of_cacheable, 1), np.nan),
        }
    )


def _per_second(times_ns: Ints, bins: int) -> Ints:
    seconds = times_ns // NS_PER_S
    seconds = seconds[(seconds >= 0) & (seconds < bins)]
    return np.bincount(seconds, minlength=bins).astype(np.int64)


def _binned_ms(second: Ints, value_ns: Ints, bins: int, share: float, least: int) -> Floats:
    """Nearest-rank percentile per bin, NaN where it has fewer than `least` values: a chart's line, not a claim."""
    ordered = value_ns[np.lexsort((value_ns, second))]
    counts = np.bincount(second, minlength=bins)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64) if bins else counts
    rank = np.maximum(np.ceil(share * counts).astype(np.int64), 1)
    enough = counts >= least
    result = np.full(bins, np.nan)
    result[enough] = ordered[(first + rank - 1)[enough]] / NS_PER_MS
    return result
