"""The figures of the live tab against a second, slow way of counting; parts against the whole."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from locust.rpc.protocol import Message

from edgebench.load import record
from edgebench.load.live import collector as live_collector
from edgebench.load.live.board import Board
from edgebench.load.live.collector import Collector, LiveSink, claimed
from edgebench.load.live.histogram import BEYOND
from edgebench.load.live.table import TOTAL, Row, csv_text, rows_of
from edgebench.load.live.totals import FURTHER, MAX_ENDPOINTS, Claimed, Delta, Totals
from edgebench.model import ClaimedOutcome

ENDPOINTS = (("GET", "/p/[id]"), ("GET", '/l?"page",\n'), ("HEAD", "/p/[id]"))
HIT, STALE, MISS, PASS, CONFIRMED, ODD = (
    "x-cache: HIT",
    "x-cache: STALE",
    "x-cache: MISS",
    "x-cache: PASS",
    "x-cache: REVALIDATED",
    "x-cache: perhaps",
)


@dataclass(frozen=True, slots=True)
class Request:
    endpoint: tuple[str, str] = ENDPOINTS[0]
    status: int = 200
    error: str | None = None
    claim: str | None = None
    seq: int = -1
    stored: bool = False
    latency_ns: int = 100_000
    send_lag_ns: int = 0

    @property
    def confirmed(self) -> bool:
        return self.good and self.seq >= 0 and self.stored and self.claim == CONFIRMED

    @property
    def good(self) -> bool:
        return self.error is None and 0 < self.status < 500


REQUESTS = st.lists(
    st.builds(
        Request,
        endpoint=st.sampled_from(ENDPOINTS),
        status=st.sampled_from((200, 200, 200, 304, 404, 500, 503, 0)),
        error=st.sampled_from((None, None, None, None, "read timed out")),
        claim=st.sampled_from((None, HIT, STALE, MISS, PASS, CONFIRMED, ODD)),
        seq=st.one_of(st.just(-1), st.integers(1, 20), st.integers(1, 20).map(lambda count: 3 << 40 | count)),
        stored=st.booleans(),
        latency_ns=st.integers(1_100, 10**11),
        send_lag_ns=st.integers(0, 10**6),
    ),
    max_size=200,
)


def fed(requests: Sequence[Request], flush_every: int = 50) -> Collector:
    """The requests as a worker's recorder gives them to the sink."""
    sink = LiveSink()
    recorder = record.Recorder([sink])
    for number, r in enumerate(requests, 1):
        done_ns = 10**12 + r.send_lag_ns + r.latency_ns
        flags = record.STORED if r.stored else 0
        recorder.record(
            10**12, 10**12 + r.send_lag_ns, -1, done_ns, r.send_lag_ns, r.endpoint, "/", r.status, 5, r.claim, -1,
            r.seq, 0, 0, flags, r.error,
        )  # fmt: skip
        if number % flush_every == 0:
            recorder.flush()
    recorder.close()
    return sink.collector


def counted(requests: Sequence[Request]) -> dict[tuple[str, str], Row]:
    """The rows, from the definitions alone."""
    seen: set[int] = set()
    origin: dict[tuple[str, str], int] = defaultdict(int)
    for r in requests:
        if r.seq >= 0 and r.seq not in seen:
            seen.add(r.seq)
            origin[r.endpoint] += 1
        origin[r.endpoint] += r.confirmed
    claims = any(r.good and r.claim not in (None, ODD) for r in requests)
    parts = {endpoint: [r for r in requests if r.endpoint == endpoint] for endpoint in ENDPOINTS}
    rows = {e: counted_row(e, part, origin[e], claims) for e, part in parts.items() if part}
    wrapped = [e for e, part in parts.items() if any(r.seq >= 0 for r in part)]
    total = counted_row(("", TOTAL), requests, 0, claims)
    of_wrapped = sum(len(parts[e]) for e in wrapped)
    offload = max(0.0, 1 - sum(origin[e] for e in wrapped) / of_wrapped) if wrapped else None
    return {**rows, ("", TOTAL): replace(total, origin_offload=offload)}


