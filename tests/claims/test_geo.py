"""Served from nearby: the claim's figures by plain pandas from a run, and what decides it on tables made by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import pytest

from edgebench.analysis.claims.geo import API, NEW, RETURNING, conclude
from edgebench.model import ClaimVerdict
from edgebench.network.possible import possible
from edgebench.network.profiles import PROFILES
from edgebench.report.charts.claims.geo import draw
from edgebench.scenario import cells, load
from tests.claims.conftest import ROOT, ShortRun, ShortTrial

needs_namespaces = pytest.mark.skipif(not possible().unshare, reason=possible().why_not)
T_3 = 4.302652729911275
"""Quantile of Student's t: 97.5 %, 2 degrees of freedom."""


def interval(ratios: list[float]) -> tuple[float | None, ...]:
    """Geometric mean, and the t-interval on the logarithms; None where there are not three."""
    logs = np.log([ratio for ratio in ratios if not math.isnan(ratio)])
    if len(logs) < 3:  # a busy machine
        return float(np.exp(logs.mean())) if len(logs) else None, None, None
    half = T_3 * logs.std(ddof=1) / math.sqrt(3)
    return float(np.exp(logs.mean())), float(np.exp(logs.mean() - half)), float(np.exp(logs.mean() + half))


def api_median_ms(trial: ShortTrial) -> float:
    samples = trial.measured()
    api = samples[(samples["key"].str.startswith("/api/")) & (samples["status"] == 200)]
    waited = (api["done_ns"] - api["scheduled_ns"] - api["send_lag_ns"]).sort_values().to_numpy()
    return float(waited[math.ceil(len(waited) / 2) - 1]) / 1e6


def mean_load_ms(trial: ShortTrial, visitor: str) -> float:
    """From when a page was due to the last answer that it waits for."""
    samples = trial.table("samples").sort_values("sent_ns")
    loads = []
    for _, mine in samples.groupby("user"):
        parts = mine[mine["endpoint"].astype(str).str.startswith(("page ", "asset "))]
        begins = parts["endpoint"].astype(str).str.startswith("page ")
        for number, view in parts.groupby(begins.cumsum()):
            page = view.iloc[0]
            if number == 0 or page["phase"] != "measure" or not page["endpoint"].startswith(f"page {visitor} "):
                continue
            assert view["status"].isin([200, 304]).all()
            late = view["endpoint"].astype(str).str.startswith(("asset lazy image", "asset icon"))
            loads.append(view[~late]["done_ns"].max() - page["scheduled_ns"] - page["send_lag_ns"])
    return float(np.mean(loads)) / 1e6 if len(loads) >= 3 else math.nan


@needs_namespaces
def test_figures_are_those_of_the_samples(short_run: Callable[..., ShortRun]) -> None:
    run = short_run("geo")
    if run.claim["verdict"] == ClaimVerdict.NOT_TESTABLE.value:  # the machine was too busy to be on time
        assert "INVALID" in run.claim["why"] and run.claim["figure"] is None
        return
    numbers, over = run.claim["numbers"], dict[str, list[float]]()
    figures: Mapping[str, Callable[[ShortTrial], float]] = {
        "api_p50": api_median_ms,
        "new": lambda trial: mean_load_ms(trial, "new"),
        "returning": lambda trial: mean_load_ms(trial, "returning"),
    }
    direct, edge = (run.of(tier=tier, variant="https", network="continent") for tier in ("direct", "nginx"))
    for metric, figure in figures.items():
        at = f"nginx.continent.https.{metric}"
        over[metric] = [figure(here) / figure(there) for here, there in zip(edge, direct, strict=True)]
        for name, expected in zip(("ratio", "low", "high"), interval(over[metric]), strict=True):
            assert numbers.get(f"{at}.{name}") == pytest.approx(expected, rel=1e-9)
    deciding = run.claim["figure"] or {"value": None, "low": None, "high": None}
    assert (deciding["value"], deciding["low"], deciding["high"]) == pytest.approx(interval(over["new"]), rel=1e-9)


@needs_namespaces
def test_the_network_was_the_one_asked_for_and_handshakes_cost_round_trips(
    short_run: Callable[..., ShortRun],
) -> None:
    for trial in short_run("geo").of(tier="direct", variant="https", network="continent"):
        [link] = [each for each in trial.record["network"]["links"] if {each["a"], each["b"]} == {"client", "origin"}]
        assert link["rtt_ms"] == pytest.approx(link["asked"]["rtt_ms"], rel=0.05, abs=1)
        pages = trial.measured()
        pages = pages[pages["endpoint"].astype(str).str.startswith("page ") & ~pages["reused_connection"]]
        took_ms = (pages["done_ns"] - pages["sent_ns"]) / 1e6
        # TCP, TLS 1.3 and the request are a round trip each.
        assert took_ms.min() > 3 * link["rtt_min_ms"] - 3 * link["asked"]["jitter_ms"]


