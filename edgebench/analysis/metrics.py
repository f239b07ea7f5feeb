"""One trial's measuring phase as figures. Names and units as in summary.json; None where there is not enough data."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgebench.analysis.correctness import stores
from edgebench.analysis.ledger_names import OWNED, PROBE
from edgebench.analysis.percentiles import percentile, percentiles_ms
from edgebench.analysis.proof import Proof
from edgebench.analysis.storage import overflows
from edgebench.analysis.tables import NS_PER_S, Bools, nanoseconds
from edgebench.analysis.timeline import FROM_STORE
from edgebench.model import ClaimedOutcome, Outcome, Phase, TrialRecord
from edgebench.store import BUCKET_WORKER

Metrics = dict[str, float | None]

CLAIMS_A_HIT = (ClaimedOutcome.HIT.value, ClaimedOutcome.STALE.value)
_SAYS_NOTHING = (ClaimedOutcome.NONE.value, ClaimedOutcome.UNKNOWN.value)
_ASKED = (Outcome.ORIGIN.value, Outcome.REVALIDATED.value)


def measuring(samples: pd.DataFrame) -> Bools:
    """The samples of the measuring phase."""
    return (samples["phase"] == Phase.MEASURE.value).to_numpy(dtype=bool)


def trial_metrics(
    record: TrialRecord, samples: pd.DataFrame, ledger: pd.DataFrame, proof: Proof, processes: pd.DataFrame
) -> Metrics:
    """All figures of one trial.

    samples: with the columns TrialResult.samples adds, both phases. Errors are counted, and enter nothing else. Without
    a ledger (an origin that cannot be wrapped) everything that needs a proof is None; only the claim remains.
    """
    phase = measuring(samples)
    seconds = (record.measure_end_ns - record.measure_start_ns) / NS_PER_S
    proved = len(ledger) > 0
    now = samples[phase]
    good = now[now["outcome"] != Outcome.ERROR.value]
    done = nanoseconds(samples, "done_ns")
    finished = (done >= record.measure_start_ns) & (done < record.measure_end_ns)
    finished &= (samples["outcome"] != Outcome.ERROR.value).to_numpy(dtype=bool)
    return {
        "requests": float(len(now)),
        "errors": float(len(now) - len(good)),
        "offered_rps": len(now) / seconds if seconds > 0 else None,
        "achieved_rps": float(finished.sum()) / seconds if seconds > 0 else None,
        **_times(good),
        **_hit_ratios(record, good, proved, foretold=proved and is_foretold(record, samples)),
        **(_origin_load(record, samples, ledger, proof, phase, seconds) if proved else _NO_ORIGIN),
        **(_after_outcome(good, ledger, proof, phase, samples) if proved else _NO_OUTCOME),
        **{f"{role}_cpu": cores_used(processes, role, record) for role in ("generator", "origin", "tier")},
        "capacity_rps": None,
    }


def _times(good: pd.DataFrame) -> Metrics:
    first_byte = nanoseconds(good, "first_byte_ns")
    answered = first_byte >= 0
    ttfb = (first_byte - nanoseconds(good, "sent_ns"))[answered]
    return {
        **percentiles_ms(good["latency_ns"], "latency"),
        **percentiles_ms(good["service_ns"], "service"),
        **percentiles_ms(ttfb, "ttfb", ("p50", "p99")),
        **percentiles_ms(good["send_lag_ns"], "send_lag", ("p50", "p99")),
    }


def _share(part: Bools, whole: Bools) -> float | None:
    return float((part & whole).sum() / whole.sum()) if whole.any() else None


def is_foretold(record: TrialRecord, samples: pd.DataFrame) -> bool:
    """Whether the expiry rule alone says what is hit: it is known, and nothing had to be evicted.

    Before a shield an answer has lived for a while when it comes to the edge. How much of that counts is a matter of
    its own in each cache (Age), and no rule of one layer says what both together do.
    """
    shielded = record.trial.cell.tier.shield
    return stores(record) and record.tier.expiry is not None and not shielded and not overflows(record, samples)


def _hit_ratios(record: TrialRecord, good: pd.DataFrame, proved: bool, foretold: bool) -> Metrics:
    """hit, stale or collapsed / all good samples of cacheable endpoints; and its relatives."""
    cacheable = good["cacheable"].to_numpy(dtype=bool)
    everything = np.ones(len(good), dtype=bool)
    hit = good["outcome"].isin(FROM_STORE).to_numpy(dtype=bool)
    reused = hit | (good["outcome"] == Outcome.REVALIDATED.value).to_numpy(dtype=bool)
    predicted, ideal = good["predicted_hit"].to_numpy(dtype=bool), good["ideal_hit"].to_numpy(dtype=bool)
    claimed = good["claim"].isin(CLAIMS_A_HIT).to_numpy(dtype=bool)
    says = ~good["claim"].isin(_SAYS_NOTHING) & good["claim"].notna()
    stored = stores(record)
    hit_ratio = _share(hit, cacheable) if proved else None
    predicted_ratio = _share(predicted, cacheable) if foretold else None
    off = predicted_ratio - hit_ratio if predicted_ratio is not None and hit_ratio is not None else None
    return {
        "hit_ratio": hit_ratio,
        "hit_ratio_all": _share(hit, everything) if proved else None,
        "body_reuse_ratio": _share(reused, cacheable) if proved else None,
        "ideal_hit_ratio": _share(ideal, cacheable) if proved and stored else None,
        "predicted_hit_ratio": predicted_ratio,
        "prediction_residual": off,
        "prediction_differs": float(((predicted != hit) & cacheable).sum()) if foretold else None,
        "claimed_hit_ratio": _share(claimed, cacheable) if bool(says.any()) else None,
        "cacheable_share": _share(cacheable, everything),
    }


_NO_ORIGIN: Metrics = dict.fromkeys(("origin_requests", "origin_rps", "origin_offload", "byte_offload"))


def _origin_load(
    record: TrialRecord, samples: pd.DataFrame, ledger: pd.DataFrame, proof: Proof, phase: Bools, seconds: float
) -> Metrics:
    """What reached the origin for the measuring phase: rows its samples caused, and named rows started within it."""
    caused = proof.caused[phase & (proof.caused >= 0)]
    start = nanoseconds(ledger, "start_ns")
    named = (proof.row_name != OWNED) & (proof.row_name != PROBE)
    named &= (start >= record.measure_start_ns) & (start < record.measure_end_ns)
    mine = named.copy()
    mine[caused] = True
    mine &= ledger["worker"].to_numpy(dtype=np.int64) != BUCKET_WORKER  # an object store is not the app
    requests, sent_bytes = int(mine.sum()), int(ledger["bytes"].to_numpy(dtype=np.int64)[mine].sum())
    asked, got_bytes = int(phase.sum()), int(samples["bytes"].to_numpy(dtype=np.int64)[phase].sum())
    return {
        "origin_requests": float(requests),
        "origin_rps": requests / seconds if seconds > 0 else None,
        "origin_offload": 1 - requests / asked if asked else None,
        "byte_offload": 1 - sent_bytes / got_bytes if got_bytes else None,
    }


_NO_OUTCOME: Metrics = dict.fromkeys(
    (
        *(f"{kind}_latency_{point}_ms" for kind in ("hit", "miss") for point in ("p50", "p90", "p99")),
        "outside_origin_p50_ms",
        "staleness_p99_s",
    )
)


def _after_outcome(
    good: pd.DataFrame, ledger: pd.DataFrame, proof: Proof, phase: Bools, samples: pd.DataFrame
) -> Metrics:
    """Latency of hits (from store, nothing waited for) and misses (origin asked) of cacheable endpoints, and what of
    a miss's time was spent outside the origin; staleness: time past the TTL of what came from store, 0 within it."""
    cacheable = good["cacheable"].to_numpy(dtype=bool)
    stored = good["outcome"].isin((Outcome.HIT.value, Outcome.STALE.value)).to_numpy(dtype=bool)
    missed = good["outcome"].isin(_ASKED).to_numpy(dtype=bool)
    error = (samples["outcome"] == Outcome.ERROR.value).to_numpy(dtype=bool)
    asked = np.flatnonzero(phase & ~error & (proof.caused >= 0) & samples["cacheable"].to_numpy(dtype=bool))
    row = proof.caused[asked]
    inside = nanoseconds(ledger, "end_ns")[row] - nanoseconds(ledger, "start_ns")[row]
    outside = samples["service_ns"].to_numpy(dtype=np.int64)[asked] - inside
    over = np.maximum(proof.age_s - proof.ttl_s, 0.0)[phase & ~error]
    points = ("p50", "p90", "p99")
    return {
        **percentiles_ms(good["latency_ns"][stored & cacheable], "hit_latency", points),
        **percentiles_ms(good["latency_ns"][missed & cacheable], "miss_latency", points),
        **percentiles_ms(np.maximum(outside, 0), "outside_origin", ("p50",)),
        "staleness_p99_s": percentile(over[stored & np.isfinite(over)], 0.99),
    }


def cores_used(processes: pd.DataFrame, role: str, record: TrialRecord) -> float | None:
    """CPU seconds per second of one role over the measuring phase; None without a whole interval in it."""
    rows = processes[(processes["role"] == role).to_numpy(dtype=bool)].sort_values("at_ns")
    at = rows["at_ns"].to_numpy(dtype=np.int64)
    since = np.concatenate([at[:1], at[:-1]])
    whole = (since >= record.measure_start_ns) & (at <= record.measure_end_ns) & (at > since)
    spent, seconds = rows["cpu_s"].to_numpy(dtype=np.float64)[whole].sum(), (at - since)[whole].sum() / NS_PER_S
    return float(spent / seconds) if seconds > 0 else None
