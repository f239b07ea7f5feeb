"""The verdict of the self-test, from records that are right by construction and from ones that are not."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from edgebench.cli import selftest
from edgebench.cli.selftest import as_json, self_test, verdict
from edgebench.errors import UserError
from edgebench.model import Placement, TierRecord, TrialRecord
from edgebench.runner.bare import Bare
from edgebench.runner.guardian import Guardian
from edgebench.runner.selftest import SelfTestPlan, SelfTestRecord, Witness
from edgebench.runner.selftest_exact import constant_schedule, exact
from edgebench.store import SAMPLES

MS = 1_000_000
PLAN = SelfTestPlan(rate_rps=1000.0, duration_s=12.0, freeze_after_s=2.0, freeze_s=1.4)


def record(late: float = 1.0, from_sending: bool = False, plan: SelfTestPlan = PLAN) -> SelfTestRecord:
    """What a generator records that is right; `late`: whose latencies are so many times the right ones;
    `from_sending`: that knows no schedule (coordinated omission)."""
    begin = round(plan.freeze_after_s * 1e9)
    times = exact(
        constant_schedule(plan.rate_rps, plan.duration_s), plan.connections, round(plan.service_s * 1e9),
        begin, begin + round(plan.freeze_s * 1e9),
    )  # fmt: skip
    scheduled = np.array([each.sent_ns if from_sending else each.scheduled_ns for each in times])
    done = scheduled + np.rint(np.array([each.done_ns for each in times] - scheduled) * late).astype(np.int64)
    sent = np.array([each.sent_ns for each in times])
    n = len(times)
    columns: dict[str, object] = {
        "scheduled_ns": scheduled, "sent_ns": sent, "first_byte_ns": done, "done_ns": done, "bytes": [3] * n,
        "status": [200] * n, "phase": ["measure"] * n, "method": ["GET"] * n, "endpoint": ["/"] * n, "key": ["/"] * n,
        "claim": ["none"] * n, "send_lag_ns": [1000] * n, "user": [0] * n, "worker": [0] * n, "port": [1] * n,
        "reused_connection": [True] * n,
    }  # fmt: skip
    columns["done_ns"] = done + 1000  # the generator's own microsecond: in no latency
    columns["sent_ns"] = sent + 1000
    arrays = [
        pa.array(columns[field.name]).cast(field.type) if field.name in columns else pa.nulls(n, field.type)
        for field in SAMPLES
    ]
    bare_trial = Bare(plan.load, Path(), Placement((1,), (0,)), _nobody(), {}).trial
    trial = TrialRecord(
        trial=bare_trial, complete=True, problem="", start_monotonic_ns=0, start_wall_ns=0, wall_drift_ns=0,
        measure_start_ns=0, measure_end_ns=round(plan.duration_s * 1e9), warm_up_end="none",
        tier=TierRecord("direct"), placement=Placement((1,), (0,)), origin_argv=(), generator_argv=(), exit_states={},
    )  # fmt: skip
    witness = Witness(begin, begin + round(plan.freeze_s * 1e9), n, (1000, 2000, 3000))
    return SelfTestRecord(plan, trial, pa.table(arrays, schema=SAMPLES), witness, tuple(times))


def _nobody() -> Guardian:
    return Guardian.__new__(Guardian)  # starts nothing


def test_a_right_record_agrees_to_the_nanosecond() -> None:
    found = verdict(record())
    assert found.problems == []
    assert [row.quantile for row in found.rows] == ["p50", "p99", "p999", "max"]
    assert all(row.difference == pytest.approx(0, abs=1e-12) for row in found.rows)
    by_name = {row.quantile: row for row in found.rows}
    assert by_name["max"].exact_ms == pytest.approx(1405) and by_name["p99"].uncorrected_ms == pytest.approx(5)


@pytest.mark.parametrize(("late", "agrees"), [(1.019, True), (1.021, False), (0.981, True), (0.979, False)])
def test_two_per_cent_is_the_limit(late: float, agrees: bool) -> None:
    off = [problem for problem in verdict(record(late)).problems if problem.endswith("% off")]
    assert len(off) == (0 if agrees else 4)


def test_a_generator_that_knows_no_schedule_is_found_out() -> None:
    problems = verdict(record(from_sending=True)).problems
    assert any(problem.startswith("p99 is") for problem in problems)


def test_a_lost_sample_is_found_out() -> None:
    whole = record()
    problems = verdict(replace(whole, samples=whole.samples.slice(1))).problems
    assert problems == ["11,998 samples of 11,999, 0 of them errors"]


def test_a_freeze_the_uncorrected_p99_sees_proves_nothing() -> None:
    # A request in a hundred is stuck where there are as many connections as arrivals in the freeze.
    plan = replace(PLAN, connections=1400)
    assert any("uncorrected p99" in problem for problem in verdict(record(plan=plan)).problems)


def test_both_figures_are_in_the_file_and_on_the_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "run_self_test", lambda plan, work, look: record(plan=plan))
    screen = io.StringIO()
    assert self_test(PLAN, tmp_path / "figures.json", Console(file=screen, width=160))
    kept = json.loads((tmp_path / "figures.json").read_text())
    assert kept["agrees"] is True and kept["problems"] == []
    p99 = kept["quantiles"]["p99"]
    assert p99["exact_ms"] == pytest.approx(p99["corrected_ms"]) and p99["uncorrected_ms"] == pytest.approx(5)
    assert "agree" in screen.getvalue() and f"{p99['corrected_ms']:,.3f}" in screen.getvalue()
    assert "5.000" in screen.getvalue() and "uncorrected" in screen.getvalue()


def test_a_figure_without_enough_data_is_null() -> None:
    few = record(plan=replace(PLAN, duration_s=0.01))
    found = verdict(few)
    assert found.rows[1].corrected_ms is None and "p99: too few samples" in found.problems
    json.dumps(as_json(few, found), allow_nan=False)


def test_a_folder_that_is_not_there_is_told_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="make it first"):
        self_test(PLAN, tmp_path / "no" / "x.json", Console(file=io.StringIO()))
