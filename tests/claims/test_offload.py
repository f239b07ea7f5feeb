"""Offload: the claim's figures by plain pandas from a run, the bill by hand, and what decides it on made-up trials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edgebench.analysis.claims.offload import bill, conclude
from edgebench.model import ClaimVerdict, Prices
from edgebench.report.charts.claims.offload import draw
from tests.claims.conftest import ShortRun, ShortTrial
from tests.claims.plain import caused, ratio_interval


def figures(trial: ShortTrial) -> dict[str, float]:
    """Per client request of the measuring phase."""
    measured, rows = trial.measured(), caused(trial)
    mine = rows[rows["phase"] == "measure"]
    requests = len(measured)
    return {
        "origin_requests": len(mine) / requests,
        "origin_bytes": mine["bytes"].sum() / requests,
        "edge_bytes": measured["bytes"].sum() / requests,
        "cpu_s": origin_cores(trial) * window_s(trial) / requests,
    }


def window_s(trial: ShortTrial) -> float:
    return float(trial.record["measure_end_ns"] - trial.record["measure_start_ns"]) / 1e9


def origin_cores(trial: ShortTrial) -> float:
    """Over the whole seconds within the measuring phase."""
    rows = trial.table("processes")
    rows = rows[rows["role"] == "origin"].sort_values("at_ns")
    at, cpu_s = rows["at_ns"].to_numpy(), rows["cpu_s"].to_numpy()
    start, end = trial.record["measure_start_ns"], trial.record["measure_end_ns"]
    whole = [i for i in range(1, len(at)) if at[i - 1] >= start and at[i] <= end]
    return float(sum(cpu_s[i] for i in whole) / (sum(at[i] - at[i - 1] for i in whole) / 1e9))


def month(found: dict[str, float], prices: dict[str, Any], cached: bool) -> float:
    """The bill, written out."""
    n = prices["month_requests"]
    money = n * found["origin_bytes"] / 1e9 * prices["egress_per_gb"] + n * found["cpu_s"] / 3600 * prices["cpu_hour"]
    if cached:
        money += n * found["edge_bytes"] / 1e9 * prices["cdn_egress_per_gb"] + n / 1e4 * prices["cdn_per_10k_requests"]
    return float(money)


def test_figures_are_those_of_the_tables(short_run: Callable[..., ShortRun]) -> None:
    run = short_run("offload")
    numbers, prices = run.claim["numbers"], run.summary["run"]["scenario"]["prices"]
    direct = [figures(trial) for trial in run.of(tier="direct")]
    cached = [figures(trial) for trial in run.of(tier="nginx")]
    for cell, found in (("direct", direct), ("nginx.ttl1", cached)):
        means = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
        assert numbers[f"origin_requests.{cell}"] == pytest.approx(1000 * means["origin_requests"], abs=4)
        assert numbers[f"origin_kb.{cell}"] == pytest.approx(means["origin_bytes"], rel=0.01, abs=2)
        assert numbers[f"edge_kb.{cell}"] == pytest.approx(means["edge_bytes"])
        assert numbers[f"cpu_s.{cell}"] == pytest.approx(1000 * means["cpu_s"])
    assert numbers["offload.nginx.ttl1"] == pytest.approx(1 - numbers["origin_requests.nginx.ttl1"] / 1000)
    bills = [
        [month(one, prices, cached=is_cached) for one in found]
        for found, is_cached in ((cached, True), (direct, False))
    ]
    value, low, high = ratio_interval(*bills)
    figure = run.claim["figure"]
    assert (figure["value"], figure["low"], figure["high"]) == pytest.approx((value, low, high), rel=0.01)


def test_the_bill_is_the_prices_times_the_traffic() -> None:
    prices = Prices("EUR", 1_000_000, egress_per_gb=2, cdn_egress_per_gb=3, cdn_per_10k_requests=0.5, cpu_hour=7.2)
    per_1000 = {"origin_kb": 4000.0, "edge_kb": 10_000.0, "cpu_s": 1.0, "direct": False}
    # A million requests: 4 GB from the origin, 10 GB from the CDN, 1000 s of CPU, 100 times 10,000 requests.
    expected = {"origin_egress": 8.0, "cpu": 2.0, "cdn_egress": 30.0, "cdn_requests": 50.0, "total": 90.0}
    assert bill(per_1000, prices) == pytest.approx(expected)
    without = bill(per_1000 | {"direct": True}, prices)
    assert without == pytest.approx({**expected, "cdn_egress": 0, "cdn_requests": 0, "total": 10})


def trials(offload: float, prices: Prices | None, repeats: int = 3) -> pd.DataFrame:
    """One cache and none, a little different in each repeat; 20 kB an answer."""
    rows = []
    for repeat in range(1, repeats + 1):
        for tier, spared in (("direct", 0.0), ("nginx", offload + 0.005 * repeat)):
            found: dict[str, Any] = {
                "direct": tier == "direct", "requests": 1000, "offload": spared, "byte_offload": spared,
                "origin_requests": 1000 * (1 - spared), "origin_kb": 20_000 * (1 - spared), "edge_kb": 20_000.0,
                "cpu_s": 2.0 * (1 - spared), "cpu_seen_s": 2.0 * (1 - spared),
            }  # fmt: skip
            place = {"cell": tier, "tier": tier, "series": tier, "variant": "", "ttl_s": np.nan, "repeat": repeat}
            rows.append({**place, **found, **(bill(found, prices) if prices else {})})
    return pd.DataFrame(rows)


CHEAP = Prices(cdn_egress_per_gb=0.01, cdn_per_10k_requests=0.0)
DEAR = Prices(cdn_egress_per_gb=0.5)


@pytest.mark.parametrize(
    ("offload", "prices", "verdict"),
    [
        (0.8, CHEAP, ClaimVerdict.HOLDS),
        (0.8, DEAR, ClaimVerdict.PARTLY),
        (0.1, CHEAP, ClaimVerdict.PARTLY),
        (0.1, DEAR, ClaimVerdict.NOT_HERE),
        (0.8, None, ClaimVerdict.HOLDS),
        (0.1, None, ClaimVerdict.NOT_HERE),
    ],
)
def test_load_and_money_decide(offload: float, prices: Prices | None, verdict: ClaimVerdict) -> None:
    judged = conclude(trials(offload, prices), prices)
    assert judged.result.verdict is verdict
    assert ("USD" in judged.result.text) == (prices is not None)
    (chart,) = draw(judged)
    assert len(chart.panels) == (4 if prices else 3)


def test_two_trials_bear_no_verdict() -> None:
    assert conclude(trials(0.8, CHEAP, repeats=2), CHEAP).result.verdict is ClaimVerdict.NOT_TESTABLE
    assert conclude(pd.DataFrame(), CHEAP).result.verdict is ClaimVerdict.NOT_TESTABLE
