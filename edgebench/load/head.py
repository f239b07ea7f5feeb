"""The head of an answer: checked line by line, and read for what a cache benchmark wants to know. Pure.

Servers send the same header lines again and again, so each distinct line is checked and understood once and then looked
up: a head of eleven lines costs a microsecond instead of six.
"""

from __future__ import annotations

import re
from typing import Any

from edgebench.errors import EdgebenchError
from edgebench.load.cache_status.recorded import CLAIM_HEADERS, OLD, reduced

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_TEXT = rb"[\t -~\x80-\xff]*+"
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: %b)?" % _TEXT)
FIELD_LINE = re.compile(rb"(%b):(%b)" % (TOKEN, _TEXT))
"""A header or trailer line without its CRLF: name and value. No control characters (RFC 9110, 5.5), no folding."""

_STAMP = re.compile(rb"seq=([0-9]{1,18});t=([0-9]{1,18})")
_LENGTH, _CODING, _CLOSE, _KEEP_ALIVE, _AGE, _ORIGIN, _CLAIM, _ENCODING, _LANGUAGE = range(9)
_MAX_CLAIM_CHARS = 512
_MAX_VARIANT_CHARS = 64
"""Of a Content-Encoding or Content-Language: what is longer is cut."""
_MAX_KNOWN = 20_000
_MAX_HEADS = 4096
_MAX_KNOWN_STATUS_LINES = 1000
_MAX_KNOWN_BYTES = 256
NO_STAMP = (-1, -1)


class ProtocolError(EdgebenchError):
    """The server's bytes are not an HTTP/1.1 answer we accept. The message is short and has no bytes of theirs."""


class Head:
    """What a head says."""

    __slots__ = (
        "age_s",
        "chunked",
        "claim",
        "digest_due",
        "digested",
        "encoding",
        "good",
        "keep_alive",
        "language",
        "length",
        "packed",
        "reused",
        "stamp",
        "status",
    )

    def __init__(self, status: int, keep_alive: bool) -> None:
        self.status = status
        self.good = 0 < status < 400
        """What Locust's table counts as no failure."""
        self.keep_alive = keep_alive
        self.length = -1
        """Content-Length; -1: none."""
        self.chunked = False
        self.claim: str | None = None
        """What caches say they did: lines for cache_status.classify_recorded, each `name: value`; None: nothing."""
        self.age_s = -1
        """-1: no Age header, or it is not a number."""
        self.stamp = NO_STAMP
        """(sequence number, monotonic ns) of the origin's response these bytes are from."""
        self.encoding = self.language = ""
        """Content-Encoding and Content-Language, as they came; empty: none."""
        self.packed: bytes | None = None
        """Stamp, claim, age, encoding and language as the recorder packs them; None: not done yet."""
        self.reused = False
        """Whether the claim says that the answer came from a store; set with `packed`."""
        self.digest_due = False
        """Whether the body's digest belongs in the sample of a plain GET; set with `packed`."""
        self.digested: bytes | None = None
        """The bytes that came with this head when the digest in `packed` was taken. Comparing costs a tenth."""

    @property
    def is_simple(self) -> bool:
        """Whether an answer to a GET with this head is it and `length` bytes, with the connection left open."""
        return self.length >= 0 and self.keep_alive and not self.chunked and self.status not in (204, 304)


