"""Numbers as people read them. A missing number is an en dash, never a zero."""

from __future__ import annotations

import math
import re

from edgebench.model import Bound, Estimate

MISSING = "–"
AT_LEAST = "≥"
NBSP = "\u00a0"
_SHARES = ("ratio", "offload", "points")
"""Units of shares of 1 and of differences between such."""


def missing(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


def decimals(value: float) -> int:
    """Places after the point that leave about three significant digits."""
    size = abs(value)
    if size >= 100 or size == 0:
        return 0
    if size >= 10:
        return 1
    return 2 if size >= 1 else 3


def percent_decimals(percent: float) -> int:
    """One place, two where the rest to 0 or 100 % is what matters."""
    return 2 if 0 < percent < 1 or 99 < percent < 100 else 1


def plain(value: float, places: int) -> str:
    """Thousands separated, a true minus sign, no negative zero."""
    text = f"{value:,.{places}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def scaled(value: float, unit: str) -> float:
    """The value in the unit it is printed in: shares are printed as per cent, their differences as points."""
    return value * 100 if unit in _SHARES else value


def places_for(value: float, unit: str) -> int:
    """Places after the point for a value (already scaled) of this unit."""
    if unit in _SHARES:
        return percent_decimals(value)
    if unit == "count" and value == int(value):
        return 0
    return decimals(value)


def suffix(unit: str) -> str:
    """What follows the number."""
    known = {"ratio": f"{NBSP}%", "offload": f"{NBSP}%", "rps": "/s", "count": "", "×": "×"}
    return known.get(unit, f"{NBSP}{unit}" if unit else "")


def number(value: float | None, unit: str, *, with_unit: bool = True) -> str:
    """`0.342 ms`, `91.3 %`, `1,204/s`, `–`."""
    if value is None or not math.isfinite(value):
        return MISSING
    shown = scaled(value, unit)
    return plain(shown, places_for(shown, unit)) + (suffix(unit) if with_unit else "")


def figure(estimate: Estimate, unit: str, *, with_unit: bool = True) -> str:
    """Like number; `≥31,000/s` where the figure is a lower bound."""
    text = number(estimate.value, unit, with_unit=with_unit)
    return f"{AT_LEAST}{text}" if estimate.bound is Bound.LOWER and text != MISSING else text


def interval(estimate: Estimate, unit: str) -> str:
    """`0.331–0.356`, with as many places as the value; empty where there is no interval."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return ""
    if not math.isfinite(estimate.value + estimate.low + estimate.high) or estimate.low == estimate.high == 0:
        return ""
    places = places_for(scaled(estimate.value, unit), unit)
    low, high = (plain(scaled(bound, unit), places) for bound in (estimate.low, estimate.high))
    return f"{low}–{high}" if not low.startswith("−") else f"{low} to {high}"


def duration_ms(value_ms: float) -> str:
    """A latency in the unit that reads best: `340 µs`, `6.1 ms`, `1.2 s`."""
    if not math.isfinite(value_ms):
        return MISSING
    if value_ms < 0.9995:
        return f"{value_ms * 1000:.3g}{NBSP}µs"
    if value_ms < 999.5:
        return f"{value_ms:.3g}{NBSP}ms"
    return f"{value_ms / 1000:,.3g}{NBSP}s"


def times(ratio: float) -> str:
    """`18×`, `1.4×`."""
    return f"{plain(ratio, 0 if ratio >= 9.95 else 1)}×"


def ttl(ttl_s: int | None) -> str:
    """`TTL 60 s`; the longest unit that divides it."""
    if ttl_s is None:
        return ""
    return f"TTL {span(ttl_s)}"


def span(seconds: int) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size and seconds % size == 0:
            return f"{seconds // size}{NBSP}{unit}"
    return f"{seconds}{NBSP}s"


def clip(text: str, length: int = 20) -> str:
    """A name that must fit into a chart."""
    return text if len(text) <= length else text[: length - 1] + "…"


def clip_series(series: str, length: int = 20) -> str:
    """`nginx, other-co…, https`: of a name in parts the longest ones lose their ends, so that each still tells."""
    parts = series.split(", ")
    while len(text := ", ".join(parts)) > length:
        longest = max(range(len(parts)), key=lambda at: len(parts[at]))
        if len(parts) == 1 or len(parts[longest]) <= 4:
            return clip(text, length)
        parts[longest] = parts[longest].removesuffix("…")[:-1] + "…"
        if len(", ".join(parts)) > length:  # the mark took the place of what was cut
            parts[longest] = parts[longest][:-2] + "…"
    return text


def slug(text: str) -> str:
    """Letters, digits and hyphens: usable as an id and a file name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"


def unbroken(text: str) -> str:
    """A sentence whose numbers stay on one line with their units."""
    return re.sub(r"(\d) (?=(?:%|ms|µs|s|min|h|d)(?!\w))", rf"\1{NBSP}", text)


def plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
