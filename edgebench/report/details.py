"""Everything about one cell: figures, outcomes, the cache as it ran, each trial, what does not fit together."""

from __future__ import annotations

import difflib
import shlex
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from edgebench.analysis.correctness import stores
from edgebench.analysis.results import Analysis, CellResult, TrialResult
from edgebench.analysis.storage import MIB, catalogue_bytes, limit_bytes, overflows
from edgebench.model import Bound, Ceiling, Estimate, Outcome, Profile, Reason, TrialRecord, TrustStatus
from edgebench.report import format as fmt
from edgebench.report.charts.data import cell_name
from edgebench.report.metrics import metric
from edgebench.report.parts import Table
from edgebench.report.tables import TRUST_ICONS, anchor, metric_rows

MOST_EXAMPLES = 20
_PER_TRIAL = (
    "hit_ratio", "origin_offload", "latency_p50_ms", "latency_p99_ms", "service_p99_ms", "achieved_rps", "errors",
)  # fmt: skip
_SHORT = ("Hit ratio", "Offload", "p50, ms", "p99, ms", "Uncorrected p99, ms", "Achieved/s", "Errors")
"""Uncorrected: from sending, as a client that waits for its turn would count."""


@dataclass(frozen=True, slots=True)
class CellDetails:
    name: str
    anchor: str
    status: TrustStatus
    icon: str
    headline: str
    reasons: tuple[Reason, ...]
    tables: tuple[Table, ...]
    facts: tuple[tuple[str, str], ...]
    config_head: str
    config: str
    """The whole text, or what differs from the tier's first cell."""
    problems: tuple[str, ...]
    """Trials that did not end well."""


def cell_details(analysis: Analysis, *, full: bool) -> list[CellDetails]:
    """Every cell; not `full`: without the list of all its figures."""
    return [_details(analysis, index, cell, full) for index, cell in enumerate(analysis.cells)]


def _details(analysis: Analysis, index: int, cell: CellResult, full: bool) -> CellDetails:
    summary = cell.summary
    shown = (("hit_ratio", "hit ratio"), ("latency_p50_ms", "p50"), ("latency_p99_ms", "p99"))
    words = []
    for name, label in shown:
        estimate = summary.metrics.get(name)
        if estimate is not None and not fmt.missing(estimate.value):
            words.append(f"{label} {fmt.number(estimate.value, metric(name).unit)}")
    problems = tuple(
        f"{trial.record.trial.id}: {trial.record.problem or 'did not end'}"
        for trial in cell.trials
        if not trial.record.complete
    )
    figures = Table("All figures", ("Figure", "Value", "95 % interval", "Trials"), tuple(metric_rows(cell)))
    tables = [figures] if full and figures.rows else []
    tables += [table for table in (_outcomes(cell.trials), _trials(cell)) if table]
    return CellDetails(
        cell_name(cell),
        anchor(index, cell),
        summary.trust,
        TRUST_ICONS[summary.trust],
        ", ".join(words) or "not enough data",
        tuple(reason for reason in analysis.summary.trust.reasons if summary.id in reason.cells),
        tuple(tables),
        _facts(cell),
        *_configuration(analysis, cell),
        problems,
    )


def _config_text(cell: CellResult) -> str:
    return next((trial.record.tier.config_text for trial in cell.trials if trial.record.tier.config_text), "")


def _configuration(analysis: Analysis, cell: CellResult) -> tuple[str, str]:
    """Heading and text: cells of one tier differ in a line or two, so only the first is printed in full."""
    text = _config_text(cell)
    same_tier = (
        other for other in analysis.cells if other.summary.series == cell.summary.series and _config_text(other)
    )
    first = next(same_tier, cell)
    if first is cell or not text:
        return "Configuration" if text else "", text
    lines = list(difflib.unified_diff(_config_text(first).splitlines(), text.splitlines(), n=0, lineterm=""))[2:]
    if not lines:
        return f"Configuration: the same as of {cell_name(first)}", ""
    return f"Configuration: as of {cell_name(first)}, but for", "\n".join(lines)


