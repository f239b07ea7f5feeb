"""How long a response lets a shared cache reuse it (RFC 9111, sections 3 and 4.2.1)."""

from __future__ import annotations

import re
from functools import lru_cache

_DIRECTIVE = re.compile(r'\s*([a-z0-9-]+)\s*(?:=\s*("[^"]*"|[^\s,]*))?\s*(?:,|$)', re.IGNORECASE)
_MAX_AGE = re.compile(r"(?i)\b(max-age|s-maxage)\s*=\s*\"?\d+\"?")
_MAX_TTL_S = 2**31 - 1


def _directives(cache_control: str) -> dict[str, str]:
    return {match[1].lower(): (match[2] or "").strip('"') for match in _DIRECTIVE.finditer(cache_control)}


def _seconds(value: str) -> int:
    """Delta-seconds; what is not a number counts as stale at once (RFC 9111, section 4.2.1)."""
    return min(int(value), _MAX_TTL_S) if value.isascii() and value.isdigit() else 0


@lru_cache(maxsize=1024)
def shared_ttl_s(cache_control: str, authorized: bool) -> int | None:
    """Freshness lifetime in a shared cache, in seconds; 0: none or not storable; None: Cache-Control does not say.

    `authorized`: the request had an Authorization header, so the response needs `public`, `s-maxage` or
    `must-revalidate` to be stored at all (RFC 9111, section 3.5).
    """
    directives = _directives(cache_control)
    if directives.keys() & {"no-store", "private", "no-cache"}:
        return 0
    if authorized and not directives.keys() & {"public", "s-maxage", "must-revalidate"}:
        return 0
    for name in ("s-maxage", "max-age"):
        if name in directives:
            return _seconds(directives[name])
    return None


@lru_cache(maxsize=1024)
def stale_ok_s(cache_control: str, ttl_s: int | None) -> int:
    """How long past its lifetime `ttl_s` a response may be served, in seconds; 0: not at all.

    The longer of `stale-while-revalidate` and `stale-if-error` (RFC 5861), which one an origin that is well and one
    that fails permit. `s-maxage` alone would forbid it (RFC 9111, section 5.2.2.10); beside them it does not, as no
    cache understands the pair so.
    """
    directives = _directives(cache_control)
    if not ttl_s or directives.keys() & {"must-revalidate", "proxy-revalidate", "no-store", "private"}:
        return 0
    return max(_seconds(directives.get(name, "0")) for name in ("stale-while-revalidate", "stale-if-error"))


@lru_cache(maxsize=1024)
def with_ttl(cache_control: str, ttl_s: int) -> str:
    """The same Cache-Control with its lifetime set to ttl_s, where it lets shared caches store; else unchanged."""
    if shared_ttl_s(cache_control, False) is None or _directives(cache_control).keys() & {"no-store", "private"}:
        return cache_control
    return _MAX_AGE.sub(lambda match: f"{match[1]}={ttl_s}", cache_control)
