"""What came back, as a task sees it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from edgebench.errors import UserError
from edgebench.load.coding import decoded
from edgebench.load.failures import ConnectionFailed, RedirectFailed, StatusError
from edgebench.load.head import Head
from edgebench.load.request import Ready

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([A-Za-z0-9_.:-]+)', re.IGNORECASE)


class Headers(Mapping[str, str]):
    """The fields of a head, by name in any case; several lines of one name are joined with a comma."""

    def __init__(self, head: bytes) -> None:
        self._fields: dict[str, str] = {}
        for line in head.decode("latin-1").split("\r\n")[1:]:
            name, colon, value = line.partition(":")
            if colon:
                key = name.lower()
                value = value.strip(" \t")
                self._fields[key] = f"{self._fields[key]}, {value}" if key in self._fields else value

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


@dataclass(frozen=True, slots=True)
class SentRequest:
    """The request a response is for."""

    method: str
    url: str
    headers: Headers
    body: bytes


_NO_HEAD = Head(0, False)


class Response:
    """What came back: one complete HTTP answer; or none, then `status` is 0 and `error` says why.

    Every request makes one: what can be worked out later is, and is kept in slots that are empty until then.
    """

    __slots__ = ("_content", "_error", "_headers", "_start", "asked", "data", "head", "says")

    _content: bytes
    _error: str | None
    _headers: Headers
    asked: Ready
    """The request. Set by the client."""
    data: bytes
    """The body, and what may have come in one piece with it: its head."""

    def __init__(self, says: Head, head: bytes, data: bytes, start: int = 0) -> None:
        """`head`: all of it, which `says` is the reading of. The body is what follows `start` in `data`."""
        self.says = says
        self.head = head
        self.data = data
        self._start = start

    @classmethod
    def missing(cls, error: str) -> Response:
        """Where there is no complete answer."""
        response = cls(_NO_HEAD, b"", b"")
        response.error = error
        return response

    @property
    def length(self) -> int:
        """Bytes of the body, in its Content-Encoding."""
        return len(self.data) - self._start

    @property
    def error(self) -> str | None:
        """Why there is no answer, or none that could be followed; None: all is well."""
        try:
            return self._error
        except AttributeError:
            return None

    @error.setter
    def error(self, why: str | None) -> None:
        self._error = why

    @property
    def status(self) -> int:
        return self.says.status

    @property
    def status_code(self) -> int:
        """The same under the name HttpUser's responses have."""
        return self.status

    @property
    def ok(self) -> bool:
        """A complete answer with a status below 400."""
        return 0 < self.status < 400

    @property
    def body(self) -> bytes:
        """As it came, in its Content-Encoding."""
        return self.data[self._start :]

    @property
    def content(self) -> bytes:
        """The body without its Content-Encoding. Raises DecodingError (a ValueError) where it does not fit it."""
        try:
            return self._content
        except AttributeError:
            self._content = decoded(self.body, self.headers.get("content-encoding", ""))
            return self._content

    @property
    def text(self) -> str:
        """The content by the charset of its Content-Type, or else as UTF-8; what does not fit becomes U+FFFD."""
        charset = _CHARSET.search(self.headers.get("content-type", ""))
        try:
            return self.content.decode(charset[1] if charset else "utf-8", "replace")
        except (LookupError, UnicodeError):
            return self.content.decode("utf-8", "replace")

    @property
    def headers(self) -> Headers:
        try:
            return self._headers
        except AttributeError:
            self._headers = Headers(self.head)
            return self._headers

    @property
    def request(self) -> SentRequest:
        head, _, body = self.asked.wire.partition(b"\r\n\r\n")
        method, _, rest = head.decode("latin-1").partition(" ")
        return SentRequest(method, self.asked.base_url + rest.partition(" ")[0], Headers(head), body)

    @property
    def url(self) -> str:
        """What this is the answer to: after redirects, the last request's."""
        return self.request.url

    def json(self) -> Any:
        return json.loads(self.content)

    def exception(self) -> Exception | None:
        """What Locust's failure table shows; None: no failure."""
        if self.error is not None:
            return RedirectFailed(self.error) if self.status else ConnectionFailed(self.error)
        return StatusError(f"HTTP {self.status}") if self.status >= 400 else None

    def raise_for_status(self) -> None:
        """Raise what was wrong: ConnectionFailed, StatusError or RedirectFailed."""
        exception = self.exception()
        if exception is not None:
            raise exception

    # A CaughtResponse has these. Here they are for a clear error.

    def __enter__(self) -> Self:
        raise UserError(f"{self._asked()}: `with` needs catch_response=True in the request")

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, _: TracebackType | None) -> bool:
        raise NotImplementedError

    def success(self) -> None:
        raise UserError(f"{self._asked()}: success() needs catch_response=True in the request, and a with-block")

    def failure(self, why: object) -> None:
        raise UserError(f"{self._asked()}: failure() needs catch_response=True in the request, and a with-block")

    def _asked(self) -> str:
        return f"{self.request.method} {self.url}"
