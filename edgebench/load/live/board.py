"""The master's side: all workers' deltas in one, and how the hit ratio went over time. Clocks are passed in."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgebench.load.live.histogram import IntArray
from edgebench.load.live.origins import SeenResponses
from edgebench.load.live.table import Row, counts_of, rows_of
from edgebench.load.live.totals import CODES, Delta, Totals

MAX_POINTS = 600
"""Ten minutes at a point a second; then two points become one, and so on."""


@dataclass(slots=True)
class Point:
    """What came within one step of time."""

    hits: int = 0
    stamped: int = 0
    claimed_hits: int = 0
    claims: int = 0
    good: int = 0

    def add(self, other: Point) -> None:
        self.hits += other.hits
        self.stamped += other.stamped
        self.claimed_hits += other.claimed_hits
        self.claims += other.claims
        self.good += other.good


class History:
    """Points at equal steps since the first delta; at most `max_points`, so the steps get longer with time."""

    def __init__(self, max_points: int = MAX_POINTS) -> None:
        self._max = max_points
        self.points: list[Point] = []
        self.step_s = 1
        self._start_s: float | None = None

    def add(self, point: Point, now_s: float) -> None:
        """Of the time just before now."""
        if self._start_s is None:
            self._start_s = now_s
        while (place := int(max(0.0, now_s - self._start_s) / self.step_s)) >= self._max:
            self._halve()
        self.points += [Point() for _ in range(place + 1 - len(self.points))]
        self.points[place].add(point)

    def _halve(self) -> None:
        earlier, later = self.points[::2], self.points[1::2]
        for into, point in zip(earlier, later, strict=False):
            into.add(point)
        self.points = earlier
        self.step_s *= 2


class Board:
    """What the tab shows."""

    def __init__(self) -> None:
        self._seen = SeenResponses()
        self._complete = True
        self.clear()

    def clear(self) -> None:
        """Count from zero. Responses of the origin that were seen before are not counted again."""
        self._totals = Totals()
        self.history = History()
        self._rows: list[Row] | None = None

    def merge(self, delta: Delta, now_s: float) -> None:
        """Add what a worker counted."""
        totals = self._totals
        rows = np.array([totals.row(endpoint) for endpoint in delta.endpoints], dtype=np.int64)
        self._complete = self._complete and delta.complete
        totals.add_parts(rows, delta.tally, delta.cells, delta.cell_counts)
        new = self._seen.first_seen(delta.origin_seq)
        totals.add_origin(rows[delta.origin_endpoint[new]])
        if delta:
            self.history.add(_point(delta.tally), now_s)
        self._rows = None

    @property
    def rows(self) -> list[Row]:
        """Each endpoint, and last the total."""
        if self._rows is None:
            self._rows = rows_of(self._totals, self._complete and self._seen.complete)
        return self._rows

    def document(self) -> dict[str, Any]:
        """For the tab's script: the rows; and per step of `step_s` [proved, claimed] hit ratio, each null where nothing
        says it."""
        points = self.history.points
        claims = any(point.claims for point in points)  # a cache that only sends Age says nothing of its misses
        return {
            "rows": [asdict(row) for row in self.rows],
            "step_s": self.history.step_s,
            "points": [[_ratio(p.hits, p.stamped), _ratio(p.claimed_hits, p.good * claims)] for p in points],
        }


def _point(tally: IntArray) -> Point:
    count = counts_of(tally.reshape(-1, CODES).sum(axis=0))
    return Point(count.hits, count.stamped, count.claimed_hits, count.claims, count.good)


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
