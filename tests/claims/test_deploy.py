"""A deployment: the claim's figures by plain pandas from a run, and what decides it on tables made by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edgebench.analysis.claims.deploy import HASHED, PLAIN, PURGED, conclude
from edgebench.model import ClaimVerdict
from edgebench.report.charts.claims.deploy import draw
from tests.claims.conftest import ShortRun, ShortTrial

T_3 = 4.302652729911275
"""Quantile of Student's t: 97.5 %, 2 degrees of freedom."""
WORKER_OF = {1: 0, 2: 1}
"""Releases to workers: there is one of each, and the old one began."""


def versions(ledger: pd.DataFrame, release: int) -> dict[str, set[str]]:
    mine = ledger[ledger["worker"] == WORKER_OF[release]]
    return {str(key): set(rows["version"]) for key, rows in mine.groupby("key", observed=True)}


def views(trial: ShortTrial) -> pd.DataFrame:
    """Page views that came whole: at_s, page (release), mixed."""
    samples, ledger = trial.table("samples"), trial.table("ledger")
    by_seq = ledger.set_index("seq")[["worker", "version"]]
    old, new = versions(ledger, 1), versions(ledger, 2)
    found = []
    for _, mine in samples.sort_values("sent_ns").groupby("user"):
        begins = mine["endpoint"].astype(str).str.startswith("page ")
        for number, view in mine.groupby(begins.cumsum()):
            page = view.iloc[0]
            parts = view[view["endpoint"].astype(str).str.startswith(("page ", "asset "))]
            whole = parts["status"].isin([200, 304]).all() and parts["error"].isna().all()
            if number == 0 or page["phase"] != "measure" or not whole:
                continue
            release = 1 if by_seq.loc[page["origin_seq"], "worker"] == 0 else 2
            there, here = (old, new) if release == 2 else (new, old)  # the other release's versions, and its own
            mixed = False
            for key, seq in zip(parts["key"].iloc[1:], parts["origin_seq"].iloc[1:], strict=True):
                version = by_seq.loc[seq, "version"]
                own = here.get(str(key), set())
                mixed |= bool(own) and version not in own and version in there.get(str(key), set())
            at_s = (page["sent_ns"] - trial.record["measure_start_ns"]) / 1e9
            found.append({"at_s": at_s, "page": release, "mixed": mixed})
    return pd.DataFrame(found)


def in_window(trial: ShortTrial) -> float:
    mine, end_s = views(trial), trial.record["events"]["deploy_end_s"]
    until_s = min(end_s + trial.cell["freshness"]["ttl_s"], trial.record["events"].get("purge_start_s", math.inf))
    window = mine[(mine["at_s"] >= end_s) & (mine["at_s"] < until_s)]
    return float(window["mixed"].mean())


def in_time(run: ShortRun, variant: str) -> list[ShortTrial]:
    """Those in which all was over before the measurement was: on a busy machine that may not be all."""
    last = "purge_end_s" if variant == PURGED else "deploy_end_s"
    return [trial for trial in run.of(tier="nginx", variant=variant) if last in trial.record["events"]]


def test_figures_are_those_of_the_samples_and_the_ledger(short_run: Callable[..., ShortRun]) -> None:
    run = short_run("deploy")
    numbers, figure = run.claim["numbers"], run.claim["figure"]
    if not numbers:
        assert run.claim["verdict"] == ClaimVerdict.NOT_TESTABLE.value and run.claim["why"]
        return
    for variant in (HASHED, PURGED):
        trials = in_time(run, variant)
        after = [each[each["at_s"] >= t.record["events"]["deploy_start_s"]] for t in trials for each in [views(t)]]
        assert numbers[f"nginx.{variant}.views_after"] == sum(map(len, after))
        assert numbers[f"nginx.{variant}.mixed_after"] == sum(each["mixed"].sum() for each in after)
        assert numbers[f"nginx.{variant}.mixed_share"] == pytest.approx(np.mean([in_window(t) for t in trials]))
    plain, hashed = ({t.repeat: in_window(t) for t in in_time(run, variant)} for variant in (PURGED, HASHED))
    pairs = [(share, hashed[repeat]) for repeat, share in plain.items() if repeat in hashed]
    gains = [one - other for one, other in pairs if not math.isnan(one + other)]
    assert (figure["value"], figure["n"]) == (pytest.approx(np.mean(gains)), len(gains))
    if len(gains) == 3:
        half = T_3 * np.std(gains, ddof=1) / math.sqrt(3)
        assert figure["low"] == pytest.approx(max(np.mean(gains) - half, -1))
        assert figure["high"] == pytest.approx(min(np.mean(gains) + half, 1))
    assert numbers["nginx.hashed.mixed_after"] == 0, "whatever the machine does, hashed names are safe"


