"""When the warm-up is over: a test on the share of answers that did not come fresh from the origin. Pure.

The test looks at the last half of the warm-up so far, cut into three windows of equal length (at least 0.5 s each), and
so gets stricter about slow drifts the longer the warm-up lasts: a cache that fills like the logarithm of time shows a
rise over [t/2, t] at every scale. Steady means: the three ratios lie within max(0.02, 2 standard errors of a difference
of two windows), and they do not rise from window to window by more than one standard error in total.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

MIN_WINDOW_S = 0.5
MIN_ANSWERS = 30
"""Below this many answers a window says nothing."""
TOLERANCE = 0.02


@dataclass(frozen=True, slots=True)
class Window:
    """Answers of one stretch of time, and how many of them the origin did not produce for their request."""

    answers: int
    reused: int

    @property
    def ratio(self) -> float:
        return self.reused / self.answers


def is_steady(windows: Sequence[Window]) -> bool:
    """Whether three successive windows show one and the same hit ratio, as far as their sizes can tell."""
    if any(window.answers < MIN_ANSWERS for window in windows):
        return False
    ratios = [window.ratio for window in windows]
    p = sum(window.reused for window in windows) / sum(window.answers for window in windows)
    error = math.sqrt(2 * p * (1 - p) / min(window.answers for window in windows))
    if max(ratios) - min(ratios) > max(TOLERANCE, 2 * error):
        return False
    rising = all(earlier < later for earlier, later in pairwise(ratios))
    return not (rising and ratios[-1] - ratios[0] > max(error, TOLERANCE / 4))


class WarmUp:
    """Follows one warm-up. Give it the running totals now and then; `ended` says why it is over, or None."""

    def __init__(self, start_ns: int, min_s: float, max_s: float) -> None:
        self._start_ns, self._min_ns, self._max_ns = start_ns, int(min_s * 1e9), int(max_s * 1e9)
        self._at_ns = [start_ns]
        self._totals = [Window(0, 0)]

    def observe(self, now_ns: int, answers: int, reused: int) -> None:
        """Totals since the start."""
        self._at_ns.append(now_ns)
        self._totals.append(Window(answers, reused))

    def ended(self, now_ns: int) -> str | None:
        """`none`: there is no warm-up; `steady`, `cap`; None: go on."""
        passed_ns = now_ns - self._start_ns
        if self._max_ns == 0:
            return "none"
        if passed_ns >= self._max_ns:
            return "cap"
        if passed_ns >= max(self._min_ns, 3 * MIN_WINDOW_S * 1e9) and is_steady(self._windows(now_ns)):
            return "steady"
        return None

    def _windows(self, now_ns: int) -> list[Window]:
        length_ns = int(max(MIN_WINDOW_S * 1e9, (now_ns - self._start_ns) / 6))
        edges = [self._total_at(now_ns - back * length_ns) for back in (3, 2, 1, 0)]
        return [Window(b.answers - a.answers, b.reused - a.reused) for a, b in pairwise(edges)]

    def _total_at(self, at_ns: int) -> Window:
        return self._totals[min(bisect_left(self._at_ns, at_ns), len(self._totals) - 1)]
