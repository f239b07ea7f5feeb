"""What of a header line is recorded with a sample: enough to classify it, and the same for as many answers as can be.

Caches send numbers that differ in every answer (X-Varnish, a remaining TTL, a key). A line is reduced when it is first
seen, so that a run has tens of distinct claims, not one for every request. The reduced line is a header line again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgebench.load.cache_status import rfc9211, via, words
from edgebench.load.cache_status.claim import MAX_VALUE_CHARS

_TOO_LONG = "(too long)"
OLD = "age: 1"
"""Recorded where no header tells more than an Age above 0."""


def _cache_status(value: str) -> str:
    return rfc9211.text(rfc9211.hops(value))


def _varnish(value: str) -> str:
    return " ".join(("1", "2")[: len(value.rpartition(",")[2].split())])


def _hits(value: str) -> str:
    return ", ".join("1" if hit else "0" for hit in words.any_hits(value))


def _fastly_nodes(value: str) -> str:
    return ", ".join("cache-" for node in value.split(",")[-4:] if node.strip().startswith("cache-"))


def _detail(value: str) -> str:
    return words.detail_word(value) if value.strip() else ""


_REDUCED: Mapping[str, Callable[[str], str]] = {
    "cache-status": _cache_status,
    "via": via.codes,
    "x-varnish": _varnish,
    "x-cache-hits": _hits,
    "x-served-by": _fastly_nodes,
    "x-cache-detail": _detail,
    "x-cache": words.short,
    "x-cache-remote": words.short,
    "x-cache-status": words.short,
    "x-cache-hit": words.short,
    "x-proxy-cache": words.short,
    "x-nginx-cache": words.short,
    "x-fastcgi-cache": words.short,
    "x-varnish-cache": words.short,
    "x-vercel-cache": words.short,
    "cdn-cache": words.short,
    "akamai-cache-status": words.short,
    "cf-cache-status": words.short,
}
CLAIM_HEADERS = frozenset(_REDUCED)
"""Headers, in lower case, in which a cache says what it did. Age is one too, and kept apart as a number."""


def reduced(name: str, value: str) -> str | None:
    """The line to record for a header of CLAIM_HEADERS (`name` in lower case); None where it says nothing."""
    if len(value) > MAX_VALUE_CHARS:
        return f"{name}: {_TOO_LONG}"
    text = _REDUCED[name](value)
    return f"{name}: {text}" if text else None
