"""Samples on disk, as a worker's raw records and the strings they name.

    samples-<worker>.bin      records, in the order the requests ended
    strings-<worker>.jsonl    their strings: a string is there before any record that uses it

A record or a line that was cut off at the end is ignored by the reader.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

QUEUE_BYTES = 64 * 2**20
"""How much may wait for a slow disk before the load has to wait, too: a million samples."""
_LOOK_EVERY_S = 0.001


class SampleFiles:
    """The two files of one worker, written at once. Raises OSError; after one, the files take nothing more.

    Files that are there already are an error: they are somebody's samples.
    """

    def __init__(self, directory: Path, worker: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        how = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        self._samples = os.open(directory / f"samples-{worker}.bin", how, 0o644)
        self._strings = os.open(directory / f"strings-{worker}.jsonl", how, 0o644)
        self._error: OSError | None = None

    def write(self, records: memoryview, strings: Sequence[bytes]) -> None:
        if self._error is not None:  # half a record may be there: nothing may follow it
            raise self._error
        try:
            if strings:
                _write_all(self._strings, memoryview(b"".join(strings)))
            _write_all(self._samples, records)
        except OSError as error:
            self._error = error
            raise

    def close(self) -> None:
        os.close(self._samples)
        os.close(self._strings)


class FileSink:
    """Hands samples to a native thread that writes them, so that a disk which stalls does not stop the event loop.

    What was handed over is with the operating system a moment later, and survives the end of the process.
    """

    def __init__(self, directory: Path, worker: int) -> None:
        # Imported by whoever records, not by whoever reads. Locust has replaced threads and sleep by gevent's.
        from _queue import SimpleQueue

        from gevent.monkey import get_original

        self._files = SampleFiles(directory, worker)
        self._queue: Any = SimpleQueue()
        self._sleep = get_original("time", "sleep")
        self._handed = self._written = 0
        self._error: OSError | None = None
        self._ended = get_original("_thread", "allocate_lock")()
        self._ended.acquire()
        get_original("_thread", "start_new_thread")(self._run, ())

    def write(self, records: memoryview, strings: Sequence[bytes]) -> None:
        """Raises OSError when an earlier write failed."""
        if self._error is not None:
            raise self._error
        while self._handed - self._written > QUEUE_BYTES:
            self._sleep(_LOOK_EVERY_S)
        self._handed += len(records)
        self._queue.put((records, strings))

    def close(self) -> None:
        """Wait until all is written. Raises OSError when not all was."""
        self._queue.put(None)
        self._ended.acquire()
        self._files.close()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            records, strings = item
            if self._error is None:
                try:
                    self._files.write(records, strings)
                except OSError as error:
                    self._error = error
            self._written += len(records)
        self._ended.release()


def _write_all(file: int, data: memoryview) -> None:
    while data:
        data = data[os.write(file, data) :]
