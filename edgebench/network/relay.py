"""The process between the nodes: takes every packet of all links and sends it on when it is due.

    python -m edgebench.network.relay '<plan as JSON>'

One process for all links: on two cores a second one would only fight with the first. It says that it is ready by
writing its report; SIGUSR1 sets its counts to zero, SIGTERM ends it and writes them.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import random
import select
import signal
import struct
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from edgebench.network.line import Line, LineSpec
from edgebench.network.ring import Ring

_PR_SET_TIMERSLACK = 29
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
_TURN_NS = 300_000
_BATCH = 64
"""Packets of one interface before the others have their turn and what is due is sent."""
_BUCKET_NS = 50_000
_BUCKETS = 2000
_ETHERNET_BYTES = 14
"""Rates are those of IP packets, as access lines are sold."""
_IDLE_S = 0.5
REALTIME = getattr(os, "SCHED_RR", 0)


@dataclass(frozen=True, slots=True)
class Report:
    """What the relay did on one link, both directions together."""

    packets: int = 0
    lost: int = 0
    overflowed: int = 0
    missed: int = 0
    """Came while the relay was not at it for so long that there was no room left; or could not be sent on."""
    late_mean_ms: float | None = None
    """By how much packets were sent on later than they were due; None: there were none."""
    late_p99_ms: float | None = None
    late_max_ms: float | None = None


class Direction:
    """One direction of a link: from one interface to the other."""

    def __init__(self, source: Ring, target: Ring, spec: LineSpec) -> None:
        self.source, self.target = source, target
        self.line = Line(spec, random.Random())
        self.waiting: deque[tuple[int, bytes]] = deque()
        self.reset()

    def reset(self) -> None:
        self.packets = self.missed = self.late_sum_ns = self.late_max_ns = 0
        self.late_counts = [0] * _BUCKETS
        self.line.lost = self.line.overflowed = 0
        self.source.missed()

    def admit(self, now_ns: int) -> None:
        """Take what has arrived. The wall clock's times become ages, so that its steps do no harm."""
        wall_ns = time.time_ns()
        due_ns, waiting = self.line.due_ns, self.waiting
        for arrived_ns, frame in self.source.take(_BATCH):
            age_ns = min(max(wall_ns - arrived_ns, 0), 1_000_000_000)
            due = due_ns(now_ns - age_ns, len(frame) - _ETHERNET_BYTES)
            if due is not None:
                waiting.append((due, frame))

    def send_due(self) -> int:
        """Send what is due; when the next one is, -1: nothing waits."""
        waiting, send = self.waiting, self.target.send
        while waiting:
            due_ns, frame = waiting[0]
            late_ns = time.monotonic_ns() - due_ns
            if late_ns < 0:
                return due_ns
            waiting.popleft()
            try:
                send(frame)
            except OSError:
                self.missed += 1
                continue
            self.packets += 1
            self.late_sum_ns += late_ns
            self.late_counts[min(late_ns // _BUCKET_NS, _BUCKETS - 1)] += 1
            if late_ns > self.late_max_ns:
                self.late_max_ns = late_ns
        return -1


def report(directions: Sequence[Direction]) -> Report:
    """Both directions of a link in one."""
    packets = sum(each.packets for each in directions)
    counts = [sum(pair) for pair in zip(*(each.late_counts for each in directions), strict=True)]
    return Report(
        packets=packets, lost=sum(each.line.lost for each in directions),
        overflowed=sum(each.line.overflowed for each in directions),
        missed=sum(each.missed + each.source.missed() for each in directions),
        late_mean_ms=sum(each.late_sum_ns for each in directions) / packets / 1e6 if packets else None,
        late_p99_ms=_quantile_ms(counts, 0.99) if packets else None,
        late_max_ms=max(each.late_max_ns for each in directions) / 1e6 if packets else None,
    )  # fmt: skip


def _quantile_ms(counts: Sequence[int], share: float) -> float:
    """Upper edge of the bucket that the quantile falls into."""
    wanted, seen = share * sum(counts), 0
    for number, count in enumerate(counts):
        seen += count
        if seen >= wanted:
            return (number + 1) * _BUCKET_NS / 1e6
    return len(counts) * _BUCKET_NS / 1e6


class Relay:
    """All links. `plan`: {"report": file, "links": [{"interfaces": [a, b], "lines": [up, down]}]}."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self.report_file = Path(plan["report"])
        self.links: list[tuple[Direction, Direction]] = []
        for link in plan["links"]:
            a, b = (Ring(interface) for interface in link["interfaces"])
            up, down = (LineSpec(**line) for line in link["lines"])
            self.links.append((Direction(a, b, up), Direction(b, a, down)))

    def write_report(self) -> None:
        """Whole, or not at all."""
        part = self.report_file.with_suffix(".part")
        part.write_text(json.dumps([asdict(report(link)) for link in self.links]))
        part.replace(self.report_file)

    def reset(self, *_: object) -> None:
        for link in self.links:
            for direction in link:
                direction.reset()

    def run(self) -> NoReturn:
        """Until a signal ends it."""
        directions = [direction for link in self.links for direction in link]
        by_fd = {direction.source.socket.fileno(): direction for direction in directions}
        fds = list(by_fd)
        timeout_s = _IDLE_S
        while True:
            for fd in select.select(fds, (), (), timeout_s)[0]:
                by_fd[fd].admit(time.monotonic_ns())
            next_ns = min((due for each in directions if (due := each.send_due()) >= 0), default=-1)
            timeout_s = _IDLE_S if next_ns < 0 else max(0.0, (next_ns - time.monotonic_ns()) / 1e9)


class _Ended(Exception):
    """The harness has said so."""


def _end(*_: object) -> NoReturn:
    raise _Ended


def be_punctual() -> None:
    """Wake up to the microsecond, before whoever else wants the core, and never stop to tidy up."""
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    try:
        os.sched_setscheduler(0, REALTIME, os.sched_param(1))
    except PermissionError:  # not root: ask for short turns, and soon (Linux 6.12; older ones do not mind)
        if (call := _SCHED_SETATTR.get(os.uname().machine)) is not None:
            libc.syscall(call, 0, struct.pack("=IIQiIQQQ", 48, 0, 0, 0, 0, _TURN_NS, 0, 0), 0)
    gc.disable()


def main() -> None:
    relay = Relay(json.loads(sys.argv[1]))
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGUSR1, relay.reset)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the harness says when
    be_punctual()
    relay.write_report()
    with contextlib.suppress(_Ended):
        relay.run()
    relay.write_report()


if __name__ == "__main__":
    main()
