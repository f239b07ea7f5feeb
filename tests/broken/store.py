"""What a shared cache may store, for how long, and for whom (RFC 9111); and what one does that ignores it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tests.broken.faults import Fault
from tests.broken.messages import Answer, Request, field

Variant = tuple[str, ...]
_TIMES = {Fault.DOUBLE_TTL: 2.0, Fault.STALE_FOREVER: math.inf}


def _directives(answer: Answer) -> dict[str, str]:
    parts = (part.strip().lower().partition("=") for part in field(answer.fields, "cache-control").split(","))
    return {name: value.strip('"') for name, _, value in parts}


def lifetime_s(request: Request, answer: Answer, *, private_too: bool = False) -> float:
    """How long the answer may be given to others; 0: not at all. `private_too`: whoever it is for."""
    said = _directives(answer)
    if request.method != "GET" or answer.status != 200 or "*" in field(answer.fields, "vary"):
        return 0.0
    if not private_too:
        if said.keys() & {"no-store", "no-cache", "private"} or field(answer.fields, "set-cookie"):
            return 0.0
        if request.authorization and not said.keys() & {"public", "s-maxage", "must-revalidate"}:
            return 0.0
    return float(said.get("s-maxage") or said.get("max-age") or 0)


@dataclass(frozen=True, slots=True)
class Entry:
    answer: Answer
    stored_s: float
    ttl_s: float
    variant: Variant
    """What the request it was made for said in the headers that Vary names."""
    private_to: str
    """The Authorization of the one it may be given to; empty: anyone."""


class Store:
    """Entries by target and variant. Keeps all: a test has few."""

    def __init__(self, fault: Fault) -> None:
        self._private_too = fault is Fault.LEAK_PRIVATE
        self._one_variant = fault is Fault.IGNORE_VARY
        self._times = _TIMES.get(fault, 1.0)
        self._varies: dict[str, Variant] = {}
        self._entries: dict[tuple[str, Variant], Entry] = {}

    def variant(self, request: Request) -> Variant:
        """What this request says in the headers by which its target is known to vary."""
        return tuple(field(request.fields, name) for name in self._varies.get(request.target, ()))

    def key(self, request: Request) -> tuple[str, Variant]:
        return request.target, () if self._one_variant else self.variant(request)

    def find(self, request: Request, now_s: float) -> Entry | None:
        entry = self._entries.get(self.key(request))
        return entry if entry is not None and now_s - entry.stored_s < entry.ttl_s * self._times else None

    def keep(self, request: Request, answer: Answer, now_s: float) -> bool:
        """Store what may be stored; whether that was so."""
        ttl_s = lifetime_s(request, answer, private_too=self._private_too)
        if ttl_s <= 0:
            return False
        names = tuple(name.strip().lower() for name in field(answer.fields, "vary").split(",") if name.strip())
        self._varies[request.target] = names
        private_to = "" if lifetime_s(request, answer) else request.authorization
        self._entries[self.key(request)] = Entry(answer, now_s, ttl_s, self.variant(request), private_to)
        return True
