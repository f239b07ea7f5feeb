"""Via, in which Apache Traffic Server says what it did: `Via: http/1.1 edge (ApacheTrafficServer/9.2 [cHs f ])`.

A lower-case letter names a field, the capital or blank after it is its value; what stands after the colon of the long
form is detail. Meaning of the letters: Traffic Server's documentation, appendix FAQ and traffic_via.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from edgebench.load.cache_status.claim import MAX_HOPS, Hop
from edgebench.model import ClaimedOutcome

_CODES = re.compile(r"[ucsfpelo A-Z]{4,20}")
_ERRORS = frozenset("ACDFHLST")
_STALE: Mapping[str, ClaimedOutcome] = {
    "N": ClaimedOutcome.REVALIDATED,
    "S": ClaimedOutcome.MISS,
    " ": ClaimedOutcome.STALE,
}
"""Of what was in the cache but too old, by what the origin answered. On `E`rror it may have been served or not."""


def hops(value: str) -> list[Hop]:
    """The proxies that tell their codes, nearest the client last: each appends itself."""
    found = []
    for entry in value.split(",")[-MAX_HOPS:]:
        proxy, _, comment = entry.partition("(")
        fields = _fields(comment.partition("[")[2].partition("]")[0])
        words = proxy.split()
        if fields and words:
            found.append(Hop(words[-1], _outcome(fields)))
    return found


def codes(value: str) -> str:
    """The same in short: names left out, and empty where nobody tells codes."""
    found = (entry.partition("(")[2].partition("[")[2].partition("]")[0] for entry in value.split(",")[-MAX_HOPS:])
    return ", ".join(f"- ([{code}])" for code in found if _fields(code))


def last_proxy(value: str) -> str:
    """The proxy nearest the client; empty where there is none."""
    words = value.rpartition(",")[2].partition("(")[0].split()
    return words[-1][:255] if len(words) > 1 else ""


def _fields(text: str) -> dict[str, str]:
    result = re.split("[:;]", text, maxsplit=1)[0]
    if not _CODES.fullmatch(result):
        return {}
    fields: dict[str, str] = {}
    field = ""
    for letter in result:
        if letter.islower():
            # In the old long form `l` was the lookup and `o` the origin's answer.
            field = {"l": "c", "o": "s"}.get(letter, letter)
            fields.setdefault(field, " ")
        elif letter != " " and field:
            fields[field] = letter
    return fields if "c" in fields else {}


def _outcome(fields: Mapping[str, str]) -> ClaimedOutcome:
    lookup = fields["c"]
    if lookup in "HR":
        return ClaimedOutcome.HIT
    if lookup == "S":
        return _STALE.get(fields.get("s", " "), ClaimedOutcome.UNKNOWN)
    if lookup not in "MA ":
        return ClaimedOutcome.UNKNOWN
    if fields.get("e") in _ERRORS:
        return ClaimedOutcome.ERROR
    return ClaimedOutcome.BYPASS if lookup == " " else ClaimedOutcome.MISS
