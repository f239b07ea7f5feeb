"""The worker's side: records to totals, and what has come since the last time as a Delta."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgebench.load import record
from edgebench.load.cache_status import classify_recorded
from edgebench.load.live.histogram import IntArray
from edgebench.load.live.origins import SeenResponses
from edgebench.load.live.totals import ERROR, FURTHER, Claimed, Delta, Totals, claim_code, codes_of
from edgebench.model import ClaimedOutcome

MAX_SEQS = 50_000
"""Sequence numbers in one Delta; more than these wait for the next. With them a message stays below a megabyte."""
_SERVER_ERROR = 500
_CLAIMED = {
    ClaimedOutcome.HIT: Claimed.HIT,
    ClaimedOutcome.STALE: Claimed.HIT,
    ClaimedOutcome.MISS: Claimed.MISS,
    ClaimedOutcome.BYPASS: Claimed.MISS,
    ClaimedOutcome.REVALIDATED: Claimed.REVALIDATED,
    ClaimedOutcome.ERROR: Claimed.OTHER,
    ClaimedOutcome.NONE: Claimed.NOTHING,
    ClaimedOutcome.UNKNOWN: Claimed.NOTHING,
}


@lru_cache(10_000)
def claimed(recorded: str | None) -> Claimed:
    """What the recorded header lines of an answer claim."""
    return _CLAIMED[classify_recorded(recorded or "").outcome]


class Collector:
    """Adds up what one worker did."""

    def __init__(self) -> None:
        self.totals = Totals()
        self._seen = SeenResponses()
        self._seqs: list[IntArray] = []
        self._seq_rows: list[IntArray] = []

    def add(self, rows: IntArray, codes: IntArray, latency_ns: IntArray, origin_seq: IntArray) -> None:
        """One request for each place: `rows` by totals.row, `codes` by codes_of, `origin_seq` -1 where none came."""
        self.totals.add(rows, codes, latency_ns)
        stamped = np.flatnonzero(origin_seq >= 0)
        self.add_origin(origin_seq[stamped], rows[stamped])

    def add_origin(self, seqs: IntArray, rows: IntArray) -> None:
        """Sequence numbers that came back, and with which endpoints."""
        new = self._seen.first_seen(seqs)
        if len(new):
            self._seqs.append(seqs[new])
            self._seq_rows.append(rows[new])

    def drain(self) -> Delta:
        """What was added since the last time."""
        totals = self.totals
        seqs, seq_rows = self._next_seqs()
        with_seq = np.zeros(len(totals.tally), dtype=np.bool_)
        with_seq[seq_rows] = True
        rows = np.flatnonzero(totals.tally.any(axis=1) | with_seq)
        place = np.zeros(len(totals.tally), dtype=np.int64)
        place[rows] = np.arange(len(rows))
        cells, cell_counts = totals.take_latency(rows)
        return Delta(
            tuple(totals.endpoints[row] for row in rows.tolist()),
            totals.take_tally(rows),
            cells,
            cell_counts,
            seqs,
            place[seq_rows],
            self._seen.complete,
        )

    def _next_seqs(self) -> tuple[IntArray, IntArray]:
        if not self._seqs:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        seqs, rows = np.concatenate(self._seqs), np.concatenate(self._seq_rows)
        self._seqs, self._seq_rows = [], []
        if len(seqs) > MAX_SEQS:
            self._seqs, self._seq_rows = [seqs[MAX_SEQS:]], [rows[MAX_SEQS:]]
        return seqs[:MAX_SEQS], rows[:MAX_SEQS]


class LiveSink:
    """A record.Sink that collects. `write` takes 0.1 ms for a full buffer of 1,024 records."""

    def __init__(self) -> None:
        self.collector = Collector()
        self._rows = np.full(64, -1, dtype=np.int64)
        self._text_codes = np.zeros(64, dtype=np.int64)

    def write(self, records: memoryview, strings: Sequence[bytes]) -> None:
        """Whole records, and the lines of the strings in them that are new."""
        self._learn(strings)
        rows = np.frombuffer(records, record.DTYPE)
        status, seq = record.status(rows), rows["origin_seq"]
        stored = (record.flags(rows) & record.STORED) != 0
        codes = self._text_codes[rows["text"]] | codes_of((status == 0) | (status >= _SERVER_ERROR), seq >= 0, stored)
        waited_ns = rows["done_ns"] - rows["scheduled_ns"] - rows["send_lag_ns"]
        self.collector.add(self._rows_of(rows["endpoint"]), codes, waited_ns, seq)

    def close(self) -> None:
        """What is collected can still be drained."""

    def _learn(self, strings: Sequence[bytes]) -> None:
        for line in strings:
            # Keys may come by the million; they are not read.
            if line.startswith(b'["endpoint"'):
                _, number, (method, name) = json.loads(line)
                self._rows = _with_room(self._rows, number, -1)
                self._rows[number] = self.collector.totals.row((method, name))
            elif line.startswith(b'["text"'):
                _, number, (claim, error, *_) = json.loads(line)
                self._text_codes = _with_room(self._text_codes, number, 0)
                self._text_codes[number] = claim_code(claimed(claim)) | (ERROR if error is not None else 0)

    def _rows_of(self, endpoints: NDArray[np.uint16]) -> IntArray:
        rows = self._rows[endpoints]
        if len(rows) and rows.min() < 0:  # record.UNKNOWN: one endpoint too many to have a number
            rows[rows < 0] = self.collector.totals.row(FURTHER)
        return rows


def _with_room(values: IntArray, number: int, fill: int) -> IntArray:
    if number < len(values):
        return values
    grown = np.full(2 * number, fill, dtype=values.dtype)
    grown[: len(values)] = values
    return grown
