"""TTL advice: outdated answers against the truth of a run, counted by its changes; what decides on made-up trials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edgebench.analysis.claims.ttl_advice import conclude
from edgebench.model import BEHIND, ClaimVerdict
from edgebench.report.charts.claims.ttl_advice import draw
from tests.claims.conftest import ShortRun, ShortTrial
from tests.claims.plain import caused

PRODUCT = "/api/products/[id]"


def of_ttl(run: ShortRun, ttl_s: int) -> list[ShortTrial]:
    return [trial for trial in run.of(tier="nginx") if trial.cell["freshness"]["ttl_s"] == ttl_s]


def outdated_share(trial: ShortTrial) -> float:
    """Products answered from store in another version than the shop had when they were asked for: version 1, and one
    more for each change that was done by then."""
    ledger, asked = trial.table("ledger"), trial.measured()
    asked = asked[(asked["endpoint"] == PRODUCT) & asked["error"].isna()]
    changes = ledger[(ledger["method"] == "PATCH") & (ledger["status"] == 200)]
    done = {str(key): np.sort(rows["end_ns"].to_numpy()) for key, rows in changes.groupby("key", observed=True)}
    rows = ledger.set_index("seq").loc[asked["origin_seq"].astype(np.int64)]
    version = rows["version"].astype(str).str.extract(r"-v(\d+)-")[0].astype(int).to_numpy()
    none: Any = np.empty(0)
    truth = [
        1 + int(np.searchsorted(done.get(str(key), none), sent, side="right"))
        for key, sent in zip(asked["key"], asked["sent_ns"], strict=True)
    ]
    from_store = rows["end_ns"].to_numpy() <= asked["sent_ns"].to_numpy()
    return float(((version < np.array(truth)) & from_store).mean())


def offload(trial: ShortTrial) -> float:
    asked, rows = trial.measured(), caused(trial)
    asked = asked[(asked["endpoint"] == PRODUCT) & asked["error"].isna()]
    return 1 - len(rows[(rows["phase"] == "measure") & (rows["endpoint"] == PRODUCT)]) / len(asked)


@pytest.mark.parametrize("ttl_s", [1, 2])
def test_figures_are_those_of_the_tables(short_run: Callable[..., ShortRun], ttl_s: int) -> None:
    run = short_run("ttl_advice")
    numbers, trials = run.claim["numbers"], of_ttl(run, ttl_s)
    shares = [outdated_share(trial) for trial in trials]
    assert numbers[f"outdated.nginx.ttl{ttl_s}.{PRODUCT}"] == pytest.approx(float(np.mean(shares)), abs=0.005)
    spared = [offload(trial) for trial in trials]
    assert numbers[f"offload.nginx.ttl{ttl_s}.{PRODUCT}"] == pytest.approx(float(np.mean(spared)), abs=0.01)


def test_changes_go_past_the_cache(short_run: Callable[..., ShortRun]) -> None:
    run = short_run("ttl_advice")
    changes = 0
    for trial in run.of(tier="nginx"):
        samples, log = trial.table("samples"), trial.table("tier_log")
        aside = samples[samples["phase"] == "aside"]
        assert (
            len(aside)
            and (samples["endpoint"].astype(str).str.startswith(BEHIND) == (samples["phase"] == "aside")).all()
        )
        assert not (log["method"] == "PATCH").any()
        patched = aside[aside["method"] == "PATCH"]
        assert (aside["status"] == 200).all()
        assert patched["arrival"].all() and not aside.loc[aside["method"] == "GET", "arrival"].any()
        assert not set(aside["origin_seq"]) & set(log["origin_seq"].dropna())  # what they got is their own
        changes += len(patched)
    assert changes > 5
    codes = [reason["code"] for reason in run.summary["trust"]["reasons"]]
    assert "LOG_DISAGREES" not in codes and "UNMATCHED_LEDGER" not in codes


def trials(
    outdated_at_2_s: float, offloads: tuple[float, float], *, repeats: int = 3, changes: float = 1.0
) -> pd.DataFrame:
    """One cache, one endpoint, TTLs of 2 and 8 s; a little different in each repeat."""
    rows: list[dict[str, Any]] = []
    for ttl_s, spared, wrong in ((2, offloads[0], outdated_at_2_s), (8, offloads[1], 4 * outdated_at_2_s)):
        for repeat in range(1, repeats + 1):
            rows.append(
                {
                    "cell": f"nginx.ttl{ttl_s}", "tier": "nginx", "series": "nginx", "variant": "",
                    "ttl_s": float(ttl_s), "repeat": repeat, "endpoint": PRODUCT, "requests": 1000,
                    "offload": spared + 0.001 * repeat,
                    "outdated": wrong * (1 + 0.01 * repeat), "outdated_s": 0.4, "changes_per_s": changes,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("found", "verdict", "advised_s"),
    [
        (trials(0.005, (0.85, 0.92)), ClaimVerdict.HOLDS, 2),
        (trials(0.05, (0.85, 0.92)), ClaimVerdict.PARTLY, 2),
        (trials(0.002, (0.5, 0.92)), ClaimVerdict.HOLDS, 8),
        (trials(0.005, (0.9, 0.91)), ClaimVerdict.PARTLY, 2),
        (trials(0.05, (0.9, 0.91)), ClaimVerdict.NOT_HERE, 2),
    ],
)
def test_gain_and_truth_decide(found: pd.DataFrame, verdict: ClaimVerdict, advised_s: float) -> None:
    judged = conclude(found)
    assert judged.result.verdict is verdict
    assert judged.result.numbers[f"advised_s.nginx.{PRODUCT}"] == advised_s
    tradeoff, against_ttl = draw(judged)
    assert len(tradeoff.panels) == len(against_ttl.panels) == 1


def test_a_reader_chooses_by_what_is_tolerated() -> None:
    choices = conclude(trials(0.008, (0.85, 0.92))).tables["choices"]
    assert choices["tolerated"].tolist() == [0.001, 0.01, 0.05, 0.1]
    assert choices["ttl_s"].tolist() == pytest.approx([np.nan, 2, 8, 8], nan_ok=True)
    assert choices["offload"].tolist() == pytest.approx([np.nan, 0.852, 0.922, 0.922], nan_ok=True)


def test_without_changes_or_ttls_nothing_is_judged() -> None:
    good = trials(0.005, (0.85, 0.92))
    poor = (
        pd.DataFrame(),
        good[good["ttl_s"] == 2],
        trials(0.0, (0.85, 0.92), changes=0.0),
        trials(0.005, (0.85, 0.92), repeats=2),
    )
    for found in poor:
        assert conclude(found).result.verdict is ClaimVerdict.NOT_TESTABLE
