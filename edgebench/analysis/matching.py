"""Who was under way while the origin worked: containment of intervals by key, and a fair one-to-one matching."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from edgebench.analysis.tables import ByTime, Ints

MOST_AT_ONCE = 1000
"""Samples of one key looked at per row, from the latest sent backwards; more are not under way at once."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Possible pairs, as positions in the two tables."""

    sample: Ints
    row: Ints


def containing(codes: Ints, sent: Ints, done: Ints, among: Ints, row_codes: Ints, start: Ints, until: Ints) -> Pairs:
    """All pairs of a sample and a row of the same code with sent <= start and until <= done.

    codes, sent, done: per sample; among: positions of the samples to look at; row_codes, start, until: per row. Rows in
    the result count within those three. Each pass looks one sample further back for all rows at once.
    """
    chosen = np.zeros(len(codes), dtype=bool)
    chosen[among] = True
    by_time = ByTime.of(codes, sent, chosen)
    order = by_time.positions
    latest_done = pd.Series(done[order]).groupby(by_time.codes).cummax().to_numpy(dtype=np.int64)
    rows = np.arange(len(row_codes), dtype=np.int64)
    place = by_time.places(row_codes, start)
    samples_found: list[Ints] = []
    rows_found: list[Ints] = []
    for _ in range(MOST_AT_ONCE):
        alive = place >= 0
        alive[alive] &= by_time.codes[place[alive]] == row_codes[rows[alive]]
        alive[alive] &= latest_done[place[alive]] >= until[rows[alive]]
        rows, place = rows[alive], place[alive]
        if not len(rows):
            break
        inside = done[order[place]] >= until[rows]
        samples_found.append(order[place[inside]])
        rows_found.append(rows[inside])
        place = place - 1
    empty = np.zeros(0, dtype=np.int64)
    return Pairs(np.concatenate([empty, *samples_found]), np.concatenate([empty, *rows_found]))


def match(pairs: Pairs, start: Ints, penalty: Ints, sent: Ints) -> Iterator[tuple[int, int]]:
    """One sample per row and one row per sample, as many as can be: (row, sample).

    Pairs of least `penalty` (per pair) go before others. Rows choose in the order of `start` (per row of the ledger),
    each the earliest sent; a choice gives way where another row would else have none (augmenting paths, Berge 1957).
    """
    rows_per_sample = np.bincount(pairs.sample, minlength=1)
    samples_per_row = np.bincount(pairs.row, minlength=1)
    alone = (rows_per_sample[pairs.sample] == 1) & (samples_per_row[pairs.row] == 1)
    yield from zip(pairs.row[alone].tolist(), pairs.sample[alone].tolist(), strict=True)
    sample, row, burden = pairs.sample[~alone], pairs.row[~alone], penalty[~alone]
    order = np.lexsort((sent[sample], row, start[row]))
    options: dict[int, list[int]] = {}
    taken: dict[int, int] = {}
    sample_of: dict[int, int] = {}
    for allowed in np.unique(burden).tolist():
        now = order[burden[order] == allowed]
        for a_row, a_sample in zip(row[now].tolist(), sample[now].tolist(), strict=True):
            options.setdefault(a_row, []).append(a_sample)
        for a_row in [one for one in options if one not in sample_of]:
            _augment(a_row, options, taken, sample_of)
    yield from sample_of.items()


def _augment(row: int, options: dict[int, list[int]], taken: dict[int, int], sample_of: dict[int, int]) -> None:
    """Find a sample for the row, moving rows that have one where that frees it. Breadth first: the least moves."""
    row_of: dict[int, int] = {}
    queue = deque([row])
    while queue:
        at = queue.popleft()
        for sample in options[at]:
            if sample in row_of:
                continue
            row_of[sample] = at
            if sample not in taken:
                _flip(sample, row_of, taken, sample_of)
                return
            queue.append(taken[sample])


def _flip(sample: int, row_of: dict[int, int], taken: dict[int, int], sample_of: dict[int, int]) -> None:
    free: int | None = sample
    while free is not None:
        row = row_of[free]
        before = sample_of.get(row)
        taken[free], sample_of[row] = row, free
        free = before