PROFILES = {
    Profile.STRICT: "a TTL is kept exactly, nothing is served past it",
    Profile.RESILIENT: "past its TTL an answer is served as its Cache-Control permits",
    Profile.DEFAULT: "the cache as its package ships it",
}


def profile_words(record: TrialRecord) -> str:
    """The profile the tier was asked to follow, and what of it this cache cannot do."""
    profile = record.trial.cell.tier.profile
    if record.tier.kind == "url":
        return f"{profile} is what it is judged by"
    lacks = f"; cannot: {', '.join(record.tier.lacks)}" if record.tier.lacks else ""
    return f"{profile}: {PROFILES[profile]}{lacks}"


def tier_words(analysis: Analysis) -> list[tuple[str, str]]:
    """Each tier that was measured: what it is, its profile, and what of that it cannot do."""
    first: dict[str, TrialRecord] = {}
    for cell in analysis.cells:
        for trial in cell.trials:
            first.setdefault(cell.summary.series, trial.record)
    return [
        (name, f"{_what(record)}, profile {profile_words(record)}")
        for name, record in first.items()
        if record.tier.kind != "direct"
    ]


def _what(record: TrialRecord) -> str:
    tier = record.tier
    if tier.kind == "url":
        return f"somebody’s own, at {tier.binary}"
    return f"{tier.kind} {tier.version}".strip()


def expiry_words(record: TrialRecord) -> str:
    """When this cache takes an answer for fresh, in a sentence."""
    rule = record.tier.expiry
    if rule is None:
        if not stores(record):
            return "Stores nothing."
        if record.tier.kind == "url":
            return "Not known: somebody’s own tier. Nothing is predicted."
        return "Not foretold in this profile: nothing is predicted."
    shielded = record.trial.cell.tier.shield
    layers = ", in each of its two layers; of both together nothing is predicted" if shielded else ""
    if not (rule.whole_seconds or rule.extra_s or rule.less_fetch):
        return f"Fresh for exactly its TTL after it was stored{layers}."
    start = "the whole second it was stored in" if rule.whole_seconds else "the moment it was stored"
    extra = f" plus {fmt.plural(rule.extra_s, 'second')}" if rule.extra_s else ""
    less = " less what its fetch took" if rule.less_fetch else ""
    return f"Fresh for its TTL{extra}{less}, counted from {start}{layers}."


def _storage_words(record: TrialRecord, samples: pd.DataFrame) -> str:
    room, wanted = (f"{size / MIB:,.3g} MiB" for size in (limit_bytes(record), catalogue_bytes(samples)))
    return f"Room for {room} of {wanted} asked for: what it evicts decides, too, and its rule alone predicts nothing."


def _facts(cell: CellResult) -> tuple[tuple[str, str], ...]:
    if not cell.trials:
        return (("Trials", "none was measured"),)
    record = cell.trials[0].record
    tier, placement = record.tier, record.placement
    facts = [("Load", cell.summary.load), ("Network", cell.summary.network)]
    if tier.version:
        facts.append(("Version", f"{tier.kind} {tier.version}"))
    elif tier.binary:
        facts.append(("Address", tier.binary))
    if tier.kind != "direct":
        facts.append(("Profile", profile_words(record)))
    facts.append(("Expiry", expiry_words(record) + (f" ({tier.expiry})" if tier.expiry else "")))
    if stores(record) and overflows(record, cell.trials[0].samples):
        facts.append(("Storage", _storage_words(record, cell.trials[0].samples)))
    if tier.argv:
        facts.append(("Cache started by", shlex.join(tier.argv)))
    facts += [
        ("Origin started by", shlex.join(record.origin_argv) or fmt.MISSING),
        ("Generator started by", shlex.join(record.generator_argv) or fmt.MISSING),
        ("Cores", f"generator {_cores(placement.generator)}, system under test {_cores(placement.system)}"),
    ]
    return tuple(facts)


