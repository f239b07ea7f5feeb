"""Validators: what a refresh saves by plain pandas from a run, and what decides the claim on made-up trials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edgebench.analysis.claims.validators import conclude
from edgebench.model import ClaimVerdict
from edgebench.report.charts.claims.validators import draw
from tests.claims.conftest import ShortRun, ShortTrial
from tests.claims.plain import approx_interval, caused, interval

LIST = "/api/products?page"


def refreshes(trial: ShortTrial) -> pd.DataFrame:
    """Fetches for clients that asked unconditionally, of keys the origin had sent before."""
    rows = caused(trial)
    sent = rows[(rows["status"] == 200) & rows["complete"]].groupby("key", observed=True)["end_ns"].min()
    before = rows["key"].map(sent).astype(float)
    return rows[(rows["phase"] == "measure") & (rows["endpoint"] == LIST) & (before <= rows["start_ns"])]


def test_figures_are_those_of_the_tables(short_run: Callable[..., ShortRun]) -> None:
    run = short_run("validators")
    numbers = run.claim["numbers"]
    tagged = [refreshes(trial) for trial in run.of(tier="nginx", variant="etag")]
    plain = [refreshes(trial) for trial in run.of(tier="nginx", variant="plain")]
    assert all(len(rows) > 5 for rows in (*tagged, *plain))
    saved_bytes = [1 - a["bytes"].mean() / b["bytes"].mean() for a, b in zip(tagged, plain, strict=True)]
    took = [[(rows["end_ns"] - rows["start_ns"]).median() for rows in found] for found in (tagged, plain)]
    saved_ms = [1 - a / b for a, b in zip(*took, strict=True)]
    assert approx_interval(run.claim["figure"], interval(saved_bytes), 0.01)
    assert numbers["saved_bytes.nginx"] == pytest.approx(interval(saved_bytes)[0], abs=0.01)
    assert numbers["saved_ms.nginx"] == pytest.approx(interval(saved_ms)[0], abs=0.05)
    asked = float(np.mean([rows["conditional"].mean() for rows in tagged]))
    assert numbers["asked.nginx"] == pytest.approx(asked, abs=0.02)
    # nginx asks by ETag, nothing changes, so nothing is sent again; and without ETags nobody can ask.
    assert numbers["asked.nginx"] == 1 and numbers["saved_bytes.nginx"] == 1
    assert not any(rows["conditional"].any() for rows in plain)


def test_clients_that_ask_by_etag_themselves(short_run: Callable[..., ShortRun]) -> None:
    run = short_run("validators")
    for variant in ("etag", "plain"):
        means = []
        for trial in run.of(tier="nginx", variant=variant):
            mine = trial.measured()
            mine = mine[(mine["endpoint"] == f"{LIST} (conditional)") & mine["error"].isna()]
            means.append(mine["bytes"].mean())
        assert run.claim["numbers"][f"again_bytes.nginx.{variant}"] == pytest.approx(float(np.mean(means)))


def trials(
    bytes_with: float, ms_with: float, *, asked: float = 1.0, tier: str = "nginx", repeats: int = 3
) -> pd.DataFrame:
    """With ETags so much of what a refresh takes without; a little different in each repeat."""
    rows: list[dict[str, Any]] = []
    for repeat in range(1, repeats + 1):
        for variant, share_bytes, share_ms in (("etag", bytes_with, ms_with), ("plain", 1.0, 1.0)):
            rows.append(
                {
                    "cell": f"{tier}.ttl1.{variant}", "tier": tier, "series": f"{tier}, {variant}", "variant": variant,
                    "ttl_s": 1.0, "repeat": repeat, "direct": False, "requests": 300, "refreshes": 50,
                    "asked": asked if variant == "etag" else 0.0, "not_modified": asked if variant == "etag" else 0.0,
                    "bytes_per_refresh": 13_000 * share_bytes + repeat, "ms_per_refresh": 2 * share_ms + 0.01 * repeat,
                    "origin_kb": 3.0, "again_bytes": 13_000 * share_bytes, "again_304": 0.0,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (trials(0.0, 0.3), ClaimVerdict.HOLDS),
        (trials(0.0, 1.0), ClaimVerdict.PARTLY),  # no time saved
        (trials(0.8, 0.3), ClaimVerdict.PARTLY),  # few bytes saved
        (trials(1.0, 1.0, asked=0.0), ClaimVerdict.NOT_HERE),
        (pd.concat([trials(0.0, 0.3), trials(1.0, 1.0, asked=0.0, tier="haproxy")]), ClaimVerdict.PARTLY),
    ],
)
def test_bytes_and_time_decide(found: pd.DataFrame, verdict: ClaimVerdict) -> None:
    judged = conclude(found)
    assert judged.result.verdict is verdict
    (chart,) = draw(judged)
    assert len(chart.panels) == 3
    if (found["tier"] == "haproxy").any():
        assert "haproxy never asks by ETag" in judged.result.why
        assert judged.result.figure_name.endswith("nginx")  # the least of those that ask


def test_one_variant_or_two_trials_bear_no_verdict() -> None:
    both = trials(0.0, 0.3)
    for found in (pd.DataFrame(), both[both["variant"] == "etag"], trials(0.0, 0.3, repeats=2)):
        assert conclude(found).result.verdict is ClaimVerdict.NOT_TESTABLE
