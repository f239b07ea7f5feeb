"""From trials to estimates. The trial is the unit of inference: intervals never come from pooled samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

from edgebench.analysis.results import TrialResult
from edgebench.model import Estimate

CONFIDENCE = 0.95
LEAST_TRIALS = 3
"""Trials below which no interval is given: from two, t has one degree of freedom and the interval says nothing."""
TIMES = "×"

_BOUNDS: Mapping[str, tuple[float, float]] = {
    "ratio": (0.0, 1.0),
    "offload": (-math.inf, 1.0),  # below 0 where the cache fetches more than it is asked for
    "points": (-1.0, 1.0),
}
_LOGARITHMIC = ("ms", "s", "requests/s", "cores")


def unit_of(metric: str) -> str:
    """The unit of a metric, from its name."""
    if metric == "prediction_residual":
        return "points"
    for suffix, unit in (
        ("_ms", "ms"),
        ("_rps", "requests/s"),
        ("_s", "s"),
        ("_cpu", "cores"),
        ("_offload", "offload"),
    ):
        if metric.endswith(suffix):
            return unit
    return "ratio" if "ratio" in metric or metric.endswith("_share") else "requests"


def estimate(metric: str, values: Sequence[float | None]) -> Estimate:
    """One metric over the trials of a cell.

    Ratios and counts: mean and t-interval on the mean, cut at what is possible. Times and rates, which are skewed and
    positive: geometric mean and t-interval on the logarithms (unless one is 0, then as ratios). None values are left
    out; n counts the rest. low and high are None below LEAST_TRIALS.
    """
    unit = unit_of(metric)
    known = [value for value in values if value is not None and math.isfinite(value)]
    printed = "ratio" if unit in ("offload", "points") else unit
    if not known:
        return Estimate(None, None, None, 0, printed)
    if unit in _LOGARITHMIC and min(known) > 0:
        return _geometric(known, printed)
    mean, half = _mean_and_half(known)
    if half is None:
        return Estimate(mean, None, None, len(known), printed)
    lowest, highest = _BOUNDS.get(unit, (0.0, math.inf))
    return Estimate(mean, max(mean - half, lowest), min(mean + half, highest), len(known), printed)


def of_values(values: Sequence[float | None], unit: str, *, geometric: bool = False) -> Estimate:
    """A figure of a claim's own, one value per trial: mean and t-interval, or geometric mean and t-interval on the
    logarithms, as estimate() does; None values are left out. Nothing is cut at what is possible."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return Estimate(None, None, None, 0, unit)
    if geometric and min(known) > 0:
        return _geometric(known, unit)
    mean, half = _mean_and_half(known)
    return Estimate(
        mean, None if half is None else mean - half, None if half is None else mean + half, len(known), unit
    )


def paired_ratio(over: Mapping[int, float | None], under: Mapping[int, float | None], unit: str = TIMES) -> Estimate:
    """over / under, paired by repeat (the keys): geometric mean and t-interval on the logarithms of the ratios. Pairs
    without both figures above 0 are left out; value None where there is no other."""
    ratios = []
    for repeat, above in over.items():
        below = under.get(repeat)
        if above is not None and below is not None and above > 0 and below > 0:
            ratios.append(above / below)
    return _geometric(ratios, unit) if ratios else Estimate(None, None, None, 0, unit)


def compare(cell: Sequence[TrialResult], baseline: Sequence[TrialResult], metric: str) -> Estimate:
    """How many times smaller a metric is in the cell than in the baseline: 7.4 means a 7.4th of it. Unit ×.

    Trials are paired by repeat: those of one repeat had the same seed, so the same requests at the same times, and ran
    near one another. The interval is the t-interval on the log of the paired ratios (Kalibera & Jones, ISMM 2013, on
    why a ratio needs one). value None: no pair has both figures above 0.
    """
    others = {trial.record.trial.repeat: trial.metrics.get(metric) for trial in baseline}
    ratios = []
    for trial in cell:
        here, there = trial.metrics.get(metric), others.get(trial.record.trial.repeat)
        if here is not None and there is not None and here > 0 and there > 0:
            ratios.append(there / here)
    return _geometric(ratios, TIMES) if ratios else Estimate(None, None, None, 0, TIMES)


def difference(cell: Sequence[TrialResult], baseline: Sequence[TrialResult], metric: str) -> Estimate:
    """How much greater a metric is in the cell than in the baseline, in its unit; paired by repeat as in compare."""
    others = {trial.record.trial.repeat: trial.metrics.get(metric) for trial in baseline}
    differences = []
    for trial in cell:
        here, there = trial.metrics.get(metric), others.get(trial.record.trial.repeat)
        if here is not None and there is not None:
            differences.append(here - there)
    unit = unit_of(metric)
    if not differences:
        return Estimate(None, None, None, 0, unit)
    mean, half = _mean_and_half(differences)
    if half is None:
        return Estimate(mean, None, None, len(differences), unit)
    return Estimate(mean, mean - half, mean + half, len(differences), unit)


def shows_difference(ratio: Estimate) -> bool | None:
    """Whether a ratio's interval leaves out 1; None where there is no interval."""
    if ratio.low is None or ratio.high is None:
        return None
    return ratio.low > 1 or ratio.high < 1


def _geometric(values: Sequence[float], unit: str) -> Estimate:
    mean, half = _mean_and_half([math.log(value) for value in values])
    if half is None:
        return Estimate(math.exp(mean), None, None, len(values), unit)
    return Estimate(math.exp(mean), math.exp(mean - half), math.exp(mean + half), len(values), unit)


def _mean_and_half(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean, and half the width of its t-interval: t · s/√n with s from n − 1."""
    n = len(values)
    mean = math.fsum(values) / n
    if n < LEAST_TRIALS:
        return mean, None
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    return mean, t_quantile(0.5 + CONFIDENCE / 2, n - 1) * deviation / math.sqrt(n)


@lru_cache(maxsize=256)
def t_quantile(share: float, degrees: int) -> float:
    """Quantile of Student's t for a whole number of degrees of freedom; share in (0.5, 1).

    Found by halving on the closed form of the distribution (Abramowitz & Stegun 26.7.3 and 26.7.4).
    """
    if degrees < 1 or not 0.5 < share < 1:
        raise ValueError(f"t_quantile: share {share} must be in (0.5, 1) and degrees {degrees} at least 1")
    low, high = 0.0, 1.0
    while _between(high, degrees) < 2 * share - 1:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if _between(middle, degrees) < 2 * share - 1 else (low, middle)
    return (low + high) / 2


def _between(t: float, degrees: int) -> float:
    """Probability that Student's t lies between -t and t."""
    angle = math.atan2(t, math.sqrt(degrees))
    sine, cosine_squared = math.sin(angle), math.cos(angle) ** 2
    odd = degrees % 2
    term, total = (math.cos(angle) if odd else 1.0), 0.0
    for step in range(1 + odd, degrees, 2):
        total += term
        term *= cosine_squared * step / (step + 1)
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