def ceiling_words(ceiling: Ceiling | None) -> str:
    """What the generator can do at least, and how that was found."""
    if ceiling is None:
        return "not measured"
    if not ceiling.points:
        return f"not measured: {ceiling.problem}"
    points = "; ".join(
        f"at least {fmt.number(point.rps, 'rps')} with bodies of {point.body_bytes:,} bytes, "
        f"{fmt.number(point.generator_cpu_us, 'µs')} of CPU each"
        for point in ceiling.points
    )
    how = f"closed loop over {fmt.plural(ceiling.users, 'connection')} to {ceiling.server}, which answered from memory"
    return f"{points}. Measured before the first trial: {how}."


def _cores(cores: tuple[int, ...]) -> str:
    return " ".join(map(str, cores)) if cores else "not pinned"


def _outcomes(trials: Iterable[TrialResult]) -> Table | None:
    counts = {outcome.value: 0 for outcome in Outcome}
    for trial in trials:
        for name, count in trial.outcomes.items():
            counts[name] = counts.get(name, 0) + count
    total = sum(counts.values())
    if not total:
        return None
    rows = tuple((name, f"{count:,}", fmt.number(count / total, "ratio")) for name, count in counts.items() if count)
    return Table("Proved outcomes, all trials", ("Outcome", "Requests", "Share"), rows)


def _trials(cell: CellResult) -> Table | None:
    rows = []
    # What bounds the cell's figure bounds those it is made of.
    bounds = {name: found.bound for name, found in cell.summary.metrics.items()}
    for trial in cell.trials:
        record = trial.record
        values = (
            fmt.figure(
                Estimate(trial.metrics.get(name), None, None, 1, "", bounds.get(name, Bound.NONE)),
                metric(name).unit,
                with_unit=metric(name).unit == "ratio",
            )
            for name in _PER_TRIAL
        )
        warm_s = f"{record.measure_start_ns / 1e9:.1f} s, {record.warm_up_end}"
        rows.append((f"Trial {record.trial.repeat}", *values, warm_s, "complete" if record.complete else "incomplete"))
    columns = ("Trial", *_SHORT, "Warm-up", "State")
    return Table("Each trial", columns, tuple(rows)) if rows else None


def unmatched_table(analysis: Analysis) -> Table | None:
    """Ledger rows without a client's request, by cell and name."""
    rows = []
    for cell in analysis.cells:
        names: dict[str, int] = {}
        for trial in cell.trials:
            for name, count in trial.unmatched_ledger.items():
                names[name] = names.get(name, 0) + count
        rows += [(cell_name(cell), name, f"{count:,}") for name, count in sorted(names.items()) if count]
    return Table("Ledger rows without a request", ("Cell", "Named", "Rows"), tuple(rows)) if rows else None


def disagreement_tables(analysis: Analysis) -> list[Table]:
    """How often claim or log contradicts the proof, by cell, and the first examples."""
    counts: Counter[tuple[str, ...]] = Counter()
    examples: list[tuple[str, ...]] = []
    for name, trial in [(cell_name(cell), trial) for cell in analysis.cells for trial in cell.trials]:
        frame = trial.disagreements
        if not len(frame):
            continue
        said = list(zip(*(_column(frame, column) for column in ("against", "said", "outcome")), strict=True))
        counts.update((name, *words) for words in said)
        first = frame.head(MOST_EXAMPLES - len(examples))
        requests = zip(_column(first, "method"), _column(first, "key"), strict=True)
        at_s = [f"{at_ns / 1e9:.3f} s" for at_ns in first["scheduled_ns"]]
        examples += [
            (trial.record.trial.id, when, " ".join(request), *words)
            for when, request, words in zip(at_s, requests, said, strict=False)
        ]
    if not counts:
        return []
    rows = tuple((*words, f"{count:,}") for words, count in counts.most_common())
    shown = f"The first {len(examples)} of {counts.total():,}"
    return [
        Table("How often", ("Cell", "Witness", "Said", "Proved", "Requests"), rows),
        Table(shown, ("Trial", "At", "Request", "Witness", "Said", "Proved"), tuple(examples)),
    ]


def _column(frame: pd.DataFrame, name: str) -> list[str]:
    return [str(value) for value in frame[name]] if name in frame else [fmt.MISSING] * len(frame)
