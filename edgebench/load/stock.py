"""Records the requests of users that are not EdgeUsers (HttpUser, FastHttpUser) from Locust's request event.

What the event does not tell is -1 or empty: first byte, connection, user. There is no digest: these clients decode a
body as it comes. A closed loop: due when sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic_ns
from typing import Any
from urllib.parse import urlsplit

from edgebench.load.answer import Response
from edgebench.load.cache_status import CLAIM_HEADERS
from edgebench.load.head import Head, HeadReader, ProtocolError
from edgebench.load.record import STORED
from edgebench.load.request import Key, key_of
from edgebench.load.session import Session

_HEADERS = CLAIM_HEADERS | {"age", "edgebench-origin", "content-encoding", "content-language"}
_NO_HEAD = Head(0, False)


def listen(environment: Any, current: Callable[[], Session | None]) -> None:
    """Record what the request event reports, unless it comes from an EdgeUser, which records by itself."""
    from edgebench.load.user import EdgeUser

    if all(issubclass(user_class, EdgeUser) for user_class in environment.user_classes):
        return

    def on_request(
        request_type: str,
        name: str,
        response_time: float | None,
        response_length: int | None,
        response: Any = None,
        exception: Any = None,
        url: str | None = None,
        **_: Any,
    ) -> None:
        session = current()
        if session is None or isinstance(response, Response):
            return
        done_ns = monotonic_ns()
        sent_ns = done_ns - int((response_time or 0) * 1e6)
        status = int(getattr(response, "status_code", 0) or 0)
        headers = getattr(response, "headers", None) or {}
        says = _read(headers, session.head_reader)
        seq, stamp_ns = says.stamp
        error = None if status else (type(exception).__name__ if exception else "no answer")
        if status:
            session.count(sent_ns, stamp_ns, says.claim)
        else:
            session.lost += 1
        if session.recorder is not None:
            session.recorder.record(
                sent_ns, sent_ns, -1, done_ns, 0, (request_type, name), _key(url or name, response), status,
                int(response_length or 0), says.claim, says.age_s, seq, -1, 0,
                STORED if 0 <= stamp_ns < sent_ns else 0, error, says.encoding, says.language,
            )  # fmt: skip

    environment.events.request.add_listener(on_request)


def _read(headers: Any, reader: HeadReader) -> Head:
    pairs = headers.items() if isinstance(headers, Mapping) else ()
    lines = [f"{name}: {value}" for name, value in pairs if name.lower() in _HEADERS]
    try:
        return reader.read("\r\n".join(["HTTP/1.1 200 OK", *lines, "\r\n"]).encode("latin-1", "replace"))
    except ProtocolError:
        return _NO_HEAD


def _key(url: str, response: Any) -> Key:
    """With what the request's headers say, where the client tells them."""
    headers = getattr(getattr(response, "request", None), "headers", None)
    if not isinstance(headers, Mapping):
        return _target(url), None, None
    return key_of(_target(url), {str(name): _text(value) for name, value in headers.items()})


def _text(value: object) -> str:
    """requests lets a header's value be bytes."""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _target(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
