"""Cells near the generator's ceiling: what is doubted, and what becomes a lower bound."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgebench.analysis.ceiling import bounded, ceiling_share
from edgebench.analysis.run import analyse
from edgebench.model import Bound, Ceiling, CeilingPoint, Estimate, ReasonCode, TrustStatus
from edgebench.report import render
from edgebench.store import RunFolder
from tests.analysis.folders import run_record, scenario, write_run

ROOT = Path(__file__).parent.parent.parent
RATE_RPS = 300.0


def run_with(path: Path, ceiling: Ceiling | None) -> RunFolder:
    of = scenario(ttl_s=(5,), rate_rps=RATE_RPS)
    folder = write_run(path, of)
    folder.write_run(replace(run_record(of), ceiling=ceiling), "")
    return folder


def flat(rps: float) -> Ceiling:
    """The same at every body size."""
    return Ceiling(32, (CeilingPoint(100, rps, 20.0, 10.0), CeilingPoint(100_000, rps, 20.0, 10.0)), "nginx 1.0")


def doubted(folder: RunFolder) -> dict[ReasonCode, tuple[TrustStatus, str]]:
    return {reason.code: (reason.status, reason.text) for reason in analyse(folder).summary.trust.reasons}


def test_far_from_the_ceiling_nothing_is_doubted(tmp_path: Path) -> None:
    folder = run_with(tmp_path, flat(30_000.0))
    assert ReasonCode.GENERATOR_SATURATED not in doubted(folder)
    for cell in analyse(folder).summary.cells:
        assert cell.metrics["ceiling_rps"].value == pytest.approx(30_000.0)
        assert {found.bound for found in cell.metrics.values()} == {Bound.NONE}


def test_a_cell_near_the_ceiling_is_suspect(tmp_path: Path) -> None:
    folder = run_with(tmp_path, flat(RATE_RPS / 0.8))
    status, text = doubted(folder)[ReasonCode.GENERATOR_SATURATED]
    assert status is TrustStatus.SUSPECT and "null server" in text and "≥" not in text
    summary = analyse(folder).summary
    assert summary.cells[0].trust is not TrustStatus.VALID
    assert summary.cells[0].metrics["achieved_rps"].bound is Bound.NONE


def test_at_the_ceiling_a_throughput_is_a_lower_bound_wherever_it_is_shown(tmp_path: Path) -> None:
    folder = run_with(tmp_path, flat(RATE_RPS))
    status, text = doubted(folder)[ReasonCode.GENERATOR_SATURATED]
    assert status is TrustStatus.SUSPECT and "at least what is printed (≥)" in text
    analysis = analyse(folder)
    for cell in analysis.summary.cells:
        bounds = {name for name, found in cell.metrics.items() if found.bound is Bound.LOWER}
        assert bounds == {"achieved_rps"}, "the capacity has no value, and no other figure is a throughput"
    folder.write_summary(analysis.summary)
    metrics = json.loads((tmp_path / "summary.json").read_text())["cells"][0]["metrics"]
    assert metrics["achieved_rps"]["bound"] == "lower" and metrics["latency_p50_ms"]["bound"] == ""
    assert folder.read_summary().cells[0].metrics["achieved_rps"].bound is Bound.LOWER
    report = render(analysis)
    assert "≥" in report.html and "the cache may be able to do more" in report.html
    rows = [line.split(",") for line in report.csv.splitlines()]
    assert {row[3] for row in rows[1:] if row[-1] == "lower"} == {"achieved_rps"}


def test_without_a_ceiling_nothing_is_known_and_nothing_claimed(tmp_path: Path) -> None:
    for number, ceiling in enumerate((None, Ceiling(32, (), problem="no nginx"))):
        folder = run_with(tmp_path / str(number), ceiling)
        analysis = analyse(folder)
        assert ReasonCode.GENERATOR_SATURATED not in {reason.code for reason in analysis.summary.trust.reasons}
        assert all(cell.metrics["ceiling_rps"].value is None for cell in analysis.summary.cells)
        html = render(analysis).html
        assert "not measured: no nginx" in html if ceiling else "not measured" in html


def test_the_share_is_of_what_was_offered_or_achieved_whichever_is_more() -> None:
    assert ceiling_share({"ceiling_rps": 1000.0, "offered_rps": 700.0, "achieved_rps": 500.0}) == 0.7
    assert ceiling_share({"ceiling_rps": 1000.0, "offered_rps": 700.0, "achieved_rps": 900.0}) == 0.9
    assert ceiling_share({"ceiling_rps": 1000.0, "offered_rps": None}) is None
    assert ceiling_share({"ceiling_rps": None, "offered_rps": 700.0}) is None


def test_a_figure_without_a_value_is_no_bound() -> None:
    rates = {name: Estimate(1000.0, None, None, 1, "requests/s") for name in ("ceiling_rps", "achieved_rps")}
    found = bounded({**rates, "capacity_rps": Estimate(None, None, None, 0, "requests/s")})
    assert found["achieved_rps"].bound is Bound.LOWER and found["capacity_rps"].bound is Bound.NONE


def without(content: Any, key: str) -> Any:
    """The same JSON, with nothing under this key at any depth."""
    if isinstance(content, dict):
        return {name: without(value, key) for name, value in content.items() if name != key}
    return [without(each, key) for each in content] if isinstance(content, list) else content


def test_runs_from_before_there_was_a_ceiling_are_still_read(tmp_path: Path) -> None:
    for name, key in (("run.json", "ceiling"), ("summary.json", "bound")):
        text = (ROOT / "reports" / "sample" / name).read_text()
        assert f'"{key}"' in text
        (tmp_path / name).write_text(json.dumps(without(json.loads(text), key)))
    old = RunFolder(tmp_path)
    assert old.read_run().ceiling is None
    assert {found.bound for cell in old.read_summary().cells for found in cell.metrics.values()} == {Bound.NONE}


def test_uncorrected_times_stand_beside_the_corrected_ones(tmp_path: Path) -> None:
    analysis = analyse(run_with(tmp_path, None))
    for cell in analysis.summary.cells:
        for point in ("p50", "p90", "p99"):
            latency, service = (cell.metrics[f"{kind}_{point}_ms"].value for kind in ("latency", "service"))
            assert latency is not None and service is not None
    html = render(analysis).html
    assert "Uncorrected p99, ms" in html and "Service time p99" in html
