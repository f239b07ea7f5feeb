"""Round-trip times and rates between nodes, measured before the load begins: by whole packets, from node to node.

The kernel stamps each packet's arrival, so it does not matter when this process gets to read it: origin and cache may
start meanwhile. Sender and receiver have one clock, so a round trip is the sum of its two ways.
"""

from __future__ import annotations

import contextlib
import select
import socket
import statistics
import struct
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from edgebench.model import RATE_TOLERANCE, rtt_tolerance_ms
from edgebench.network.line import PACKET_BYTES, REDRAW_NS
from edgebench.network.namespaces import Namespace
from edgebench.network.topology import Link, Topology

T = TypeVar("T")
F = TypeVar("F")

PROBES = 40
"""In each direction of each link. With the jitter of `mobile` their median is off by 0.8 ms (standard error)."""
LEAST_PROBES = 10
"""Fewer that arrive are no measurement."""
GRACE_NS = 200_000_000
"""How much longer than it should be under way a packet is waited for."""
TRAIN_NS, LONGEST_TRAIN_NS = 250_000_000, 600_000_000
TRAIN_PACKETS = 40
"""A train is as long as it takes to carry these, or TRAIN_NS if that is longer. Slow links get smaller ones."""
OVERLOAD = 1.5
"""Trains are sent faster than the rate by this, so that the rate is what decides."""
ATTEMPTS = 3
"""A machine that was busy for a moment says nothing of the network: what is off is measured anew, so many times in all.
The last figure counts; a link that is not what was asked for is so each time."""
AT_ONCE_MBIT = 120.0
"""Trains run side by side up to this sum: more is hard work for a relay in user space."""
_SO_TIMESTAMPNS = 35
_STAMP = struct.Struct("@ll")
_PROBE = struct.Struct("=Iq")
_UDP_AND_IP_BYTES = 28
_MS = 1e6


@dataclass(frozen=True, slots=True)
class Measured:
    """One link. None: not limited, or it could not be measured."""

    rtt_ms: float | None
    rtt_min_ms: float | None
    up_mbit: float | None = None
    """From a to b."""
    down_mbit: float | None = None


@dataclass
class Way:
    """One direction of a link, with a socket at both ends."""

    sender: socket.socket
    receiver: socket.socket
    mbit: float | None
    arrivals: list[tuple[int, bytes]] = field(default_factory=list)
    """When, on the wall clock, and what."""

    def send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # a full queue: as lost as any other
            self.sender.sendto(data, self.receiver.getsockname())

    def read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                data, ancillary, _flags, _from = self.receiver.recvmsg(2048, 64)
                seconds, nanoseconds = _STAMP.unpack(ancillary[0][2][: _STAMP.size])
                self.arrivals.append((seconds * 1_000_000_000 + nanoseconds, data))


def measure(topology: Topology, namespaces: Mapping[str, Namespace]) -> list[Measured]:
    """Every link of a topology, in its order."""
    with contextlib.ExitStack() as sockets:
        links = [_ways(topology, link, namespaces, sockets) for link in topology.links]
        ways = [way for pair in links for way in pair]
        rtts = _attempts(
            links, lambda todo: _measured_rtts(todo, topology), lambda at, rtt: _rtt_off(topology, at, rtt)
        )
        rated = [way for way in ways if way.mbit]
        found = _attempts(rated, _measured_rates, lambda at, mbit: _rate_off(rated[at], mbit))
        rates = {id(way): mbit for way, mbit in zip(rated, found, strict=True)}
        return [
            Measured(*rtt, rates.get(id(up)), rates.get(id(down))) for rtt, (up, down) in zip(rtts, links, strict=True)
        ]


def _attempts(items: Sequence[T], measured: Callable[[Sequence[T]], list[F]], off: Callable[[int, F], bool]) -> list[F]:
    """The figure of each item; those that are off are measured anew."""
    found = measured(items)
    for _ in range(ATTEMPTS - 1):
        again = [at for at, figure in enumerate(found) if off(at, figure)]
        if not again:
            break
        for at, figure in zip(again, measured([items[at] for at in again]), strict=True):
            found[at] = figure
    return found


Rtt = tuple[float | None, float | None]
"""Median and minimum, in ms."""


def _rtt_off(topology: Topology, at: int, rtt: Rtt) -> bool:
    asked_ms = topology.links[at].spec.rtt_ms
    return rtt[0] is None or abs(rtt[0] - asked_ms) > rtt_tolerance_ms(asked_ms)


def _rate_off(way: Way, mbit: float | None) -> bool:
    return way.mbit is not None and (mbit is None or abs(mbit - way.mbit) > RATE_TOLERANCE * way.mbit)


def _measured_rtts(links: Sequence[tuple[Way, Way]], topology: Topology) -> list[Rtt]:
    _probe(links, topology.links)
    found = [_round_trips_ms(*pair) for pair in links]
    return [(statistics.median(rtt), min(rtt)) if len(rtt) >= LEAST_PROBES else (None, None) for rtt in found]


