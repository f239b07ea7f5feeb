"""Clocks of several machines: how far a worker's monotonic clock is ahead of the master's. Pure but for `Machine.here`.

The master asks, the worker answers with its time. The answer was given somewhere between question and receipt, so half
of the round trip is the most by which the middle of it can be wrong; of several rounds the shortest is the best.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a process runs. Processes of the same boot have the same monotonic clock."""

    host: str
    boot: str
    """The kernel's identity of this boot; the host's name where it has none."""

    @classmethod
    def here(cls) -> Machine:
        host = socket.gethostname()
        try:
            return cls(host, _BOOT_ID.read_text().strip())
        except OSError:
            return cls(host, host)


@dataclass(frozen=True, slots=True)
class Round:
    """One question and its answer, in ns."""

    asked_ns: int
    """By the master's clock."""
    worker_ns: int
    """By the worker's clock."""
    answered_ns: int
    """By the master's clock."""

    @property
    def trip_ns(self) -> int:
        return self.answered_ns - self.asked_ns


@dataclass(frozen=True, slots=True)
class Offset:
    """A worker's clock less the master's, at one instant."""

    worker_ns: int
    offset_ns: int
    uncertainty_ns: int
    """The true offset is at most so far away."""


def offset(rounds: Sequence[Round], same_boot: bool) -> Offset:
    """The offset from at least one round (D. Mills, RFC 5905 section 8: half of the least round trip bounds the error).

    With the same boot it is 0 and certain, unless the rounds say it cannot be: containers may have clocks of their own.
    """
    best = min(rounds, key=lambda each: each.trip_ns)
    uncertainty_ns = (best.trip_ns + 1) // 2
    measured = best.worker_ns - best.asked_ns - best.trip_ns // 2
    if same_boot and abs(measured) <= uncertainty_ns:
        return Offset(best.worker_ns, 0, 0)
    return Offset(best.worker_ns, measured, uncertainty_ns)
