"""An outage: the claim's figures by plain pandas from a run, and what decides it on trials made by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from edgebench.analysis.claims.outage import Episode, answers_of, conclude, episode_rows, episodes_of
from edgebench.model import ClaimVerdict, Fault, FaultKind, TrialRecord
from tests.analysis.folders import record, scenario, trials
from tests.claims.conftest import ShortRun, ShortTrial

T_3 = 4.302652729911275
"""Quantile of Student's t: 97.5 %, 2 degrees of freedom."""
NS = 1_000_000_000


def failures(trial: ShortTrial) -> list[tuple[str, float, float]]:
    """Of the short form: down, then two short ones of 503."""
    faults = trial.record["faults"]
    down, first, *_, last = faults
    assert (down["kind"], first["kind"], last["kind"]) == ("down", "503", "503") and len(faults) == 3
    return [("down", down["start_s"], down["end_s"]), ("flapping", first["start_s"], last["end_s"])]


def good_of(trial: ShortTrial, start_s: float, end_s: float) -> pd.Series:
    """Of each request due then, whether it was answered well within a second."""
    samples = trial.measured()
    due_s = (samples["scheduled_ns"] - trial.record["measure_start_ns"]) / 1e9
    took_ns = samples["done_ns"] - samples["scheduled_ns"] - samples["send_lag_ns"]
    good = samples["status"].between(200, 399) & samples["error"].isna() & (took_ns <= NS)
    inside: pd.Series = good[(due_s >= start_s) & (due_s < end_s)]
    return inside


def test_figures_are_those_of_the_samples(short_run: Callable[..., ShortRun]) -> None:
    run = short_run("outage")
    cells = {("direct", "plain"): "direct.plain", ("nginx", "plain"): "nginx.ttl1.plain"}
    cells[("nginx", "stale")] = "nginx.ttl1.stale"
    for (tier, variant), cell in cells.items():
        found = run.of(tier=tier, variant=variant)
        assert len(found) == 3
        for place, word in enumerate(("down", "flapping")):
            shares = [good_of(trial, *failures(trial)[place][1:]).mean() for trial in found]
            assert run.claim["numbers"][f"good.{word}.{cell}"] == pytest.approx(np.mean(shares), abs=1e-9)
    figure = run.claim["figure"]
    if figure is None:  # the machine was too busy for a generator on time
        assert run.claim["verdict"] == ClaimVerdict.NOT_TESTABLE.value and run.claim["why"]
        return
    values = []
    for trial in run.of(tier="nginx", variant="stale"):
        values.append(pd.concat([good_of(trial, *each[1:]) for each in failures(trial)]).mean())
    half = T_3 * np.std(values, ddof=1) / math.sqrt(3)
    assert figure["value"] == pytest.approx(np.mean(values)) and figure["n"] == 3
    assert figure["low"] == pytest.approx(np.mean(values) - half)
    assert figure["high"] == pytest.approx(min(np.mean(values) + half, 1))


def test_a_dead_origin_answers_nothing_and_stale_answers_help(short_run: Callable[..., ShortRun]) -> None:
    numbers = short_run("outage").claim["numbers"]
    assert numbers["good.down.direct.plain"] < 0.1
    assert numbers["good.down.nginx.ttl1.stale"] > 0.8 > numbers["good.down.nginx.ttl1.plain"]
    assert numbers["staleness_s.down.nginx.ttl1.stale"] > 1  # and nginx's own rounding is less than that
    assert numbers["staleness_s.down.nginx.ttl1.plain"] <= 1.05


# --- by hand -----------------------------------------------------------------------------------------------------


def test_short_failures_in_a_row_are_one_that_flaps() -> None:
    faults = [
        Fault(FaultKind.DOWN, 1, 3), Fault(FaultKind.STATUS_503, 5, 5.2), Fault(FaultKind.STATUS_503, 5.4, 5.6),
        Fault(FaultKind.SLOW, 6, 7, 0.2), Fault(FaultKind.STATUS_503, 9, 10), Fault(FaultKind.STATUS_503, 12, 13),
    ]  # fmt: skip
    assert episodes_of(faults[::-1]) == [
        Episode("down", 1, 3), Episode("flapping", 5, 5.6), Episode("slow", 6, 7), Episode("503", 9, 10),
        Episode("503", 12, 13),
    ]  # fmt: skip


def by_hand(bad: Callable[[float], bool], stale_s: float = 0.0) -> tuple[TrialRecord, pd.DataFrame]:
    """Three seconds of 200 requests/s for one key and then another, those due when `bad` says so failing."""
    trial = record(trials(scenario(ttl_s=(1,)))[1])
    load = replace(trial.trial.cell.load, measure_s=3.0)
    trial = replace(trial, trial=replace(trial.trial, cell=replace(trial.trial.cell, load=load)))
    at_s = np.arange(0, 3, 1 / 200)
    due = trial.measure_start_ns + (at_s * NS).astype(np.int64)
    failed = np.array([bad(at) for at in at_s])
    samples = pd.DataFrame(
        {"scheduled_ns": due, "latency_ns": 1_000_000, "staleness_s": np.where(failed, np.nan, stale_s)}
    )
    samples["outcome"] = np.where(failed, "error", "hit")
    samples["key"] = np.where(at_s < 1.75, "/a", "/b")
    return trial, samples


