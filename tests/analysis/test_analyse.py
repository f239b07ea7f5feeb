"""A whole run folder from tables to findings, and what becomes of it when parts are missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgebench.analysis.results import Analysis
from edgebench.analysis.run import METRICS, analyse
from edgebench.errors import UserError
from edgebench.model import ReasonCode, TrustStatus
from edgebench.store import RunFolder, StoreError
from tests.analysis.folders import DIRECT, MEASURE_S, record, run_record, scenario, trials, write_run, write_trial


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, Analysis]:
    run = write_run(tmp_path_factory.mktemp("run"), scenario(ttl_s=(0, 1, 5)))
    return run, analyse(run)


def _value(analysis: Analysis, cell: str, metric: str) -> float | None:
    found = next(one for one in analysis.summary.cells if one.id == cell)
    return found.metrics[metric].value


def _codes(analysis: Analysis) -> set[ReasonCode]:
    return {reason.code for reason in analysis.summary.trust.reasons}


def test_a_good_run_is_valid(whole: tuple[RunFolder, Analysis]) -> None:
    _, analysis = whole
    assert analysis.summary.trust.status is TrustStatus.VALID
    assert analysis.summary.trust.reasons == ()
    assert [cell.id for cell in analysis.summary.cells] == ["direct", "nginx.ttl0", "nginx.ttl1", "nginx.ttl5"]
    assert analysis.baseline == "direct"


def test_the_summary_is_written_and_read_again(whole: tuple[RunFolder, Analysis]) -> None:
    run, analysis = whole
    run.write_summary(analysis.summary)
    again = run.read_summary()
    assert [cell.id for cell in again.cells] == [cell.id for cell in analysis.summary.cells]
    assert [finding.text for finding in again.findings] == [finding.text for finding in analysis.summary.findings]


def test_every_cell_has_every_metric(whole: tuple[RunFolder, Analysis]) -> None:
    for cell in whole[1].summary.cells:
        assert set(METRICS) <= set(cell.metrics)
        for name in ("latency_p50_ms", "latency_p99_ms", "hit_ratio", "origin_offload", "byte_offload", "achieved_rps"):
            assert cell.metrics[name].value is not None
            assert cell.metrics[name].n == 3 and cell.metrics[name].low is not None


def test_without_a_cache_nothing_is_hit_nor_spared(whole: tuple[RunFolder, Analysis]) -> None:
    _, analysis = whole
    assert _value(analysis, "direct", "hit_ratio") == 0
    assert _value(analysis, "direct", "origin_offload") == 0
    assert _value(analysis, "direct", "byte_offload") == 0
    for name in ("ideal_hit_ratio", "predicted_hit_ratio", "claimed_hit_ratio"):
        assert _value(analysis, "direct", name) is None


def test_at_ttl_0_the_hit_ratio_is_0_over_the_same_requests(whole: tuple[RunFolder, Analysis]) -> None:
    _, analysis = whole
    assert _value(analysis, "nginx.ttl0", "hit_ratio") == 0
    assert _value(analysis, "nginx.ttl0", "ideal_hit_ratio") == 0
    by_id = {cell.summary.id: cell for cell in analysis.cells}
    for here, there in zip(by_id["nginx.ttl0"].trials, by_id["nginx.ttl5"].trials, strict=True):
        assert here.samples["cacheable"].sum() == there.samples["cacheable"].sum()


def test_ttl_0_alone_still_has_a_denominator(tmp_path: Path) -> None:
    of = replace(scenario(ttl_s=(0,), repeats=1), tiers=scenario().tiers[1:], baseline="nginx")
    run = RunFolder(tmp_path)
    chosen = [trial for trial in trials(of) if trial.cell.tier != DIRECT]
    run.write_run(replace(run_record(of), planned=tuple(trial.id for trial in chosen)), "")
    for trial in chosen:
        write_trial(run.trial(trial), record(trial))
    analysis = analyse(run)
    assert _value(analysis, "nginx.ttl0", "hit_ratio") == 0


def test_proof_prediction_and_claims_agree_on_a_true_cache(whole: tuple[RunFolder, Analysis]) -> None:
    for cell in whole[1].cells[1:]:
        for trial in cell.trials:
            metrics = trial.metrics
            assert metrics["predicted_hit_ratio"] == metrics["hit_ratio"] == metrics["claimed_hit_ratio"]
            assert metrics["prediction_differs"] == 0
            assert len(trial.disagreements) == 0
            assert set(trial.log_unmatched.values()) == {0}
            assert trial.ledger_rows == len(trial.samples) - int(
                trial.samples["outcome"].isin(["hit", "collapsed"]).sum()
            )


def test_metrics_are_what_the_samples_say(whole: tuple[RunFolder, Analysis]) -> None:
    trial = next(cell for cell in whole[1].cells if cell.summary.id == "nginx.ttl1").trials[0]
    now = trial.samples[trial.samples["phase"] == "measure"]
    assert trial.metrics["requests"] == len(now) == sum(trial.outcomes.values())
    assert trial.metrics["offered_rps"] == len(now) / MEASURE_S
    ordered = np.sort((now["done_ns"] - now["scheduled_ns"]).to_numpy())
    assert trial.metrics["latency_p99_ms"] == ordered[int(np.ceil(0.99 * len(now))) - 1] / 1e6
    cacheable = now[now["cacheable"]]
    assert trial.metrics["hit_ratio"] == cacheable["outcome"].isin(["hit", "collapsed", "stale"]).mean()
    asked = now["outcome"].isin(["origin", "revalidated"]).sum()
    assert trial.metrics["origin_offload"] == 1 - asked / len(now)
    assert trial.metrics["origin_cpu"] == pytest.approx(0.3)


def test_the_timeline_adds_up(whole: tuple[RunFolder, Analysis]) -> None:
    for cell in whole[1].cells:
        trial = cell.trials[0]
        assert trial.timeline["requests"].sum() == len(trial.samples)
        assert trial.timeline["origin_requests"].sum() == pytest.approx(trial.ledger_rows, abs=1)
        assert (trial.timeline["phase"] == "measure").sum() == MEASURE_S
        assert trial.processes["at_ns"].between(4e9, 12e9).all()


def test_findings_come_in_order_with_their_numbers(whole: tuple[RunFolder, Analysis]) -> None:
    findings = whole[1].summary.findings
    assert [finding.code for finding in findings] == [
        "HEADLINE",
        "HIT_RATIO",
        "OFFLOAD",
        "ENOUGH_TTL",
        "MISS_COST",
        "PREDICTION",
        "NOT_COLLAPSED",
        "CLAIMS",
    ]
    assert findings[0].text.startswith("At TTL 5 s nginx cut median latency from 5.4")
    assert "95 % CI" in findings[0].text
    assert "at TTL 0 s no difference in median latency was shown" in findings[0].text
    for finding in findings:
        assert finding.numbers and "nan" not in finding.text and "None" not in finding.text


def test_analysis_is_deterministic(whole: tuple[RunFolder, Analysis]) -> None:
    run, analysis = whole
    assert analyse(run).summary == analysis.summary


def test_a_run_without_any_trial_is_the_users_error(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.write_run(run_record(scenario()), "")
    with pytest.raises(UserError, match="no trial has ended"):
        analyse(run)
    with pytest.raises(StoreError, match=r"run\.json"):
        analyse(RunFolder(tmp_path / "elsewhere"))


def test_an_interrupted_run_with_a_failed_trial(tmp_path: Path) -> None:
    of = scenario(ttl_s=(1,), repeats=2)
    run = RunFolder(tmp_path)
    run.write_run(run_record(of), "")
    first, second, third, _ = trials(of)
    write_trial(run.trial(first), record(first))
    run.trial(second).write_record(replace(record(second), complete=False, problem="nginx died"))
    run.trial(third).write_record(record(third))  # complete, it says, but it left no samples
    analysis = analyse(run)
    assert _codes(analysis) == {ReasonCode.TRIAL_FAILED, ReasonCode.TRIALS_MISSING, ReasonCode.TOO_FEW_TRIALS}
    assert [cell.trust for cell in analysis.summary.cells] == [TrustStatus.SUSPECT, TrustStatus.INVALID]
    assert all(estimate.value is None for estimate in analysis.summary.cells[1].metrics.values())
    assert analysis.cells[1].trials == ()
    assert analysis.summary.findings == []


def test_without_a_ledger_everything_is_by_header(tmp_path: Path) -> None:
    analysis = analyse(write_run(tmp_path, scenario(ttl_s=(5,), repeats=1), ledger=False))
    assert ReasonCode.NO_LEDGER in _codes(analysis)
    assert _value(analysis, "nginx.ttl5", "hit_ratio") is None
    assert _value(analysis, "nginx.ttl5", "origin_offload") is None
    claimed = _value(analysis, "nginx.ttl5", "claimed_hit_ratio")
    assert claimed is not None and claimed > 0.9
    assert "hit" in set(analysis.cells[1].trials[0].samples["outcome"].astype(str))
    assert "HIT_RATIO" not in {finding.code for finding in analysis.summary.findings}


def test_without_a_log_nothing_is_said_of_it(tmp_path: Path) -> None:
    analysis = analyse(write_run(tmp_path, scenario(ttl_s=(5,), repeats=1), log=False))
    assert analysis.cells[1].trials[0].log_unmatched == {}
    assert _codes(analysis) == {ReasonCode.TOO_FEW_TRIALS}
    assert "no interval" in analysis.summary.findings[0].text
