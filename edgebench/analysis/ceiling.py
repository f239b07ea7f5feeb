"""How near a trial came to what its generator can do, and which figures are bounds because of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgebench.analysis.metrics import measuring
from edgebench.analysis.results import TrialResult
from edgebench.model import Bound, Ceiling, Estimate

AT_CEILING = 0.95
"""Share of the ceiling from which on a throughput says no more than "at least so much"."""
_THROUGHPUTS = ("achieved_rps", "capacity_rps")


def with_ceiling(trial: TrialResult, ceiling: Ceiling | None) -> TrialResult:
    """The trial with the metric ceiling_rps: what its generator can send at this trial's mean body size. None where it
    was not measured."""
    now = trial.samples[measuring(trial.samples)]
    sizes = now["bytes"].to_numpy(dtype=np.float64) if "bytes" in now else np.empty(0)
    ceiling_rps = ceiling.rps_at(float(sizes.mean())) if ceiling is not None and len(sizes) else None
    return replace(trial, metrics={**trial.metrics, "ceiling_rps": ceiling_rps})


def ceiling_share(metrics: Mapping[str, float | None], peak_rps: float = 0.0) -> float | None:
    """Offered or achieved rate or that of a crowd, whichever is more, as a share of the ceiling. Above 1 where the
    system under test is quicker than the null server was, or where more was offered than can be sent."""
    ceiling_rps = metrics.get("ceiling_rps")
    rates = [rate for name in ("offered_rps", "achieved_rps") if (rate := metrics.get(name)) is not None]
    return max(*rates, peak_rps) / ceiling_rps if ceiling_rps and rates else None


def bounded(metrics: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """A cell's metrics, its throughputs marked as lower bounds where the generator was at its ceiling."""
    share = ceiling_share({name: found.value for name, found in metrics.items()})
    if share is None or share < AT_CEILING:
        return dict(metrics)
    return {
        name: replace(found, bound=Bound.LOWER) if name in _THROUGHPUTS and found.value is not None else found
        for name, found in metrics.items()
    }
