"""Sentences and numbers read as they should."""

from __future__ import annotations

import pytest

from edgebench.analysis.headline import headline
from edgebench.analysis.results import CellResult
from edgebench.analysis.wording import count, digits, interval, listed, percent, points, times
from edgebench.model import CellSummary, Estimate, TrustStatus


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (12345.6, "12,300"),
        (123.4, "123"),
        (12.34, "12.3"),
        (1.234, "1.23"),
        (0.9996, "1.00"),
        (0.1234, "0.12"),
    ],
)
def test_digits(value: float, text: str) -> None:
    assert digits(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (1, "100 %"), (0.5, "50 %"), (0.4567, "45.7 %"), (0.9996, "99.96 %"), (0.0001, "0.01 %")],
)
def test_percent_never_rounds_to_all_or_nothing(share: float, text: str) -> None:
    assert percent(share) == text


def test_other_numbers() -> None:
    assert [times(value) for value in (31.4, 7.44, 1.064, 0.5)] == ["31×", "7.4×", "1.06×", "0.50×"]
    assert [points(value) for value in (0.0021, -0.002, 0)] == ["+0.210 points", "−0.200 points", "+0.000 points"]
    assert [count(1, "trial"), count(1200, "trial")] == ["1 trial", "1,200 trials"]
    assert [listed([]), listed(["a"]), listed(["a", "b", "c"])] == ["", "a", "a, b and c"]
    assert interval(Estimate(7.44, 6.1, 9.0, 3, "×")) == "7.4×, 95 % CI 6.1–9.0"
    assert interval(Estimate(7.44, None, None, 2, "×")) == "7.4×, from 2 trials, no interval"


def _ms(value: float) -> Estimate:
    return Estimate(value, value * 0.9, value * 1.1, 3, "ms")


def _x(value: float, spread: float = 1.2, n: int = 3) -> Estimate:
    return Estimate(value, value / spread, value * spread, n, "×") if n > 2 else Estimate(value, None, None, n, "×")


def _cell(ttl_s: int | None, p50: float, p99: float, versus: dict[str, Estimate] | None = None) -> CellResult:
    tier = "direct" if versus is None else "nginx"
    metrics = {"latency_p50_ms": _ms(p50), "latency_p99_ms": _ms(p99)}
    summary = CellSummary(f"{tier}.ttl{ttl_s}", tier, ttl_s, "loopback", "", TrustStatus.VALID, metrics)
    return CellResult(summary, (), versus or {})


BASE = _cell(None, 4.0, 9.1)


def _text(*cells: CellResult) -> str:
    found = headline(cells, BASE)
    assert found is not None
    return found.text


def test_a_gain_at_the_tail() -> None:
    short = _cell(1, 1.0, 4.8, {"latency_p99_ms": _x(1.9), "latency_p50_ms": _x(4)})
    long = _cell(5, 0.5, 1.2, {"latency_p99_ms": _x(7.4, 1.22), "latency_p50_ms": _x(8), "origin_rps": _x(6.2)})
    assert _text(short, long) == (
        "At TTL 5 s nginx cut p99 latency from 9.10 ms to 1.20 ms (7.4×, 95 % CI 6.1–9.0) and sent the origin 6.2× "
        "fewer requests; at TTL 1 s it cut p99 latency only 1.90×."
    )


def test_a_gain_of_the_median_only() -> None:
    cell = _cell(5, 0.5, 9.0, {"latency_p99_ms": _x(1.01), "latency_p50_ms": _x(8)})
    assert _text(cell) == (
        "At TTL 5 s nginx cut median latency from 4.00 ms to 0.50 ms (8.0×, 95 % CI 6.7–9.6; p99 latency: no "
        "difference shown)."
    )


def test_no_difference() -> None:
    cell = _cell(5, 4.0, 9.0, {"latency_p99_ms": _x(1.01), "latency_p50_ms": _x(1.0)})
    assert _text(cell) == (
        "At TTL 5 s no difference in p99 latency was shown between nginx and direct (9.10 ms without it, 9.00 ms with "
        "it; 1.01×, 95 % CI 0.84–1.21)."
    )


def test_a_loss() -> None:
    cell = _cell(0, 5.0, 18.0, {"latency_p99_ms": _x(0.5), "latency_p50_ms": _x(0.8, 1.1)})
    assert _text(cell).startswith(
        "No cached cell was faster: at best, at TTL 0 s nginx raised p99 latency (9.10 ms without"
    )


def test_two_trials_bear_no_interval() -> None:
    cell = _cell(5, 0.5, 1.2, {"latency_p99_ms": _x(7.4, n=2)})
    assert "(7.4×, from 2 trials, no interval)" in _text(cell)


def test_no_numbers_no_sentence() -> None:
    nothing = Estimate(None, None, None, 0, "×")
    assert headline([_cell(5, 1, 1, {"latency_p99_ms": nothing, "latency_p50_ms": nothing})], BASE) is None
    assert headline([], BASE) is None
    assert headline([BASE], None) is None
