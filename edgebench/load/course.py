"""The course of one test: warm-up, measurement, end. Runs in the process that decides: the only one, or the master."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic_ns

import gevent

from edgebench.load.options import LoadOptions
from edgebench.load.phases import WarmUp

DRAIN_S = 10.0
"""How long requests may still be answered after the end of the measurement."""
_LOOK_EVERY_S = 0.1
_DRAIN_LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class Load:
    """What the course steers: the session of this process, or the workers of a master."""

    totals: Callable[[], tuple[int, int]]
    """Answers so far, and how many of them the origin did not produce for their request."""
    end_at: Callable[[int], None]
    drained: Callable[[], bool]
    finish: Callable[[], None]
    """End the test: it has run its course."""


class Course:
    """Knows when the phases began and ended; -1 where they did not."""

    def __init__(self, options: LoadOptions, load: Load, measuring: Callable[[int], None] = lambda _: None) -> None:
        """`measuring` is told when the measurement begins, in ns of CLOCK_MONOTONIC."""
        self.options, self._load, self._measuring = options, load, measuring
        self.start_ns = self.measure_start_ns = self.measure_end_ns = -1
        self.warm_up_end = "stopped"
        self.complete = False
        """Whether it came to its end by itself."""

    def begin(self, start_ns: int) -> None:
        """Load is offered from now on."""
        if self.start_ns < 0:
            self.start_ns = start_ns
            gevent.spawn(self._run)

    def stop(self) -> None:
        """The test has been stopped, by us or by somebody else."""
        now_ns = monotonic_ns()
        if self.measure_start_ns < 0:
            self.measure_start_ns = self.measure_end_ns = now_ns
        elif self.measure_end_ns < 0 or (self.measure_end_ns > now_ns and not self.complete):
            self.measure_end_ns = now_ns

    def _run(self) -> None:
        self._warm_up()
        if self.measure_start_ns < 0:
            return  # stopped meanwhile
        measure_ns = int(self.options.measure_s * 1e9)
        if measure_ns == 0:
            return
        self._measuring(self.measure_start_ns)
        self.measure_end_ns = self.measure_start_ns + measure_ns
        self._load.end_at(self.measure_end_ns)
        gevent.sleep(max(0.0, (self.measure_end_ns - monotonic_ns()) / 1e9))
        give_up_ns = self.measure_end_ns + int(DRAIN_S * 1e9)
        while monotonic_ns() < self.measure_end_ns or (not self._load.drained() and monotonic_ns() < give_up_ns):
            gevent.sleep(_DRAIN_LOOK_EVERY_S)
        self.complete = True
        self._load.finish()

    def _warm_up(self) -> None:
        options = self.options
        if options.has_step:
            self._wait_out(self.start_ns + int(options.warm_up_max_s * 1e9))
            return
        warm_up = WarmUp(self.start_ns, options.warm_up_min_s, options.warm_up_max_s)
        while self.measure_start_ns < 0:
            now_ns = monotonic_ns()
            warm_up.observe(now_ns, *self._load.totals())
            ended = warm_up.ended(now_ns)
            if ended is not None:
                self.warm_up_end = ended
                self.measure_start_ns = self.start_ns if ended == "none" else now_ns
                return
            gevent.sleep(_LOOK_EVERY_S)

    def _wait_out(self, until_ns: int) -> None:
        """A warm-up of fixed length: what is to happen in the measurement was scheduled before the test began."""
        while self.measure_start_ns < 0:
            if (left_ns := until_ns - monotonic_ns()) <= 0:
                self.warm_up_end = "planned" if until_ns > self.start_ns else "none"
                self.measure_start_ns = until_ns
                return
            gevent.sleep(min(left_ns / 1e9, _LOOK_EVERY_S))
