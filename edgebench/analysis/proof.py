"""Prove each sample's outcome by joining what the client saw with what the origin did.

One clock (CLOCK_MONOTONIC) orders both. A sample whose stamp names a ledger row that ended after the sample was sent
waited for that row; the earliest sent one for which the row started afterwards caused it. Some caches (nginx) answer
with the stamp of the old 200 after the origin said 304: then the row is found by key and time. Both roads end in the
same outcome. METHODOLOGY.md has the table.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edgebench.analysis.ledger_names import name_rows
from edgebench.analysis.matching import Pairs, containing, match
from edgebench.analysis.tables import (
    NS_PER_S,
    Bools,
    ByTime,
    Floats,
    Ints,
    resource_codes,
)
from edgebench.analysis.witnesses import NOT_MODIFIED, Asked, Rows
from edgebench.model import Outcome

GRAIN_S = 1.0
"""HTTP's own clocks (Date, Age, Expires) have whole seconds: a cache may be late by one without breaking a rule."""
CLOCK_SLACK_S = 0.01
"""Between the origin's last byte and the cache's own reading of the clock: event-loop ticks and the way between."""
GIVEN_UP_S = 1.0
"""How long after its client gave up, while others go on, a request may reach the origin and be taken for its."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What is proved of n samples and m ledger rows; arrays in the order of the tables."""

    outcome: pd.Series
    """n, categories of model.Outcome."""
    answer: Ints
    """n, position of the ledger row whose stamp came back; -1: none."""
    caused: Ints
    """n, position of the ledger row that this sample caused; -1: none."""
    age_s: Floats
    """n, for answers from store: seconds from the origin's last word on this key and version to sending; else NaN."""
    ttl_s: Floats
    """n, lifetime the origin gave with that last word (for answers not from store: with the answer); NaN: unknown."""
    word: Ints
    """n, position of the row of that last word; -1: none."""
    row_name: NDArray[np.object_]
    """m, `sample` or one of ledger_names.NAMES."""


def prove(samples: pd.DataFrame, ledger: pd.DataFrame, *, stores: bool = True) -> Proof:
    """Prove what happened to every sample and whom every ledger row belongs to.

    samples: store.SAMPLES. ledger: store.LEDGER. stores: whether something stands before the origin that may answer
    from store; false for `direct`, where a 304 is the origin's own answer to the client's own condition.
    """
    sample_codes, row_codes = resource_codes(samples, ledger)
    asked, rows = Asked.of(samples, ledger, sample_codes), Rows.of(ledger, row_codes)
    came_after, waited = _waits(asked, rows)
    caused = _first_sent(asked, came_after)
    owner = np.full(len(rows.codes), -1, dtype=np.int64)
    owner[caused[caused >= 0]] = np.flatnonzero(caused >= 0)

    _own_by_time(asked, rows, waited, caused, owner)
    _own_given_up(asked, rows, caused, owner)
    collapsed = (waited | _overlaps_confirmation(asked, rows)) & (caused < 0)

    age_s, ttl_s, word = _age(asked, rows, from_store=(caused < 0) & ~waited & ~asked.error)
    stale = np.isfinite(ttl_s) & ((ttl_s <= 0) | (age_s > ttl_s + GRAIN_S + CLOCK_SLACK_S))
    validated = _validated_store(asked, rows, caused, stores)
    return Proof(
        outcome=pd.Series(_outcomes(asked, stale, collapsed, caused >= 0, validated), index=samples.index),
        answer=asked.own,
        caused=caused,
        age_s=np.where(collapsed, np.nan, age_s),
        ttl_s=ttl_s,
        word=word,
        row_name=name_rows(
            asked.codes,
            asked.sent,
            asked.done,
            caused,
            rows.codes,
            rows.start,
            rows.end,
            owner,
            rows.complete,
            stored=(rows.ttl_s > 0) & rows.safe,
            probes=rows.start < 0,
            faulty=rows.faulty,
        ),
    )


def _outcomes(asked: Asked, stale: Bools, collapsed: Bools, caused: Bools, validated: Bools) -> pd.Categorical:
    """The last of these that is so; `hit` where none is."""
    outcome = np.full(len(asked.codes), Outcome.HIT.value, dtype=object)
    outcome[stale] = Outcome.STALE.value
    outcome[collapsed] = Outcome.COLLAPSED.value
    outcome[caused] = Outcome.ORIGIN.value
    outcome[validated] = Outcome.REVALIDATED.value
    outcome[asked.error] = Outcome.ERROR.value
    return pd.Categorical(outcome, categories=[one.value for one in Outcome])


def _waits(asked: Asked, rows: Rows) -> tuple[Ints, Bools]:
    """Per sample the row that started after it was sent (-1: none), and whether it waited for its row at all."""
    has = asked.own >= 0
    row = np.maximum(asked.own, 0)
    if not len(rows.codes):
        return np.full(len(has), -1, dtype=np.int64), np.zeros(len(has), dtype=bool)
    after = has & (rows.start[row] >= asked.sent)
    return np.where(after, asked.own, -1), after | (has & (rows.end[row] > asked.sent))


def _first_sent(asked: Asked, came_after: Ints) -> Ints:
    """The row each sample caused: of the samples that a row came after, the earliest sent."""
    caused = np.full(len(came_after), -1, dtype=np.int64)
    candidates = np.flatnonzero(came_after >= 0)
    candidates = candidates[np.argsort(asked.sent[candidates], kind="stable")]
    _, first = np.unique(came_after[candidates], return_index=True)
    caused[candidates[first]] = came_after[candidates[first]]
    return caused


