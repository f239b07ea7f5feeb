"""`One more layer helps`: edges that each ask the origin, against the same edges behind one shield that asks for all.

Cells are compared that differ in the shield only (tier, network, TTL, number of edges alike), paired by repeat: trials
of one repeat had the same requests at the same times, from the same users at the same edges.

What the edges had themselves is in their logs; that the origin was not asked is proved by its ledger. Midgress is what
the edges ask the shield: the lines of the shield's log, and the bodies it sent for them, of the length the key has
(none for a 304). A miss is a request the edge had to pass on; it took what the client waited from sending, in the mean.

Three questions for every pair; thresholds are on whole intervals (95 %, from trials):
- origin: the shield cuts what reaches the origin, to a CUT-th or less (ratio ≥ CUT)
- wait: the mean latency of all requests is no more than SLOWER times that without (ratio ≤ SLOWER)
- age: answers older than their TTL, by more than the second of HTTP's clocks, are no more than OLD of all. Each layer
  grants an answer its whole TTL anew, unless it tells by Age how long it has had it, and the next one heeds that.
All yes: it holds. All no: it does not hold here. Anything else: it holds partly. The figure is the smallest cut. The
limits, and what is said, stand in analysis.shield_words.

Tables. `trials`, a row per trial: pair (what both cells have in common), shield, edges, origin_rps, midgress_rps,
midgress_mbit, edge_hit (share of cacheable requests), hit (in either layer), latency_ms (mean), miss_ms (mean),
origin_ms and shield_ms (mean of the misses that the origin, or the shield alone, answered), old (share), oldest_s (the
most past its TTL). `pairs`: their means with and without, and cut with its interval.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from edgebench.analysis.claimed import CLAIMED
from edgebench.analysis.claims import Evidence
from edgebench.analysis.edges import is_shields
from edgebench.analysis.metrics import measuring
from edgebench.analysis.reconcile import pair_with_log
from edgebench.analysis.results import Judged, TrialResult
from edgebench.analysis.shield_words import Pair, answers_of, text_of, why_of
from edgebench.analysis.tables import NS_PER_S, nanoseconds, read_trial
from edgebench.analysis.weighing import (
    bounded,
    caveats,
    estimate_of,
    frame_of,
    not_testable,
    ratio_of,
    sentences,
    verdict_of,
)
from edgebench.analysis.wording import condition
from edgebench.model import LOOPBACK, ClaimedOutcome, ClaimResult, Outcome

CLAIM = CLAIMED["shield"]
_FROM_STORE = (ClaimedOutcome.HIT.value, ClaimedOutcome.STALE.value)
_ASKED = (Outcome.ORIGIN.value, Outcome.REVALIDATED.value)
_NOT_MODIFIED = 304


def judge(evidence: Evidence) -> Judged:
    """Every pair of cells with and without a shield."""
    cells = [cell for cell in evidence.of(direct=False) if cell.trials[0].record.trial.cell.tier.edges > 1]
    trials = frame_of(cells, lambda cell, trial: _figures(evidence, trial))
    return conclude(trials, caveats(evidence, cells))


def _figures(evidence: Evidence, trial: TrialResult) -> dict[str, Any] | None:
    """One trial's; None where no ledger proves what reached the origin."""
    record, origin_rps = trial.record, trial.metrics.get("origin_rps")
    if origin_rps is None:
        return None
    cell, seconds = record.trial.cell, (record.measure_end_ns - record.measure_start_ns) / NS_PER_S
    log = read_trial(record, evidence.folder.trial(record.trial)).tier_log
    shields = is_shields(log)
    now = trial.samples[measuring(trial.samples)]
    good = now[now["outcome"] != Outcome.ERROR.value]
    edge_hit = _edge_hits(trial.samples, log[~shields].reset_index(drop=True), cell.tier.edges)
    inner = _in_time(log[shields], trial)
    checked = trial.correctness.over_stale
    where = "" if cell.network == LOOPBACK else f" in the network {cell.network}"
    at = condition(cell.freshness.ttl_s)
    return {
        "pair": f"{cell.tier.name}{where}{f' {at}' if at else ''}",
        "where": where,
        "shield": cell.tier.shield,
        "edges": cell.tier.edges,
        "origin_rps": origin_rps,
        "midgress_rps": len(inner) / seconds if cell.tier.shield else 0.0,
        "midgress_mbit": 8e-6 * _bodies(inner, trial.samples) / seconds if cell.tier.shield else 0.0,
        "hit": trial.metrics.get("hit_ratio"),
        "latency_ms": float(good["latency_ns"].mean()) / 1e6,
        "old": checked.count / checked.checked if checked is not None and checked.checked else 0.0,
        "oldest_s": float(np.nan_to_num(good["staleness_s"].max())),
        **_misses(good, edge_hit.loc[good.index]),
    }


