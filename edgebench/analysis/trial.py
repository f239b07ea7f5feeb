"""One trial from its tables to its result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from edgebench.analysis.cacheable import anonymous_endpoints, cacheable_samples, choose_endpoints, shareable_endpoints
from edgebench.analysis.correctness import check_content, content_metrics, stores
from edgebench.analysis.edges import edge_of
from edgebench.analysis.joined import Joined
from edgebench.analysis.ledger_names import OWNED
from edgebench.analysis.metrics import measuring, trial_metrics
from edgebench.analysis.proof import Proof, prove
from edgebench.analysis.reconcile import Reconciled, reconcile
from edgebench.analysis.replay import EXACT, on_samples, replay, schedule
from edgebench.analysis.results import TrialResult
from edgebench.analysis.staleness import rightly_hits, undecided
from edgebench.analysis.tables import SAFE_METHODS, Bools, TrialTables, nanoseconds
from edgebench.analysis.timeline import timeline
from edgebench.analysis.travel import at_the_cache
from edgebench.analysis.witnesses import is_error
from edgebench.model import ClaimedOutcome, Outcome, Phase


@dataclass(frozen=True, slots=True)
class Proved:
    """A trial whose outcomes are known, before it is known what the whole run says of its endpoints."""

    tables: TrialTables
    proof: Proof
    shareable: frozenset[str]
    """Endpoints that a shared cache may store, by this trial's ledger."""
    anonymous: frozenset[str]


def prove_trial(tables: TrialTables) -> Proved | None:
    """Prove one trial; None where it has no sample in its measuring phase."""
    samples, ledger = tables.samples, tables.ledger
    if not measuring(samples).any():
        return None
    proof = prove(samples, ledger, stores=stores(tables.record))
    shareable, anonymous = shareable_endpoints(samples, ledger, proof), anonymous_endpoints(samples, ledger, proof)
    return Proved(tables, proof, shareable, anonymous)


def trial_result(proved: Proved, shareable_in_run: frozenset[str], slots: int | None = None) -> TrialResult:
    """Measure one proved trial. shareable_in_run: endpoints that any trial of the run has found shareable. slots: how
    many requests its origin serves at a time."""
    tables, proof = proved.tables, proved.proof
    record, ledger = tables.record, tables.ledger
    endpoints = choose_endpoints(
        record.trial.cell.freshness.ttl_s, proved.shareable, shareable_in_run, proved.anonymous
    )
    cacheable = _cacheable(tables, proof, endpoints)
    samples = _with_columns(tables, proof, cacheable)
    joined = Joined.of(record, samples, ledger, proof) if len(ledger) else None
    said = _nothing_to_reconcile(samples)
    if joined is not None:
        said = reconcile(
            samples, tables.tier_log, rightly_hits(joined), undecided(joined) | unwitnessed(tables, proof),
            edges=record.trial.cell.tier.edges, shielded=record.trial.cell.tier.shield,
        )  # fmt: skip
    # At TTL 0 a public answer has no lifetime, and looks like a private one.
    found = check_content(joined, endpoints if record.trial.cell.freshness.ttl_s == 0 else frozenset(), slots)
    now = measuring(samples)
    at_ns = nanoseconds(tables.processes, "at_ns")
    processes = tables.processes[(at_ns >= record.measure_start_ns) & (at_ns <= record.measure_end_ns)]
    names = pd.Series(proof.row_name, dtype="object").value_counts()
    return TrialResult(
        record=record,
        metrics=trial_metrics(record, samples, ledger, proof, tables.processes) | content_metrics(found),
        samples=samples,
        timeline=timeline(record, samples, ledger),
        outcomes={outcome.value: int((samples["outcome"][now] == outcome.value).sum()) for outcome in Outcome},
        processes=processes.reset_index(drop=True),
        unmatched_ledger={str(name): int(number) for name, number in names.items() if name != OWNED},
        disagreements=said.disagreements,
        ledger_rows=len(ledger),
        compared=said.compared,
        contradicted=said.contradicted,
        log_unmatched=said.unmatched,
        correctness=found,
    )


