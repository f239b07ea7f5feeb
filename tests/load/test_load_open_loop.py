"""Open loop against real servers: the offered load is the schedule's, whatever the server, the users, the arrivals."""

from __future__ import annotations

import heapq
import time
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebench.load.arrivals import arrival_times_ns
from edgebench.model import Arrivals, Bursts
from tests.load.runs import Result, run
from tests.load.server import Seen, ok, serving, stamped

SERVICE_S = 0.1


def slow(seen: Seen) -> bytes:
    time.sleep(SERVICE_S)
    return ok()


def by_schedule(result: Result) -> list[dict[str, Any]]:
    return sorted(result.rows, key=lambda row: row["scheduled_ns"])


def since_start_ns(result: Result) -> list[int]:
    start_ns = result.generator["start_ns"]
    return [row["scheduled_ns"] - start_ns for row in by_schedule(result)]


def offered(url: str, directory: Path, *options: str) -> Result:
    directory.mkdir()
    result = run(directory, url, *options)
    assert result.code == 0, result.output
    assert result.generator["complete"] is True
    return result


def queued_until_ns(scheduled_ns: list[int], service_ns: list[int], servers: int) -> list[int]:
    """When each begins to be served, first come first served by so many servers (Kiefer & Wolfowitz 1955)."""
    free_ns = [0] * servers
    begun = []
    for due_ns, takes_ns in zip(scheduled_ns, service_ns, strict=True):
        begin_ns = max(due_ns, heapq.heappop(free_ns))
        heapq.heappush(free_ns, begin_ns + takes_ns)
        begun.append(begin_ns)
    return begun