def _edge_hits(samples: pd.DataFrame, log: pd.DataFrame, edges: int) -> pd.Series:
    """Per sample 1 where its edge's log says it came from the edge's store, 0 where it was passed on, NaN: no line."""
    line = pair_with_log(samples, log, edges)
    said = log["verdict"].isin(_FROM_STORE).to_numpy(dtype=bool)
    values = np.where(line >= 0, said[np.maximum(line, 0)], np.nan) if len(said) else np.full(len(samples), np.nan)
    return pd.Series(values.astype(np.float64), index=samples.index)


def _misses(good: pd.DataFrame, edge_hit: pd.Series) -> dict[str, float]:
    """Of the cacheable requests of the measuring phase."""
    cacheable = good["cacheable"].to_numpy(dtype=bool)
    good, edge_hit = good[cacheable], edge_hit[cacheable]
    asked = good["outcome"].isin(_ASKED)
    service_ms = good["service_ns"] / 1e6
    passed = edge_hit == 0
    return {
        "edge_hit": float(edge_hit.mean()),
        "miss_ms": float(service_ms[passed].mean()),
        "origin_ms": float(service_ms[passed & asked].mean()),
        "shield_ms": float(service_ms[passed & ~asked].mean()),
    }


def _in_time(log: pd.DataFrame, trial: TrialResult) -> pd.DataFrame:
    """The lines of requests that ended in the measuring phase."""
    at_ns = nanoseconds(log, "at_ns")
    return log[(at_ns >= trial.record.measure_start_ns) & (at_ns < trial.record.measure_end_ns)]


def _bodies(log: pd.DataFrame, samples: pd.DataFrame) -> float:
    """Bytes of the bodies of these lines: of a key they are as long as clients got them at the longest."""
    length = samples["bytes"].groupby(samples["key"].astype("object")).max()
    sent = log[log["status"] != _NOT_MODIFIED]
    return float(sent["key"].astype("object").map(length).fillna(0).sum())


def conclude(trials: pd.DataFrame, doubtful: str = "") -> Judged:
    """The verdict from the table `trials`. doubtful: a sentence on what limits it."""
    if trials.empty or trials["shield"].all() or not trials["shield"].any():
        return not_testable(CLAIM, "there are no edges that were measured both with and without a shield.")
    grouped = (_pair(str(name), rows) for name, rows in trials.groupby("pair", sort=False))
    pairs = [pair for pair in grouped if pair is not None]
    tables = {"trials": trials, "pairs": _table(pairs)}
    if not pairs:
        return not_testable(CLAIM, "there are no edges that were measured both with and without a shield.", tables)
    if not bounded(estimate for pair in pairs for estimate in (pair.cut, pair.slower, pair.old)):
        return not_testable(CLAIM, "an interval needs three trials of each cell; raise repeats.", tables)
    answers = [answer for pair in pairs for answer in answers_of(pair)]
    least = min(pairs, key=lambda pair: pair.cut.value or 0.0)
    result = ClaimResult(
        CLAIM,
        verdict_of(answers),
        text_of(pairs),
        f"requests that reach the origin, without over with a shield, {least.name}",
        least.cut,
        sentences(why_of(pairs), doubtful),
        {f"{pair.name}.{name}": value for pair in pairs for name, value in _numbers(pair).items()},
    )
    return Judged(result, tables)


def _pair(name: str, rows: pd.DataFrame) -> Pair | None:
    shielded, without = rows[rows["shield"]], rows[~rows["shield"]]
    if shielded.empty or without.empty:
        return None
    return Pair(
        name,
        str(rows["tier"].iloc[0]),
        str(rows["where"].iloc[0]),
        int(rows["edges"].iloc[0]),
        ratio_of(without, shielded, "origin_rps"),
        ratio_of(shielded, without, "latency_ms"),
        estimate_of(shielded, "old", "ratio"),
        _means(without),
        _means(shielded) | {"oldest_s": float(shielded["oldest_s"].max())},
    )


def _means(rows: pd.DataFrame) -> dict[str, float]:
    return {str(name): float(value) for name, value in rows.mean(numeric_only=True).items()}


_NUMBERS = ("origin_rps", "midgress_rps", "midgress_mbit", "edge_hit", "hit", "miss_ms", "latency_ms")


def _numbers(pair: Pair) -> dict[str, float | None]:
    found: dict[str, float | None] = {"cut": pair.cut.value, "slower": pair.slower.value, "old": pair.old.value}
    for where, means in (("edges", pair.without), ("shield", pair.shielded)):
        found |= {f"{where}_{name}": _or_none(means[name]) for name in _NUMBERS}
    return found


def _or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _table(pairs: list[Pair]) -> pd.DataFrame:
    """A row per pair."""
    rows = []
    for pair in pairs:
        row: dict[str, Any] = {"pair": pair.name, "tier": pair.tier, "edges": pair.edges}
        row |= {"cut": pair.cut.value, "cut_low": pair.cut.low, "cut_high": pair.cut.high, "repeats": pair.cut.n}
        for where, means in (("edges", pair.without), ("shield", pair.shielded)):
            row |= {f"{where}_{name}": means[name] for name in (*_NUMBERS, "origin_ms", "shield_ms", "old", "oldest_s")}
        rows.append(row)
    return pd.DataFrame(rows)
