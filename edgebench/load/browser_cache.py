"""A browser's own cache, by the rules for private caches (RFC 9111). Times are wall-clock seconds.

Left out: stale-while-revalidate (some browsers use it, some do not), and Vary but for `*`: one browser asks for one URL
always in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from edgebench.load.page_links import Link

_DIRECTIVE = re.compile(r"""([!#$%&'*+\-.^_`|~0-9A-Za-z]+)(?:\s*=\s*(?:"([^"]*)"|([^\s,"]*)))?""")
_KEPT = ("age", "cache-control", "date", "etag", "expires", "last-modified", "vary")
_HEURISTIC = 0.1
"""Of the time since its last change, an answer without a lifetime is taken to be fresh (RFC 9111, 4.2.2)."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A stored answer. Of its body only what it names is needed."""

    fields: Mapping[str, str]
    """Those headers that say how long it may be used, names in lower case."""
    fresh_until_s: float
    links: tuple[Link, ...]

    @property
    def conditions(self) -> dict[str, str]:
        """The headers that ask whether it is still good; empty where it has no validator."""
        asked = {"If-None-Match": "etag", "If-Modified-Since": "last-modified"}
        return {name: self.fields[field] for name, field in asked.items() if field in self.fields}


class BrowserCache:
    """One visitor's."""

    def __init__(self) -> None:
        self._kept: dict[str, Kept] = {}
        self._passed_s = 0.0

    def clear(self) -> None:
        self._kept.clear()

    def pass_time(self, seconds: float) -> None:
        """All that is stored becomes so much older at once."""
        self._passed_s += seconds

    def find(self, target: str) -> Kept | None:
        return self._kept.get(target)

    def is_fresh(self, kept: Kept, now_s: float) -> bool:
        return now_s + self._passed_s < kept.fresh_until_s

    def keep(
        self, target: str, headers: Mapping[str, str], asked_s: float, answered_s: float, links: tuple[Link, ...]
    ) -> None:
        """Store an answer 200, or what a 304 made of the one that was stored, if that is allowed."""
        fields = {name: headers[name] for name in _KEPT if name in headers}
        lifetime = lifetime_s(fields)
        if lifetime is None:
            self._kept.pop(target, None)
            return
        age = initial_age_s(fields, asked_s, answered_s)
        self._kept[target] = Kept(fields, answered_s + lifetime - age + self._passed_s, links)

    def confirm(self, target: str, kept: Kept, headers: Mapping[str, str], asked_s: float, answered_s: float) -> None:
        """A 304 has come: its headers replace those that were stored (RFC 9111, 3.2)."""
        older = {name: value for name, value in kept.fields.items() if name != "age"}
        self.keep(target, {**older, **headers}, asked_s, answered_s, kept.links)


def lifetime_s(headers: Mapping[str, str]) -> float | None:
    """How long after its making an answer 200 with these headers (names in lower case) is fresh in a private cache.

    None: it must not be stored, or could never be used again.
    """
    directives = {
        found[1].lower(): found[2] or found[3] or "" for found in _DIRECTIVE.finditer(headers.get("cache-control", ""))
    }
    if "no-store" in directives or headers.get("vary", "").strip() == "*":
        return None
    if "no-cache" in directives:
        return 0.0
    if "max-age" in directives:
        return float(directives["max-age"]) if directives["max-age"].isdecimal() else 0.0
    made_s = _seconds(headers.get("date"))
    if "expires" in headers:
        ends_s = _seconds(headers["expires"])
        return max(0.0, ends_s - made_s) if ends_s is not None and made_s is not None else 0.0
    changed_s = _seconds(headers.get("last-modified"))
    if changed_s is not None and made_s is not None:
        return max(0.0, _HEURISTIC * (made_s - changed_s))
    return 0.0


def initial_age_s(headers: Mapping[str, str], asked_s: float, answered_s: float) -> float:
    """How old an answer is when it comes: corrected_initial_age of RFC 9111, 4.2.3."""
    said = headers.get("age", "").strip()
    age = float(said) if said.isdecimal() else 0.0
    made_s = _seconds(headers.get("date"))
    apparent = max(0.0, answered_s - made_s) if made_s is not None else 0.0
    return max(apparent, age + answered_s - asked_s)


def _seconds(date: str | None) -> float | None:
    if date is None:
        return None
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
