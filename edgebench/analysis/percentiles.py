"""Exact percentiles, and none where a few samples would decide them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

NS_PER_MS = 1_000_000
BEYOND = 10
"""Samples that must lie beyond a percentile: p50 needs 20 samples, p99 1,000, p99.9 10,000. With fewer it is one
request's story (wrk2, HdrHistogram practice)."""
POINTS: Mapping[str, float] = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}


def percentile(values: ArrayLike, share: float) -> float | None:
    """Nearest rank: the smallest value that at least `share` of the n values do not exceed, x₍⌈share·n⌉₎.

    A value that was measured, not one between two; None where fewer than BEYOND values lie beyond it.
    """
    return _nearest_rank(np.sort(np.asarray(values, dtype=np.float64)), share)


def percentiles_ms(
    values_ns: ArrayLike, prefix: str, points: tuple[str, ...] = tuple(POINTS)
) -> dict[str, float | None]:
    """`{prefix}_p50_ms` and so on, of nanoseconds."""
    ordered = np.sort(np.asarray(values_ns, dtype=np.float64)) / NS_PER_MS
    return {f"{prefix}_{point}_ms": _nearest_rank(ordered, POINTS[point]) for point in points}


def _nearest_rank(ordered: np.ndarray[tuple[int, ...], np.dtype[np.float64]], share: float) -> float | None:
    n = len(ordered)
    rank = math.ceil(round(share * n, 9))  # 0.99 * 1000 is 990.0000000000001 in floats on some ways there
    return float(ordered[rank - 1]) if rank >= 1 and n - rank >= BEYOND else None
