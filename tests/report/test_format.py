"""Numbers as people read them."""

from __future__ import annotations

import pytest

from edgebench.model import Estimate
from edgebench.report import format as fmt
from edgebench.report.tables import versus


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.3421, "ms", "0.342 ms"),
        (12.345, "ms", "12.3 ms"),
        (1234.5, "rps", "1,234/s"),
        (0.9134, "ratio", "91.3 %"),
        (0.99954, "ratio", "99.95 %"),
        (1.0, "ratio", "100.0 %"),
        (0.0, "count", "0"),
        (-0.0012, "ratio", "−0.1 %"),
        (None, "ms", "–"),
        (float("nan"), "ms", "–"),
    ],
)
def test_number(value: float | None, unit: str, text: str) -> None:
    assert fmt.number(value, unit).replace(fmt.NBSP, " ") == text


def test_interval_has_the_places_of_its_value() -> None:
    assert fmt.interval(Estimate(0.342, 0.33101, 0.3556, 3, "ms"), "ms") == "0.331–0.356"
    assert fmt.interval(Estimate(-0.001, -0.002, 0.001, 3, ""), "ratio") == "−0.2 to 0.1"
    assert fmt.interval(Estimate(0.342, None, None, 2, "ms"), "ms") == ""
    assert fmt.interval(Estimate(None, None, None, 0, "ms"), "ms") == ""


def test_comparison_with_the_baseline() -> None:
    assert versus(Estimate(20.2, 18.9, 21.4, 3, "×")) == "↓ 20× (19–21)"
    assert versus(Estimate(0.5, 0.4, 0.625, 3, "×")) == "↑ 2.0× (1.6–2.5)"
    assert versus(Estimate(1.02, 0.97, 1.08, 3, "×")) == "≈ baseline"
    assert versus(Estimate(4.0, None, None, 2, "×")) == "↓ 4.0×"
    assert versus(Estimate(1.01, None, None, 2, "×")) == "≈ baseline"
    assert versus(Estimate(None, None, None, 0, "×")) == versus(None) == ""


def test_spans_and_unbroken_numbers() -> None:
    assert [fmt.span(seconds) for seconds in (1, 60, 120, 7200, 172800)] == [
        text.replace(" ", fmt.NBSP) for text in ("1 s", "60 s", "2 min", "2 h", "2 d")
    ]
    assert fmt.unbroken("TTL 60 s: 95 % of 3 sizes") == f"TTL 60{fmt.NBSP}s: 95{fmt.NBSP}% of 3 sizes"
