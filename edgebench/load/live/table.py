"""The figures of the tab: one row per endpoint and one for all, from totals. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np

from edgebench.load.live.histogram import IntArray, percentile_ns
from edgebench.load.live.totals import (
    CLAIMS,
    CODES,
    HAS_STAMP,
    HITS,
    IS_GOOD,
    IS_REUSED,
    IS_REVALIDATED,
    MISSES,
    Claimed,
    Totals,
)

TOTAL = "Aggregated"
"""As Locust names it."""
_NS_PER_US = 1000
_COLUMNS = np.stack(
    [
        np.ones(CODES, dtype=bool),
        HAS_STAMP,
        ~IS_GOOD,
        IS_GOOD & HAS_STAMP,
        IS_REUSED,
        IS_REVALIDATED,
        IS_GOOD & (Claimed.NOTHING != CLAIMS),
        IS_GOOD & (Claimed.HIT == CLAIMS),
    ],
    axis=1,
)


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests, and parts of them. From `stamped` on, errors are left out."""

    requests: int
    wrapped: int
    """Those with the origin's stamp, errors included."""
    errors: int
    """No complete answer, or a status of 500 or more."""
    stamped: int
    """The origin's stamp came back, …"""
    reused: int
    """… and is older than the request, …"""
    revalidated: int
    """… though the cache's headers say that it asked the origin whether that still holds."""
    claims: int
    """A cache's headers say something, …"""
    claimed_hits: int
    """… and that it was a hit, fresh or stale."""

    @property
    def good(self) -> int:
        return self.requests - self.errors

    @property
    def hits(self) -> int:
        return self.reused - self.revalidated


@dataclass(frozen=True, slots=True)
class Row:
    """One endpoint, or all together. None: not enough to say."""

    method: str
    name: str
    requests: int
    errors: int
    proved_hit_ratio: float | None
    """Of the answers with a stamp, the share whose stamp is older than the request, and for which the cache does not
    say that it asked the origin (revalidated)."""
    body_reuse_ratio: float | None
    """The same with those revalidated: the stamps alone."""
    claimed_hit_ratio: float | None
    """Of all answers, the share that claims a hit by header. None where no answer of any endpoint claims anything."""
    origin_offload: float | None
    """1 - (distinct responses of the origin + revalidated) / requests. None where no stamp came back."""
    hit_latency_p50_us: float | None
    hit_latency_p99_us: float | None
    miss_latency_p50_us: float | None
    miss_latency_p99_us: float | None


def counts_of(tally: IntArray) -> Counts:
    """Of one endpoint's requests by code."""
    return Counts(*(tally @ _COLUMNS).tolist())


def rows_of(totals: Totals, origin_complete: bool = True) -> list[Row]:
    """The endpoints by name, then the total. `origin_complete`: whether all stamps could be counted."""
    used = [row for row in range(len(totals.endpoints)) if totals.tally[row].any()]
    used.sort(key=lambda row: totals.endpoints[row][::-1])
    counts = {row: counts_of(totals.tally[row]) for row in used}
    claims = any(count.claims for count in counts.values())
    rows = []
    offloadable = origin = 0
    for row, count in counts.items():
        asked = int(totals.origin[row]) + count.revalidated
        wrapped = origin_complete and count.wrapped > 0
        if wrapped:
            offloadable, origin = offloadable + count.requests, origin + asked
        offload = _offload(asked, count.requests) if wrapped else None
        rows.append(_row(totals.endpoints[row], count, claims, offload, totals.latency[row]))
    offload = _offload(origin, offloadable) if offloadable else None
    latency = totals.latency[used].sum(axis=0)
    rows.append(_row(("", TOTAL), counts_of(totals.tally[used].sum(axis=0)), claims, offload, latency))
    return rows


def csv_text(rows: Sequence[Row]) -> str:
    """The rows below their names. Ratios are from 0 to 1; a cell is empty where there is nothing to say."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(field.name for field in fields(Row))
    writer.writerows(astuple(row) for row in rows)
    return out.getvalue()


def _row(endpoint: tuple[str, str], count: Counts, claims: bool, offload: float | None, latency: IntArray) -> Row:
    method, name = endpoint
    return Row(
        method,
        name,
        count.requests,
        count.errors,
        _share(count.hits, count.stamped),
        _share(count.reused, count.stamped),
        _share(count.claimed_hits, count.good) if claims else None,
        offload,
        *(_us(percentile_ns(latency[kind], share)) for kind in (HITS, MISSES) for share in (0.5, 0.99)),
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _offload(origin: int, requests: int) -> float | None:
    # Where more stamps came than requests were made (answers still under way), nothing was kept away.
    return round(max(0.0, 1 - origin / requests), 6) if requests else None


def _us(latency_ns: float | None) -> float | None:
    return None if latency_ns is None else round(latency_ns / _NS_PER_US, 1)
