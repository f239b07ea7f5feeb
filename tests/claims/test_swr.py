"""Stale-while-revalidate: the claim's figures by plain loops from a run, and what decides it on trials made by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from edgebench.analysis.claims.swr import conclude, figures_of
from edgebench.analysis.refreshes import Refreshes
from edgebench.model import ClaimVerdict
from tests.claims.conftest import ShortRun, ShortTrial

T_3 = 4.302652729911275
"""Quantile of Student's t: 97.5 %, 2 degrees of freedom."""
MS = 1_000_000
CELLS = {variant: f"nginx.ttl1.{variant}" for variant in ("without", "with", "few")}


def refreshes(trial: ShortTrial) -> dict[str, list[tuple[int, int]]]:
    """Per product, when it was fetched anew in the measurement: overlapping fetches are one, the first of all none."""
    ledger = trial.table("ledger").sort_values("start_ns")
    found: dict[str, list[list[int]]] = {}
    for key, start, end in zip(ledger["key"], ledger["start_ns"], ledger["end_ns"], strict=True):
        mine = found.setdefault(key, [])
        if mine and start < mine[-1][1]:
            mine[-1][1] = max(mine[-1][1], end)
        else:
            mine.append([start, end])
    begin, until = trial.record["measure_start_ns"], trial.record["measure_end_ns"]
    return {key: [(a, b) for a, b in mine[1:] if begin <= a < until] for key, mine in found.items()}


def p99(values: list[float]) -> float:
    return sorted(values)[math.ceil(0.99 * len(values)) - 1]


def around_ms(trial: ShortTrial) -> float:
    fetched, took = refreshes(trial), []
    for row in trial.measured().to_dict("records"):
        if any(a - 3 * MS <= row["sent_ns"] <= b for a, b in fetched.get(row["key"], [])):
            took.append((row["done_ns"] - row["scheduled_ns"] - row["send_lag_ns"]) / MS)
    return p99(took)


def held(trial: ShortTrial) -> float:
    """Share of those sent next on the connection, the refresh still running, that waited for half of the rest of it."""
    samples = trial.measured().sort_values("sent_ns")
    waited = []
    by_port = {port: rows.to_dict("records") for port, rows in samples.groupby("port")}
    for key, spans in refreshes(trial).items():
        of_key = samples[samples["key"] == key]
        for start, end in spans:
            before = of_key[of_key["sent_ns"] <= start]
            if before.empty or start - before["sent_ns"].iloc[-1] > 50 * MS or before["done_ns"].iloc[-1] >= end:
                continue
            for one, after in pairwise(by_port[before["port"].iloc[-1]]):
                if one["sent_ns"] == before["sent_ns"].iloc[-1] and end - after["sent_ns"] >= 10 * MS:
                    waited.append(after["done_ns"] - after["sent_ns"] >= (end - after["sent_ns"]) / 2)
    return float(np.mean(waited))


def test_figures_are_those_of_samples_and_ledger(short_run: Callable[..., ShortRun]) -> None:
    run = short_run("swr")
    numbers = run.claim["numbers"]
    by_variant = {variant: run.of(tier="nginx", variant=variant) for variant in CELLS}
    p99_ms = {variant: [around_ms(trial) for trial in trials] for variant, trials in by_variant.items()}
    for variant, cell in CELLS.items():
        assert len(by_variant[variant]) == 3
        assert numbers[f"around_p99_ms.{cell}"] == pytest.approx(np.mean(p99_ms[variant]))
    assert numbers["held.nginx.ttl1.few"] == pytest.approx(np.mean([held(trial) for trial in by_variant["few"]]))
    assert numbers["held.nginx.ttl1.few"] > 0.3  # this nginx reads nothing from a connection while it refreshes
    figure = run.claim["figure"]
    if figure is None:  # the machine was too busy for a generator on time
        assert run.claim["verdict"] == ClaimVerdict.NOT_TESTABLE.value and run.claim["why"]
        return
    ratios = np.log(p99_ms["without"]) - np.log(p99_ms["with"])
    half = T_3 * ratios.std(ddof=1) / math.sqrt(3)
    assert figure["value"] == pytest.approx(math.exp(ratios.mean()))
    assert (figure["low"], figure["high"]) == pytest.approx(tuple(np.exp([ratios.mean() - half, ratios.mean() + half])))


# --- by hand -----------------------------------------------------------------------------------------------------


def fetches(*rows: tuple[str, float, float]) -> pd.DataFrame:
    """Key, start and end in ms."""
    return pd.DataFrame(
        {
            "key": [key for key, _, _ in rows],
            "start_ns": [round(start * MS) for _, start, _ in rows],
            "end_ns": [round(end * MS) for _, _, end in rows],
        }
    )


def requests(*rows: tuple[str, int, float, float]) -> pd.DataFrame:
    """Key, port, sent and service time in ms."""
    sent_ns = [round(sent * MS) for _, _, sent, _ in rows]
    took_ns = [round(took * MS) for _, _, _, took in rows]
    frame = pd.DataFrame({"key": [key for key, *_ in rows], "port": [port for _, port, *_ in rows], "sent_ns": sent_ns})
    return frame.assign(latency_ns=took_ns, service_ns=took_ns, outcome="hit")


