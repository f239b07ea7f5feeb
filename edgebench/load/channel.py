"""Samples on their way from a worker to its master, over Locust's own channel, while the test runs.

A chunk is what a recorder hands over at once: at most 64 KiB of records, and the strings that are new in it. Chunks are
numbered; the master takes them in order, acknowledges each, and ignores what it has or cannot have yet; the worker
keeps a chunk until it is acknowledged and sends again what was not. So nothing is lost or doubled on the way, even if
Locust's connection is made anew.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import gevent
import numpy as np
from gevent.event import Event
from locust.exception import RPCError, RPCSendError

from edgebench.load.record import BUFFER_BYTES, DTYPE
from edgebench.load.sample_files import SampleFiles

WINDOW = 32
"""Chunks under way at once: 2 MiB. Locust's channel takes 1000 messages and then fails."""
PAUSE_S = 0.002
"""Between two chunks, so that requests have their turn."""
RESEND_S = 5.0
GIVE_UP_S = 15.0
"""At the end a worker waits so long for the next acknowledgement."""
LIMIT_BYTES = 512 * 2**20
"""How much a worker keeps for a master that does not keep up; what comes on top is lost, and said to be."""
_logger = logging.getLogger(__name__)

Message = Mapping[str, Any]


class ChannelSink:
    """A worker's end. `send` hands one message to Locust; it may raise RPCError."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self._waiting: deque[dict[str, Any]] = deque()
        """Chunks that are not acknowledged, oldest first."""
        self._sent = 0
        """How many of them are under way."""
        self._next = 0
        self._bytes = self._lost = 0
        self._progress_s = self._began_s = monotonic()
        """When the last acknowledgement came, and when the chunks under way were first sent or had progress."""
        self._wake = Event()
        self._greenlet = gevent.spawn(self._run)

    def write(self, records: memoryview, strings: Sequence[bytes]) -> None:
        if self._bytes > LIMIT_BYTES:
            self._lose(len(records) // DTYPE.itemsize)
            records = records[:0]
        text = b"".join(strings)
        for first in range(0, len(text), BUFFER_BYTES)[:-1]:
            self._append(records[:0], text[first : first + BUFFER_BYTES])
        self._append(records, text[(len(text) - 1) // BUFFER_BYTES * BUFFER_BYTES :] if text else b"")

    def acknowledged(self, next_number: int) -> None:
        """The master has all chunks before this one."""
        while self._waiting and self._waiting[0]["number"] < next_number:
            chunk = self._waiting.popleft()
            self._bytes -= len(chunk["records"])
            self._sent = max(0, self._sent - 1)
            self._progress_s = self._began_s = monotonic()
        self._wake.set()

    def close(self) -> None:
        """Wait until all is acknowledged, as long as it goes on."""
        self._progress_s = monotonic()
        while self._waiting and monotonic() - self._progress_s < GIVE_UP_S:
            gevent.sleep(PAUSE_S)
        self._greenlet.kill()

    def _append(self, records: memoryview, strings: bytes) -> None:
        self._waiting.append({"number": self._next, "records": records, "strings": strings})
        self._next += 1
        self._bytes += len(records)
        self._wake.set()

    def _lose(self, samples: int) -> None:
        if not self._lost:
            _logger.error("the master does not keep up: %d MiB of samples wait for it, and further ones are lost",
                          self._bytes // 2**20)  # fmt: skip
        self._lost += samples

    def _run(self) -> None:
        while True:
            self._wake.wait(timeout=RESEND_S)
            self._wake.clear()
            if self._sent and monotonic() - self._began_s > RESEND_S:
                self._sent = 0
            while self._sent < min(WINDOW, len(self._waiting)):
                if not self._sent:
                    self._began_s = monotonic()
                chunk = self._waiting[self._sent]
                self._sent += 1
                try:
                    self._send(chunk)
                except (RPCError, RPCSendError) as error:
                    _logger.warning("samples could not be sent to the master and will be again: %s", error)
                gevent.sleep(PAUSE_S)


class Inbox:
    """A master's end, for one worker: writes what comes to the worker's files."""

    def __init__(self, directory: Path, worker: int) -> None:
        self._files = SampleFiles(directory, worker)
        self._next = 0
        self._closed = False
        self.received = 0
        """Samples."""
        self.last_done_ns = -1
        """When the newest sample had ended, by the worker's clock."""

    def take(self, chunk: Message) -> int:
        """Keep a chunk if it is the next one; returns the number of the one to come. Raises OSError."""
        if chunk["number"] == self._next and not self._closed:
            records = chunk["records"]
            self._files.write(memoryview(records), (chunk["strings"],))
            self._next += 1
            if records:
                self.received += len(records) // DTYPE.itemsize
                self.last_done_ns = max(self.last_done_ns, int(np.frombuffer(records, DTYPE)["done_ns"].max()))
        return self._next

    def close(self) -> None:
        self._closed = True
        self._files.close()
