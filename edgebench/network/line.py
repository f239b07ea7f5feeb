"""One direction of a link: when a packet that enters it leaves it, if it does. Pure, but for chance.

A packet may be lost; it waits until those before it are on the wire, takes its time to be put there (size / rate), and
is under way for the delay, a little more or less by the jitter. None overtakes another: real paths mostly keep the
order, and TCP takes packets out of order for lost ones.

The jitter is drawn anew every few milliseconds, not for each packet: in a burst of packets that may not overtake each
other the latest of many draws would decide, and the mean would grow with the load.

The queue before a limited rate holds what the link carries in one round-trip time (the usual rule for buffers), and 50
packets at least, so that a slow start's bursts fit: what finds it full is dropped.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from edgebench.model import LinkSpec

REDRAW_NS = 5_000_000
QUEUE_PACKETS = 50
PACKET_BYTES = 1500
_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class LineSpec:
    """One direction, in nanoseconds."""

    delay_ns: int
    jitter_ns: int = 0
    loss: float = 0.0
    ns_per_byte: float = 0.0
    """0: no limit."""
    queue_ns: int = 0
    """The longest wait before the limited rate."""


def lines_of(link: LinkSpec) -> tuple[LineSpec, LineSpec]:
    """Up (from a to b) and down. The delay cannot be less than the jitter."""
    return _line(link, link.up_mbit), _line(link, link.down_mbit)


def _line(link: LinkSpec, mbit: float | None) -> LineSpec:
    ns_per_byte = 8000 / mbit if mbit else 0.0
    queue_ns = max(link.rtt_ms * _MS, QUEUE_PACKETS * PACKET_BYTES * ns_per_byte) if mbit else 0
    return LineSpec(round(link.rtt_ms * _MS / 2), round(link.jitter_ms * _MS), link.loss, ns_per_byte, round(queue_ns))


class Line:
    """What one direction remembers."""

    __slots__ = ("_draw", "_drawn_ns", "_free_ns", "_last_ns", "_offset_ns", "_spec", "lost", "overflowed")

    def __init__(self, spec: LineSpec, draw: random.Random) -> None:
        self._spec, self._draw = spec, draw
        self._free_ns = self._last_ns = self._offset_ns = 0
        self._drawn_ns = -REDRAW_NS
        self.lost = self.overflowed = 0

    def due_ns(self, at_ns: int, size_bytes: int) -> int | None:
        """When a packet of this size that enters at at_ns leaves; None: never. Calls in the order of entering."""
        spec = self._spec
        if spec.loss and self._draw.random() < spec.loss:
            self.lost += 1
            return None
        sent_ns = at_ns
        if spec.ns_per_byte:
            free_ns = max(self._free_ns, at_ns)
            if free_ns - at_ns > spec.queue_ns:
                self.overflowed += 1
                return None
            sent_ns = self._free_ns = free_ns + round(size_bytes * spec.ns_per_byte)
        if spec.jitter_ns and at_ns - self._drawn_ns >= REDRAW_NS:
            self._drawn_ns = at_ns
            self._offset_ns = round(self._draw.uniform(-spec.jitter_ns, spec.jitter_ns))
        due_ns = max(sent_ns + spec.delay_ns + self._offset_ns, sent_ns, self._last_ns)
        self._last_ns = due_ns
        return due_ns
