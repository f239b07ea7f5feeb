"""HTTP/1.1 answers, read incrementally: bytes in; an answer, "more is needed", or a ProtocolError out. No I/O.

Strict where leniency would let one answer be taken for another (RFC 9112): folded lines, bare LF, two lengths, a length
beside Transfer-Encoding, and bytes after the end of an answer are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgebench.load.answer import Answer
from edgebench.load.head import Head, HeadReader, ProtocolError

_HEAD_END = b"\r\n\r\n"
_VERSION = b"HTTP/1."
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n\0]*)?")
_MAX_CHUNK_LINE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    """The most one answer may hold."""

    head_bytes: int = 65_536
    body_bytes: int = 256 * 1024 * 1024


class AnswerParser:
    """Reads answers one by one: `begin`, then `feed` until it returns an Answer, or `end` when the server closes."""

    __slots__ = ("_body", "_decoder", "_got", "_head", "_head_only", "_limits", "_need", "_reader", "_says")

    def __init__(self, reader: HeadReader | None = None, limits: Limits = Limits()) -> None:
        self._reader, self._limits = reader or HeadReader(), limits
        self._body: list[bytes] = []
        self.begin()

    def begin(self, *, head_only: bool = False) -> None:
        """Expect a new answer; `head_only` for HEAD requests, whose answers have no body whatever they say."""
        self._head_only = head_only
        self._head = b""
        self._says: Head | None = None
        self._decoder: _ChunkDecoder | None = None
        self._need = 0
        """Bytes of the body; -1: up to the end of the connection, or chunked."""
        if self._body:
            self._body = []

    def feed(self, data: bytes) -> Answer | None:
        """Take what was received; the answer once it is complete."""
        if self._says is not None:
            return self._feed_body(self._says, data)
        if self._head:
            data = self._head + data
        end = data.find(_HEAD_END) + 4
        if end < 4:
            self._head = data
            if data[:7] != _VERSION[: len(data)]:
                raise ProtocolError("not an HTTP/1 answer")
            if len(data) > self._limits.head_bytes:
                raise ProtocolError("head over the limit")
            return None
        if end > self._limits.head_bytes:
            raise ProtocolError("head over the limit")
        self._head = head = data[:end]
        says = self._reader.read(head)
        if says.status < 200:
            if says.status == 101:
                raise ProtocolError("switched protocols unasked")
            self._head = b""
            return self.feed(data[end:]) if len(data) > end else None
        self._says = says
        return self._start_body(says, data, end)

    def end(self) -> Answer:
        """The server closed the connection."""
        if self._says is not None and self._need < 0 and self._decoder is None:
            return Answer(self._says, self._head, b"".join(self._body))
        if not self._head:
            raise ProtocolError("closed without an answer")
        raise ProtocolError("answer cut off")

    def _start_body(self, says: Head, data: bytes, end: int) -> Answer | None:
        if self._head_only or says.status == 204 or says.status == 304:
            self._need = 0
        elif says.chunked:
            self._decoder = _ChunkDecoder(self._limits)
            self._need = -1
        else:
            self._need = says.length
            if says.length < 0:
                says.keep_alive = False
            elif says.length > self._limits.body_bytes:
                raise ProtocolError("body over the limit")
        if len(data) == end + self._need and self._need >= 0:
            return Answer(says, self._head, data[end:])
        self._got = 0
        return self._feed_body(says, data[end:])

    def _feed_body(self, says: Head, data: bytes) -> Answer | None:
        if self._decoder is not None:
            body = self._decoder.feed(data)
            return None if body is None else Answer(says, self._head, body)
        self._body.append(data)
        self._got += len(data)
        if self._need < 0:
            if self._got > self._limits.body_bytes:
                raise ProtocolError("body over the limit")
            return None
        if self._got < self._need:
            return None
        if self._got > self._need:
            raise ProtocolError("bytes after the end of the answer")
        return Answer(says, self._head, b"".join(self._body))


class _ChunkDecoder:
    """A chunked body up to the end of its trailers."""

    __slots__ = ("_body_bytes", "_chunks", "_in_trailers", "_left", "_limits", "_pending", "_trailer_bytes")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pending = b""
        self._chunks: list[bytes] = []
        self._left = 0
        """Bytes of the current chunk still to come, its CRLF included; 0: a size line is due."""
        self._body_bytes = 0
        self._in_trailers = False
        self._trailer_bytes = 0

    def feed(self, data: bytes) -> bytes | None:
        data = self._pending + data
        at = 0
        while at < len(data):
            if self._left:
                taken = self._take_data(data, at)
                if taken == 0:
                    break
                at += taken
                continue
            line_end = data.find(b"\r\n", at)
            if (line_end if line_end >= 0 else len(data)) - at > _MAX_CHUNK_LINE_BYTES:
                raise ProtocolError("chunk line over the limit")
            if line_end < 0:
                break
            line, at = data[at:line_end], line_end + 2
            if self._take_line(line):
                if at < len(data):
                    raise ProtocolError("bytes after the end of the answer")
                return b"".join(self._chunks)
        self._pending = data[at:]
        return None

    def _take_data(self, data: bytes, at: int) -> int:
        """How many bytes were used; 0: the CRLF after the chunk is not complete yet."""
        if self._left > 2:
            piece = data[at : at + self._left - 2]
            self._chunks.append(piece)
            self._left -= len(piece)
            return len(piece)
        if len(data) - at < 2:
            return 0
        if data[at : at + 2] != b"\r\n":
            raise ProtocolError("malformed chunk")
        self._left = 0
        return 2

    def _take_line(self, line: bytes) -> bool:
        """A size line or a trailer line; true at the end of the body."""
        if self._in_trailers:
            self._trailer_bytes += len(line) + 2
            if self._trailer_bytes > self._limits.head_bytes:
                raise ProtocolError("trailers over the limit")
            return not line
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            raise ProtocolError("malformed chunk")
        size = int(match[1], 16)
        self._body_bytes += size
        if self._body_bytes > self._limits.body_bytes:
            raise ProtocolError("body over the limit")
        self._in_trailers = size == 0
        self._left = size + 2 if size else 0
        return False
