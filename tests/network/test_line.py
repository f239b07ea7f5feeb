"""One direction of a link against closed forms: delay, jitter, loss, rate and its queue."""

from __future__ import annotations

import random
import statistics
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.model import LinkSpec
from edgebench.network.line import QUEUE_PACKETS, REDRAW_NS, Line, LineSpec, lines_of
from edgebench.network.netem import netem_command
from edgebench.network.profiles import PROFILES

MS = 1_000_000
GAPS = st.lists(st.integers(0, 20 * MS), min_size=1, max_size=200)


def _line(spec: LineSpec) -> Line:
    return Line(spec, random.Random(1))


def test_a_link_is_half_a_round_trip_each_way_and_each_way_has_its_rate() -> None:
    up, down = lines_of(LinkSpec(rtt_ms=50, jitter_ms=5, loss=0.01, down_mbit=8, up_mbit=4))
    assert (up.delay_ns, down.delay_ns) == (25 * MS, 25 * MS)
    assert (up.jitter_ns, up.loss) == (5 * MS, 0.01)
    assert (up.ns_per_byte, down.ns_per_byte) == (2000, 1000)


def test_the_queue_is_one_round_trip_long_and_holds_fifty_packets_at_least() -> None:
    _, fast = lines_of(LinkSpec(rtt_ms=100, down_mbit=100))
    assert fast.queue_ns == 100 * MS
    _, slow = lines_of(LinkSpec(rtt_ms=10, down_mbit=1))
    assert slow.queue_ns == QUEUE_PACKETS * 12 * MS


@given(GAPS)
def test_without_jitter_and_rate_every_packet_takes_the_delay(gaps: list[int]) -> None:
    line, at = _line(LineSpec(delay_ns=7 * MS)), 0
    for gap in gaps:
        at += gap
        assert line.due_ns(at, 1500) == at + 7 * MS


@given(GAPS, st.integers(40, 1500))
def test_a_limited_rate_is_a_queue_with_one_server(gaps: list[int], size: int) -> None:
    """Lindley's recursion, with what finds more than queue_ns before it dropped."""
    spec = LineSpec(delay_ns=3 * MS, ns_per_byte=2000.0, queue_ns=10 * MS)
    line, at, free, dropped = _line(spec), 0, 0, 0
    for gap in gaps:
        at += gap
        if max(free, at) - at > spec.queue_ns:
            dropped += 1
            assert line.due_ns(at, size) is None
            continue
        free = max(free, at) + 2000 * size
        assert line.due_ns(at, size) == free + 3 * MS
    assert line.overflowed == dropped


@given(GAPS, st.floats(0.0, 0.5), st.sampled_from([0.0, 500.0]))
def test_no_packet_overtakes_another_or_arrives_before_it_was_sent(
    gaps: list[int], loss: float, ns_per_byte: float
) -> None:
    line, at, last = _line(LineSpec(5 * MS, 20 * MS, loss, ns_per_byte, 50 * MS)), 0, 0
    for gap in gaps:
        at += gap
        due = line.due_ns(at, 1000)
        if due is not None:
            assert due >= max(last, at)
            last = due


def test_jitter_is_even_on_both_sides_of_the_delay() -> None:
    line = _line(LineSpec(delay_ns=50 * MS, jitter_ns=4 * MS))
    apart = 3 * REDRAW_NS  # no packet waits for the one before it
    delays = [(line.due_ns(number * apart, 100) or 0) - number * apart for number in range(4000)]
    assert min(delays) >= 46 * MS
    assert max(delays) <= 54 * MS
    error = 4 * MS / 3**0.5 / len(delays) ** 0.5
    assert abs(statistics.fmean(delays) - 50 * MS) < 5 * error
    assert abs(statistics.pstdev(delays) - 4 * MS / 3**0.5) < 0.1 * MS


def test_a_burst_is_not_stretched_by_jitter() -> None:
    """TCP takes packets out of order for lost ones, and a burst that had to wait for its latest would be late."""
    line = _line(LineSpec(delay_ns=50 * MS, jitter_ns=4 * MS))
    dues = [line.due_ns(at, 1500) or 0 for at in range(0, REDRAW_NS, REDRAW_NS // 10)]
    assert [later - earlier for earlier, later in pairwise(dues)] == [REDRAW_NS // 10] * 9


def test_so_many_are_lost() -> None:
    line = _line(LineSpec(delay_ns=MS, loss=0.05))
    lost = sum(line.due_ns(number, 100) is None for number in range(20_000))
    assert lost == line.lost
    assert abs(lost - 1000) < 5 * (20_000 * 0.05 * 0.95) ** 0.5


def test_netem_is_told_the_same() -> None:
    up, down = lines_of(LinkSpec(rtt_ms=50, jitter_ms=5, loss=0.002, down_mbit=10))
    assert netem_command("link0", up) == (
        "qdisc add dev link0 root netem limit 100000 delay 25ms 5ms loss 0.2% rate 10gbit"
    )
    # 50 packets of queue (60 ms), 25 + 5 ms under way: 90 ms of 1.2 ms each.
    assert netem_command("link0", down).endswith("netem limit 75 delay 25ms 5ms loss 0.2% rate 10000000bit")
    assert netem_command("link1", LineSpec(MS)) == "qdisc add dev link1 root netem limit 100000 delay 1ms"


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_are_places_that_can_be(name: str) -> None:
    """A CDN's edge is no farther than the origin, and a detour is no short cut."""
    network = PROFILES[name]
    edge, middle, direct = network.client_edge.rtt_ms, network.edge_origin.rtt_ms, network.client_origin.rtt_ms
    assert network.name == name
    assert edge <= direct <= edge + middle
    assert (network.client_edge.down_mbit, network.client_edge.up_mbit) == (
        network.client_origin.down_mbit,
        network.client_origin.up_mbit,
    )
