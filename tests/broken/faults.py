"""What the proxy can be told to do wrong, and its own account of when it did."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Fault(StrEnum):
    NONE = "none"
    LEAK_PRIVATE = "leak-private"
    """Answers for one user are stored and given to anyone."""
    IGNORE_VARY = "ignore-vary"
    DOUBLE_TTL = "double-ttl"
    STALE_FOREVER = "stale-forever"
    """What was stored once is never asked for again."""
    LABEL_MISSES_AS_HITS = "label-misses-as-hits"
    TRUNCATE = "truncate"
    """One body in 1,000 lacks its end, and Content-Length agrees with what is sent."""
    TRUNCATE_SHORT = "truncate-short"
    """One body in 1,000 lacks its end: fewer bytes than Content-Length says, then the connection closes."""
    GARBLE = "garble"
    """One body in 100 has one byte changed: the length is right."""
    NO_COLLAPSE = "no-collapse"
    """Each client that misses has the origin asked, however many wait for the same."""
    SERIALISE = "serialise"
    """Requests for a URL whose answers are not to be stored wait for one another."""
    SWAP = "swap"
    """Once in 10,000 requests two users, in flight for the same URL at the same time, get each other's answer."""


EVERY: dict[Fault, int] = {Fault.TRUNCATE: 1000, Fault.TRUNCATE_SHORT: 1000, Fault.GARBLE: 100, Fault.SWAP: 10_000}
"""Faults that come once in so many requests. They are counted, not drawn."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which request it was: the `number`-th, from 1, of the connection from the client's `port`."""

    port: int
    number: int


@dataclass(frozen=True, slots=True)
class Injected:
    """One request that was served wrongly."""

    port: int
    number: int
    detail: str
    """What of several kinds it was: the two variants that were mixed up, seconds past the TTL."""


@dataclass
class Account:
    """What the proxy says it did; written when it ends."""

    fault: Fault
    requests: int = 0
    hits: int = 0
    fetches: int = 0
    injected: list[Injected] = field(default_factory=list)

    def wronged(self, asked: Asked, detail: str = "") -> None:
        self.injected.append(Injected(asked.port, asked.number, detail))

    def write(self, path: Path) -> None:
        rows = [[each.port, each.number, each.detail] for each in self.injected]
        figures = {"fault": self.fault, "requests": self.requests, "hits": self.hits, "fetches": self.fetches}
        path.write_text(json.dumps({**figures, "injected": rows}))

    @classmethod
    def read(cls, path: Path) -> Account:
        told = json.loads(path.read_text())
        rows = [Injected(*row) for row in told["injected"]]
        return cls(Fault(told["fault"]), told["requests"], told["hits"], told["fetches"], rows)
