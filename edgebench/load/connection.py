"""One persistent connection under gevent, without what makes gevent's sockets slow.

The read watcher is made once per connection and never stopped: waiting for an answer costs one switch, and a server
that closes (or speaks unasked) while the connection is idle is noticed at once instead of with the next request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic_ns
from typing import Any

import gevent
from gevent import get_hub, socket

from edgebench.errors import EdgebenchError
from edgebench.load.answer import Answer
from edgebench.load.head import HeadReader, ProtocolError
from edgebench.load.http1 import AnswerParser
from edgebench.load.request import Server

_READ, _WRITE = 1, 2
_RECEIVE_BYTES = 65_536


class ConnectionFailed(EdgebenchError):
    """No complete answer. The message is the sample's error; `stale` says the server had closed before we asked."""

    def __init__(self, reason: str, stale: bool = False) -> None:
        super().__init__(reason)
        self.stale = stale


@dataclass(frozen=True, slots=True)
class Timeouts:
    connect_s: float = 5.0
    read_s: float = 10.0
    """Without a byte for so long, the answer is given up."""
    answer_s: float = 120.0
    """The most a whole answer may take, however it drips."""


class Connection:
    """Opens when needed and stays open. One exchange at a time."""

    def __init__(self, server: Server, timeouts: Timeouts, reader: HeadReader) -> None:
        self._server, self._timeouts = server, timeouts
        self._hub = get_hub()
        self._parser = AnswerParser(reader)
        self._socket: Any = None
        self._raw: Any = None
        self._readable: Any = None
        self._waiting: Callable[[], object] | None = None
        self._greenlet: Any = None
        self._busy = False
        self._stall_ns = 0
        self._give_up_ns = 0
        self.port = 0
        """Ours, of the connection that is or was open last."""
        self.used = 0
        """Answers this connection has brought."""
        self.first_byte_ns = self.done_ns = -1
        """Of the last exchange: when its first and its last bytes were received."""
        self.unasked = 0
        """How often the server sent bytes nobody had asked for."""

    @property
    def is_open(self) -> bool:
        return self._raw is not None

    def open(self) -> None:
        server = self._server
        self.port, self.first_byte_ns = 0, -1
        try:
            self._socket = socket.create_connection((server.host, server.port), self._timeouts.connect_s)
        except TimeoutError:
            raise ConnectionFailed("connect: timed out") from None
        except OSError as error:
            raise ConnectionFailed(f"connect: {error.strerror or type(error).__name__}") from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._raw = self._socket._sock
        self._raw.setblocking(False)
        self.port = self._raw.getsockname()[1]
        self.used = 0
        self._readable = self._hub.loop.io(self._raw.fileno(), _READ)
        self._readable.start(self._on_readable)

    def close(self) -> None:
        if self._raw is not None:
            self._readable.stop()
            self._readable.close()
            self._socket.close()
            self._socket = self._raw = self._readable = None

    def exchange(self, request: bytes, head_only: bool) -> Answer:
        """Send a request, return its answer, set `first_byte_ns` and `done_ns`. A failure closes the connection."""
        self.first_byte_ns = -1
        self._parser.begin(head_only=head_only)
        self._busy = True
        try:
            self._send(request)
            answer = self._receive()
        except BaseException:
            self.close()
            raise
        finally:
            self._busy = False
        self.used += 1
        if not answer.says.keep_alive:
            self.close()
        return answer

    def expire(self, now_ns: int) -> None:
        """Give up an answer that is overdue. Called from the hub, now and then."""
        if self._waiting is not None and (now_ns > self._stall_ns or now_ns > self._give_up_ns):
            reason = "read: timed out" if now_ns > self._stall_ns else "answer: timed out"
            self._waiting = None
            self._greenlet.throw(ConnectionFailed(reason))

    def _send(self, request: bytes) -> None:
        try:
            sent = self._raw.send(request)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise self._broken("send", error) from None
        if sent < len(request):
            self._send_rest(memoryview(request)[sent:])

    def _send_rest(self, rest: memoryview) -> None:
        # An early answer (413, say) must not be taken for unasked bytes: nobody looks until all is sent.
        self._readable.stop()
        writable = self._hub.loop.io(self._raw.fileno(), _WRITE)
        try:
            with gevent.Timeout(self._timeouts.read_s, ConnectionFailed("send: timed out")):
                while rest:
                    self._hub.wait(writable)
                    try:
                        rest = rest[self._raw.send(rest) :]
                    except BlockingIOError:
                        continue
                    except OSError as error:
                        raise self._broken("send", error) from None
        finally:
            writable.close()
        self._readable.start(self._on_readable)

    def _receive(self) -> Answer:
        now_ns = monotonic_ns()
        self._give_up_ns = now_ns + int(self._timeouts.answer_s * 1e9)
        read_ns = int(self._timeouts.read_s * 1e9)
        self._greenlet = gevent.getcurrent()
        wait, feed = self._hub.switch, self._parser.feed
        while True:
            self._stall_ns = now_ns + read_ns
            self._waiting = self._greenlet.switch
            try:
                wait()
            finally:
                self._waiting = None
            try:
                data = self._raw.recv(_RECEIVE_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._broken("read", error) from None
            now_ns = self.done_ns = monotonic_ns()
            try:
                if not data:
                    return self._parser.end()
                if self.first_byte_ns < 0:
                    self.first_byte_ns = now_ns
                answer = feed(data)
            except ProtocolError as error:
                stale = not data and self.first_byte_ns < 0 and self.used > 0
                raise ConnectionFailed(str(error), stale) from None
            if answer is not None:
                return answer

    def _broken(self, doing: str, error: OSError) -> ConnectionFailed:
        stale = self.used > 0 and self.first_byte_ns < 0 and isinstance(error, ConnectionError)
        return ConnectionFailed(f"{doing}: {error.strerror or type(error).__name__}", stale)

    def _on_readable(self) -> None:
        if self._waiting is not None:
            self._waiting()
        elif not self._busy:
            self._idle_readable()

    def _idle_readable(self) -> None:
        try:
            data = self._raw.recv(1)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.unasked += bool(data)
        self.close()
