"""The origin of the probes: a WSGI app whose pages are asked for by path, so that no cache has rules about queries.

EDGEBENCH_PROBES_FAILING  a file; while it exists every answer is a 503
"""

from __future__ import annotations

import gzip
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

APP = "edgebench.runner.probes.app:app"
FAILING = "EDGEBENCH_PROBES_FAILING"
BODY_BYTES = 4000
_FLAGS = ("etag", "vary", "cookie")
_NOTHING = "none"


@dataclass(frozen=True, slots=True)
class Page:
    """One page, and how the origin answers for it. Its path says it all: the origin keeps no list."""

    name: str
    cache_control: str = ""
    """Empty: the header is left out."""
    delay_ms: int = 0
    etag: bool = False
    """Whether it can be confirmed by a 304."""
    vary: bool = False
    """Whether it varies by Accept-Encoding: gzip for those who take it."""
    cookie: bool = False
    """Whether it sets a cookie."""

    @property
    def key(self) -> str:
        flags = "-".join(flag for flag in _FLAGS if getattr(self, flag)) or _NOTHING
        cache_control = self.cache_control.replace(" ", "") or _NOTHING
        return f"/{self.name}/{cache_control}/{self.delay_ms}/{flags}"

    @classmethod
    def of(cls, path: str) -> Self | None:
        """The page of a path; None where there is none."""
        match = re.fullmatch(r"/([^/]+)/([^/]+)/(\d+)/([^/]+)", path)
        if match is None:
            return None
        name, cache_control, delay_ms, flags = match.groups()
        set_flags = {flag: True for flag in flags.split("-") if flag in _FLAGS}
        said = "" if cache_control == _NOTHING else cache_control.replace(",", ", ")
        return cls(name, said, int(delay_ms), **set_flags)

    def body(self, whose: str = "anybody") -> bytes:
        """What the origin answers to somebody (the value of Authorization or Cookie), BODY_BYTES long."""
        return f"{self.name} for {whose}\n".encode().ljust(BODY_BYTES, b".")


Environ = dict[str, Any]
Headers = list[tuple[str, str]]


def app(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    page = Page.of(environ["PATH_INFO"])
    status, headers, body = "", Headers(), b""
    if page is None:
        status, headers, body = "404 Not Found", [], b"no such page\n"
    else:
        time.sleep(page.delay_ms / 1000)
        if Path(os.environ[FAILING]).exists():
            status, headers, body = "503 Service Unavailable", [], b"failing\n"
        elif environ["REQUEST_METHOD"] == "POST":
            status, headers, body = "200 OK", [("Cache-Control", "no-store")], b"taken\n"
        else:
            status, headers, body = _answer(page, environ)
    if not status.startswith("304"):
        headers.append(("Content-Length", str(len(body))))
    start_response(status, headers)
    return [body] if body and environ["REQUEST_METHOD"] != "HEAD" else []


def _answer(page: Page, environ: Environ) -> tuple[str, Headers, bytes]:
    headers = [("Content-Type", "text/plain"), ("Accept-Ranges", "bytes")]
    if page.cache_control:
        headers.append(("Cache-Control", page.cache_control))
    if page.vary:
        headers.append(("Vary", "Accept-Encoding"))
    if page.cookie:
        headers.append(("Set-Cookie", "session=ann; Path=/; HttpOnly"))
    if page.etag:
        tag = f'"{page.name}"'
        headers.append(("ETag", tag))
        if environ.get("HTTP_IF_NONE_MATCH", "").removeprefix("W/") == tag:
            return "304 Not Modified", headers, b""
    whose = environ.get("HTTP_AUTHORIZATION") or environ.get("HTTP_COOKIE") or "anybody"
    body = page.body(whose)
    part = re.fullmatch(r"bytes=(\d+)-(\d+)", environ.get("HTTP_RANGE", ""))
    if part:
        first, last = int(part[1]), min(int(part[2]), BODY_BYTES - 1)
        headers.append(("Content-Range", f"bytes {first}-{last}/{BODY_BYTES}"))
        return "206 Partial Content", headers, body[first : last + 1]
    if page.vary and "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
        headers.append(("Content-Encoding", "gzip"))
        body = gzip.compress(body, mtime=0)
    return "200 OK", headers, body
