"""An origin that fails on schedule: a wrapper around the witnessed app, made only where faults are planned.

The runner writes the schedule (times of CLOCK_MONOTONIC) when the measurement begins; until then nothing fails. Each
request falls into the fault that is on when it is taken up; of two, into the one planned first. `down` is not in here:
the runner does it, by killing the process.

What the ledger has of it: a request that a fault touched is a row with that fault. One that got no answer (`reset`, or
a `hang` its client did not live to see the end of) never reached the app; its row has the status 0.
"""

from __future__ import annotations

import errno
import math
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import monotonic_ns
from typing import Any

from edgebench.model import FaultKind
from edgebench.origin.ledger import Ledger, Record
from edgebench.origin.schedule import Planned, Schedule
from edgebench.origin.wrapper import PROBE_PATH, STAMP, App, Environ, Witness, as_record, rewriting

SPARE_THREADS = 512
"""So many more requests than the app has threads may be held by a fault, and a probe still finds a thread."""
FAULT = "Edgebench-Fault"
"""Header of a probe's answer: which fault is on."""
_MOST_BYTES = 1 << 20  # of a body whose length nobody has said: there are endless ones
_UNAVAILABLE = b"Service Unavailable: a planned fault\n"
_ABORT = struct.pack("ii", 1, 0)  # linger for no time: close by RST
_GONE = getattr(select, "POLLRDHUP", 0)


