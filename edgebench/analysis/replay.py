"""What a cache would have hit on the recorded schedule, and what one hits in the long run."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise

import numpy as np
import pandas as pd

from edgebench.analysis.proof import Proof
from edgebench.analysis.tables import NS_PER_S, Bools, Floats, Ints, nanoseconds, shared_codes
from edgebench.model import ExpiryRule

EXACT = ExpiryRule()
"""Stored + TTL: what HTTP says, to the last digit."""
DEFAULT_FETCH_S = 0.005
"""Length of a fetch where none was seen at all."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Requests that a cache may answer, ordered by (key, time).

    Times are seconds of wall clock less the whole seconds at the trial's start: a float then keeps nanoseconds, and
    floor() falls on the same instants.
    """

    positions: Ints
    """Of the requests in the table of samples."""
    key: Ints
    at_s: Floats
    fetched_s: Floats
    """When an answer to this request would have been there, had it gone to the origin: proved, else estimated."""
    ttl_s: Floats
    """Lifetime of such an answer; 0: not to be stored."""


def schedule(
    samples: pd.DataFrame,
    ledger: pd.DataFrame,
    proof: Proof,
    cacheable: Bools,
    wall_ns: int,
    edge: Ints | None = None,
) -> Schedule:
    """The requests where `cacheable`, with what each fetch took or would have taken.

    edge: per sample, which of several caches it went to: a key of one is not a key of another. wall_ns: wall clock at
    the start of the trial. A sample that caused a ledger row has that row's end; others the median length of the
    fetches of their endpoint. Lifetimes come from the ledger: the sample's own, else its key's.
    """
    offset_ns = wall_ns % NS_PER_S
    sent = nanoseconds(samples, "sent_ns")
    keys, _ = shared_codes(samples["key"], samples["key"].iloc[:0])
    took_ns = _fetch_ns(samples, ledger, proof, cacheable)
    fetched = sent + took_ns
    own = proof.caused >= 0
    if len(ledger):
        fetched = np.where(own, nanoseconds(ledger, "end_ns")[np.maximum(proof.caused, 0)], fetched)
    ttl = pd.Series(proof.ttl_s)
    ttl = ttl.fillna(ttl.groupby(keys).transform("median")).fillna(0.0)
    if edge is not None:
        keys = keys * (int(edge.max(initial=0)) + 1) + edge
    chosen = np.flatnonzero(cacheable)
    chosen = chosen[np.lexsort((sent[chosen], keys[chosen]))]
    return Schedule(
        positions=chosen,
        key=keys[chosen],
        at_s=(sent[chosen] + offset_ns) / NS_PER_S,
        fetched_s=(fetched[chosen] + offset_ns) / NS_PER_S,
        ttl_s=np.asarray(ttl, dtype=np.float64)[chosen],
    )


def _fetch_ns(samples: pd.DataFrame, ledger: pd.DataFrame, proof: Proof, cacheable: Bools) -> Ints:
    """Per sample, the median nanoseconds from sending to the origin's last byte in its endpoint."""
    own = (proof.caused >= 0) & cacheable
    if not own.any():
        return np.full(len(samples), int(DEFAULT_FETCH_S * NS_PER_S), dtype=np.int64)
    ends = nanoseconds(ledger, "end_ns")[np.maximum(proof.caused, 0)]
    took = pd.Series(np.where(own, ends - nanoseconds(samples, "sent_ns"), np.nan))
    endpoints, _ = shared_codes(samples["endpoint"], samples["endpoint"].iloc[:0])
    typical = took.groupby(endpoints).transform("median").fillna(took.median())
    return typical.to_numpy(dtype=np.float64).astype(np.int64)


def replay(
    requests: Schedule, rule: ExpiryRule, *, collapses_misses: bool = True, collapses_expired: bool = True
) -> Bools:
    """Per request of the schedule, whether a cache with this rule and without eviction answers it without a fetch.

    A request that comes while its key is being fetched waits and is a hit (collapsed), where the cache collapses
    fetches of keys it does not hold (collapses_misses) or of answers that have expired (collapses_expired); else it
    asks the origin itself. A 304 renews the lifetime as a 200 does. Unsafe methods invalidate nothing: nginx and
    Varnish, as configured here, ignore them, and a cache that does not will show a residual.
    """
    hits = np.ones(len(requests.key), dtype=bool)
    at, fetched, ttl = requests.at_s.tolist(), requests.fetched_s.tolist(), requests.ttl_s.tolist()
    fresh_until = [
        rule.fresh_until_s(stored_s, ttl_s, stored_s - at_s) if ttl_s > 0 else -math.inf
        for at_s, stored_s, ttl_s in zip(at, fetched, ttl, strict=True)
    ]
    edges = [0, *(np.flatnonzero(np.diff(requests.key)) + 1).tolist(), len(at)]
    for first, end in pairwise(edges):
        if collapses_misses and collapses_expired:
            misses = _collapsing(at, fresh_until, first, end)
        else:
            misses = _side_by_side(at, fetched, fresh_until, first, end, collapses_misses, collapses_expired)
        hits[list(misses)] = False
    return hits


def _collapsing(at: Sequence[float], fresh_until: Sequence[float], first: int, end: int) -> Iterator[int]:
    """Misses of one key, requests first … end - 1: each fetch answers all that come until its answer is old."""
    place = first
    while place < end:
        yield place
        # What may not be stored (fresh until -inf) is not waited for either: nobody can share it.
        place = bisect_left(at, fresh_until[place], place + 1, end)


def _side_by_side(
    at: Sequence[float],
    fetched: Sequence[float],
    fresh_until: Sequence[float],
    first: int,
    end: int,
    collapses_misses: bool,
    collapses_expired: bool,
) -> Iterator[int]:
    """Misses of one key where fetches may run side by side; each that ends leaves its answer in the store."""
    flights: list[tuple[float, float]] = []
    until, stored = -math.inf, False
    for place in range(first, end):
        while flights and flights[0][0] <= at[place]:
            until, stored = max(until, heappop(flights)[1]), True
        if at[place] < until or (flights and (collapses_expired if stored else collapses_misses)):
            continue
        yield place
        if fresh_until[place] > -math.inf:
            heappush(flights, (fetched[place], fresh_until[place]))


def on_samples(requests: Schedule, hits: Bools, n: int) -> Bools:
    """The hits of a replay as a column of the n samples; false for those that were not in the schedule."""
    column = np.zeros(n, dtype=bool)
    column[requests.positions] = hits
    return column


def steady_state_hit_ratio(rate_rps: float, weights: Floats, ttl_s: float) -> float:
    """Hit ratio of a TTL cache without eviction in the long run, under Poisson arrivals.

    rate_rps: requests per second over all keys. weights: popularity per key, of any sum. Per key with rate λ the ratio
    is λT/(1+λT) (Jung, Berger, Balakrishnan, INFOCOM 2003), here weighted by the requests of each key.
    """
    shares = np.asarray(weights, dtype=np.float64)
    if not len(shares) or shares.sum() <= 0:
        raise ValueError("weights: at least one key with a positive weight is needed")
    shares = shares / shares.sum()
    expected = shares * rate_rps * ttl_s
    return float(np.sum(shares * expected / (1.0 + expected)))


def zipf_weights(keys: int, exponent: float) -> Floats:
    """Popularity k**-s of the keys 1 … n, as in model.Load."""
    return np.arange(1, keys + 1, dtype=np.float64) ** -exponent
