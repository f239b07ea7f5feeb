"""Options of the load as they come from the command line, the web UI and another process: checked, in one line."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from edgebench.errors import UserError
from edgebench.load.options import LoadOptions, from_parsed, register
from edgebench.model import Arrivals, Bursts, LoadModel, Step


class _Parser(argparse.ArgumentParser):
    """Locust's takes include_in_web_ui, too. Its own module would patch this whole process for gevent."""

    def add_argument(self, *names: Any, include_in_web_ui: bool = True, **kwargs: Any) -> argparse.Action:
        return super().add_argument(*names, **kwargs)


def options(*words: str, **web_ui: Any) -> LoadOptions:
    """The options of a command line; `web_ui` replaces them as the web UI's form does, unchecked."""
    parser = _Parser()
    register(parser)
    parsed = parser.parse_args(words)
    vars(parsed).update(web_ui)
    return from_parsed(parsed)


def refusal(*words: str, **web_ui: Any) -> str:
    with pytest.raises(UserError) as caught:
        options(*words, **web_ui)
    return str(caught.value)


def test_bursts() -> None:
    asked = options("--arrivals", "bursty", "--burst-factor", "4", "--burst-share", "0.25", "--burst-length", "0.5")
    assert (asked.model, asked.arrivals, asked.bursts) == (LoadModel.OPEN, Arrivals.BURSTY, Bursts(4, 0.25, 0.5))
    assert asked.facts() == {
        "model": "open", "rate_rps": 200.0, "arrivals": "bursty",
        "burst_factor": 4.0, "burst_share": 0.25, "burst_s": 0.5,
    }  # fmt: skip


def test_a_step() -> None:
    words = ["--step-factor", "10", "--step-at", "2", "--step-length", "1.5", "--step-keys", "7"]
    asked = options("--arrivals", "step", *words, "--warm-up-max", "3", "--rate", "40")
    assert asked.has_step and asked.step == Step(10, 2, 1.5, 7) and asked.step_since_start == Step(10, 5, 1.5, 7)
    assert asked.facts() == {
        "model": "open", "rate_rps": 40.0, "arrivals": "step",
        "step_factor": 10.0, "step_at_s": 2.0, "step_s": 1.5, "step_keys": 7,
    }  # fmt: skip


def test_a_replay_has_its_own_rate(tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    path.write_text("0\n1\n2\n")
    asked = options("--arrivals", "replay", "--replay", str(path), "--replay-speed", "10")
    assert asked.replay is not None and asked.replay.times_ns.tolist() == [0, 100_000_000, 200_000_000]
    assert asked.facts() == {
        "model": "open", "rate_rps": pytest.approx(10), "arrivals": "replay",
        "replay": "day.csv", "replay_speed": 10.0, "replay_times": 3,
    }  # fmt: skip


def test_a_closed_loop_has_no_arrivals() -> None:
    asked = options("--rate", "0", "--arrivals", "bursty", "--burst-factor", "100")
    assert asked.facts() == {"model": "closed", "rate_rps": 0.0, "arrivals": None}


def test_what_does_not_fit_together(tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    path.write_text("0\n1\n")
    bursty, replay = ("--arrivals", "bursty"), ("--arrivals", "replay", "--replay", str(path))
    assert "--burst-factor: expected at most 1 / --burst-share = 10, got 12" in refusal(*bursty, "--burst-factor", "12")
    assert "--burst-length: 0.001 s hold 0.05 requests" in refusal(*bursty, "--burst-length", "0.001", "--rate", "10")
    assert refusal("--arrivals", "replay").startswith("--replay FILE and --arrivals replay: expected both or neither")
    assert refusal("--replay", str(path)).startswith("--replay FILE and --arrivals replay: expected both or neither")
    assert "--rate 0 is a closed loop" in refusal(*replay, "--rate", "0")
    missing = refusal("--arrivals", "replay", "--replay", str(tmp_path / "x"))
    assert missing.startswith(f"--replay: {tmp_path / 'x'}: No such file")


def test_the_web_uis_form_is_checked_too() -> None:
    assert refusal(burst_factor=0.5) == "--burst-factor: expected a number from 1 to 1000, not 0.5"
    assert refusal(burst_share="many") == "--burst-share: expected a number from 0.001 to 0.999, not 'many'"
    assert refusal(burst_length=0.0) == "--burst-length: expected a number from 0.001 to 3600, not 0.0"
    assert refusal(replay_speed=-1.0) == "--replay-speed: expected a number from 0.001 to 1000, not -1.0"
    assert refusal(arrivals="sometimes").startswith("--arrivals: ")
    assert options(ca_file="").ca_file is None


def test_ca_file(tmp_path: Path) -> None:
    assert options().ca_file is None
    path = tmp_path / "ca.pem"
    assert refusal("--ca-file", str(path)) == f"--ca-file: {path}: no such file; expected CA certificates in PEM form"
    path.touch()
    assert options("--ca-file", str(path)).ca_file == path
