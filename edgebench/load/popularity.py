"""Which key is asked for: Zipf's law over a seeded shuffle of the keys."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgebench.load.arrivals import seed_of

BLOCK = 512


def zipf_weights(keys: int, exponent: float) -> NDArray[np.float64]:
    """Probability of each rank, the most popular first: rank k has weight k**-exponent."""
    weights: NDArray[np.float64] = np.arange(1, keys + 1, dtype=np.float64) ** -exponent
    weights /= weights.sum()
    return weights


class Popularity:
    """An endless, seeded stream of keys 1..keys.

    Which keys are popular depends on the seed only, so that all workers agree; the draws differ from worker to worker.
    """

    def __init__(
        self, keys: int, exponent: float, seed: int, worker: int = 0, *, fills: bool = False, workers: int = 1
    ) -> None:
        """`fills`: first comes each key once, the least popular first; of `workers`, each has its share of them."""
        self._cumulative = np.cumsum(zipf_weights(keys, exponent))
        self._cumulative[-1] = 1.0  # rounding must not leave a gap above the last key
        shuffle = np.random.default_rng(seed_of(seed, 0, f"ranks of {keys}"))
        self.key_of_rank = 1 + shuffle.permutation(keys)
        """The keys, the most popular first."""
        self._random = np.random.default_rng(seed_of(seed, worker, f"keys of {keys}"))
        self._drawn: Iterator[int] = iter(self.key_of_rank[::-1][worker::workers].tolist() if fills else ())
        self._ahead: list[int] = []

    def draw(self) -> int:
        """The next key."""
        for key in self._drawn:
            return key
        self.draw_ahead()
        self._drawn, self._ahead = iter(self._ahead), []
        return next(self._drawn)

    def draw_ahead(self) -> None:
        """Have the next block of keys at hand. It comes by itself; called at a good time, it comes in nobody's way."""
        if not self._ahead:
            ranks = np.searchsorted(self._cumulative, self._random.random(BLOCK), side="right")
            self._ahead = self.key_of_rank[ranks].tolist()
