"""Edges with and without a shield: the claim's numbers again from the parquet files, and the judge's other verdicts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from edgebench.analysis.claims.shield import conclude
from edgebench.model import ClaimVerdict
from edgebench.report.charts.claims.shield import draw
from tests.claims.conftest import ShortRun, ShortTrial

T_2 = 4.302652729911275
"""Student's t for 95 % and two degrees of freedom: three trials."""
SECONDS = 1e9
NAME = "nginx at TTL 1 s"


@pytest.fixture(scope="module")
def run(short_run: Callable[..., ShortRun]) -> ShortRun:
    return short_run("shield")


def _window(trial: ShortTrial) -> tuple[int, int]:
    return int(trial.record["measure_start_ns"]), int(trial.record["measure_end_ns"])


def _origin_rps(trial: ShortTrial) -> float:
    """Rows during which a request of the measuring phase waited for their key: the first that did caused them."""
    start, end = _window(trial)
    rows = trial.table("ledger")[["seq", "key", "start_ns"]].astype({"key": str})
    asked = trial.table("samples")[["key", "sent_ns", "done_ns", "phase"]].astype({"key": str, "phase": str})
    both = rows.merge(asked, on="key")
    both = both[(both["sent_ns"] <= both["start_ns"]) & (both["start_ns"] <= both["done_ns"])]
    first = both.sort_values("sent_ns").groupby("seq")["phase"].first()
    return float((first == "measure").sum() / ((end - start) / SECONDS))


def _log(trial: ShortTrial, instance: str) -> pd.DataFrame:
    log = trial.table("tier_log")
    return log[log["instance"].astype(str) == instance]


def test_the_cut_is_that_of_the_ledgers(run: ShortRun) -> None:
    without, shielded = (
        {trial.repeat: _origin_rps(trial) for trial in run.of(tier="nginx", variant=variant)}
        for variant in ("edges", "shielded")
    )
    logs = np.log([without[repeat] / shielded[repeat] for repeat in without])
    half = T_2 * np.std(logs, ddof=1) / np.sqrt(len(logs))
    figure = run.claim["figure"]
    # Where several waited for several rows of one key, some are given to others: a few at the window's beginning.
    assert figure["value"] == pytest.approx(np.exp(logs.mean()), rel=0.02)
    assert figure["low"] == pytest.approx(np.exp(logs.mean() - half), rel=0.06)
    assert figure["high"] == pytest.approx(np.exp(logs.mean() + half), rel=0.06)
    numbers = run.claim["numbers"]
    assert numbers[f"{NAME}.edges_origin_rps"] == pytest.approx(np.mean(list(without.values())), rel=0.02)
    assert numbers[f"{NAME}.shield_origin_rps"] == pytest.approx(np.mean(list(shielded.values())), rel=0.02)


def test_midgress_is_what_the_shield_logged(run: ShortRun) -> None:
    requests, mbit = [], []
    for trial in run.of(tier="nginx", variant="shielded"):
        start, end = _window(trial)
        lines = _log(trial, "shield")
        lines = lines[(lines["at_ns"] >= start) & (lines["at_ns"] < end)]
        sizes = trial.table("samples").groupby("key", observed=True)["bytes"].max()
        whole = lines[lines["status"] != 304]
        requests.append(len(lines) / ((end - start) / SECONDS))
        mbit.append(8e-6 * sizes.reindex(whole["key"].astype(str)).fillna(0).sum() / ((end - start) / SECONDS))
    numbers = run.claim["numbers"]
    assert numbers[f"{NAME}.shield_midgress_rps"] == pytest.approx(np.mean(requests), rel=1e-6)
    assert numbers[f"{NAME}.shield_midgress_mbit"] == pytest.approx(np.mean(mbit), rel=1e-6)


def test_each_edge_has_a_third_of_the_users_and_logs_their_requests(run: ShortRun) -> None:
    for trial in [*run.of(tier="nginx", variant="edges"), *run.of(tier="nginx", variant="shielded")]:
        samples = trial.table("samples")
        for edge in range(3):
            sent = samples[samples["user"] % 3 == edge]
            logged = _log(trial, f"edge{edge + 1}")
            assert len(logged) == len(sent) > 0
            assert set(logged["port"]) == set(sent["port"])


