"""HTTP/1.1 answers, read incrementally: bytes in; an answer, "more is needed", or a ProtocolError out. No I/O.

Strict where leniency would let one answer be taken for another (RFC 9112): folded lines, bare LF, two lengths, a length
beside Transfer-Encoding, and bytes after the end of an answer are refused. What comes out does not depend on how the
bytes were cut into pieces, and a head or a body that drips costs no more than a few looks at each byte.
"""

from __future__ import annotations

import re

from edgebench.load.answer import Response
from edgebench.load.body import ChunkedBody, Limits, SizedBody, UnsizedBody
from edgebench.load.head import Head, HeadReader, ProtocolError

__all__ = ["AnswerParser", "Limits"]

_HEAD_END = b"\r\n\r\n"
_VERSION = b"HTTP/1."
_DEFAULT_LIMITS = Limits()
_BARE_LF = re.compile(rb"(?<!\r)\n")


class AnswerParser:
    """Reads answers one by one: `begin`, then `feed` until it returns a Response, or `end` when the server closes.

    After a Response or a ProtocolError, only `begin` makes sense.
    """

    __slots__ = ("_body", "_closing", "_head", "_head_only", "_interims", "_limits", "_partial", "_reader", "_says")

    def __init__(self, reader: HeadReader | None = None, limits: Limits = _DEFAULT_LIMITS) -> None:
        self._reader, self._limits = reader or HeadReader(), limits
        self._head = b""
        self._body: ChunkedBody | SizedBody | UnsizedBody
        self.begin()

    def begin(self, *, head_only: bool = False) -> None:
        """Expect a new answer; `head_only` for HEAD requests, whose answers have no body whatever they say."""
        self._head_only = head_only
        self._says: Head | None = None
        """Once the final answer's head is complete and its body is not; `_head` and `_body` are set with it."""
        self._partial: bytearray | None = None
        """The beginning of a head."""
        self._interims = 0
        self._closing = False
        """An interim answer said that the connection closes after the final one."""

    def feed(self, data: bytes) -> Response | None:
        """Take what was received; the answer once it is complete."""
        if self._says is not None:
            body = self._body.feed(data)
            return None if body is None else Response(self._says, self._head, body)
        if self._partial is not None:
            whole = self._with_partial(data)
            if whole is None:
                return None
            data = whole
        start, most = 0, self._limits.head_bytes
        while True:
            end = data.find(_HEAD_END, start) + 4
            if end < 4 or end - start > most:
                self._wait_for_head(bytearray(data[start:]), 0)
                return None
            head = data[start:end]
            says = self._reader.read(head)
            if says.status >= 200:
                return self._start_body(says, head, data, end)
            self._pass_interim(says)
            start = end

    @property
    def begun(self) -> Head | None:
        """Of an answer that is not complete, the head, if that is."""
        return self._says

    def end(self) -> Response:
        """The server closed the connection."""
        if self._says is not None:
            return Response(self._says, self._head, self._body.end())
        raise ProtocolError("answer cut off" if self._partial else "closed without an answer")

    def _start_body(self, says: Head, head: bytes, data: bytes, end: int) -> Response | None:
        """`end` is where in `data` the head has its end."""
        if self._closing:
            says.keep_alive = False
        if self._head_only or says.status == 204 or says.status == 304:
            size = 0
        elif says.chunked:
            size = -1
        else:
            size = says.length
            if size < 0:
                says.keep_alive = False
            elif size > self._limits.body_bytes:
                raise ProtocolError("body over the limit")
        if len(data) - end == size:
            return Response(says, head, data, end)
        self._says, self._head = says, head
        if size >= 0:
            self._body = SizedBody(size)
        else:
            self._body = ChunkedBody(self._limits) if says.chunked else UnsizedBody(self._limits)
        return self.feed(data[end:]) if len(data) > end else None

    def _pass_interim(self, says: Head) -> None:
        if says.status == 101:
            raise ProtocolError("switched protocols unasked")
        self._interims += 1
        if self._interims > self._limits.interim_answers:
            raise ProtocolError("interim answers over the limit")
        self._closing = self._closing or not says.keep_alive

    def _with_partial(self, data: bytes) -> bytes | None:
        """All since the head's beginning, if its end is there now."""
        partial = self._partial
        assert partial is not None
        looked_at = len(partial)
        partial += data
        if partial.find(_HEAD_END, max(0, looked_at - 3)) >= 0:
            return bytes(partial)
        self._wait_for_head(partial, looked_at)
        return None

    def _wait_for_head(self, partial: bytearray, looked_at: int) -> None:
        """Keep what there is of a head, and refuse what cannot become one: waiting for its end would take for ever."""
        most = self._limits.head_bytes
        if partial[:7] != _VERSION[: len(partial)]:
            raise ProtocolError("not an HTTP/1 answer")
        bare_lf = _BARE_LF.search(partial, looked_at, most)
        if bare_lf:
            self._reader.read(bytes(partial[: bare_lf.end()]) + _HEAD_END)  # for the error of the first bad line
        if len(partial) >= most:
            raise ProtocolError("head over the limit")
        self._partial = partial
