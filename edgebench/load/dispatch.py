"""Open loop: hands each arrival, at its time, to the user that has been idle longest.

An idle watcher runs once per turn of the event loop, after the sockets were served, and keeps the loop from blocking:
arrivals are on time to the microsecond, at the price of the whole core. Where the generator shares its core with the
system under test (`spin` False), it sleeps on a timer until shortly before the next arrival and burns only the rest.

Users are resumed strictly in the order of the arrivals, and each draws its task and key before it first waits for
anything: that makes the sequence of requests the same in every run with the same seed, whatever the server does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from time import monotonic_ns
from typing import Any

import gevent
from gevent import get_hub

_WAKE_EARLY_NS = 1_500_000
"""How much before an arrival a timer is set to fire: gevent's timers are up to 1 ms late."""
_WORTH_SLEEPING_NS = 1_000_000
_NEAR_NS = 4_000
"""So near, an arrival is waited for on the spot: another turn of the event loop would take as long."""
_LULL_NS = 4_000_000
"""With so much time to the next arrival, work that need not be done at once is done: where requests are few, its code
has left the processor's caches, and 0.2 ms of work become 2 to 4 ms."""
NEVER_NS = 2**62


class Dispatcher:
    """Arrivals in, users resumed. `take` is what a user waits in."""

    def __init__(self, spin: bool) -> None:
        self._spin = spin
        self._hub = get_hub()
        self._idle: deque[tuple[Any, Callable[[int], object]]] = deque()
        self._backlog: deque[int] = deque()
        self._times: Iterator[list[int]] = iter(())
        self._block: list[int] = []
        self._next_block: list[int] = []
        self._at = 0
        self._start_ns = 0
        self._next_ns = NEVER_NS
        self._watcher: Any = None
        self._timer: Any = None
        self.end_ns = NEVER_NS
        """Arrivals due from here on are not offered."""
        self.scheduled = 0
        """Arrivals that have come due."""
        self.running = False
        self._chore: Callable[[], object] | None = None

    @property
    def idle(self) -> int:
        return len(self._idle)

    @property
    def backlog(self) -> deque[int]:
        """Due times of the arrivals nobody has been free for yet."""
        return self._backlog

    def start(self, start_ns: int, times: Iterator[list[int]]) -> None:
        """Offer arrivals at `start_ns` plus each of `times` (blocks of ns, ascending)."""
        self._start_ns, self._times = start_ns, times
        self._watcher = self._hub.loop.idle()
        self.running = True
        self._advance()
        self._watcher.start(self._turn)

    def stop(self) -> None:
        """Offer nothing more; what has come due stays in the backlog."""
        if self.running:
            self.running = False
            for watcher in (self._watcher, self._timer):
                if watcher is not None:
                    watcher.stop()
                    watcher.close()
            self._timer = None

    def in_lull(self, chore: Callable[[], object]) -> None:
        """Do this as soon as no arrival is near, at the latest the next time this is called."""
        overdue, self._chore = self._chore, None
        if overdue is not None:
            overdue()
        if not self.running or self._next_ns - monotonic_ns() > _LULL_NS:
            chore()
        else:
            self._chore = chore

    def take(self) -> int:
        """Wait in the calling greenlet for the next arrival; its due time."""
        if self._backlog:
            return self._backlog.popleft()
        greenlet = gevent.getcurrent()
        entry = (greenlet, greenlet.switch)
        self._idle.append(entry)
        try:
            due_ns: int = self._hub.switch()
        except BaseException:
            # Killed while idle. When an arrival was handed over already, the entry is gone.
            if entry in self._idle:
                self._idle.remove(entry)
            raise
        return due_ns

    def _advance(self) -> None:
        if self._at == len(self._block):
            self._block, self._at = self._next_block or next(self._times), 0
            self._next_block = []
        self._next_ns = self._start_ns + self._block[self._at]
        self._at += 1

    def _turn(self) -> None:
        due_ns = self._next_ns
        now_ns = monotonic_ns()
        while due_ns - now_ns <= _NEAR_NS:
            while now_ns < due_ns:
                now_ns = monotonic_ns()
            if due_ns >= self.end_ns:
                self.stop()
                return
            self.scheduled += 1
            if self._idle:
                self._idle.popleft()[1](due_ns)
                if not self.running:  # the user we resumed may have stopped the test
                    return
            else:
                self._backlog.append(due_ns)
            self._advance()  # after the request has gone: a new block of times takes a moment
            due_ns = self._next_ns
            now_ns = monotonic_ns()
        if now_ns >= self.end_ns:
            self.stop()
        elif due_ns - now_ns > _LULL_NS and (self._chore is not None or not self._next_block):
            self._use_lull()
        elif not self._spin and due_ns - now_ns > _WAKE_EARLY_NS + _WORTH_SLEEPING_NS:
            self._watcher.stop()
            self._timer = self._hub.loop.timer((due_ns - now_ns - _WAKE_EARLY_NS) / 1e9)
            self._timer.start(self._wake, update=True)

    def _use_lull(self) -> None:
        """One thing at a time: the next arrival may be near after it."""
        if not self._next_block:
            self._next_block = next(self._times)
        elif self._chore is not None:
            chore, self._chore = self._chore, None
            chore()

    def _wake(self) -> None:
        self._timer.close()
        self._timer = None
        self._watcher.start(self._turn)
