"""What a cache says it did, read from its header: RFC 9211 Cache-Status and the older dialects.

Called once for each distinct value when samples are read, never while load is offered. Values are hostile: nothing
raises, and what is not known stays unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import http_sf

from edgebench.model import Claim

_WORDS: Mapping[str, Claim] = {
    # nginx $upstream_cache_status, Cloudflare CF-Cache-Status, and the words most X-Cache headers use.
    "HIT": Claim.HIT,
    "MISS": Claim.MISS,
    "EXPIRED": Claim.MISS,  # fetched anew because what was stored was too old
    "STALE": Claim.STALE,
    "UPDATING": Claim.STALE,
    "REVALIDATED": Claim.REVALIDATED,
    "BYPASS": Claim.BYPASS,
    "DYNAMIC": Claim.BYPASS,
    "PASS": Claim.BYPASS,
    "UNCACHEABLE": Claim.BYPASS,
    "NONE": Claim.BYPASS,
    "ERROR": Claim.ERROR,
}
_FORWARD: Mapping[str, Claim] = {
    "bypass": Claim.BYPASS,
    "method": Claim.BYPASS,
    "miss": Claim.MISS,
    "uri-miss": Claim.MISS,
    "vary-miss": Claim.MISS,
    "request": Claim.MISS,
    "partial": Claim.MISS,
    "stale": Claim.MISS,
}
_STALE_DETAILS = ("STALE", "UPDATING", "SWR", "SIE", "GRACE")
_FIRST_WORD = re.compile(r"[A-Za-z]+")
_MAX_VALUE = 4096


def classify(header_name: str, value: str) -> Claim:
    """The claim of one header: `classify("X-Cache-Status", "HIT")`. An empty value claims nothing."""
    value = value.strip()
    if not value:
        return Claim.NONE
    if len(value) > _MAX_VALUE:
        return Claim.UNKNOWN
    if header_name.lower() == "cache-status":
        return _cache_status(value)
    return _word(value)


def _word(value: str) -> Claim:
    # Several hops add one word each, the nearest last: `X-Cache: MISS, HIT`.
    match = _FIRST_WORD.match(value.rpartition(",")[2].strip())
    return _WORDS.get(match[0].upper(), Claim.UNKNOWN) if match else Claim.UNKNOWN


def _cache_status(value: str) -> Claim:
    # Some put their one old word into the new header: no structured field, or one that says nothing.
    try:
        hops: Any = http_sf.parse(value.encode("latin-1"), tltype="list")
        _, parameters = hops[-1]  # the cache nearest the client is the last of the list
    except (ValueError, LookupError, TypeError):
        return _word(value)
    if not isinstance(parameters, dict):
        return Claim.UNKNOWN
    return _hop(parameters) if parameters else _word(value)


def _hop(parameters: Mapping[str, Any]) -> Claim:
    forward = parameters.get("fwd")
    if forward is not None:
        if str(forward) == "stale" and parameters.get("fwd-status") == 304:
            return Claim.REVALIDATED
        return _FORWARD.get(str(forward), Claim.UNKNOWN)
    if parameters.get("hit") is not True:
        return Claim.UNKNOWN
    detail, ttl = str(parameters.get("detail", "")).upper(), parameters.get("ttl")
    if any(word in detail for word in _STALE_DETAILS) or (isinstance(ttl, int) and ttl < 0):
        return Claim.STALE
    return Claim.HIT
