"""One persistent connection under gevent, without what makes gevent's sockets slow.

The read watcher is made once per connection and never stopped: waiting for an answer costs one switch, and a server
that closes (or speaks unasked) while the connection is idle is noticed at once instead of with the next request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ssl import SSLContext, SSLEOFError
from time import monotonic_ns
from typing import Any

import gevent
import greenlet
from gevent import get_hub, getcurrent, socket

from edgebench.load.answer import Response
from edgebench.load.failures import ConnectionFailed
from edgebench.load.head import HeadReader, ProtocolError
from edgebench.load.http1 import AnswerParser
from edgebench.load.outbox import Outbox
from edgebench.load.request import Server
from edgebench.load.tls import TlsStream, reason

_READ, _WRITE = 1, 2
_RECEIVE_BYTES = 65_536
_TOGETHER_BYTES = 16_384
"""Longer requests go by themselves: they may not go at once."""


def _bare_switch(target: Any) -> Callable[[], object]:
    """gevent's own switch looks for hooks of the greenlet that is left, which have not been used for ten years."""
    switch: Callable[[], object] = greenlet.greenlet.switch.__get__(target)
    return switch


@dataclass(frozen=True, slots=True)
class Timeouts:
    connect_s: float = 5.0
    """For each address of the host; and as much again for the TLS handshake."""
    read_s: float = 10.0
    """Without a byte for so long, the answer is given up; or the request, where the server takes none of its bytes."""
    answer_s: float = 120.0
    """The most a whole answer may take, however it drips."""