def test_the_figures_of_an_episode() -> None:
    episodes = [Episode("down", 1.0, 2.0)]
    trial, samples = by_hand(lambda at_s: 1.5 <= at_s < 2.25, stale_s=0.7)
    (row,) = episode_rows(answers_of(trial, samples), episodes, trial)
    assert (row["requests"], row["good_count"], row["good"]) == (200, 100, 0.5)
    assert row["stale"] == 1.0 and row["staleness_s"] == pytest.approx(0.7)
    assert row["unknown"] == 0.5  # /b was never answered before
    assert row["recovered_s"] == pytest.approx(0.245)
    slow = samples.assign(latency_ns=1_000_000_001)
    assert episode_rows(answers_of(trial, slow), episodes, trial)[0]["good"] == 0


def test_what_never_ended_has_not_recovered() -> None:
    trial, samples = by_hand(lambda at_s: at_s >= 1)
    (row,) = episode_rows(answers_of(trial, samples), [Episode("down", 1.0, 2.0)], trial)
    assert math.isnan(row["recovered_s"]) and math.isnan(row["stale"]) and row["good"] == 0
    trial, samples = by_hand(lambda at_s: 1 <= at_s < 2)
    assert episode_rows(answers_of(trial, samples), [Episode("down", 1.0, 2.0)], trial)[0]["recovered_s"] == 0


def table(**cells: dict[str, float]) -> pd.DataFrame:
    """Three trials of each cell: its share of good answers per episode."""
    rows = []
    for cell, shares in cells.items():
        for repeat in (1, 2, 3):
            for word, good in shares.items():
                share = min(good + 0.002 * (repeat - 2), 1.0)
                figures = {"requests": 1000, "good_count": round(1000 * share), "good": share, "stale": 0.5}
                figures |= {
                    "staleness_s": 2.5,
                    "unknown": 0.5,
                    "recovered_s": 0.2,
                    "may_be_stale": cell.startswith("s"),
                }
                rows.append({"cell": cell, "tier": cell, "series": cell, "repeat": repeat, "episode": word, **figures})
    return pd.DataFrame(rows)


ALONE = {"down": 0.01, "slow": 0.5}


@pytest.mark.parametrize(
    ("cells", "verdict"),
    [
        ({"s1": {"down": 0.99, "slow": 1.0}, "plain": {"down": 0.3, "slow": 0.5}}, ClaimVerdict.HOLDS),
        ({"s1": {"down": 0.99, "slow": 0.6}}, ClaimVerdict.PARTLY),
        ({"s1": {"down": 0.99, "slow": 1.0}, "s2": {"down": 0.1, "slow": 0.4}}, ClaimVerdict.PARTLY),
        ({"s1": {"down": 0.4, "slow": 0.6}}, ClaimVerdict.NOT_HERE),
        ({"plain": {"down": 0.99, "slow": 1.0}}, ClaimVerdict.NOT_TESTABLE),
    ],
)
def test_what_decides(cells: dict[str, dict[str, float]], verdict: ClaimVerdict) -> None:
    result = conclude(table(alone=ALONE, **cells), {"alone"}).result
    assert result.verdict is verdict
    assert bool(result.why) == (verdict is not ClaimVerdict.HOLDS)


def test_a_failure_that_flask_alone_does_not_feel_counts_for_nothing() -> None:
    alone = {"down": 0.01, "slow": 0.99}
    assert conclude(table(alone=alone, s1={"down": 0.99, "slow": 0.2}), {"alone"}).result.verdict is ClaimVerdict.HOLDS
    calm = conclude(table(alone={"slow": 0.99}, s1={"slow": 0.99}), {"alone"}).result
    assert calm.verdict is ClaimVerdict.NOT_TESTABLE


def test_the_sentence() -> None:
    cells = {"alone": ALONE, "plain": {"down": 0.3, "slow": 0.5}, "s1": {"down": 0.8, "slow": 1.0}}
    result = conclude(table(**cells), {"alone"}).result
    assert result.text == (
        "While its origin failed, Flask alone gave good answers to 25.5 % of the requests (down 1 % and slow 50 %). "
        "Behind a cache with leave to serve stale answers it was: s1 90 %; without it: plain 40 %. Answers were up to "
        "2.50 s past their TTL (s1); after each failure all was well again within 0.2 s."
    )
    assert result.why == (
        "Not shown to give 90 % good answers: s1 (down 80 %; 50 % of what failed had never been answered before)."
    )
    assert result.figure_name == "good answers while the origin failed, s1"