class Faulty:
    """The witnessed app, failing on schedule.

    threads: how many requests the app works on at once. The server has SPARE_THREADS more, for those that are held.
    """

    def __init__(self, app: App, ledger: Ledger, rewrite_ttl_s: int | None, schedule: Schedule, threads: int) -> None:
        self._app, self._ledger, self._rewrite_ttl_s = app, ledger, rewrite_ttl_s
        self._schedule = schedule
        self._witness = Witness(app, ledger, rewrite_ttl_s)
        self._gate = threading.BoundedSemaphore(threads)
        self._ways: dict[FaultKind, Callable[[_Taken], Iterable[bytes]]] = {
            FaultKind.STATUS_503: self._unavailable, FaultKind.SLOW: self._slow, FaultKind.HANG: self._hang,
            FaultKind.HALF: self._half, FaultKind.RESET: self._reset,
        }  # fmt: skip

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        now_ns = monotonic_ns()
        fault = self._schedule.at(now_ns)
        if environ["PATH_INFO"].startswith(PROBE_PATH):
            says = [(FAULT, fault.kind.value)] if fault is not None else []
            start_response("204 No Content", [("Cache-Control", "no-store"), *says])
            return []
        if fault is None:
            with self._gate:
                return self._witness(environ, start_response)
        return self._ways[fault.kind](_Taken(environ, start_response, fault, now_ns))

    def _unavailable(self, taken: _Taken) -> Iterable[bytes]:
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(_UNAVAILABLE)))]
        seq = self._ledger.next_seq()
        self._append(taken, seq, "503 Service Unavailable", dict(headers), len(_UNAVAILABLE), True)
        taken.start_response("503 Service Unavailable", [*headers, _stamp(seq)])
        return [_UNAVAILABLE] if taken.environ["REQUEST_METHOD"] != "HEAD" else []

    def _slow(self, taken: _Taken) -> Iterable[bytes]:
        """The app's thread is what waits, as if for a slow database; no wait outlasts the fault."""
        with self._gate:
            delay_s = self._schedule.random.expovariate(1 / taken.fault.delay_s)
            time.sleep(max(0.0, min(delay_s, (taken.fault.end_ns - monotonic_ns()) / 1e9)))
            return self._marked(taken)

    def _hang(self, taken: _Taken) -> Iterable[bytes]:
        """Answered when the fault has ended, if the client has waited for it."""
        if not _stays(taken.socket, taken.fault.end_ns):
            self._append(taken, self._ledger.next_seq(), "0", {}, 0, False)
            raise _quietly()
        with self._gate:
            return self._marked(taken)

    def _reset(self, taken: _Taken) -> Iterable[bytes]:
        self._append(taken, self._ledger.next_seq(), "0", {}, 0, False)
        abort(taken.socket)
        raise _quietly()

    def _half(self, taken: _Taken) -> Iterable[bytes]:
        """An answer without a body has no half, and is given whole."""
        seq = self._ledger.next_seq()
        status, fields = "500", dict[str, str]()

        def stamped(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            nonlocal status, fields
            status, fields = line, dict(headers)
            return taken.start_response(line, [*headers, _stamp(seq)], exc_info)

        start = stamped if self._rewrite_ttl_s is None else rewriting(stamped, self._rewrite_ttl_s)
        try:
            with self._gate:
                data = _read(self._app(taken.environ, start), lambda: _stated(fields))
        except BaseException:
            self._append(taken, seq, "500", fields, 0, False)
            raise
        half = max(_stated(fields), len(data)) // 2
        self._append(taken, seq, status, fields, half if data else 0, not data)
        return _Cut(data[:half], taken.socket) if data else []

    def _marked(self, taken: _Taken) -> Iterable[bytes]:
        """The app's answer, its row marked with the fault."""
        witness = Witness(self._app, _Marked(self._ledger, taken), self._rewrite_ttl_s)
        return witness(taken.environ, taken.start_response)

    def _append(self, taken: _Taken, seq: int, status: str, fields: dict[str, str], sent: int, complete: bool) -> None:
        kind = taken.fault.kind.value
        self._ledger.append(as_record(seq, taken.start_ns, taken.environ, status, fields, sent, complete, kind))


@dataclass(frozen=True, slots=True)
class _Taken:
    """A request that fell into a fault."""

    environ: Environ
    start_response: Callable[..., Any]
    fault: Planned
    start_ns: int

    @property
    def socket(self) -> socket.socket:
        connection: socket.socket = self.environ["gunicorn.socket"]
        return connection


class _Marked:
    """The ledger for one request: its row begins when it was taken up, and names the fault."""

    def __init__(self, ledger: Ledger, taken: _Taken) -> None:
        self._append, self._taken = ledger.append, taken
        self.next_seq = ledger.next_seq

    def append(self, record: Record) -> None:
        seq, _, *rest, _, complete = record
        marked: Any = (seq, self._taken.start_ns, *rest, self._taken.fault.kind.value, complete)
        self._append(marked)


class _Cut:
    """The first half of a body; who asks for more finds the connection closed."""

    def __init__(self, half: bytes, connection: socket.socket) -> None:
        self._half, self._connection = half, connection

    def __iter__(self) -> Iterator[bytes]:
        yield self._half
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:  # the client was faster
            return


def _stated(fields: dict[str, str]) -> int:
    """Content-Length; 0 where there is none."""
    return int(next((value for name, value in fields.items() if name.lower() == "content-length"), "0"))


def _read(body: Iterable[bytes], stated: Callable[[], int]) -> bytes:
    """The body, as far as its half needs it. stated(): its length, known once it has begun."""
    data = b""
    try:
        for piece in body:
            data += piece
            if len(data) >= (stated() or _MOST_BYTES):
                break
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()
    return data


def _stamp(seq: int) -> tuple[str, str]:
    return STAMP, f"seq={seq};t={monotonic_ns()}"


def _stays(connection: socket.socket, end_ns: int) -> bool:
    """Wait until end_ns; whether the client was still there then. Returns at once when it goes."""
    watched = select.poll()
    watched.register(connection, _GONE)
    return not watched.poll(max(0, math.ceil((end_ns - monotonic_ns()) / 1e6)))


def abort(connection: socket.socket) -> None:
    """Close the connection by RST. Its file descriptor goes on as that of a closed one, for its owner to close."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
    left, right = socket.socketpair()
    right.close()
    os.dup2(left.fileno(), connection.fileno(), inheritable=False)
    left.close()


def _quietly() -> OSError:
    """Tells gunicorn that the connection is over, in words it does not log."""
    return ConnectionResetError(errno.ECONNRESET, "a planned fault")
