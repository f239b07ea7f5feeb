"""One trial in bins of time, as fine as a claim needs: percentiles, shares, requests under way. Pure.

edges: shape (bins + 1,), rising. Values of times outside are left out; a bin with too few values is NaN.
"""

from __future__ import annotations

import numpy as np

from edgebench.analysis.tables import Bools, Floats


def edges_s(begin_s: float, end_s: float, width_s: float) -> Floats:
    """Bins of this width from begin to end, 0 (the beginning of the measurement) being an edge of one."""
    first, last = np.ceil(begin_s / width_s - 1e-9), np.floor(end_s / width_s + 1e-9)
    return np.asarray(np.arange(first, last + 1) * width_s, dtype=np.float64)


def middles(edges: Floats) -> Floats:
    return (edges[1:] + edges[:-1]) / 2


def percentile_by_bin(at: Floats, values: Floats, edges: Floats, share: float, least: int = 1) -> Floats:
    """Nearest-rank percentile of each bin's values; NaN below `least` of them."""
    result = np.full(len(edges) - 1, np.nan)
    place = np.searchsorted(edges, at, side="right") - 1
    for index in np.unique(place[(place >= 0) & (place < len(result))]):
        inside = np.sort(values[place == index])
        if len(inside) >= least:
            result[index] = inside[max(int(np.ceil(share * len(inside))), 1) - 1]
    return result


def share_by_bin(at: Floats, yes: Bools, edges: Floats, least: int = 1) -> Floats:
    """Share of each bin's values that are true; NaN below `least` of them."""
    every, of = np.histogram(at, edges)[0], np.histogram(at[yes], edges)[0]
    return np.where(every >= max(least, 1), of / np.maximum(every, 1), np.nan)


def most_under_way(start: Floats, end: Floats, edges: Floats) -> Floats:
    """The most intervals [start, end) that were open at one time in each bin; 0 where there was none."""
    times = np.concatenate([start, end])
    step = np.concatenate([np.ones(len(start)), -np.ones(len(end))])
    order = np.lexsort((step, times))
    times, open_now = times[order], np.concatenate([[0.0], np.cumsum(step[order])])
    before = open_now[np.searchsorted(times, edges[:-1], side="left")]
    result = before.copy()
    place = np.searchsorted(edges, times, side="right") - 1
    inside = (place >= 0) & (place < len(result))
    np.maximum.at(result, place[inside], open_now[1:][inside])
    return result


def last_trouble(at: Floats, bad: Bools, run: int, allowed: int) -> float:
    """When the trouble ended: the time of the last bad value in the last `run` successive ones of which more than
    `allowed` are bad. -inf where there is no such run, inf where it is the last of all. at: rising.

    With fewer values than `run` they are one run, and so the last.
    """
    run = min(run, len(bad))
    if not run:
        return -np.inf
    in_run = np.convolve(bad, np.ones(run, dtype=np.int64), mode="valid")
    worst = np.flatnonzero(in_run > allowed)
    if not len(worst):
        return -np.inf
    if worst[-1] == len(in_run) - 1:
        return np.inf
    return float(at[worst[-1] + np.flatnonzero(bad[worst[-1] : worst[-1] + run])[-1]])