def test_overlapping_fetches_are_one_refresh_and_the_first_is_none() -> None:
    ledger = fetches(
        ("/b", 0, 10), ("/a", 5, 15), ("/a", 100, 180), ("/a", 110, 150), ("/a", 179, 230), ("/a", 230, 240),
        ("/b", 300, 310), ("/a", 950, 990),
    )  # fmt: skip
    found = Refreshes.of(ledger, requests(("/a", 1, 0, 1)), 50 * MS, 900 * MS)
    spans = sorted(zip(found.start_ns.tolist(), found.end_ns.tolist(), strict=True))
    assert spans == [(100 * MS, 230 * MS), (230 * MS, 240 * MS), (300 * MS, 310 * MS)]


def test_requests_about_a_refresh() -> None:
    ledger = fetches(("/a", 0, 10), ("/b", 0, 10), ("/a", 100, 180), ("/b", 500, 580))
    samples = requests(
        ("/a", 1, 98, 0.2),  # causes the refresh
        ("/c", 1, 120, 60),  # next on its connection: waits for all that is left
        ("/b", 2, 130, 0.3),  # on another
        ("/a", 3, 150, 0.4),  # the same product, on another
        ("/c", 3, 160, 0.4),  # next there, but that one had set nothing off
        ("/a", 1, 300, 0.5),  # long after
        ("/b", 4, 499, 0.2),  # causes another
        ("/b", 4, 575, 0.6),  # too near its end to say anything
    )
    found = Refreshes.of(ledger, samples, 0, 10**10)
    assert np.isfinite(found.since_ms).tolist() == [True, False, False, True, False, False, True, True]
    assert found.since_ms[3] == 50
    nexts = found.nexts()
    assert sorted(zip(nexts.sample.tolist(), nexts.left_ms.tolist(), strict=True)) == [(1, 60), (7, 5)]
    assert found.beside(nexts).tolist() == [2, 3, 4]
    figures = figures_of(found, samples)
    assert (figures["refreshes"], figures["refresh_ms"], figures["nexts"]) == (2, 80, 1)
    assert (figures["around_p99_ms"], figures["beyond_p99_ms"], figures["next_ms"]) == (0.6, 60, 60)
    assert math.isnan(figures["held"])  # one is not enough to speak of shares


def trials(**cells: tuple[float, float | None]) -> pd.DataFrame:
    """Three trials of each cell `tier_variant`: p99 around refreshes, and the share of nexts held up."""
    rows = []
    for cell, (p99_ms, share) in cells.items():
        tier, variant = cell.split("_")
        for repeat in (1, 2, 3):
            wobble = 1 + 0.01 * (repeat - 2)
            row = {"cell": cell, "tier": tier, "variant": variant, "series": f"{tier}, {variant}", "repeat": repeat}
            about = {"may_be_stale": variant != "without", "users": 12 if variant == "few" else 64}
            held_up = math.nan if share is None else share
            rows.append(
                {
                    **row,
                    **about,
                    "around_p99_ms": p99_ms * wobble,
                    "wait": p99_ms / 80,
                    "held": held_up,
                    "next_ms": 70.0,
                    "others_ms": 0.4,
                }
            )
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("cells", "verdict"),
    [
        ({"a_without": (80, None), "a_with": (1, None), "a_few": (1, 0.0)}, ClaimVerdict.HOLDS),
        ({"a_without": (80, 0.9), "a_with": (1, None), "a_few": (60, 0.9)}, ClaimVerdict.PARTLY),
        (
            {"a_without": (80, None), "a_with": (1, None), "b_without": (80, None), "b_with": (79, None)},
            ClaimVerdict.PARTLY,
        ),
        ({"a_without": (80, None), "a_with": (30, None), "a_few": (40, 0.0)}, ClaimVerdict.NOT_HERE),
        ({"a_without": (900, None), "a_with": (90, None)}, ClaimVerdict.NOT_HERE),  # whoever asks waits for all of it
        ({"a_with": (1, None)}, ClaimVerdict.NOT_TESTABLE),
    ],
)
def test_what_decides(cells: dict[str, tuple[float, float | None]], verdict: ClaimVerdict) -> None:
    result = conclude(trials(**cells)).result
    assert result.verdict is verdict
    assert bool(result.why) == (verdict is not ClaimVerdict.HOLDS)


def test_the_sentence() -> None:
    result = conclude(trials(a_without=(80, None), a_with=(1, None), a_few=(60, 0.9))).result
    assert result.text == (
        "Of the requests for what was just being refreshed, the p99 was: a 80.0 ms without it and 1.00 ms with it. Of "
        "the next requests on a connection that had set a refresh off, so many waited for it: 90 % with a over 12 "
        "connections (median 70.0 ms, on other connections 0.40 ms)."
    )
    assert result.why == "Whoever comes next on the same connection waits for the refresh: a over 12 connections."
    assert result.figure is not None and result.figure.value == pytest.approx(80)
    assert result.figure_name == "p99 around expiries, without over with, a"
