"""Locust's table of requests in fewer steps: the same figures for a fraction of the time.

Locust's listener of its `request` event adds each request to two entries of the table, by five calls each. At tens of
thousands of requests a second that is a quarter of the generator's work, and so of what it takes for a slow server.
TableSink makes the table of the samples, a block at a time; what has no sample of its own, or failed, comes by the
event, and `lean_log_request` adds it.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from time import monotonic_ns, time, time_ns
from typing import Any

import numpy as np
from locust import log
from locust import stats as locust_stats
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser
from locust.stats import RequestStats, StatsEntry, bucket_response_time

from edgebench.load import record

IntArray = np.ndarray[Any, np.dtype[np.int64]]
FloatArray = np.ndarray[Any, np.dtype[np.float64]]
_TABLED = record.TABLED << record.STATUS_BITS
_FURTHER = ("(further endpoints)", "")
"""One endpoint too many to have a number (record.UNKNOWN)."""
_FINE_MS = 100
"""Below, Locust's buckets are whole milliseconds."""


def is_table(listener: Callable[..., object]) -> bool:
    """Whether a listener of Locust's request event is the one that keeps the table: the runner's own."""
    return getattr(listener, "__module__", "") == "locust.runners"


class TableSink:
    """A record.Sink that adds the samples flagged TABLED to Locust's table.

    The table is up to half a second behind: a block comes when it is full (4,096 samples) or when the session does its
    housekeeping. `write` takes about 0.2 ms for a full block.
    """

    def __init__(self, stats: RequestStats, wall_ns: int | None = None) -> None:
        """`wall_ns`: what to add to a sample's time for the time since the epoch."""
        self._stats = stats
        self._wall_ns = time_ns() - monotonic_ns() if wall_ns is None else wall_ns
        self._names: dict[int, tuple[str, str]] = {}

    def write(self, records: memoryview, strings: Sequence[bytes]) -> None:
        for line in strings:
            if line.startswith(b'["endpoint"'):
                _, number, (method, name) = json.loads(line)
                self._names[number] = name, method
        rows = np.frombuffer(records, record.DTYPE)
        tabled = (rows["status_flags"] & _TABLED) != 0
        if not tabled.all():
            rows = rows[tabled]
        if not len(rows):
            return
        done_ns = rows["done_ns"]
        times_ms = (done_ns - rows["scheduled_ns"]) / 1e6
        columns = done_ns, times_ms, rows["bytes"], rows["endpoint"]
        first, last = (
            int(each) // 1_000_000_000 for each in (done_ns.min() + self._wall_ns, done_ns.max() + self._wall_ns)
        )
        if first == last:
            self._add(first, *columns)
            return
        seconds = (done_ns + self._wall_ns) // 1_000_000_000
        # Not np.unique: the first time, it imports numpy.ma, which takes 20 ms.
        for second in sorted(set(seconds.tolist())):
            self._add(second, *(column[seconds == second] for column in columns))

    def close(self) -> None:
        """Nothing is kept back."""

    def _add(self, second: int, done_ns: IntArray, times_ms: FloatArray, sizes: IntArray, endpoints: IntArray) -> None:
        """Requests that ended in one second since the epoch."""
        self._add_to(self._stats.total, second, done_ns, times_ms, sizes)
        for number in set(endpoints.tolist()):
            here = endpoints == number
            entry = self._stats.entries[self._names.get(number, _FURTHER)]
            self._add_to(entry, second, done_ns[here], times_ms[here], sizes[here])

    def _add_to(self, entry: StatsEntry, second: int, done_ns: IntArray, times_ms: FloatArray, sizes: IntArray) -> None:
        """To one line of the table: what Locust's `log` does for each."""
        last: Any = entry.last_request_timestamp
        if entry.use_response_times_cache and last and second > int(last):
            entry._cache_response_times(second - 1)
        count = len(times_ms)
        entry.num_requests += count
        entry.num_reqs_per_sec[second] += count
        last_s = (int(done_ns.max()) + self._wall_ns) / 1e9
        entry.last_request_timestamp = max(last, last_s) if last else last_s
        # Locust says int and passes floats.
        entry.total_response_time += float(times_ms.sum())  # type: ignore[assignment]
        least, most = float(times_ms.min()), float(times_ms.max())
        before = entry.min_response_time
        entry.min_response_time = least if before is None else min(before, least)  # type: ignore[assignment]
        entry.max_response_time = max(entry.max_response_time, most)  # type: ignore[assignment]
        entry.total_content_length += int(sizes.sum())
        for bucket, count in _buckets(times_ms):
            entry.response_times[bucket] += count


def _buckets(times_ms: FloatArray) -> list[tuple[int, int]]:
    """Locust's buckets of these times, and how many are in each; its function may have been replaced by the user's."""
    if locust_stats.bucket_response_time is not bucket_response_time or times_ms.max() >= _FINE_MS:
        return list(Counter(locust_stats.bucket_response_time(each) for each in times_ms.tolist()).items())
    counts = np.bincount(np.rint(times_ms).astype(np.int64))
    rounded = np.flatnonzero(counts)
    return list(zip(rounded.tolist(), counts[rounded].tolist(), strict=True))


def lean_log_request(
    stats: RequestStats, clock: Callable[[], float] = time
) -> Callable[[str, str, float | None, int], None]:
    """What `stats.log_request` does, for setting it in its place. `clock` is that of Locust's entries."""

    def log_request(method: str, name: str, response_time: float | None, content_length: int) -> None:
        now = clock()
        second = int(now)
        bucket = -1
        for entry in (stats.total, stats.entries[name, method]):
            last = entry.last_request_timestamp
            if response_time is None or last is None or last < second:
                # The first of a second: Locust may want to keep a copy of what there was.
                entry.log(response_time, content_length)  # type: ignore[arg-type]  # Locust says int and passes floats
                continue
            if bucket < 0:
                bucket = locust_stats.bucket_response_time(response_time)
            entry.num_requests += 1
            entry.num_reqs_per_sec[second] += 1
            entry.last_request_timestamp = now
            entry.total_response_time += response_time  # type: ignore[assignment]
            least = entry.min_response_time
            if least is None or response_time < least:
                entry.min_response_time = response_time  # type: ignore[assignment]
            if response_time > entry.max_response_time:
                entry.max_response_time = response_time  # type: ignore[assignment]
            entry.response_times[bucket] += 1
            entry.total_content_length += content_length

    return log_request


def listener_failed(error: Exception) -> None:
    """What Locust's events do when a listener raises: let pass what steers a user, tell of everything else."""
    if isinstance(error, StopUser | StopTest | RescheduleTask | RescheduleTaskImmediately | InterruptTaskSet):
        raise error
    logging.error("Uncaught exception in event handler: \n%s", traceback.format_exc())
    log.unhandled_greenlet_exception = True
