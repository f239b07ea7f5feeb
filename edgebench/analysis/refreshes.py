"""When which key was fetched anew, and the requests about that time: of the same key, and on the same connection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from edgebench.analysis.percentiles import NS_PER_MS
from edgebench.analysis.tables import Bools, ByTime, Floats, Ints, nanoseconds, shared_codes

LEAD_MS = 3.0
"""A request is sent so long before the fetch it causes begins at the origin, at most."""


@dataclass(frozen=True, slots=True)
class Nexts:
    """Requests sent on a connection while the refresh ran that the request before it on that connection had set off,
    and had not waited for."""

    sample: Ints
    """Position of each in the samples."""
    refresh: Ints
    """Which refresh."""
    left_ms: Floats
    """How long the refresh still ran when it was sent."""


@dataclass(frozen=True, slots=True)
class Refreshes:
    """Refreshes by key and time, and the samples about them."""

    key: Ints
    """Number of the key of each refresh."""
    start_ns: Ints
    end_ns: Ints
    sample_key: Ints
    """Number of the key of each sample."""
    sent_ns: Ints
    done_ns: Ints
    port: Ints
    from_store: Bools

    @classmethod
    def of(cls, ledger: pd.DataFrame, samples: pd.DataFrame, begin_ns: int, end_ns: int) -> Refreshes:
        """Refreshes that began between begin and end. The first fetch of a key is none. samples: in any order."""
        sample_key, row_key = shared_codes(samples["key"], ledger["key"])
        start, end = nanoseconds(ledger, "start_ns"), nanoseconds(ledger, "end_ns")
        order = np.lexsort((start, row_key))
        key, start, end = row_key[order], start[order], end[order]
        latest = np.maximum.accumulate(end + key * _FAR) - key * _FAR if len(end) else end
        fresh = np.ones(len(key), dtype=bool)
        fresh[1:] = (key[1:] != key[:-1]) | (start[1:] >= latest[:-1])
        group = np.cumsum(fresh) - 1
        first = np.flatnonzero(fresh)
        ends = np.zeros(len(first), dtype=np.int64)
        np.maximum.at(ends, group, end)
        cold = np.ones(len(first), dtype=bool)
        cold[1:] = key[first][1:] != key[first][:-1]
        kept = ~cold & (start[first] >= begin_ns) & (start[first] < end_ns)
        return cls(
            key[first][kept],
            start[first][kept],
            ends[kept],
            sample_key,
            nanoseconds(samples, "sent_ns"),
            nanoseconds(samples, "sent_ns") + nanoseconds(samples, "service_ns"),
            samples["port"].to_numpy(dtype=np.int64),
            samples["outcome"].isin(("hit", "stale")).to_numpy(dtype=bool),
        )

    @property
    def since_ms(self) -> Floats:
        """Per sample sent while its key was refreshed, or just before: how long after the beginning; else NaN."""
        place = self._refresh_of(LEAD_MS)
        last = self.end_ns[place] if len(self.end_ns) else np.zeros(0, dtype=np.int64)
        inside = (place >= 0) & (self.sent_ns <= (last if len(last) else self.sent_ns - 1))
        since = (self.sent_ns - (self.start_ns[place] if len(self.start_ns) else 0)) / NS_PER_MS
        return np.where(inside, since, np.nan)

    def nearest_ms(self, low_ms: float, high_ms: float) -> Floats:
        """Per sample, how long after the beginning of a refresh of its key it was sent, where that is within the span;
        else NaN."""
        place = self._refresh_of(-low_ms)
        since = (self.sent_ns - (self.start_ns[place] if len(self.start_ns) else 0)) / NS_PER_MS
        return np.where((place >= 0) & (since < high_ms), since, np.nan)

    def _refresh_of(self, lead_ms: float) -> Ints:
        """Per sample, the last refresh of its key that began no later than so long after it was sent; -1: none."""
        index = ByTime.of(self.key, self.start_ns, np.ones(len(self.key), dtype=bool))
        return index.last(self.sample_key, self.sent_ns + round(lead_ms * NS_PER_MS))

    def nexts(self) -> Nexts:
        """The nexts of all refreshes, each where there is one."""
        everything = np.ones(len(self.sent_ns), dtype=bool)
        cause = ByTime.of(self.sample_key, self.sent_ns, everything).last(self.key, self.start_ns)
        known = np.flatnonzero(cause >= 0)
        known = known[self.start_ns[known] - self.sent_ns[cause[known]] <= _CAUSED_MS * NS_PER_MS]
        known = known[self.done_ns[cause[known]] < self.end_ns[known]]
        order = np.lexsort((self.sent_ns, self.port))
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        after = rank[cause[known]] + 1
        known, after = known[after < len(order)], after[after < len(order)]
        sample = order[after]
        same = self.port[sample] == self.port[cause[known]]
        running = self.sent_ns[sample] < self.end_ns[known]
        sample, known = sample[same & running], known[same & running]
        return Nexts(sample, known, (self.end_ns[known] - self.sent_ns[sample]) / NS_PER_MS)

    def beside(self, nexts: Nexts) -> Ints:
        """Samples sent while one of those refreshes ran, answered from store, and no next themselves."""
        inside = np.zeros(len(self.sent_ns), dtype=bool)
        for refresh in np.unique(nexts.refresh):
            inside |= (self.sent_ns >= self.start_ns[refresh]) & (self.sent_ns < self.end_ns[refresh])
        inside[nexts.sample] = False
        return np.flatnonzero(inside & self.from_store)


_FAR = 2**44
"""More ns than a trial has (five hours), so that the ends of one key are never those of the next."""
_CAUSED_MS = 50.0
"""The last request for a key before its refresh caused it, if it was sent no longer ago than this."""
