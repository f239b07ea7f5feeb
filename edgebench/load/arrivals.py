"""When requests are due: seeded arrival times, computed in blocks so that an hour at 20,000/s needs little memory."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgebench.load.replay import Replay
from edgebench.model import Arrivals, Bursts, Step

BLOCK = 512
"""Arrivals computed at once: 15 to 50 us of work, too short to be seen in the send lag."""


def seed_of(seed: int, worker: int, purpose: str) -> np.random.SeedSequence:
    """An independent random stream for each purpose in each worker, the same in every run with this seed."""
    return np.random.SeedSequence([seed, worker, *purpose.encode()])


def arrival_times_ns(
    kind: Arrivals,
    rate_rps: float,
    seed: int,
    worker: int = 0,
    workers: int = 1,
    bursts: Bursts | None = None,
    replay: Replay | None = None,
    step: Step | None = None,
) -> Iterator[list[int]]:
    """Blocks of this worker's due times in ns since the start, ascending, without end.

    `rate_rps` is the mean rate of all workers together; a replay has its own. Poisson: the workers' independent streams
    add up to the whole rate. Constant and replay: the workers take turns. Bursty: the bursts are those of all workers,
    the arrivals in them each worker's own. Step: Poisson at a rate that is `step.factor` times as high for a while, its
    `at_s` counted from the start. `bursts` and `step` default to Bursts() and Step(); a replay needs `replay`.
    """
    if not rate_rps > 0 or not math.isfinite(rate_rps):
        raise ValueError(f"rate_rps must be above 0, not {rate_rps}")
    if kind is Arrivals.CONSTANT:
        return _constant(1e9 / rate_rps, worker, workers)
    if kind is Arrivals.REPLAY:
        if replay is None:
            raise ValueError("a replay needs recorded times")
        return _replayed(replay, worker, workers)
    rng = np.random.default_rng(seed_of(seed, worker, "arrivals"))
    if kind is Arrivals.BURSTY:
        common = np.random.default_rng(seed_of(seed, 0, "bursts"))
        return _bursty(bursts or Bursts(), rate_rps, workers, rng, common)
    if kind is Arrivals.STEP:
        return _stepped(step or Step(), rate_rps / workers, rng)
    return _poisson(1e9 * workers / rate_rps, rng)


def _poisson(mean_gap_ns: float, rng: np.random.Generator) -> Iterator[list[int]]:
    last_ns = 0
    while True:
        gaps = np.rint(rng.exponential(mean_gap_ns, BLOCK)).astype(np.int64)
        times = last_ns + np.cumsum(gaps)
        last_ns = int(times[-1])
        yield times.tolist()


def _stepped(step: Step, rate_rps: float, rng: np.random.Generator) -> Iterator[list[int]]:
    """A Poisson process of rate 1 in the time in which the expected number of arrivals is the clock, as _bursty's.

    That number is a straight line before the step, a steeper one in it, and the first one again after it.
    """
    per_ns = rate_rps / 1e9
    at_ns = 1e9 * np.array([0.0, step.at_s, step.end_s])
    counts = np.cumsum(per_ns * np.diff(at_ns, prepend=0.0) * [1.0, 1.0, step.factor])
    last = 0.0
    while True:
        expected = last + np.cumsum(rng.exponential(1.0, BLOCK))
        last = float(expected[-1])
        after_ns = np.maximum(expected - counts[-1], 0.0) / per_ns
        yield np.rint(np.interp(expected, counts, at_ns) + after_ns).astype(np.int64).tolist()


def _constant(gap_ns: float, worker: int, workers: int) -> Iterator[list[int]]:
    first = worker
    while True:
        indexes = first + workers * np.arange(1, BLOCK + 1, dtype=np.float64)
        first += workers * BLOCK
        yield np.rint(indexes * gap_ns).astype(np.int64).tolist()


def _replayed(replay: Replay, worker: int, workers: int) -> Iterator[list[int]]:
    """The recording, and again from its start, without end: index i of all is due in round i // n."""
    first = worker
    while True:
        rounds, places = np.divmod(first + workers * np.arange(BLOCK, dtype=np.int64), len(replay.times_ns))
        first += workers * BLOCK
        yield (rounds * replay.period_ns + replay.times_ns[places]).tolist()


def _bursty(
    bursts: Bursts, rate_rps: float, workers: int, rng: np.random.Generator, common: np.random.Generator
) -> Iterator[list[int]]:
    """A Poisson process of rate 1 / workers in the time in which the expected number of arrivals is the clock.

    Where nothing is expected between bursts, that clock stands still, and no arrival falls there.
    """
    chain = _Chain(bursts, rate_rps, common)
    # A few hundred turns of the chain at once, so that rare arrivals delay the others no longer than frequent ones do.
    block = max(1, min(BLOCK, int(BLOCK * chain.expected_per_cycle / (4 * workers))))
    last = 0.0
    while True:
        expected = last + np.cumsum(rng.exponential(workers, block))
        last = float(expected[-1])
        yield np.rint(chain.times_ns(expected)).astype(np.int64).tolist()


class _Chain:
    """The two-state Markov chain behind bursty arrivals, as the expected number of arrivals over time.

    Piecewise linear: the rate in bursts and the rate between them take turns, each for an exponential time. The chain
    is in its equilibrium from the start on, so the mean rate holds from the first second: with a probability of
    `bursts.share` it begins in a burst.
    """

    _CYCLES = 64

    def __init__(self, bursts: Bursts, rate_rps: float, rng: np.random.Generator) -> None:
        burst_rps, calm_rps = bursts.rates_rps(rate_rps)
        self._rng = rng
        self._mean_ns = 1e9 * np.array([bursts.calm_s, bursts.length_s])
        self._per_ns = 1e-9 * np.array([calm_rps, burst_rps])
        self.expected_per_cycle = rate_rps * (bursts.calm_s + bursts.length_s)
        """Arrivals of all workers in one burst and the time to the next."""
        self._starts_calm = rng.random() >= bursts.share
        self._at_ns = np.zeros(1)
        self._expected = np.zeros(1)

    def times_ns(self, expected: NDArray[np.float64]) -> NDArray[np.float64]:
        """When so many arrivals have been expected. `expected` ascends, from call to call as well."""
        keep = int(np.searchsorted(self._expected, expected[0], side="right")) - 1
        at_ns, so_far = [self._at_ns[keep:]], [self._expected[keep:]]
        while so_far[-1][-1] <= expected[-1]:
            times, counts = self._more(float(at_ns[-1][-1]), float(so_far[-1][-1]))
            at_ns.append(times)
            so_far.append(counts)
        self._at_ns, self._expected = np.concatenate(at_ns), np.concatenate(so_far)
        return np.interp(expected, self._expected, self._at_ns)

    def _more(self, at_ns: float, expected: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The ends of the next turns: when, and how many arrivals are expected until then."""
        lengths_ns = self._rng.standard_exponential((self._CYCLES, 2)) * self._mean_ns
        if not self._starts_calm:
            lengths_ns[0, 0] = 0.0
            self._starts_calm = True
        counts = lengths_ns * self._per_ns
        return at_ns + np.cumsum(lengths_ns), expected + np.cumsum(counts)
