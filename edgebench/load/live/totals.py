"""Counts and latencies per endpoint, added up from batches of requests and from other workers' parts. Pure.

Every request has one code: whether it is an error, whether the origin's stamp came back, whether that stamp is older
than the request, and what the cache's headers claim. The number of requests with each code says all the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.load.live.histogram import BUCKETS, IntArray, buckets_of

Truths = NDArray[np.bool_]
Endpoint = tuple[str, str]
"""(method, name)"""
MAX_ENDPOINTS = 500
"""As many as Locust's own table shows. All further ones are counted together."""
_FIRST_ROWS = 8
FURTHER: Endpoint = ("", "(further endpoints)")


class Claimed(IntEnum):
    """What the headers of an answer claim, as far as it is counted."""

    NOTHING = 0
    HIT = 1
    """From store, fresh or stale."""
    MISS = 2
    """Also passed by."""
    REVALIDATED = 3
    """From store, after the origin had been asked whether it still holds."""
    OTHER = 4


ERROR, STAMPED, REUSED, _CLAIM_SHIFT = 1, 2, 4, 3
"""Bits of a code; above them the Claimed."""
CODES = 64
_ALL = np.arange(CODES)
CLAIMS = _ALL >> _CLAIM_SHIFT
HITS, MISSES = 0, 1
HAS_STAMP = (_ALL & STAMPED) > 0
IS_GOOD = (_ALL & ERROR) == 0
IS_REUSED = IS_GOOD & HAS_STAMP & ((_ALL & REUSED) > 0)
IS_REVALIDATED = IS_REUSED & (Claimed.REVALIDATED == CLAIMS)
"""A cache that keeps the stored stamp (nginx) asked the origin all the same, and says so."""
_WAITED = (Claimed.MISS == CLAIMS) | (Claimed.REVALIDATED == CLAIMS)
_IS_HIT = IS_GOOD & np.where(HAS_STAMP, IS_REUSED & ~IS_REVALIDATED, Claimed.HIT == CLAIMS)
_IS_MISS = IS_GOOD & np.where(HAS_STAMP, ~IS_REUSED | IS_REVALIDATED, _WAITED)
_KIND = np.where(_IS_HIT, HITS, np.where(_IS_MISS, MISSES, -1)).astype(np.int64)


def codes_of(error: Truths, stamped: Truths, stored: Truths) -> IntArray:
    """Code of each request, but for its claim. `stored` counts only where `stamped`."""
    return error.astype(np.int64) | stamped.astype(np.int64) << 1 | (stamped & stored).astype(np.int64) << 2


def claim_code(claimed: Claimed) -> int:
    """The part of a code that says what was claimed."""
    return claimed << _CLAIM_SHIFT


@dataclass(frozen=True, slots=True)
class Delta:
    """What one worker counted since it last told: of these endpoints only."""

    endpoints: tuple[Endpoint, ...]
    tally: IntArray
    """Requests by (endpoint, code), as one row."""
    cells: IntArray
    """Which (endpoint, HITS or MISSES, bucket) have latencies, as one number each."""
    cell_counts: IntArray
    origin_seq: IntArray
    """The origin's responses this worker had not seen before, …"""
    origin_endpoint: IntArray
    """… and the place in `endpoints` of each."""
    complete: bool = True
    """False: this worker no longer knows every response of the origin it has seen."""

    def __bool__(self) -> bool:
        """Whether there is anything in it."""
        return bool(self.endpoints)

    def message(self) -> dict[str, Any]:
        """For Locust's channel (msgpack)."""
        return {
            "endpoints": [list(endpoint) for endpoint in self.endpoints],
            "tally": self.tally.astype("<u4").tobytes(),
            "cells": self.cells.astype("<u4").tobytes(),
            "cell_counts": self.cell_counts.astype("<u4").tobytes(),
            "origin_seq": self.origin_seq.astype("<i8").tobytes(),
            "origin_endpoint": self.origin_endpoint.astype("<u2").tobytes(),
            "complete": self.complete,
        }

    @staticmethod
    def from_message(message: dict[str, Any]) -> Delta:
        def column(name: str, kind: str) -> IntArray:
            return np.frombuffer(message[name], dtype=kind).astype(np.int64)

        return Delta(
            tuple((str(method), str(name)) for method, name in message["endpoints"]),
            column("tally", "<u4"),
            column("cells", "<u4"),
            column("cell_counts", "<u4"),
            column("origin_seq", "<i8"),
            column("origin_endpoint", "<u2"),
            bool(message["complete"]),
        )


class Totals:
    """Per endpoint: `tally[row, code]` requests, `latency[row, HITS or MISSES, bucket]`, `origin[row]` responses."""

    def __init__(self) -> None:
        self.endpoints: list[Endpoint] = []
        self._rows: dict[Endpoint, int] = {}
        self.tally = np.zeros((_FIRST_ROWS, CODES), np.int64)
        self.latency = np.zeros((_FIRST_ROWS, 2, BUCKETS), np.int64)
        self.origin = np.zeros(_FIRST_ROWS, np.int64)

    def row(self, endpoint: Endpoint) -> int:
        """The endpoint's row, made when it first comes."""
        row = self._rows.get(endpoint)
        if row is None:
            if len(self.endpoints) >= MAX_ENDPOINTS and endpoint != FURTHER:
                return self.row(FURTHER)
            row = self._rows[endpoint] = len(self.endpoints)
            self.endpoints.append(endpoint)
            if row >= len(self.tally):
                self._grow()
        return row

    def add(self, rows: IntArray, codes: IntArray, latency_ns: IntArray) -> None:
        """One request for each place of the three."""
        used = len(self.endpoints)
        self.tally[:used] += np.bincount(rows * CODES + codes, minlength=used * CODES).reshape(used, CODES)
        kinds = _KIND[codes]
        timed = kinds >= 0
        cells = (rows * 2 + kinds)[timed] * BUCKETS + buckets_of(latency_ns[timed])
        np.add.at(self.latency.reshape(-1), cells, 1)

    def add_parts(self, rows: IntArray, tally: IntArray, cells: IntArray, cell_counts: IntArray) -> None:
        """What a Delta holds; `rows` are its endpoints' rows here."""
        np.add.at(self.tally, rows, tally.reshape(len(rows), CODES))
        places, kinds_and_buckets = np.divmod(cells, 2 * BUCKETS)
        np.add.at(self.latency.reshape(-1), rows[places] * 2 * BUCKETS + kinds_and_buckets, cell_counts)

    def add_origin(self, rows: IntArray) -> None:
        """A response of the origin for each place."""
        np.add.at(self.origin, rows, 1)

    def take_tally(self, rows: IntArray) -> IntArray:
        """Those rows of `tally` as one, which are zero from now on."""
        taken = self.tally[rows].reshape(-1)
        self.tally[rows] = 0
        return taken

    def take_latency(self, rows: IntArray) -> tuple[IntArray, IntArray]:
        """The cells of those rows that are not zero, numbered from the first of `rows`, and what they held."""
        cells, counts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for place, row in enumerate(rows.tolist()):  # one by one: a row stays in the processor's cache
            latency = self.latency[row].reshape(-1)
            used = np.flatnonzero(latency)
            cells.append(used + place * latency.size)
            counts.append(latency[used])
            latency[used] = 0
        return np.concatenate(cells), np.concatenate(counts)

    def _grow(self) -> None:
        self.tally = _doubled(self.tally)
        self.latency = _doubled(self.latency)
        self.origin = _doubled(self.origin)


def _doubled(values: IntArray) -> IntArray:
    return np.concatenate([values, np.zeros_like(values)])
