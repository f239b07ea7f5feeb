"""The origin's ledger as it is written: one record per response, one file per worker process.

A record is a length and a marshalled tuple in the order of FIELDS: one call of C, because whatever it costs is the
app's time. It is in the kernel's hands before the last byte of a response is handed over, so whoever holds a complete
answer finds it in the ledger, even when the worker was killed just after. The file is mapped into memory: a system call
per response would let go of the interpreter's lock each time, for the app's other threads to take. What is mapped and
not written yet is NUL bytes: a record of length 0, the end.
"""

from __future__ import annotations

import itertools
import marshal
import mmap
import os
import threading
from collections.abc import Iterator
from pathlib import Path

Record = tuple[int, int, int, str, str, str, int, bool, bool, str, str, str, str, bool]
FIELDS = (
    "seq",
    "start_ns",
    "end_ns",
    "method",
    "target",  # as it was asked for
    "status",  # the whole status line
    "bytes",  # of the body; of a HEAD, 204 or 304 what there would have been
    "conditional",
    "authorized",
    "principal",
    "version",
    "cache_control",
    "vary",
    "complete",
)
WORKER_SHIFT = 40
"""seq = worker << WORKER_SHIFT | count: unique in the trial without anything shared between workers."""
CHUNK_BYTES = 1 << 20
"""By how much a file grows at a time."""
_LENGTH_BYTES = 4


class Ledger:
    """Hands out sequence numbers and appends rows. Safe for threads, and for processes forked after it was made."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._is_open = False
        self._count = itertools.count(1)
        self._file = -1
        self._map: mmap.mmap | None = None
        self._size = self._end = 0
        os.register_at_fork(after_in_child=self._forget)

    def next_seq(self) -> int:
        if not self._is_open:
            self._open()
        return next(self._count)

    def append(self, record: Record) -> None:
        """OSError where the disk is full: the response fails rather than go unwitnessed."""
        data = marshal.dumps(record)
        data = len(data).to_bytes(_LENGTH_BYTES, "little") + data
        with self._lock:
            start = self._end
            self._end = end = start + len(data)
            if end > self._size:
                self._grow()
            self._map[start:end] = data  # type: ignore[index]

    def _grow(self) -> None:
        size = (self._end // CHUNK_BYTES + 1) * CHUNK_BYTES
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._file, 0, size)  # a mapped page the disk has no room for would kill the worker
        else:
            os.ftruncate(self._file, size)
        self._map, self._size = mmap.mmap(self._file, size), size

    def _open(self) -> None:
        """Claim the first free worker number. A worker that replaces a killed one gets a new number and a new file."""
        with self._lock:
            if self._is_open:
                return
            self._directory.mkdir(parents=True, exist_ok=True)
            for worker in itertools.count():
                path = self._directory / f"ledger-{worker}.bin"
                try:
                    self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
                except FileExistsError:
                    continue
                self._map, self._size, self._end = None, 0, 0
                self._count = itertools.count((worker << WORKER_SHIFT) + 1)
                self._is_open = True
                return

    def _forget(self) -> None:
        """In a forked child: the parent's file is the parent's."""
        self._lock = threading.Lock()
        self._is_open = False


def records(path: Path) -> Iterator[Record]:
    """What is in one file of a ledger, up to the end or to a record that was torn when its worker was killed.

    A torn record is left out: nobody can have had the whole of that answer.
    """
    data = path.read_bytes()
    at = 0
    while length := int.from_bytes(data[at : at + _LENGTH_BYTES], "little"):
        at += _LENGTH_BYTES
        try:
            yield marshal.loads(data[at : at + length])
        except (EOFError, ValueError, TypeError):
            return
        at += length
