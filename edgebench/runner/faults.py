"""The origin's planned faults while a trial runs: its workers told when to fail, its process killed and brought back.

Times of a plan count from the beginning of the measurement, which the generator decides; it says so by a file.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic_ns

from edgebench.load.outcome import measure_start_ns
from edgebench.model import Fault, FaultKind
from edgebench.network.topology import ORIGIN
from edgebench.origin.process import FAULTS
from edgebench.origin.schedule import Planned, seen_at_ns, write_schedule
from edgebench.runner.services import Hung
from edgebench.runner.stack import READY_LIMIT_S, Stack

NOTICE_NS = 200_000_000
"""No fault begins sooner after the schedule is written: all workers look within this time."""
MARGIN = 2.0
"""An origin that is to be back is started so many times earlier than its first start took, and 1 s at least."""
_S = 1_000_000_000


@dataclass
class Faults:
    """Carries out one trial's faults: `look` as often as `wait_s` says, `finish` when the generator has ended.

    `raw`: where the generator writes. `seed`: of the delays.
    """

    stack: Stack
    raw: Path
    seed: int
    _begin_ns: int = field(default=-1, init=False)
    """Of the measurement; -1: not yet."""
    _planned: list[Planned] = field(default_factory=list, init=False)
    _downs: list[Planned] = field(default_factory=list, init=False)
    """Those to come, the one that is on first."""
    _down: _Down | None = field(default=None, init=False)
    _applied: list[Fault] = field(default_factory=list, init=False)

    def look(self) -> None:
        """Do what is due. Hung or ServiceFailed where the origin does not come back."""
        if not self.stack.origin.faults or (self._begin_ns < 0 and not self._begin()):
            return
        if self._down is None and self._downs and monotonic_ns() >= self._downs[0].start_ns:
            self._down = _Down.begin(self.stack, self._downs.pop(0))
        if self._down is not None and (ended_ns := self._down.ended_ns(self.stack)) is not None:
            self._end_down(self._down, ended_ns)

    def wait_s(self, at_most_s: float) -> float:
        """How long until there may be something to do."""
        if self._down is not None:
            due_ns = self._down.due_ns()
        elif self._downs:
            due_ns = self._downs[0].start_ns
        else:
            return at_most_s
        return min(at_most_s, max(0.005, (due_ns - monotonic_ns()) / _S))

    def finish(self) -> tuple[Fault, ...]:
        """What really was, in the order it began. Safe to call at any time, also twice."""
        now_ns = monotonic_ns()
        if self._down is not None:
            self._end_down(self._down, min(now_ns, self._down.planned.end_ns))
        known = [self._known_ns(each) for each in self._planned]
        for each, known_ns in zip(self._planned, known, strict=True):
            start_ns, end_ns = max(each.start_ns, known_ns), min(each.end_ns, now_ns)
            if each.kind is not FaultKind.DOWN and start_ns < end_ns:
                self._applied.append(self._since_begin(each, start_ns, end_ns))
        self._planned = []
        return tuple(sorted(self._applied, key=lambda fault: fault.start_s))

    def _known_ns(self, planned: Planned) -> int:
        """Since when all workers knew of a fault: since they read the schedule, or were started again with it."""
        back_ns = [self._begin_ns + round(each.end_s * _S) for each in self._applied if each.kind is FaultKind.DOWN]
        if any(at_ns <= planned.start_ns for at_ns in back_ns):
            return planned.start_ns
        return max(seen_at_ns(self.stack.directory / FAULTS), default=planned.end_ns)

    def _end_down(self, down: _Down, ended_ns: int) -> None:
        self._applied.append(self._since_begin(down.planned, down.began_ns, ended_ns))
        down.holder.close()
        self._down = None

    def _begin(self) -> bool:
        begin_ns = measure_start_ns(self.raw)
        if begin_ns is None:
            return False
        self._begin_ns = begin_ns
        first_ns = monotonic_ns() + NOTICE_NS
        for fault in self.stack.origin.faults:
            start_ns, end_ns = (self._begin_ns + round(at_s * _S) for at_s in (fault.start_s, fault.end_s))
            if (start_ns := max(start_ns, first_ns)) < end_ns:
                self._planned.append(Planned(fault.kind, start_ns, end_ns, fault.delay_s))
        self._downs = sorted((each for each in self._planned if each.kind is FaultKind.DOWN), key=lambda f: f.start_ns)
        told = [each for each in self._planned if each.kind is not FaultKind.DOWN]
        write_schedule(self.stack.directory / FAULTS, told, self.seed)
        return True

    def _since_begin(self, planned: Planned, start_ns: int, end_ns: int) -> Fault:
        start_s, end_s = (round((at_ns - self._begin_ns) / _S, 3) for at_ns in (start_ns, end_ns))
        return Fault(planned.kind, start_s, end_s, planned.delay_s)


@dataclass
class _Down:
    """An origin that is down."""

    planned: Planned
    began_ns: int
    """When connections were refused."""
    start_ns: int
    """When it is to be started again."""
    holder: socket.socket
    """Bound to the origin's port and not listening: nobody else may take it meanwhile."""
    started: bool = False

    @classmethod
    def begin(cls, stack: Stack, planned: Planned) -> _Down:
        lead_ns = round(max(1.0, MARGIN * stack.origin_start_s) * _S)
        stack.kill_origin()
        holder = _hold(stack.network.socket(ORIGIN), stack.origin_host, stack.origin_port)
        return cls(planned, monotonic_ns(), planned.end_ns - lead_ns, holder)

    def due_ns(self) -> int:
        return self.start_ns if not self.started else self.planned.end_ns

    def ended_ns(self, stack: Stack) -> int | None:
        """Start the origin when it is time; when it was back, None: it is not."""
        now_ns = monotonic_ns()
        if not self.started and now_ns >= self.start_ns:
            stack.start_origin_again(self.planned.end_ns)
            self.started = True
        if now_ns > self.planned.end_ns + READY_LIMIT_S * _S:
            raise Hung(f"the origin did not come back within {READY_LIMIT_S:g} s of its planned fault")
        return stack.origin_back_at_ns() if self.started and now_ns >= self.planned.end_ns else None


def _hold(holder: socket.socket, host: str, port: int) -> socket.socket:
    """Bind a socket to the port as soon as nobody listens on it any more: from then on connections are refused."""
    deadline_ns = monotonic_ns() + 5 * _S
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    while True:
        try:
            holder.bind((host, port))
            return holder
        except OSError:
            if monotonic_ns() > deadline_ns:
                holder.close()
                raise Hung(f"port {port} is still listened on after the origin was killed") from None
            time.sleep(0.001)