def test_both_releases_were_there_and_the_purge_ended_the_old_one(short_run: Callable[..., ShortRun]) -> None:
    for trial in in_time(short_run("deploy"), PURGED):
        events, ledger = trial.record["events"], trial.table("ledger")
        assert events["deploy_start_s"] < events["deploy_end_s"] <= events["purge_start_s"] < events["purge_end_s"]
        assert set(ledger["worker"]) == {0, 1}
        styles = ledger[ledger["key"] == "/static/app.css"]
        assert not set(styles[styles["worker"] == 0]["version"]) & set(styles[styles["worker"] == 1]["version"])
        samples = trial.measured().merge(ledger[["seq", "worker"]], left_on="origin_seq", right_on="seq")
        purged_ns = trial.record["measure_start_ns"] + events["purge_end_s"] * 1e9
        assert set(samples[samples["sent_ns"] > purged_ns]["worker_y"]) == {1}


def trials(**changes: Any) -> pd.DataFrame:
    """Three trials of each variant with nginx, in which hashed names are safe and plain ones are not."""
    usual = {
        "tier": "nginx", "network": "loopback", "ttl_s": 4.0, "views_after": 100.0, "mixed_after": 0.0,
        "views": 40.0, "mixed": 0.0, "old_page": 0.0, "old_file": 0.0, "mixed_until_s": 0.0, "old_until_s": 0.5,
        "deploy_s": 0.8, "purged_at_s": math.nan, "purge_ms": math.nan, "after_purge_s": math.nan,
        "hit_before": 1.0, "hit_lowest": 0.9,
        "hit_after": 1.0, "errors": 0.0,
    }  # fmt: skip
    special: dict[str, dict[str, Any]] = {
        HASHED: {},
        PLAIN: {"mixed_after": 30.0, "mixed_until_s": 3.9, "old_until_s": 3.9},
        PURGED: {"purged_at_s": 1.9, "purge_ms": 12.0, "after_purge_s": 0.0},
    }
    rows = [
        {**usual, **special[variant], "variant": variant, "series": f"nginx, {variant}", "repeat": repeat,
         "cell": f"nginx.ttl4.{variant}", **({"mixed": 0.5 + repeat / 50} if variant == PLAIN else {}),
         **changes.get(variant.replace("-", "_"), {})}
        for variant in special
        for repeat in (1, 2, 3)
    ]  # fmt: skip
    return pd.DataFrame(rows)


BINS = pd.DataFrame(
    {"tier": "nginx", "variant": variant, "repeat": repeat, "at_s": at_s, "mixed": 0.1, "old": 0.0, "hit": 0.9}
    for variant in (HASHED, PLAIN, PURGED)
    for repeat in (1, 2, 3)
    for at_s in (0.25, 0.75, 1.25)
)
FACTS: dict[str, Any] = {"shades": {"nginx, plain": [[(0.4, 0.9)]] * 3}, "window_s": 4.0}


@pytest.mark.parametrize(
    ("changes", "verdict", "says"),
    [
        ({}, ClaimVerdict.HOLDS, "none of 300 page views"),
        ({HASHED: {"mixed_after": 1.0, "mixed": 0.01}}, ClaimVerdict.PARTLY, "in spite of hashed names"),
        ({HASHED: {"mixed_after": 50.0, "mixed": 0.55}}, ClaimVerdict.NOT_HERE, "in spite of hashed names"),
        ({HASHED: {"hit_after": 0.9}}, ClaimVerdict.PARTLY, "10.0 points below"),
        ({PLAIN: {"mixed": 0.0}}, ClaimVerdict.PARTLY, "not shown to mix more"),
        ({PLAIN: {"views_after": 5.0}}, ClaimVerdict.NOT_TESTABLE, "30 page views"),
    ],
)
def test_the_verdict_follows_the_figures(changes: dict[str, Any], verdict: ClaimVerdict, says: str) -> None:
    result = conclude(trials(**changes), BINS, FACTS).result
    assert result.verdict is verdict
    assert says in f"{result.text} {result.why}"


def test_the_figure_is_paired_by_repeat() -> None:
    figure = conclude(trials(), BINS, FACTS).result.figure
    values = [0.52, 0.54, 0.56]
    assert figure is not None and figure.low is not None
    assert figure.value == pytest.approx(0.54)
    assert figure.low == pytest.approx(0.54 - T_3 * np.std(values, ddof=1) / math.sqrt(3))


def test_too_few_trials_bear_no_verdict_and_a_cache_that_cannot_purge_is_named() -> None:
    two = trials(plain_purge={"purge_ms": math.nan})
    result = conclude(two[two["repeat"] < 3], BINS, FACTS, "squid could not be measured.").result
    assert result.verdict is ClaimVerdict.PARTLY
    assert "too few trials" in result.why and result.why.endswith("squid could not be measured.")
    assert "nginx cannot forget everything at once" in result.text


def test_the_chart_has_a_panel_per_cache_and_its_numbers_as_a_table() -> None:
    [chart] = draw(conclude(trials(), BINS, FACTS))
    assert [panel.title for panel in chart.panels] == ["nginx"]
    assert "no mixed page in 300 views" in chart.title and "54" in chart.title
    assert chart.table is not None and chart.table.rows[1][1] == "90 of 300"
    assert draw(conclude(pd.DataFrame(), pd.DataFrame(), {})) == []
