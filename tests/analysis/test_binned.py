"""Bins of time against the obvious way to compute them."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from edgebench.analysis.binned import edges_s, last_trouble, middles, most_under_way, percentile_by_bin, share_by_bin


def test_edges_have_zero_among_them() -> None:
    assert edges_s(-0.6, 1.1, 0.25).tolist() == [-0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0]
    assert middles(edges_s(0, 1, 0.5)).tolist() == [0.25, 0.75]


def test_bins_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(1)
    at, values = rng.uniform(-0.5, 4.5, 900), rng.exponential(1.0, 900)
    edges = edges_s(0, 4, 0.5)
    p90 = percentile_by_bin(at, values, edges, 0.9, 100)
    share = share_by_bin(at, values > 1, edges, 100)
    for place, (low, high) in enumerate(pairwise(edges)):
        inside = sorted(value for when, value in zip(at, values, strict=True) if low <= when < high)
        if len(inside) < 100:
            assert math.isnan(p90[place]) and math.isnan(share[place])
        else:
            assert p90[place] == inside[math.ceil(0.9 * len(inside)) - 1]
            assert share[place] == sum(value > 1 for value in inside) / len(inside)
    assert np.isnan(p90).any() and np.isfinite(p90).any()


def test_under_way_is_that_of_a_loop() -> None:
    rng = np.random.default_rng(2)
    start = rng.uniform(-1, 5, 300)
    end = start + rng.exponential(0.3, 300)
    edges = edges_s(0, 4, 0.5)
    for place, found in enumerate(most_under_way(start, end, edges)):
        low, high = edges[place], edges[place + 1]
        times = [low, *(when for when in start if low <= when < high)]
        assert found == max(int(((start <= when) & (when < end)).sum()) for when in times)
    assert most_under_way(np.zeros(0), np.zeros(0), edges).tolist() == [0.0] * 8


def test_trouble_ends_with_the_last_bad_one_of_its_last_run() -> None:
    at = np.arange(10.0)

    def last(*bad: int) -> float:
        return last_trouble(at, np.isin(at, bad), 4, 1)

    assert last(1, 3) == 3.0 and last(1, 2, 5) == 5.0  # 2 and 5 are in one run of four
    assert last(1, 5) == -np.inf and last() == -np.inf
    assert last(1, 2, 6) == 2.0
    assert last(8, 9) == np.inf
    assert last_trouble(at[:2], np.array([True, True]), 4, 1) == np.inf
    assert last_trouble(at[:0], np.zeros(0, dtype=bool), 4, 1) == -np.inf
