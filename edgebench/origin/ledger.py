"""The origin's ledger as it is written: one line per response, one file per worker process.

A line is a JSON array in the order of FIELDS. It is in the kernel's hands before the last byte of the response is
handed over, so whoever holds a complete answer finds it in the ledger, even when the worker was killed just after.
The file is mapped into memory: a system call per response would let go of the interpreter's lock each time, for the
app's other threads to take. What is mapped and not written yet is NUL bytes.
"""

from __future__ import annotations

import itertools
import json
import mmap
import os
import threading
from pathlib import Path

FIELDS = (
    "seq",
    "start_ns",
    "end_ns",
    "method",
    "key",
    "status",
    "bytes",
    "conditional",
    "principal",
    "version",
    "ttl_s",
    "complete",
)
WORKER_SHIFT = 40
"""seq = worker << WORKER_SHIFT | count: unique in the trial without anything shared between workers."""

CHUNK_BYTES = 1 << 20
"""By how much a file grows at a time."""

Row = tuple[int, int, int, str, str, int, int, bool, str, str, int | None, bool]


_quote = json.encoder.encode_basestring_ascii
_WORDS = {True: "true", False: "false"}


def _line(row: Row) -> bytes:
    """The row as JSON: what json.dumps gives, in a third of its time."""
    seq, start_ns, end_ns, method, key, status, sent, conditional, principal, version, ttl_s, complete = row
    return (
        f"[{seq},{start_ns},{end_ns},{_quote(method)},{_quote(key)},{status},{sent},{_WORDS[conditional]},"
        f"{_quote(principal)},{_quote(version)},{'null' if ttl_s is None else ttl_s},{_WORDS[complete]}]\n"
    ).encode()


class Ledger:
    """Hands out sequence numbers and appends rows. Safe for threads, and for processes forked after it was made."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._is_open = False
        self._count = itertools.count(1)
        self._first_seq = 0
        self._file = -1
        self._map: mmap.mmap | None = None
        self._end = 0
        os.register_at_fork(after_in_child=self._forget)

    def next_seq(self) -> int:
        if not self._is_open:
            self._open()
        return self._first_seq + next(self._count)

    def append(self, row: Row) -> None:
        """OSError where the disk is full: the response fails rather than go unwitnessed."""
        line = _line(row)
        with self._lock:
            start, self._end = self._end, self._end + len(line)
            if self._map is None or self._end > len(self._map):
                self._grow()
            self._map[start : self._end] = line  # type: ignore[index]

    def _grow(self) -> None:
        size = (self._end // CHUNK_BYTES + 1) * CHUNK_BYTES
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._file, 0, size)  # a mapped page the disk has no room for would kill the worker
        else:
            os.ftruncate(self._file, size)
        self._map = mmap.mmap(self._file, size)

    def _open(self) -> None:
        """Claim the first free worker number. A worker that replaces a killed one gets a new number and a new file."""
        with self._lock:
            if self._is_open:
                return
            self._directory.mkdir(parents=True, exist_ok=True)
            for worker in itertools.count():
                path = self._directory / f"ledger-{worker}.jsonl"
                try:
                    self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
                except FileExistsError:
                    continue
                self._map, self._end = None, 0
                self._first_seq = worker << WORKER_SHIFT
                self._count = itertools.count(1)
                self._is_open = True
                return

    def _forget(self) -> None:
        """In a forked child: the parent's file is the parent's."""
        self._lock = threading.Lock()
        self._is_open = False
