"""A store smaller than the catalogue: the claim's numbers again from the parquet files, and the other verdicts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from edgebench.analysis.claims.capacity import conclude
from edgebench.model import ClaimVerdict
from edgebench.report.charts.claims.capacity import draw
from tests.claims.conftest import ShortRun, ShortTrial

T_2 = 4.302652729911275
"""Student's t for 95 % and two degrees of freedom: three trials."""


@pytest.fixture(scope="module")
def run(short_run: Callable[..., ShortRun]) -> ShortRun:
    return short_run("capacity")


def _limit(trial: ShortTrial) -> int:
    return int(trial.cell["tier"]["storage_mb"]) * 2**20


def _hits(trial: ShortTrial) -> float:
    """The origin had begun the answer before it was asked for."""
    begun = trial.table("ledger").set_index("seq")["start_ns"]
    samples = trial.measured()
    return float((samples["origin_seq"].astype("int64").map(begun) < samples["sent_ns"]).mean())


def _lru(trial: ShortTrial) -> float:
    samples = trial.table("samples").sort_values("sent_ns")
    size = samples.groupby("key", observed=True)["bytes"].max().to_dict()
    store: OrderedDict[str, int] = OrderedDict()
    hits = []
    for key in samples["key"].astype(str):
        hits.append(key in store)
        store[key] = size[key] + 1024
        store.move_to_end(key)
        while sum(store.values()) > _limit(trial):
            store.popitem(last=False)
    return float(np.mean(np.array(hits)[(samples["phase"] == "measure").to_numpy()]))


def test_numbers_are_those_of_the_evidence(run: ShortRun) -> None:
    numbers = run.claim["numbers"]
    kept: dict[str, list[float]] = {}
    for name, variant in (("haproxy", "flat-2mb"), ("haproxy", "steep-2mb"), ("nginx", "steep-2mb")):
        trials = run.of(tier=name, variant=variant)
        if not trials:
            pytest.skip(f"{name} is not installed")
        cell = f"{name}.ttl3600.{variant}"
        catalogue = [t.table("samples").groupby("key", observed=True)["bytes"].max().sum() for t in trials]
        assert numbers[f"{cell}.share"] == pytest.approx(np.mean([_limit(trials[0]) / c for c in catalogue]), rel=1e-6)
        hits = [_hits(trial) for trial in trials]
        assert numbers[f"{cell}.hit"] == pytest.approx(np.mean(hits), abs=0.003)
        assert numbers[f"{cell}.lru"] == pytest.approx(np.mean([_lru(trial) for trial in trials]), abs=1e-6)
        assert numbers[f"{cell}.ideal"] == pytest.approx(1.0)  # everything had been asked for in the warm-up
        kept[cell] = hits
    least = min((values for cell, values in kept.items() if cell.startswith("haproxy")), key=np.mean)
    figure = run.claim["figure"]
    half = T_2 * np.std(least, ddof=1) / np.sqrt(3)
    assert figure["value"] == pytest.approx(np.mean(least), abs=0.003)
    assert (figure["low"], figure["high"]) == pytest.approx((np.mean(least) - half, np.mean(least) + half), abs=0.01)


def test_haproxy_evicts_by_the_book(run: ShortRun) -> None:
    trials = [*run.of(tier="haproxy", variant="flat-2mb"), *run.of(tier="haproxy", variant="steep-2mb")]
    if not trials:
        pytest.skip("haproxy is not installed")
    assert max(abs(_hits(trial) - _lru(trial)) for trial in trials) < 0.03


def test_nginx_is_left_out_for_what_it_held(run: ShortRun) -> None:
    held = []
    for trial in run.of(tier="nginx", variant="steep-2mb"):
        rows = trial.table("processes")
        start, end = trial.record["measure_start_ns"], trial.record["measure_end_ns"]
        rows = rows[(rows["role"] == "tier") & rows["at_ns"].between(start, end)]
        held.append(rows["stored_bytes"].mean() / _limit(trial))
    assert np.mean(held) > 1.1
    assert run.claim["numbers"]["nginx.ttl3600.steep-2mb.held"] == pytest.approx(np.mean(held), rel=1e-6)
    assert "did not keep its limit: nginx held" in run.claim["text"]


def test_the_expiry_rule_is_not_blamed_for_what_was_evicted(run: ShortRun) -> None:
    codes = {reason["code"] for reason in run.summary["trust"]["reasons"]}
    assert not codes & {"PREDICTION_OFF", "WINDOW_BELOW_TTL"}


