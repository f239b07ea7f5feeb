"""The compression claim, counted again by hand from the tables of a real run; and its verdicts from made-up trials."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from edgebench.analysis.claims import Judged
from edgebench.analysis.claims.compression import KINDS, conclude
from edgebench.model import ClaimVerdict
from edgebench.report.charts.claims import charts_of
from edgebench.report.format import NBSP
from tests.claims.conftest import ShortRun, ShortTrial

CODINGS = {"plain": "", "br-origin": "br", "gzip-edge": "gzip"}
TEXTS = [name for name in KINDS if name != "/static/[image]"]


@pytest.fixture(scope="module")
def run(short_run: Callable[..., ShortRun]) -> ShortRun:
    return short_run("compression", "repeats=1", "load.warm_up_s=0", 'axes.network=["loopback"]')


def only(run: ShortRun, variant: str) -> ShortTrial:
    (trial,) = run.of(tier="nginx", variant=variant)
    return trial


def kilobytes(trial: ShortTrial, names: list[str]) -> float:
    samples = trial.measured()
    return sum(float(samples.loc[samples.endpoint == name, "bytes"].mean()) / 1000 for name in names)


def page_ms(trial: ShortTrial) -> float:
    samples = trial.measured()
    late_ms = (samples.done_ns - samples.scheduled_ns - samples.send_lag_ns) / 1e6
    medians = {name: late_ms[samples.endpoint == name].median() for name in KINDS}
    return float(medians.pop("/") + max(medians.values()))


def cpu_s(trial: ShortTrial, role: str) -> float:
    """CPU seconds per 1,000 requests, over the whole seconds that were looked at within the measuring phase."""
    rows = trial.table("processes").query("role == @role").sort_values("at_ns")
    start_ns, end_ns = trial.record["measure_start_ns"], trial.record["measure_end_ns"]
    rows["before"] = rows.at_ns.shift()
    whole = rows[(rows.before >= start_ns) & (rows.at_ns <= end_ns)]
    spent, length = float(whole.cpu_s.sum()), float((whole.at_ns - whole.before).sum()) / 1e9
    seconds = (end_ns - start_ns) / 1e9
    return 1000 * (spent / length) * seconds / len(trial.measured()) if length else math.nan


def test_every_number_by_hand(run: ShortRun) -> None:
    numbers = run.claim["numbers"]
    plain = only(run, "plain")
    for variant in CODINGS:
        trial, cell = only(run, variant), f"nginx.ttl1.{variant}"
        assert numbers[f"page_kb.{cell}"] == pytest.approx(kilobytes(trial, list(KINDS)))
        assert numbers[f"text_kb.{cell}"] == pytest.approx(kilobytes(trial, TEXTS))
        assert numbers[f"page_ms.{cell}"] == pytest.approx(page_ms(trial))
        for role in ("origin", "tier"):
            counted = cpu_s(trial, role)
            said = numbers[f"{role}_cpu_s.{cell}"]
            assert (said is None and math.isnan(counted)) or said == pytest.approx(counted)
        if variant != "plain":
            ratio = kilobytes(trial, list(KINDS)) / kilobytes(plain, list(KINDS))
            assert numbers[f"bytes_ratio.{cell}"] == pytest.approx(ratio) and ratio < 0.6
            assert numbers[f"time_ratio.{cell}"] == pytest.approx(page_ms(trial) / page_ms(plain))
            assert numbers[f"sooner_ms.{cell}"] == pytest.approx(page_ms(plain) - page_ms(trial))


def test_what_came_was_in_the_coding_that_was_set_up(run: ShortRun) -> None:
    for variant, coding in CODINGS.items():
        samples, ledger = only(run, variant).measured(), only(run, variant).table("ledger")
        assert set(samples[samples.endpoint.isin(TEXTS)].encoding.astype("object").fillna("")) == {coding}
        assert set(samples[samples.endpoint == "/static/[image]"].encoding.astype("object").fillna("")) == {""}
        made = ledger[~ledger.path.str.startswith("/__edgebench__/") & (ledger.status == 200) & (ledger.start_ns > 0)]
        made = made[~made.path.str.endswith(("webp", "png"))]
        assert set(made.encoding.astype("object").fillna("")) == {coding if variant.endswith("origin") else ""}


def test_one_trial_bears_no_verdict_and_says_so(run: ShortRun) -> None:
    assert run.claim["verdict"] == "not testable here" and "raise repeats" in run.claim["why"]


def trials(bytes_ratio: float, time_ratio: float, came: float = 1.0) -> pd.DataFrame:
    """Three repeats of plain and of br at the origin, behind nginx."""
    rows: list[dict[str, Any]] = []
    for repeat in (1, 2, 3):
        for coding, where, size, time in (("plain", "", 1.0, 1.0), ("br", "origin", bytes_ratio, time_ratio)):
            wobble = 1 + 0.001 * repeat * (1 if where else -1)
            figures = {f"{what}_{kind}": 2.0 * size for what in ("kb", "ms") for kind in KINDS.values()}
            figures |= {"page_kb": 12 * size * wobble, "text_kb": 10 * size, "page_ms": 100 * time * wobble}
            cpu = dict.fromkeys(("origin_cpu_s", "tier_cpu_s", "cpu_s"), 0.5 + 0.2 * bool(where) + 0.001 * repeat)
            variant = f"{coding}-{where}".rstrip("-")
            rows.append(
                {
                    "cell": f"nginx.{variant}", "tier": "nginx", "series": f"nginx, {variant}", "variant": variant,
                    "network": "loopback", "ttl_s": 1.0, "repeat": repeat, "coding": coding, "where": where,
                    "came": came if where else 1.0, **figures, **cpu,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("bytes_ratio", "time_ratio", "verdict"),
    [
        (0.3, 0.8, ClaimVerdict.HOLDS),
        (0.3, 1.2, ClaimVerdict.PARTLY),
        (0.9, 0.8, ClaimVerdict.PARTLY),
        (0.9, 1.2, ClaimVerdict.NOT_HERE),
        (0.3, 1.0, ClaimVerdict.PARTLY),
    ],
)
def test_verdicts(bytes_ratio: float, time_ratio: float, verdict: ClaimVerdict) -> None:
    judged = conclude(trials(bytes_ratio, time_ratio))
    assert judged.result.verdict is verdict
    assert judged.result.figure is not None and judged.result.figure.value == pytest.approx(bytes_ratio, rel=0.01)
    assert (judged.result.why == "") is (verdict is ClaimVerdict.HOLDS)
    assert "took 0.20 s more CPU time than plain" in judged.result.text


def test_a_coding_that_did_not_come_decides_nothing() -> None:
    judged = conclude(trials(1.0, 1.0, came=0.0))
    assert judged.result.verdict is ClaimVerdict.NOT_TESTABLE


def test_without_a_plain_one_there_is_nothing_to_compare_with() -> None:
    coded = trials(0.3, 0.8).query("coding != 'plain'")
    for table in (coded, pd.DataFrame()):
        assert conclude(table).result.verdict is ClaimVerdict.NOT_TESTABLE


def test_what_could_not_be_read_is_left_out_of_the_charts() -> None:
    for unread in (["tier_cpu_s"], ["origin_cpu_s", "tier_cpu_s", "cpu_s"]):
        (chart,) = charts_of("compression", conclude(trials(0.3, 0.8).assign(**dict.fromkeys(unread, math.nan))))
        assert len(chart.panels) == (3 if "origin_cpu_s" not in unread else 2)


def test_charts_are_drawn_from_what_there_is() -> None:
    (chart,) = charts_of("compression", conclude(trials(0.3, 0.8)))
    assert [panel.slug for panel in chart.panels] == ["compression-bytes", "compression-time", "compression-cpu"]
    title = "br at the origin behind nginx leaves 30.1 % of a page’s bytes; the page takes 80.3 % of the time"
    assert chart.title.replace(NBSP, " ") == title
    assert chart.table is not None and len(chart.table.rows) == 2
    assert charts_of("compression", conclude(pd.DataFrame())) == []
    assert isinstance(conclude(pd.DataFrame()), Judged)
