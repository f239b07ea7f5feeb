"""What one trial is told to do, and what it tells nobody."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from edgebench.model import Arrivals, Cell, Freshness, Load, LoadModel, OriginSpec, Placement, TierSpec, Trial
from edgebench.runner.trial import Bench, generator_argv, limit_s, portable

TRIAL = Trial(Cell(TierSpec("nginx", "nginx"), Freshness(5), Load(warm_up_s=8, measure_s=3)), 1, 42)


def words(placement: Placement, trial: Trial = TRIAL) -> list[str]:
    bench = Bench(Path("locustfiles/api.py"), OriginSpec(), placement, Mock())
    return list(generator_argv(bench, "http://127.0.0.1:1", trial, Path("raw"), Path("go")))


@pytest.mark.parametrize(
    ("placement", "spin"),
    [
        (Placement(generator=(1,), system=(0,)), "--spin"),
        (Placement(generator=(0,), system=(0,)), "--no-spin"),
        (Placement(), "--no-spin"),
    ],
)
def test_a_core_is_burned_only_by_who_has_it_alone(placement: Placement, spin: str) -> None:
    assert spin in words(placement)


def test_the_warm_up_lasts_one_ttl_where_answers_expire_and_never_past_its_limit() -> None:
    def told(ttl_s: int, option: str) -> float:
        found = words(Placement(), Trial(Cell(TRIAL.cell.tier, Freshness(ttl_s), TRIAL.cell.load), 1, 42))
        return float(found[found.index(option) + 1])

    assert [told(5, "--warm-up-min"), told(5, "--warm-up-max")] == [5, 8]
    assert told(30, "--warm-up-min") == 8
    assert told(3600, "--warm-up-min") == 0, "next to nothing expires in an hour"
    assert limit_s(TRIAL.cell.load) > 8 + 3


def test_a_closed_load_has_no_rate() -> None:
    closed = Trial(Cell(TRIAL.cell.tier, Freshness(5), Load(model=LoadModel.CLOSED)), 1, 42)
    told = words(Placement(), closed)
    assert told[told.index("--rate") + 1] == "0"
    assert "--arrivals" not in told


def test_bursts_and_replays_are_passed_on() -> None:
    def options(load: Load) -> dict[str, str]:
        told = words(Placement(), Trial(Cell(TRIAL.cell.tier, Freshness(5), load), 1, 42))
        names = ("--arrivals", "--rate", "--burst-factor", "--burst-share", "--burst-length", "--replay")
        return {name: told[told.index(name) + 1] for name in (*names, "--replay-speed") if name in told}

    assert options(Load()) == {"--arrivals": "poisson", "--rate": "300.0"}
    assert options(Load(arrivals=Arrivals.BURSTY, burst_factor=4.0, burst_share=0.2, burst_s=3.0)) == {
        "--arrivals": "bursty", "--rate": "300.0",
        "--burst-factor": "4.0", "--burst-share": "0.2", "--burst-length": "3.0",
    }  # fmt: skip
    step = words(
        Placement(), Trial(Cell(TRIAL.cell.tier, Freshness(5), Load(arrivals=Arrivals.STEP, step_keys=7)), 1, 42)
    )
    assert " ".join(step).count("--arrivals step --rate 300.0 --step-factor 20.0 --step-at 5.0 --step-length 3.0") == 1
    assert step[step.index("--step-keys") + 1] == "7"
    assert options(Load(arrivals=Arrivals.REPLAY, rate_rps=0, replay="a.csv", replay_speed=2.0)) == {
        "--arrivals": "replay", "--replay": "a.csv", "--replay-speed": "2.0",
    }  # fmt: skip


def test_folders_of_this_machine_are_named_by_what_they_are(tmp_path: Path) -> None:
    text = f"{sys.prefix}/bin/nginx -p {tmp_path}/nginx {Path.cwd()}/locustfiles {Path.home()}/x /etc/hosts"
    assert portable(text, tmp_path) == "<env>/bin/nginx -p <trial>/nginx ./locustfiles ~/x /etc/hosts"


def test_no_core_is_burned_where_that_is_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEBENCH_SPIN", "0")
    assert "--no-spin" in words(Placement(generator=(1,), system=(0,)))
