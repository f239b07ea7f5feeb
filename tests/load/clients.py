"""An EdgeUser's client in the test's own process: gevent's loop runs while it waits, Locust does not."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ssl import SSLContext
from types import SimpleNamespace
from typing import Any, cast

from edgebench.load.answer import Response
from edgebench.load.client import EdgeClient
from edgebench.load.connection import Timeouts
from edgebench.load.head import Head
from edgebench.load.options import LoadOptions
from edgebench.load.record import DIGESTED
from edgebench.load.request import Key, Ready
from edgebench.load.request import Server as Target
from edgebench.load.session import Session

_PATIENT = Timeouts()


@dataclass(frozen=True, slots=True)
class Sample:
    """What a recorder is told of one request, as far as tests look at it."""

    method: str
    name: str
    key: str
    status: int
    body_bytes: int
    flags: int
    error: str | None
    scheduled_ns: int
    sent_ns: int
    first_byte_ns: int
    done_ns: int
    asked: Key
    digest: int | None


class Samples(list[Sample]):
    """In the place of a Recorder."""

    def __init__(self) -> None:
        super().__init__()
        self.digests: list[int] = []
        """Of the sample to come."""

    def record(
        self, scheduled_ns: int, sent_ns: int, first_byte_ns: int, done_ns: int, lag_ns: int, endpoint: tuple[str, str],
        key: Key, status: int, body_bytes: int, claim: str | None, age_s: int, seq: int, user: int, port: int,
        flags: int, error: str | None,
    ) -> None:  # fmt: skip
        times = scheduled_ns, sent_ns, first_byte_ns, done_ns
        target = key if isinstance(key, str) else key[0]
        digest = self.digests.pop() if flags & DIGESTED else None
        self.append(Sample(*endpoint, target, status, body_bytes, flags, error, *times, key, digest))

    def numbers(self, method: str, name: str, key: Key) -> tuple[int, int]:
        return 0, 0

    def packed(self, says: Head) -> bytes:
        return b""

    def digest(self, says: Head, answer: Response) -> None:
        self.digests.append(zlib.crc32(answer.body))

    def record_answer(
        self, scheduled_ns: int, sent_ns: int, first_byte_ns: int, done_ns: int, lag_ns: int, asked: Ready, says: Head,
        body_bytes: int, user: int, port: int, flags: int,
    ) -> None:  # fmt: skip
        self.record(
            scheduled_ns, sent_ns, first_byte_ns, done_ns, lag_ns, (asked.method, asked.name), asked.key,
            says.status, body_bytes, says.claim, says.age_s, says.stamp[0], user, port, flags, None,
        )  # fmt: skip

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass
class User:
    """As much of an EdgeUser as its client asks for."""

    headers: Mapping[str, str] = field(default_factory=dict)
    allow_redirects: bool = False
    max_redirects: int = 10
    cookies: bool = False
    events: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        fire = lambda **event: self.events.append(event)  # noqa: E731
        self.environment = SimpleNamespace(events=SimpleNamespace(request=SimpleNamespace(fire=fire, _handlers=[fire])))

    def context(self) -> dict[str, Any]:
        return {"user": "yes"}


@dataclass(frozen=True)
class Driven:
    client: EdgeClient
    session: Session
    samples: Samples
    events: list[dict[str, Any]]


@contextmanager
def driving(
    url: str, *, timeouts: Timeouts = _PATIENT, context: SSLContext | None = None, **attributes: Any
) -> Iterator[Driven]:
    """A client for `url`, of a user with these attributes."""
    session, samples = Session(LoadOptions(rate_rps=0)), Samples()
    session.recorder = cast(Any, samples)
    user = User(**attributes)
    client = EdgeClient(cast(Any, user), session, Target.from_url(url), timeouts, context)
    try:
        yield Driven(client, session, samples, user.events)
    finally:
        client.close()
        session.close()
