"""A running cache as the probes see it: ask it, and read in the ledger what reached the origin."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from typing import Any
from urllib.parse import urlsplit

from edgebench.model import OriginSpec
from edgebench.origin import rows
from edgebench.runner.probes.app import APP, FAILING, Page
from edgebench.runner.stack import Stack
from edgebench.tiers.adapter import stamp_seq

TIMEOUT_S = 12.0
POLL_S = 0.01
SETTLE_S = 0.05
"""Apache's answer is in its store some milliseconds after the client has it."""
_SWITCH = "failing"
ORIGIN = OriginSpec(app=APP, threads=64, env={FAILING: f"{{work}}/{_SWITCH}"})
"""One process, so that all threads sleep side by side: more of them than any probe asks for at once."""

NO_HEADERS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client got. Times are of CLOCK_MONOTONIC, the connection being there when the request is sent."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    sent_ns: int
    done_ns: int

    @property
    def seq(self) -> int | None:
        """Number of the origin's response the answer is from."""
        return stamp_seq(self.headers.get("edgebench-origin", ""))

    @property
    def took_ms(self) -> float:
        return (self.done_ns - self.sent_ns) / 1e6


@dataclass(frozen=True, slots=True)
class Fetch:
    """One request as the origin saw it."""

    seq: int
    start_ns: int
    end_ns: int
    status: int
    conditional: bool


@dataclass(frozen=True, slots=True)
class Subject:
    """The cache of one stack."""

    stack: Stack

    def ask(self, page: Page, method: str = "GET", headers: Mapping[str, str] = NO_HEADERS) -> Answer:
        """One request on a connection of its own. OSError or HTTPException where there is no complete answer."""
        with contextlib.closing(self._connect()) as connection:
            return _ask(connection, page, method, headers)

    def store(self, page: Page, headers: Mapping[str, str] = NO_HEADERS) -> Answer:
        """Ask for a page; back when a cache that stores it has done so."""
        answer = self.ask(page, headers=headers)
        time.sleep(SETTLE_S)
        return answer

    def ask_times(self, page: Page, count: int, headers: Mapping[str, str] = NO_HEADERS) -> list[Answer]:
        """One after the other, what can be stored having been stored."""
        return [self.store(page, headers) for _ in range(count - 1)] + [self.ask(page, headers=headers)]

    def ask_at_once(
        self, page: Page, count: int, headers: Callable[[int], Mapping[str, str]] = lambda index: NO_HEADERS
    ) -> list[Answer]:
        """All at the same moment, each on its own connection, which is there before."""
        start = Barrier(count)
        with contextlib.ExitStack() as open_ones:
            connections = [open_ones.enter_context(contextlib.closing(self._connect())) for _ in range(count)]

            def ask(index: int) -> Answer:
                start.wait(TIMEOUT_S)
                return _ask(connections[index], page, "GET", headers(index))

            with ThreadPoolExecutor(count) as pool:
                return list(pool.map(ask, range(count)))

    def _connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(urlsplit(self.stack.url).netloc, timeout=TIMEOUT_S)
        connection.connect()
        return connection

    def fetches(self, *pages: Page) -> list[Fetch]:
        """What reached the origin for these pages (none named: for all), in order. Complete for answers one has had."""
        keys = {page.key for page in pages}
        table: Sequence[Mapping[str, Any]] = rows.read(self.stack.ledger, 0).to_pylist()
        return [
            Fetch(row["seq"], row["start_ns"], row["end_ns"], row["status"], row["conditional"])
            for row in table
            if not keys or row["key"] in keys
        ]

    def await_fetches(self, page: Page, count: int, limit_s: float) -> list[Fetch]:
        """The fetches of a page once there are so many, or when the time is over."""
        deadline = time.monotonic() + limit_s
        while len(found := self.fetches(page)) < count and time.monotonic() < deadline:
            time.sleep(POLL_S)
        return found

    @contextlib.contextmanager
    def origin_answers_503(self) -> Iterator[None]:
        switch = Path(self.stack.directory) / _SWITCH
        switch.touch()
        try:
            yield
        finally:
            switch.unlink()

    @contextlib.contextmanager
    def origin_is_dead(self) -> Iterator[None]:
        """It is not started again."""
        for service in self.stack.services:
            if service.role == "origin":
                self.stack.exit_states[service.name] = service.stop(grace_s=1.0)
        time.sleep(SETTLE_S)  # until the cache has seen its idle connections end: what is asked for is a refused one
        yield


def _ask(connection: http.client.HTTPConnection, page: Page, method: str, headers: Mapping[str, str]) -> Answer:
    sent_ns = time.monotonic_ns()
    # The library's own Accept-Encoding would make every request ask for a variant.
    connection.putrequest(method, page.key, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    if method == "POST":
        connection.putheader("Content-Length", "0")
    connection.endheaders()
    response = connection.getresponse()
    body = response.read()
    names = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, names, body, sent_ns, time.monotonic_ns())