class HeadReader:
    """Reads heads, remembering the lines it has seen. One for all connections of a process."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[int, Any] | tuple[()]] = {}
        self._status_lines: dict[bytes, tuple[int, bool]] = {}
        self.heads: dict[bytes, Head] = {}
        """Simple heads seen of late, whole: within a second, a server sends the same ones again and again."""

    def remember(self, head: bytes, says: Head) -> None:
        """Keep a simple head for looking it up in `heads`."""
        if len(self.heads) >= _MAX_HEADS:
            self.heads.clear()
        self.heads[head] = says

    def read(self, head: bytes) -> Head:
        """`head` ends with the empty line. Raises ProtocolError."""
        lines = head[:-4].split(b"\r\n")
        status, http_1_1 = self._status_lines.get(lines[0]) or self._learn_status_line(lines[0])
        known = self._known
        result = Head(status, http_1_1)
        close = False
        for line in lines[1:]:
            try:
                field = known[line]
            except KeyError:
                field = self._learn(line)
            if not field:
                continue
            kind, value = field
            if kind == _LENGTH:
                if result.length >= 0:
                    raise ProtocolError("ambiguous length: several Content-Length")
                result.length = value
            elif kind == _CLAIM:
                before = result.claim
                if before is None:
                    result.claim = value
                elif len(before) < _MAX_CLAIM_CHARS:
                    result.claim = f"{before}\n{value}"
            elif kind == _ORIGIN:
                result.stamp = value
            elif kind == _AGE:
                result.age_s = value
            elif kind == _KEEP_ALIVE:
                result.keep_alive = True
            elif kind == _CLOSE:
                close = True
            elif kind == _ENCODING:
                result.encoding = _with(result.encoding, value)
            elif kind == _LANGUAGE:
                result.language = _with(result.language, value)
            elif result.chunked:
                raise ProtocolError("transfer coding other than chunked")
            else:
                result.chunked = True
        if close:
            result.keep_alive = False
        if result.chunked and (result.length >= 0 or not http_1_1):
            raise ProtocolError("ambiguous length: Transfer-Encoding beside another length or in HTTP/1.0")
        if result.claim is None and result.age_s > 0:
            result.claim = OLD
        return result

    def _learn_status_line(self, line: bytes) -> tuple[int, bool]:
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise ProtocolError("malformed head" if line[:7] == b"HTTP/1." else "not an HTTP/1 answer")
        known = int(match[2]), match[1] == b"1"
        if len(line) <= _MAX_KNOWN_BYTES:
            if len(self._status_lines) >= _MAX_KNOWN_STATUS_LINES:
                self._status_lines.clear()
            self._status_lines[line] = known
        return known

    def _learn(self, line: bytes) -> tuple[int, Any] | tuple[()]:
        match = FIELD_LINE.fullmatch(line)
        if match is None:
            raise ProtocolError("malformed head")
        field = _understood(match[1].decode("ascii").lower(), match[2].strip(b" \t"))
        if len(line) <= _MAX_KNOWN_BYTES:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[line] = field
        return field


def _with(before: str, value: str) -> str:
    """Several lines of a field are one list (RFC 9110, 5.3)."""
    return (f"{before}, {value}" if before else value)[:_MAX_VARIANT_CHARS]


def _understood(name: str, value: bytes) -> tuple[int, Any] | tuple[()]:
    """(kind, value) of a field that matters; empty for all others."""
    if name in CLAIM_HEADERS:
        claim = reduced(name, value.decode("latin-1"))
        return (_CLAIM, claim) if claim is not None else ()
    if name == "content-length":
        if not value.isdigit() or len(value) > 18:
            raise ProtocolError("malformed Content-Length")
        return _LENGTH, int(value)
    if name == "transfer-encoding":
        if value.lower() != b"chunked":
            raise ProtocolError("transfer coding other than chunked")
        return _CODING, True
    if name == "connection":
        options = {option.strip(b" \t") for option in value.lower().split(b",")}
        return (_CLOSE, True) if b"close" in options else (_KEEP_ALIVE, True) if b"keep-alive" in options else ()
    if name == "age" and value.isdigit() and len(value) <= 18:
        return _AGE, min(int(value), 2**31 - 1)
    if name == "edgebench-origin":
        stamp = _STAMP.fullmatch(value)
        return _ORIGIN, (int(stamp[1]), int(stamp[2])) if stamp else NO_STAMP
    if name == "content-encoding":
        return _ENCODING, value.decode("latin-1")
    if name == "content-language":
        return _LANGUAGE, value.decode("latin-1")
    return ()
