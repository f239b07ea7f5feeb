"""`Monitor the hit ratio, adjust TTLs`: what a longer TTL spares the origin, and what it costs in truth.

Products are changed behind the cache's back, at the rate the scenario says; the ledger shows from when on an answer in
store was outdated (analysis.staleness: the least there can have been). Per endpoint, of the measuring phase:
- offload: share of its requests that the origin did not have to answer
- outdated: share of its answers that carried another version than the origin had last given
The advised TTL is the shortest that has at least MOST of the offload of the longest one measured.

Two questions for every cache and endpoint; thresholds are on whole intervals (95 %, from trials):
- is there something to adjust: from the shortest to the longest TTL the offload grows by at least GAIN (paired)?
- is the advised TTL true enough: at most TOLERATED of the answers outdated?
All yes: holds. All no: does not hold here. Anything else: holds partly: the hit ratio rises, and alone says nothing of
what people see. The figure is the share outdated at the advised TTL, of the cache and endpoint where it is greatest.

Tables. `trials`, a row per trial and endpoint: offload, outdated, outdated_s (median age of the outdated ones since the
change), requests, changes_per_s. `points`, a row per cache, endpoint and TTL: the same with intervals. `advice`, a row
per cache and endpoint: ttl_s, offload, outdated, most (of the offload of the longest), gain. `choices`, a row per
cache, endpoint and tolerance: the longest TTL with no more outdated answers than tolerated, as far as the mean goes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from edgebench.analysis.claimed import CLAIMED
from edgebench.analysis.claims import Evidence
from edgebench.analysis.estimates import of_values
from edgebench.analysis.metrics import measuring
from edgebench.analysis.origin_work import joined_again
from edgebench.analysis.results import CellResult, Judged, TrialResult
from edgebench.analysis.staleness import outdated_samples
from edgebench.analysis.tables import NS_PER_S, nanoseconds
from edgebench.analysis.weighing import (
    at_least,
    at_most,
    bounded,
    by_repeat,
    caveats,
    clipped,
    columns_of,
    estimate_of,
    not_testable,
    place_of,
    records,
    sentences,
    verdict_of,
)
from edgebench.analysis.wording import digits, listed, percent, seconds
from edgebench.model import ClaimResult, Estimate, Outcome

CLAIM = CLAIMED["ttl_advice"]
MOST, GAIN, TOLERATED = 0.9, 0.05, 0.01
TOLERANCES = (0.001, 0.01, 0.05, 0.1)
"""Shares of outdated answers a reader may choose from."""
CHANGES = ("PUT", "PATCH")
_ASKED = (Outcome.ORIGIN.value, Outcome.REVALIDATED.value)
_PLACE = ("series", "endpoint")


def judge(evidence: Evidence) -> Judged:
    """Every cache and endpoint at every TTL."""
    cells = [cell for cell in evidence.of(direct=False) if cell.summary.ttl_s]
    trials = pd.DataFrame([row for cell in cells for trial in cell.trials for row in _figures(evidence, cell, trial)])
    if len(trials):  # of endpoints without ETags nobody can say what is outdated
        trials = trials[trials.groupby("endpoint")["outdated"].transform("count") > 0].reset_index(drop=True)
    return conclude(trials, caveats(evidence, cells))


def _figures(evidence: Evidence, cell: CellResult, trial: TrialResult) -> list[dict[str, Any]]:
    """A row per cacheable endpoint; none where no ledger or no version proves anything."""
    joined = joined_again(trial, evidence.folder)
    found = outdated_samples(joined) if joined is not None else None
    if joined is None or found is None:
        return []
    record, samples = trial.record, trial.samples
    window_s = (record.measure_end_ns - record.measure_start_ns) / NS_PER_S
    good = measuring(samples) & (samples["outcome"] != Outcome.ERROR.value).to_numpy(dtype=bool)
    good &= samples["cacheable"].to_numpy(dtype=bool)
    asked = samples["outcome"].isin(_ASKED).to_numpy(dtype=bool)
    endpoints = samples["endpoint"].astype("object").to_numpy()
    rows = []
    for endpoint in sorted(set(endpoints[good])):
        mine = good & (endpoints == endpoint)
        wrong, could = found.wrong & mine, found.carries & mine
        rows.append(
            {
                **place_of(cell, trial),
                "endpoint": endpoint,
                "requests": int(mine.sum()),
                "offload": 1 - float(asked[mine].mean()),
                "outdated": float(wrong.sum() / could.sum()) if could.any() else np.nan,
                "outdated_s": float(np.median(found.for_s[wrong])) if wrong.any() else np.nan,
                "changes_per_s": _changes(joined.ledger, record.measure_start_ns, record.measure_end_ns) / window_s,
            }
        )
    return rows


def _changes(ledger: pd.DataFrame, start_ns: int, end_ns: int) -> int:
    """Successful changes of the measuring phase, by the ledger."""
    at_ns = nanoseconds(ledger, "end_ns")
    made = ledger["method"].isin(CHANGES).to_numpy(dtype=bool) & (ledger["status"] < 400).to_numpy(dtype=bool)
    return int((made & (at_ns >= start_ns) & (at_ns < end_ns)).sum())


def conclude(trials: pd.DataFrame, doubtful: str = "") -> Judged:
    """The verdict from the table `trials`. doubtful: a sentence on what limits it."""
    if trials.empty or trials["ttl_s"].nunique() < 2 or trials["outdated"].isna().all():
        return not_testable(CLAIM, "it takes a cache, two TTLs at least, and answers with ETags.")
    if not trials["changes_per_s"].sum():
        return not_testable(CLAIM, "nothing was changed while it was measured, so nothing could be outdated.")
    points = _points(trials)
    advice = pd.DataFrame([_advice(rows, trials) for _, rows in points.groupby(list(_PLACE), sort=False)])
    tables = {"trials": trials, "points": points, "advice": advice, "choices": _choices(points)}
    chosen = records(advice)
    if not bounded([value for one in chosen for value in (one.gain, one.outdated)]):
        return not_testable(CLAIM, "an interval needs three trials of each cell; raise repeats.", tables)
    answers = [at_least(one.gain, GAIN) for one in chosen] + [at_most(one.outdated, TOLERATED) for one in chosen]
    worst = max(chosen, key=lambda one: one.outdated.value)
    rate = float(trials.groupby("cell")["changes_per_s"].mean().mean())
    result = ClaimResult(
        CLAIM,
        verdict_of(answers),
        sentences(_advice_text(advice, rate), _price_text(trials)),
        figure_name=f"outdated answers at the advised TTL of {worst.ttl_s:g} s, {worst.series}, {worst.endpoint}",
        figure=worst.outdated,
        why=sentences(_why(advice), doubtful),
        numbers=_numbers(points, advice, rate),
    )
    return Judged(result, tables, {"changes_per_s": rate})


def _points(trials: pd.DataFrame) -> pd.DataFrame:
    """Means with intervals, by rising TTL."""
    rows = []
    for (cell, endpoint), mine in trials.groupby(["cell", "endpoint"], sort=False):
        row: dict[str, Any] = {"cell": cell, "endpoint": endpoint, "trials": len(mine)}
        row |= {name: mine[name].iloc[0] for name in ("tier", "series", "ttl_s")}
        for name in ("offload", "outdated"):
            row |= columns_of(name, clipped(estimate_of(mine, name, "ratio")))
        row["outdated_s"] = float(mine["outdated_s"].mean())
        rows.append(row)
    return pd.DataFrame(rows).sort_values(["series", "endpoint", "ttl_s"], kind="stable", ignore_index=True)


def _advice(rows: pd.DataFrame, trials: pd.DataFrame) -> dict[str, Any]:
    """What one cache and endpoint is advised: the shortest TTL with MOST of the offload of the longest."""
    shortest, longest = records(rows)[0], records(rows)[-1]
    enough = next(point for point in records(rows) if point.offload >= MOST * longest.offload)
    mine = trials[(trials["series"] == longest.series) & (trials["endpoint"] == longest.endpoint)]
    at = {ttl: by_repeat(part, "offload") for ttl, part in mine.groupby("ttl_s")}
    pairs = [(value, at[shortest.ttl_s].get(repeat)) for repeat, value in at[longest.ttl_s].items()]
    gains = [value - other if value is not None and other is not None else None for value, other in pairs]
    return {
        "series": longest.series,
        "tier": longest.tier,
        "endpoint": longest.endpoint,
        "ttl_s": enough.ttl_s,
        "longest_s": longest.ttl_s,
        "offload": enough.offload,
        "most": enough.offload / longest.offload if longest.offload > 0 else np.nan,
        "outdated": _estimate(enough),
        "outdated_s": enough.outdated_s,
        "gain": of_values(gains, "ratio"),
        "saturated": enough.ttl_s < longest.ttl_s,
    }


def _estimate(point: Any) -> Estimate:
    low, high = (None if np.isnan(value) else float(value) for value in (point.outdated_low, point.outdated_high))
    return Estimate(float(point.outdated), low, high, int(point.trials), "ratio")


def _choices(points: pd.DataFrame) -> pd.DataFrame:
    """For each tolerance the longest TTL that keeps it, together with all shorter ones; NaN where none does."""
    rows = []
    for (series, endpoint), mine in points.groupby(list(_PLACE), sort=False):
        for tolerated in TOLERANCES:
            kept = mine[(mine["outdated"] > tolerated).cumsum() == 0]
            last = records(kept)[-1] if len(kept) else None
            rows.append(
                {
                    "series": series,
                    "endpoint": endpoint,
                    "tolerated": tolerated,
                    "ttl_s": last.ttl_s if last else np.nan,
                    "offload": last.offload if last else np.nan,
                    "outdated": last.outdated if last else np.nan,
                }
            )
    return pd.DataFrame(rows)


def _advice_text(advice: pd.DataFrame, rate: float) -> str:
    """Of the first cache; the others are in the table."""
    mine = [one for one in records(advice) if one.series == advice["series"].iloc[0]]
    parts = [
        f"{one.ttl_s:g} s for {one.endpoint} ({percent(one.offload)} spared, {percent(one.outdated.value)} outdated)"
        for one in mine
    ]
    return (
        f"With {digits(rate)} changes a second, {mine[0].series} has {percent(MOST)} of what a TTL of "
        f"{mine[0].longest_s:g} s spares the origin at {listed(parts)}."
    )


def _price_text(trials: pd.DataFrame) -> str:
    """What all endpoints together show outdated at both ends, with the first cache."""
    first = trials[trials["series"] == trials["series"].iloc[0]].fillna({"outdated": 0.0})
    weighted = first.assign(wrong=first["outdated"] * first["requests"]).groupby("ttl_s")[["wrong", "requests"]].sum()
    share = (weighted["wrong"] / weighted["requests"]).sort_index()
    return (
        f"Of all its answers {percent(float(share.iloc[0]))} were outdated at TTL {seconds(share.index[0])} and "
        f"{percent(float(share.iloc[-1]))} at {seconds(share.index[-1])}, which no hit ratio shows."
    )


def _why(advice: pd.DataFrame) -> str:
    rows = records(advice)
    untrue = sorted({one.endpoint for one in rows if at_most(one.outdated, TOLERATED) is not True})
    flat = sorted({one.endpoint for one in rows if at_least(one.gain, GAIN) is not True})
    return sentences(
        f"At the TTL that the hit ratio advises, more than {percent(TOLERATED)} of the answers are outdated, or may "
        f"be, at {listed(untrue)}."
        if untrue
        else "",
        f"The TTLs measured make no clear difference of {100 * GAIN:g} points at {listed(flat)}." if flat else "",
    )


def _numbers(points: pd.DataFrame, advice: pd.DataFrame, rate: float) -> dict[str, float | None]:
    numbers: dict[str, float | None] = {"changes_per_s": rate}
    for point in records(points):
        for name in ("offload", "outdated"):
            value = getattr(point, name)
            numbers[f"{name}.{point.cell}.{point.endpoint}"] = None if np.isnan(value) else float(value)
    for one in records(advice):
        numbers[f"advised_s.{one.series}.{one.endpoint}"] = float(one.ttl_s)
    return numbers
