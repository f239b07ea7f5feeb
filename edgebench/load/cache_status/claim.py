"""What caches claim: values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgebench.model import ClaimedOutcome

MAX_HOPS = 16
"""More members than this in one header: only the ones nearest the client are looked at."""
MAX_VALUE_CHARS = 4096
"""Longer values are not looked at: they are in words we do not know."""

_FROM_STORE = frozenset({ClaimedOutcome.HIT, ClaimedOutcome.STALE, ClaimedOutcome.REVALIDATED})
_WENT_FORWARD = frozenset({ClaimedOutcome.MISS, ClaimedOutcome.BYPASS})


@dataclass(frozen=True, slots=True)
class Hop:
    """What one cache on the way says it did."""

    name: str
    """As the cache calls itself, or its vendor; empty where nothing says."""
    outcome: ClaimedOutcome
    ttl_s: int | None = None
    """Remaining freshness; negative: past its TTL."""
    collapsed: bool | None = None
    """Whether one fetch served several requests; None: not stated."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What the headers of one answer say the caches did.

    `outcome`, `name` and `ttl_s` are those of the cache the answer came from: the one nearest the client, or, where
    that and all between went forward, the first farther one that says it had the answer. So a hit in a shield is a
    hit, as it is for the origin; what the edge alone did is `chain[-1].outcome`.
    """

    outcome: ClaimedOutcome
    name: str = ""
    age_s: int | None = None
    """The Age header."""
    ttl_s: int | None = None
    collapsed: bool | None = None
    """Whether a cache between the client and `name` (included) waited for another's fetch; None: not stated."""
    chain: tuple[Hop, ...] = ()
    """Nearest the origin first, nearest the client last, as in RFC 9211. A cache that says it in two headers stands
    twice. Hops before the one that answered may be from the request by which it stored the answer."""


def of_chain(chain: Sequence[Hop], age_s: int | None) -> Claim:
    """The claim that hops make together. They are ordered as in Claim.chain."""
    if not chain:
        return Claim(ClaimedOutcome.NONE, age_s=age_s)
    answering = len(chain) - 1
    for place in range(len(chain) - 1, -1, -1):
        if chain[place].outcome in _FROM_STORE:
            answering = place
        if chain[place].outcome not in _WENT_FORWARD:
            break
    hop = chain[answering]
    stated = [walked.collapsed for walked in chain[answering:] if walked.collapsed is not None]
    return Claim(hop.outcome, hop.name, age_s, hop.ttl_s, any(stated) if stated else None, tuple(chain))
