"""A WSGI wrapper that witnesses every response of an app: a stamp on the answer, a row in the ledger.

The app is neither changed nor told. The stamp `Edgebench-Origin: seq=7;t=123` travels with the answer through any
cache: whoever gets it knows which response of the origin the bytes are from (`seq`) and when it was produced (`t`,
nanoseconds of CLOCK_MONOTONIC).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from time import monotonic_ns
from typing import Any, Protocol

from edgebench.model import DIGEST_EVERY
from edgebench.origin.digest import BODILESS, SMALL_DIGITS, digested
from edgebench.origin.freshness import with_ttl
from edgebench.origin.ledger import Record
from edgebench.principal import principal_of

Environ = dict[str, Any]
App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

STAMP = "Edgebench-Origin"
PROBE_PATH = "/__edgebench__/"
"""The harness's own questions (is it up?) are answered here, never seen by the app and never in the ledger."""


def principal(environ: Environ) -> str:
    """Whom the answer is for: a hash of the Authorization header or the session cookie; empty for anonymous."""
    return principal_of(environ.get("HTTP_AUTHORIZATION", ""), environ.get("HTTP_COOKIE", ""))


def request_target(environ: Environ) -> str:
    """Path and query exactly as they were asked for: the key by which caches store."""
    target: str = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    if not target:
        query = environ.get("QUERY_STRING", "")
        target = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "") + (f"?{query}" if query else "")
    return target


_WRITTEN = ("Content-Length", "ETag", "Cache-Control", "Vary", "Content-Encoding", "Content-Language")
_AS_WRITTEN = {name.lower(): name for name in _WRITTEN}
_OTHERWISE = frozenset(spelt for name in _WRITTEN for spelt in (name.lower(), name.upper(), name.title())) - {*_WRITTEN}
"""How else people write them."""
_NOTHING: dict[str, str] = {}


def _canonical(fields: dict[str, str]) -> dict[str, str]:
    """The headers by name, those we read in the spelling we know: names have no case."""
    return {_AS_WRITTEN.get(name.lower(), name): value for name, value in fields.items()}


class Book(Protocol):
    """Where rows go: the ledger, or what stands before it."""

    next_seq: Callable[[], int]

    def append(self, record: Record) -> None: ...


