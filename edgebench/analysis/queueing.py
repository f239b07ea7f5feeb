"""Uncacheable requests that were made to wait in line: a lock of the cache's, not a full or a slow origin."""

from __future__ import annotations

import numpy as np

from edgebench.analysis.evidence import Check
from edgebench.analysis.herd import latest_before
from edgebench.analysis.joined import Joined, filled
from edgebench.analysis.percentiles import NS_PER_MS
from edgebench.analysis.tables import Bools, Ints, nanoseconds

HOP_FACTOR, HOP_EXTRA_NS = 3, 2_000_000
"""Who was sent so many times the usual way to the origin, plus 2 ms, before another's end could overlap it."""
OPEN_SHARE = 0.5
"""Share of the others, sent meanwhile, that must have reached the origin: it took requests, only not this one."""


def serialised(joined: Joined, slots: int | None) -> Check:
    """Requests for an uncacheable key that started at the origin only after another of that key had ended.

    checked: those that had reached the tier well before the other ended, so that they could have overlapped it. Who
    came when all of the origin's slots were taken (slots: how many it has; None: not known), or when others that were
    sent meanwhile did not get in either, waited for the origin, and is in neither count.
    """
    rows, proof = joined.rows, joined.proof
    samples = np.flatnonzero((proof.caused >= 0) & ~joined.error)
    row = proof.caused[samples]
    order = np.lexsort((rows.start[row], rows.codes[row]))
    samples, row = samples[order], row[order]
    sent, until = nanoseconds(joined.samples, "sent_ns")[samples], latest_before(rows.codes[row], rows.end[row])
    start = rows.start[row]
    way_ns = (start - sent)[(until <= sent) & (start >= sent)]
    hop_ns = (HOP_FACTOR * int(np.median(way_ns)) if len(way_ns) else 0) + HOP_EXTRA_NS
    sound = (filled(joined.ledger["fault"]) == "").to_numpy(dtype=bool)
    lone = (rows.safe & ~(rows.ttl_s > 0) & (rows.start >= 0) & sound)[row]
    together = lone & (sent + hop_ns < until) & _room(rows.start, rows.end, until, slots)
    waited = together & (start >= until)
    stuck = waited & ~_others_got_in(np.flatnonzero(waited), rows.codes[row], sent, start, until - hop_ns)
    waited &= ~stuck
    n = len(joined.samples)
    wrong, checked = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    wrong[samples[waited]], checked[samples[together & ~stuck]] = True, True
    held_ms = np.zeros(n)
    held_ms[samples] = (start - sent) / NS_PER_MS
    return joined.check(wrong, checked, lambda at: f"reached the origin {held_ms[at]:,.0f} ms after it was sent")


def _room(start: Ints, end: Ints, until: Ints, slots: int | None) -> Bools:
    """Whether the origin had a free slot just before these instants."""
    if slots is None:
        return np.ones(len(until), dtype=bool)
    under_way = np.searchsorted(np.sort(start), until, side="left") - np.searchsorted(np.sort(end), until, side="left")
    room: Bools = under_way < slots
    return room


def _others_got_in(waiting: Ints, codes: Ints, sent: Ints, start: Ints, until: Ints) -> Bools:
    """Whether requests for other keys, sent while this one waited, mostly reached the origin before the wait was over.

    True where there was no other: nothing says that the origin was stuck.
    """
    open_to_others = np.ones(len(codes), dtype=bool)
    order = np.argsort(sent, kind="stable")
    ordered = sent[order]
    for place in waiting.tolist():
        first, last = np.searchsorted(ordered, (sent[place], until[place]), side="right")
        meanwhile = order[first:last]
        others = meanwhile[codes[meanwhile] != codes[place]]
        if len(others):
            open_to_others[place] = bool((start[others] < until[place]).mean() >= OPEN_SHARE)
    return open_to_others