def _own_by_time(asked: Asked, rows: Rows, waited: Bools, caused: Ints, owner: Ints) -> None:
    """Give rows that no stamp names to samples that were under way all the time: 304s, and answers without a stamp.

    The row must have been half over before the answer was complete: its end is noted after the last byte has left, and
    may be late, but who is served stale while a refresh begins does not wait for half of it.
    """
    free = np.flatnonzero((owner < 0) & rows.safe & rows.complete)
    waiting = np.flatnonzero((caused < 0) & ~waited & ~asked.error)
    middle = rows.start[free] + (rows.end[free] - rows.start[free]) // 2
    found = containing(asked.codes, asked.sent, asked.done, waiting, rows.codes[free], rows.start[free], middle)
    sample, row = found.sample, free[found.row]
    stamped = asked.own[sample] >= 0
    same_version = rows.version[np.maximum(asked.own[sample], 0)] == rows.version[row]
    fits = ~stamped | ((rows.status[row] == NOT_MODIFIED) & same_version)
    late = (rows.end[row] > asked.done[sample]).astype(np.int64)
    for a_row, a_sample in match(Pairs(sample[fits], row[fits]), rows.start, late[fits], asked.sent):
        caused[a_sample], owner[a_row] = a_row, a_sample


def _own_given_up(asked: Asked, rows: Rows, caused: Ints, owner: Ints) -> None:
    """Give remaining rows to requests whose client got no answer: the origin may have worked for it all the same."""
    free = np.flatnonzero(owner < 0)
    without_answer = asked.error & (asked.own < 0)
    if not without_answer.any() or not len(free):
        return
    waiting: dict[int, deque[int]] = {}
    for sample in sorted(np.flatnonzero(without_answer).tolist(), key=lambda at: int(asked.sent[at])):
        waiting.setdefault(int(asked.codes[sample]), deque()).append(sample)
    # When the load has ended, a cache may still work off what clients gave up that waited for one another.
    end_ns, patience_ns = int(asked.done.max()), int(GIVEN_UP_S * NS_PER_S)
    for row in sorted(free.tolist(), key=lambda at: int(rows.start[at])):
        start, queue = int(rows.start[row]), waiting.get(int(rows.codes[row]), deque())
        while queue and start <= end_ns and start > asked.done[queue[0]] + patience_ns:
            queue.popleft()
        if queue and asked.sent[queue[0]] <= start:
            sample = queue.popleft()
            caused[sample], owner[row] = row, sample


def _overlaps_confirmation(asked: Asked, rows: Rows) -> Bools:
    """Samples with an old stamp that were sent before a 304 of their key had ended and answered after it had."""
    carried = np.zeros(len(rows.codes), dtype=bool)
    carried[asked.own[asked.own >= 0]] = True
    silent = (rows.status == NOT_MODIFIED) & rows.safe & rows.complete & ~carried
    last = ByTime.of(rows.codes, rows.end, silent).last(asked.codes, asked.done)
    overlaps: Bools = (last >= 0) & (rows.end[last] > asked.sent) if len(rows.codes) else last >= 0
    return overlaps


def _age(asked: Asked, rows: Rows, from_store: Bools) -> tuple[Floats, Floats, Ints]:
    """Seconds since the origin last produced or confirmed what the sample carries, the lifetime it then gave, and
    the row in which it did."""
    n = len(asked.codes)
    if not len(rows.codes):
        return np.full(n, np.nan), np.full(n, np.nan), np.full(n, -1, dtype=np.int64)
    own = np.maximum(asked.own, 0)
    has = asked.own >= 0
    # A confirmation counts for the version it confirms: an old version is not fresh because a new one is.
    confirming = (rows.status == NOT_MODIFIED) & rows.safe & rows.complete
    many = int(rows.version.max()) + 1
    row_codes, codes = rows.codes * many + rows.version, asked.codes * many + rows.version[own]
    last = ByTime.of(row_codes, rows.end, confirming).last(codes, asked.sent)
    unstamped = ByTime.of(rows.codes, rows.end, rows.safe & rows.complete).last(asked.codes, asked.sent)
    word = np.where(has, np.where((last >= 0) & (rows.end[last] > rows.end[own]), last, own), unstamped)
    known = word >= 0
    ttl_s = np.where(known, rows.ttl_s[word], np.nan)
    ttl_s = np.where(np.isnan(ttl_s) & has, rows.ttl_s[own], ttl_s)
    age_s = np.where(known & from_store, (asked.sent - rows.end[word]) / NS_PER_S, np.nan)
    return np.maximum(age_s, 0.0), ttl_s, word


def _validated_store(asked: Asked, rows: Rows, caused: Ints, stores: bool) -> Bools:
    """Of the samples that caused a row, those whose row was a 304 to the cache's own condition.

    Its own: the client got a body, which a 304 has not, or the cache had stored this key before. A 304 that answers
    the client's condition and is passed on is the very response the client got: `origin`.
    """
    validated = np.zeros(len(caused), dtype=bool)
    if not len(rows.codes):
        return validated
    asked_304 = np.flatnonzero((caused >= 0) & (rows.status[caused] == NOT_MODIFIED))
    if stores:
        row = caused[asked_304]
        storable = rows.safe & rows.complete & (rows.status != NOT_MODIFIED) & ~(rows.ttl_s <= 0)
        before = ByTime.of(rows.codes, rows.end, storable).last(rows.codes[row], rows.start[row]) >= 0
        validated[asked_304] = before | (asked.status[asked_304] != NOT_MODIFIED)
    return validated
