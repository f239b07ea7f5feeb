"""The findings as the page lists them: what is said once in full, what is said of each tier folded by its kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edgebench.model import Finding
from edgebench.report import format as fmt

MOST = 3
"""Findings of one kind that are listed in full; where there are more, each kind is folded."""
_KINDS: Mapping[str, str] = {
    "HIT_RATIO": "Answered from store",
    "OFFLOAD": "Kept away from the origin",
    "ENOUGH_TTL": "How long a TTL is enough",
    "MISS_COST": "What a miss costs more",
    "PREDICTION": "What the expiry rule predicts",
    "CLAIMS": "What the cache says of itself",
    "SERIALISED": "Waited for another of the same key",
    "NOT_COLLAPSED": "Fetched more than once",
}


@dataclass(frozen=True, slots=True)
class Findings:
    """`said` in full; `folded`: kind and sentences."""

    said: tuple[str, ...]
    folded: tuple[tuple[str, tuple[str, ...]], ...]


def listed_findings(findings: Iterable[Finding]) -> Findings:
    kinds: dict[str, list[str]] = {}
    for finding in findings:
        kinds.setdefault(finding.code, []).append(fmt.unbroken(finding.text))
    said = tuple(text for texts in kinds.values() if len(texts) <= MOST for text in texts)
    many = [(kind, tuple(texts)) for kind, texts in kinds.items() if len(texts) > MOST]
    return Findings(said, tuple((_KINDS.get(kind, kind.replace("_", " ").capitalize()), texts) for kind, texts in many))
