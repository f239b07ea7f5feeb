"""A small caching proxy that is correct, or has one fault: the truth by which the harness is tested.

    python -m tests.broken.proxy --port 9000 --origin 9001 --fault swap --account account.json

It prints `ready` when it listens. On SIGTERM it writes what it did wrong, request by request, and ends.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from tests.broken.faults import EVERY, Account, Asked, Fault
from tests.broken.messages import Answer, Fields, Origin, Request, read_request
from tests.broken.store import Entry, Store, lifetime_s

PROBES = "/__edgebench__/"
CUT_BYTES = 16
"""What a truncated body lacks."""


@dataclass(eq=False)
class Flight:
    """A request the origin is working on."""

    request: Request
    asked: Asked
    instead: Answer | None = None
    """Another's answer, to be given in the place of its own …"""
    for_other: asyncio.Future[Answer] | None = None
    """… and who waits for its own."""


class Proxy:
    def __init__(self, origin_port: int, fault: Fault) -> None:
        self.account = Account(fault)
        self._fault = fault
        self._origin = Origin(origin_port)
        self._store = Store(fault)
        self._fetching: dict[tuple[str, tuple[str, ...]], asyncio.Event] = {}
        self._unstorable: set[str] = set()
        """Targets whose last answer was not to be stored: nobody waits there for somebody else's."""
        self._flights: list[Flight] = []
        self._turns: dict[str, asyncio.Lock] = {}
        self._bodies = 0
        self._swaps = 0

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """One client's connection."""
        port, number = writer.get_extra_info("peername")[1], 0
        with contextlib.suppress(OSError, EOFError):
            while (request := await read_request(reader)) is not None:
                number += 1
                if not await self._respond(request, Asked(port, number), writer) or request.last:
                    break
        writer.close()

    async def _respond(self, request: Request, asked: Asked, writer: StreamWriter) -> bool:
        """Answer one request; whether the connection can take another."""
        more: Fields = ()
        try:
            if request.target.startswith(PROBES):
                answer = await self._origin.fetch(request)
            else:
                self.account.requests += 1
                answer, more = await self._answer(request, asked)
        except (OSError, EOFError):
            answer, more = Answer(502, "Bad Gateway", (), b"the origin gives no answer"), _status("fwd=miss")
        whole = len(answer.body)
        if whole > CUT_BYTES and request.method == "GET":
            answer = self._damaged(answer, asked)
        short = self._fault is Fault.TRUNCATE_SHORT and len(answer.body) < whole
        writer.write(answer.wire(more, bodiless=request.method == "HEAD", length=whole if short else None))
        await writer.drain()
        return not short

    async def _answer(self, request: Request, asked: Asked) -> tuple[Answer, Fields]:
        if request.method != "GET":
            return await self._forward(request, asked), _status("fwd=method")
        waited = False
        while (entry := self._store.find(request, now_s := monotonic())) is None:
            if request.target in self._unstorable:
                return await self._pass(request, asked)
            key = self._store.key(request)
            if (fetched := self._fetching.get(key)) is None or self._fault is Fault.NO_COLLAPSE:
                return await self._miss(request, asked)
            await fetched.wait()
            waited = True
        return self._hit(request, asked, entry, now_s - entry.stored_s, waited)

    def _hit(self, request: Request, asked: Asked, entry: Entry, age_s: float, waited: bool) -> tuple[Answer, Fields]:
        variant = self._store.variant(request)
        if entry.private_to and entry.private_to != request.authorization:
            self.account.wronged(asked)
        if entry.variant != variant:
            self.account.wronged(asked, f"{','.join(entry.variant)} for {','.join(variant)}")
        if age_s > entry.ttl_s:
            self.account.wronged(asked, f"{age_s - entry.ttl_s:.3f}")
        self.account.hits += 1
        return entry.answer, (*_status("fwd=miss; collapsed" if waited else "hit"), ("Age", str(int(age_s))))

    async def _miss(self, request: Request, asked: Asked) -> tuple[Answer, Fields]:
        key = self._store.key(request)
        again = key in self._fetching
        fetched = self._fetching.setdefault(key, asyncio.Event())
        try:
            answer = await self._forward(request, asked)
            stored = self._store.keep(request, answer, monotonic())
            (self._unstorable.discard if stored else self._unstorable.add)(request.target)
        finally:
            if self._fetching.get(key) is fetched:
                del self._fetching[key]
            fetched.set()
        if stored and again:
            self.account.wronged(asked)
        if self._fault is Fault.LABEL_MISSES_AS_HITS:
            self.account.wronged(asked)
            return answer, _status("hit")
        return answer, _status(f"fwd=miss; fwd-status={answer.status}{'; stored' if stored else ''}")

    async def _pass(self, request: Request, asked: Asked) -> tuple[Answer, Fields]:
        async with self._turn(request, asked):
            answer = await self._forward(request, asked)
        if self._store.keep(request, answer, monotonic()):
            self._unstorable.discard(request.target)
        return answer, _status(f"fwd=bypass; fwd-status={answer.status}")

    @contextlib.asynccontextmanager
    async def _turn(self, request: Request, asked: Asked) -> AsyncIterator[None]:
        """At once; or, with that fault, when nobody else is at the origin for this URL."""
        if self._fault is not Fault.SERIALISE:
            yield
            return
        turn = self._turns.setdefault(request.target, asyncio.Lock())
        if turn.locked():
            self.account.wronged(asked)
        async with turn:
            yield

    async def _forward(self, request: Request, asked: Asked) -> Answer:
        self.account.fetches += 1
        flight = Flight(request, asked)
        self._flights.append(flight)
        try:
            answer = await self._origin.fetch(request)
        except BaseException:
            if flight.for_other is not None:
                flight.for_other.cancel()
            raise
        finally:
            self._flights.remove(flight)
        if flight.for_other is not None and flight.instead is not None:
            flight.for_other.set_result(answer)
            return flight.instead
        return await self._swapped(flight, answer)

    async def _swapped(self, flight: Flight, answer: Answer) -> Answer:
        """The answer itself; or, when a swap is due and another user is waiting for this URL, theirs."""
        request = flight.request
        due = self._fault is Fault.SWAP and self.account.requests >= EVERY[Fault.SWAP] * (self._swaps + 1)
        if not due or not request.authorization or lifetime_s(request, answer) > 0:
            return answer
        for other in self._flights:
            theirs = other.request
            if theirs.target == request.target and theirs.authorization not in ("", request.authorization):
                self._swaps += 1
                other.instead, other.for_other = answer, asyncio.get_running_loop().create_future()
                with contextlib.suppress(asyncio.CancelledError):
                    swapped = await other.for_other
                    self.account.wronged(flight.asked)
                    self.account.wronged(other.asked)
                    return swapped
                break
        return answer

    def _damaged(self, answer: Answer, asked: Asked) -> Answer:
        """The answer, or every so often less than that."""
        self._bodies += 1
        if self._fault not in (Fault.TRUNCATE, Fault.TRUNCATE_SHORT, Fault.GARBLE) or self._bodies % EVERY[self._fault]:
            return answer
        self.account.wronged(asked)
        kept, end = answer.body[:-CUT_BYTES], answer.body[-CUT_BYTES:]
        if self._fault is Fault.GARBLE:
            return replace(answer, body=kept + bytes([end[0] ^ 1]) + end[1:])
        return replace(answer, body=kept)


def _status(said: str) -> Fields:
    """RFC 9211."""
    return (("Cache-Status", f"proxy; {said}"),)


async def run(port: int, origin_port: int, fault: Fault, account: Path) -> None:
    """Serve until SIGTERM."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    proxy = Proxy(origin_port, fault)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", port, backlog=512)
    print("ready", flush=True)
    await ended.wait()
    server.close()
    proxy.account.write(account)


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--origin", type=int, required=True)
    parser.add_argument("--fault", type=Fault, choices=list(Fault), default=Fault.NONE)
    parser.add_argument("--account", type=Path, required=True)
    given = parser.parse_args(words)
    asyncio.run(run(given.port, given.origin, given.fault, given.account))


if __name__ == "__main__":
    main(sys.argv[1:])
