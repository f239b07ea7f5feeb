"""What a cache with a limited store would have hit: the exact replay through LRU, and Che's closed form."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from edgebench.analysis.replay import Schedule
from edgebench.analysis.tables import Bools, Floats, Ints
from edgebench.model import ExpiryRule


def lru_replay(
    requests: Schedule,
    rule: ExpiryRule,
    size_bytes: Ints,
    capacity_bytes: int,
    checked: tuple[float, float] | None = None,
) -> Bools:
    """Per request of the schedule, whether a cache of `capacity_bytes` that evicts what was used longest ago hits.

    checked: when it first compares its store with its limit, in the time of the schedule, and how often, both in
    seconds; in between the store grows without limit. None: with every answer it stores.
    size_bytes: of the answer to each request, everything a cache keeps with it included. What is larger than the store,
    or has no lifetime, is not stored. A fetch counts as stored when its request came, so requests that come while it
    lasts hit (collapsed); an answer that has expired is fetched anew and takes the place of the old one. Shape: n.
    """
    hits = np.zeros(len(requests.key), dtype=bool)
    order = np.argsort(requests.at_s, kind="stable")
    rows = zip(
        order.tolist(), requests.key[order].tolist(), requests.at_s[order].tolist(), requests.fetched_s[order].tolist(),
        requests.ttl_s[order].tolist(), size_bytes[order].tolist(), strict=True,
    )  # fmt: skip
    store: OrderedDict[int, tuple[float, int]] = OrderedDict()
    """Fresh until, and size, by key; what was used longest ago comes first."""
    used = 0
    next_check_s = checked[0] if checked is not None else -np.inf
    for place, key, at_s, fetched_s, ttl_s, size in rows:
        while checked is not None and next_check_s <= at_s:
            used = _evict(store, used, capacity_bytes)
            next_check_s += checked[1]
        fresh_until_s, old_size = store.get(key, (-np.inf, 0))
        if at_s < fresh_until_s:
            store.move_to_end(key)
            hits[place] = True
            continue
        if store.pop(key, None) is not None:
            used -= old_size
        if ttl_s <= 0 or size > capacity_bytes:
            continue
        store[key] = (rule.fresh_until_s(fetched_s, ttl_s, fetched_s - at_s), size)
        used += size
        if checked is None:
            used = _evict(store, used, capacity_bytes)
    return hits


def _evict(store: OrderedDict[int, tuple[float, int]], used: int, capacity_bytes: int) -> int:
    """Take away what was used longest ago until the rest fits; what is used then."""
    while used > capacity_bytes:
        _, (_, gone) = store.popitem(last=False)
        used -= gone
    return used


def che_hit_ratio(weights: Floats, size_bytes: Floats, capacity_bytes: float) -> float:
    """Long-run hit ratio of LRU under independent requests, without expiry: Σ pᵢ (1 − exp(−pᵢ t)).

    t, in requests, is how long an object stays that is not asked for again: Σ sᵢ (1 − exp(−pᵢ t)) = capacity (Che,
    Tung, Wang, IEEE JSAC 2002; with sizes, Fricker, Robert, Roberts, ITC 2012). weights: popularity per object, of any
    sum.
    """
    shares = np.asarray(weights, dtype=np.float64) / np.sum(weights)
    sizes = np.asarray(size_bytes, dtype=np.float64)
    if capacity_bytes >= sizes.sum():
        return 1.0
    low, high = 0.0, 1.0
    while _stored(shares, sizes, high) < capacity_bytes:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _stored(shares, sizes, middle) < capacity_bytes else (low, middle)
    return float(np.sum(shares * -np.expm1(-shares * low)))


def _stored(shares: Floats, sizes: Floats, requests: float) -> float:
    return float(np.sum(sizes * -np.expm1(-shares * requests)))
