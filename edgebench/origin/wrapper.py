"""A WSGI wrapper that witnesses every response of an app: a stamp on the answer, a row in the ledger.

The app is neither changed nor told. The stamp `Edgebench-Origin: seq=7;t=123` travels with the answer through any
cache: whoever gets it knows which response of the origin the bytes are from (`seq`) and when it was produced (`t`,
nanoseconds of CLOCK_MONOTONIC).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from time import monotonic_ns
from typing import Any

from edgebench.origin.freshness import with_ttl
from edgebench.origin.ledger import Ledger

Environ = dict[str, Any]
App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

STAMP = "Edgebench-Origin"
PROBE_PATH = "/__edgebench__/"
"""The harness's own questions (is it up?) are answered here, never seen by the app and never in the ledger."""


@lru_cache(maxsize=4096)
def _fingerprint(credential: str) -> str:
    return hashlib.sha256(credential.encode("utf-8", "surrogateescape")).hexdigest()[:12]


_SESSION = re.compile(r"(?:^|;\s*)(session(?:id)?=[^;]*)")


def principal(environ: Environ) -> str:
    """Whom the answer is for: a hash of the Authorization header or the session cookie; empty for anonymous."""
    if credential := environ.get("HTTP_AUTHORIZATION", ""):
        return _fingerprint(credential)
    cookie = _SESSION.search(environ.get("HTTP_COOKIE", ""))
    return _fingerprint(cookie[1]) if cookie else ""


def request_target(environ: Environ) -> str:
    """Path and query exactly as they were asked for: the key by which caches store."""
    target: str = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    if not target:
        query = environ.get("QUERY_STRING", "")
        target = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "") + (f"?{query}" if query else "")
    return target


_SMALL_BYTES = 65_536
"""A body up to this long goes to the kernel in one piece: it is not watched on its way."""
_WRITTEN = ("Content-Length", "ETag", "Cache-Control", "Vary")
_AS_WRITTEN = {name.lower(): name for name in _WRITTEN}
_NOTHING: dict[str, str] = {}


def _canonical(headers: list[tuple[str, str]]) -> dict[str, str]:
    """The headers by name, those we read in the spelling we know: names have no case."""
    return {_AS_WRITTEN.get(name.lower(), name): value for name, value in headers}


class Witness:
    """The wrapped app.

    rewrite_ttl_s: if given, the lifetime in the app's own public Cache-Control is replaced by it, for an app that
    cannot be told its TTL.

    Every microsecond here is the app's, and it has some hundred of them for a request. So the common way, a small body
    of known length, is short, and what can be worked out from a record later (rows.py) is left for later.
    """

    def __init__(self, app: App, ledger: Ledger, rewrite_ttl_s: int | None = None) -> None:
        self._app = app
        self._ledger = ledger
        self._rewrite_ttl_s = rewrite_ttl_s

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith(PROBE_PATH):
            start_response("204 No Content", [("Cache-Control", "no-store")])
            return []
        entry = _Entry(self._ledger, environ, start_response, self._rewrite_ttl_s)
        try:
            body = self._app(environ, entry.start_response)
        except BaseException:
            entry.status = "500"  # what the server will answer in the app's stead
            entry.write(0, False)
            raise
        length = entry.length
        if 0 <= length <= _SMALL_BYTES or type(body) is environ.get("wsgi.file_wrapper"):
            # A file is handed through as it is, whatever its length, or the server could not use sendfile.
            entry.write(max(length, 0), True)
            return body
        return _Body(body, entry)


class _Entry:
    """One response on its way: what the ledger will say of it."""

    __slots__ = ("_environ", "_fields", "_ledger", "_rewrite_ttl_s", "_start_ns", "_start_response", "seq", "status")

    def __init__(
        self, ledger: Ledger, environ: Environ, start_response: Callable[..., Any], rewrite_ttl_s: int | None
    ) -> None:
        self._start_ns = monotonic_ns()
        self._ledger = ledger
        self._environ = environ
        self._start_response = start_response
        self._rewrite_ttl_s = rewrite_ttl_s
        self.seq = ledger.next_seq()
        self.status = ""
        self._fields = _NOTHING

    @property
    def length(self) -> int:
        """Bytes of body to expect; -1: not known before the end."""
        if self.status[:3] in ("204", "304"):
            return 0
        length = self._fields.get("Content-Length")
        return int(length) if length is not None else -1

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self.status = status
        if self._rewrite_ttl_s is not None:
            headers[:] = [
                (name, with_ttl(value, self._rewrite_ttl_s) if name.lower() == "cache-control" else value)
                for name, value in headers
            ]
        fields = dict(headers)
        self._fields = fields if "Content-Length" in fields else _canonical(headers)
        headers.append((STAMP, f"seq={self.seq};t={monotonic_ns()}"))
        if exc_info is not None:
            return self._start_response(status, headers, exc_info)
        return self._start_response(status, headers)

    def write(self, sent: int, complete: bool) -> None:
        """Put the record into the ledger."""
        environ, field = self._environ, self._fields.get
        authorized = "HTTP_AUTHORIZATION" in environ
        self._ledger.append(
            (
                self.seq, self._start_ns, monotonic_ns(), environ["REQUEST_METHOD"],
                environ.get("RAW_URI") or request_target(environ), self.status, sent,
                "HTTP_IF_NONE_MATCH" in environ or "HTTP_IF_MODIFIED_SINCE" in environ, authorized,
                principal(environ) if authorized or "HTTP_COOKIE" in environ else "",
                field("ETag", ""), field("Cache-Control", ""), field("Vary", ""), complete,
            )
        )  # fmt: skip


class _Body:
    """A body that is long, or of unknown length; its record is written just before its last piece is handed over."""

    __slots__ = ("_entry", "_next", "_sent", "_source", "_written")

    def __init__(self, source: Iterable[bytes], entry: _Entry) -> None:
        self._source = source
        self._next = iter(source).__next__
        self._entry = entry
        self._sent = 0
        self._written = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            chunk = self._next()
        except StopIteration:
            self._write(True)
            raise
        self._sent += len(chunk)
        if 0 <= self._entry.length <= self._sent:
            self._write(True)
        return chunk

    def close(self) -> None:
        # A body that was not read to its end was given up.
        self._write(False)
        close = getattr(self._source, "close", None)
        if close is not None:
            close()

    def _write(self, complete: bool) -> None:
        if not self._written:
            self._written = True
            self._entry.write(self._sent, complete)
