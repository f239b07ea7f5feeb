"""The TTL sweep: hit ratios by plain pandas from a run, the closed form against that run and a simulated cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edgebench.analysis.claims.ttl_sweep import conclude, enough_s
from edgebench.analysis.popularity import KeyGroup, long_run_hit_ratio, mean_life_s, number_of_keys
from edgebench.model import ClaimVerdict, ExpiryRule
from edgebench.report.charts.claims.ttl_sweep import draw
from tests.claims.conftest import ShortRun, ShortTrial
from tests.claims.plain import approx_interval, caused, interval

PRIVATE = ("/api/me", "/api/cart")
KEYS = {"/api/products/[id]": 100, "/api/products?page": 22, "/api/search?q": 50}
"""Of the short form, and of locustfiles/api.py."""


def hit_ratio(trial: ShortTrial) -> float:
    asked = trial.measured()
    asked = asked[~asked["endpoint"].isin(PRIVATE) & asked["error"].isna()]
    rows = caused(trial)
    fetched = rows[(rows["phase"] == "measure") & ~rows["endpoint"].isin(PRIVATE)]
    return 1 - len(fetched) / len(asked)


def closed_form(trial: ShortTrial, life_s: float) -> float:
    """Σ λT/(1 + λT), by each request's key, written out."""
    asked = trial.measured()
    window_s = (trial.record["measure_end_ns"] - trial.record["measure_start_ns"]) / 1e9
    endpoint = asked["endpoint"].astype(str).str.replace(" (conditional)", "", regex=False)  # the same keys
    hits = total = 0.0
    for name, keys in KEYS.items():
        rate = (endpoint == name).sum() / window_s
        weights = np.arange(1, keys + 1) ** -trial.cell["load"]["zipf_s"]
        lives = rate * weights / weights.sum() * life_s
        hits += rate * float((weights / weights.sum() * lives / (1 + lives)).sum())
        total += rate
    return hits / total


def test_figures_are_those_of_the_tables(short_run: Callable[..., ShortRun]) -> None:
    run = short_run("ttl_sweep")
    trials = run.of(tier="nginx")
    short = [trial for trial in trials if trial.cell["freshness"]["ttl_s"] == 1]
    ratios = [hit_ratio(trial) for trial in short]
    assert approx_interval(run.claim["figure"], interval(ratios), 0.006)
    # nginx keeps whole seconds, and an answer for up to TTL + 1 s: 1.5 s on average.
    expected = float(np.mean([closed_form(trial, 1.5) for trial in short]))
    assert run.claim["numbers"]["long_run.nginx.ttl1"] == pytest.approx(expected, abs=0.01)
    assert run.claim["numbers"]["hit_ratio.nginx.ttl3600"] > run.claim["numbers"]["hit_ratio.nginx.ttl1"]


def test_closed_form_is_what_a_simulated_cache_hits() -> None:
    rng = np.random.default_rng(5)
    rate, keys, life_s, seconds = 200.0, 60, 1.5, 900.0
    weights = np.arange(1, keys + 1) ** -0.9
    at = np.sort(rng.uniform(0, seconds, int(rate * seconds)))
    key = rng.choice(keys, size=len(at), p=weights / weights.sum())
    until, hits = np.full(keys, -1.0), 0
    for when, which in zip(at.tolist(), key.tolist(), strict=True):
        if when < until[which]:
            hits += 1
        else:
            until[which] = when + life_s
    assert long_run_hit_ratio([KeyGroup(rate, keys)], 0.9, life_s) == pytest.approx(hits / len(at), abs=0.005)


@pytest.mark.parametrize("keys", [20, 500, 5000])
def test_number_of_keys_is_told_from_those_seen(keys: int) -> None:
    weights = np.arange(1, keys + 1) ** -0.9
    drawn = np.random.default_rng(keys).choice(keys, size=4000, p=weights / weights.sum())
    assert number_of_keys(len(set(drawn.tolist())), len(drawn), 0.9, 10_000) == pytest.approx(keys, rel=0.15)


def test_mean_life_follows_the_rule() -> None:
    assert mean_life_s(5, ExpiryRule()) == 5
    assert mean_life_s(5, ExpiryRule(whole_seconds=True, extra_s=1)) == 5.5
    assert mean_life_s(5, ExpiryRule(whole_seconds=True)) == 4.5
    assert mean_life_s(0, ExpiryRule(extra_s=1)) == 0
    assert mean_life_s(5, None) == 5


def table(*hits: float, repeats: int = 3, off: float = 0.0) -> pd.DataFrame:
    """A cache at TTL 0, 1, 8 and 3600 s with these hit ratios; the window is 9 s."""
    rows: list[dict[str, Any]] = []
    for ttl_s, ratio in zip((0, 1, 8, 3600), hits, strict=True):
        for repeat in range(1, repeats + 1):
            measured = min(ratio + 0.002 * repeat, 1.0) if ttl_s else 0.0
            rows.append(
                {
                    "cell": f"nginx.ttl{ttl_s}", "tier": "nginx", "series": "nginx", "variant": "", "repeat": repeat,
                    "ttl_s": float(ttl_s), "hit_ratio": measured, "offload": 0.97 * measured, "ideal": measured,
                    "long_run": measured - off, "off": off, "expires": ttl_s <= 9, "window_s": 9.0,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def curve() -> pd.DataFrame:
    ttl_s = np.geomspace(0.5, 3600, 60)
    return pd.DataFrame({"tier": "nginx", "series": "nginx", "ttl_s": ttl_s, "long_run": ttl_s / (ttl_s + 2)})


@pytest.mark.parametrize(
    ("at_8_s", "verdict"),
    [(0.8, ClaimVerdict.HOLDS), (0.497, ClaimVerdict.PARTLY), (0.2, ClaimVerdict.NOT_HERE)],
)
def test_half_from_store_decides(at_8_s: float, verdict: ClaimVerdict) -> None:
    judged = conclude(table(0, 0.1, at_8_s, 0.9), curve())
    assert judged.result.verdict is verdict
    assert judged.result.figure_name == "cacheable requests answered from store at TTL 8 s, nginx"  # not the hour's
    (chart,) = draw(judged)
    assert len(chart.panels) == 1 and chart.table is not None and len(chart.table.rows) == 4


def test_closed_form_is_believed_where_the_measured_ttls_agree() -> None:
    assert enough_s(curve()) == pytest.approx(18, rel=0.02)  # T / (T + 2) = 0.9
    assert "closed form" in conclude(table(0, 0.3, 0.8, 0.9, off=0.02), curve()).result.text
    wrong = conclude(table(0, 0.3, 0.8, 0.9, off=0.05), curve())
    assert "closed form" not in wrong.result.text and "off the closed form" in wrong.result.why
    assert "no prediction" in draw(wrong)[0].note


def test_nothing_is_judged_by_what_never_expires() -> None:
    only_long = table(0, 0.3, 0.8, 0.9)
    only_long = only_long[only_long["ttl_s"] == 3600]
    for found in (pd.DataFrame(), only_long, table(0, 0.3, 0.8, 0.9, repeats=2)):
        assert conclude(found, curve()).result.verdict is ClaimVerdict.NOT_TESTABLE