def counted_row(endpoint: tuple[str, str], requests: Sequence[Request], origin: int, claims: bool) -> Row:
    good = [r for r in requests if r.good]
    stamped = [r for r in good if r.seq >= 0]
    hits = [r for r in good if (r.stored and not r.confirmed if r.seq >= 0 else r.claim in (HIT, STALE))]
    misses = [r for r in good if (not r.stored or r.confirmed if r.seq >= 0 else r.claim in (MISS, PASS, CONFIRMED))]
    claimed_hits = [r for r in good if r.claim in (HIT, STALE)]
    return Row(
        *endpoint,
        len(requests),
        len(requests) - len(good),
        sum(r.stored and not r.confirmed for r in stamped) / len(stamped) if stamped else None,
        sum(r.stored for r in stamped) / len(stamped) if stamped else None,
        len(claimed_hits) / len(good) if claims and good else None,
        max(0.0, 1 - origin / len(requests)) if any(r.seq >= 0 for r in requests) else None,
        *(exact_us([r.latency_ns for r in part], share) for part in (hits, misses) for share in (0.5, 0.99)),
    )


def exact_us(latencies_ns: Sequence[int], share: float) -> float | None:
    rank = math.ceil(round(share * len(latencies_ns), 9))
    return sorted(latencies_ns)[rank - 1] / 1000 if rank and len(latencies_ns) - rank >= BEYOND else None


def assert_agree(row: Row, truth: Row) -> None:
    ours, theirs = asdict(row), asdict(truth)
    for name, value in theirs.items():
        if isinstance(value, float):
            # A bucket is 0.8 % wide; the rest is rounding to tenths of a microsecond.
            near = pytest.approx(value, rel=0.005, abs=0.1) if name.endswith("_us") else pytest.approx(value, abs=1e-6)
            assert ours[name] == near, name
        else:
            assert ours[name] == value, name


def board_of(*deltas: Delta) -> Board:
    board = Board()
    for at_s, delta in enumerate(deltas):
        board.merge(delta, float(at_s))
    return board


@given(REQUESTS, st.integers(1, 60))
def test_the_rows_are_what_the_definitions_say(requests: list[Request], flush_every: int) -> None:
    rows = board_of(fed(requests, flush_every).drain()).rows
    truth = counted(requests)
    assert {(row.method, row.name) for row in rows} == set(truth)
    assert (rows[-1].method, rows[-1].name) == ("", TOTAL)
    for row in rows:
        assert_agree(row, truth[row.method, row.name])


@pytest.mark.parametrize("seed", range(5))
def test_the_rows_of_a_long_run_are_what_the_definitions_say(seed: int) -> None:
    requests = drawn(20_000, seed)
    rows = board_of(fed(requests, 1000).drain()).rows
    truth = counted(requests)
    assert None not in asdict(rows[-1]).values()
    for row in rows:
        assert_agree(row, truth[row.method, row.name])
    parts = board_of(*(sent(fed(requests[worker::3]).drain()) for worker in range(3))).rows
    assert parts[-1] == rows[-1]


def drawn(n: int, seed: int) -> list[Request]:
    """Half of the endpoints' requests from store, in a time that spreads over six orders of magnitude."""
    rng = np.random.default_rng(seed)
    stored = rng.random(n) < 0.5
    latency_ns = np.clip(rng.lognormal(13, 2.5, n), 1100, 10**12).astype(np.int64)
    return [
        Request(ENDPOINTS[rng.integers(3)], 200, None, (MISS, HIT)[was], int(rng.integers(n)), was, took_ns)
        for was, took_ns in zip(stored.tolist(), latency_ns.tolist(), strict=True)
    ]


@given(REQUESTS, st.integers(1, 4), st.integers(1, 60))
def test_the_parts_of_several_workers_make_the_whole(requests: list[Request], workers: int, at_a_time: int) -> None:
    deltas = []
    for worker in range(workers):
        mine = requests[worker::workers]
        collector = Collector()
        for start in range(0, len(mine), at_a_time):
            part = fed(mine[start : start + at_a_time])
            # One worker's collector goes on from delta to delta.
            add(collector, part.drain())
            deltas.append(collector.drain())
    whole = board_of(fed(requests).drain())
    merged = board_of(*(sent(delta) for delta in deltas))
    # Which endpoint an origin's response counts for depends on who was seen first; the sum does not.
    without = [replace(row, origin_offload=None) for row in whole.rows[:-1]]
    assert [replace(row, origin_offload=None) for row in merged.rows[:-1]] == without
    if len({r.endpoint for r in requests if r.seq >= 0}) == 1:
        assert merged.rows == whole.rows


def add(collector: Collector, delta: Delta) -> None:
    """As if the requests of this delta had been this collector's own."""
    rows = np.array([collector.totals.row(endpoint) for endpoint in delta.endpoints], dtype=np.int64)
    collector.totals.add_parts(rows, delta.tally, delta.cells, delta.cell_counts)
    collector.add_origin(delta.origin_seq, rows[delta.origin_endpoint])


