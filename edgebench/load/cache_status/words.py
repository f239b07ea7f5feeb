"""One word per cache: X-Cache, CF-Cache-Status and their kin.

The words mean the same with most vendors; where a vendor means something else, its own table is asked first. Where
each meaning is documented stands beside its case in tests/load/cache_status_cases.toml.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from edgebench.load.cache_status.claim import MAX_HOPS, Hop
from edgebench.model import ClaimedOutcome

_HIT, _STALE, _REVALIDATED = ClaimedOutcome.HIT, ClaimedOutcome.STALE, ClaimedOutcome.REVALIDATED
_MISS, _BYPASS, _ERROR = ClaimedOutcome.MISS, ClaimedOutcome.BYPASS, ClaimedOutcome.ERROR

_WORDS: Mapping[str, ClaimedOutcome] = {
    **dict.fromkeys(("HIT", "HIT-FRESH", "PRERENDER", "TRUE", "1"), _HIT),
    **dict.fromkeys(("TCP_HIT", "TCP_MEM_HIT", "TCP_IMS_HIT", "TCP_INM_HIT", "TCP_NEGATIVE_HIT"), _HIT),
    **dict.fromkeys(("TCP_OFFLINE_HIT", "TCP_CF_HIT"), _HIT),
    **dict.fromkeys(("STALE", "UPDATING", "HITSTALE"), _STALE),
    **dict.fromkeys(("TCP_REFRESH_FAIL_HIT", "TCP_REF_FAIL_HIT", "TCP_REFRESH_FAIL_OLD"), _STALE),
    **dict.fromkeys(("REVALIDATED", "REVALIDATE", "REFRESHHIT"), _REVALIDATED),
    **dict.fromkeys(("TCP_REFRESH_HIT", "TCP_REFRESH_UNMODIFIED", "TCP_EXPIRED_HIT"), _REVALIDATED),
    # EXPIRED: what was stored was too old, so it was fetched anew.
    **dict.fromkeys(("MISS", "EXPIRED", "FALSE", "0"), _MISS),
    **dict.fromkeys(("TCP_MISS", "TCP_IMS_MISS", "TCP_SWAPFAIL_MISS", "TCP_EXPIRED_MISS"), _MISS),
    **dict.fromkeys(("TCP_REFRESH_MISS", "TCP_REFRESH_MODIFIED", "TCP_CLIENT_REFRESH_MISS"), _MISS),
    **dict.fromkeys(("TCP_CLIENT_REFRESH", "TCP_PARTIAL_HIT", "PARTIAL_HIT"), _MISS),
    # The store was not asked: not to be cached, or answered on the spot by a rule or a function.
    **dict.fromkeys(("BYPASS", "PASS", "DYNAMIC", "UNCACHEABLE", "NOTCACHEABLE", "DISABLED", "SKIPPED"), _BYPASS),
    **dict.fromkeys(("NONE", "NONE/UNKNOWN", "INVALIDATE"), _BYPASS),
    **dict.fromkeys(("CONFIG_NOCACHE", "PRIVATE_NOSTORE", "CACHE_NOCONFIG"), _BYPASS),
    **dict.fromkeys(("REDIRECT", "CONSTRUCTED", "TCP_REDIRECT", "TCP_TUNNEL"), _BYPASS),
    **dict.fromkeys(("LAMBDAGENERATEDRESPONSE", "FUNCTIONGENERATEDRESPONSE"), _BYPASS),
    **dict.fromkeys(("ERROR", "N/A", "LIMITEXCEEDED", "CAPACITYEXCEEDED"), _ERROR),
    **dict.fromkeys(("TCP_DENIED", "TCP_DENIED_REPLY", "TCP_COOKIE_DENY", "TCP_REFRESH_FAIL_ERR"), _ERROR),
}
_OF_VENDOR: Mapping[str, Mapping[str, ClaimedOutcome]] = {
    # Not a validation: the answer is the origin's, made anew after a purge.
    "vercel": {"REVALIDATED": _MISS},
}
_IN_SHIELD: Mapping[str, str] = {"TCP_REMOTE_HIT": "regional cache", "ORIGINSHIELDHIT": "Origin Shield"}
"""Words that mean a miss at the edge and a hit in the tier behind it."""
_DETAILS: Mapping[str, ClaimedOutcome] = {
    "cache hit": _HIT,
    "conditional cache hit": _REVALIDATED,
    "cache miss": _MISS,
    "conditional cache miss": _MISS,
    "cache invalidated": _BYPASS,
}
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_/-]*|[01]\Z")
_FROM = re.compile(r"\sfrom\s+([^\s(]+)", re.IGNORECASE)
_COUNT = re.compile(r"[0-9]+")
_LOG_SUFFIX = re.compile(r"(?:_(?:ABORTED|TIMEDOUT|IGNORED)){1,3}\Z")
_CDN_WORDS = re.compile(r"TCP_|CONFIG_NOCACHE|PRIVATE_NOSTORE|N/A|[^,]{1,40} from cloudfront\b", re.IGNORECASE)
_KEPT_NAMES = frozenset({"cloudfront", "child", "parent"})
_MAX_WORD_CHARS = 64


def outcome_of(word: str, vendor: str = "") -> ClaimedOutcome:
    """The meaning of one word, in any case; unknown where it is not a word of theirs."""
    plain = _LOG_SUFFIX.sub("", word.upper())
    known = _OF_VENDOR.get(vendor, {}).get(plain) or _WORDS.get(plain)
    if known is None and vendor == "cloudfront" and plain.endswith(("ERROR", "EXCEEDED")):
        return ClaimedOutcome.ERROR
    return known or ClaimedOutcome.UNKNOWN


def hops(value: str, vendor: str = "") -> list[Hop]:
    """One word for each cache, the nearest last: `MISS, HIT`, `TCP_HIT from a1.example (AkamaiGHost/9)`.

    Akamai's own header is the other way round, and says so: `Miss from child, Hit from parent`.
    """
    found: list[Hop] = []
    for member in value.split(",")[-MAX_HOPS:]:
        member = member.strip()
        if member in ("", "-"):
            continue
        origin = _FROM.search(member)
        name = origin[1][:255] if origin else vendor
        match = _WORD.match(member)
        word = match[0] if match else ""
        shield = _IN_SHIELD.get(word.upper())
        if shield is not None:
            found += [Hop(shield, ClaimedOutcome.HIT), Hop(name, ClaimedOutcome.MISS)]
        else:
            collapsed = True if word.upper().startswith("TCP_CF_") else None
            found.append(Hop(name, outcome_of(word, vendor or name.lower()), None, collapsed))
    if found and found[0].name == "child":
        found.reverse()
    return found


def detail_hops(value: str) -> list[Hop]:
    """X-Cache-Detail of Apache httpd: `"cache hit" from example.com`."""
    origin = _FROM.search(value)
    outcome = _DETAILS.get(detail_word(value), ClaimedOutcome.UNKNOWN)
    return [Hop(origin[1][:255] if origin else "", outcome)]


def detail_word(value: str) -> str:
    """What stands before the reason; a question mark where it is none of Apache's."""
    text = value.strip().lstrip('"').lower()
    return next((start for start in _DETAILS if text.startswith(start)), "?")


def any_hits(value: str) -> list[bool]:
    """X-Cache-Hits: for each cache whether it had the object already, the nearest last."""
    counts = (count.strip() for count in value.split(",")[-MAX_HOPS:])
    return [count.strip("0") != "" for count in counts if _COUNT.fullmatch(count)]


def of_a_cdn(value: str) -> bool:
    """Whether an X-Cache is by its words a CDN's, and so by no cache that stands behind another."""
    return _CDN_WORDS.match(value.strip()) is not None


def short(value: str) -> str:
    """The words alone, without the names of hosts and what else differs from answer to answer."""
    kept = []
    for member in value.split(",")[-MAX_HOPS:]:
        member = member.strip()
        match = _WORD.match(member)
        origin = _FROM.search(member)
        name = origin[1].lower() if origin else ""
        word = match[0][:_MAX_WORD_CHARS] if match else member[:_MAX_WORD_CHARS]
        kept.append(f"{word} from {name}" if name in _KEPT_NAMES else word)
    return ", ".join(kept)
