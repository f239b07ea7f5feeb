"""Name the ledger rows that no sample caused. Every row belongs to one sample or has a name; none is left over."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgebench.analysis.matching import containing
from edgebench.analysis.tables import NS_PER_S, Bools, ByTime, Ints

OWNED = "sample"
PROBE = "probe"
PREFETCH = "prefetch"
RETRY = "retry"
BACKGROUND = "background refresh"
UNEXPLAINED = "unexplained"
NAMES = (BACKGROUND, PREFETCH, RETRY, PROBE, UNEXPLAINED)

TRIGGER_S = 1.0
"""A background refresh starts with the request that found the answer old: at most this long after its answer."""


def name_rows(
    sample_codes: Ints,
    sent: Ints,
    done: Ints,
    caused: Ints,
    codes: Ints,
    start: Ints,
    end: Ints,
    owner: Ints,
    complete: Bools,
    *,
    stored: Bools,
    probes: Bools,
    faulty: Bools,
) -> NDArray[np.object_]:
    """Per ledger row: `sample`, or the first of these that is so.

    probe: it started before the trial did. prefetch: no client asked for its key. retry: it was given up before its
    end, or started while a sample was under way that had already caused another row of the same key (a refresh at that
    very time cannot be told from a second try). background refresh: the origin had given a storable answer for the key
    before, and a client had just asked for it; or, where a planned fault had held the origin up, had asked at all.
    unexplained: none of these.
    """
    names = np.full(len(codes), UNEXPLAINED, dtype=object)
    free = np.flatnonzero(owner < 0)
    names[owner >= 0] = OWNED
    causing = np.flatnonzero(caused >= 0)
    again = containing(sample_codes, sent, done, causing, codes[free], start[free], start[free])
    retry = ~complete[free]
    retry[again.row] = True
    earlier = ByTime.of(codes, end, stored).last(codes[free], start[free]) >= 0
    latest = ByTime.of(sample_codes, sent, np.ones(len(sent), dtype=bool)).last(codes[free], start[free])
    triggered = np.zeros(len(free), dtype=bool)
    just = latest >= 0
    triggered[just] = start[free][just] - done[latest[just]] <= int(TRIGGER_S * NS_PER_S)
    triggered |= just & _held_up(start[free], start[faulty], end[faulty])
    names[free[earlier & triggered]] = BACKGROUND
    names[free[retry]] = RETRY
    names[free[~np.isin(codes[free], sample_codes)]] = PREFETCH
    names[free[probes[free]]] = PROBE
    return names


def _held_up(start: Ints, fault_start: Ints, fault_end: Ints) -> Bools:
    """Whether a row that fell into a fault was under way at these instants, or until shortly before: others queued."""
    if not len(fault_start):
        return np.zeros(len(start), dtype=bool)
    order = np.argsort(fault_start, kind="stable")
    latest = np.maximum.accumulate(fault_end[order])
    place = np.searchsorted(fault_start[order], start, side="right") - 1
    held: Bools = (place >= 0) & (latest[place] + int(TRIGGER_S * NS_PER_S) >= start)
    return held
