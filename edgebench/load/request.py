"""Request bytes. Pure."""

from __future__ import annotations

import json as json_module
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from sys import intern
from typing import Any
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from edgebench.errors import UserError
from edgebench.principal import principal_of

_SAFE_IN_TARGET = "/?#[]@!$&'()*+,;=:%-._~"
_PLAIN_TARGET = re.compile(r"/[!-~]*")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_IN_VALUE = re.compile(r"[\r\n\0]")
_AUTHORITY = re.compile(r"[!-?A-~]+")  # no @
_ABSOLUTE = re.compile(r"https?://", re.IGNORECASE)
_BLANKS = " \t"
_OURS = ("content-length", "transfer-encoding")

Params = Mapping[str, Any] | Sequence[tuple[str, Any]] | None
Body = bytes | str | Mapping[str, Any] | Sequence[tuple[str, Any]] | None


@dataclass(frozen=True, slots=True)
class Server:
    """Where the load goes."""

    host: str
    port: int
    authority: str
    """For the Host header."""
    tls: bool = False

    @classmethod
    def from_url(cls, url: str | None) -> Server:
        """From Locust's --host; a UserError says what is wrong with it."""
        if not url:
            raise UserError("no host: give --host http://127.0.0.1:8000, or set `host` in the User class")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, _port(parts)
            (host or "").encode("idna")
        except ValueError as error:
            raise UserError(f"host {url!r}: {error}") from None
        if parts.scheme not in ("http", "https") or not host:
            raise UserError(f"host {url!r}: expected http://name:port or https://name:port")
        if parts.path not in ("", "/") or parts.query or not _AUTHORITY.fullmatch(parts.netloc):
            raise UserError(f"host {url!r}: expected http://name:port without a path or credentials, in ASCII")
        return cls(host, port, parts.netloc, parts.scheme == "https")

    @property
    def base_url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.authority}"

    def target(self, path: str, params: Params = None) -> str:
        """The request target for a path, or for an absolute URL of this server."""
        if isinstance(path, str) and _ABSOLUTE.match(path):
            path = self.path_of(path)
        return request_target(path, params)

    def path_of(self, url: str) -> str:
        """Path and query of an absolute URL of this server; ValueError for any other's."""
        parts = urlsplit(url)
        if (parts.scheme == "https", parts.hostname, _port(parts)) != (self.tls, self.host, self.port):
            raise ValueError(f"{url!r} is not on {self.base_url}: a client has one server; use a User class for each")
        return f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def request_target(path: str, params: Params = None) -> str:
    """Path and query as they go on the wire: what must be quoted is quoted, a fragment is left out."""
    if not isinstance(path, str):
        raise ValueError(f"path must be a str: {path!r}")
    path = path.partition("#")[0]
    if params:
        path = f"{path}{'&' if '?' in path else '?'}{urlencode(params, doseq=True)}"
    if _PLAIN_TARGET.fullmatch(path):
        return path
    if not path.startswith("/"):
        raise ValueError(f"path must start with '/': {path!r}")
    return quote(path, safe=_SAFE_IN_TARGET)


Key = str | tuple[str, str | None, str | None]
"""What a request asks for: its target; where it says for whom or what it accepts, (target, principal, accepts). None:
not known. The target alone, where that is all, takes half the memory, and keys may come by the million."""


def key_of(target: str, headers: Mapping[str, str]) -> Key:
    """The key of a request with these headers, of which no two have the same name."""
    principal = authorization = cookie = encodings = languages = ""
    for name, value in headers.items():
        name, value = name.lower(), value.strip(_BLANKS)
        if name == "authorization":
            authorization = value
        elif name == "cookie":
            cookie = value
        elif name == "accept-encoding":
            encodings = f"{name}: {value}"
        elif name == "accept-language":
            languages = f"{name}: {value}"
    if authorization or cookie:
        principal = principal_of(authorization, cookie)
    accepts = f"{encodings}\n{languages}" if encodings and languages else encodings or languages
    # The same few lines for all keys: held once.
    return (target, principal, intern(accepts)) if principal or accepts else target


class Ready:
    """A request as it goes on the wire, and how a recorder names it."""

    __slots__ = ("base_url", "endpoint", "is_head", "is_whole", "key", "key_number", "method", "name", "target", "wire")

    def __init__(
        self, method: str, name: str, base_url: str, key: Key, wire: bytes, numbers: tuple[int, int],
        is_whole: bool = False,
    ) -> None:  # fmt: skip
        """`numbers`: of the endpoint and the key. `is_whole`: a GET that asks for no less than all of the body."""
        self.method, self.name, self.base_url, self.key, self.wire = method, name, base_url, key, wire
        self.target = key if isinstance(key, str) else key[0]
        self.is_head, self.is_whole = method == "HEAD", is_whole
        self.endpoint, self.key_number = numbers


def request_bytes(
    method: str,
    target: str,
    authority: str,
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    data: Body = None,
) -> bytes:
    """One HTTP/1.1 request, complete. `headers` may hold another Host.

    A method, or a header's name or value, that would break out of its line is a ValueError.
    """
    if not _TOKEN.fullmatch(method):
        raise ValueError(f"method {method!r}: not allowed in a request")
    body, content_type = encoded_body(json, data)
    fields = dict(headers or {})
    given = {name.lower() for name in fields}
    if "host" not in given:
        fields = {"Host": authority, **fields}
    lines = [f"{method} {target} HTTP/1.1", *(_line(name, value) for name, value in fields.items())]
    if body is not None or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body or b'')}")
    if content_type and "content-type" not in given:
        lines.append(f"Content-Type: {content_type}")
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1") + (body or b"")


def encoded_body(json: Any, data: Body) -> tuple[bytes | None, str | None]:
    """The bytes to send, None for none, and their media type where they say it."""
    if json is not None:
        if data:
            raise ValueError("both json and data are given: a request has one body")
        return json_module.dumps(json, separators=(",", ":")).encode(), "application/json"
    if data is None or isinstance(data, bytes):
        return data, None
    if isinstance(data, str):
        return data.encode(), None
    return urlencode(data, doseq=True).encode(), "application/x-www-form-urlencoded"


def merged(*headers: Mapping[str, str] | None) -> dict[str, str]:
    """All of them; of the same name in any case, the last."""
    fields: dict[str, tuple[str, str]] = {}
    for some in headers:
        for name, value in (some or {}).items():
            fields[name.lower()] = name, value
    return dict(fields.values())


def basic_auth(user: str, password: str) -> str:
    """For the Authorization header (RFC 7617)."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def _line(name: str, value: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"header {name!r}: expected a str, got {value!r}")
    if not _TOKEN.fullmatch(name) or _BAD_IN_VALUE.search(value):
        raise ValueError(f"header {name!r}: not allowed in a request")
    if name.lower() in _OURS:
        raise ValueError(f"header {name!r}: the client says how long a body is; leave it out")
    if not value.isascii():
        try:
            value.encode("latin-1")
        except UnicodeEncodeError:
            raise ValueError(f"header {name!r}: has characters that no header can hold; encode them") from None
    return f"{name}: {value}"
