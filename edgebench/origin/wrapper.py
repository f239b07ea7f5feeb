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

from edgebench.origin.freshness import shared_ttl_s, with_ttl
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
    if not target.startswith("/"):  # absolute-form, which a proxy may send
        target = "/" + target.partition("://")[2].partition("/")[2]
    return target


_LENGTH, _ETAG, _VARY, _CACHE_CONTROL = 1, 2, 3, 4
_KINDS = {"content-length": _LENGTH, "etag": _ETAG, "vary": _VARY, "cache-control": _CACHE_CONTROL}


@lru_cache(maxsize=1024)
def _kind(name: str) -> int:
    """Which of the headers we read this is, however it is written; 0: none."""
    return _KINDS.get(name.lower(), 0)


class Witness:
    """The wrapped app.

    rewrite_ttl_s: if given, the lifetime in the app's own public Cache-Control is replaced by it, for an app that
    cannot be told its TTL.

    Every microsecond here is the app's: a request costs it some hundred of them, and the ledger may take 5 %.
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
            entry.status = 500  # what the server will answer in the app's stead
            entry.write(False)
            raise
        file_wrapper = environ.get("wsgi.file_wrapper")
        if type(body) is file_wrapper:
            # Handed through as it is, or the server could not use sendfile.
            entry.sent = max(entry.length, 0)
            entry.write(True)
            return body
        return _Body(body, entry)


class _Entry:
    """One response on its way: what the ledger will say of it."""

    __slots__ = (
        "_environ", "_ledger", "_rewrite_ttl_s", "_start_ns", "_start_response", "_version", "_written",
        "cache_control", "length", "sent", "seq", "status", "vary_all",
    )  # fmt: skip

    def __init__(
        self, ledger: Ledger, environ: Environ, start_response: Callable[..., Any], rewrite_ttl_s: int | None
    ) -> None:
        self._start_ns = monotonic_ns()
        self._ledger = ledger
        self._environ = environ
        self._start_response = start_response
        self._rewrite_ttl_s = rewrite_ttl_s
        self.seq = ledger.next_seq()
        self.status = 0
        self.length = -1
        """Bytes of body to expect; -1: not known before the end."""
        self.sent = 0
        self.cache_control = ""
        self.vary_all = False
        self._version = ""
        self._written = False

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self.status = code = int(status[:3])
        self.length = length = 0 if code in (204, 304) or self._environ["REQUEST_METHOD"] == "HEAD" else -1
        for name, value in headers:
            kind = _kind(name)
            if not kind:
                continue
            if kind == _LENGTH:
                if length < 0:
                    self.length = int(value)
            elif kind == _ETAG:
                self._version = value
            elif kind == _VARY:
                self.vary_all = "*" in value
            else:
                self.cache_control = value
        if self._rewrite_ttl_s is not None:
            self.cache_control = with_ttl(self.cache_control, self._rewrite_ttl_s)
            headers[:] = [(n, self.cache_control if _kind(n) == _CACHE_CONTROL else v) for n, v in headers]
        headers.append((STAMP, f"seq={self.seq};t={monotonic_ns()}"))
        if exc_info is not None:
            return self._start_response(status, headers, exc_info)
        return self._start_response(status, headers)

    def write(self, complete: bool) -> None:
        """Put the row into the ledger, once."""
        if self._written:
            return
        self._written = True
        environ = self._environ
        method: str = environ["REQUEST_METHOD"]
        ttl_s: int | None = 0
        if method in ("GET", "HEAD") and not self.vary_all:
            ttl_s = shared_ttl_s(self.cache_control, "HTTP_AUTHORIZATION" in environ)
        self._ledger.append(
            (
                self.seq, self._start_ns, monotonic_ns(), method, request_target(environ), self.status, self.sent,
                "HTTP_IF_NONE_MATCH" in environ or "HTTP_IF_MODIFIED_SINCE" in environ,
                principal(environ) if "HTTP_AUTHORIZATION" in environ or "HTTP_COOKIE" in environ else "",
                self._version, ttl_s, complete,
            )
        )  # fmt: skip


class _Body:
    """The response's body; writes the row just before its last chunk is handed over."""

    __slots__ = ("_entry", "_next", "_source")

    def __init__(self, source: Iterable[bytes], entry: _Entry) -> None:
        self._source = source
        self._next = iter(source).__next__
        self._entry = entry

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        entry = self._entry
        try:
            chunk = self._next()
        except StopIteration:
            if not entry._written:
                entry.write(True)
            raise
        entry.sent += len(chunk)
        if 0 <= entry.length <= entry.sent:
            entry.write(True)
        return chunk

    def close(self) -> None:
        # A body that was not read to its end was given up, but for one that had none to send.
        if not self._entry._written:
            self._entry.write(self._entry.length == 0)
        close = getattr(self._source, "close", None)
        if close is not None:
            close()
