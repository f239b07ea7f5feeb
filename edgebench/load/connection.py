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
from edgebench.load.connecting import connected
from edgebench.load.failures import ConnectionFailed
from edgebench.load.head import HeadReader, ProtocolError
from edgebench.load.http1 import AnswerParser
from edgebench.load.request import Server
from edgebench.load.tls import TlsStream, reason
from edgebench.load.turn import Turn

_READ, _WRITE = 1, 2
_RECEIVE_BYTES = 65_536
TOGETHER_BYTES = 16_384
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
        "_answer_ns", "_connect_s", "_context", "_hub", "_opened_ns", "_parser", "_posts", "_raw", "_read_ns",
        "_readable", "_recv", "_remember", "_rest", "_send_error", "_server", "_socket", "asked_ns", "awaiting",
        "data", "done_ns", "error", "first_byte_ns", "greenlet", "head_bytes", "heads", "heard_ns", "is_open",
        "is_prompt", "port", "posted", "request", "send", "sent_ns", "turn", "unasked", "used", "wait", "wake",
    )  # fmt: skip

    def __init__(
        self,
        server: Server,
        timeouts: Timeouts,
        reader: HeadReader,
        turn: Turn,
        context: SSLContext | None = None,
    ) -> None:
        """Where the turn posts, requests on a connection that has brought an answer go when it says; else at once."""
        self._server, self._connect_s, self._context = server, timeouts.connect_s, context
        self.turn, self._posts = turn, turn.posts
        self._read_ns, self._answer_ns = int(timeouts.read_s * 1e9), int(timeouts.answer_s * 1e9)
        self._hub = get_hub()
        self._parser = AnswerParser(reader)
        self._socket: Any = None
        self._raw: Any = None
        """What sends and receives without waiting: the bare socket, or the TlsStream over it."""
        self._readable: Any = None
        self.send: Callable[[bytes], int]
        self._recv: Callable[[int], bytes]
        self.wait = _bare_switch(self._hub)
        self.heads = reader.heads
        self._remember = reader.remember
        self.head_bytes = 0
        """Of the last answer."""
        self.greenlet: Any = None
        """That waits for the answer, and `wake` its switch."""
        self.wake: Callable[[], object]
        self.awaiting = False
        """Whether it waits: for `data`, or for `error`."""
        self.data = b""
        self.error: OSError | None = None
        self.asked_ns = self.heard_ns = 0
        """While an answer is waited for: since when, and when the server last took or gave a byte. Else 0."""
        self._opened_ns = 0
        self._rest = memoryview(b"")
        """Of a request that did not go at once."""
        self._send_error: OSError | None = None
        self.request = b""
        """To be posted, until `posted` is true."""
        self.posted = True
        self.is_prompt = False
        """Whether requests are posted: the turn posts, and the connection has brought an answer and is open."""
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
            self._socket = connected(server.host, server.port, self._connect_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except TimeoutError:
            raise ConnectionFailed("connect: timed out") from None
        except OSError as error:
            raise ConnectionFailed(f"connect: {reason(error)}") from None
        raw = self._socket._sock
        self.port = raw.getsockname()[1]
        self._raw = raw if self._context is None else self._shake_hands(self._context, raw)
        self.send, self._recv = self._raw.send, self._raw.recv
        raw.setblocking(False)
        self._readable = self._hub.loop.io(raw.fileno(), _READ)
        self._readable.start(self._on_readable)
        self._opened_ns = monotonic_ns()
        self.is_open = True

    def close(self) -> None:
        if self.is_open:
            self.is_open = self.is_prompt = self.awaiting = False
            self.used = self.asked_ns = 0
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
            if self.is_prompt and len(request) <= TOGETHER_BYTES:
                self.request, self.posted = request, False
                self.turn.post(self)
            else:
                try:
                    sent = self.send(request)
                except BlockingIOError:
                    sent = 0
                except OSError as error:
                    raise self._broken("send", error) from None
                self.asked_ns = self.heard_ns = self.sent_ns = now_ns
                if sent != len(request):
                    return self._ended(self._upload(memoryview(request)[sent:], head_only))
            waiting = getcurrent()
            if waiting is not self.greenlet:
                self.greenlet, self.wake = waiting, _bare_switch(waiting)
            self.awaiting = True
            self.wait()
        except BaseException:
            self.abandon()
            raise
        return self.finish(head_only)

    def finish(self, head_only: bool = False) -> Response:
        """The answer that was waited for, some or all of which has come."""
        self.awaiting = False
        try:
            if not self.posted:
                return self._ended(self._not_posted(head_only))
            if self.error is not None:
                raise self._receive_failed()
            data = self.data
            if data:
                self.first_byte_ns = self.done_ns
            # The common way: all of an answer in one piece, with a head that came before. _receive does all others.
            # Heads of one server are mostly of one length: looking where the last one ended is quicker than searching.
            end = self.head_bytes
            head = data[:end]
            says = self.heads.get(head)
            if says is None:
                end = self.head_bytes = data.find(b"\r\n\r\n") + 4
                head = data[:end]
                says = self.heads.get(head)
            if says is None or len(data) - end != says.length or head_only:
                return self._ended(self._receive(head_only, data))
            self.asked_ns = 0
            self.used += 1
            self.is_prompt = self._posts
            return Response(says, head, data, end)
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Give up the exchange, and the connection with it."""
        if not self.posted:
            self.turn.take_back(self)
            self.posted = True
        self.close()

    def send_failed(self, error: OSError) -> None:
        """For the turn: the request could not be sent."""
        if isinstance(error, BlockingIOError):
            self.send_stopped(0)
            return
        self._send_error = error
        self.wake()

    def send_stopped(self, sent: int) -> None:
        """For the turn: only so many bytes of the request went at once."""
        self._rest = memoryview(self.request)[sent:]
        self.wake()

    def _not_posted(self, head_only: bool) -> Response:
        """Woken with the request not sent, or not all of it."""
        rest, error = self._rest, self._send_error
        self._rest, self._send_error = memoryview(b""), None
        if error is not None:
            raise self._broken("send", error) from None
        if not rest:  # the server spoke or closed while the connection was idle
            self.unasked += bool(self.data)
            raise ConnectionFailed("closed without an answer", stale=True)
        self.posted = True
        return self._upload(rest, head_only)

    def _ended(self, answer: Response) -> Response:
        self.asked_ns = 0
        self.used += 1
        self.is_prompt = self._posts
        if not answer.says.keep_alive:
            self.close()
        return answer

    def expire(self, now_ns: int) -> None:
        """Give up an answer that is overdue. Called from the hub, now and then."""
        if not self.asked_ns:
            return
        # What connecting took has a limit of its own.
        stalled = now_ns - max(self.heard_ns, self._opened_ns) > self._read_ns
        if stalled or now_ns - max(self.asked_ns, self._opened_ns) > self._answer_ns:
            doing = "send" if self._rest else "read" if stalled else "answer"
            self.asked_ns = 0
            self.greenlet.throw(ConnectionFailed(f"{doing}: timed out"))

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
        self.asked_ns = self.heard_ns = monotonic_ns()
        if not self._rest:
            writable.stop()

    def _receive(self, head_only: bool, data: bytes | None) -> Response:
        """The answer, of which `data` may have come already."""
        parser = self._parser
        parser.begin(head_only=head_only)
        self.greenlet = getcurrent()
        self.wake = _bare_switch(self.greenlet)
        in_one_piece = data is not None
        if data:
            self.heard_ns = self.done_ns
        while True:
            if data is None:
                self.awaiting = True
                self.wait()
                self.awaiting = False
                if self.error is not None:
                    raise self._receive_failed()
                data, self.heard_ns = self.data, self.done_ns
                if data and self.first_byte_ns < 0:
                    self.first_byte_ns = self.done_ns
            try:
                answer = parser.feed(data) if data else parser.end()
            except ProtocolError as error:
                stale = not data and self.first_byte_ns < 0 and self.used > 0
                seq = -1 if parser.begun is None else parser.begun.stamp[0]
                raise ConnectionFailed(str(error), stale, seq) from None
            if answer is not None:
                if in_one_piece and not head_only and answer.says.is_simple:
                    self._remember(answer.head, answer.says)
                return answer
            data, in_one_piece = None, False

    def _receive_failed(self) -> ConnectionFailed:
        error, self.error = self.error, None
        assert error is not None
        return self._broken("read", error)

    def _broken(self, doing: str, error: OSError) -> ConnectionFailed:
        stale = self.used > 0 and self.first_byte_ns < 0 and isinstance(error, ConnectionError | SSLEOFError)
        if isinstance(error, SSLEOFError):
            return ConnectionFailed("closed without an answer" if self.first_byte_ns < 0 else "answer cut off", stale)
        return ConnectionFailed(f"{doing}: {reason(error)}", stale)

    def _on_readable(self) -> None:
        """Receive; whoever waits runs later in this turn. What nobody waits for closes the connection."""
        awaiting = self.awaiting
        try:
            self.data = data = self._recv(_RECEIVE_BYTES if awaiting else 1)
        except BlockingIOError:  # a part of a TLS record, or something that is not for us
            return
        except OSError as error:
            self.error, self.data, data = error, b"", b""
        if awaiting:
            self.done_ns = monotonic_ns()
            self.turn.resume(self)
        else:
            self.error = None
            self.unasked += bool(data)
            self.close()
