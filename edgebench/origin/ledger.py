"""The origin's ledger as it is written: one record per response, in files of each worker process's own.

A record is a marshalled tuple in the order of FIELDS. It is in the kernel's hands before the last byte of a response is
handed over, so whoever holds a complete answer finds it in the ledger, even when the worker was killed just after.
Whatever a record costs is the app's time, so it costs two calls of C. Files are mapped into memory: a system call per
response would let go of the interpreter's lock each time, for the app's other threads to take. A write to the mapping
cannot be interrupted by another thread, so it needs no lock; a record that does not fit goes into the next file. What
is mapped and not written yet is NUL bytes, which begin no record: the end.
"""

from __future__ import annotations

import io
import itertools
import marshal
import mmap
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Record = tuple[int, int, int, str, str, str, int, bool, bool, str, str, str, str, str, str, int | None, str, bool]
FIELDS = (
    "seq",
    "start_ns",
    "end_ns",
    "method",
    "target",  # as it was asked for
    "status",  # the whole status line; "0": there was no answer
    "bytes",  # of the body; of a HEAD, 204 or 304 what there would have been
    "conditional",
    "authorized",
    "principal",
    "version",
    "cache_control",
    "vary",
    "encoding",
    "language",
    "digest",  # None: not taken
    "fault",
    "complete",  # a truth value ends no record in a NUL
)
WORKER_SHIFT = 40
"""seq = worker << WORKER_SHIFT | count: unique in the trial without anything shared between workers."""
FILE_BYTES = 1 << 20
_MARSHAL_VERSION = 2
"""Later versions look every object up among those already written, which costs more than it saves."""


class Ledger:
    """Hands out sequence numbers and appends rows. Safe for threads, and for processes forked after it was made.

    next_seq(): the number of the next response. OSError where no file can be made.
    """

    next_seq: Callable[[], int]
    _write: Callable[[bytes], object]
    _worker: int
    _number: int

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def append(self, record: Record, dumps: Callable[[Any, int], bytes] = marshal.dumps) -> None:
        """OSError where the disk is full: the response fails rather than go unwitnessed."""
        data = dumps(record, _MARSHAL_VERSION)
        try:
            self._write(data)
        except ValueError:  # no room left in this file
            self._write_in_next_file(data)

    def _write_in_next_file(self, data: bytes) -> None:
        with self._lock:
            try:
                self._write(data)  # another thread has been here
            except ValueError:
                self._number += 1
                # Another thread may still put a smaller record into the file that was too full for this one.
                write = self._open_file(os.O_CREAT | os.O_TRUNC, max(FILE_BYTES, len(data)))
                write(data)  # before the others may fill it
                self._write = write

    def _first_seq(self) -> int:
        """Claim the first free worker number. A worker that replaces a killed one gets a new number and new files."""
        with self._lock:
            if self._worker < 0:
                self._directory.mkdir(parents=True, exist_ok=True)
                for worker in itertools.count():
                    self._worker = worker
                    try:
                        self._write = self._open_file(os.O_CREAT | os.O_EXCL, FILE_BYTES)
                        break
                    except FileExistsError:
                        continue
                    except OSError:
                        self._worker = -1
                        raise
                self.next_seq = itertools.count((self._worker << WORKER_SHIFT) + 1).__next__
        return self.next_seq()

    def _open_file(self, flags: int, size: int) -> Callable[[bytes], object]:
        """The write of a new file of this worker's, mapped: ValueError where there is no room for all of the data."""
        file = os.open(self._directory / f"ledger-{self._worker}-{self._number}.bin", os.O_RDWR | flags, 0o644)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file, 0, size)  # a mapped page the disk has no room for would kill the worker
            else:
                os.ftruncate(file, size)
            return mmap.mmap(file, size).write
        finally:
            os.close(file)

    def _forget(self) -> None:
        """In a forked child: the parent's files are the parent's."""
        self._lock = threading.Lock()
        self._worker, self._number = -1, 0
        self.next_seq = self._first_seq
        self._write = _no_room


def _no_room(data: bytes) -> object:
    raise ValueError


def files(directory: Path) -> list[Path]:
    """All files of a ledger, those of one worker in the order they were written."""
    return sorted(directory.glob("ledger-*.bin"), key=lambda path: [int(part) for part in path.stem.split("-")[1:]])


def records(path: Path) -> Iterator[Record]:
    """What is in one file of a ledger, up to the end or to a record that was torn when its worker was killed.

    A torn record is left out: nobody can have had the whole of that answer.
    """
    data = io.BytesIO(path.read_bytes())
    while True:
        try:
            record = marshal.load(data)
        except (EOFError, ValueError, TypeError):
            return
        if len(record) < len(FIELDS):  # torn in its length
            return
        yield record
