"""The two files of a worker, read: records without having them all in memory, and the strings they name."""

from __future__ import annotations

import json
import mmap
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.load.record import DTYPE

Strings = dict[str, dict[int, Any]]
"""Values by kind and number: endpoints as (method, name), keys as (target, principal, accepts), texts as (claim, error,
encoding, language, age_s)."""
_BLOCK_ROWS = 2**17


class RawRecords:
    """The whole records of samples-<worker>.bin."""

    def __init__(self, path: Path) -> None:
        self._count = path.stat().st_size // DTYPE.itemsize
        self._map: mmap.mmap | None = None
        self._rows: NDArray[np.void] = np.empty(0, dtype=DTYPE)
        if self._count:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._rows = np.frombuffer(self._map, dtype=DTYPE, count=self._count)

    def __len__(self) -> int:
        return self._count

    def at(self, places: NDArray[np.int64]) -> NDArray[np.void]:
        """A copy of the records at these places."""
        rows = self._rows[places]
        self._forget()
        return rows

    def blocks(self) -> Iterator[NDArray[np.void]]:
        """All records, some at a time; copies."""
        for first in range(0, self._count, _BLOCK_ROWS):
            yield self._rows[first : first + _BLOCK_ROWS].copy()
            self._forget()

    def _forget(self) -> None:
        # Pages of a mapped file count as memory of the process for as long as it does not give them back.
        if self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)


def read_strings(path: Path) -> Strings:
    """strings-<worker>.jsonl; a line that was cut off is ignored: no record that uses it was written."""
    tables: Strings = {"endpoint": {}, "key": {}, "text": {}}
    if path.exists():
        with path.open("rb") as lines:
            for line in lines:
                try:
                    kind, number, value = json.loads(line)
                except ValueError:
                    continue
                tables[kind][number] = _key(value) if kind == "key" else tuple(value)
    return tables


def _key(value: str | list[str | None]) -> tuple[str | None, ...]:
    """Of a million keys, most are of a few principals and accept the same: these are held once."""
    if isinstance(value, str):
        return value, "", ""
    target, *who = value
    return target, *(sys.intern(each) if each is not None else None for each in who)