def test_a_shield_asks_for_all_edges_and_shares_what_it_got(run: ShortRun) -> None:
    for trial in run.of(tier="nginx", variant="shielded"):
        hits = _log(trial, "shield")["verdict"].astype(str) == "hit"
        missed = sum(int((_log(trial, f"edge{edge}")["verdict"].astype(str) != "hit").sum()) for edge in (1, 2, 3))
        assert len(hits) == pytest.approx(missed, abs=3)  # a line is written when its answer has gone
        assert hits.mean() > 0.1


def test_both_witnesses_and_all_logs_agree(run: ShortRun) -> None:
    """With four caches in two layers, every row is explained, and no word of theirs contradicts the proof."""
    codes = {reason["code"] for reason in run.summary["trust"]["reasons"]}
    assert not codes & {"UNMATCHED_LEDGER", "LOG_DISAGREES", "CLAIM_DISAGREES", "PREDICTION_OFF", "LEAK", "BROKEN_BODY"}
    cells = {cell["id"]: cell for cell in run.summary["cells"]}
    residual = cells["nginx.ttl1.edges"]["metrics"]["prediction_residual"]["value"]
    assert abs(residual) < 0.002  # three stores, replayed each for itself
    assert cells["nginx.ttl1.shielded"]["metrics"]["prediction_residual"]["value"] is None


def _trials(
    *, less: float = 20.0, more: float = 50.0, slow: float = 1.0, old: float = 0.0, tier: str = "nginx"
) -> pd.DataFrame:
    """Three repeats of one pair: requests at the origin with and without a shield, mean latency over that without."""
    rows = []
    for repeat, off in ((1, -0.02), (2, 0.0), (3, 0.02)):
        for shield in (False, True):
            place = {"cell": f"{tier}.{shield}", "tier": tier, "series": tier, "variant": "", "network": "loopback"}
            same = {"pair": tier, "where": "", "edges": 3, "repeat": repeat, "ttl_s": 2.0, "shield": shield}
            rates = {"origin_rps": (less if shield else more) * (1 + off * shield), "midgress_rps": more * shield}
            waits = {"latency_ms": (slow if shield else 1.0) * (1 + off * shield / 2), "miss_ms": 5.0 + shield}
            rest = {"midgress_mbit": 0.1, "edge_hit": 0.7, "hit": 0.8, "origin_ms": 5.0, "shield_ms": 1.0}
            rows.append(place | same | rates | waits | rest | {"old": old * shield, "oldest_s": 1.5})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("trials", "verdict"),
    [
        (_trials(), ClaimVerdict.HOLDS),
        (_trials(slow=1.3), ClaimVerdict.PARTLY),
        (_trials(old=0.02), ClaimVerdict.PARTLY),
        (pd.concat([_trials(), _trials(less=50, tier="b")]), ClaimVerdict.PARTLY),
        (_trials(less=50, slow=1.3, old=0.02), ClaimVerdict.NOT_HERE),
        (_trials().query("repeat < 3"), ClaimVerdict.NOT_TESTABLE),
        (_trials().query("shield"), ClaimVerdict.NOT_TESTABLE),
        (pd.DataFrame(), ClaimVerdict.NOT_TESTABLE),
    ],
)
def test_the_verdict_follows_from_the_intervals(trials: pd.DataFrame, verdict: ClaimVerdict) -> None:
    result = conclude(trials).result
    assert result.verdict is verdict
    assert bool(result.why) is (verdict is not ClaimVerdict.HOLDS)


@pytest.mark.parametrize("repeats", [1, 2, 3])
def test_the_chart_has_both_ways_side_by_side(repeats: int) -> None:
    trials = pd.concat([_trials(), _trials(less=25, tier="b")])
    (chart,) = draw(conclude(trials[trials["repeat"] <= repeats]))
    assert [panel.slug.removeprefix("claim-shield-") for panel in chart.panels] == [
        "origin-rps",
        "midgress-rps",
        "miss-ms",
        "old",
    ]
    assert chart.table is not None and len(chart.table.rows) == 4
    assert draw(conclude(pd.DataFrame())) == []


def test_the_smallest_cut_is_the_figure() -> None:
    result = conclude(pd.concat([_trials(less=10), _trials(less=25, tier="b")])).result
    assert result.figure is not None and result.figure.value == pytest.approx(2.0, rel=0.01)
    assert "b" in result.figure_name
