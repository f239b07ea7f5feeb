"""Bodies in pieces, one class for each way to say where a body ends (RFC 9112, 6.3): `feed` until the body comes out.

Memory is bounded by the body limit, however small the pieces and whatever surrounds them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Never

from edgebench.load.head import FIELD_LINE, TOKEN, ProtocolError

_QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*+"'
_EXTENSION = rb"[ \t]*+;[ \t]*+%b(?:[ \t]*+=[ \t]*+(?:%b|%b))?+" % (TOKEN, TOKEN, _QUOTED)
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15}+)(?:%b)*+\r\n" % _EXTENSION)
_MAX_LINE_BYTES = 4096
_SMALL_BYTES = 512


@dataclass(frozen=True, slots=True)
class Limits:
    """The most one answer may hold. How long it may take is the connection's to limit."""

    head_bytes: int = 65_536
    """Of each head, of all trailers together, and of all chunk extensions together."""
    body_bytes: int = 256 * 1024 * 1024
    interim_answers: int = 32
    """Answers 1xx before the final one."""


class _Pieces:
    """Bytes put together once, at the end. Small ones are merged at once: a bytes object costs 33 bytes more."""

    __slots__ = ("_large", "_small")

    def __init__(self) -> None:
        self._large: list[bytes] = []
        self._small: bytearray | None = None
        """What comes after the large ones."""

    def add(self, piece: bytes) -> None:
        small = self._small
        if len(piece) < _SMALL_BYTES:
            if small is None:
                self._small = bytearray(piece)
            else:
                small += piece
            return
        if small is not None:
            self._large.append(bytes(small))
            self._small = None
        self._large.append(piece)

    def joined(self) -> bytes:
        if self._small is not None:
            self._large.append(bytes(self._small))
        return b"".join(self._large)


class SizedBody:
    """A body of a known number of bytes."""

    __slots__ = ("_left", "_pieces")

    def __init__(self, size: int) -> None:
        self._left = size
        self._pieces: _Pieces | None = None

    def feed(self, data: bytes) -> bytes | None:
        """The whole body once it is complete."""
        self._left = left = self._left - len(data)
        if left < 0:
            raise ProtocolError("bytes after the end of the answer")
        if self._pieces is None:
            if not left:
                return data
            self._pieces = _Pieces()
        self._pieces.add(data)
        return None if left else self._pieces.joined()

    def end(self) -> Never:
        raise ProtocolError("answer cut off")


class UnsizedBody:
    """A body that ends with the connection."""

    __slots__ = ("_left", "_pieces")

    def __init__(self, limits: Limits) -> None:
        self._left = limits.body_bytes
        self._pieces = _Pieces()

    def feed(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise ProtocolError("body over the limit")
        self._pieces.add(data)

    def end(self) -> bytes:
        return self._pieces.joined()


class ChunkedBody:
    """A body in chunks (RFC 9112, 7.1) up to the end of its trailers, which are checked and dropped."""

    __slots__ = ("_data_left", "_extensions_left", "_in_trailers", "_left", "_pending", "_pieces", "_trailers_left")

    def __init__(self, limits: Limits) -> None:
        self._left = limits.body_bytes
        self._extensions_left = self._trailers_left = limits.head_bytes
        self._pieces = _Pieces()
        self._pending = b""
        """The beginning of a line, or of the CRLF after a chunk."""
        self._data_left = 0
        """Bytes of the current chunk still to come, its CRLF included; 0: a line is due."""
        self._in_trailers = False

    def feed(self, data: bytes) -> bytes | None:
        """The whole body once it is complete."""
        data = self._pending + data
        at, size, left = 0, len(data), self._data_left
        while at < size:
            if left:
                if left > 2:
                    piece = data[at : at + left - 2]
                    self._pieces.add(piece)
                    at += len(piece)
                    left -= len(piece)
                if left > 2 or size - at < 2:
                    break
                if data[at : at + 2] != b"\r\n":
                    raise ProtocolError("malformed chunk")
                at += 2
                left = 0
                continue
            line_end = data.find(b"\n", at, at + _MAX_LINE_BYTES) + 1
            if not line_end:
                if size - at >= _MAX_LINE_BYTES:
                    raise ProtocolError("chunk line over the limit")
                break
            line, at = data[at:line_end], line_end
            if not self._in_trailers:
                left = self._take_size(line)
            elif self._take_trailer(line):
                if at < size:
                    raise ProtocolError("bytes after the end of the answer")
                return self._pieces.joined()
        self._data_left = left
        self._pending = data[at:]
        return None

    def end(self) -> Never:
        raise ProtocolError("answer cut off")

    def _take_size(self, line: bytes) -> int:
        """The bytes of the chunk that follows this line, its CRLF included; 0: the last chunk, trailers follow."""
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            raise ProtocolError("malformed chunk")
        size = int(match[1], 16)
        if not size:
            self._in_trailers = True
        self._left -= size
        if self._left < 0:
            raise ProtocolError("body over the limit")
        self._extensions_left -= len(line) - match.end(1) - 2
        if self._extensions_left < 0:
            raise ProtocolError("chunk extensions over the limit")
        return size + 2 if size else 0

    def _take_trailer(self, line: bytes) -> bool:
        """True at the end of the trailers."""
        if line == b"\r\n":
            return True
        if line[-2:] != b"\r\n" or FIELD_LINE.fullmatch(line, 0, len(line) - 2) is None:
            raise ProtocolError("malformed trailer")
        self._trailers_left -= len(line)
        if self._trailers_left < 0:
            raise ProtocolError("trailers over the limit")
        return False
