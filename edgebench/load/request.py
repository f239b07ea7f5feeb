"""Request bytes. Pure."""

from __future__ import annotations

import json as json_module
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from edgebench.errors import UserError

_SAFE_IN_TARGET = "/?#[]@!$&'()*+,;=:%-._~"
_PLAIN_TARGET = re.compile(r"/[!-~]*")
_FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_IN_VALUE = re.compile(r"[\r\n\0]")

Body = bytes | str | Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Server:
    """Where the load goes."""

    host: str
    port: int
    authority: str
    """For the Host header."""

    @classmethod
    def from_url(cls, url: str | None) -> Server:
        """From Locust's --host; a UserError says what is wrong with it."""
        if not url:
            raise UserError("no host: give --host http://127.0.0.1:8000, or set `host` in the User class")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise UserError(f"host {url!r}: {error}") from None
        if parts.scheme == "https":
            raise UserError(f"host {url!r}: https comes later; EdgeUser speaks http:// only")
        if parts.scheme != "http" or not host:
            raise UserError(f"host {url!r}: expected http://name:port")
        if parts.path not in ("", "/") or parts.query or parts.username:
            raise UserError(f"host {url!r}: expected http://name:port without a path or credentials")
        return cls(host, port or 80, parts.netloc)


def request_target(path: str, params: Mapping[str, Any] | None = None) -> str:
    """Path and query as they go on the wire: what must be quoted is quoted."""
    if params:
        path = f"{path}{'&' if '?' in path else '?'}{urlencode(params, doseq=True)}"
    if _PLAIN_TARGET.fullmatch(path):
        return path
    if not path.startswith("/"):
        raise ValueError(f"path must start with '/': {path!r}")
    return quote(path, safe=_SAFE_IN_TARGET)


def request_bytes(
    method: str,
    target: str,
    authority: str,
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    data: Body = None,
) -> bytes:
    """One HTTP/1.1 request, complete. A header's name or value that would break out of its line is a ValueError."""
    body, content_type = _body(json, data)
    lines = [f"{method} {target} HTTP/1.1", f"Host: {authority}"]
    given = {name.lower() for name in headers} if headers else set()
    for name, value in (headers or {}).items():
        if not _FIELD_NAME.fullmatch(name) or _BAD_IN_VALUE.search(value):
            raise ValueError(f"header {name!r}: not allowed in a request")
        lines.append(f"{name}: {value}")
    if body is not None or method in ("POST", "PUT"):
        lines.append(f"Content-Length: {len(body or b'')}")
    if content_type and "content-type" not in given:
        lines.append(f"Content-Type: {content_type}")
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1") + (body or b"")


def _body(json: Any, data: Body) -> tuple[bytes | None, str | None]:
    if json is not None:
        return json_module.dumps(json, separators=(",", ":")).encode(), "application/json"
    if data is None or isinstance(data, bytes):
        return data, None
    if isinstance(data, str):
        return data.encode(), None
    return urlencode(data).encode(), "application/x-www-form-urlencoded"
