"""Hit ratios of the long run, for TTLs that no window is long enough to measure: the closed form over what was asked.

A TTL cache without eviction hits a key that is asked for λ times a second, at random times, in λT/(1 + λT) of the cases
(Jung, Berger, Balakrishnan, INFOCOM 2003); T is how long an answer lives on average in this very cache. Rates and
popularity are taken from the samples: keys are Zipf distributed with the load's exponent, within each group of
endpoints that ask for the same keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from edgebench.analysis.metrics import measuring
from edgebench.analysis.replay import steady_state_hit_ratio, zipf_weights
from edgebench.analysis.results import TrialResult
from edgebench.analysis.tables import NS_PER_S
from edgebench.model import ExpiryRule


@dataclass(frozen=True, slots=True)
class KeyGroup:
    """Cacheable endpoints that ask for the same keys."""

    rate_rps: float
    keys: int
    """How many there are: as many as would show so many different ones in so many requests."""


def key_groups(trial: TrialResult) -> list[KeyGroup]:
    """The groups of one trial; empty without cacheable requests. Rates are of the measuring phase, the number of keys
    is judged by both phases."""
    load = trial.record.trial.cell.load
    seconds = (trial.record.measure_end_ns - trial.record.measure_start_ns) / NS_PER_S
    samples = trial.samples.assign(now=measuring(trial.samples))
    asked = samples.loc[samples["cacheable"].to_numpy(dtype=bool), ["endpoint", "key", "now"]].astype(
        {"endpoint": "object", "key": "object"}
    )
    if asked.empty or seconds <= 0:
        return []
    groups = []
    for endpoints in _sharing(asked):
        mine = asked[asked["endpoint"].isin(endpoints)]
        distinct, draws = int(mine["key"].nunique()), len(mine)
        keys = number_of_keys(distinct, draws, load.zipf_s, max(load.keys, distinct))
        groups.append(KeyGroup(float(mine["now"].sum()) / seconds, keys))
    return groups


def _sharing(asked: pd.DataFrame) -> list[set[str]]:
    """Endpoints, put together where they have a key in common."""
    of_key = asked.groupby("key")["endpoint"].unique()
    groups: list[set[str]] = []
    for endpoints in {frozenset(map(str, found)) for found in of_key}:
        together = set(endpoints)
        apart = []
        for group in groups:
            if group & together:
                together |= group
            else:
                apart.append(group)
        groups = [*apart, together]
    return groups


def number_of_keys(distinct: int, draws: int, zipf_s: float, most: int) -> int:
    """How many keys there are, when `draws` requests showed `distinct` different ones: the smallest number n, at most
    `most`, of which Σ 1 − (1 − pₖ)^draws are expected to be seen, pₖ ∝ k**-s."""

    def expected(keys: int) -> float:
        weights = zipf_weights(keys, zipf_s)
        return float(np.sum(-np.expm1(draws * np.log1p(-np.minimum(weights / weights.sum(), 1 - 1e-12)))))

    low, high = max(distinct, 1), max(most, distinct, 1)
    while low < high:
        middle = (low + high) // 2
        if expected(middle) >= distinct - 0.5:
            high = middle
        else:
            low = middle + 1
    return low


def mean_life_s(ttl_s: float, rule: ExpiryRule | None) -> float:
    """How long an answer lives on average: a cache that keeps whole seconds only, rounded down, loses half of one."""
    if ttl_s <= 0:
        return 0.0
    if rule is None:
        return ttl_s
    return max(ttl_s + rule.extra_s - (0.5 if rule.whole_seconds else 0.0), 0.0)


def long_run_hit_ratio(groups: Sequence[KeyGroup], zipf_s: float, life_s: float) -> float:
    """Hit ratio of the cacheable requests, once the cache has been asked for long."""
    total = sum(group.rate_rps for group in groups)
    if total <= 0:
        return float("nan")
    hits = [
        group.rate_rps * steady_state_hit_ratio(group.rate_rps, zipf_weights(group.keys, zipf_s), life_s)
        for group in groups
    ]
    return sum(hits) / total