def test_the_rate_does_not_depend_on_the_users_and_waiting_counts(tmp_path: Path) -> None:
    """100/s for a second: 4 users can have 40 of them answered in it, 40 users all."""
    rate, few = 100, 4
    options = ("--rate", str(rate), "--arrivals", "constant", "--measure", "1", "--seed", "3")
    with serving(slow) as server:
        overloaded = offered(server.url, tmp_path / "few", *options, "-u", str(few))
        enough = offered(server.url, tmp_path / "enough", *options, "-u", "40")
    for result in (overloaded, enough):
        # Due from 10 ms on, every 10 ms; what is due at the end belongs to the next second.
        assert since_start_ns(result) == [number * 10_000_000 for number in range(1, rate)]
        assert result.generator["scheduled"] == result.generator["sent"] == rate - 1
        assert result.generator["unanswered"] == 0
    rows = by_schedule(overloaded)
    latency_ns = np.array([row["done_ns"] - row["scheduled_ns"] for row in rows])
    # No server is faster than its sleep. So with 4 in service, arrival i is answered no sooner than after
    # (i // 4 + 1) sleeps: the latency grows by 15 ms an arrival, to 1.5 s. A loop that waits would show 0.1 s for all.
    grown_ns = [(index // few + 1) * SERVICE_S * 1e9 - index * 10_000_000 for index in range(rate - 1)]
    assert (latency_ns >= np.array(grown_ns)).all()
    # What was waited for, and no more: the queue's own law for the service times there were, and the generator's lag.
    scheduled = [row["scheduled_ns"] for row in rows]
    lag_ns = [row["send_lag_ns"] for row in rows]
    held_ns = [row["done_ns"] - row["sent_ns"] + lag for row, lag in zip(rows, lag_ns, strict=True)]
    begun = queued_until_ns(scheduled, held_ns, few)
    assert [row["sent_ns"] for row in rows] == [at + lag for at, lag in zip(begun, lag_ns, strict=True)]


def test_the_same_seed_asks_for_the_same_with_few_users_and_many(tmp_path: Path) -> None:
    sequences = []
    with serving(slow) as server:
        for users in ("4", "40"):
            result = offered(server.url, tmp_path / users, "--rate", "80", "--measure", "1", "--seed", "9", "-u", users)
            keys = [(row["endpoint"], row["key"]) for row in by_schedule(result)]
            sequences.append(list(zip(since_start_ns(result), keys, strict=True)))
    assert len(sequences[0]) > 40
    assert sequences[0] == sequences[1]


def due_before(end_ns: int, *arguments: Any) -> list[int]:
    found: list[int] = []
    for at_ns in chain.from_iterable(arrival_times_ns(*arguments)):
        if at_ns >= end_ns:
            return found
        found.append(at_ns)
    raise AssertionError


def test_bursts_reach_the_server_as_they_were_drawn(tmp_path: Path) -> None:
    options = ("--arrivals", "bursty", "--rate", "300", "--burst-factor", "4", "--burst-share", "0.25")
    with serving(stamped) as server:
        result = offered(
            server.url, tmp_path / "b", *options, "--burst-length", "0.1", "--measure", "1.5", "--processes", "2"
        )
        assert len(server.seen) == len(result.rows)
    generator = result.generator
    assert (generator["arrivals"], generator["burst_factor"], generator["burst_s"]) == ("bursty", 4.0, 0.1)
    assert generator["model"] == "open" and generator["rate_rps"] == 300
    for worker in (0, 1):
        rows = sorted(row["scheduled_ns"] for row in result.rows if row["worker"] == worker)
        due = due_before(3_000_000_000, Arrivals.BURSTY, 300.0, 1, worker, 2, Bursts(4, 0.25, 0.1))
        # Each worker counts from its own start.
        assert np.diff(rows).tolist() == np.diff(due[: len(rows)]).tolist()
        assert len(rows) > 50


@pytest.mark.parametrize("processes", [1, 2])
def test_recorded_times_are_offered_again(tmp_path: Path, processes: int) -> None:
    recorded_s = [0.0, 0.01, 0.2, 0.21, 0.215, 0.5, 0.9]
    path = tmp_path / "traffic.csv"
    path.write_text("time_s\n" + "".join(f"{1_700_000_000 + at}\n" for at in recorded_s))
    options = ("--arrivals", "replay", "--replay", str(path), "--replay-speed", "2", "--measure", "1.2")
    workers = ("--processes", "2") if processes == 2 else ()
    with serving(stamped) as server:
        result = offered(server.url, tmp_path / "r", *options, *workers)
    period_s = 0.9 * 7 / 6
    expected = [(at + turn * period_s) / 2 for turn in range(4) for at in recorded_s]
    for worker in range(processes):
        own = sorted(row["scheduled_ns"] for row in result.rows if row["worker"] == worker)
        mine = expected[worker::processes][: len(own)]
        # Times of day in seconds carry a quarter of a microsecond.
        assert np.diff(own) / 1e9 == pytest.approx(np.diff(mine), abs=1e-6)
        assert len(own) >= 15 // processes
    assert result.generator["replay"] == "traffic.csv"
    assert result.generator["rate_rps"] == pytest.approx(2 * 7 / period_s)


def test_the_samples_of_a_run_are_offered_again(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    from edgebench.load import samples

    with serving(stamped) as server:
        first = offered(server.url, tmp_path / "first", "--rate", "200", "--measure", "0.5", "--seed", "4")
        path = tmp_path / "samples.parquet"
        pq.write_table(samples.read(first.record, 0), path)
        again = offered(
            server.url, tmp_path / "again", "--arrivals", "replay", "--replay", str(path), "--measure", "0.6"
        )
    recorded = np.array(since_start_ns(first))
    replayed = np.array(since_start_ns(again))[: len(recorded)]
    assert replayed.tolist() == (recorded[: len(replayed)] - recorded[0]).tolist()
    assert len(replayed) > 50


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (None, (), "--replay: {path}: No such file or directory"),
        ("", (), "--replay: {path}: empty; expected one time in seconds per line"),
        ("2\n1\n", (), "--replay: {path}:2: expected ascending times, got 1 after 2"),
        ("1\n2\n", ("--rate", "0"), "--rate 0 is a closed loop"),
        ("1\n2\n", ("--replay-speed", "0"), "--replay-speed: expected a number from 0.001 to 1000"),
    ],
)
def test_what_cannot_be_replayed_ends_before_any_load(
    tmp_path: Path, text: str | None, options: tuple[str, ...], message: str
) -> None:
    path = tmp_path / "traffic.csv"
    if text is not None:
        path.write_text(text)
    with serving(stamped) as server:
        result = run(tmp_path, server.url, "--arrivals", "replay", "--replay", str(path), *options)
        assert not server.seen
    assert result.code == 2
    assert message.format(path=path) in result.output
    assert "Traceback" not in result.output
