"""How numbers are written in sentences: significant digits, units, intervals. One place, so that all read alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgebench.model import Estimate


def digits(value: float) -> str:
    """Three significant digits from 1 on, two below; thousands with commas: 12,300  123  12.3  1.23  0.12."""
    size = abs(value)
    if size == 0 or not math.isfinite(value):
        return f"{value:.0f}"
    significant = 3 if size >= 0.9995 else 2
    rounded = float(f"{value:.{significant}g}")
    places = significant - 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:,.{max(places, 0)}f}"


def times(value: float) -> str:
    """A ratio: about two digits, as much as an interval from trials bears; three near 1, where they decide."""
    return f"{value:,.0f}×" if value >= 9.95 else f"{value:.1f}×" if value >= 1.95 else f"{value:.2f}×"


def interval(ratio: Estimate) -> str:
    """`7.4×, 95 % CI 6.1–9.0`, or `7.4× in 2 trials, no interval`. The estimate must have a value."""
    assert ratio.value is not None
    if ratio.low is None or ratio.high is None:
        return f"{times(ratio.value)}, from {count(ratio.n, 'trial')}, no interval"
    return f"{times(ratio.value)}, 95 % CI {times(ratio.low)[:-1]}–{times(ratio.high)[:-1]}"


def percent(share: float) -> str:
    """A share of 1 as a percentage, with as many places as it takes not to read 0 or 100 for what is not."""
    value = 100 * share
    for places in (1, 2, 3):
        text = f"{value:.{places}f}"
        if (float(text) not in (0.0, 100.0)) or value in (0.0, 100.0):
            break
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"


def points(difference: float) -> str:
    """A difference of two shares, in percentage points, with its sign."""
    value = 100 * difference
    return f"{'−' if value < -0.0005 else '+'}{abs(value):.3f} points"


def milliseconds(value: float) -> str:
    return f"{digits(value)} ms"


def seconds(value: float) -> str:
    return f"{value:g} s"


def count(number: float, noun: str) -> str:
    """`1 trial`, `2 trials`, `1,200 samples`."""
    return f"{number:,.0f} {noun}" + ("" if number == 1 else "s")


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def condition(ttl_s: float | None) -> str:
    """`at TTL 5 s`; the empty text where the app's own lifetimes were left."""
    return "" if ttl_s is None else f"at TTL {ttl_s:g} s"


def span(value: Estimate) -> str:
    """`95 % CI 0.21–0.48`, or how many trials there were and that they bear no interval."""
    if value.low is None or value.high is None:
        return f"from {count(value.n, 'trial')}, no interval"
    return f"95 % CI {signed(value.low)} to {signed(value.high)}"


def signed(value: float) -> str:
    return f"−{digits(-value)}" if value < 0 else digits(value)
