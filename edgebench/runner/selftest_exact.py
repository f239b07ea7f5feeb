"""The exact latencies of an open loop against a server that freezes once. Pure.

What is known beforehand: the schedule, the number of connections, the server's delay D and its freeze [begin, end).
The server gives every request D of its own time, and its time stands still while it is frozen. Let V(t) be that time:
t before the freeze, `begin` within it, t − (end − begin) after it. A request sent at s is answered when V reaches
V(s) + D. V never falls, so answers leave in the order of the requests; with arrivals served first come, first served,
the connection that arrival i waits for is the one that arrival i − c used:

    sent(i) = max(scheduled(i), done(i − c))
    done(i) = V⁻¹(V(sent(i)) + D)
    latency(i) = done(i) − scheduled(i)

Nothing of it was measured by the generator under test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Exact:
    """One request's times as they must be."""

    scheduled_ns: int
    sent_ns: int
    done_ns: int

    @property
    def latency_ns(self) -> int:
        """From schedule: what a client that came at its time had to wait."""
        return self.done_ns - self.scheduled_ns

    @property
    def service_ns(self) -> int:
        """From sending: what is left of it in a record that starts when the generator turns to the request."""
        return self.done_ns - self.sent_ns


def constant_schedule(rate_rps: float, duration_s: float) -> list[int]:
    """Due times in ns of constant arrivals, the first one gap after the start, all before the end."""
    gap_ns = 1e9 / rate_rps
    end_ns = round(duration_s * 1e9)
    times: list[int] = []
    while (due_ns := round((len(times) + 1) * gap_ns)) < end_ns:
        times.append(due_ns)
    return times


def exact(
    scheduled_ns: Sequence[int], connections: int, service_ns: int, freeze_begin_ns: int, freeze_end_ns: int
) -> list[Exact]:
    """The requests of a schedule (ascending) in its order; all times on one clock."""
    stands_ns = freeze_end_ns - freeze_begin_ns
    found: list[Exact] = []
    for at, due_ns in enumerate(scheduled_ns):
        sent_ns = max(due_ns, found[at - connections].done_ns) if at >= connections else due_ns
        own_ns = sent_ns if sent_ns < freeze_begin_ns else max(freeze_begin_ns, sent_ns - stands_ns)
        done_ns = own_ns + service_ns
        found.append(Exact(due_ns, sent_ns, done_ns if done_ns < freeze_begin_ns else done_ns + stands_ns))
    return found
