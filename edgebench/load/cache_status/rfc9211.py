"""Cache-Status, the header of RFC 9211, as it is sent: many caches write it without structured fields' rules.

Squid and Souin, for instance, send host names and keys unquoted. Valid fields are read as the RFC says; of others as
much as can be read.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping

from edgebench.load.cache_status.claim import MAX_HOPS, Hop
from edgebench.load.cache_status.words import outcome_of
from edgebench.model import ClaimedOutcome

_FORWARD: Mapping[str, ClaimedOutcome] = {
    "bypass": ClaimedOutcome.BYPASS,
    "method": ClaimedOutcome.BYPASS,
    "miss": ClaimedOutcome.MISS,
    "uri-miss": ClaimedOutcome.MISS,
    "vary-miss": ClaimedOutcome.MISS,
    "request": ClaimedOutcome.MISS,
    "partial": ClaimedOutcome.MISS,
    "stale": ClaimedOutcome.MISS,
}
_AS_CACHE_STATUS: Mapping[ClaimedOutcome, str] = {
    ClaimedOutcome.HIT: "{name}; hit",
    ClaimedOutcome.STALE: "{name}; hit; ttl=-1",
    ClaimedOutcome.REVALIDATED: "{name}; fwd=stale; fwd-status=304",
    ClaimedOutcome.MISS: "{name}; fwd=miss",
    ClaimedOutcome.BYPASS: "{name}; fwd=bypass",
    ClaimedOutcome.UNKNOWN: "{name}; fwd=unknown",
    ClaimedOutcome.ERROR: "ERROR",  # it comes as an old word only
}
# Quoted strings are stepped over; one that does not end takes the rest.
_MEMBER = re.compile(r'(?:[^",]++|"(?:[^"\\]++|\\.)*+"?)++')
_PART = re.compile(r'(?:[^";]++|"(?:[^"\\]++|\\.)*+"?)++')
_ESCAPED = re.compile(r"\\(.)")
_INTEGER = re.compile(r"-?[0-9]{1,15}")
_WORD = re.compile(r"[A-Z]+")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._:-]")
_STALE_DETAILS = frozenset({"STALE", "UPDATING", "SWR", "SIE", "GRACE"})
_NETLIFY = ("Next.js", "Netlify Durable", "Netlify Edge")
"""Farthest from the client first; they do not always stand in this order."""


def hops(value: str) -> list[Hop]:
    """The list's members in its order: nearest the origin first (RFC 9211, section 2)."""
    found: deque[Hop] = deque(maxlen=MAX_HOPS)
    in_key = False
    for member in _MEMBER.findall(value) if '"' in value else value.split(","):
        parts = _PART.findall(member) if '"' in member else member.split(";")
        name = _unquoted(parts[0].strip()) if parts else ""
        parameters = dict(_parameter(part) for part in parts[1:] if part)
        if in_key and not parameters.keys() & {"hit", "fwd"}:
            continue  # the rest of an unquoted key with a comma in it
        if name:
            found.append(_hop(name, parameters))
        key = parameters.get("key", "")
        in_key = bool(key) and not key.startswith('"')
    return _netlify_sorted(list(found))


def text(chain: Iterable[Hop]) -> str:
    """Hops as a short Cache-Status, the same for all that have the same outcomes and names."""
    return ", ".join(_AS_CACHE_STATUS[hop.outcome].format(name=_NOT_PLAIN.sub("_", hop.name[:64])) for hop in chain)


def _parameter(part: str) -> tuple[str, str]:
    key, equals, value = part.partition("=")
    return key.strip().lower(), value.strip() if equals else "?1"


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return _ESCAPED.sub(r"\1", value[1:-1])
    return value


def _hop(name: str, parameters: Mapping[str, str]) -> Hop:
    if not parameters:  # an old word in the new header
        return Hop(name, outcome_of(name))
    ttl = parameters.get("ttl", "")
    ttl_s = int(ttl) if _INTEGER.fullmatch(ttl) else None
    collapsed = parameters.get("collapsed")
    return Hop(name, _outcome(parameters, ttl_s), ttl_s, None if collapsed is None else collapsed != "?0")


def _outcome(parameters: Mapping[str, str], ttl_s: int | None) -> ClaimedOutcome:
    hit, forward = parameters.get("hit") == "?1", _unquoted(parameters.get("fwd", ""))
    # The RFC has the one or the other. Souin appends fwd=stale to a hit that was too old.
    if hit and forward in ("", "stale"):
        stale = forward == "stale" or (ttl_s is not None and ttl_s < 0)
        stale = stale or not _STALE_DETAILS.isdisjoint(_WORD.findall(parameters.get("detail", "").upper()))
        return ClaimedOutcome.STALE if stale else ClaimedOutcome.HIT
    if forward in ("stale", "request") and parameters.get("fwd-status") == "304":
        return ClaimedOutcome.REVALIDATED
    return _FORWARD.get(forward, ClaimedOutcome.UNKNOWN)


def _netlify_sorted(chain: list[Hop]) -> list[Hop]:
    if len(chain) < 2:
        return chain
    places = [place for place, hop in enumerate(chain) if hop.name in _NETLIFY]
    in_order = sorted((chain[place] for place in places), key=lambda hop: _NETLIFY.index(hop.name))
    for place, hop in zip(places, in_order, strict=True):
        chain[place] = hop
    return chain
