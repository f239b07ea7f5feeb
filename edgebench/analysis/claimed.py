"""The claims that are made for CDNs, in the order of the claims table, in the words they are made in."""

from __future__ import annotations

from collections.abc import Mapping

from edgebench.model import ClaimResult, ClaimVerdict, ReasonCode, Trust, TrustStatus

CLAIMED: Mapping[str, str] = {
    "geo": "Users are served from nearby: lower latency, faster page loads",
    "offload": "Less load on the origin, lower bandwidth cost",
    "flash_crowd": "Survives spikes without straining Flask",
    "outage": "Works while the origin is down",
    "ttl_sweep": "Cache read-only API answers: Cache-Control",
    "validators": "Cache read-only API answers: ETag",
    "ttl_advice": "Monitor the hit ratio, adjust TTLs",
    "deploy": "Versioned static URLs bust the cache",
    "compression": "Compress with gzip or Brotli",
    "object_storage": "Serve static files from object storage behind the CDN",
    "privacy": "Never cache the sensitive",
    "content_types": "Images, CSS, JS, video, audio, static HTML, API answers can all be delivered",
    "shield": "One more layer helps",
    "capacity": "The cache may be smaller than the catalogue",
    "swr": "Stale-while-revalidate hides the refresh",
}
"""By the name a scenario gives in `claim`."""


_SOUGHT: Mapping[str, frozenset[ReasonCode]] = {
    "privacy": frozenset({ReasonCode.LEAK}),
    "shield": frozenset({ReasonCode.OVER_STALE}),  # lifetimes that add up over the layers are counted, and decide
    "content_types": frozenset({ReasonCode.PREDICTION_OFF}),  # the prediction takes every class for one that is stored
}
"""Reasons not to use a cell's figures that are the very thing a claim's scenario looks for."""


def claim_trust(claim: str, trust: Trust) -> Trust:
    """How far what was found out about a claim can be trusted: as the run, but for what was sought and found, and for
    percentiles that are not given where there are too few samples for them."""
    sought = _SOUGHT.get(claim, frozenset()) | {ReasonCode.TOO_FEW_SAMPLES}
    reasons = tuple(reason for reason in trust.reasons if reason.code not in sought)
    order = list(TrustStatus)
    return Trust(max((reason.status for reason in reasons), key=order.index, default=TrustStatus.VALID), reasons)


def place(claim: str) -> int:
    """Where in the table a claim stands; those that are not in it come last."""
    names = list(CLAIMED)
    return names.index(claim) if claim in names else len(names)


def untested(claim: str, why: str) -> ClaimResult:
    """What is said of a claim whose scenario did not come to its end."""
    name = CLAIMED.get(claim, claim)
    return ClaimResult(name, ClaimVerdict.NOT_TESTABLE, "Nothing was found out: its scenario did not finish.", why=why)