def _measured_rates(ways: Sequence[Way]) -> list[float | None]:
    for way in ways:
        way.read()
        way.arrivals = []
    for group in _groups(ways):
        _train(group)
    return [_rate_mbit(way) for way in ways]


def _ways(
    topology: Topology, link: Link, namespaces: Mapping[str, Namespace], sockets: contextlib.ExitStack
) -> tuple[Way, Way]:
    """Up and down."""
    ends = []
    for node in (link.a, link.b):
        end = sockets.enter_context(namespaces[node].socket(socket.SOCK_DGRAM))
        end.bind((topology.address(node), 0))
        end.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        end.setblocking(False)
        ends.append(end)
    a, b = ends
    return Way(a, b, link.spec.up_mbit), Way(b, a, link.spec.down_mbit)


def _read_until(ways: Iterable[Way], until_ns: int) -> None:
    """Read what arrives until then (CLOCK_MONOTONIC)."""
    readers = {way.receiver: way for way in ways}
    while (left_ns := until_ns - time.monotonic_ns()) > 0:
        for receiver in select.select(list(readers), [], [], left_ns / 1e9)[0]:
            readers[receiver].read()


def _probe(links: Sequence[tuple[Way, Way]], specs: Sequence[Link]) -> None:
    """Small packets in both directions of all links, so far apart that none waits for the one before it."""
    jitter_ms = max((link.spec.jitter_ms for link in specs), default=0.0)
    interval_ns = max(REDRAW_NS, round(2 * jitter_ms * _MS)) + 100_000
    ways = [way for pair in links for way in pair]
    begin_ns = time.monotonic_ns()
    for number in range(PROBES):
        _read_until(ways, begin_ns + number * interval_ns)
        for way in ways:
            way.send(_PROBE.pack(number, time.time_ns()))
    longest_ms = max((link.spec.rtt_ms / 2 + link.spec.jitter_ms for link in specs), default=0.0)
    end_ns = time.monotonic_ns() + round(longest_ms * _MS) + GRACE_NS
    while time.monotonic_ns() < end_ns and any(len(way.arrivals) < PROBES for way in ways):
        _read_until(ways, min(end_ns, time.monotonic_ns() + 2_000_000))


def _round_trips_ms(up: Way, down: Way) -> list[float]:
    """Of each probe that arrived on both ways, less the time it takes to put it on a line of limited rate."""
    on_line_ms = sum((_PROBE.size + _UDP_AND_IP_BYTES) * 8e-3 / way.mbit for way in (up, down) if way.mbit)
    ways_ns = []
    for way in (up, down):
        probes = ((arrived_ns, *_PROBE.unpack(data)) for arrived_ns, data in way.arrivals)
        ways_ns.append({number: arrived_ns - sent_ns for arrived_ns, number, sent_ns in probes})
        way.arrivals = []
    there, back = ways_ns
    return [(there[number] + back[number]) / _MS - on_line_ms for number in there if number in back]


def _groups(ways: Sequence[Way]) -> list[list[Way]]:
    """Those whose trains run side by side."""
    groups: list[list[Way]] = []
    for way in ways:
        if groups and sum(each.mbit or 0 for each in (*groups[-1], way)) <= AT_ONCE_MBIT:
            groups[-1].append(way)
        else:
            groups.append([way])
    return groups


def _train(ways: Sequence[Way]) -> None:
    """Full packets, faster than the rate, read as long as they keep coming."""
    payloads = [bytes(_packet_bytes(way) - _UDP_AND_IP_BYTES) for way in ways]
    packet_ns = [8000 * _packet_bytes(way) / (way.mbit or 1) for way in ways]
    length_ns = max(TRAIN_NS, round(TRAIN_PACKETS * max(packet_ns)))
    sent = [0] * len(ways)
    begin_ns = time.monotonic_ns()
    while (now_ns := time.monotonic_ns()) < begin_ns + length_ns:
        for at, way in enumerate(ways):
            due = 2 + int((now_ns - begin_ns) / packet_ns[at] * OVERLOAD)
            for _ in range(due - sent[at]):
                way.send(payloads[at])
            sent[at] = max(sent[at], due)
        _read_until(ways, now_ns + 1_000_000)


def _packet_bytes(way: Way) -> int:
    """So that enough of them fit into the longest train, as IP counts."""
    fit = (way.mbit or 0) / 8000 * LONGEST_TRAIN_NS / TRAIN_PACKETS
    return round(min(max(fit, 64), PACKET_BYTES))


def _rate_mbit(way: Way) -> float | None:
    """Slope of the bytes that had arrived over the time, by least squares: jitter at the ends does not matter much."""
    way.read()
    if len(way.arrivals) < LEAST_PROBES:
        return None
    begin_ns = way.arrivals[0][0]
    at_us = [(arrived_ns - begin_ns) / 1e3 for arrived_ns, _ in way.arrivals]
    bits = [8.0 * _packet_bytes(way) * number for number in range(len(at_us))]
    if at_us[-1] <= 0:
        return None
    return statistics.linear_regression(at_us, bits).slope
