"""How requests came upon the origin together: fetches for each need, and how many were there at one time."""

from __future__ import annotations

import numpy as np

from edgebench.analysis.evidence import Collapse, Herd
from edgebench.analysis.joined import Joined, filled
from edgebench.analysis.percentiles import NS_PER_MS, percentile
from edgebench.analysis.tables import ByTime, Ints, nanoseconds, shared_codes
from edgebench.analysis.witnesses import NOT_MODIFIED
from edgebench.model import Outcome


def collapse(joined: Joined) -> Collapse:
    """Group the origin's answers that a cache could store by need, and what those paid who waited for another's."""
    rows, ledger = joined.rows, joined.ledger
    storable = rows.safe & rows.complete & (rows.ttl_s > 0) & (rows.start >= 0)
    storable &= (filled(ledger["fault"]) == "").to_numpy(dtype=bool)
    at = np.flatnonzero(storable)
    at, group = _overlapping(at, _variants(joined)[at], rows.start[at], rows.end[at])
    sizes = np.bincount(group)
    most = int(sizes.max(initial=0))
    first = int(at[np.flatnonzero(group == int(sizes.argmax()))[0]]) if most > 1 else -1
    waiting = (joined.proof.outcome == Outcome.COLLAPSED.value).to_numpy(dtype=bool)
    waited_ms = np.sort(_latency_ns(joined)[waiting] / NS_PER_MS)
    return Collapse(
        groups=len(sizes),
        rows=len(at),
        most=most,
        most_example=joined.row_example(first, f"{most} fetches at one time") if first >= 0 else None,
        waiters=len(waited_ms),
        waited_p50_ms=float(waited_ms[(len(waited_ms) - 1) // 2]) if len(waited_ms) else None,
        waited_p99_ms=percentile(waited_ms, 0.99),
        waited_max_ms=float(waited_ms[-1]) if len(waited_ms) else None,
    )


def _latency_ns(joined: Joined) -> Ints:
    due = nanoseconds(joined.samples, "scheduled_ns") + nanoseconds(joined.samples, "send_lag_ns")
    return nanoseconds(joined.samples, "done_ns") - due


def _variants(joined: Joined) -> Ints:
    """Key, encoding and language of each row, numbered. A 304 has those of the last 200 of its key and version."""
    rows, ledger = joined.rows, joined.ledger
    text = filled(ledger["encoding"]) + "\n" + filled(ledger["language"])
    variant = shared_codes(text, text)[0]
    version = rows.codes * (int(rows.version.max(initial=0)) + 1) + rows.version
    silent = np.flatnonzero(rows.status == NOT_MODIFIED)
    last = ByTime.of(version, rows.end, rows.status != NOT_MODIFIED).last(version[silent], rows.end[silent])
    variant[silent] = np.where(last >= 0, variant[last], variant[silent])
    return rows.codes * (int(variant.max(initial=0)) + 1) + variant


def _overlapping(at: Ints, codes: Ints, start: Ints, end: Ints) -> tuple[Ints, Ints]:
    """The rows ordered by code and start, and the number of each one's group: those linked by overlaps in time."""
    order = np.lexsort((end, start, codes))
    codes, start = codes[order], start[order]
    fresh = start >= latest_before(codes, end[order])
    return at[order], np.cumsum(fresh) - 1


def latest_before(codes: Ints, end: Ints) -> Ints:
    """Per row (ordered by code), the latest end of the rows of its code before it; below every time where none is."""
    if not len(codes):
        return end
    ends, ranks = np.unique(end, return_inverse=True)
    number = np.concatenate([[0], np.cumsum(codes[1:] != codes[:-1])])
    many = len(end) + 1
    highest = np.maximum.accumulate(number * many + ranks)
    before = np.concatenate([[-1], highest[:-1]])
    known = before // many == number
    known[0] = False
    return np.where(known, ends[before % many % len(ends)], np.iinfo(np.int64).min)


def herd(joined: Joined) -> Herd | None:
    """Most rows under way at one time: of one key, and of all; None where no row fell into the trial."""
    rows = joined.rows
    within = np.flatnonzero(rows.start >= 0)
    if not len(within):
        return None
    of_key, when = _peak(rows.codes[within], rows.start[within], rows.end[within])
    of_all, _ = _peak(np.zeros(len(within), dtype=np.int64), rows.start[within], rows.end[within])
    row = int(within[when])
    return Herd(
        of_one_key=of_key,
        of_all=of_all,
        of_all_p99=_by_time(joined, within),
        example=joined.row_example(row, f"{of_key} at the origin at one time") if of_key > 1 else None,
    )


def _peak(codes: Ints, start: Ints, end: Ints) -> tuple[int, int]:
    """Most intervals of one code at one time, and the place of the one whose start made it so many."""
    n = len(codes)
    step = np.concatenate([np.ones(n, dtype=np.int64), np.full(n, -1, dtype=np.int64)])
    order = np.lexsort((step, np.concatenate([start, np.maximum(end, start + 1)]), np.concatenate([codes, codes])))
    under_way = np.cumsum(step[order])
    highest = int(under_way.argmax())
    return int(under_way[highest]), int(order[highest]) % n


def _by_time(joined: Joined, within: Ints) -> float | None:
    """The number of rows under way that was not exceeded in 99 % of the measuring phase."""
    begin, finish = joined.record.measure_start_ns, joined.record.measure_end_ns
    if finish <= begin:
        return None
    times = np.concatenate([joined.rows.start[within], joined.rows.end[within]])
    step = np.concatenate([np.ones(len(within), dtype=np.int64), np.full(len(within), -1, dtype=np.int64)])
    order = np.argsort(times, kind="stable")
    under_way = np.concatenate([[0], np.cumsum(step[order])])
    edges = np.clip(np.concatenate([[begin], times[order], [finish]]), begin, finish)
    lasted = np.bincount(under_way, weights=np.diff(edges))
    return float(np.searchsorted(np.cumsum(lasted), 0.99 * lasted.sum()))
