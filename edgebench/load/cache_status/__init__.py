"""What caches say they did, read from the headers of an answer: RFC 9211 Cache-Status and the dialects before it.

    >>> claim = classify({"Cache-Status": 'OriginCache; hit; ttl=1100, "CDN"; fwd=uri-miss; collapsed', "Age": "30"})
    >>> claim.outcome, claim.name, claim.ttl_s, claim.collapsed, claim.age_s
    (<ClaimedOutcome.HIT: 'hit'>, 'OriginCache', 1100, True, 30)
    >>> [(hop.name, hop.outcome.value) for hop in claim.chain]
    [('OriginCache', 'hit'), ('CDN', 'miss')]

While load is offered only `reduced` is called, once for each distinct header line; the rest is for when samples are
read. Values are hostile: nothing raises, and what is not known stays unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from edgebench.load.cache_status import rfc9211, via, words
from edgebench.load.cache_status.claim import MAX_HOPS, MAX_VALUE_CHARS, Claim, Hop, of_chain
from edgebench.load.cache_status.recorded import CLAIM_HEADERS, OLD, reduced
from edgebench.model import ClaimedOutcome

__all__ = ["CLAIM_HEADERS", "OLD", "Claim", "Hop", "classify", "classify_recorded", "reduced"]

_SET_BY_CONFIGURATION: Mapping[str, str] = {
    "x-fastcgi-cache": "",
    "x-nginx-cache": "nginx",
    "x-varnish-cache": "varnish",
    "x-proxy-cache": "",
    "x-cache-status": "",
    "x-cache-hit": "",
}
_OF_ONE_CDN: Mapping[str, str] = {
    "x-vercel-cache": "vercel",
    "cdn-cache": "bunny",
    "akamai-cache-status": "akamai",
    "cf-cache-status": "cloudflare",
}
_READ = CLAIM_HEADERS | {"age", "x-cache-name", "x-edge-location"}
_AGE = re.compile(r"\s*([0-9]{1,18})\s*(?:,|\Z)")
_MAX_LINES = 1000
_MAX_AGE_S = 2**31 - 1


def classify(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> Claim:
    """The claim of one answer, from all its headers; names in any case, several lines of a name in their order.

    Every header with words of its own adds its hops. Nobody says in which order the caches of different headers stand,
    so it is assumed: nearest the origin the headers that an operator configures (nginx, Varnish, HAProxy) and Traffic
    Server's Via, then Cache-Status, nearest the client the CDNs' own. Hit or miss does not depend on it.

    Where there is none of these, weaker evidence counts: X-Cache-Detail, X-Varnish (two transaction ids: a hit; one: a
    miss or a pass, which it does not tell apart), X-Cache-Hits, and last a plain Age. RFC 9111, section 5.1: a response
    with an Age was not generated or validated by the origin for this request, so an Age above 0 is a hit. That is the
    most it can say: some caches send Age: 0 with everything, HTTP/1.0 caches none, an answer stored less than a second
    ago has 0 too, and whether it was stale Age alone does not tell. So Age: 0 and no Age claim nothing.
    """
    lines = _lines(headers)
    chain = _chain(lines) or _weak_evidence(lines)
    match = _AGE.match(lines.get("age", ""))
    age_s = min(int(match[1]), _MAX_AGE_S) if match else None
    if not chain and age_s:
        chain = [Hop(via.last_proxy(lines.get("via", "")), ClaimedOutcome.HIT)]
    return of_chain(chain[-MAX_HOPS:], age_s)


def classify_recorded(text: str) -> Claim:
    """The claim of what was recorded with a sample: `reduced` lines, one below the other."""
    return classify((name, value.strip()) for name, _, value in (line.partition(":") for line in text.split("\n")))


def _lines(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> dict[str, str]:
    """Those we read: lower-case name to value, several lines joined by commas."""
    lines: dict[str, str] = {}
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    for count, (name, value) in enumerate(pairs):
        key = name.lower()
        if key in _READ and count < _MAX_LINES and value.strip():
            before = lines.get(key)
            if before is None:
                lines[key] = value
            elif len(before) <= MAX_VALUE_CHARS:
                lines[key] = f"{before}, {value}"
    return lines


def _chain(lines: Mapping[str, str]) -> list[Hop]:
    chain = _too_long(lines["via"]) or via.hops(lines["via"]) if "via" in lines else []
    for name, vendor in _SET_BY_CONFIGURATION.items():
        chain += _words(lines, name, lines.get("x-cache-name", vendor)[:255] if name == "x-cache-hit" else vendor)
    x_cache = _x_cache(lines)
    by_cdn = _fastly_nodes(lines) or words.of_a_cdn(lines.get("x-cache", ""))
    if not by_cdn:
        chain += x_cache
    if "cache-status" in lines:
        chain += _too_long(lines["cache-status"]) or rfc9211.hops(lines["cache-status"])
    if by_cdn:
        chain += x_cache
    for name, vendor in _OF_ONE_CDN.items():
        chain += _words(lines, name, vendor)
    return chain


def _too_long(value: str) -> list[Hop]:
    return [Hop("", ClaimedOutcome.UNKNOWN)] if len(value) > MAX_VALUE_CHARS else []


def _words(lines: Mapping[str, str], name: str, vendor: str) -> list[Hop]:
    value = lines.get(name, "")
    return _too_long(value) or words.hops(value, vendor)


def _x_cache(lines: Mapping[str, str]) -> list[Hop]:
    """Akamai's parent tells in a header of its own; Fastly's and KeyCDN's names stand in one."""
    vendor = "keycdn" if "x-edge-location" in lines else ""
    hops = _words(lines, "x-cache-remote", "") + _words(lines, "x-cache", vendor)
    nodes = _fastly_nodes(lines)
    if len(nodes) == len(hops):
        return [Hop(node, hop.outcome) for node, hop in zip(nodes, hops, strict=True)]
    return [Hop("fastly", hop.outcome) for hop in hops] if nodes else hops


def _fastly_nodes(lines: Mapping[str, str]) -> list[str]:
    nodes = (node.strip()[:255] for node in lines.get("x-served-by", "")[:MAX_VALUE_CHARS].split(","))
    return [node for node in nodes if node.startswith("cache-")]


def _weak_evidence(lines: Mapping[str, str]) -> list[Hop]:
    if detail := lines.get("x-cache-detail"):
        return _too_long(detail) or words.detail_hops(detail)
    if ids := lines.get("x-varnish", "")[-MAX_VALUE_CHARS:].rpartition(",")[2].split():
        return [Hop("varnish", ClaimedOutcome.HIT if len(ids) > 1 else ClaimedOutcome.MISS)]
    hits = words.any_hits(lines.get("x-cache-hits", "")[-MAX_VALUE_CHARS:])
    return [Hop("", ClaimedOutcome.HIT if hit else ClaimedOutcome.MISS) for hit in hits]
