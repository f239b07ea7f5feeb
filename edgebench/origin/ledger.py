"""The origin's ledger as it is written: one line per response, one file per worker process.

A line is a JSON array in the order of FIELDS. It is written with one system call before the last byte of the response
is handed over, so whoever holds a complete answer finds it in the ledger, even when the worker was killed just after.
"""

from __future__ import annotations

import itertools
import json
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
        self._pid = 0
        self._file = -1
        self._count = itertools.count(1)
        self._first_seq = 0

    def next_seq(self) -> int:
        if os.getpid() != self._pid:
            self._open()
        return self._first_seq + next(self._count)

    def append(self, row: Row) -> None:
        os.write(self._file, _line(row))

    def _open(self) -> None:
        """Claim the first free worker number. A worker that replaces a killed one gets a new number and a new file."""
        with self._lock:
            if os.getpid() == self._pid:
                return
            self._directory.mkdir(parents=True, exist_ok=True)
            for worker in itertools.count():
                path = self._directory / f"ledger-{worker}.jsonl"
                try:
                    self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
                except FileExistsError:
                    continue
                self._first_seq = worker << WORKER_SHIFT
                self._count = itertools.count(1)
                self._pid = os.getpid()
                return
