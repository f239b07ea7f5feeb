"""Our way of keeping Locust's table against Locust's own."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from locust import stats as locust_stats
from locust.stats import RequestStats

from edgebench.load import record
from edgebench.load.locust_stats import TableSink, lean_log_request

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


SAMPLES = st.tuples(
    st.integers(1, 3),  # its endpoint, of NAMES
    st.one_of(st.integers(0, 3 * 10**6), st.integers(0, 2 * 10**12)),  # how long it took, in ns
    st.integers(0, 10**6),  # bytes
    st.integers(0, 2500),  # since the one before, in ms: seconds as floats have 0.2 µs
    st.booleans(),  # whether the table has it from the sample
)
NAMES = {1: ("(further endpoints)", ""), 2: ("/a", "GET"), 3: ("/b", "PUT")}
WALL_NS = 1_700_000_000 * 10**9


@pytest.mark.parametrize("cached", [True, False])
@given(samples=st.lists(SAMPLES, max_size=40), cut=st.integers(0, 40), own_buckets=st.booleans())
def test_the_table_made_of_samples_is_the_same(cached: bool, samples: list[Any], cut: int, own_buckets: bool) -> None:
    clock = Clock()
    records = np.zeros(len(samples), record.DTYPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locust_stats, "time", clock)
        if own_buckets:
            patch.setattr(locust_stats, "bucket_response_time", lambda ms: int(ms * 10))
        theirs, ours = RequestStats(cached), RequestStats(cached)
        for stats, (name, method) in product((theirs, ours), NAMES.values()):
            stats.get(name, method)  # a line keeps the second in which it was made
        now_ns = 10**12
        for row, (endpoint, took_ns, size, passed_ms, tabled) in zip(records, samples, strict=True):
            now_ns += passed_ms * 10**6
            clock.now = (WALL_NS + now_ns) / 1e9
            row["scheduled_ns"], row["done_ns"], row["bytes"], row["endpoint"] = (
                now_ns - took_ns,
                now_ns,
                size,
                endpoint,
            )
            row["status_flags"] = 200 | (record.TABLED if tabled else record.REUSED) << record.STATUS_BITS
            if tabled:
                name, method = NAMES[endpoint]
                theirs.log_request(method, name, took_ns / 1e6, size)
        sink = TableSink(ours, WALL_NS)
        names = [b'["endpoint", 2, ["GET", "/a"]]\n', b'["key", 2, "/a"]\n', b'["endpoint", 3, ["PUT", "/b"]]\n']
        sink.write(memoryview(records[:cut].tobytes()), names)
        sink.write(memoryview(records[cut:].tobytes()), [])
    assert without_start(contents(ours)) == [nearly(entry) for entry in without_start(contents(theirs))]


def without_start(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for entry in entries:
        entry.pop("start_time")
    return entries


def nearly(entry: dict[str, Any]) -> dict[str, Any]:
    """Sums of floats depend on their order, in the last digits."""
    for name in ("total_response_time", "last_request_timestamp"):
        if entry[name] is not None:
            entry[name] = pytest.approx(entry[name], rel=1e-12, abs=1e-6)
    return entry
