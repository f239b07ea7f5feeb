"""A server whose every answer time is known: a fixed delay, and one freeze.

    python -m edgebench.runner.freezing_server --port P --service-ns D --freeze-after-ns A --freeze-ns F --witness FILE

It works on any number of requests at once and gives each exactly D of its own time, which stands still during the
freeze: a request received at r is answered at r + D, or F later where the freeze came between, and one that arrives
during the freeze is answered D after its end. The freeze begins A after the first request that is no probe. On SIGTERM
it writes what it saw to FILE (times by CLOCK_MONOTONIC). One process, no thread; it spins shortly before each answer.
"""

from __future__ import annotations

import argparse
import gc
import json
import select
import selectors
import signal
import socket
import time
from array import array
from collections import deque
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

PROBE = b"GET /__edgebench__/"
"""Requests for it are answered like all others, and start nothing."""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"
NEVER_NS = 2**62
_HEAD_END = b"\r\n\r\n"
_MAX_HEAD_BYTES = 65_536
_AWAKE_BEFORE_NS = 250_000
"""How long before an answer is due it stops sleeping: timers and idle cores wake up late. It does sleep in between, as
a machine with all cores at full load is one that stumbles."""


class FreezingServer:
    """Serves until a signal ends `run`. Answers leave in the order of their requests: all are delayed alike."""

    def __init__(self, listener: socket.socket, service_ns: int, freeze_after_ns: int, freeze_ns: int) -> None:
        self._service_ns, self._freeze_after_ns, self._freeze_ns = service_ns, freeze_after_ns, freeze_ns
        self._selector: Any = selectors.DefaultSelector()  # epoll or kqueue: with a fileno of its own
        self._listener = listener
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ)
        self._buffers: dict[socket.socket, bytes] = {}
        self._due: deque[tuple[int, socket.socket]] = deque()
        self._freeze_at_ns = NEVER_NS
        self.begin_ns = self.end_ns = -1
        """When it froze and thawed."""
        self.late_ns = array("q")
        """By how much each answer was later than promised."""

    def run(self) -> NoReturn:
        """Serve for ever."""
        while True:
            now_ns = self._answer_what_is_due(time.monotonic_ns())
            if now_ns >= self._freeze_at_ns:
                self._freeze()
                continue
            next_ns = min(self._due[0][0] if self._due else NEVER_NS, self._freeze_at_ns)
            sleep_ns = next_ns - now_ns - _AWAKE_BEFORE_NS
            if sleep_ns > 0:
                # The selector's own time-out counts in milliseconds; select(2) does in microseconds.
                select.select([self._selector], (), (), min(sleep_ns / 1e9, 1.0))
            for key, _ in self._selector.select(0):
                assert isinstance(key.fileobj, socket.socket)
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._read(key.fileobj)

    def witness(self) -> dict[str, int | list[int]]:
        """What it saw: the freeze's true begin and end, answers, and its own lateness (p50, p99, max)."""
        late = sorted(self.late_ns) or [0]
        points = [late[min(int(share * len(late)), len(late) - 1)] for share in (0.5, 0.99, 1.0)]
        return {"begin_ns": self.begin_ns, "end_ns": self.end_ns, "answers": len(self.late_ns), "late_ns": points}

    def _answer_what_is_due(self, now_ns: int) -> int:
        due = self._due
        while due and due[0][0] <= now_ns and due[0][0] < self._freeze_at_ns:
            due_ns, connection = due.popleft()
            try:
                connection.send(ANSWER)
            except OSError:
                self._forget(connection)
            self.late_ns.append(now_ns - due_ns)
            now_ns = time.monotonic_ns()
        return now_ns

    def _freeze(self) -> None:
        """Do nothing at all for `freeze_ns`; what was being worked on goes on afterwards."""
        self.begin_ns, self._freeze_at_ns = self._freeze_at_ns, NEVER_NS
        end_ns = self.begin_ns + self._freeze_ns
        time.sleep(max(0, end_ns - time.monotonic_ns() - 2_000_000) / 1e9)
        while (now_ns := time.monotonic_ns()) < end_ns:
            pass
        self.end_ns = now_ns
        stood_ns = self.end_ns - self.begin_ns
        self._due = deque((due_ns + stood_ns, connection) for due_ns, connection in self._due)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # whoever it was has gone
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffers[connection] = b""
        self._selector.register(connection, selectors.EVENT_READ)

    def _read(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        now_ns = time.monotonic_ns()
        rest = self._buffers[connection] + data
        if not data or len(rest) > _MAX_HEAD_BYTES:
            self._forget(connection)
            return
        while (end := rest.find(_HEAD_END)) >= 0:
            self._due.append((now_ns + self._service_ns, connection))
            if self.begin_ns < 0 and self._freeze_at_ns == NEVER_NS and not rest.startswith(PROBE):
                self._freeze_at_ns = now_ns + self._freeze_after_ns
            rest = rest[end + len(_HEAD_END) :]
        self._buffers[connection] = rest

    def _forget(self, connection: socket.socket) -> None:
        if self._buffers.pop(connection, None) is not None:
            self._selector.unregister(connection)
            connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--port", "--service-ns", "--freeze-after-ns", "--freeze-ns"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--witness", type=Path, required=True)
    asked = parser.parse_args()

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    gc.disable()  # nothing here makes cycles, and a collection would be a delay nobody asked for
    listener = socket.create_server(("127.0.0.1", asked.port), backlog=1024)
    server = FreezingServer(listener, asked.service_ns, asked.freeze_after_ns, asked.freeze_ns)
    try:
        server.run()
    finally:
        part = asked.witness.with_suffix(".part")
        part.write_text(json.dumps(server.witness()))
        part.replace(asked.witness)


if __name__ == "__main__":
    main()
