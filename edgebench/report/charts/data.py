"""What several charts need of an analysis: cells by TTL, metric values, latency distributions per trial."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebench.analysis.results import Analysis, CellResult, TrialResult
from edgebench.model import LOOPBACK, Outcome, Phase, TrustStatus, series
from edgebench.report import format as fmt
from edgebench.report.palette import TierStyle, tier_styles

Floats = NDArray[np.float64]

DIRECT = "direct"
"""Kind of the tier that is none."""
TAIL_SAMPLES = 10
"""Samples that must lie above a percentile for it to be shown."""
PROBABILITIES: Floats = np.unique(np.concatenate([np.linspace(0, 1, 201), 1 - np.logspace(-0.3, -4, 60)]))
"""Enough for a curve: the middle evenly, the tail by its nines."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Latency of one cell: the quantile function of each trial, never pooled."""

    cell: CellResult
    probabilities: Floats
    quantiles_ms: Floats
    """One row per trial."""
    samples: tuple[int, ...]
    """Successful samples per trial."""

    @property
    def median_ms(self) -> Floats:
        """Median over the trials at each probability."""
        return np.asarray(np.median(self.quantiles_ms, axis=0))

    def at(self, probability: float) -> float:
        return float(np.interp(probability, self.probabilities, self.median_ms))


@dataclass(frozen=True, slots=True)
class Context:
    """An analysis with what is worked out once for all charts."""

    analysis: Analysis
    styles: Mapping[str, TierStyle]
    baseline: CellResult | None
    distributions: Mapping[str, Distribution]
    """By cell id; cells without samples are missing."""

    def stores(self, cell: CellResult) -> bool:
        """Whether a cache stood before the origin."""
        return tier_kinds(self.analysis).get(cell.summary.series, cell.summary.series) != DIRECT

    @property
    def cached(self) -> list[CellResult]:
        return [cell for cell in self.analysis.cells if self.stores(cell)]

    def style(self, cell: CellResult) -> TierStyle:
        return self.styles[cell.summary.series]

    def label(self, cell: CellResult, length: int) -> str:
        """What to write beside a mark: the series in so many characters, without a network that all cells share."""
        summary = cell.summary
        alike = len({each.summary.network for each in self.analysis.cells}) == 1
        return fmt.clip_series(series(summary.tier, LOOPBACK if alike else summary.network, summary.variant), length)


def tier_kinds(analysis: Analysis) -> dict[str, str]:
    """What each tier of the report is, by its name (and network and variant, where there are such)."""
    kinds = {spec.name: spec.kind for spec in analysis.summary.run.scenario.tiers}
    return {cell.summary.series: kinds.get(cell.summary.tier, cell.summary.tier) for cell in analysis.cells} | kinds


def context(analysis: Analysis) -> Context:
    baseline = next((cell for cell in analysis.cells if cell.summary.id == analysis.baseline), None)
    tiers = [cell.summary.series for cell in analysis.cells]
    kinds = tier_kinds(analysis)
    found = {cell.summary.id: distribution(cell) for cell in analysis.cells}
    return Context(
        analysis,
        tier_styles(tiers, {tier for tier in tiers if kinds.get(tier, tier) == DIRECT}, kinds),
        baseline,
        {name: value for name, value in found.items() if value is not None},
    )


def latencies_ms(trial: TrialResult) -> Floats:
    """Latency of the successful samples of the measuring phase, rising."""
    samples = trial.samples
    if not len(samples) or not {"phase", "outcome", "latency_ns"} <= set(samples.columns):
        return np.empty(0)
    wanted = (samples["phase"] == Phase.MEASURE.value) & (samples["outcome"] != Outcome.ERROR.value)
    return np.sort(samples.loc[wanted, "latency_ns"].to_numpy(dtype=np.float64) / 1e6)


def distribution(cell: CellResult) -> Distribution | None:
    trials = [values for values in map(latencies_ms, cell.trials) if len(values)]
    if not trials:
        return None
    rows = [np.quantile(values, PROBABILITIES, method="inverted_cdf") for values in trials]
    floor = np.maximum(np.array(rows), 1e-3)  # a log axis has no zero
    return Distribution(cell, PROBABILITIES, floor, tuple(len(values) for values in trials))


