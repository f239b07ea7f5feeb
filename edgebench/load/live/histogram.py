"""Latencies in buckets that are at most 0.79 % wide: 128 to each power of two (as HdrHistogram's). Pure.

A float64's exponent and its first seven mantissa bits are the bucket's number, so no logarithm is taken.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

_BITS = 7
_FIRST, _LAST = 10, 40
"""From 2^10 ns (1 us) to 2^40 ns (18 minutes); what lies beyond is counted in the first or last bucket."""
BUCKETS = (_LAST - _FIRST) << _BITS
_MANTISSA_BITS = 52 - _BITS
_OFFSET = (1023 + _FIRST) << _BITS
BEYOND = 10
"""Values that must lie beyond a percentile, as in the report: p50 needs 20 of them, p99 a thousand."""


def buckets_of(latency_ns: IntArray) -> IntArray:
    """The bucket of each latency, 0 to BUCKETS - 1."""
    bits = np.clip(latency_ns, 1 << _FIRST, (1 << _LAST) - 1).astype(np.float64).view(np.int64)
    return (bits >> _MANTISSA_BITS) - _OFFSET


def middle_ns(bucket: int) -> float:
    """The middle of a bucket: at most 0.4 % from anything in it."""
    power, part = divmod(bucket, 1 << _BITS)
    width = 2.0 ** (_FIRST + power - _BITS)
    return ((1 << _BITS) + part) * width + (width - 1) / 2


def percentile_ns(counts: NDArray[Any], share: float) -> float | None:
    """Nearest rank, x₍⌈share·n⌉₎, to 0.4 %; None where fewer than BEYOND values lie beyond it."""
    below = np.cumsum(counts)
    n = int(below[-1])
    rank = math.ceil(round(share * n, 9))  # as edgebench.analysis: 0.99 * 1000 may be 990.0000000000001
    if rank < 1 or n - rank < BEYOND:
        return None
    return middle_ns(int(np.searchsorted(below, rank)))