def sent(delta: Delta) -> Delta:
    """Over Locust's channel."""
    message: Any = Message
    return Delta.from_message(message.unserialize(message("x", delta.message(), "worker").serialize()).data)


def test_what_was_drained_is_not_given_again() -> None:
    collector = fed([Request(seq=1), Request(seq=1, stored=True), Request(status=500)])
    assert collector.drain()
    assert not collector.drain()


def test_a_response_that_several_workers_saw_is_one() -> None:
    collectors = [fed([Request(seq=7), Request(seq=7, stored=True)]) for _ in range(3)]
    assert board_of(*(collector.drain() for collector in collectors)).rows[-1].origin_offload == pytest.approx(5 / 6)


def test_too_many_new_responses_for_one_delta_come_with_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_collector, "MAX_SEQS", 10)
    collector = fed([Request(seq=seq) for seq in range(25)])
    deltas = []
    while delta := collector.drain():
        deltas.append(delta)
    assert [len(delta.origin_seq) for delta in deltas] == [10, 10, 5]
    board = board_of(*deltas)
    assert (board.rows[-1].requests, board.rows[-1].origin_offload) == (25, 0.0)


def test_every_outcome_has_its_place() -> None:
    assert {live_collector._CLAIMED[outcome] for outcome in ClaimedOutcome} == set(Claimed)
    assert [claimed(text) for text in (HIT, STALE, MISS, PASS, CONFIRMED, ODD, None)] == [1, 1, 2, 2, 3, 0, 0]


def test_a_cache_that_says_nothing_but_age_has_claimed_no_hit_elsewhere() -> None:
    rows = board_of(fed([Request(claim="age: 1"), Request(ENDPOINTS[2])]).drain()).rows
    assert [row.claimed_hit_ratio for row in rows] == [1.0, 0.0, 0.5]


def test_endpoints_beyond_the_limit_are_counted_together() -> None:
    names = [("GET", f"/{number}") for number in range(MAX_ENDPOINTS + 50)]
    rows = board_of(fed([Request(name, seq=1, stored=True) for name in names]).drain()).rows
    assert len(rows) == MAX_ENDPOINTS + 2
    assert [row.requests for row in rows if (row.method, row.name) == FURTHER] == [50]
    assert (rows[-1].requests, rows[-1].proved_hit_ratio) == (len(names), 1.0)


def test_an_endpoint_without_a_number_is_counted() -> None:
    sink = LiveSink()
    records = np.zeros(3, dtype=record.DTYPE)
    records["endpoint"], records["status_flags"], records["origin_seq"] = record.UNKNOWN, 200, -1
    sink.write(memoryview(records.tobytes()), [])
    rows = board_of(sink.collector.drain()).rows
    assert [(row.name, row.requests) for row in rows] == [(FURTHER[1], 3), (TOTAL, 3)]


def test_reset_counts_from_zero_and_no_response_of_the_origin_twice() -> None:
    board = board_of(fed([Request(seq=1), Request(seq=2)]).drain())
    board.clear()
    assert (board.rows, board.document()["points"]) == (rows_of(Totals()), [])
    board.merge(fed([Request(seq=2, stored=True), Request(seq=3)]).drain(), 9.0)
    assert (board.rows[-1].requests, board.rows[-1].origin_offload) == (2, 0.5)


@given(REQUESTS)
def test_the_csv_is_the_rows(requests: list[Request]) -> None:
    rows = board_of(fed(requests).drain()).rows
    parsed = list(csv.DictReader(io.StringIO(csv_text(rows))))
    assert parsed == [
        {name: "" if value is None else str(value) for name, value in asdict(row).items()} for row in rows
    ]


def test_no_offload_is_told_where_not_all_responses_could_be_counted() -> None:
    delta = fed([Request(seq=1), Request(seq=(1 << 40) - 1)]).drain()
    assert not delta.complete
    assert board_of(delta).rows[-1].origin_offload is None
    assert board_of(delta).rows[-1].proved_hit_ratio == 0.0


def test_points_tell_the_ratios_of_their_time() -> None:
    first = fed([Request(seq=1), Request(seq=1, stored=True, claim=HIT)]).drain()
    second = fed([Request(claim=MISS)]).drain()
    assert board_of(first, second).document()["points"] == [[0.5, 0.5], [None, 0.0]]
