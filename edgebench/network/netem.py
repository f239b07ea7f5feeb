"""What `tc` is told where the kernel has netem: the same links as the relay makes. Pure."""

from __future__ import annotations

import math

from edgebench.network.line import PACKET_BYTES, LineSpec

_UNLIMITED_PACKETS = 100_000
_IN_ORDER = "rate 10gbit"
"""With a rate, netem counts each packet's time from the one before it, so that none overtakes another; without, jitter
would put them out of order."""


def netem_command(interface: str, line: LineSpec) -> str:
    """A line for `tc -batch` at the end where the packets enter."""
    words = [f"delay {line.delay_ns / 1e6:g}ms"]
    limit = _UNLIMITED_PACKETS
    if line.jitter_ns:
        words[0] += f" {line.jitter_ns / 1e6:g}ms"
    if line.loss:
        words.append(f"loss {100 * line.loss:g}%")
    if line.ns_per_byte:
        words.append(f"rate {round(8e9 / line.ns_per_byte)}bit")
        held_ns = line.queue_ns + line.delay_ns + line.jitter_ns  # netem counts those under way as waiting
        limit = max(1, math.ceil(held_ns / line.ns_per_byte / PACKET_BYTES))
    elif line.jitter_ns:
        words.append(_IN_ORDER)
    return f"qdisc add dev {interface} root netem limit {limit} {' '.join(words)}"
