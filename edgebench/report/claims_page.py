"""The report of all claims: the table of verdicts, then what was found out about each, in one file without scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edgebench.analysis.claimed import claim_trust, untested
from edgebench.analysis.results import Analysis
from edgebench.model import ClaimRow, ClaimRun, ClaimsRecord, ClaimVerdict, Reason, Trust, TrustStatus
from edgebench.report import details, svg
from edgebench.report import format as fmt
from edgebench.report.charts.claims import charts_of
from edgebench.report.claim_words import ClaimWords, claim_words
from edgebench.report.pages import date_words, template
from edgebench.report.palette import PAINT
from edgebench.report.sections import Section, section
from edgebench.report.tables import TRUST_ICONS
from edgebench.report.trust import count_words

FORM_WORDS: Mapping[str, str] = {
    "short": "short: a few repeats of a few seconds, enough for a verdict; the full form narrows the intervals",
    "full": "full",
}


@dataclass(frozen=True, slots=True)
class ClaimPart:
    """One claim, as far as it goes into the report: small, where the analysis of its run is large."""

    run: ClaimRun
    row: ClaimRow
    trust: Trust | None = None
    trials: str = ""
    """`9 of 9 trials`."""
    tiers: str = ""
    """What was measured: `direct, nginx 1.29.1`."""
    left_out: tuple[str, ...] = ()
    charts: tuple[Section, ...] = ()
    broken: bool = False
    """Whether a defect of ours kept it from being explained."""


def claim_part(run: ClaimRun, report: str, analysis: Analysis) -> ClaimPart:
    """What a finished run says of its claim. `report`: its own report, relative to the page."""
    summary = analysis.summary
    result = summary.claim or untested(run.claim, f"edgebench has no judge for a claim named {run.claim}")
    drawn: list[Section] = []
    if analysis.judged is not None:
        files: dict[str, str] = {}
        with svg.drawing():
            charts = charts_of(summary.run.scenario.claim, analysis.judged)
            drawn = [section("", chart, files, f"{fmt.slug(run.scenario)}-") for chart in charts]
    trust = claim_trust(run.claim, summary.trust)
    done = sum(trial.record.complete for cell in analysis.cells for trial in cell.trials)
    return ClaimPart(
        run,
        ClaimRow(run.scenario, result, trust.status, report),
        trust,
        f"{done} of {fmt.plural(len(summary.run.planned), 'trial')}",
        _tiers(analysis),
        tuple(f"{tier} was left out: {why}" for tier, why in summary.run.left_out.items()),
        tuple(drawn),
    )


def part_without(run: ClaimRun, report: str, why: str, *, broken: bool = False) -> ClaimPart:
    """A claim whose run did not come to its end, or cannot be explained."""
    return ClaimPart(run, ClaimRow(run.scenario, untested(run.claim, why), None, report), broken=broken)


def _tiers(analysis: Analysis) -> str:
    """The tiers that were measured, with the versions that ran."""
    found: dict[str, str] = {}
    for cell in analysis.cells:
        for trial in cell.trials:
            version = trial.record.tier.version
            found.setdefault(cell.summary.tier, f"{cell.summary.tier} {version}".rstrip())
    return ", ".join(found.values())


@dataclass(frozen=True, slots=True)
class _Entry:
    """A claim as the template shows it."""

    part: ClaimPart
    words: ClaimWords
    anchor: str
    icon: str
    reasons: str
    """`2 warnings, 1 note (SEND_LAG, ERRORS, TOO_FEW_TRIALS)`."""
    unusable: str
    """Why its figures are not to be used: `GENERATOR_SATURATED`; empty: they may be."""


def render_claims(record: ClaimsRecord, parts: Sequence[ClaimPart]) -> str:
    """The whole page; `parts` in the order of the table."""
    entries = [_entry(part) for part in parts]
    waiting = len(record.claims) - len(parts)
    return template("claims.html.j2").render(
        record=record,
        started=date_words(record.started),
        headline=headline(parts),
        entries=entries,
        waiting=waiting,
        counts=_trust_counts(parts),
        doubtful=_doubtful(parts),
        took=_took(parts),
        form=FORM_WORDS.get(record.form, ""),
        ceiling=details.ceiling_words(record.ceiling),
        paint=PAINT,
    )


def _entry(part: ClaimPart) -> _Entry:
    status = part.row.trust
    return _Entry(
        part,
        claim_words(part.row.result),
        f"claim-{fmt.slug(part.run.scenario)}",
        "" if status is None else TRUST_ICONS[status],
        _reasons(part.trust.reasons) if part.trust else "",
        _codes(reason for reason in part.trust.reasons if reason.status is TrustStatus.INVALID) if part.trust else "",
    )


def _reasons(reasons: Sequence[Reason]) -> str:
    return f"{count_words(reasons)} ({_codes(reasons)})" if reasons else "No warnings"


def _codes(reasons: Iterable[Reason]) -> str:
    return ", ".join(dict.fromkeys(reason.code.value for reason in reasons))


def headline(parts: Sequence[ClaimPart]) -> str:
    """`Of 15 claims, 9 hold here, 3 hold partly, 2 do not hold and 1 could not be tested.`"""
    counts = Counter(part.row.result.verdict for part in parts)
    one = {
        ClaimVerdict.HOLDS: ("holds here", "hold here"),
        ClaimVerdict.PARTLY: ("holds partly", "hold partly"),
        ClaimVerdict.NOT_HERE: ("does not hold here", "do not hold here"),
        ClaimVerdict.NOT_TESTABLE: ("could not be tested", "could not be tested"),
    }
    words = [f"{counts[verdict]} {one[verdict][counts[verdict] != 1]}" for verdict in ClaimVerdict if counts[verdict]]
    if not words:
        return "No claim has been tested yet."
    said = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
    return f"Of {fmt.plural(len(parts), 'claim')} made for CDNs, {said}."


def _trust_counts(parts: Sequence[ClaimPart]) -> list[tuple[int, str, str]]:
    """How many runs have which trust, its name and its icon."""
    counts = Counter(part.row.trust for part in parts if part.row.trust is not None)
    return [(counts[status], status.value, TRUST_ICONS[status]) for status in TrustStatus if counts[status]]


def _doubtful(parts: Sequence[ClaimPart]) -> list[tuple[str, str]]:
    """Which claims' figures are to be read with care, and which not to be used."""
    found = []
    for status, words in ((TrustStatus.INVALID, "Do not use"), (TrustStatus.SUSPECT, "Read with care")):
        names = [part.run.scenario for part in parts if part.row.trust is status]
        found += [(words, ", ".join(names))] if names else []
    return found


def _took(parts: Sequence[ClaimPart]) -> str:
    seconds = sum(part.run.took_s for part in parts)
    return f"{seconds / 60:.0f}{fmt.NBSP}min" if seconds >= 120 else f"{seconds:.0f}{fmt.NBSP}s"
