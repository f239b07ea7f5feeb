"""The measures one trial is judged by. Each yields its sentence: the numbers, the limit and what to do."""

from __future__ import annotations

import math
from collections.abc import Iterator

from edgebench.analysis.ceiling import AT_CEILING, ceiling_share
from edgebench.analysis.checks_network import network_doubts
from edgebench.analysis.ledger_names import UNEXPLAINED
from edgebench.analysis.metrics import measuring
from edgebench.analysis.planned import disturbed, is_disturbed
from edgebench.analysis.results import TrialResult
from edgebench.analysis.steadiness import steadiness
from edgebench.analysis.tables import NS_PER_S, Bools, nanoseconds
from edgebench.analysis.trust import LATE_NS, LATE_SHARE, LIMITS, MOSTLY_LATE, P99_NEEDS, Doubt
from edgebench.analysis.wording import count, digits, percent
from edgebench.model import Arrivals, LoadModel, Outcome, ReasonCode, RunRecord


def trial_doubts(trial: TrialResult, run: RunRecord) -> Iterator[Doubt]:
    """All measures of one trial."""
    yield from _lateness(trial)
    yield from _rate(trial)
    yield from _answers(trial)
    yield from _ledger(trial)
    yield from _own_words(trial)
    yield from steadiness(trial)
    yield from _clock_and_cores(trial)
    yield from _saturation(trial, run)
    yield from network_doubts(trial.record)


def _limit(code: ReasonCode) -> str:
    return f"limit {percent(LIMITS[code].suspect)}"


def _lateness(trial: TrialResult) -> Iterator[Doubt]:
    """Of arrivals. A page's assets come in lumps by nature: a browser asks for six at once, and needs time to do so."""
    cell = trial.record.trial.cell.id
    now = trial.samples[measuring(trial.samples) & _arrivals(trial)]
    load = trial.record.trial.cell.load
    apart = load.model is LoadModel.OPEN and load.arrivals is not Arrivals.REPLAY and load.peak_rps > 0
    limit_ns = max(LATE_NS, LATE_SHARE * NS_PER_S / load.peak_rps) if apart else LATE_NS
    late = float((now["send_lag_ns"] > limit_ns).mean()) if len(now) else 0.0
    text = (
        f"{percent(late)} of the requests were sent more than {digits(limit_ns / 1e6)} ms late by the generator itself "
        f"({_limit(ReasonCode.SEND_LAG)}). This lag is in no latency, but the load came in lumps: lower rate_rps, or "
        "give the generator a core of its own."
    )
    yield Doubt(ReasonCode.SEND_LAG, cell, late, text)
    share = ceiling_share(trial.metrics, load.peak_rps if load.has_step else 0.0)
    if late > MOSTLY_LATE:
        text = (
            f"{percent(late)} of the requests were sent late by the generator itself: it could not keep the schedule, "
            "and the load was another than the one asked for. Lower rate_rps."
        )
        yield Doubt(ReasonCode.GENERATOR_SATURATED, cell, math.inf, text)
    elif share is not None:
        ceiling_rps = trial.metrics["ceiling_rps"] or 0.0
        text = (
            f"{digits(share * ceiling_rps)} requests/s are {percent(share)} of the {digits(ceiling_rps)} that the "
            f"generator got from a null server ({_limit(ReasonCode.GENERATOR_SATURATED)}): what was measured may be "
            f"the generator. {_at_the_ceiling(share)}Lower rate_rps, or the number of users of a closed load."
        )
        yield Doubt(ReasonCode.GENERATOR_SATURATED, cell, share, text)


def _at_the_ceiling(share: float) -> str:
    return "Throughput is at least what is printed (≥). " if share >= AT_CEILING else ""


def _rate(trial: TrialResult) -> Iterator[Doubt]:
    """Arrivals not sent in time: in the measuring phase, or by the generator's count of the whole trial, if worse.

    What follows from an answer (a page's assets, the next piece of a clip) is no arrival, and would hide one that is
    missing. Where the origin fails as planned or a crowd comes, that all connections wait is the result; what the
    generator itself did not send in time is in its lag, and what it lost is missing from its schedule.
    """
    if trial.record.trial.cell.load.model is not LoadModel.OPEN:
        return
    arrivals = trial.samples[_arrivals(trial)]
    now = arrivals[measuring(arrivals)]
    in_time = float((nanoseconds(now, "sent_ns") <= trial.record.measure_end_ns).sum())
    share = (len(now) - in_time) / len(now) if len(now) and not is_disturbed(trial.record) else 0.0
    missed, due, when = share, float(len(now)), "due in the measuring phase"
    scheduled = trial.record.load.get("scheduled", 0.0)
    if scheduled > 0 and (scheduled - len(arrivals)) / scheduled > missed:
        missed, due, when = (scheduled - len(arrivals)) / scheduled, scheduled, "of the schedule"
    text = (
        f"{percent(missed)} of {count(due, 'arrival')} {when} were not sent ({_limit(ReasonCode.RATE_MISSED)}): "
        "all connections were busy. Lower rate_rps or raise users."
    )
    yield Doubt(ReasonCode.RATE_MISSED, trial.record.trial.cell.id, missed, text)


def _arrivals(trial: TrialResult) -> Bools:
    """The samples the schedule brought; all of them where none says so: an older version counted each as one."""
    brought: Bools = trial.samples["arrival"].fillna(False).to_numpy(dtype=bool)
    return brought if brought.any() else ~brought