NONE: Mapping[str, float] = {}
NETWORKS = {"same-city": 1.0, "continent": 0.4, "other-continent": 0.1}


def trials(ratio: Mapping[str, float], repeats: int = 3, metric: Mapping[str, float] = NONE) -> pd.DataFrame:
    """Trials of direct and nginx by http and https; edge over direct is `ratio`, of a metric it is what is given."""
    rows = []
    for network, share in ratio.items():
        for variant in ("http", "https"):
            for repeat in range(1, repeats + 1):
                there = {API: 100.0, "api_p90_ms": 110.0, "api_p99_ms": math.nan, NEW: 600.0, RETURNING: 300.0}
                there = {name: value * (1 + repeat / 100) for name, value in there.items()}
                here = {name: value * metric.get(name, share) * (1 + repeat / 500) for name, value in there.items()}
                for tier, figures in (("direct", there), ("nginx", here)):
                    place = {"tier": tier, "network": network, "variant": variant, "repeat": repeat}
                    series = f"{tier}, {network}, {variant}"
                    rows.append({**place, "series": series, "cell": series, "ttl_s": math.nan, **figures})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("table", "verdict", "says"),
    [
        (trials({"continent": 0.4, "other-continent": 0.1}), ClaimVerdict.HOLDS, "0.10× (other-continent)"),
        (trials(NETWORKS), ClaimVerdict.PARTLY, "nginx on same-city by https"),
        (trials({"same-city": 1.0}), ClaimVerdict.NOT_HERE, "the API's median 1.00×"),
        (trials({"continent": 0.4}, metric={API: 1.2}), ClaimVerdict.PARTLY, "the API's median 1.20×"),
        (trials({"continent": 0.4}, repeats=2), ClaimVerdict.PARTLY, "Too few trials"),
        (trials({"continent": 0.4}).query("tier == 'nginx'"), ClaimVerdict.NOT_TESTABLE, "nothing that can be used"),
        (pd.DataFrame(), ClaimVerdict.NOT_TESTABLE, "nothing that can be used"),
    ],
)
def test_the_verdict_follows_the_figures(table: pd.DataFrame, verdict: ClaimVerdict, says: str) -> None:
    result = conclude(table, ["direct"], pd.DataFrame()).result
    assert result.verdict is verdict
    assert says in f"{result.text} {result.why}"


def test_the_figure_is_the_mean_of_the_networks_paired_by_repeat() -> None:
    figure = conclude(trials(NETWORKS), ["direct"], pd.DataFrame()).result.figure
    assert figure is not None and figure.n == 3
    value, low, high = interval([(1.0 * 0.4 * 0.1) ** (1 / 3) * (1 + repeat / 500) for repeat in (1, 2, 3)])
    assert (figure.value, figure.low, figure.high) == pytest.approx((value, low, high))


def test_the_charts_have_a_panel_per_network_and_the_browser_beside() -> None:
    browser = {
        "tier": ["direct", "nginx"], "network": "continent", "variant": "https", "visitor": "new", "page": "/",
        "emulated_ms": [600.0, 200.0], "browser_ms": [660.0, 240.0], "ratio": [1.1, 1.2], "emulated_requests": 13.0,
        "browser_requests": 13.0, "emulated_bytes": 21_000.0, "browser_bytes": 21_000.0,
        "largest_paint_ms": [math.nan, 220.0], "views": 6, "loads": 3,
    }  # fmt: skip
    geo, beside = draw(conclude(trials(NETWORKS), ["direct"], pd.DataFrame(browser)))
    assert [panel.title for panel in geo.panels] == [f"{network}, nginx" for network in NETWORKS]
    assert "10× as fast through nginx on other-continent by https" in geo.title
    assert geo.table is not None and len(geo.table.rows) == 3 * 2 * 4
    assert "40.0\u00a0ms to 60.0\u00a0ms after" in beside.title and beside.table is not None
    assert beside.table.rows[0][2:6] == ("600 (6)", "660 (3)", "1.10", "–")
    assert len(draw(conclude(trials(NETWORKS), ["direct"], pd.DataFrame()))) == 1


def test_a_variant_by_https_is_https_without_a_cache_too_and_nothing_else_there_changes() -> None:
    scenario = load(
        ROOT / "scenarios" / "geo.toml",
        ["variants=[{name='https', tier={tls=true, workers=3}}]"],
        kinds=["direct", "nginx"],
        networks=PROFILES,
    )
    kinds = {cell.tier.name: (cell.tier.tls, cell.tier.workers) for cell in cells(scenario)}
    assert kinds == {"direct": (True, 1), "nginx": (True, 3)}