def value(cell: CellResult | None, name: str) -> float | None:
    """The cell's estimate of a metric; None without data."""
    if cell is None or name not in cell.summary.metrics:
        return None
    found = cell.summary.metrics[name].value
    return found if found is not None and math.isfinite(found) else None


def trial_values(cell: CellResult, name: str) -> list[float]:
    """The metric in each trial that has it."""
    values = (trial.metrics.get(name) for trial in cell.trials)
    return [found for found in values if found is not None and math.isfinite(found)]


def bounds(cell: CellResult, name: str) -> tuple[float, float] | None:
    """The metric's interval, where it has one."""
    estimate = cell.summary.metrics.get(name)
    if estimate is None or estimate.low is None or estimate.high is None:
        return None
    return (estimate.low, estimate.high) if math.isfinite(estimate.low + estimate.high) else None


def by_ttl(ctx: Context) -> list[tuple[str, list[CellResult]]]:
    """Cells that belong into one panel: those of one TTL, and the tier without a cache in each."""
    ttls = sorted({cell.summary.ttl_s for cell in ctx.cached}, key=lambda ttl_s: (ttl_s is not None, ttl_s or 0))
    first = [cell for cell in ctx.analysis.cells if not ctx.stores(cell)]
    if not ttls:
        return [("No cache in between", first)] if first else []
    groups = []
    for ttl_s in ttls:
        cells = [cell for cell in ctx.cached if cell.summary.ttl_s == ttl_s]
        groups.append((fmt.ttl(ttl_s) or "The app's own TTLs", first + cells))
    return groups


def by_tier(cells: Sequence[CellResult]) -> list[tuple[str, list[CellResult]]]:
    """Cells of each tier, in order."""
    names = dict.fromkeys(cell.summary.series for cell in cells)
    return [(name, [cell for cell in cells if cell.summary.series == name]) for name in names]


def cell_name(cell: CellResult) -> str:
    """`nginx, TTL 60 s`."""
    return ", ".join(part for part in (cell.summary.series, fmt.ttl(cell.summary.ttl_s)) if part)


def cell_title(cell: CellResult, length: int) -> str:
    """The same in at most so many characters: a long name loses its end, not the TTL."""
    ttl = fmt.ttl(cell.summary.ttl_s)
    return ", ".join(part for part in (fmt.clip_series(cell.summary.series, length - len(ttl) - 2), ttl) if part)


def best(ctx: Context, name: str) -> CellResult | None:
    """The cached cell that stands for the run in titles: the highest value of this metric."""
    known = [cell for cell in _praised(ctx) if value(cell, name) is not None]
    return max(known, key=lambda cell: value(cell, name) or 0.0, default=None)


def star(ctx: Context) -> CellResult | None:
    """The cached cell that latency titles speak of: the one that hits most; without hit ratios, the fastest."""
    measured = [cell for cell in _praised(ctx) if cell.summary.id in ctx.distributions]
    fastest = min(measured, key=lambda cell: ctx.distributions[cell.summary.id].at(0.5), default=None)
    return best(ctx, "hit_ratio") or fastest


_WRONG = ("leaks", "wrong_variants", "broken_bodies")


def _praised(ctx: Context) -> list[CellResult]:
    """The cached cells of which titles may speak: those that are not INVALID; else those whose answers were right."""
    usable = [cell for cell in ctx.cached if cell.summary.trust is not TrustStatus.INVALID]
    right = [cell for cell in ctx.cached if not any(value(cell, name) for name in _WRONG)]
    return usable or right or ctx.cached


def unmeasured(ctx: Context, what: str) -> str:
    """Why a chart of cached cells is empty."""
    if ctx.cached:
        return f"No {what} is shown: not enough data, or the origin kept no ledger to prove it by."
    return f"No cache stood in between, so there is no {what} to show."


def trials_note(cells: Sequence[CellResult]) -> str:
    """How many trials stand behind a chart."""
    counts = sorted({len(cell.trials) for cell in cells}) or [0]
    return fmt.plural(counts[0], "trial") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} trials"
