"""The trust line beside the first sentence, and the warnings behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgebench.analysis.ceiling import ceiling_share
from edgebench.analysis.planned import is_disturbed
from edgebench.analysis.results import Analysis, TrialResult
from edgebench.model import Outcome, Reason, TrustStatus
from edgebench.report import format as fmt
from edgebench.report.tables import TRUST_ICONS

WORDS = {
    TrustStatus.VALID: "These numbers can be trusted.",
    TrustStatus.SUSPECT: "Read these numbers with the warnings below.",
    TrustStatus.INVALID: "Do not use these numbers.",
}
_UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class TrustLine:
    status: TrustStatus
    icon: str
    words: str
    facts: tuple[tuple[str, str], ...]
    """What was checked, and how it came out."""
    summary: str
    """`2 warnings, 1 note`."""


@dataclass(frozen=True, slots=True)
class ReasonGroup:
    code: str
    word: str
    """The status it forces; `NOTE` where it forces none."""
    icon: str
    reasons: tuple[Reason, ...]


def trust_line(analysis: Analysis) -> TrustLine:
    trust = analysis.summary.trust
    trials = [trial for cell in analysis.cells for trial in cell.trials]
    run = analysis.summary.run
    done = sum(trial.record.complete for trial in trials)
    facts = (
        ("Trials", f"{done} of {len(run.planned)} complete, {fmt.plural(run.scenario.repeats, 'repeat')} per cell"),
        ("Schedule kept", _schedule(trials)),
        *_ceiling(trials),
        ("Origin’s ledger", _ledger(trials)),
        *_witnesses(trials),
        ("Errors", _errors(trials)),
    )
    icon = TRUST_ICONS[trust.status]
    return TrustLine(trust.status, icon, WORDS[trust.status], facts, count_words(trust.reasons))


def _schedule(trials: Iterable[TrialResult]) -> str:
    trials = list(trials)
    calm = [trial for trial in trials if not is_disturbed(trial.record)]
    if trials and not calm:
        return "not to be kept: what disturbs it was planned"
    pairs = [(trial.metrics.get("achieved_rps"), trial.metrics.get("offered_rps")) for trial in calm]
    shares = [achieved / offered for achieved, offered in pairs if achieved is not None and offered]
    if not shares:
        return "not known"
    return f"{fmt.number(min(shares), 'ratio')} of the offered rate in the worst trial"


def _ceiling(trials: Iterable[TrialResult]) -> tuple[tuple[str, str], ...]:
    shares = [share for trial in trials if (share := ceiling_share(trial.metrics)) is not None]
    if not shares:
        return ()
    return (("Generator", f"at most {fmt.number(max(shares), 'ratio')} of the rate it was seen to send at all"),)


def _ledger(trials: Sequence[TrialResult]) -> str:
    """Whether every response of the origin belongs to a request of a client, or has a name."""
    rows = sum(trial.ledger_rows for trial in trials)
    if not rows:
        return "none: what happened is known by header only"
    names: Counter[str] = Counter()
    for trial in trials:
        names.update(trial.unmatched_ledger)
    unexplained = names.pop(_UNEXPLAINED, 0)
    named = ", ".join(f"{count:,} {name}" for name, count in sorted(names.items()) if count)
    if unexplained:
        return f"{unexplained:,} of {rows:,} responses belong to no request"
    return f"each of {rows:,} responses matched to its request" + (f" or named ({named})" if named else "")


def _witnesses(trials: Sequence[TrialResult]) -> tuple[tuple[str, str], ...]:
    """What the cache says of each request, in its headers and in its log, against the proof."""
    facts = []
    for name, label in (("claim", "Cache’s headers"), ("log", "Cache’s log")):
        compared = sum(trial.compared.get(name, 0) for trial in trials)
        contradicted = sum(trial.contradicted.get(name, 0) for trial in trials)
        if contradicted:
            facts.append((label, f"agree with the proof for all but {contradicted:,} of {compared:,} requests"))
        elif compared:
            facts.append((label, f"agree with the proof for all {compared:,} requests"))
    lost = sum(sum(trial.log_unmatched.values()) for trial in trials)
    if lost:
        facts.append(("Log and samples", f"{lost:,} without a counterpart"))
    return tuple(facts)


def _errors(trials: Iterable[TrialResult]) -> str:
    samples = errors = 0
    for trial in trials:
        samples += sum(trial.outcomes.values())
        errors += trial.outcomes.get(Outcome.ERROR.value, 0)
    return f"{errors:,} of {samples:,} requests" if errors else f"none in {samples:,} requests"


def reason_groups(analysis: Analysis) -> list[ReasonGroup]:
    """All reasons by code, the worst first."""
    order = [TrustStatus.INVALID, TrustStatus.SUSPECT, TrustStatus.VALID]
    groups: dict[str, list[Reason]] = {}
    for reason in analysis.summary.trust.reasons:
        groups.setdefault(reason.code.value, []).append(reason)
    found = []
    for code, reasons in groups.items():
        status = min((reason.status for reason in reasons), key=order.index)
        note = status is TrustStatus.VALID
        word, icon = ("NOTE", "i") if note else (status.value, TRUST_ICONS[status])
        found.append((order.index(status), ReasonGroup(code, word, icon, tuple(reasons))))
    return [group for _, group in sorted(found, key=lambda pair: (pair[0], pair[1].code))]


def count_words(reasons: Iterable[Reason]) -> str:
    """`2 warnings, 1 note`."""
    notes = [reason.status is TrustStatus.VALID for reason in reasons]
    words = [fmt.plural(len(notes) - sum(notes), "warning")] if not all(notes) else ["No warnings"]
    return ", ".join(words + ([fmt.plural(sum(notes), "note")] if any(notes) else []))
