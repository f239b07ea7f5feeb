"""A claim's verdict as both pages show it: icon and word, the number that decides, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgebench.model import ClaimResult, ClaimVerdict
from edgebench.report import format as fmt

_LOOKS: Mapping[ClaimVerdict, tuple[str, str]] = {
    # icon, class: the icons differ in shape, so that colour is never alone
    ClaimVerdict.HOLDS: ("✓", "holds"),
    ClaimVerdict.PARTLY: ("◐", "partly"),
    ClaimVerdict.NOT_HERE: ("✕", "not-here"),
    ClaimVerdict.NOT_TESTABLE: ("?", "untested"),
}


@dataclass(frozen=True, slots=True)
class ClaimWords:
    """A claim's result, ready to print."""

    claim: str
    verdict: str
    icon: str
    look: str
    """Class of the badge."""
    text: str
    why: str
    figure_name: str
    value: str
    """The number with its unit; empty: there is none."""
    limits: str
    """`3.1–4.0`; empty: no interval."""
    interval: str
    """`95 % interval 3.1–4.0`, or from how many trials where there is none."""


def claim_words(result: ClaimResult) -> ClaimWords:
    icon, look = _LOOKS[result.verdict]
    value, limits, interval = _figure(result)
    return ClaimWords(
        result.claim,
        result.verdict.value,
        icon,
        look,
        fmt.unbroken(result.text),
        fmt.unbroken(result.why),
        result.figure_name,
        value,
        limits,
        interval,
    )


def _figure(result: ClaimResult) -> tuple[str, str, str]:
    estimate = result.figure
    if estimate is None or fmt.missing(estimate.value):
        return "", "", ""
    value, limits = fmt.figure(estimate, estimate.unit), fmt.interval(estimate, estimate.unit)
    if limits:
        return value, limits, f"95{fmt.NBSP}% interval {limits}"
    return value, "", f"from {fmt.plural(estimate.n, 'trial')}, no interval"
