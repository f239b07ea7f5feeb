"""Putting labels beside curves so that none lies on another. Pure geometry, in points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""Shape (n, 2): x and y."""


NO_LENGTH_PT = 1e-9


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions as near as possible to the wanted ones, in the same order, at least `gap` apart, within low..high.

    Where they cannot all fit, they share the room evenly.
    """
    count = len(wanted)
    if not count:
        return []
    gap = min(gap, (high - low) / (count - 1)) if count > 1 else gap
    order = sorted(range(count), key=lambda index: (wanted[index], index))
    groups: list[tuple[float, int]] = []  # mean of the groups' wanted starts, members
    for index in order:
        start, members = wanted[index], 1
        while groups and groups[-1][0] + gap * groups[-1][1] > start:
            before, size = groups.pop()
            start = (before * size + (start - gap * size) * members) / (size + members)
            members += size
        groups.append((start, members))
    placed = [start + gap * step for start, members in groups for step in range(members)]
    for step in range(count):  # push the ends back inside
        placed[step] = max(placed[step], low + gap * step)
    for step in reversed(range(count)):
        placed[step] = min(placed[step], high - gap * (count - 1 - step))
    result = [0.0] * count
    for position, index in zip(placed, order, strict=True):
        result[index] = min(max(position, low), high)
    return result


def simplified(line: Points, tolerance: float) -> Points:
    """The line with as few of its points as stay within the tolerance of it (Ramer, Douglas, Peucker)."""
    keep = np.zeros(len(line), dtype=bool)
    keep[[0, -1]] = True
    parts = [(0, len(line) - 1)]
    while parts:
        first, last = parts.pop()
        if last - first < 2:
            continue
        start, span = line[first], line[last] - line[first]
        between = line[first + 1 : last] - start
        length = float(np.hypot(*span))
        if length > NO_LENGTH_PT:  # its square must not vanish
            along = np.clip(between @ span / length**2, 0, 1)
            between = between - along[:, None] * span
        distance = np.hypot(between[:, 0], between[:, 1])
        farthest = int(distance.argmax())
        if distance[farthest] > tolerance:
            keep[first + 1 + farthest] = True
            parts += [(first, first + 1 + farthest), (first + 1 + farthest, last)]
    return line[keep]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle by its lower left corner."""

    x: float
    y: float
    width: float
    height: float

    def overlaps(self, other: Box) -> bool:
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )

    def inside(self, other: Box) -> bool:
        return (
            self.x >= other.x
            and self.y >= other.y
            and self.x + self.width <= other.x + other.width
            and self.y + self.height <= other.y + other.height
        )

    def count(self, points: Points) -> int:
        x, y = points[:, 0], points[:, 1]
        within = (x >= self.x) & (x <= self.x + self.width) & (y >= self.y) & (y <= self.y + self.height)
        return int(within.sum())


def dense(curve: Points, step: float = 3.0) -> Points:
    """The same line with a point at least every `step`."""
    pieces = [curve[:1]]
    for start, end in pairwise(curve):
        count = max(1, int(np.ceil(np.hypot(*(end - start)) / step)))
        pieces.append(start + (end - start) * (np.arange(1, count + 1) / count)[:, None])
    return np.concatenate(pieces)


def place(
    curves: Sequence[Points],
    sizes: Sequence[tuple[float, float]],
    bounds: Box,
    gap: float = 5.0,
    obstacles: Sequence[Points] = (),
) -> list[Box]:
    """A box per curve beside that curve, off the curves and off the boxes before it where there is room.

    Obstacles are curves without a label. Every box lies within the bounds if it fits there at all.
    """
    lines = [dense(curve) for curve in curves]
    everything = np.concatenate([*lines, *map(dense, obstacles)]) if lines else np.empty((0, 2))
    placed: list[Box] = []
    for line, (width, height) in zip(lines, sizes, strict=True):
        best: tuple[float, Box] | None = None
        for share in np.linspace(0.03, 0.97, 48):
            x, y = line[int(share * (len(line) - 1))]
            for left, bottom in (
                (x + gap, y - height / 2),
                (x - gap - width, y - height / 2),
                (x - width / 2, y + gap),
                (x - width / 2, y - gap - height),
            ):
                left = min(max(left, bounds.x), bounds.x + bounds.width - width)
                bottom = min(max(bottom, bounds.y), bounds.y + bounds.height - height)
                box = Box(float(left), float(bottom), width, height)
                moved = abs(left + width / 2 - x) + abs(bottom + height / 2 - y)
                cost = 10_000.0 * sum(box.overlaps(other) for other in placed)
                cost += 20.0 * box.count(everything) + moved / width + abs(share - 0.45)
                if best is None or cost < best[0]:
                    best = (cost, box)
        assert best is not None
        placed.append(best[1])
    return placed
