"""What follows from the checks: the trust in a cell, and the sentences of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from edgebench.analysis.checks_content import content_doubts
from edgebench.analysis.evidence import Check, Correctness, Example
from edgebench.analysis.results import Analysis
from edgebench.analysis.run import analyse
from edgebench.analysis.trust import run_trust
from edgebench.model import Profile, ReasonCode, Scenario, TierSpec, TrustStatus
from edgebench.store import RunFolder
from tests.analysis.folders import record, run_record, scenario, simulation, trials, write_trial
from tests.analysis.simulator import Simulation
from tests.analysis.witnessed import completed, tier_record

CELL = tier_record().trial.cell
ONE = Check(1, 100, (Example(1.5, "GET /api/me", "b", 7, "made for user a, received by user b"),))
NONE = Check(0, 100)


def judged(**found: Check) -> dict[ReasonCode, TrustStatus]:
    doubts = list(content_doubts(CELL, [Correctness(), Correctness(**found)]))  # type: ignore[arg-type]
    return {reason.code: reason.status for reason in run_trust(doubts).reasons}


@pytest.mark.parametrize(
    ("check", "code", "status"),
    [
        ("leak", ReasonCode.LEAK, TrustStatus.INVALID),
        ("wrong_variant", ReasonCode.WRONG_VARIANT, TrustStatus.INVALID),
        ("broken_body", ReasonCode.BROKEN_BODY, TrustStatus.INVALID),
        ("cut_off", ReasonCode.BROKEN_BODY, TrustStatus.INVALID),
        ("over_stale", ReasonCode.OVER_STALE, TrustStatus.SUSPECT),
    ],
)
def test_one_is_enough(check: str, code: ReasonCode, status: TrustStatus) -> None:
    assert judged(**{check: ONE}) == {code: status}
    assert judged(**{check: NONE}) == {}


def test_what_is_no_reason() -> None:
    assert judged(stored_private=ONE, serialised=ONE) == {} == judged()


def test_the_text_says_how_many_which_and_what_to_do() -> None:
    doubts = list(content_doubts(CELL, [Correctness(leak=ONE), Correctness(leak=NONE)]))
    assert doubts[0].text == (
        "1 of 200 private answers reached somebody else than the user they were made for (limit 0), such as GET "
        "/api/me at 1.500 s (made for user a, received by user b). Make the cache pass requests with Authorization or "
        "a session by, or mark such answers private or no-store; its speed is worth nothing before."
    )
    both = list(content_doubts(CELL, [Correctness(broken_body=ONE, cut_off=ONE)]))
    assert both[0].text.startswith("1 of 100 answers had another body than the origin sent and 1 of 100 answers ended")


def written(folder: Path, of: Scenario, spoil: Any, *, tier: TierSpec | None = None, **tier_change: Any) -> Analysis:
    """A run whose tables know everything; `spoil` changes the samples of cached trials, `tier` is what they ran."""
    run = RunFolder(folder)
    run.write_run(run_record(of), "")
    for trial in trials(of):
        about = record(trial)
        cached = trial.cell.tier.kind != "direct"
        if cached and tier is not None:
            trial = replace(trial, cell=replace(trial.cell, tier=tier))
            about = replace(about, trial=trial)
        if cached and tier_change:
            about = replace(about, tier=replace(about.tier, **tier_change))
        write_trial(run.trial(about.trial), about, log=False)
        told: Simulation = completed(simulation(trial))
        samples: pd.DataFrame = spoil(told.samples) if cached else told.samples
        run.trial(trial).write_table("samples", pa.Table.from_pandas(samples, preserve_index=False))
        run.trial(trial).write_table("ledger", pa.Table.from_pandas(told.ledger, preserve_index=False))
    return analyse(run)


def leaking(samples: pd.DataFrame) -> pd.DataFrame:
    """Every other private answer went to somebody else."""
    private = (samples["principal"] != "") & (samples.index % 2 == 0)
    return samples.assign(principal=samples["principal"].where(~private, "stranger"))


OF = scenario(ttl_s=(5,), repeats=3)


def test_a_run_with_nothing_wrong_says_so_once(tmp_path: Path) -> None:
    analysis = written(tmp_path, OF, lambda samples: samples)
    assert analysis.summary.trust.status is TrustStatus.VALID
    said = [finding for finding in analysis.summary.findings if finding.code == "NO_LEAK"]
    assert len(said) == 1 and said[0].text.startswith("No leak among ")
    private = sum(int((trial.samples["principal"] != "").sum()) for cell in analysis.cells for trial in cell.trials)
    assert said[0].numbers == {"checked": private}
    metrics = analysis.summary.cells[1].metrics
    for name in ("leaks", "wrong_variants", "broken_bodies", "over_stale", "outdated_share"):
        assert metrics[name].value == 0, name
    assert metrics["collapse_factor"].value is not None and metrics["collapse_factor"].value >= 1
    assert analysis.summary.findings[0].code == "HEADLINE"


def test_a_leak_comes_first_and_its_cell_is_not_praised(tmp_path: Path) -> None:
    analysis = written(tmp_path, OF, leaking)
    codes = [finding.code for finding in analysis.summary.findings]
    assert codes[0] == "LEAK" and "HEADLINE" not in codes and "HIT_RATIO" not in codes
    first = analysis.summary.findings[0]
    expected = sum(int((trial.samples["principal"] == "stranger").sum()) for trial in analysis.cells[1].trials)
    assert first.numbers["count"] == expected == first.numbers["nginx.ttl5"]
    assert first.text.startswith(f"nginx gave {expected:,} of ") and ", received by user stranger" in first.text
    assert [cell.trust for cell in analysis.summary.cells] == [TrustStatus.VALID, TrustStatus.INVALID]
    assert "private answers of direct" in next(one.text for one in analysis.summary.findings if one.code == "NO_LEAK")


def test_an_older_run_folder_has_no_such_figures(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.write_run(run_record(OF), "")
    for trial in trials(OF):
        write_trial(run.trial(trial), record(trial))
    analysis = analyse(run)
    assert analysis.summary.trust.status is TrustStatus.VALID
    assert analysis.summary.cells[1].metrics["leaks"].value is None
    assert analysis.summary.cells[1].metrics["broken_bodies"].value is None
    assert "NO_LEAK" not in {finding.code for finding in analysis.summary.findings}


@pytest.mark.parametrize(
    ("tier", "change"),
    [
        (TierSpec("nginx", "nginx", profile=Profile.RESILIENT), {"profile": Profile.RESILIENT}),
        (TierSpec("nginx", "url", url="http://127.0.0.1:9000"), {"kind": "url", "counters": {}}),
    ],
)
def test_a_tier_without_an_expiry_rule_is_not_suspect_for_that(
    tmp_path: Path, tier: TierSpec, change: dict[str, Any]
) -> None:
    of = replace(OF, tiers=(OF.tiers[0], tier))
    analysis = written(tmp_path, of, lambda samples: samples, tier=tier, expiry=None, **change)
    assert analysis.summary.trust.status is TrustStatus.VALID
    metrics = analysis.summary.cells[1].metrics
    assert metrics["predicted_hit_ratio"].value is None and metrics["prediction_residual"].value is None
    assert metrics["hit_ratio"].value is not None and metrics["ideal_hit_ratio"].value is not None


def test_a_proxy_that_stores_nothing(tmp_path: Path) -> None:
    """As a cache without an expiry rule in the strict profile: hits nothing, and is compared with no ideal cache."""
    caddy = TierSpec("nginx", "caddy")
    of = replace(scenario(ttl_s=(0,), repeats=3), tiers=(OF.tiers[0], caddy))
    analysis = written(tmp_path, of, lambda samples: samples, tier=caddy, kind="caddy", expiry=None)
    metrics = analysis.summary.cells[1].metrics
    assert metrics["hit_ratio"].value == 0 and metrics["ideal_hit_ratio"].value is None
    assert metrics["collapse_factor"].value is None and metrics["leaks"].value == 0
    codes = {finding.code for finding in analysis.summary.findings}
    assert not codes & {"HIT_RATIO", "OFFLOAD"} and "MISS_COST" in codes
    assert analysis.summary.trust.status is TrustStatus.VALID
