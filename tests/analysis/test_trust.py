"""For each reason, a table that triggers it and one that does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edgebench.analysis.checks import trial_doubts
from edgebench.analysis.checks_cell import cell_doubts, run_doubts
from edgebench.analysis.planned import at_a_kill, disturbed
from edgebench.analysis.results import TrialResult
from edgebench.analysis.steadiness import drift
from edgebench.analysis.trust import LIMITS, Doubt, cell_status, run_trust, status_of, worst
from edgebench.model import (
    Arrivals,
    Fault,
    FaultKind,
    LinkRecord,
    LinkSpec,
    LoadModel,
    NetworkRecord,
    Outcome,
    Placement,
    ReasonCode,
    TrustStatus,
)
from tests.analysis.folders import record, run_record, scenario, trials

SCENARIO = scenario(ttl_s=(5,), repeats=3)
RUN = run_record(SCENARIO)
MS = 1_000_000
N = 2000


def good_trial(place: int = 1) -> TrialResult:
    """A trial with nothing wrong, of nginx.ttl5 (place 1) or direct (place 0)."""
    of = trials(SCENARIO)[place]
    sent = np.linspace(4e9, 12e9, N, endpoint=False).astype(np.int64)
    samples = pd.DataFrame({"phase": "measure", "sent_ns": sent, "send_lag_ns": 0, "cacheable": True})
    samples["arrival"] = True
    timeline = pd.DataFrame({"at_s": np.arange(12.0), "hit_ratio": 0.9, "latency_p50_ms": 1.0})
    metrics = {"requests": float(N), "errors": 0.0, "offered_rps": 250.0, "origin_cpu": 0.3, "tier_cpu": 0.1}
    metrics |= {"prediction_residual": 0.0}
    return TrialResult(
        record(of), metrics, samples, timeline, {}, pd.DataFrame(), {}, pd.DataFrame(), ledger_rows=1000,
        compared={"claim": N, "log": N}, contradicted={"claim": 0, "log": 0}, log_unmatched={},
    )  # fmt: skip


def codes(trial: TrialResult) -> dict[ReasonCode, TrustStatus]:
    doubts = [*trial_doubts(trial, RUN), *cell_doubts(trial.record.trial.cell, [trial] * 3, [], [])]
    return {reason.code: reason.status for reason in run_trust(doubts).reasons}


def test_every_reason_has_its_limit() -> None:
    assert set(LIMITS) == set(ReasonCode)
    assert all(limit.suspect <= limit.invalid for limit in LIMITS.values())


@pytest.mark.parametrize("place", [0, 1])
def test_nothing_wrong_no_reason(place: int) -> None:
    assert codes(good_trial(place)) == {}


def _record(**change: Any) -> Callable[[TrialResult], TrialResult]:
    return lambda trial: replace(trial, record=replace(trial.record, **change))


def _metrics(**change: float) -> Callable[[TrialResult], TrialResult]:
    return lambda trial: replace(trial, metrics={**trial.metrics, **change})


def _samples(column: str, value: int, number: int) -> Callable[[TrialResult], TrialResult]:
    def change(trial: TrialResult) -> TrialResult:
        values = trial.samples[column].to_numpy(copy=True)
        values[:number] = value
        return replace(trial, samples=trial.samples.assign(**{column: values}))

    return change


def _timeline(column: str, values: list[float]) -> Callable[[TrialResult], TrialResult]:
    return lambda trial: replace(trial, timeline=trial.timeline.assign(**{column: values}))


def _fields(**change: Any) -> Callable[[TrialResult], TrialResult]:
    return lambda trial: replace(trial, **change)


def _link(**change: Any) -> Callable[[TrialResult], TrialResult]:
    """A mobile link as it should be, but for what changes, beside one that is."""
    asked = LinkSpec(50, down_mbit=10, up_mbit=2)
    right = LinkRecord("client", "edge", asked, 50.2, 50.0, 9.99, 2.01, 0.1, 0.2, 10_000)
    return _record(network=NetworkRecord("mobile", "relay", (right, replace(right, **change))))


VALID, SUSPECT, INVALID = TrustStatus.VALID, TrustStatus.SUSPECT, TrustStatus.INVALID
R = ReasonCode
WORN = [0.5] * 4 + [0.80, 0.81, 0.80, 0.81, 0.90, 0.91, 0.90, 0.91]
NOISY = [0.5] * 4 + [0.7, 0.9, 0.8, 0.9, 0.9, 0.8, 0.9, 0.9]
CASES: list[tuple[R, TrustStatus | None, Callable[[TrialResult], TrialResult]]] = [
    (R.RATE_MISSED, SUSPECT, _samples("sent_ns", 13_000 * MS, 25)),
    (R.RATE_MISSED, INVALID, _samples("sent_ns", 13_000 * MS, 300)),
    (R.RATE_MISSED, None, _samples("sent_ns", 13_000 * MS, 20)),
    (R.RATE_MISSED, SUSPECT, _record(load={"scheduled": N * 1.05})),
    (R.RATE_MISSED, None, _record(load={"scheduled": N * 1.005})),
    (R.SEND_LAG, SUSPECT, _samples("send_lag_ns", 2 * MS, 25)),
    (R.SEND_LAG, None, _samples("send_lag_ns", 2 * MS, 20)),
    (R.SEND_LAG, None, _samples("send_lag_ns", MS, N)),
    (R.GENERATOR_SATURATED, INVALID, _samples("send_lag_ns", 2 * MS, 600)),
    (R.GENERATOR_SATURATED, SUSPECT, _metrics(ceiling_rps=350.0)),
    (R.GENERATOR_SATURATED, SUSPECT, _metrics(ceiling_rps=240.0)),
    (R.GENERATOR_SATURATED, INVALID, _metrics(ceiling_rps=100.0)),
    (R.GENERATOR_SATURATED, None, _metrics(ceiling_rps=250.0 / 0.70)),
    (R.ERRORS, SUSPECT, _metrics(errors=3)),
    (R.ERRORS, INVALID, _metrics(errors=101)),
    (R.ERRORS, None, _metrics(errors=2)),
    (R.TOO_FEW_SAMPLES, SUSPECT, _metrics(requests=999)),
    (R.TOO_FEW_SAMPLES, None, _metrics(requests=1000)),
    (R.UNMATCHED_LEDGER, SUSPECT, _fields(unmatched_ledger={"unexplained": 1})),
    (R.UNMATCHED_LEDGER, INVALID, _fields(unmatched_ledger={"unexplained": 11})),
    (R.UNMATCHED_LEDGER, None, _fields(unmatched_ledger={"background refresh": 11, "retry": 1})),
    (R.NO_LEDGER, SUSPECT, _fields(ledger_rows=0)),
    (R.CLAIM_DISAGREES, SUSPECT, _fields(contradicted={"claim": 3})),
    (R.CLAIM_DISAGREES, None, _fields(contradicted={"claim": 2})),
    (R.LOG_DISAGREES, SUSPECT, _fields(contradicted={"log": 3})),
    (R.LOG_DISAGREES, SUSPECT, _fields(log_unmatched={"log lines without a sample": 3})),
    (R.LOG_DISAGREES, None, _fields(log_unmatched={"log lines without a sample": 2})),
    (R.PREDICTION_OFF, SUSPECT, _metrics(prediction_residual=-0.0021)),
    (R.PREDICTION_OFF, None, _metrics(prediction_residual=-0.0019)),
    (R.NOT_STEADY, SUSPECT, _record(warm_up_end="cap")),
    (R.NOT_STEADY, SUSPECT, _timeline("hit_ratio", WORN)),
    (R.NOT_STEADY, None, _timeline("hit_ratio", NOISY)),
    (R.NOT_STEADY, None, _timeline("hit_ratio", [0.1] * 4 + [0.900] * 4 + [0.915] * 4)),
    (R.NOT_STEADY, SUSPECT, _timeline("latency_p50_ms", [9.0] * 4 + [1.0] * 4 + [1.3] * 4)),
    (R.NOT_STEADY, None, _timeline("latency_p50_ms", [9.0] * 4 + [1.0] * 4 + [1.15] * 4)),
    (R.WINDOW_BELOW_TTL, SUSPECT, _record(measure_end_ns=8_900 * MS)),
    (R.WINDOW_BELOW_TTL, None, _record(measure_end_ns=9_000 * MS)),
    (R.SHARED_CORE, SUSPECT, _record(placement=Placement((0, 1), (1,)))),
    (R.SHARED_CORE, SUSPECT, _record(placement=Placement())),
    (R.SYSTEM_SATURATED, SUSPECT, _metrics(origin_cpu=0.5, tier_cpu=0.4)),
    (R.SYSTEM_SATURATED, None, _metrics(origin_cpu=0.4, tier_cpu=0.4)),
    (R.CLOCK_STEPPED, SUSPECT, _record(wall_drift_ns=-51 * MS)),
    (R.CLOCK_STEPPED, None, _record(wall_drift_ns=49 * MS)),
    (R.NETWORK_OFF, None, _link(rtt_ms=53.4)),
    (R.NETWORK_OFF, INVALID, _link(rtt_ms=53.6)),
    (R.NETWORK_OFF, None, _link(rtt_ms=46.6)),
    (R.NETWORK_OFF, INVALID, _link(rtt_ms=46.4)),
    (R.NETWORK_OFF, INVALID, _link(rtt_ms=None)),
    (R.NETWORK_OFF, INVALID, _link(down_mbit=8.9)),
    (R.NETWORK_OFF, None, _link(down_mbit=9.1)),
    (R.NETWORK_OFF, INVALID, _link(up_mbit=None)),
    (R.NETWORK_OFF, INVALID, _link(up_mbit=2.5)),
    (R.NETWORK_OFF, INVALID, _link(late_mean_ms=1.8)),
    (R.NETWORK_OFF, None, _link(late_mean_ms=1.7)),
    (R.NETWORK_LATE, SUSPECT, _link(late_p99_ms=3.6)),
    (R.NETWORK_LATE, None, _link(late_p99_ms=3.4)),
    (R.NETWORK_LATE, SUSPECT, _link(packets=9980, missed=20)),
    (R.NETWORK_LATE, None, _link(packets=9992, missed=8)),
    (R.NETWORK_LATE, None, _link(lost=500, overflowed=500)),
]


@pytest.mark.parametrize(("code", "status", "spoil"), CASES)
def test_reasons(code: R, status: TrustStatus | None, spoil: Callable[[TrialResult], TrialResult]) -> None:
    assert codes(spoil(good_trial())).get(code) is status


def test_a_closed_load_has_no_schedule_to_miss() -> None:
    trial = _samples("sent_ns", 13_000 * MS, 300)(good_trial())
    load = replace(SCENARIO.load, model=LoadModel.CLOSED)
    cell = replace(trial.record.trial.cell, load=load)
    assert R.RATE_MISSED not in codes(_record(trial=replace(trial.record.trial, cell=cell))(trial))


def test_what_follows_from_an_answer_hides_no_arrival_that_was_missed() -> None:
    few = _samples("sent_ns", 13_000 * MS, 5)(good_trial())  # of 204 arrivals, most with nine assets
    samples = few.samples.assign(arrival=np.arange(N) % 10 == 0)
    samples.loc[samples.index[:5], "arrival"] = True
    assert R.RATE_MISSED not in codes(few)
    assert codes(replace(few, samples=samples))[R.RATE_MISSED] is SUSPECT
    late = few.samples.assign(arrival=np.arange(N) % 10 == 0, send_lag_ns=np.where(np.arange(N) % 10 == 0, 0, 9 * MS))
    assert R.SEND_LAG not in codes(replace(few, samples=late))
    assert R.SEND_LAG in codes(replace(few, samples=late.assign(arrival=True)))
    old = few.samples.assign(arrival=None)
    assert R.RATE_MISSED not in codes(replace(few, samples=old))


def test_trials_that_failed_are_missing_or_few() -> None:
    trial, cell = good_trial(), good_trial().record.trial.cell

    def found(good: int, failed: int, missing: int) -> dict[R, TrustStatus]:
        doubts = cell_doubts(
            cell, [trial] * good, [replace(trial.record, problem="nginx died")] * failed, ["x"] * missing
        )
        return {reason.code: reason.status for reason in run_trust(list(doubts)).reasons}

    assert found(3, 0, 0) == {}
    assert found(2, 0, 0) == {R.TOO_FEW_TRIALS: VALID}
    assert found(3, 1, 0) == {R.TRIAL_FAILED: SUSPECT}
    assert found(0, 3, 0) == {R.TRIAL_FAILED: INVALID}
    assert found(3, 0, 2) == {R.TRIALS_MISSING: SUSPECT}
    assert found(0, 0, 3) == {R.TRIALS_MISSING: INVALID}


def test_a_tier_left_out_is_listed_and_spoils_nothing() -> None:
    trust = run_trust(list(run_doubts(replace(RUN, left_out={"varnish": "not installed"}))))
    assert trust.status is VALID
    assert [(reason.code, reason.text) for reason in trust.reasons] == [
        (R.TIER_LEFT_OUT, "varnish was not measured: not installed.")
    ]


def test_reasons_are_gathered_by_code_with_the_worst_text_first() -> None:
    doubts = [
        Doubt(R.SEND_LAG, "a", 0.02, "two."),
        Doubt(R.SEND_LAG, "b", 0.03, "three."),
        Doubt(R.ERRORS, "b", 0.5, "half."),
        Doubt(R.SEND_LAG, "c", 0.0, "none."),
    ]
    trust = run_trust(doubts)
    assert trust.status is INVALID
    assert [(reason.code, reason.cells) for reason in trust.reasons] == [(R.ERRORS, ("b",)), (R.SEND_LAG, ("a", "b"))]
    assert trust.reasons[1].text == "b: three. The worst of 2 cells."
    assert [cell_status(cell, doubts) for cell in "abc"] == [SUSPECT, INVALID, VALID]
    assert status_of(doubts[3]) is None
    assert worst([]) is VALID


def test_texts_say_number_limit_and_what_to_do() -> None:
    spoiled = _metrics(errors=101)(good_trial())
    text = next(reason.text for reason in run_trust(list(trial_doubts(spoiled, RUN))).reasons)
    assert text == (
        "nginx.ttl5: 101 requests of 2,000 (5.1 %) ended in an error (limit 0.1 %); the latencies are those of the "
        "others. See the logs in the trial's folder."
    )


def test_drift_needs_six_seconds() -> None:
    assert drift(np.array([1.0, np.nan, 1.0, 1.0, 2.0, 2.0])) is None
    halves = drift(np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0]))
    assert halves == (1.0, 2.0, 0.0)


def test_what_a_planned_fault_does_is_the_result_and_no_defect() -> None:
    trial = good_trial()
    start_s = trial.record.measure_start_ns / 1e9
    sent_s = trial.samples["sent_ns"] / 1e9 - start_s
    failed = (sent_s >= 2) & (sent_s < 4)
    samples = trial.samples.assign(
        done_ns=trial.samples["sent_ns"] + MS,
        outcome=np.where(failed, Outcome.ERROR.value, Outcome.HIT.value),
    )
    broken = replace(trial, samples=samples, metrics={**trial.metrics, "errors": float(failed.sum())})
    assert ReasonCode.ERRORS in codes(broken)
    fault = Fault(FaultKind.DOWN, 2.0, 3.2)  # and a second of aftermath
    planned = replace(broken, record=replace(broken.record, faults=(fault,)))
    assert codes(planned) == {}
    too_late = replace(broken, record=replace(broken.record, faults=(replace(fault, end_s=2.5),)))
    assert ReasonCode.ERRORS in codes(too_late)


def _crowd(trial: TrialResult, **change: float) -> TrialResult:
    """The trial with a crowd of 20 times the rate from its 2nd to its 4th second."""
    step = {"rate_rps": 50.0, "step_factor": 20.0, "step_at_s": 2.0, "step_s": 2.0, **change}
    load = replace(SCENARIO.load, arrivals=Arrivals.STEP, **step)  # type: ignore[arg-type]
    return _record(trial=replace(trial.record.trial, cell=replace(trial.record.trial.cell, load=load)))(trial)


def _failed(trial: TrialResult, since_s: float, until_s: float) -> TrialResult:
    at_s = (trial.samples["sent_ns"] - trial.record.measure_start_ns) / 1e9
    wrong = (at_s >= since_s) & (at_s < until_s)
    samples = trial.samples.assign(done_ns=trial.samples["sent_ns"] + MS, outcome=Outcome.HIT.value)
    samples.loc[wrong, "outcome"] = Outcome.ERROR.value
    return replace(_metrics(errors=float(wrong.sum()))(trial), samples=samples)


def test_what_a_planned_crowd_does_is_the_result_and_no_defect() -> None:
    late = _samples("sent_ns", 13_000 * MS, 300)(good_trial())
    busy = _metrics(origin_cpu=1.0)(_timeline("hit_ratio", WORN)(_failed(good_trial(), 2.0, 5.0)))
    assert set(codes(busy)) == {R.ERRORS, R.NOT_STEADY, R.SYSTEM_SATURATED} and R.RATE_MISSED in codes(late)
    assert codes(_crowd(busy)) == {}
    assert codes(_crowd(_failed(late, 9, 9))) == {}


def test_a_crowd_excuses_no_error_before_it_and_no_generator_that_cannot_send_it() -> None:
    trial = _failed(good_trial(), 9, 9)
    assert codes(_crowd(_failed(trial, 0.5, 1.0)))[R.ERRORS] is INVALID
    assert codes(_crowd(_samples("send_lag_ns", 2 * MS, 600)(trial)))[R.GENERATOR_SATURATED] is INVALID
    assert codes(_crowd(_record(load={"scheduled": N * 1.05})(trial)))[R.RATE_MISSED] is SUSPECT
    able = _metrics(ceiling_rps=1500.0)(trial)  # of 250/s in the mean, and 1,000/s in the step
    assert codes(_crowd(able)) == {}
    assert codes(_crowd(able, step_factor=30.0))[R.GENERATOR_SATURATED] is SUSPECT
    assert codes(_crowd(_record(warm_up_end="planned")(trial))) == {}


def test_what_a_killed_origin_worked_on_is_its_fault_and_no_more() -> None:
    trial = good_trial()
    record = replace(trial.record, faults=(Fault(FaultKind.DOWN, 1.0, 2.0), Fault(FaultKind.STATUS_503, 3.0, 4.0)))
    times_s = [(0.5, 0.7), (0.7, 0.8), (0.7, 1.1), (1.05, 1.1), (2.9, 3.1)]
    sent, done = ([record.measure_start_ns + round(times[place] * 1e9) for times in times_s] for place in (0, 1))
    samples = pd.DataFrame({"sent_ns": sent, "done_ns": done})
    assert at_a_kill(record, samples).tolist() == [False, True, True, False, False]
    assert disturbed(record, samples).tolist() == [False, True, True, True, True]
