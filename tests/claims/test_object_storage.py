"""The object storage claim, counted again by hand from a real run's tables; and its verdicts from made-up trials."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from edgebench.analysis.claims.object_storage import PER_1000, STATIC, conclude
from edgebench.analysis.run import analyse
from edgebench.model import ClaimVerdict
from edgebench.report.charts.claims import charts_of
from edgebench.runner.bucket import Bucket
from edgebench.runner.guardian import Guardian
from edgebench.runner.services import Service, await_ready, free_port
from edgebench.store import RunFolder
from tests.claims.conftest import ShortRun, ShortTrial
from tests.claims.test_compression import cpu_s
from tests.runner.test_bucket import needs_rclone

VARIANTS = ("app", "bucket", "app-unhashed", "bucket-unhashed")
PLAIN = '{ FLASK_VERSIONED_STATIC = "false", FLASK_TTL_STATIC_S = "0" }'
FOUR = (
    '{ name = "app" }',
    '{ name = "bucket", tier = { bucket = true } }',
    f'{{ name = "app-unhashed", env = {PLAIN} }}',
    f'{{ name = "bucket-unhashed", env = {PLAIN}, tier = {{ bucket = true }} }}',
)
"""As in the long form."""


@pytest.fixture(scope="module")
def run(short_run: Callable[..., ShortRun]) -> ShortRun:
    return short_run("object_storage", "repeats=1", "load.warm_up_s=0", f"variants=[{', '.join(FOUR)}]")


def only(run: ShortRun, variant: str) -> ShortTrial:
    (trial,) = run.of(tier="nginx", variant=variant)
    return trial


def by_hand(trial: ShortTrial) -> dict[str, float]:
    samples, ledger = trial.measured(), trial.table("ledger")
    start_ns, end_ns = trial.record["measure_start_ns"], trial.record["measure_end_ns"]
    ledger = ledger[(ledger.start_ns >= start_ns) & (ledger.start_ns < end_ns)]
    ledger = ledger[~ledger.path.str.startswith("/__edgebench__/")]
    app, stored = ledger[ledger.worker >= 0], ledger[ledger.worker < 0]
    static = samples[samples.endpoint.str.startswith("/static/")]
    late_ms = (static.done_ns - static.scheduled_ns - static.send_lag_ns) / 1e6
    n = len(samples) / 1000
    return {
        "app_requests": len(app) / n,
        "app_static": app.path.str.startswith("/static/").sum() / n,
        "bucket_requests": len(stored) / n,
        "app_kb": app.bytes.sum() / 1000 / n,
        "bucket_kb": stored.bytes.sum() / 1000 / n,
        "app_cpu_s": cpu_s(trial, "origin"),
        "bucket_cpu_s": cpu_s(trial, "bucket"),
        "tier_cpu_s": cpu_s(trial, "tier"),
        "static_ms": late_ms.median(),
        "static_kb": static.bytes.mean() / 1000,
        "static_share": len(static) / len(samples),
    }


@needs_rclone
def test_every_number_by_hand(run: ShortRun) -> None:
    numbers = run.claim["numbers"]
    counted = {variant: by_hand(only(run, variant)) for variant in VARIANTS}
    for variant, figures in counted.items():
        for name, value in figures.items():
            said = numbers[f"{name}.nginx.ttl1.{variant}"]
            assert (said is None and math.isnan(value)) or said == pytest.approx(value), f"{name} of {variant}"
    for end in ("", "-unhashed"):
        here, there, cell = counted[f"bucket{end}"], counted[f"app{end}"], f"nginx.ttl1.bucket{end}"
        for ratio, name in (("load", "app_requests"), ("time", "static_ms"), ("size", "static_kb")):
            assert numbers[f"{ratio}_ratio.{cell}"] == pytest.approx(here[name] / there[name])


@needs_rclone
def test_the_bucket_has_the_static_files_and_the_proof_holds(run: ShortRun) -> None:
    for variant in VARIANTS:
        trial = only(run, variant)
        ledger, samples = trial.table("ledger"), trial.table("samples")
        load = ledger[ledger.start_ns > 0]
        app, stored = load[load.worker >= 0], load[load.worker < 0]
        if "bucket" in variant:
            assert not app.path.str.startswith("/static/").any()
            assert set(stored.status) == {200} and stored.path.str.startswith("/static/").all()
            assert samples[samples.endpoint.str.startswith("/static/")].origin_seq.isna().all()
        else:
            assert stored.empty and app.path.str.startswith("/static/").any()
    # Each file once where its name may be kept; every time it is asked for where not.
    kept, asked = (only(run, variant).table("ledger").query("worker < 0") for variant in VARIANTS[1::2])
    assert kept.key.is_unique
    samples = only(run, "bucket-unhashed").table("samples")
    assert len(asked) == samples.endpoint.str.startswith("/static/").sum()
    codes = {reason["code"] for reason in run.summary["trust"]["reasons"]}
    assert not codes & {"UNMATCHED_LEDGER", "NO_LEDGER", "BROKEN_BODY", "WRONG_VARIANT"}


@needs_rclone
def test_a_bucket_of_ones_own_is_taken_at_its_headers_word(short_run: Callable[..., ShortRun], tmp_path: Path) -> None:
    with Guardian() as guardian:
        theirs = Bucket(tmp_path, "127.0.0.1", free_port())
        theirs.make_folder()
        (tmp_path / "store" / "assets").mkdir()
        server = Service("theirs", "theirs", theirs.argv, theirs.env, tmp_path / "log", (), guardian)
        server.start()
        try:
            await_ready(server, theirs.port, "/", 20.0)
            own = f'{{ bucket = true, bucket_url = "http://127.0.0.1:{theirs.port}/assets" }}'
            variants = f'variants=[{{ name = "bucket", tier = {own} }}]'
            run = short_run("object_storage", "repeats=1", "load.warm_up_s=0", "load.measure_s=1.5", variants)
        finally:
            server.stop()
    trial = only(run, "bucket")
    samples, ledger = trial.measured(), trial.table("ledger")
    assert (ledger.worker >= 0).all() and not ledger[ledger.start_ns > 0].path.str.startswith("/static/").any()
    static = samples[samples.endpoint.str.startswith("/static/")]
    assert (static.status == 200).all() and set(static.claim) <= {"hit", "miss"}
    reasons = {reason["code"]: reason["text"] for reason in run.summary["trust"]["reasons"]}
    assert "the cache's headers say" in reasons["NO_LEDGER"] and "CLAIM_DISAGREES" not in reasons
    fetched = 1000 * (static.claim == "miss").sum() / len(samples)
    (cell,) = run.summary["cells"]
    assert cell["id"] == "nginx.ttl1.bucket"
    judged = table_of(run)
    assert judged.bucket_requests.tolist() == [pytest.approx(fetched)] and judged.bucket_kb.isna().all()


def table_of(run: ShortRun) -> pd.DataFrame:
    """What the judge is given."""
    analysis = analyse(RunFolder(run.path))
    assert analysis.judged is not None
    return analysis.judged.tables["trials"]


def trials(load: float, time: float) -> pd.DataFrame:
    """Three repeats with and without a bucket, and of the app alone."""
    rows: list[dict[str, Any]] = []
    for repeat in (1, 2, 3):
        wobble = 1 + 0.002 * repeat
        for tier, variant, requests, ms in (
            ("direct", "app", 1000.0, 3.0), ("nginx", "app", 500.0, 2.0), ("nginx", "bucket", 500 * load, 2 * time),
        ):  # fmt: skip
            figures = {**dict.fromkeys((*PER_1000, *STATIC), 0.5), "app_requests": requests, "static_ms": ms}
            bucket = variant == "bucket"
            rows.append(
                {
                    "cell": f"{tier}.{variant}", "tier": tier, "series": f"{tier}, {variant}", "variant": variant,
                    "network": "loopback", "ttl_s": math.nan if tier == "direct" else 1.0, "repeat": repeat,
                    "bucket": bucket, "set_up": "", "direct": tier == "direct", "requests": 1000,
                    **{name: value * (wobble if bucket else 1) for name, value in figures.items()},
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("load", "time", "verdict"),
    [
        (0.2, 1.0, ClaimVerdict.HOLDS),
        (1.0, 1.0, ClaimVerdict.PARTLY),
        (0.2, 2.0, ClaimVerdict.PARTLY),
        (1.0, 2.0, ClaimVerdict.NOT_HERE),
    ],
)
def test_verdicts(load: float, time: float, verdict: ClaimVerdict) -> None:
    judged = conclude(trials(load, time))
    assert judged.result.verdict is verdict
    assert judged.result.figure is not None and judged.result.figure.value == pytest.approx(load, rel=0.01)
    assert (judged.result.why == "") is (verdict is ClaimVerdict.HOLDS)
    (chart,) = charts_of("object_storage", judged)
    assert len(chart.panels) == 3 and chart.table is not None and len(chart.table.rows) == 3


def test_what_could_not_be_read_is_left_out_of_the_charts() -> None:
    for unread in (["bucket_cpu_s"], ["app_cpu_s", "bucket_cpu_s", "tier_cpu_s"], ["bucket_kb"]):
        (chart,) = charts_of("object_storage", conclude(trials(0.2, 1.0).assign(**dict.fromkeys(unread, math.nan))))
        assert len(chart.panels) == (3 if "app_cpu_s" not in unread else 2)


def test_without_a_pair_there_is_nothing_to_judge() -> None:
    for table in (trials(0.2, 1.0).query("not bucket"), trials(0.2, 1.0).query("bucket"), pd.DataFrame()):
        assert conclude(table).result.verdict is ClaimVerdict.NOT_TESTABLE
    assert charts_of("object_storage", conclude(pd.DataFrame())) == []
