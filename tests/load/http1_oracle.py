"""What llhttp (Node's parser, through httptools) makes of the bytes of an answer: the second opinion on our parser."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import httptools


@dataclass(frozen=True, slots=True)
class Reading:
    """A final answer as a parser read it. Header names in lower case, several lines of one name joined, sorted."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    keep_alive: bool


@dataclass(frozen=True, slots=True)
class SeenHead:
    """One head, an interim answer's or the final one's, as llhttp gave it out."""

    version: str
    status: int
    reason: bytes
    fields: tuple[tuple[bytes, bytes], ...]

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key.lower() == name]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A reading and how many bytes it and the interim answers before it took; or a refusal."""

    reading: Reading | None
    refusal: str
    end: int
    heads: tuple[SeenHead, ...]
    trailers: tuple[tuple[bytes, bytes], ...]


def llhttp(data: bytes, *, head_only: bool = False) -> Verdict:
    """`data` up to the end of the first final answer, the connection closed after its last byte.

    Fed byte by byte: so it is known where llhttp sees an end. httptools cannot tell llhttp that an answer is one to
    HEAD; such a head is read a second time with the status 304, which has no body either.
    """
    verdict = _fed(_Protocol(stop_at_head=head_only), data)
    if not head_only or verdict.reading is None:
        return verdict
    status = b" %d" % verdict.reading.status
    start = data.rindex(b"\r\n\r\n", 0, verdict.end - 4) if len(verdict.heads) > 1 else 0
    at = data.index(status, start)
    again = _fed(_Protocol(), data[start:at] + b" 304" + data[at + 4 : verdict.end]).reading
    assert again is not None and again.status == 304
    reading = Reading(verdict.reading.status, again.headers, b"", again.keep_alive)
    return Verdict(reading, "", verdict.end, verdict.heads, ())


def joined(fields: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    """Header lines as a Reading has them."""
    values: dict[str, list[str]] = {}
    for name, value in fields:
        values.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1").strip(" \t"))
    return tuple(sorted((name, ", ".join(lines)) for name, lines in values.items()))


def _fed(protocol: _Protocol, data: bytes) -> Verdict:
    feed = protocol.parser.feed_data
    for at in range(len(data)):
        try:
            feed(data[at : at + 1])
        except httptools.HttpParserUpgrade:
            return protocol.verdict(at, "Upgrade")
        except httptools.HttpParserError as error:
            return protocol.verdict(at, str(error) or type(error).__name__)
        if protocol.complete:
            return protocol.verdict(at + 1)
    return protocol.verdict(len(data), "" if protocol.until_close else "cut off")


class _Protocol:
    """httptools' callbacks: keeps the heads, and what belongs to the answer that began last."""

    def __init__(self, stop_at_head: bool = False) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.complete = self.until_close = False
        self._stop_at_head = stop_at_head
        self._heads: list[SeenHead] = []
        self.on_message_begin()

    def on_message_begin(self) -> None:
        self._has_head = self._keep_alive = False
        self._reason = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._trailers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        (self._trailers if self._has_head else self._fields).append((name, value))

    def on_headers_complete(self) -> None:
        self._has_head = True
        parser = self.parser
        head = SeenHead(parser.get_http_version(), parser.get_status_code(), self._reason, tuple(self._fields))
        self._heads.append(head)
        if head.status < 200:
            return
        self.complete = self._stop_at_head
        # As llhttp has it: a space may follow "chunked", a tab may not; another last coding is read to the end.
        codings = b",".join(value.lower() for value in head.values(b"transfer-encoding"))
        chunked = codings.rpartition(b",")[2].lstrip(b" \t").rstrip(b" ") == b"chunked"
        self.until_close = not chunked and not head.values(b"content-length")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._heads[-1].status >= 200:
            self.complete = True
            self._keep_alive = self.parser.should_keep_alive()

    def verdict(self, end: int, refusal: str = "") -> Verdict:
        reading = None
        if not refusal:
            final = self._heads[-1]
            reading = Reading(final.status, joined(final.fields), bytes(self._body), self._keep_alive)
        return Verdict(reading, refusal, end, tuple(self._heads), tuple(self._trailers))