class Witness:
    """The wrapped app.

    rewrite_ttl_s: if given, the lifetime in the app's own public Cache-Control is replaced by it, for an app that
    cannot be told its TTL.

    Every microsecond here is the app's, and it has some hundred of them for a request. So the common way, a small body
    of known length, is short and flat, and what can be worked out from a record later (rows.py) is left for later.
    """

    def __init__(self, app: App, ledger: Book, rewrite_ttl_s: int | None = None) -> None:
        self._app = app
        self._ledger = ledger
        self._rewrite_ttl_s = rewrite_ttl_s

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith(PROBE_PATH):
            start_response("204 No Content", [("Cache-Control", "no-store")])
            return []
        start_ns = monotonic_ns()
        seq = self._ledger.next_seq()
        status, fields = "", _NOTHING
        digest = None

        def stamped(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            nonlocal status, fields
            status, fields = line, dict(headers)
            headers.append((STAMP, f"seq={seq};t={monotonic_ns()}"))
            if exc_info is not None:
                return start_response(line, headers, exc_info)
            return start_response(line, headers)

        start = stamped if self._rewrite_ttl_s is None else rewriting(stamped, self._rewrite_ttl_s)
        try:
            body = self._app(environ, start)
            if seq % DIGEST_EVERY == 0:
                body, digest = digested(body, environ, status, fields)
        except BaseException:
            # What the server will answer in the app's stead.
            self._ledger.append(as_record(seq, start_ns, environ, "500", fields, 0, False))
            raise
        if not _OTHERWISE.isdisjoint(fields):
            fields = _canonical(fields)
        field = fields.get
        length = field("Content-Length", "")
        if 0 < len(length) <= SMALL_DIGITS and status[:3] not in BODILESS:
            # The common way. What as_record does, once more: each function called costs the app a microsecond.
            authorized = "HTTP_AUTHORIZATION" in environ
            self._ledger.append((
                seq, start_ns, monotonic_ns(), environ["REQUEST_METHOD"],
                environ.get("RAW_URI") or request_target(environ), status, int(length),
                "HTTP_IF_NONE_MATCH" in environ or "HTTP_IF_MODIFIED_SINCE" in environ, authorized,
                principal(environ) if authorized or "HTTP_COOKIE" in environ else "",
                field("ETag", ""), field("Cache-Control", ""), field("Vary", ""), field("Content-Encoding", ""),
                field("Content-Language", ""), digest, "", True,
            ))  # fmt: skip
            return body
        # An app may start its response only when the body is asked for: what it says of it is looked up late.
        watched = _Body(body, self._ledger, partial(as_record, seq, start_ns, environ), lambda: (status, fields))
        return watched.unless_it_is_over(environ)


def rewriting(start_response: Callable[..., Any], ttl_s: int) -> Callable[..., Any]:
    def rewritten(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        headers[:] = [
            (name, with_ttl(value, ttl_s) if name.lower() == "cache-control" else value) for name, value in headers
        ]
        return start_response(status, headers, exc_info)

    return rewritten


def _length(status: str, fields: dict[str, str]) -> int:
    """Bytes of body to expect; -1: not known before the end."""
    length = fields.get("Content-Length")
    if length is None:
        length = _canonical(fields).get("Content-Length", "-1")
    return 0 if status[:3] in BODILESS else int(length)


def as_record(
    seq: int, start_ns: int, environ: Environ, status: str, fields: dict[str, str], sent: int, complete: bool,
    fault: str = "",
) -> Record:  # fmt: skip
    if "Content-Length" not in fields:  # the spelling of an app that writes its headers in another case
        fields = _canonical(fields)
    field = fields.get
    authorized = "HTTP_AUTHORIZATION" in environ
    return (
        seq, start_ns, monotonic_ns(), environ["REQUEST_METHOD"], environ.get("RAW_URI") or request_target(environ),
        status, sent, "HTTP_IF_NONE_MATCH" in environ or "HTTP_IF_MODIFIED_SINCE" in environ, authorized,
        principal(environ) if authorized or "HTTP_COOKIE" in environ else "",
        field("ETag", ""), field("Cache-Control", ""), field("Vary", ""), field("Content-Encoding", ""),
        field("Content-Language", ""), None, fault, complete,
    )  # fmt: skip


class _Body:
    """A body that is long, or of unknown length; its record is written just before its last piece is handed over.

    record(status, fields, sent, complete): what goes into the ledger. said(): status and fields, once there are any.
    """

    __slots__ = ("_expected", "_ledger", "_next", "_record", "_said", "_sent", "_source", "_written")

    def __init__(
        self,
        source: Iterable[bytes],
        ledger: Book,
        record: Callable[[str, dict[str, str], int, bool], Record],
        said: Callable[[], tuple[str, dict[str, str]]],
    ) -> None:
        self._source, self._ledger, self._record, self._said = source, ledger, record, said
        self._next: Callable[[], bytes] | None = None
        self._expected = -1
        self._sent = 0
        self._written = False

    def unless_it_is_over(self, environ: Environ) -> Iterable[bytes]:
        """The app's own body, its record written, where there is nothing to watch."""
        expected = _length(*self._said())
        if expected == 0 or type(self._source) is environ.get("wsgi.file_wrapper"):
            # A file is handed through as it is, whatever its length, or the server could not use sendfile.
            self._sent = max(expected, 0)
            self._end(True)
            return self._source
        return self

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            if self._next is None:
                self._next = iter(self._source).__next__
                chunk = self._next()
                self._expected = _length(*self._said())
            else:
                chunk = self._next()
        except StopIteration:
            self._end(True)
            raise
        self._sent += len(chunk)
        if 0 <= self._expected <= self._sent:
            self._end(True)
        return chunk

    def close(self) -> None:
        # A body that was not read to its end was given up.
        self._end(False)
        close = getattr(self._source, "close", None)
        if close is not None:
            close()

    def _end(self, complete: bool) -> None:
        if not self._written:
            self._written = True
            self._ledger.append(self._record(*self._said(), self._sent, complete))