def _trials(**cells: tuple[float, float, float, float]) -> pd.DataFrame:
    """Three trials per cell, from its share, its hit ratio, that of LRU, and what it held of its limit."""
    rows = []
    for name, (share, hit, lru, held) in cells.items():
        tier, _, zipf = name.partition("_")
        for repeat, off in ((1, -0.01), (2, 0.0), (3, 0.01)):
            place = {"cell": f"{tier}.{zipf}", "tier": tier, "series": tier, "variant": zipf, "network": "loopback"}
            sizes = {"storage_bytes": share * 1e8, "catalogue_bytes": 1e8, "share": share, "zipf_s": int(zipf) / 10}
            ratios = {"hit": hit + off, "ideal": 1.0, "lru": lru, "gap": hit + off - lru, "kept": hit + off}
            held_so = {"held": held, "held_most": held, "late": NOBODY, "checked_s": 0.0}
            rows.append(place | sizes | ratios | held_so | {"repeat": repeat, "ttl_s": 3600.0})
    return pd.DataFrame(rows)


NOBODY = float("nan")


@pytest.mark.parametrize(
    ("trials", "verdict"),
    [
        (_trials(a_6=(0.1, 0.6, 0.6, 1.0), a_11=(0.1, 0.8, 0.8, 1.0)), ClaimVerdict.HOLDS),
        (_trials(a_6=(0.1, 0.3, 0.3, 1.0), a_11=(0.1, 0.8, 0.8, 1.0)), ClaimVerdict.PARTLY),
        (_trials(a_6=(0.1, 0.3, 0.3, NOBODY), b_6=(0.12, 0.2, 0.3, 1.0)), ClaimVerdict.NOT_HERE),
        (_trials(a_6=(0.1, 0.5, 0.5, 1.0)), ClaimVerdict.PARTLY),  # the interval is on both sides of a half
        (_trials(a_6=(0.5, 0.9, 0.9, 1.0)), ClaimVerdict.NOT_TESTABLE),  # much more than a tenth fits
        (_trials(a_6=(0.1, 0.9, 0.4, 4.0)), ClaimVerdict.NOT_TESTABLE),  # it held four times its limit
        (_trials(a_6=(0.1, 0.9, 0.4, NOBODY)), ClaimVerdict.NOT_TESTABLE),  # it hit what it cannot have held
        (_trials(a_6=(0.1, 0.6, 0.6, 1.0)).query("repeat < 3"), ClaimVerdict.NOT_TESTABLE),
        (pd.DataFrame(), ClaimVerdict.NOT_TESTABLE),
    ],
)
def test_the_verdict_follows_from_the_intervals(trials: pd.DataFrame, verdict: ClaimVerdict) -> None:
    result = conclude(trials).result
    assert result.verdict is verdict
    assert bool(result.why) is (verdict is not ClaimVerdict.HOLDS)


@pytest.mark.parametrize("repeats", [1, 2, 3])
def test_the_chart_has_a_panel_for_each_popularity_and_one_of_what_was_stored(repeats: int) -> None:
    trials = _trials(a_6=(0.1, 0.3, 0.3, NOBODY), a_11=(0.1, 0.8, 0.8, NOBODY), b_6=(0.1, 0.9, 0.3, 4.0))
    (chart,) = draw(conclude(trials[trials["repeat"] <= repeats]))
    slugs = [panel.slug for panel in chart.panels]
    assert slugs == ["claim-capacity-0-6", "claim-capacity-1-1", "claim-capacity-stored"]
    assert chart.table is not None and [row[0] for row in chart.table.rows] == ["a", "a", "b"]
    assert draw(conclude(pd.DataFrame())) == []


def test_of_several_sizes_the_one_nearest_a_tenth_decides() -> None:
    trials = _trials(a_6=(0.06, 0.2, 0.2, 1.0)), _trials(a_6=(0.11, 0.7, 0.7, 1.0)), _trials(a_6=(0.19, 0.9, 0.9, 1.0))
    named = [rows.assign(cell=f"a{number}") for number, rows in enumerate(trials)]
    result = conclude(pd.concat(named, ignore_index=True)).result
    assert result.verdict is ClaimVerdict.HOLDS and result.figure is not None
    assert result.figure.value == pytest.approx(0.7)
