"""Which of the origin's responses have been seen: the stamps' sequence numbers, exactly, in bounded memory."""

from __future__ import annotations

import numpy as np

from edgebench.load.live.histogram import IntArray

_WORKER_SHIFT = 40
"""A stamp's seq is worker << 40 | count, and each origin worker counts from 1 (edgebench.origin.ledger)."""
_FIRST_SIZE = 1 << 14
MAX_RESPONSES = 1 << 26
"""One byte for each response of the origin, so 64 MiB."""


class SeenResponses:
    """A byte for every count of every origin worker."""

    def __init__(self, limit: int = MAX_RESPONSES) -> None:
        self._seen: dict[int, np.ndarray[tuple[int], np.dtype[np.bool_]]] = {}
        self._limit = limit
        self.complete = True
        """False once a number did not fit: what was counted is no longer all there was."""

    def first_seen(self, seqs: IntArray) -> IntArray:
        """The places in `seqs` (none negative) where a number comes that never came before; from now on it has."""
        if not len(seqs):
            return np.zeros(0, dtype=np.int64)
        workers = seqs >> _WORKER_SHIFT
        if workers.min() == workers.max():
            return self._of_worker(int(workers[0]), seqs & ((1 << _WORKER_SHIFT) - 1))
        parts = []
        for worker in np.unique(workers).tolist():
            places = np.flatnonzero(workers == worker)
            parts.append(places[self._of_worker(worker, seqs[places] & ((1 << _WORKER_SHIFT) - 1))])
        return np.concatenate(parts)

    def _of_worker(self, worker: int, counts: IntArray) -> IntArray:
        places = np.arange(len(counts))
        if not self._make_room(worker, int(counts.max()) + 1):
            self.complete = False
            size = len(self._seen.get(worker, ()))
            places = np.flatnonzero(counts < size)
            if not len(places):
                return places
        seen = self._seen[worker]
        fresh = places[~seen[counts[places]]]
        if len(fresh):
            _, first = np.unique(counts[fresh], return_index=True)
            fresh = fresh[first]
            seen[counts[fresh]] = True
        return fresh

    def _make_room(self, worker: int, size: int) -> bool:
        old = self._seen.get(worker)
        have = 0 if old is None else len(old)
        if size <= have:
            return True
        spare = self._limit - sum(len(seen) for seen in self._seen.values()) + have
        if size > spare:
            return False
        grown = np.zeros(min(max(size, 2 * have, _FIRST_SIZE), spare), dtype=np.bool_)
        if old is not None:
            grown[:have] = old
        self._seen[worker] = grown
        return True
