"""How requests came upon the origin together: fetches per need, concurrency, and requests made to wait in line."""

from __future__ import annotations

import numpy as np

from edgebench.analysis.evidence import Check, Collapse, Herd
from edgebench.analysis.joined import Joined, filled
from edgebench.analysis.percentiles import NS_PER_MS, percentile
from edgebench.analysis.tables import Bools, ByTime, Ints, nanoseconds, shared_codes
from edgebench.analysis.witnesses import NOT_MODIFIED
from edgebench.model import Outcome

HOP_FACTOR, HOP_EXTRA_NS = 3, 2_000_000
"""Who was sent so many times the usual way to the origin, plus 2 ms, before another's end could overlap it."""


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
    fresh = start >= _latest_before(codes, end[order])
    return at[order], np.cumsum(fresh) - 1


def _latest_before(codes: Ints, end: Ints) -> Ints:
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


def serialised(joined: Joined, slots: int | None) -> Check:
    """Requests for an uncacheable key that started at the origin only after another of that key had ended.

    checked: those that had reached the tier well before the other ended, so that they could have overlapped it. slots:
    how many requests the origin serves at a time; who came when all were taken waited for the origin, and is in
    neither count. None: not known.
    """
    rows, proof = joined.rows, joined.proof
    samples = np.flatnonzero((proof.caused >= 0) & ~joined.error)
    row = proof.caused[samples]
    order = np.lexsort((rows.start[row], rows.codes[row]))
    samples, row = samples[order], row[order]
    sent, until = nanoseconds(joined.samples, "sent_ns")[samples], _latest_before(rows.codes[row], rows.end[row])
    way_ns = (rows.start[row] - sent)[(until <= sent) & (rows.start[row] >= sent)]
    hop_ns = (HOP_FACTOR * int(np.median(way_ns)) if len(way_ns) else 0) + HOP_EXTRA_NS
    sound = (filled(joined.ledger["fault"]) == "").to_numpy(dtype=bool)
    lone = (rows.safe & ~(rows.ttl_s > 0) & (rows.start >= 0) & sound)[row]
    together = lone & (sent + hop_ns < until) & _room(rows.start, rows.end, until, slots)
    waited = together & (rows.start[row] >= until)
    n = len(joined.samples)
    wrong, checked = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    wrong[samples[waited]], checked[samples[together]] = True, True
    held_ms = np.zeros(n)
    held_ms[samples] = (rows.start[row] - sent) / NS_PER_MS
    return joined.check(wrong, checked, lambda at: f"reached the origin {held_ms[at]:,.0f} ms after it was sent")


def _room(start: Ints, end: Ints, until: Ints, slots: int | None) -> Bools:
    """Whether the origin had a free slot just before these instants."""
    if slots is None:
        return np.ones(len(until), dtype=bool)
    under_way = np.searchsorted(np.sort(start), until, side="left") - np.searchsorted(np.sort(end), until, side="left")
    room: Bools = under_way < slots
    return room
