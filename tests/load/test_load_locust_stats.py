"""Our way of keeping Locust's table against Locust's own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from locust import stats as locust_stats
from locust.stats import RequestStats

from edgebench.load.locust_stats import lean_log_request

REQUESTS = st.tuples(
    st.sampled_from(["GET", "PUT"]),
    st.sampled_from(["/a", "/b"]),
    st.none() | st.floats(0, 1e6) | st.integers(0, 200),
    st.integers(0, 10**6),
    st.floats(0, 2.5),  # seconds since the one before
)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000_000.25

    def time(self) -> float:
        return self.now


def contents(stats: RequestStats) -> list[dict[str, Any]]:
    entries = [stats.total, *(stats.entries[key] for key in sorted(stats.entries))]
    return [{name: value for name, value in vars(entry).items() if name != "stats"} for entry in entries]


@pytest.mark.parametrize("cached", [True, False])
@given(requests=st.lists(REQUESTS, max_size=60), cleared_at=st.integers(0, 60))
def test_the_table_is_the_same(cached: bool, requests: list[Any], cleared_at: int) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locust_stats, "time", clock)  # Locust's module calls time.time()
        theirs, ours = RequestStats(cached), RequestStats(cached)
        log_request = lean_log_request(ours, clock.time)
        for number, (method, name, response_time, length, passed_s) in enumerate(requests):
            if number == cleared_at:
                theirs.clear_all()
                ours.clear_all()
            clock.now += passed_s
            theirs.log_request(method, name, response_time, length)
            log_request(method, name, response_time, length)
            assert contents(ours) == contents(theirs)
