"""The rules by which a figure is not to be trusted, and what follows from them for cells and runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edgebench.model import Reason, ReasonCode, Trust, TrustStatus

NEVER = math.inf


@dataclass(frozen=True, slots=True)
class Limit:
    """When a measure makes a cell SUSPECT and when INVALID. At or below both it is no reason at all."""

    suspect: float
    invalid: float
    measure: str
    """What is measured; the greater, the worse."""
    note: float = NEVER
    """Above this it is listed, though the cell stays VALID."""


LIMITS: Mapping[ReasonCode, Limit] = {
    ReasonCode.RATE_MISSED: Limit(0.01, 0.10, "share of the arrivals of the measuring phase that were not sent in it"),
    ReasonCode.SEND_LAG: Limit(0.01, NEVER, "share of requests sent more than 1 ms late by the generator itself"),
    # Near its ceiling a generator may be what is measured; a schedule at twice what it can send was not kept.
    ReasonCode.GENERATOR_SATURATED: Limit(0.70, 2.0, "offered or achieved rate as a share of the generator's ceiling"),
    ReasonCode.ERRORS: Limit(0.001, 0.05, "share of requests that ended in an error"),
    ReasonCode.UNMATCHED_LEDGER: Limit(0.0, 0.01, "share of the ledger's rows that nothing explains"),
    ReasonCode.CLAIM_DISAGREES: Limit(0.001, NEVER, "share of claims that contradict the proof"),
    ReasonCode.LOG_DISAGREES: Limit(
        0.001, NEVER, "share of requests whose line in the cache's log is missing or differs"
    ),
    ReasonCode.PREDICTION_OFF: Limit(0.002, NEVER, "|predicted − proved hit ratio|, mean over the trials"),
    # 1: drifted, or the warm-up ended on its cap. The drift has limits of its own, in checks.
    ReasonCode.NOT_STEADY: Limit(0.0, NEVER, "whether the measuring phase was not one state"),
    ReasonCode.WINDOW_BELOW_TTL: Limit(1.0, NEVER, "TTL as a multiple of the measuring phase"),
    ReasonCode.TOO_FEW_SAMPLES: Limit(0.0, NEVER, "samples short of what a p99 needs"),
    # One or two trials are not wrong: they are printed without an interval, and no difference is claimed from them.
    ReasonCode.TOO_FEW_TRIALS: Limit(NEVER, NEVER, "trials short of what an interval needs", note=0.0),
    ReasonCode.SHARED_CORE: Limit(0.0, NEVER, "whether generator and system may have run on one core"),
    ReasonCode.SYSTEM_SATURATED: Limit(0.85, NEVER, "CPU of origin and cache as a share of the cores they have"),
    ReasonCode.CLOCK_STEPPED: Limit(0.050, NEVER, "seconds by which the wall clock was stepped in a trial"),
    ReasonCode.TRIAL_FAILED: Limit(0.0, 0.999, "share of the cell's trials that failed"),
    ReasonCode.TRIALS_MISSING: Limit(0.0, 0.999, "share of the cell's trials that were not run"),
    ReasonCode.TIER_LEFT_OUT: Limit(NEVER, NEVER, "whether an optional tier is missing", note=0.0),
    # One private answer given away, or one body that is not the origin's, is one too many, however fast it came.
    ReasonCode.LEAK: Limit(0.0, 0.0, "answers made for one user that another received, both phases"),
    ReasonCode.WRONG_VARIANT: Limit(0.0, 0.0, "answers in another variant than was asked for, both phases"),
    ReasonCode.BROKEN_BODY: Limit(0.0, 0.0, "bodies that are not what the origin sent, or end early, both phases"),
    ReasonCode.OVER_STALE: Limit(0.0, NEVER, "answers from store older than is permitted, both phases"),
    ReasonCode.NO_LEDGER: Limit(0.0, NEVER, "whether the origin kept no ledger"),
    # What is tolerated stands in checks_network: 5 % + 1 ms of a round trip, 10 % of a rate; 0.1 % of packets dropped.
    ReasonCode.NETWORK_OFF: Limit(1.0, 1.0, "deviation of round trips and rates as a multiple of what is tolerated"),
    ReasonCode.NETWORK_LATE: Limit(
        1.0, NEVER, "p99 lateness of the network's emulator, or packets it dropped, as a multiple of what is tolerated"
    ),
}
"""Every reason, the limits beyond which it counts, and the status it then forces. The one place where they stand."""

LATE_NS = 1_000_000
"""A request sent more than this after it was due, a connection being free, is late (wrk2's demand: 1 ms)."""
LATE_SHARE = 0.1
"""… unless arrivals are so far apart that this share of the time between them is more: what comes sixteen times a
second is not another load for being 2 ms late."""
MOSTLY_LATE = 0.25
"""Share of late requests beyond which the generator did not keep its schedule at all. Its CPU says nothing: it spins
between arrivals and always shows a full core."""
P99_NEEDS = 1000
"""Good samples a p99 needs: ten lie beyond it."""
DRIFT_ERRORS = 3.0
"""Standard errors by which the halves of the measuring phase must differ before it is called a drift …"""
DRIFT_POINTS = 0.02
"""… and by this much of hit ratio …"""
DRIFT_LATENCY = 0.20
"""… or by this share of the median latency: what is smaller does not change a conclusion."""

_ORDER = (TrustStatus.VALID, TrustStatus.SUSPECT, TrustStatus.INVALID)


@dataclass(frozen=True, slots=True)
class Doubt:
    """One measure taken of one cell (empty: of the run), and the sentence that says it, whatever the limit."""

    code: ReasonCode
    cell: str
    measure: float
    text: str
    """The numbers, the limit and what to do."""


def status_of(doubt: Doubt) -> TrustStatus | None:
    """The status a measure forces; None: no reason."""
    limit = LIMITS[doubt.code]
    if doubt.measure > limit.invalid:
        return TrustStatus.INVALID
    if doubt.measure > limit.suspect:
        return TrustStatus.SUSPECT
    return TrustStatus.VALID if doubt.measure > limit.note else None


def worst(statuses: Iterable[TrustStatus]) -> TrustStatus:
    """The worst of some; VALID of none."""
    return max(statuses, key=_ORDER.index, default=TrustStatus.VALID)


def cell_status(cell: str, doubts: Iterable[Doubt]) -> TrustStatus:
    """The worst status that any measure forces on this cell."""
    return worst(status for doubt in doubts if doubt.cell == cell and (status := status_of(doubt)) is not None)


def run_trust(doubts: Sequence[Doubt]) -> Trust:
    """All reasons of a run: one per code and status, with the cells it touches and the text of the worst of them.

    Worst first; the run's status is that of its worst reason, and so of its worst cell.
    """
    groups: dict[tuple[TrustStatus, ReasonCode], list[Doubt]] = {}
    for doubt in doubts:
        status = status_of(doubt)
        if status is not None:
            groups.setdefault((status, doubt.code), []).append(doubt)
    codes = list(ReasonCode)
    ordered = sorted(groups, key=lambda group: (-_ORDER.index(group[0]), codes.index(group[1])))
    reasons = tuple(_reason(code, status, groups[status, code]) for status, code in ordered)
    return Trust(worst(reason.status for reason in reasons), reasons)


def _reason(code: ReasonCode, status: TrustStatus, doubts: Sequence[Doubt]) -> Reason:
    cells = tuple(dict.fromkeys(doubt.cell for doubt in doubts if doubt.cell))
    gravest = max(doubts, key=lambda doubt: doubt.measure)
    where = f"{gravest.cell}: " if gravest.cell else ""
    if not cells and len(doubts) > 1:
        return Reason(code, status, " ".join(doubt.text for doubt in doubts))
    others = f" The worst of {len(cells)} cells." if len(cells) > 1 else ""
    return Reason(code, status, f"{where}{gravest.text}{others}", cells)