class Connection:
    """Opens when needed and stays open. One exchange at a time."""

    # More than thirty attributes: without slots each would be looked up in a dictionary.
    __slots__ = (
        "_answer_ns", "_asked_ns", "_connect_s", "_context", "_greenlet", "_head_bytes", "_heads", "_heard_ns",
        "_hub", "_idle",
        "_opened_ns", "_outbox", "_parser", "_post", "_posted", "_raw", "_read_ns", "_readable", "_recv", "_remember",
        "_request", "_rest", "_resume", "_send", "_send_error", "_server", "_socket", "_wait", "done_ns",
        "first_byte_ns", "is_open", "port", "sent_ns", "unasked", "used",
    )  # fmt: skip

    def __init__(
        self,
        server: Server,
        timeouts: Timeouts,
        reader: HeadReader,
        context: SSLContext | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        """With an outbox, requests on a connection that has brought an answer go when it says; else at once."""
        self._server, self._connect_s, self._context = server, timeouts.connect_s, context
        self._outbox = outbox
        self._read_ns, self._answer_ns = int(timeouts.read_s * 1e9), int(timeouts.answer_s * 1e9)
        self._hub = get_hub()
        self._parser = AnswerParser(reader)
        self._socket: Any = None
        self._raw: Any = None
        """What sends and receives without waiting: the bare socket, or the TlsStream over it."""
        self._readable: Any = None
        self._send: Callable[[bytes], int]
        self._recv: Callable[[int], bytes]
        self._wait = _bare_switch(self._hub)
        self._heads = reader.heads
        self._remember = reader.remember
        self._head_bytes = 0
        """Of the last answer."""
        self._idle = self._on_idle_readable  # one object: it is set for each answer
        self._greenlet: Any = None
        """That waits for the answer, and `_resume` its switch."""
        self._resume: Callable[[], object] = self._idle
        self._asked_ns = self._heard_ns = 0
        """While an answer is waited for: since when, and when the server last took or gave a byte. Else 0."""
        self._opened_ns = 0
        self._rest = memoryview(b"")
        """Of a request that did not go at once."""
        self._send_error: OSError | None = None
        self._request = b""
        """In the outbox, until it has gone and `_posted` is true."""
        self._posted = True
        self._post = self._on_post  # one object
        self.sent_ns = 0
        """Of the last exchange: when its request went."""
        self.is_open = False
        self.port = 0
        """Ours, of the connection that is or was open last."""
        self.used = 0
        """Answers this connection has brought; 0 once it is closed."""
        self.first_byte_ns = self.done_ns = -1
        """Of the last exchange: when its first and its last bytes were received."""
        self.unasked = 0
        """How often the server sent bytes nobody had asked for."""

    def open(self) -> None:
        server = self._server
        self.port, self.first_byte_ns = 0, -1
        try:
            self._socket = socket.create_connection((server.host, server.port), self._connect_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except TimeoutError:
            raise ConnectionFailed("connect: timed out") from None
        except OSError as error:
            raise ConnectionFailed(f"connect: {reason(error)}") from None
        raw = self._socket._sock
        self.port = raw.getsockname()[1]
        self._raw = raw if self._context is None else self._shake_hands(self._context, raw)
        self._send, self._recv = self._raw.send, self._raw.recv
        raw.setblocking(False)
        self._readable = self._hub.loop.io(raw.fileno(), _READ)
        self._readable.start(self._idle)
        self._opened_ns = monotonic_ns()
        self.is_open = True

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            self.used = self._asked_ns = 0
            self._readable.stop()
            self._readable.close()
            if self._context is not None:
                self._raw.say_goodbye()
            self._socket.close()
            self._socket = self._raw = self._readable = None

    def exchange(self, request: bytes, head_only: bool, now_ns: int) -> Response:
        """Send a request, return its answer, set `first_byte_ns` and `done_ns`. A failure closes the connection."""
        self.first_byte_ns = -1
        try:
            if self._outbox is not None and self.used and len(request) <= _TOGETHER_BYTES:
                self._request, self._posted = request, False
                self._outbox.put(self._post)
            else:
                try:
                    sent = self._send(request)
                except BlockingIOError:
                    sent = 0
                except OSError as error:
                    raise self._broken("send", error) from None
                self._asked_ns = self._heard_ns = self.sent_ns = now_ns
                if sent != len(request):
                    return self._ended(self._upload(memoryview(request)[sent:], head_only))
            # The common way: all of an answer in one piece, with a head that came before. _receive does all others.
            waiting = getcurrent()
            if waiting is not self._greenlet:
                self._greenlet, self._resume = waiting, _bare_switch(waiting)
            readable = self._readable
            readable.callback = self._resume
            self._wait()
            readable.callback = self._idle
            if not self._posted:
                return self._ended(self._not_posted(head_only))
            try:
                data = self._recv(_RECEIVE_BYTES)
            except BlockingIOError:
                return self._ended(self._receive(head_only, None))
            except OSError as error:
                raise self._broken("read", error) from None
            self.done_ns = monotonic_ns()
            if data:
                self.first_byte_ns = self.done_ns
            # Heads of one server are mostly of one length: looking where the last one ended is quicker than searching.
            end = self._head_bytes
            head = data[:end]
            says = self._heads.get(head)
            if says is None:
                end = self._head_bytes = data.find(b"\r\n\r\n") + 4
                head = data[:end]
                says = self._heads.get(head)
            if says is None or len(data) - end != says.length or head_only:
                return self._ended(self._receive(head_only, data))
            self._asked_ns = 0
            self.used += 1
            return Response(says, head, data, end)
        except BaseException:
            if not self._posted and self._outbox is not None:
                self._outbox.take_back(self._post)
                self._posted = True
            self.close()
            raise

    def _on_post(self) -> None:
        """The outbox says: now."""
        request = self._request
        self.sent_ns = self._asked_ns = self._heard_ns = monotonic_ns()
        try:
            sent = self._send(request)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._send_error, sent = error, 0
        if sent == len(request):
            self._posted = True
        else:
            self._rest = memoryview(request)[sent:]
            self._resume()

    def _not_posted(self, head_only: bool) -> Response:
        """Woken with the request not sent, or not all of it."""
        rest, error = self._rest, self._send_error
        self._rest, self._send_error = memoryview(b""), None
        if error is not None:
            raise self._broken("send", error) from None
        if not rest:  # the server spoke or closed while the connection was idle
            self.unasked += self._has_spoken()
            raise ConnectionFailed("closed without an answer", stale=True)
        self._posted = True
        return self._upload(rest, head_only)

    def _has_spoken(self) -> bool:
        try:
            return bool(self._raw.recv(1))
        except OSError:
            return False

    def _ended(self, answer: Response) -> Response:
        self._asked_ns = 0
        self.used += 1
        if not answer.says.keep_alive:
            self.close()
        return answer

    def expire(self, now_ns: int) -> None:
        """Give up an answer that is overdue. Called from the hub, now and then."""
        if not self._asked_ns:
            return
        # What connecting took has a limit of its own.
        stalled = now_ns - max(self._heard_ns, self._opened_ns) > self._read_ns
        if stalled or now_ns - max(self._asked_ns, self._opened_ns) > self._answer_ns:
            doing = "send" if self._rest else "read" if stalled else "answer"
            self._asked_ns = 0
            self._greenlet.throw(ConnectionFailed(f"{doing}: timed out"))

    def _shake_hands(self, context: SSLContext, raw: Any) -> TlsStream:
        try:
            stream = TlsStream(context, self._server.host)
            with gevent.Timeout(self._connect_s, TimeoutError()):
                stream.shake_hands(self._socket, raw)
            return stream
        except BaseException as error:
            self._socket.close()
            if isinstance(error, TimeoutError):
                raise ConnectionFailed("connect: TLS handshake timed out") from None
            if isinstance(error, SSLEOFError):
                raise ConnectionFailed("connect: closed during the TLS handshake") from None
            if isinstance(error, OSError):
                raise ConnectionFailed(f"connect: {reason(error)}") from None
            raise

    def _upload(self, rest: memoryview, head_only: bool) -> Response:
        """Send the rest while the answer is waited for: it may come before all is sent (RFC 9112, 9.5)."""
        self._rest, self._send_error = rest, None
        writable = self._hub.loop.io(self._socket.fileno(), _WRITE)
        writable.start(self._on_writable, writable)
        try:
            answer = self._receive(head_only, None)
        except ConnectionFailed:
            if self._send_error is not None:
                raise self._broken("send", self._send_error) from None
            raise
        finally:
            writable.stop()
            writable.close()
            left, self._rest = len(self._rest), memoryview(b"")
        if left:
            answer.says.keep_alive = False  # the server would take what is missing for the next request
        return answer

    def _on_writable(self, writable: Any) -> None:
        try:
            self._rest = self._rest[self._raw.send(self._rest) :]
        except BlockingIOError:
            return
        except OSError as error:
            # What the server said before it closed is worth more than that it did.
            self._send_error = error
            writable.stop()
            return
        self._asked_ns = self._heard_ns = monotonic_ns()
        if not self._rest:
            writable.stop()

    def _receive(self, head_only: bool, data: bytes | None) -> Response:
        """The answer, of which `data` may have come already."""
        parser, readable = self._parser, self._readable
        parser.begin(head_only=head_only)
        self._greenlet = getcurrent()
        self._resume = _bare_switch(self._greenlet)
        in_one_piece = data is not None
        if data:
            self._heard_ns = self.done_ns
        while True:
            if data is None:
                readable.callback = self._resume
                self._wait()
                readable.callback = self._idle
                try:
                    data = self._recv(_RECEIVE_BYTES)
                except BlockingIOError:  # a part of a TLS record, or something that is not for us
                    continue
                except OSError as error:
                    raise self._broken("read", error) from None
                self._heard_ns = self.done_ns = monotonic_ns()
                if data and self.first_byte_ns < 0:
                    self.first_byte_ns = self.done_ns
            try:
                answer = parser.feed(data) if data else parser.end()
            except ProtocolError as error:
                stale = not data and self.first_byte_ns < 0 and self.used > 0
                raise ConnectionFailed(str(error), stale) from None
            if answer is not None:
                if in_one_piece and not head_only and answer.says.is_simple:
                    self._remember(answer.head, answer.says)
                return answer
            data, in_one_piece = None, False

    def _broken(self, doing: str, error: OSError) -> ConnectionFailed:
        stale = self.used > 0 and self.first_byte_ns < 0 and isinstance(error, ConnectionError | SSLEOFError)
        if isinstance(error, SSLEOFError):
            return ConnectionFailed("closed without an answer" if self.first_byte_ns < 0 else "answer cut off", stale)
        return ConnectionFailed(f"{doing}: {reason(error)}", stale)

    def _on_idle_readable(self) -> None:
        if not self.is_open or self._asked_ns:
            return
        try:
            data = self._raw.recv(1)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.unasked += bool(data)
        self.close()
