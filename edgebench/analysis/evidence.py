"""What a trial's two witnesses say of correctness: counts, how many were checked, and example requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

MOST_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Example:
    """One request, as it can be looked up in the trial's tables."""

    at_s: float
    """When it was sent, in seconds since the measurement began; negative in the warm-up."""
    request: str
    """Method and key."""
    principal: str
    """Hash of who asked; empty: anonymous, or not recorded."""
    seq: int
    """Stamp of the origin's response; -1: none."""
    what: str
    """What was wrong."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one trial, warm-up included: a private answer given away then is given away all the same."""

    count: int
    checked: int
    """How many it could have been."""
    examples: tuple[Example, ...] = ()
    kinds: Mapping[str, int] = field(default_factory=dict)
    """The count by kind, where there are several."""


@dataclass(frozen=True, slots=True)
class Outdated:
    """Answers that carry another version than the origin had last given, as far as the ledger shows."""

    share: Check
    p50_s: float | None
    p99_s: float | None
    """Of the outdated answers alone, and by nearest rank, however few they are."""
    max_s: float | None
    all_p99_s: float | None
    """Of all answers that carry a version, 0 for those that are current; None where they are too few."""


@dataclass(frozen=True, slots=True)
class Collapse:
    """Fetches of cacheable keys. Those of one key and variant that overlap in time are one group: one need."""

    groups: int
    rows: int
    most: int
    """Most fetches in one group."""
    most_example: Example | None
    waiters: int
    """Samples that waited for another's fetch."""
    waited_p50_ms: float | None
    waited_p99_ms: float | None
    waited_max_ms: float | None

    @property
    def mean(self) -> float | None:
        """Fetches per expiry or first miss; 1 where each was collapsed. None without any."""
        return self.rows / self.groups if self.groups else None


@dataclass(frozen=True, slots=True)
class Herd:
    """How many requests were at the origin at one time."""

    of_one_key: int
    of_all: int
    of_all_p99: float | None
    """Concurrency that was not exceeded in 99 % of the measuring phase."""
    example: Example | None
    """The key that was asked for most often at one time, and when."""


@dataclass(frozen=True, slots=True)
class Correctness:
    """All checks of one trial. None: the witnesses do not say (no ledger, an older run folder, nothing that stores)."""

    leak: Check | None = None
    stored_private: Check | None = None
    """Answers from store that no shared cache may keep, to those whom they were made for, or nobody's in particular."""
    wrong_variant: Check | None = None
    over_stale: Check | None = None
    broken_body: Check | None = None
    cut_off: Check | None = None
    outdated: Outdated | None = None
    collapse: Collapse | None = None
    herd: Herd | None = None
    serialised: Check | None = None
    """Uncacheable requests that waited for another of the same key to end; checked: those under way with another."""


def together(checks: Iterable[Check | None]) -> Check | None:
    """Several trials' checks as one; None where none of them was possible."""
    known = [check for check in checks if check is not None]
    if not known:
        return None
    kinds: dict[str, int] = {}
    for check in known:
        for kind, count in check.kinds.items():
            kinds[kind] = kinds.get(kind, 0) + count
    examples = [example for check in known for example in check.examples][:MOST_EXAMPLES]
    return Check(sum(check.count for check in known), sum(check.checked for check in known), tuple(examples), kinds)