def _answers(trial: TrialResult) -> Iterator[Doubt]:
    cell = trial.record.trial.cell.id
    requests, errors = trial.metrics.get("requests") or 0.0, trial.metrics.get("errors") or 0.0
    good = requests - errors
    if is_disturbed(trial.record):
        now = trial.samples[measuring(trial.samples) & ~disturbed(trial.record, trial.samples)]
        requests, errors = float(len(now)), float((now["outcome"] == Outcome.ERROR.value).sum())
    share = errors / requests if requests else 0.0
    text = (
        f"{count(errors, 'request')} of {requests:,.0f} ({percent(share)}) ended in an error "
        f"({_limit(ReasonCode.ERRORS)}); the latencies are those of the others. See the logs in the trial's folder."
    )
    yield Doubt(ReasonCode.ERRORS, cell, share, text)
    text = (
        f"{count(good, 'good sample')} in a trial: a p99 needs {P99_NEEDS:,}, so there is none. Raise "
        "measure_s or rate_rps."
    )
    yield Doubt(ReasonCode.TOO_FEW_SAMPLES, cell, P99_NEEDS - good, text)


def _ledger(trial: TrialResult) -> Iterator[Doubt]:
    cell = trial.record.trial.cell.id
    if not trial.ledger_rows:
        text = (
            "the origin kept no ledger, so nothing is proved: outcomes are what the cache's headers say. Wrap the app "
            "to have them proved."
        )
        yield Doubt(ReasonCode.NO_LEDGER, cell, 1.0, text)
        return
    if trial.record.trial.cell.tier.bucket_url is not None:
        text = (
            "the static files came from a bucket whose log is not ours to read: what happened to them is what the "
            "cache's headers say, and in no hit ratio. Leave bucket_url out to have a bucket that is a witness."
        )
        yield Doubt(ReasonCode.NO_LEDGER, cell, 1.0, text)
    unexplained = trial.unmatched_ledger.get(UNEXPLAINED, 0)
    text = (
        f"{count(unexplained, 'request')} of {trial.ledger_rows:,} that reached the origin belong to no sample, and "
        "nothing explains them (limit 0). Does something else use this origin?"
    )
    yield Doubt(ReasonCode.UNMATCHED_LEDGER, cell, unexplained / trial.ledger_rows, text)


def _own_words(trial: TrialResult) -> Iterator[Doubt]:
    """What the cache says of itself, in headers and log. Unmatched lines count as contradictions of the log."""
    for against, code, whose in (
        ("claim", ReasonCode.CLAIM_DISAGREES, "what the cache's headers say"),
        ("log", ReasonCode.LOG_DISAGREES, "the cache's own log"),
    ):
        compared = trial.compared.get(against, 0)
        wrong = trial.contradicted.get(against, 0) + (sum(trial.log_unmatched.values()) if against == "log" else 0)
        if compared or wrong:
            share = wrong / max(compared, 1)
            text = (
                f"{whose} contradicts the proof, or has no counterpart, in {count(wrong, 'sample')} of {compared:,} "
                f"({digits(100 * share)} %; {_limit(code)}). The proof counts; the details of the cell list them."
            )
            yield Doubt(code, trial.record.trial.cell.id, share, text)


def _clock_and_cores(trial: TrialResult) -> Iterator[Doubt]:
    record, cell = trial.record, trial.record.trial.cell.id
    stepped_s = abs(record.wall_drift_ns) / NS_PER_S
    limit_ms = 1000 * LIMITS[ReasonCode.CLOCK_STEPPED].suspect
    text = (
        f"the wall clock was stepped by {digits(1000 * stepped_s)} ms during a trial (limit {limit_ms:g} ms), and "
        "caches reckon freshness by it. Let it settle and measure again."
    )
    yield Doubt(ReasonCode.CLOCK_STEPPED, cell, stepped_s, text)
    text = (
        "the generator and the system under test may have run on the same core, so each slowed the other. Use a "
        "machine with more cores, or one that can pin processes."
    )
    yield Doubt(ReasonCode.SHARED_CORE, cell, float(record.placement.shared), text)


def _saturation(trial: TrialResult, run: RunRecord) -> Iterator[Doubt]:
    cores = len(trial.record.placement.system) or cores_of(run)
    if not cores or trial.record.trial.cell.load.has_step:  # a crowd that is too much for the system is the question
        return
    origin, tier = trial.metrics.get("origin_cpu") or 0.0, trial.metrics.get("tier_cpu") or 0.0
    # Threads of one Python process share one lock: a worker cannot use more than about one core.
    load = max((origin + tier) / cores, origin / min(cores, max(run.scenario.origin.workers, 1)))
    text = (
        f"origin ({digits(origin)} cores) and cache ({digits(tier)} cores) used {percent(load)} of what they can "
        f"({_limit(ReasonCode.SYSTEM_SATURATED)}): latency is then waiting in line. Lower rate_rps."
    )
    yield Doubt(ReasonCode.SYSTEM_SATURATED, trial.record.trial.cell.id, load, text)


def cores_of(run: RunRecord) -> int | None:
    """Cores of the machine as run.json has them; None where it does not say."""
    words = run.machine.get("cores", "").split()
    return int(words[0]) if words and words[0].isdigit() else None
