"""What every claim's judge says where there is nothing to judge by."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgebench.analysis.claimed import CLAIMED
from edgebench.analysis.claims import Evidence, judge_of
from edgebench.analysis.run import analyse
from edgebench.model import ClaimVerdict, TrustStatus
from edgebench.report.charts.claims import charts_of
from tests.analysis.folders import scenario, write_run


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """A run of direct and nginx that went well."""
    folder = write_run(tmp_path_factory.mktemp("run"), scenario())
    analysis = analyse(folder)
    return Evidence(analysis.summary.run, analysis.cells, analysis.baseline, folder)


def judged_not_testable(claim: str, evidence: Evidence) -> str:
    """Why not. It can be drawn all the same."""
    judge = judge_of(claim)
    assert judge is not None
    judged = judge(evidence)
    assert judged.result.claim == CLAIMED[claim]
    assert judged.result.verdict is ClaimVerdict.NOT_TESTABLE
    charts_of(claim, judged)
    return judged.result.why


@pytest.mark.parametrize("claim", CLAIMED)
def test_where_no_trial_was_good(claim: str, evidence: Evidence) -> None:
    none = tuple(replace(cell, trials=()) for cell in evidence.cells)
    assert judged_not_testable(claim, replace(evidence, cells=none))


@pytest.mark.parametrize("claim", ["flash_crowd", "geo", "outage", "swr"])
def test_where_no_cell_can_be_used(claim: str, evidence: Evidence) -> None:
    """Those that are about speed are not judged by cells that are INVALID."""
    invalid = tuple(replace(cell, summary=replace(cell.summary, trust=TrustStatus.INVALID)) for cell in evidence.cells)
    assert judged_not_testable(claim, replace(evidence, cells=invalid))