def _cacheable(tables: TrialTables, proof: Proof, endpoints: frozenset[str]) -> Bools:
    if len(tables.ledger):
        aside = (tables.samples["phase"] == Phase.ASIDE.value).to_numpy(dtype=bool)  # never came to the cache
        chosen = cacheable_samples(tables.samples, tables.ledger, proof, endpoints)
        return chosen & ~aside & ~unwitnessed(tables, proof)
    # Nothing says what may be stored. The claim does, of what was passed by: all else that is read counts.
    passed_by = tables.samples["claim"] == ClaimedOutcome.BYPASS.value
    return (tables.samples["method"].isin(SAFE_METHODS) & ~passed_by).to_numpy(dtype=bool)


_BY_HEADER = {
    ClaimedOutcome.HIT.value: Outcome.HIT.value,
    ClaimedOutcome.STALE.value: Outcome.STALE.value,
    ClaimedOutcome.REVALIDATED.value: Outcome.REVALIDATED.value,
}


def unwitnessed(tables: TrialTables, proof: Proof) -> Bools:
    """Samples that no ledger knows: all where there is none; else those from an object store that tells us nothing,
    which carry no stamp and whose key nobody has a row of since the trial began."""
    if not len(tables.ledger):
        return np.ones(len(tables.samples), dtype=bool)
    if tables.record.trial.cell.tier.bucket_url is None:
        return np.zeros(len(tables.samples), dtype=bool)
    since = nanoseconds(tables.ledger, "start_ns")[np.maximum(proof.word, 0)] >= 0
    unknown: Bools = (proof.answer < 0) & (proof.caused < 0) & ~((proof.word >= 0) & since)
    return unknown


def _by_header(samples: pd.DataFrame, outcome: pd.Series, unknown: Bools) -> pd.Series:
    """The outcomes, those of unknown samples as the cache's headers have them."""
    if not unknown.any():
        return outcome
    said = samples["claim"].astype("object").map(_BY_HEADER).fillna(Outcome.ORIGIN.value)
    said[is_error(samples)] = Outcome.ERROR.value
    known = outcome.astype("object").where(~unknown, said)
    return pd.Series(pd.Categorical(known, categories=[each.value for each in Outcome]), index=samples.index)


def _with_columns(tables: TrialTables, proof: Proof, cacheable: Bools) -> pd.DataFrame:
    """The samples with the columns TrialResult.samples promises."""
    record, samples, ledger = tables.record, tables.samples, tables.ledger
    outcome = _by_header(samples, proof.outcome, unwitnessed(tables, proof))
    n = len(samples)
    predicted, ideal = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    if stores(record) and len(ledger):
        came, left = at_the_cache(record, samples, ledger)
        requests = schedule(came, left, proof, cacheable, record.start_wall_ns)
        ideal = on_samples(requests, replay(requests, EXACT), n)
        if record.tier.expiry is not None and not record.trial.cell.tier.shield:
            tier, edges = record.tier, record.trial.cell.tier.edges
            if edges > 1:  # each has a store of its own; what one of them holds is no use to another's users
                edge = edge_of(samples, edges)
                requests = schedule(came, left, proof, cacheable, record.start_wall_ns, edge)
            predicted = on_samples(
                requests,
                replay(
                    requests,
                    record.tier.expiry,
                    collapses_misses=tier.collapses_misses,
                    collapses_expired=tier.collapses_expired,
                ),
                n,
            )
    service_ns = nanoseconds(samples, "done_ns") - nanoseconds(samples, "sent_ns")
    waited_ns = nanoseconds(samples, "done_ns") - nanoseconds(samples, "scheduled_ns")
    return samples.assign(
        outcome=outcome,
        cacheable=cacheable,
        latency_ns=waited_ns - nanoseconds(samples, "send_lag_ns"),
        service_ns=service_ns,
        predicted_hit=predicted,
        ideal_hit=ideal,
        staleness_s=np.maximum(proof.age_s - proof.ttl_s, 0.0),
    )


def _nothing_to_reconcile(samples: pd.DataFrame) -> Reconciled:
    return Reconciled(samples.iloc[:0].assign(against="", said=""), {}, {}, {})
