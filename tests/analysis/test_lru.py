"""The replay through LRU against a second, slower one, and against Che's closed form."""

import numpy as np
import pytest

from edgebench.analysis.lru import che_hit_ratio, lru_replay
from edgebench.analysis.replay import EXACT, Schedule
from edgebench.model import ExpiryRule


def _schedule(key: np.ndarray, at_s: np.ndarray, fetch_s: float, ttl_s: float) -> Schedule:
    """As analysis.replay.schedule orders it: by key, then by time."""
    order = np.lexsort((at_s, key))
    ttl = np.full(len(key), ttl_s)
    return Schedule(order, key[order], at_s[order], at_s[order] + fetch_s, ttl)


def _by_the_book(rows: list[tuple[float, int, int]], capacity: int, fetch_s: float, ttl_s: float) -> list[bool]:
    """Every use of every key is looked up again at each request: what is stored is told from the past alone."""
    hits: list[bool] = []
    stored: dict[int, tuple[float, int, int]] = {}  # key: fresh until, size, place of its last use
    for place, (at_s, key, size) in enumerate(rows):
        known = stored.get(key)
        hit = known is not None and at_s < known[0]
        hits.append(hit)
        if hit and known is not None:
            stored[key] = (known[0], known[1], place)
            continue
        stored.pop(key, None)
        if size <= capacity:
            stored[key] = (at_s + fetch_s + ttl_s, size, place)
        while sum(entry[1] for entry in stored.values()) > capacity:
            del stored[min(stored, key=lambda other: stored[other][2])]
    return hits


@pytest.mark.parametrize("ttl_s", [0.3, 3600.0])
@pytest.mark.parametrize("capacity", [0, 90, 700, 3_000, 10**6])
def test_two_replays_agree_on_every_request(capacity: int, ttl_s: float) -> None:
    random = np.random.default_rng(capacity + int(ttl_s))
    at_s = np.sort(random.uniform(0, 5, 1_500))
    key = np.minimum(random.zipf(1.4, 1_500), 60) - 1
    sizes = random.integers(20, 201, 60)
    schedule = _schedule(key, at_s, 0.01, ttl_s)
    hits = np.zeros(len(key), dtype=bool)
    hits[schedule.positions] = lru_replay(schedule, EXACT, sizes[schedule.key], capacity)
    rows = list(zip(at_s.tolist(), key.tolist(), sizes[key].tolist(), strict=True))
    assert hits.tolist() == _by_the_book(rows, capacity, 0.01, ttl_s)


def test_a_cache_that_keeps_longer_hits_longer() -> None:
    schedule = _schedule(np.zeros(4, dtype=np.int64), np.array([0.5, 2.4, 2.9, 3.1]), 0.0, 2.0)
    sizes = np.full(4, 10, dtype=np.int64)
    assert lru_replay(schedule, EXACT, sizes, 10).tolist() == [False, True, False, True]
    assert lru_replay(schedule, ExpiryRule(True, 1), sizes, 10).tolist() == [False, True, True, False]


@pytest.mark.parametrize("exponent", [0.6, 1.1])
@pytest.mark.parametrize("share", [0.05, 0.3])
def test_the_closed_form_is_near_the_replay_in_the_long_run(share: float, exponent: float) -> None:
    random = np.random.default_rng(3)
    weights = np.arange(1, 801.0) ** -exponent
    sizes = random.integers(20, 201, 800)
    key = random.choice(800, 40_000, p=weights / weights.sum())
    capacity = int(share * sizes.sum())
    schedule = _schedule(key, np.arange(40_000.0), 0.0, 1e9)
    hits = np.zeros(40_000, dtype=bool)
    hits[schedule.positions] = lru_replay(schedule, EXACT, sizes[schedule.key], capacity)
    assert hits[8_000:].mean() == pytest.approx(che_hit_ratio(weights, sizes.astype(np.float64), capacity), abs=0.01)


def test_what_fits_altogether_is_always_hit() -> None:
    assert che_hit_ratio(np.ones(3), np.full(3, 5.0), 15.0) == 1.0


def test_a_limit_that_is_looked_at_now_and_then_holds_only_then() -> None:
    """Five answers of 10 bytes into room for 20, looked at 3 s after the start and every 4 s from there."""
    key = np.array([0, 1, 2, 3, 4, 0, 3, 4, 2, 3, 0])
    at_s = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 2.9, 3.1, 3.2, 6.9, 6.95, 7.1])
    schedule = _schedule(key, at_s, 0.0, 1e9)
    hits = np.zeros(len(key), dtype=bool)
    hits[schedule.positions] = lru_replay(schedule, EXACT, np.full(len(key), 10), 20, checked=(3.0, 4.0))
    # At 3 s 4 and 0 are what was used last, at 7 s 3 and 2.
    assert hits.tolist() == [False] * 5 + [True, False, True, False, True, False]
