"""Per fault: where the harness tells of it, how often, and how often it should by the proxy's own account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgebench.analysis.evidence import Check, Correctness
from edgebench.analysis.proof import GRAIN_S
from edgebench.analysis.staleness import SLACK_S
from edgebench.model import DIGEST_EVERY, ReasonCode, TrustStatus
from tests.broken.faults import Fault
from tests.broken.proving import Proved


@dataclass(frozen=True, slots=True)
class Found:
    """What the harness found of one fault."""

    count: int
    after_requests: int | None
    """How many had been sent, with it, when the first was; None: not told, or none was found."""


@dataclass(frozen=True, slots=True)
class Sought:
    """How a fault shows."""

    told: ReasonCode | str
    """The reason not to trust the cell; or, in a text, the code of the finding."""
    found: Callable[[Proved], Found]
    visible: Callable[[Proved], int]
    """How many of the wronged requests anyone could find wrong who sees only what goes in and comes out."""

    def status(self, proved: Proved) -> TrustStatus | None:
        """What is told forces on the cell: VALID where it is a finding; None where it is not told."""
        forced = [reason.status for reason in proved.reasons if reason.code == self.told]
        return forced[0] if forced else TrustStatus.VALID if self.told in proved.findings else None


def _all(proved: Proved) -> int:
    return proved.wronged()


def _gzip_unasked(proved: Proved) -> int:
    """Who takes gzip may be given a plain body: that is no fault. Who takes plain bodies only may not be given gzip."""
    return proved.wronged(lambda detail: detail == "gzip for identity")


def _beyond_the_grain(proved: Proved) -> int:
    """HTTP's clocks have whole seconds: what is older by less breaks no rule."""
    return proved.wronged(lambda detail: float(detail) > GRAIN_S + SLACK_S)


def _digested(proved: Proved) -> int:
    """A digest is taken of each sixteenth response of the origin."""
    seqs = proved.samples["origin_seq"].astype("Int64").fillna(1).to_numpy(dtype=np.int64)
    return int((proved.samples["wronged"].to_numpy(dtype=bool) & (seqs % DIGEST_EVERY == 0)).sum())


def _checked(of: Callable[[Correctness], Check | None]) -> Callable[[Proved], Found]:
    def found(proved: Proved) -> Found:
        check = of(proved.trial.correctness)
        assert check is not None, "not checked"
        first = check.examples[0].at_s if check.examples else None
        return Found(check.count, None if first is None else _sent_by(proved, first))

    return found


def _sent_by(proved: Proved, at_s: float) -> int:
    """How many requests had been sent then."""
    since_ns = proved.samples["sent_ns"].to_numpy(dtype=np.int64) - proved.trial.record.measure_start_ns
    return int((since_ns <= round(at_s * 1e9)).sum())


def _lies(proved: Proved) -> Found:
    lies = proved.trial.disagreements
    lies = lies[lies["against"] == "claim"]
    start_ns = proved.trial.record.measure_start_ns
    return Found(len(lies), _sent_by(proved, (lies["sent_ns"].min() - start_ns) / 1e9) if len(lies) else None)


def _fetches(proved: Proved) -> Found:
    """The finding names the greatest herd, not the first."""
    collapse = proved.trial.correctness.collapse
    assert collapse is not None
    return Found(collapse.rows - collapse.groups, None)


SOUGHT = {
    Fault.LEAK_PRIVATE: Sought(ReasonCode.LEAK, _checked(lambda one: one.leak), _all),
    Fault.SWAP: Sought(ReasonCode.LEAK, _checked(lambda one: one.leak), _all),
    Fault.IGNORE_VARY: Sought(ReasonCode.WRONG_VARIANT, _checked(lambda one: one.wrong_variant), _gzip_unasked),
    Fault.DOUBLE_TTL: Sought(ReasonCode.OVER_STALE, _checked(lambda one: one.over_stale), _beyond_the_grain),
    Fault.STALE_FOREVER: Sought(ReasonCode.OVER_STALE, _checked(lambda one: one.over_stale), _beyond_the_grain),
    Fault.LABEL_MISSES_AS_HITS: Sought(ReasonCode.CLAIM_DISAGREES, _lies, _all),
    Fault.TRUNCATE: Sought(ReasonCode.BROKEN_BODY, _checked(lambda one: one.broken_body), _all),
    Fault.TRUNCATE_SHORT: Sought(ReasonCode.BROKEN_BODY, _checked(lambda one: one.cut_off), _all),
    Fault.GARBLE: Sought(ReasonCode.BROKEN_BODY, _checked(lambda one: one.broken_body), _digested),
    Fault.SERIALISE: Sought("SERIALISED", _checked(lambda one: one.serialised), _all),
    Fault.NO_COLLAPSE: Sought("NOT_COLLAPSED", _fetches, _all),
}
