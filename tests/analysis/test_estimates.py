"""Estimates against hand-computed values, t against published tables."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from edgebench.analysis.estimates import compare, difference, estimate, shows_difference, t_quantile, unit_of
from edgebench.analysis.percentiles import percentile, percentiles_ms
from edgebench.analysis.results import TrialResult
from edgebench.model import Estimate
from tests.analysis.folders import record, scenario, trials

TABLE = [
    (1, 12.706),
    (2, 4.303),
    (3, 3.182),
    (4, 2.776),
    (5, 2.571),
    (9, 2.262),
    (10, 2.228),
    (29, 2.045),
    (120, 1.980),
]


@pytest.mark.parametrize(("degrees", "expected"), TABLE)
def test_t_quantile_is_the_published_one(degrees: int, expected: float) -> None:
    assert t_quantile(0.975, degrees) == pytest.approx(expected, abs=0.0006)


def test_t_quantile_elsewhere() -> None:
    assert t_quantile(0.995, 7) == pytest.approx(3.4995, abs=1e-4)
    assert t_quantile(0.95, 4) == pytest.approx(2.1318, abs=1e-4)
    with pytest.raises(ValueError, match="degrees 0"):
        t_quantile(0.975, 0)


def test_a_ratio_has_a_t_interval_on_its_mean() -> None:
    found = estimate("hit_ratio", [0.80, 0.82, 0.84])
    half = 4.302653 * 0.02 / math.sqrt(3)
    assert found.value == pytest.approx(0.82)
    assert found.low == pytest.approx(0.82 - half)
    assert found.high == pytest.approx(0.82 + half)
    assert (found.n, found.unit) == (3, "ratio")


def test_an_interval_stays_within_what_is_possible() -> None:
    found = estimate("hit_ratio", [0.99, 0.999, 0.90])
    assert found.high == 1.0
    errors = estimate("errors", [0, 0, 3])
    assert errors.low == 0.0
    offload = estimate("byte_offload", [-0.5, -0.4, -0.6])
    assert offload.value == pytest.approx(-0.5)
    assert offload.low is not None and offload.low < -0.6


def test_a_latency_is_averaged_on_the_log() -> None:
    found = estimate("latency_p99_ms", [1.0, 2.0, 4.0])
    half = 4.302653 * math.log(2) / math.sqrt(3)
    assert found.value == pytest.approx(2.0)
    assert found.low == pytest.approx(2 * math.exp(-half))
    assert found.high == pytest.approx(2 * math.exp(half))


def test_no_interval_below_three_trials_and_no_value_without_any() -> None:
    two = estimate("latency_p50_ms", [4.0, 1.0, None])
    assert two.value == pytest.approx(2.0)
    assert (two.low, two.high, two.n) == (None, None, 2)
    assert estimate("latency_p50_ms", [None, None, None]) == Estimate(None, None, None, 0, "ms")
    assert estimate("latency_p50_ms", []) == Estimate(None, None, None, 0, "ms")


def test_a_time_that_is_zero_has_no_log() -> None:
    assert estimate("send_lag_p50_ms", [0.0, 0.0, 3.0]).value == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("metric", "unit"),
    [
        ("latency_p99_ms", "ms"),
        ("origin_rps", "requests/s"),
        ("staleness_p99_s", "s"),
        ("hit_ratio_all", "ratio"),
        ("errors", "requests"),
        ("tier_cpu", "cores"),
    ],
)
def test_units_follow_the_name(metric: str, unit: str) -> None:
    assert unit_of(metric) == unit


def _trials(values: dict[int, float | None]) -> list[TrialResult]:
    of = scenario(repeats=max(values))
    by_repeat = {trial.repeat: record(trial) for trial in trials(of) if trial.cell.id == "direct"}
    empty = pd.DataFrame()
    return [
        TrialResult(by_repeat[repeat], {"latency_p50_ms": value}, empty, empty, {}, empty, {}, empty)
        for repeat, value in values.items()
    ]


def test_a_comparison_is_paired_by_repeat() -> None:
    baseline, cell = _trials({1: 10.0, 2: 20.0, 3: 40.0}), _trials({3: 4.0, 1: 1.0, 2: 2.0})
    found = compare(cell, baseline, "latency_p50_ms")
    assert found.value == pytest.approx(10.0)
    assert found.low == pytest.approx(10.0) and found.high == pytest.approx(10.0)  # all noise is the repeats'
    assert shows_difference(found) is True
    assert difference(cell, baseline, "latency_p50_ms").value == pytest.approx((-9 - 18 - 36) / 3)


def test_a_comparison_leaves_out_what_has_no_pair() -> None:
    found = compare(_trials({1: 1.0, 2: None, 4: 1.0}), _trials({1: 3.0, 2: 3.0, 3: 3.0}), "latency_p50_ms")
    assert found.value == pytest.approx(3.0)
    assert (found.low, found.high, found.n, found.unit) == (None, None, 1, "×")
    assert shows_difference(found) is None
    assert compare([], _trials({1: 1.0}), "latency_p50_ms").value is None


def test_equal_cells_show_no_difference() -> None:
    rng = np.random.default_rng(1)
    runs = [(1.0 + 0.05 * rng.standard_normal(5), 1.0 + 0.05 * rng.standard_normal(5)) for _ in range(200)]
    shown = 0
    for here, there in runs:
        cell = _trials(dict(enumerate(here.tolist(), 1)))
        shown += bool(shows_difference(compare(cell, _trials(dict(enumerate(there.tolist(), 1))), "latency_p50_ms")))
    assert shown <= 22  # 5 % of 200, and four standard errors


def test_percentiles_are_nearest_rank() -> None:
    values = list(range(1, 1001))
    assert percentile(values, 0.5) == 500
    assert percentile(values, 0.99) == 990
    assert percentile(values[:-1], 0.99) is None  # nine beyond it
    assert percentile(values, 0.999) is None
    assert percentile(range(19), 0.5) is None
    assert percentile(range(20), 0.5) == 9
    assert percentile([], 0.5) is None


def test_percentiles_come_in_milliseconds() -> None:
    found = percentiles_ms([1_500_000] * 20, "latency")
    expected = {"latency_p50_ms": 1.5, "latency_p90_ms": None, "latency_p99_ms": None, "latency_p999_ms": None}
    assert found == expected
