"""What came back: one complete HTTP answer, and what a task sees of it."""

from __future__ import annotations

import importlib
import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from edgebench.load.head import Head


class Answer:
    """A complete answer as the parser found it: what its head says, the head itself, and the body."""

    __slots__ = ("body", "head", "says")

    def __init__(self, says: Head, head: bytes, body: bytes) -> None:
        self.says = says
        self.head = head
        self.body = body


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


class Response:
    """What a task gets back. `status` is 0 and `error` says why where there was no complete answer."""

    __slots__ = ("_answer", "_headers", "error")

    def __init__(self, answer: Answer | None, error: str | None = None) -> None:
        self._answer = answer
        self._headers: Headers | None = None
        self.error = error

    @property
    def status(self) -> int:
        return self._answer.says.status if self._answer else 0

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
        return self._answer.body if self._answer else b""

    def decoded(self) -> bytes:
        """The body without its Content-Encoding; one that does not fit its coding is a ValueError."""
        coding = self.headers.get("content-encoding", "identity").strip().lower()
        try:
            if coding in ("gzip", "x-gzip", "deflate"):
                return zlib.decompress(self.body, wbits=zlib.MAX_WBITS | 32)
            if coding == "br":
                return bytes(importlib.import_module("brotli").decompress(self.body))
        except (zlib.error, RuntimeError, ImportError) as error:
            raise ValueError(f"body not decodable as {coding}: {error}") from None
        if coding != "identity":
            raise ValueError(f"content coding {coding[:40]!r} is not known")
        return self.body

    @property
    def text(self) -> str:
        return self.decoded().decode("utf-8", "replace")

    @property
    def headers(self) -> Headers:
        if self._headers is None:
            self._headers = Headers(self._answer.head if self._answer else b"")
        return self._headers

    def json(self) -> Any:
        return json.loads(self.decoded())
