"""Labels move apart, keep their order, and stay inside."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgebench.report.labels import Box, place, simplified, spread

heights = st.lists(st.floats(-50, 250, allow_nan=False), max_size=12)


@given(heights, st.floats(1, 40))
def test_spread_keeps_distance_order_and_bounds(wanted: list[float], gap: float) -> None:
    placed = spread(wanted, gap, 0, 200)
    least = min(gap, 200 / max(len(wanted) - 1, 1))
    rising = [placed[index] for index in sorted(range(len(wanted)), key=lambda index: (wanted[index], index))]
    assert all(0 <= position <= 200 for position in placed)
    assert all(after - before >= least - 1e-6 for before, after in pairwise(rising))


@given(st.lists(st.floats(0, 200, allow_nan=False), min_size=1, max_size=5))
def test_spread_leaves_what_is_apart_already(wanted: list[float]) -> None:
    apart = [20.0 * index + 10 for index in range(len(wanted))]
    assert spread(apart, 15, 0, 200) == apart


@given(st.lists(st.lists(st.tuples(st.floats(0, 300), st.floats(0, 160)), min_size=2, max_size=9), max_size=4))
def test_placed_labels_stay_inside_and_do_not_touch(lines: list[list[tuple[float, float]]]) -> None:
    bounds = Box(0, 0, 300, 160)
    boxes = place([np.array(line) for line in lines], [(60.0, 14.0)] * len(lines), bounds)
    assert all(box.inside(bounds) for box in boxes)
    far = [line for line in lines if np.ptp(np.array(line), axis=0).max() > 150]
    if len(far) == len(lines) <= 2:
        assert not any(box.overlaps(other) for index, box in enumerate(boxes) for other in boxes[:index])


@given(st.lists(st.tuples(st.floats(0, 300), st.floats(0, 160)), min_size=2, max_size=60))
def test_simplified_line_keeps_its_ends_and_stays_near(points: list[tuple[float, float]]) -> None:
    line = np.array(points)
    thin = simplified(line, 0.5)
    assert (thin[0] == line[0]).all() and (thin[-1] == line[-1]).all()
    for x, y in line:
        nearest = np.inf
        for start, end in pairwise(thin):
            span = end - start
            length = float(span @ span)
            along = np.clip(((x, y) - start) @ span / length, 0, 1) if length else 0.0
            nearest = min(nearest, float(np.hypot(*(start + along * span - (x, y)))))
        assert nearest <= 0.5 + 1e-6


def test_placed_label_keeps_off_a_line_without_one() -> None:
    """The line to name runs below another, so that the room above it is taken."""
    line, above = np.array([(0.0, 60.0), (300.0, 60.0)]), np.array([(0.0, 73.0), (300.0, 73.0)])
    (free,) = place([line], [(60.0, 14.0)], Box(0, 0, 300, 160))
    (box,) = place([line], [(60.0, 14.0)], Box(0, 0, 300, 160), obstacles=[above])
    assert free.count(np.array([(x, 73.0) for x in range(300)])) > 0
    assert box.y + box.height < 60
