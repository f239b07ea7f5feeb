"""The parts of the live tab's figures: buckets of latency, the origin's responses seen, points over time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.load.live.board import History, Point
from edgebench.load.live.histogram import BUCKETS, buckets_of, middle_ns, percentile_ns
from edgebench.load.live.origins import SeenResponses
from tests.load.test_load_live import exact_us

# --- buckets -----------------------------------------------------------------------------------------------------


@given(st.integers(2**10, 2**40 - 1))
def test_a_bucket_is_at_most_one_percent_wide(latency_ns: int) -> None:
    bucket = int(buckets_of(np.array([latency_ns]))[0])
    assert 0 <= bucket < BUCKETS
    assert middle_ns(bucket) == pytest.approx(latency_ns, rel=0.004)
    assert int(buckets_of(np.array([int(middle_ns(bucket))]))[0]) == bucket


def test_what_no_bucket_is_for_is_in_the_first_or_last() -> None:
    assert buckets_of(np.array([-5, 0, 1023, 2**40, 2**62])).tolist() == [0, 0, 0, BUCKETS - 1, BUCKETS - 1]


@given(st.integers(1, 3000), st.integers(0, 2**32), st.floats(0, 3), st.sampled_from((0.5, 0.9, 0.99, 0.999)))
def test_percentiles_agree_with_the_sorted_values(n: int, seed: int, spread: float, share: float) -> None:
    drawn_ns = np.random.default_rng(seed).lognormal(12, spread, n)
    latencies_ns = np.clip(drawn_ns, 2**10, 2**39).astype(np.int64).tolist()
    counts = np.bincount(buckets_of(np.array(latencies_ns)), minlength=BUCKETS)
    exact = exact_us(latencies_ns, share)
    ours = percentile_ns(counts, share)
    assert ours == (None if exact is None else pytest.approx(exact * 1000, rel=0.01))


# --- the origin's responses --------------------------------------------------------------------------------------

SEQS = st.lists(st.lists(st.builds(lambda w, n: w << 40 | n, st.integers(0, 3), st.integers(0, 40_000)), max_size=60))


@given(SEQS)
def test_each_response_is_first_seen_once(batches: list[list[int]]) -> None:
    seen, truth = SeenResponses(), set[int]()
    for batch in batches:
        first = seen.first_seen(np.array(batch, dtype=np.int64))
        new = [batch[place] for place in first.tolist()]
        assert sorted(new) == sorted(set(batch) - truth)
        truth.update(batch)
    assert seen.complete


def test_more_responses_than_there_is_room_for_are_owned_up_to() -> None:
    seen = SeenResponses(limit=100)
    assert seen.first_seen(np.array([5, 99, 5])).tolist() == [0, 1]
    assert seen.complete
    assert seen.first_seen(np.array([5, 100, 7])).tolist() == [2]
    assert not seen.complete
    assert seen.first_seen(np.array([1 << 40])).tolist() == []


# --- over time ---------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(0, 50), st.integers(0, 9)), max_size=60), st.integers(2, 9))
def test_the_history_keeps_every_count_in_its_time(steps: list[tuple[float, int]], max_points: int) -> None:
    history = History(max_points)
    now_s = 100.0
    came: list[tuple[float, int]] = []
    for wait_s, count in steps:
        now_s += wait_s if came else 0.0
        history.add(Point(hits=count, stamped=9), now_s)
        came.append((now_s - 100.0, count))
    assert len(history.points) <= max_points
    for place, point in enumerate(history.points):
        within = [count for at_s, count in came if int(at_s / history.step_s) == place]
        assert (point.hits, point.stamped) == (sum(within), 9 * len(within))
