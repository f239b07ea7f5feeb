"""When requests are due: seeded arrival times, computed in blocks so that an hour at 20,000/s needs little memory."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from edgebench.model import Arrivals

BLOCK = 512
"""Arrivals computed at once: 15 us of work, too short to be seen in the send lag."""


def seed_of(seed: int, worker: int, purpose: str) -> np.random.SeedSequence:
    """An independent random stream for each purpose in each worker, the same in every run with this seed."""
    return np.random.SeedSequence([seed, worker, *purpose.encode()])


def arrival_times_ns(
    kind: Arrivals, rate_rps: float, seed: int, worker: int = 0, workers: int = 1
) -> Iterator[list[int]]:
    """Blocks of this worker's due times in ns since the start, ascending, without end.

    `rate_rps` is the rate of all workers together. Poisson: the workers' independent streams add up to the whole rate.
    Constant: the workers take turns.
    """
    if not rate_rps > 0 or not math.isfinite(rate_rps):
        raise ValueError(f"rate_rps must be above 0, not {rate_rps}")
    if kind is Arrivals.CONSTANT:
        return _constant(1e9 / rate_rps, worker, workers)
    return _poisson(1e9 * workers / rate_rps, np.random.default_rng(seed_of(seed, worker, "arrivals")))


def _poisson(mean_gap_ns: float, rng: np.random.Generator) -> Iterator[list[int]]:
    last_ns = 0
    while True:
        gaps = np.rint(rng.exponential(mean_gap_ns, BLOCK)).astype(np.int64)
        times = last_ns + np.cumsum(gaps)
        last_ns = int(times[-1])
        yield times.tolist()


def _constant(gap_ns: float, worker: int, workers: int) -> Iterator[list[int]]:
    first = worker
    while True:
        indexes = first + workers * np.arange(1, BLOCK + 1, dtype=np.float64)
        first += workers * BLOCK
        yield np.rint(indexes * gap_ns).astype(np.int64).tolist()
