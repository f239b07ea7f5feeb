"""What the commands say and how they end, where nothing has to be measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgebench.cli.analyze import Gate, broken_gates
from edgebench.cli.session import begin, resume
from edgebench.errors import UserError
from edgebench.model import CellSummary, Estimate, RunRecord, Scenario, Summary, Trust, TrustStatus
from edgebench.runner.run import new_run_folder, present_tiers
from edgebench.scenario import load
from edgebench.store import RunFolder
from edgebench.tiers import kinds

ROOT = Path(__file__).parent.parent.parent
# The directories of the system's programs are searched too: this one must not be found at all.
WITHOUT_VARNISH = {**os.environ, "EDGEBENCH_VARNISH": "/nowhere/varnishd"}


def edgebench(*words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgebench", *words],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def quick() -> Scenario:
    return load(ROOT / "scenarios/quick.toml", kinds=kinds())


def test_a_demanded_tier_that_is_missing_ends_with_2_and_says_how_to_get_it() -> None:
    words = ("scenarios/quick.toml", "--set", 'tiers=[{name="direct"},{name="varnish"}]')
    for verb in ("plan", "run"):
        done = edgebench(verb, *words, env=WITHOUT_VARNISH)
        assert done.returncode == 2
        assert "varnish is not installed" in done.stderr and "make caches" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_an_optional_tier_that_is_missing_is_left_out_with_a_word() -> None:
    done = edgebench("plan", "scenarios/quick.toml", env=WITHOUT_VARNISH)
    assert done.returncode == 0
    assert "left out: varnish (optional)" in done.stdout and "varnish.ttl" not in done.stdout
    assert "missing" in edgebench("check", "--no-ceiling", env=WITHOUT_VARNISH).stdout


def test_the_plan_says_what_load_it_is(tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    path.write_text("time_s\n5\n6\n8\n")
    for settings, said in (
        (("load.model=closed",), "load: closed, 32 users, 500 keys"),
        (("load.arrivals=bursty",), "load: open, bursty, 320 requests/s (1,600 in bursts of 1 s, 10 % of the time"),
        (("load.arrivals=replay", f"load.replay={path}"), "replay: 3 requests in 4.5 s (0.667/s)"),
    ):
        words = [word for setting in settings for word in ("--set", setting)]
        done = edgebench("plan", "scenarios/quick.toml", *words, env={**os.environ, "COLUMNS": "200"})
        assert done.returncode == 0, done.stderr
        assert said in done.stdout
    path.write_text("5\n4\n")
    out = tmp_path / "reports"
    done = edgebench(
        "run", "--out", str(out), "--set", "load.arrivals=replay", "--set", f"load.replay={path}",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, f"edgebench: {path}:2: expected ascending times, got 4 after 5\n")
    assert not out.exists()


def test_left_out_tiers_are_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEBENCH_VARNISH", "/nowhere/varnishd")
    present, left_out = present_tiers(quick())
    assert present == {"direct", "nginx"} and "make caches" in left_out["varnish"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plan", "scenarios/quik.toml"), "quick.toml"),
        (("plan", "scenarios/quick.toml", "--set", "load.rate_rsp=5"), "rate_rps"),
        (("plan", "scenarios/quick.toml", "--set", "load.rate_rps=-5"), "rate_rps"),
        (("plan", "scenarios/quick.toml", "--set", "axes.ttl_s=[]"), "ttl_s"),
        (("plan", "scenarios/quick.toml", "--set", "locustfile=locustfiles/apy.py"), "locustfiles/api.py"),
        (("run", "--resume", "reports/never"), "reports/never"),
        (("up", "--tier", "vanish"), "varnish"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(words: tuple[str, ...], said: str) -> None:
    done = edgebench(*words)
    assert done.returncode == 2
    assert said in done.stderr and len(done.stderr.splitlines()) == 1


def test_the_committed_schema_is_what_the_command_prints() -> None:
    assert edgebench("schema").stdout == (ROOT / "scenarios/schema.json").read_text()


def test_secrets_stay_out_of_the_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = quick()
    env = {**scenario.origin.env, "SHOP_SECRET_KEY": "hunter2"}
    asked = (replace(scenario, origin=replace(scenario.origin, env=env)), Path("x.toml"), ("run", "x.toml"))
    folder, _, origin = begin(asked, tmp_path)
    assert origin.env["SHOP_SECRET_KEY"] == "hunter2"
    for path in folder.path.iterdir():
        assert "hunter2" not in path.read_text()
    with pytest.raises(UserError, match="SHOP_SECRET_KEY"):
        resume(folder.path)
    monkeypatch.setenv("SHOP_SECRET_KEY", "hunter2")
    assert resume(folder.path)[2].env["SHOP_SECRET_KEY"] == "hunter2"


def test_run_folders_of_one_second_differ(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    assert len({new_run_folder(tmp_path, quick(), now).path for _ in range(3)}) == 3


def summary(run: RunRecord, p99_ms: float | None) -> Summary:
    metrics = {"latency_p99_ms": Estimate(p99_ms, None, None, 1, "ms")}
    cell = CellSummary("nginx.ttl1", "nginx", 1, "loopback", "open", TrustStatus.VALID, metrics)
    return Summary(run, Trust(TrustStatus.VALID), [], [cell])


@pytest.mark.parametrize(
    ("gate", "before", "now", "broken"),
    [
        ("latency_p99_ms > +10%", 2.0, 2.3, True),
        ("latency_p99_ms > +10%", 2.0, 2.1, False),
        ("latency_p99_ms < -10%", 2.0, 1.5, True),
        ("latency_p99_ms > 2", 9.0, 2.1, True),
        ("latency_p99_ms > 2", 9.0, 1.9, False),
        ("latency_p99_ms > 2", 9.0, None, False),
    ],
)
def test_gates(tmp_path: Path, gate: str, before: float, now: float | None, broken: bool) -> None:
    folder, _, _ = begin((quick(), Path("x.toml"), ()), tmp_path)
    run = RunFolder(folder.path).read_run()
    problems = list(broken_gates([Gate.parse(gate)], summary(run, now), summary(run, before)))
    assert bool(problems) is broken
    assert json.loads((folder.path / "run.json").read_text())["id"] == folder.path.name


def test_gates_that_make_no_sense_are_the_users_to_mend(tmp_path: Path) -> None:
    folder, _, _ = begin((quick(), Path("x.toml"), ()), tmp_path)
    found = summary(RunFolder(folder.path).read_run(), 1.0)
    with pytest.raises(UserError, match="METRIC > NUMBER"):
        Gate.parse("latency is bad")
    with pytest.raises(UserError, match="--against"):
        list(broken_gates([Gate.parse("latency_p99_ms > +10%")], found, None))
    with pytest.raises(UserError, match="no metric latency_p98_ms"):
        list(broken_gates([Gate.parse("latency_p98_ms > 1")], found, None))
