"""Classes of content: the claim's figures by plain pandas from a run, and what decides it on trials made by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import pytest

from edgebench.analysis.claims.content_types import CLASSES, DELIVERED, conclude
from edgebench.model import ClaimVerdict
from edgebench.report.charts.claims.content_types import draw
from tests.claims.conftest import ShortRun, ShortTrial

NEVER_EXPIRES = ("css", "js", "font", "audio", "video", "seeking")


def from_store(trial: ShortTrial) -> pd.Series:
    """Per sample of the trial, whether it made the origin do nothing: each request that reached the origin is the
    doing of the earliest sample of its key that was waiting then and is not accounted for."""
    samples, ledger = trial.table("samples").sort_values("sent_ns").reset_index(drop=True), trial.table("ledger")
    stored = np.ones(len(samples), dtype=bool)
    by_key = {str(key): rows.index.to_numpy() for key, rows in samples.groupby("key", observed=True)}
    sent, done = samples["sent_ns"].to_numpy(), samples["done_ns"].to_numpy()
    for row in ledger.sort_values("start_ns").itertuples():
        mine = by_key.get(str(row.key), np.empty(0, dtype=int))
        waiting = mine[(sent[mine] <= row.start_ns) & (done[mine] >= row.start_ns) & stored[mine]]
        if len(waiting):
            stored[waiting[0]] = False
    return pd.Series(stored, index=samples.index)


def hits(trial: ShortTrial) -> dict[str, float]:
    """Share from store of each class, in the measuring phase."""
    samples = trial.table("samples").sort_values("sent_ns").reset_index(drop=True)
    stored = from_store(trial)[samples["phase"] == "measure"]
    kinds = samples["endpoint"].astype(str).str.split(" ").str[0][samples["phase"] == "measure"]
    return {kind: float(stored[kinds == kind].mean()) for kind in CLASSES}


@pytest.mark.parametrize("tier", ["nginx", "haproxy"])
def test_figures_are_those_of_the_samples_and_the_ledger(short_run: Callable[..., ShortRun], tier: str) -> None:
    run = short_run("content_types")
    trials = run.of(tier=tier)
    if not trials:
        pytest.skip(f"{tier} is not installed")
    numbers, found = run.claim["numbers"], pd.DataFrame([hits(trial) for trial in trials]).mean()
    assert len(trials) == 3
    assert all((trial.measured()["status"].isin([200, 206])).all() for trial in trials)
    for kind in CLASSES:
        assert numbers[f"hit_ratio.{tier}.{kind}"] == pytest.approx(found[kind], abs=0.02), kind
    for kind in NEVER_EXPIRES:
        assert numbers[f"ideal_ratio.{tier}.{kind}"] == 1.0
        assert numbers[f"share.{tier}.{kind}"] == pytest.approx(found[kind], abs=0.02)
    pieces = [numbers[f"share.{tier}.{kind}"] for kind in ("audio", "video", "seeking")]
    assert pieces == ([1.0] * 3 if tier == "nginx" else [0.0] * 3)
    expected = ClaimVerdict.PARTLY if run.of(tier="haproxy") else ClaimVerdict.HOLDS
    assert run.claim["verdict"] == expected.value


def table(shares: Mapping[str, Mapping[str, list[float]]]) -> pd.DataFrame:
    """Trials by hand: shares by tier and class, one per repeat; an ideal of 1."""
    rows = [
        {
            "cell": tier, "tier": tier, "series": tier, "variant": "", "network": "loopback", "ttl_s": 2.0,
            "repeat": repeat, "kind": kind, "requests": 100, "hit_ratio": share, "ideal_ratio": 1.0, "share": share,
            "bytes_ratio": share, "p50_ms": 1.0 if tier != "direct" else 4.0,
        }
        for tier, kinds in shares.items() for kind, values in kinds.items() for repeat, share in enumerate(values, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows)


GOOD, NONE, SPREAD = [0.99, 1.0, 0.98], [0.0, 0.0, 0.0], [0.95, 0.7, 0.99]


def test_all_classes_from_all_stores_holds() -> None:
    judged = conclude(table({"nginx": {"css": GOOD, "audio": [1.0] * 3}, "direct": {"css": NONE}}), {"direct"})
    assert judged.result.verdict is ClaimVerdict.HOLDS
    assert judged.result.text == (
        "nginx delivered all 2 classes of content from store: of each, at least 99 % that an ideal cache could have."
    )
    assert judged.result.figure_name == "delivered of what could be: style sheets, nginx"
    assert judged.result.figure is not None
    assert judged.result.figure.value == pytest.approx(0.99)
    assert judged.tables["found"]["direct_ms"].tolist()[0] == 4.0


def test_a_class_that_stays_with_the_origin_makes_it_hold_partly() -> None:
    caches = {"nginx": {"css": [1.0] * 3, "audio": [1.0] * 3}, "squid": {"css": GOOD, "audio": NONE}}
    judged = conclude(table({**caches, "ats": {"css": GOOD, "audio": NONE}}), set(), "A caveat.")
    assert judged.result.verdict is ClaimVerdict.PARTLY
    assert judged.result.text == (
        "nginx delivered all 2 classes of content from store: of each, all that an ideal cache could have. "
        "squid and ats did not deliver sound by ranges: nothing came from store."
    )
    assert judged.result.why.startswith("As configured, squid and ats store no clip")
    assert judged.result.why.endswith("A caveat.")
    assert judged.result.figure_name.endswith("nginx")
    charts = draw(judged)
    assert [chart.slug for chart in charts] == ["content-types", "content-latency"]
    assert [len(chart.panels) for chart in charts] == [2, 2]
    assert charts[0].title == "2 of 3 caches leave 1 of 2 classes of content to the origin"
    assert charts[0].table is not None
    assert len(charts[0].table.rows) == 6


def test_what_is_not_sure_is_not_called_delivered() -> None:
    judged = conclude(table({"nginx": {"css": SPREAD}}), set())
    assert judged.result.verdict is ClaimVerdict.PARTLY
    assert judged.result.text == (
        "No cache delivered all 1 classes of content from store. nginx did not deliver style sheets: 88 % of what "
        "could have came from store."
    )
    assert judged.tables["found"]["share_low"].iloc[0] < DELIVERED
    nothing = conclude(table({"nginx": {"css": NONE}}), set())
    assert nothing.result.verdict is ClaimVerdict.NOT_HERE


def test_without_caches_or_intervals_it_cannot_be_tested() -> None:
    alone = conclude(table({"direct": {"css": NONE}}), {"direct"})
    assert alone.result.verdict is ClaimVerdict.NOT_TESTABLE
    assert draw(alone) == []
    once = conclude(table({"nginx": {"css": [1.0]}}), set())
    assert once.result.verdict is ClaimVerdict.NOT_TESTABLE
    assert "raise repeats" in once.result.why
